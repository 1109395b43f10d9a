"""The config of HINet: its sizes, its method of optical flow, and the models of these sizes."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

from refvid.model.config import SMALL, TINY, BackboneName, ModelConfig

FlowName = Literal["dis", "raft"]
# `hinet-tiny` and `hinet-small` share these sizes.
COMPACT: dict[str, Any] = {"interaction_channels": 64, "decoder_channels": 48, "motion_channels": 16}


@dataclass(frozen=True)
class HinetConfig(ModelConfig):
    """The settings needed to build and feed HINet.

    Attributes:
        fine_channels: Width of the fine features, of stride 4 with the light backbone and of stride 8 with a pretrained
            one, which has a stem level of stride 4 besides; 0 for a ResNet, which has such levels itself.
        interaction_channels: Width of the interaction of pixels and words at every level.
        decoder_channels: Width of the decoder.
        motion_channels: Width of the motion features.
        flow: Method of optical flow: "dis", OpenCV's dense inverse search, or "raft", torchvision's small RAFT, whose
            weights are fetched when they are first needed. Use the method that the gates were trained with.
    """

    embedding_channels: int = 512
    fine_channels: int = 0
    interaction_channels: int = 512
    decoder_channels: int = 256
    motion_channels: int = 64
    flow: FlowName = "dis"
    architecture: str = "hinet"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require("architecture", ("hinet",))
        self.require("backbone", get_args(BackboneName))
        self.require("flow", get_args(FlowName))
        if (self.backbone == "resnet101") != (self.fine_channels == 0) or self.fine_channels < 0:
            raise ValueError(
                "fine_channels must be above 0 for the light and the pretrained backbones and 0 for others, got "
                f"{self.fine_channels} for {self.backbone!r}"
            )
        if self.embedding_channels % 2:
            raise ValueError(
                f"embedding_channels must be even, because two directions of reading share them, got "
                f"{self.embedding_channels}"
            )


def hinet_full_config(vocabulary: tuple[str, ...]) -> HinetConfig:
    """Return `hinet-resnet101`, with sizes of our choice that were common in its year."""
    return HinetConfig(name="hinet-resnet101", vocabulary=vocabulary)


def hinet_tiny_config(vocabulary: tuple[str, ...]) -> HinetConfig:
    """Return `hinet-tiny`: the same modules on the light trunk, sized for two CPU cores."""
    return HinetConfig(
        name="hinet-tiny",
        vocabulary=vocabulary,
        **TINY,
        **COMPACT,
        fine_channels=24,
    )


def hinet_small_config(vocabulary: tuple[str, ...]) -> HinetConfig:
    """Return `hinet-small`: `hinet-tiny` on a trunk pretrained on ImageNet, with embeddings from word vectors."""
    return HinetConfig(
        name="hinet-small",
        vocabulary=vocabulary,
        **SMALL,
        **COMPACT,
        fine_channels=48,
    )
