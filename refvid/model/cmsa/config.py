"""Sizes and alternatives of CMSA + CFSA."""

from dataclasses import dataclass
from typing import Literal, get_args

from refvid.model.config import TINY, BackboneName, ModelConfig

LanguageName = Literal["words", "sentence"]
AttentionName = Literal["cross-modal", "word", "pixel", "word-pixel", "none", "cvpr19"]
PoolingName = Literal["word-attention", "mean", "max"]
FusionName = Literal["gmlf", "self-gated", "conv-lstm", "deconvolution", "ppm", "cvpr19", "none"]
CrossFrameCode = Literal["none", "space-time"]
CHOICES = {
    "backbone": BackboneName,
    "language": LanguageName,
    "attention": AttentionName,
    "pooling": PoolingName,
    "fusion": FusionName,
    "cross_frame_code": CrossFrameCode,
}


@dataclass(frozen=True)
class CmsaConfig(ModelConfig):
    """Everything needed to build CMSA + CFSA or one of the paper's alternatives, and to feed it.

    Attributes:
        detail_channels: Width of what brings the logits to stride 4 (`DetailUpsampling`, light backbone only); 0: they
            are upsampled bilinearly, as in the paper.
        actor_channels: Width of the codes by which positions of one actor find each other (`ActorCodes`, needs
            `detail_channels`); 0: each position answers by itself, as in the paper.
        bilateral_channels: Width of what brings the logits on to stride 2 along the edges of the picture
            (`BilateralUpsampling`, needs `detail_channels`); 0: nothing does.
        word_evidence: Whether the truth of each word by itself counts for an expression (`WordEvidence`, needs language
            "words"); the paper has no such thing.
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
    """

    detail_channels: int = 0
    actor_channels: int = 0
    bilateral_channels: int = 0
    word_evidence: bool = False
    attention_channels: int = 512
    fusion_channels: int = 500
    language: LanguageName = "words"
    attention: AttentionName = "cross-modal"
    pooling: PoolingName = "word-attention"
    fusion: FusionName = "gmlf"
    frame_radius: int = 5
    cross_frame: bool = True
    cross_frame_levels: tuple[int, ...] = (3, 4, 5)
    cross_frame_code: CrossFrameCode = "none"
    architecture: str = "cmsa"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, choices in CHOICES.items():
            self.require(name, get_args(choices))
        self.require("architecture", ("cmsa",))
        if not self.cross_frame_levels or set(self.cross_frame_levels) - {3, 4, 5}:
            raise ValueError(f"cross_frame_levels names levels out of 3, 4 and 5, got {self.cross_frame_levels}")
        if self.backbone != "light" and self.detail_channels:
            raise ValueError("detail_channels belong to the light backbone, leave them 0")
        if self.actor_channels and (self.actor_channels < 2 or not self.detail_channels):
            raise ValueError(
                f"actor_channels are at least 2 and need detail_channels, got {self.actor_channels} with "
                f"{self.detail_channels} detail channels"
            )
        if self.bilateral_channels < 0 or (self.bilateral_channels and not self.detail_channels):
            raise ValueError(
                f"bilateral_channels are at least 0 and need detail_channels, got {self.bilateral_channels} with "
                f"{self.detail_channels} detail channels"
            )
        for name in ("actor_channels", "word_evidence"):
            if getattr(self, name) and self.fusion == "deconvolution":
                raise ValueError(
                    f"{name} takes logits on the grid of the levels, which fusion 'deconvolution' does not give; "
                    "leave it off"
                )
        if self.word_evidence and self.language != "words":
            raise ValueError(f"word_evidence needs language 'words', got {self.language!r}")
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


def refvid_config(vocabulary: tuple[str, ...]) -> CmsaConfig:
    """Return `refvid-tiny`, our own variant: `cmsa-tiny` with logits of stride 2 and masks that follow the edges of the
    frame, codes of actors by which one of them is chosen and its motion seen, the truth of each word by itself, and
    CFSA that knows where and when.
    """
    return tiny_config(vocabulary).replace(
        name="refvid-tiny",
        detail_channels=24,
        actor_channels=12,
        bilateral_channels=12,
        word_evidence=True,
        cross_frame_code="space-time",
        upsampling="guided",
    )
