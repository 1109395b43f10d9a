"""What every system's config has in common, saved as `config.json` beside its weights."""

from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, Self, get_args

Precision = Literal["auto", "float32", "bfloat16", "float16"]
PADDING, UNKNOWN = "<pad>", "<unk>"
BackboneName = Literal["resnet101", "light", "efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2"]
PRETRAINED = tuple(name for name in get_args(BackboneName) if name.startswith("efficientnet"))
InputShape = Literal["square", "area"]
ThresholdOf = Literal["one", "maximum"]
UpsamplingName = Literal["bilinear", "guided"]


@dataclass(frozen=True)
class CrfSettings:
    """Settings of the DenseCRF refinement: those of the paper's released image model at half its size, 320.

    A quarter of the pixels takes a sixth of the time, and with guided upsampling the masks are as good
    (benchmarks/results/2026-11-refinement.md).

    Attributes:
        gaussian_sxy: Width in pixels of the picture that is refined, as is `bilateral_sxy`.
        longest_side: Pixels of the longer side of that picture.
    """

    iterations: int = 5
    gaussian_sxy: float = 1.5
    gaussian_compat: float = 3.0
    bilateral_sxy: float = 10.0
    bilateral_srgb: float = 3.0
    bilateral_compat: float = 10.0
    longest_side: int = 160


@dataclass(frozen=True)
class ModelConfig:
    """What is needed to feed a network of any system; each system adds what it takes to build it.

    Attributes:
        vocabulary: Words the model has seen; word n has id n + 2, ids 0 and 1 are padding and unknown.
        backbone: Name of the trunk; "light" is the small one that all tiny models have.
        backbone_channels: Widths of stem, Res2, Res3, Res4 and Res5 of the light backbone (others fix their own).
        colour_channels: Width of the light backbone's colour path; 0: none.
        input_size: Side of the square input in pixels; frames are resized and zero-padded to it.
        input_shape: "square", as the papers have it, or "area": the input has the frame's own proportions and the area
            of the square, so that a wide video wastes no positions on padding.
        embedding_channels: Width of a word's vector.
        threshold: Probability above which a pixel is the object.
        threshold_of: What the threshold is a share of: "one", or the "maximum" of the frame's probabilities.
        upsampling: How the answer reaches the frame's own size without refinement, which has its own way: "bilinear",
            as in the papers, or "guided" by the frame's edges, a variant of our own, for a threshold of "one".
        refine: Whether masks are refined by DenseCRF unless the user says otherwise.
        training: What the weights were trained on and how; free-form record.
        architecture: Name of the system, by which `config.json` is read.
    """

    name: str
    vocabulary: tuple[str, ...]
    backbone: str = "resnet101"
    backbone_channels: tuple[int, int, int, int, int] = (64, 256, 512, 1024, 2048)
    colour_channels: int = 0
    input_size: int = 320
    input_shape: InputShape = "square"
    embedding_channels: int = 1000
    max_words: int = 20
    pixel_mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    pixel_std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    threshold: float = 0.5
    threshold_of: ThresholdOf = "one"
    upsampling: UpsamplingName = "bilinear"
    refine: bool = False
    crf: CrfSettings = CrfSettings()
    training: dict[str, Any] = field(default_factory=dict)
    architecture: str = ""

    def __post_init__(self) -> None:
        if self.input_size % self.stride or self.input_size <= 0:
            raise ValueError(
                f"input_size must be a positive multiple of {self.stride}, the backbone's stride, got {self.input_size}"
            )
        if not 0 < self.threshold < 1:
            raise ValueError(f"threshold must lie between 0 and 1, got {self.threshold}")
        self.require("input_shape", get_args(InputShape))
        self.require("threshold_of", get_args(ThresholdOf))
        self.require("upsampling", get_args(UpsamplingName))
        if self.upsampling == "guided" and self.threshold_of != "one":
            raise ValueError(f"upsampling 'guided' needs threshold_of 'one', got {self.threshold_of!r}")
        if self.backbone not in ("light", *PRETRAINED) and self.colour_channels:
            raise ValueError("colour_channels belong to the light and the pretrained backbones, leave them 0")
        if len(set(self.vocabulary)) != len(self.vocabulary):
            raise ValueError("vocabulary names a word twice")

    def require(self, name: str, choices: tuple[str, ...]) -> None:
        """Refuse a field that is none of some choices.

        Raises:
            ValueError: It is none.
        """
        if getattr(self, name) not in choices:
            expected = f"one of {', '.join(choices)}" if len(choices) > 1 else repr(choices[0])
            raise ValueError(f"{name} must be {expected}, got {getattr(self, name)!r}")

    @property
    def stride(self) -> int:
        """The number of pixels that the sides of the network's input are multiples of."""
        return 32 if self.backbone in PRETRAINED else 8

    def canvas(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the network's input for frames of this size, multiples of the stride."""
        if self.input_shape == "square":
            return self.input_size, self.input_size
        scale = self.input_size / (height * width) ** 0.5
        step = self.stride
        return max(step, round(height * scale / step) * step), max(step, round(width * scale / step) * step)

    def as_dict(self) -> dict[str, Any]:
        """Return the plain dictionary that `config.json` holds."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build a config of this system from the contents of `config.json`; `read_config` knows which system it is.

        Raises:
            ValueError: A key is unknown or missing, or a value is out of range.
        """
        known = {f.name for f in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ValueError(f"unknown keys {unknown}; this version knows {sorted(known)}")
        if missing := [key for key in ("name", "vocabulary") if key not in values]:
            raise ValueError(f"missing keys {missing}")
        arguments: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        try:
            if "crf" in arguments:
                arguments["crf"] = CrfSettings(**arguments["crf"])
            return cls(**arguments)
        except TypeError as error:
            raise ValueError(str(error)) from error

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some fields changed."""
        return replace(self, **changes)


# What all tiny models have in common: the same trunk, input and words, so that one can take over another's trunk.
TINY: dict[str, Any] = {
    "backbone": "light",
    "backbone_channels": (24, 48, 96, 128, 160),
    "colour_channels": 32,
    "input_size": 192,
    "input_shape": "area",
    "embedding_channels": 64,
}
