"""The config of refvid, our own variant of CMSA + CFSA."""

from dataclasses import dataclass
from typing import Literal, get_args

from refvid.model.cmsa.config import CmsaConfig
from refvid.model.config import SMALL, TINY

CrossFrameCode = Literal["none", "space-time"]


@dataclass(frozen=True)
class RefvidConfig(CmsaConfig):
    """The sizes of CMSA + CFSA and of the parts that our variant adds; each part can be left out for a comparison.

    Attributes:
        detail_channels: Width of the fine features for upsampling the logits to stride 4 (`DetailUpsampling`; light
            and pretrained backbones); 0 for bilinear upsampling, as in the paper.
        actor_channels: Width of the codes that group the positions of an actor (`ActorCodes`, needs `detail_channels`);
            0 for classifying each position by itself, as in the paper.
        bilateral_channels: Width of the features for upsampling the logits further along the edges in the picture
            (`BilateralUpsampling`, needs `detail_channels`); 0 to leave this step out.
        word_evidence: Whether the truth of each single word contributes to the logits of an expression (`WordEvidence`,
            needs language "words").
        class_opinion: Whether the network is told what the ImageNet classifier says of the words of an expression, and
            how far that counts depends on the word (`VectorEvidence`, needs `word_evidence` and `vector_channels`).
        cross_frame_code: Code added to the tokens of CFSA: "none", as in the paper, or "space-time", which tells where
            and when each was seen (`SpaceTimeCrossFrame`).
    """

    detail_channels: int = 0
    actor_channels: int = 0
    bilateral_channels: int = 0
    word_evidence: bool = False
    class_opinion: bool = False
    cross_frame_code: CrossFrameCode = "none"
    architecture: str = "refvid"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require("cross_frame_code", get_args(CrossFrameCode))
        if self.backbone == "resnet101" and self.detail_channels:
            raise ValueError(
                f"detail_channels are for the light and the pretrained backbones; leave them 0 for {self.backbone!r}"
            )
        if self.actor_channels and (self.actor_channels < 2 or not self.detail_channels):
            raise ValueError(
                f"actor_channels must be at least 2 and need detail_channels, got {self.actor_channels} with "
                f"{self.detail_channels} detail channels"
            )
        if self.bilateral_channels < 0 or (self.bilateral_channels and not self.detail_channels):
            raise ValueError(
                f"bilateral_channels must be at least 0 and need detail_channels, got {self.bilateral_channels} with "
                f"{self.detail_channels} detail channels"
            )
        for name in ("actor_channels", "word_evidence"):
            if getattr(self, name) and self.fusion == "deconvolution":
                raise ValueError(
                    f"{name} needs logits on the grid of the levels, but fusion 'deconvolution' gives finer ones; "
                    f"leave {name} out or choose another fusion"
                )
        if self.word_evidence and self.language != "words":
            raise ValueError(f"word_evidence needs language 'words', got {self.language!r}")
        if self.class_opinion and not (self.word_evidence and self.vector_channels):
            raise ValueError("class_opinion needs word_evidence and vector_channels; set them or leave it out")


def refvid_tiny_config(vocabulary: tuple[str, ...]) -> RefvidConfig:
    """Return `refvid-tiny`: the modules of `cmsa-tiny` with all parts of our variant, sized for two CPU cores."""
    return RefvidConfig(
        name="refvid-tiny",
        vocabulary=vocabulary,
        **TINY,
        attention_channels=64,
        fusion_channels=64,
        cross_frame_levels=(5,),
        detail_channels=24,
        actor_channels=12,
        bilateral_channels=12,
        word_evidence=True,
        cross_frame_code="space-time",
        upsampling="guided",
    )


def refvid_small_config(vocabulary: tuple[str, ...]) -> RefvidConfig:
    """Return `refvid-small`: our variant on a trunk pretrained on ImageNet, with embeddings from word vectors."""
    return RefvidConfig(
        name="refvid-small",
        vocabulary=vocabulary,
        **SMALL,
        attention_channels=64,
        fusion_channels=96,
        cross_frame_levels=(5,),
        detail_channels=48,
        actor_channels=16,
        bilateral_channels=16,
        word_evidence=True,
        class_opinion=True,
        cross_frame_code="space-time",
        upsampling="guided",
    )
