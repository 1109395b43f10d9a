"""Sizes and alternatives of CMSA + CFSA."""

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
    """Everything needed to build CMSA + CFSA or one of the paper's alternatives, and to feed it.

    Attributes:
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
            raise ValueError(f"cross_frame_levels names levels out of 3, 4 and 5, got {self.cross_frame_levels}")
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
    """Return `cmsa-small`: the paper's modules alone on a trunk pretrained on ImageNet, words read by their vectors."""
    return CmsaConfig(
        name="cmsa-small",
        vocabulary=vocabulary,
        **SMALL,
        attention_channels=64,
        fusion_channels=96,
        cross_frame_levels=(5,),
    )
