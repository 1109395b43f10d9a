"""The config of CMSA + CFSA: its sizes, and the alternatives of the paper's tables."""

from dataclasses import dataclass
from typing import Literal, get_args

from refvid.model.config import SMALL, TINY, BackboneName, ModelConfig

LanguageName = Literal["words", "sentence"]
AttentionName = Literal["cross-modal", "word", "pixel", "word-pixel", "none", "cvpr19"]
PoolingName = Literal["word-attention", "mean", "max"]
FusionName = Literal["gmlf", "self-gated", "conv-lstm", "deconvolution", "ppm", "cvpr19", "none"]
CHOICES = {
    "backbone": BackboneName,
    "language": LanguageName,
    "attention": AttentionName,
    "pooling": PoolingName,
    "fusion": FusionName,
}


@dataclass(frozen=True)
class CmsaConfig(ModelConfig):
    """The settings needed to build and feed CMSA + CFSA or one of the paper's alternatives.

    Attributes:
        attention_channels: Width of queries, keys and values (512 in the paper).
        fusion_channels: Width of X^i in gated fusion (500 in the paper).
        language: Language features of Eq. 1: "words", one vector for each word (CMSA-W), or "sentence", one vector from
            an LSTM (CMSA-S).
        attention: "cross-modal", the paper's Eq. 2 and 3; "word", "pixel", "word-pixel" or "none", the alternatives of
            its Table 2 (see `ablations.attention`); or "cvpr19", the attention of the image model released in 2019 (see
            `ablations.cvpr19`). Each of the alternatives has a pooling of its own.
        pooling: How the features of an expression's words become one map: "word-attention", the paper's Eq. 4 and 5,
            or "mean" or "max", the alternatives of its Table 1.
        fusion: How the three levels become one map: "gmlf", the paper's Eq. 6; "self-gated", "conv-lstm",
            "deconvolution" or "ppm", the alternatives of its Table 2; "cvpr19", the gates of the model released in
            2019; or "none", the sum of the levels.
        frame_radius: tau, the number of frames on either side of the target frame.
        cross_frame: Whether the network contains CFSA; without it, it is the paper's image model.
        cross_frame_levels: Levels that CFSA is applied to: 3, 4 and 5 for Res3, Res4 and Res5. The paper does not say
            which; the default is all.
    """

    attention_channels: int = 512
    fusion_channels: int = 500
    language: LanguageName = "words"
    attention: AttentionName = "cross-modal"
    pooling: PoolingName = "word-attention"
    fusion: FusionName = "gmlf"
    frame_radius: int = 5
    cross_frame: bool = True
    cross_frame_levels: tuple[int, ...] = (3, 4, 5)
    architecture: str = "cmsa"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, choices in CHOICES.items():
            self.require(name, get_args(choices))
        self.require("architecture", (type(self).architecture,))
        if not self.cross_frame_levels or set(self.cross_frame_levels) - {3, 4, 5}:
            raise ValueError(
                f"cross_frame_levels must list at least one of the levels 3, 4 and 5 and no others, got "
                f"{self.cross_frame_levels}"
            )
        self._check_combination()

    def _check_combination(self) -> None:
        """Raise a ValueError for alternatives that cannot be combined."""
        if self.pooling != "word-attention" and self.attention != "cross-modal":
            raise ValueError(
                f"pooling {self.pooling!r} is for attention 'cross-modal'; attention {self.attention!r} has a pooling "
                "of its own, so leave pooling at 'word-attention'"
            )
        if self.language == "sentence" and self.pooling != "word-attention":
            raise ValueError(
                f"pooling {self.pooling!r} needs words; language 'sentence' leaves one vector and nothing to pool, "
                "so leave pooling at 'word-attention'"
            )
        if self.language == "sentence" and self.attention == "word":
            raise ValueError(
                "attention 'word' is among words; language 'sentence' leaves one vector, so choose language 'words'"
            )


def full_config(vocabulary: tuple[str, ...]) -> CmsaConfig:
    """Return `cmsa-deeplab101`, the network of the paper's section 4.1.1."""
    return CmsaConfig(name="cmsa-deeplab101", vocabulary=vocabulary, refine=True)


def tiny_config(vocabulary: tuple[str, ...]) -> CmsaConfig:
    """Return `cmsa-tiny`: the paper's modules on the light trunk, sized for two CPU cores."""
    return CmsaConfig(
        name="cmsa-tiny",
        vocabulary=vocabulary,
        **TINY,
        attention_channels=64,
        fusion_channels=64,
        cross_frame_levels=(5,),
    )


def small_config(vocabulary: tuple[str, ...]) -> CmsaConfig:
    """Return `cmsa-small`: the paper's modules on a trunk pretrained on ImageNet, with embeddings from word vectors."""
    return CmsaConfig(
        name="cmsa-small",
        vocabulary=vocabulary,
        **SMALL,
        attention_channels=64,
        fusion_channels=96,
        cross_frame_levels=(5,),
    )
