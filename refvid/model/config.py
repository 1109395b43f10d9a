"""Sizes of a network, saved as `config.json` beside its weights."""

from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, get_args

PADDING, UNKNOWN = "<pad>", "<unk>"
BackboneName = Literal["resnet101", "light"]
LanguageName = Literal["words", "sentence"]
AttentionName = Literal["cross-modal", "word", "pixel", "word-pixel", "none", "cvpr19"]
PoolingName = Literal["word-attention", "mean", "max"]
FusionName = Literal["gmlf", "self-gated", "conv-lstm", "deconvolution", "ppm", "cvpr19", "none"]


@dataclass(frozen=True)
class CrfSettings:
    """Settings of the DenseCRF refinement (those of the paper's released image model).

    Attributes:
        longest_side: Pixels of the longer side the refinement runs at; the paper's is its input size, 320.
    """

    iterations: int = 5
    gaussian_sxy: float = 3.0
    gaussian_compat: float = 3.0
    bilateral_sxy: float = 20.0
    bilateral_srgb: float = 3.0
    bilateral_compat: float = 10.0
    longest_side: int = 320


@dataclass(frozen=True)
class ModelConfig:
    """Everything needed to build a network and to feed it.

    Attributes:
        vocabulary: Words the model has seen; word n has id n + 2, ids 0 and 1 are padding and unknown.
        backbone_channels: Widths of stem, Res2, Res3, Res4 and Res5 of the light backbone (resnet101 fixes its own).
        colour_channels: Width of the light backbone's colour path; 0: none.
        detail_channels: Width of what brings the logits to stride 4 (`DetailUpsampling`, light backbone only); 0: they
            are upsampled bilinearly, as in the paper.
        input_size: Side of the square input in pixels; frames are resized and zero-padded to it.
        input_shape: "square", as the paper has it, or "area": the input has the frame's own proportions and the area
            of the square, so that a wide video wastes no positions on padding.
        attention_channels: Width of queries, keys and values (512 in the paper).
        fusion_channels: Width of X^i in gated fusion (500 in the paper).
        language: What Eq. 1 joins to the pixels: "words" (CMSA-W), or "sentence", one vector by an LSTM (CMSA-S).
        attention: "cross-modal", the paper's Eq. 2 and 3, or what its Table 2 compares that with, "word", "pixel",
            "word-pixel" and "none" (see `attention_alternatives`), or "cvpr19", that of the image model released in
            2019 (see `cvpr19`). Each but the first has a pooling of its own.
        pooling: How the features of an expression's words become one map: "word-attention", the paper's Eq. 4 and 5,
            or the "mean" or the "max" that its Table 1 compares it with.
        fusion: How the three levels become one map: "gmlf", the paper's Eq. 6, or what its Table 2 compares that with,
            "self-gated", "conv-lstm", "deconvolution" and "ppm", or "cvpr19", the gates that were released in 2019, or
            "none", their sum.
        frame_radius: tau, frames on either side of the target frame.
        cross_frame: Whether CFSA is part of the network (off: the image model).
        cross_frame_levels: Which of the levels Res3, Res4 and Res5, as 3, 4 and 5, CFSA is applied to; the paper does
            not say, by default all.
        cross_frame_code: "none": CFSA as printed. "space-time": its tokens know where and when they were seen, a
            variant of our own (see `CrossFrameSelfAttention`).
        threshold: Probability above which a pixel is the object.
        refine: Whether masks are refined by DenseCRF unless the user says otherwise.
        training: What the weights were trained on and how; free-form record.
    """

    name: str
    vocabulary: tuple[str, ...]
    backbone: BackboneName = "resnet101"
    backbone_channels: tuple[int, int, int, int, int] = (64, 256, 512, 1024, 2048)
    colour_channels: int = 0
    detail_channels: int = 0
    input_size: int = 320
    input_shape: Literal["square", "area"] = "square"
    embedding_channels: int = 1000
    attention_channels: int = 512
    fusion_channels: int = 500
    language: LanguageName = "words"
    attention: AttentionName = "cross-modal"
    pooling: PoolingName = "word-attention"
    fusion: FusionName = "gmlf"
    frame_radius: int = 5
    cross_frame: bool = True
    cross_frame_levels: tuple[int, ...] = (3, 4, 5)
    cross_frame_code: Literal["none", "space-time"] = "none"
    max_words: int = 20
    pixel_mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    pixel_std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    threshold: float = 0.5
    refine: bool = False
    crf: CrfSettings = CrfSettings()
    training: dict[str, Any] = field(default_factory=dict)
    architecture: Literal["cmsa"] = "cmsa"

    def __post_init__(self) -> None:
        if self.input_size % 8 or self.input_size <= 0:
            raise ValueError(
                f"input_size must be a positive multiple of 8, the backbone's stride, got {self.input_size}"
            )
        if not 0 < self.threshold < 1:
            raise ValueError(f"threshold must lie between 0 and 1, got {self.threshold}")
        if self.backbone not in ("resnet101", "light"):
            raise ValueError(f"backbone must be 'resnet101' or 'light', got {self.backbone!r}")
        if self.input_shape not in ("square", "area"):
            raise ValueError(f"input_shape must be 'square' or 'area', got {self.input_shape!r}")
        if self.language not in get_args(LanguageName):
            raise ValueError(f"language must be one of {', '.join(get_args(LanguageName))}, got {self.language!r}")
        if self.attention not in get_args(AttentionName):
            raise ValueError(f"attention must be one of {', '.join(get_args(AttentionName))}, got {self.attention!r}")
        if self.pooling not in get_args(PoolingName):
            raise ValueError(f"pooling must be one of {', '.join(get_args(PoolingName))}, got {self.pooling!r}")
        if self.fusion not in get_args(FusionName):
            raise ValueError(f"fusion must be one of {', '.join(get_args(FusionName))}, got {self.fusion!r}")
        if not self.cross_frame_levels or set(self.cross_frame_levels) - {3, 4, 5}:
            raise ValueError(f"cross_frame_levels names levels out of 3, 4 and 5, got {self.cross_frame_levels}")
        if self.cross_frame_code not in ("none", "space-time"):
            raise ValueError(f"cross_frame_code must be 'none' or 'space-time', got {self.cross_frame_code!r}")
        if self.architecture != "cmsa":
            raise ValueError(f"architecture must be 'cmsa', got {self.architecture!r}")
        if self.backbone != "light" and (self.colour_channels or self.detail_channels):
            raise ValueError("colour_channels and detail_channels belong to the light backbone, leave them 0")
        if len(set(self.vocabulary)) != len(self.vocabulary):
            raise ValueError("vocabulary names a word twice")
        self._refuse_what_cannot_be_joined()

    def _refuse_what_cannot_be_joined(self) -> None:
        if self.pooling != "word-attention" and self.attention != "cross-modal":
            raise ValueError(
                f"pooling {self.pooling!r} is for attention 'cross-modal'; attention {self.attention!r} pools words "
                "its own way, leave pooling 'word-attention'"
            )
        if self.language == "sentence" and self.pooling != "word-attention":
            raise ValueError(
                f"pooling {self.pooling!r} needs words; language 'sentence' leaves one vector and nothing to pool, "
                "leave pooling 'word-attention'"
            )
        if self.language == "sentence" and self.attention == "word":
            raise ValueError("attention 'word' is among words; language 'sentence' leaves one vector, choose 'words'")

    def canvas(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the network's input for frames of this size, multiples of the stride 8."""
        if self.input_shape == "square":
            return self.input_size, self.input_size
        scale = self.input_size / (height * width) ** 0.5
        return max(8, round(height * scale / 8) * 8), max(8, round(width * scale / 8) * 8)

    def as_dict(self) -> dict[str, Any]:
        """Return the plain dictionary that `config.json` holds."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "ModelConfig":
        """Build a config from the contents of `config.json`.

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
        if "crf" in arguments:
            arguments["crf"] = CrfSettings(**arguments["crf"])
        try:
            return cls(**arguments)
        except TypeError as error:
            raise ValueError(str(error)) from error

    def renamed(self, **changes: Any) -> "ModelConfig":
        """Return a copy with some fields changed."""
        return replace(self, **changes)


def full_config(vocabulary: tuple[str, ...]) -> ModelConfig:
    """Return `cmsa-deeplab101`, the network of the paper's section 4.1.1."""
    return ModelConfig(name="cmsa-deeplab101", vocabulary=vocabulary, refine=True)


def tiny_config(vocabulary: tuple[str, ...]) -> ModelConfig:
    """Return `cmsa-tiny`: the same modules, sized for two CPU cores."""
    return ModelConfig(
        name="cmsa-tiny",
        vocabulary=vocabulary,
        backbone="light",
        backbone_channels=(24, 48, 96, 128, 160),
        colour_channels=32,
        detail_channels=24,
        input_size=192,
        input_shape="area",
        embedding_channels=64,
        attention_channels=64,
        fusion_channels=64,
        cross_frame_levels=(5,),
        cross_frame_code="space-time",
    )
