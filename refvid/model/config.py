"""The settings that the configs of all systems share; a config is saved as `config.json` beside its weights."""

from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, Self, get_args

Precision = Literal["auto", "float32", "bfloat16", "float16"]
PADDING, UNKNOWN = "<pad>", "<unk>"
PretrainedName = Literal["efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2"]
BackboneName = Literal["resnet101", "light", PretrainedName]
PRETRAINED: tuple[str, ...] = get_args(PretrainedName)
InputShape = Literal["square", "area"]
ThresholdOf = Literal["one", "maximum"]
UpsamplingName = Literal["bilinear", "guided"]


@dataclass(frozen=True)
class CrfSettings:
    """Settings of the DenseCRF refinement.

    They are those of the paper's released image model, which refines masks of 320 pixels, scaled to half that size. A
    quarter of the pixels takes a sixth of the time, and with guided upsampling the masks are as good
    (benchmarks/results/2026-11-refinement.md).

    Attributes:
        iterations: Number of mean-field iterations.
        gaussian_sxy: Standard deviation of the smoothness kernel in pixels of the refined picture.
        gaussian_compat: Weight of the smoothness kernel.
        bilateral_sxy: Standard deviation in space of the appearance kernel in pixels of the refined picture.
        bilateral_srgb: Standard deviation in colour of the appearance kernel, on the scale 0 to 255.
        bilateral_compat: Weight of the appearance kernel.
        longest_side: Longer side of the refined picture in pixels.
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
    """The settings needed to feed a network of any system; each system's own config adds those needed to build it.

    Attributes:
        name: Name of the model.
        vocabulary: Words the model knows; word n has the id n + 2, and the ids 0 and 1 are padding and unknown words.
        backbone: Name of the trunk; "light" is the small one of all tiny models, and those in `PRETRAINED` are meant to
            stay frozen, followed by a neck that is trained.
        backbone_channels: Widths of the stem, Res2, Res3, Res4 and Res5 of the light backbone; the widths of other
            backbones are fixed.
        colour_channels: Width of the light or pretrained backbone's colour path; 0 for none.
        neck_channels: Width of the levels from the neck of a pretrained backbone; 0 for other backbones.
        input_size: Side of the square input in pixels; frames are resized and zero-padded to it.
        input_shape: "square", as in the papers, or "area": the input has the proportions of the frame and the area of
            the square, so that a wide video wastes no positions on padding.
        embedding_channels: Width of a word embedding.
        vector_channels: Width of the fixed word vectors from which embeddings are computed (`VectorEmbedding`); 0 for
            a learnt embedding of each word.
        class_entries: Number of ImageNet classes that the table of word vectors lists for all words together.
        taught_words: Words of the training sentences; each has a learnt embedding that is added to the one computed
            from its vector.
        max_words: Number of words of an expression that the network reads; the rest are cut off.
        pixel_mean: Mean of the red, green and blue values (0 to 1) that the trunk expects.
        pixel_std: Standard deviation of these values.
        threshold: Probability above which a pixel belongs to the object.
        threshold_of: Unit of the threshold: "one", or the "maximum" of the frame's probabilities.
        upsampling: How unrefined logits are brought to the size of the frame: "bilinear", as in the papers, or "guided"
            by the edges in the frame, a variant of our own that needs `threshold_of` "one".
        refine: Whether masks are refined by DenseCRF unless the user says otherwise.
        crf: Settings of that refinement.
        training: Free-form record of how the weights were trained and on which data.
        architecture: Name of the system that the config belongs to.
    """

    name: str
    vocabulary: tuple[str, ...]
    backbone: str = "resnet101"
    backbone_channels: tuple[int, int, int, int, int] = (64, 256, 512, 1024, 2048)
    colour_channels: int = 0
    neck_channels: int = 0
    input_size: int = 320
    input_shape: InputShape = "square"
    embedding_channels: int = 1000
    vector_channels: int = 0
    class_entries: int = 0
    taught_words: tuple[str, ...] = ()
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
        self._check_backbone()
        self._check_words()

    def _check_backbone(self) -> None:
        if self.backbone not in ("light", *PRETRAINED) and self.colour_channels:
            raise ValueError(
                f"colour_channels are for the light and the pretrained backbones; leave them 0 for {self.backbone!r}"
            )
        if self.backbone in PRETRAINED and min(self.neck_channels, self.colour_channels) < 1:
            raise ValueError(
                f"backbone {self.backbone!r} needs neck_channels and colour_channels of at least 1, got "
                f"{self.neck_channels} and {self.colour_channels}"
            )
        if self.backbone not in PRETRAINED and self.neck_channels:
            raise ValueError(
                f"neck_channels are for the pretrained backbones; leave them 0 for {self.backbone!r}, "
                f"got {self.neck_channels}"
            )

    def _check_words(self) -> None:
        for name in ("vocabulary", "taught_words"):
            words = getattr(self, name)
            if len(set(words)) != len(words):
                raise ValueError(f"{name} must list each word once, but lists at least one twice")
        if min(self.vector_channels, self.class_entries) < 0:
            raise ValueError(
                "vector_channels and class_entries must be at least 0, got "
                f"{self.vector_channels} and {self.class_entries}"
            )
        if not self.vector_channels and (self.class_entries or self.taught_words):
            raise ValueError("class_entries and taught_words are for word vectors; give their vector_channels too")
        if unlisted := sorted(set(self.taught_words) - set(self.vocabulary)):
            more = f" and {len(unlisted) - 3} more" if unlisted[3:] else ""
            raise ValueError(
                f"taught_words must be words of the vocabulary, which lacks {', '.join(map(repr, unlisted[:3]))}{more}"
            )

    def require(self, name: str, choices: tuple[str, ...]) -> None:
        """Check that the field `name` holds one of the choices.

        Raises:
            ValueError: It holds another value.
        """
        if getattr(self, name) not in choices:
            expected = f"one of {', '.join(choices)}" if len(choices) > 1 else repr(choices[0])
            raise ValueError(f"{name} must be {expected}, got {getattr(self, name)!r}")

    @property
    def stride(self) -> int:
        """Stride of the backbone in pixels; the sides of the network's input are multiples of it."""
        return 32 if self.backbone in PRETRAINED else 8

    def canvas(self, height: int, width: int) -> tuple[int, int]:
        """Return the height and width in pixels, multiples of the stride, of the network's input for such frames."""
        if self.input_shape == "square":
            return self.input_size, self.input_size
        scale = self.input_size / (height * width) ** 0.5
        step = self.stride
        return max(step, round(height * scale / step) * step), max(step, round(width * scale / step) * step)

    def as_dict(self) -> dict[str, Any]:
        """Return the config as the plain dictionary that is saved in `config.json`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build a config of this system from the contents of `config.json`; use `read_config` for any system.

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


# All tiny models share these settings, so that one of them can start from the trunk of another.
TINY: dict[str, Any] = {
    "backbone": "light",
    "backbone_channels": (24, 48, 96, 128, 160),
    "colour_channels": 32,
    "input_size": 192,
    "input_shape": "area",
    "embedding_channels": 64,
}

# All small models share these settings: a pretrained trunk, whose cached features they can share too, the input that it
# was trained for, and embeddings from word vectors.
SMALL: dict[str, Any] = {
    "backbone": "efficientnet-lite0",
    "neck_channels": 128,
    "colour_channels": 32,
    "input_size": 256,
    "input_shape": "area",
    "pixel_mean": (0.498, 0.498, 0.498),  # the values that the trunk was trained with
    "pixel_std": (0.502, 0.502, 0.502),
    "embedding_channels": 96,
    "vector_channels": 64,
}
