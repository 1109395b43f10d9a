"""HINet (Yang et al., BMVC 2021): words meet pixels at every level of the trunk, and motion gates what they find.

Of the paper, "Hierarchical interaction network for video object segmentation from referring expressions", we know the
abstract and its figures: it is trained end to end, joins the modalities at several levels of the encoder's pyramid,
takes optical flow for signals of moving objects, which a gate uses to highlight the referent and to suppress the
background, and works online. Everything else is our choice, each said where it is made: the trunk and its levels
(`PyramidBackbone`), the words (`RecurrentWords`), the interaction (`PixelWordInteraction`), the flow
(`optical_flow`), the gate (`motion`) and the decoder (below).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.config import PRETRAINED, SMALL, TINY, BackboneName, ModelConfig
from refvid.model.hinet.motion import MotionEncoder, MotionGate
from refvid.model.hinet.optical_flow import FLOWS, Flow, FlowName, grey, measure_motion, no_motion
from refvid.model.hinet.pixel_word import PixelWordInteraction, RecurrentWords
from refvid.model.interface import FrameFeatures, ReferringNetwork
from refvid.model.layers.language import WordEmbedding
from refvid.model.layers.pretrained import PretrainedBackbone
from refvid.model.layers.pyramid import PyramidBackbone
from refvid.model.layers.spatial import SPATIAL_CHANNELS, spatial_code
from refvid.model.layers.trunks import Backbone, build_backbone
from refvid.model.layers.vector_embedding import build_word_embedding


@dataclass(frozen=True)
class HinetConfig(ModelConfig):
    """Everything needed to build HINet, and to feed it.

    Attributes:
        fine_channels: Width of the finer level of the light backbone, of stride 4, or of a pretrained one, of stride 8,
            which also has one of stride 4 (a ResNet has levels of its own: 0).
        interaction_channels: Width in which pixels and words meet, at every level.
        decoder_channels: Width of the decoder.
        motion_channels: Width of the features of the flow.
        flow: Who estimates it: "dis", OpenCV's dense inverse search, or "raft", torchvision's small RAFT, whose weights
            are fetched when they are first needed. The gates must have been trained with the same.
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
                "fine_channels is the width of the finer level of the light and the pretrained backbones, above 0 for "
                f"them and 0 for others, got {self.fine_channels} for {self.backbone!r}"
            )
        if self.embedding_channels % 2:
            raise ValueError(
                f"embedding_channels is shared by two directions of reading, an even number, got "
                f"{self.embedding_channels}"
            )


class PyramidDecoder(nn.Module):
    """From the coarsest level to the finest, as in feature pyramid networks (Lin et al., CVPR 2017), and one score map.

    A level is mapped to the decoder's width, added to the coarser ones' upsampled result, and smoothed.
    """

    def __init__(self, levels: int, level_channels: int, channels: int) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(nn.Conv2d(level_channels, channels, 1) for _ in range(levels))
        self.smoothings = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(levels))
        self.score = nn.Conv2d(channels, 1, 1)

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """Map levels [N, C, h_i, w_i], the finest first, to logits [N, 1, h_0, w_0]."""
        coarser: Tensor | None = None
        for lateral, smooth, level in reversed(list(zip(self.laterals, self.smoothings, levels, strict=True))):
            features: Tensor = lateral(level)
            if coarser is not None:
                features = features + F.interpolate(coarser, features.shape[-2:], mode="bilinear")
            coarser = F.relu(smooth(features))
        logits: Tensor = self.score(coarser)
        return logits


class HinetNetwork(ReferringNetwork):
    """HINet. The masks of a frame depend on it and on the frame before.

    `encode` returns the features of the trunk with the grey picture, [B, 1, H, W], as their motion; `stream` and
    `enhance` replace it with the motion since the frame before, [B, 3, H / 4, W / 4] (`measure_motion`).

    Args:
        order: The trunk's levels from the finest to the coarsest, by index.
        attributes_at: Those of stride 8 that training asks for attributes, by index.
        flow: Estimates motion; not a part of the network's parameters.
    """

    backbone: PyramidBackbone | Backbone
    embedding: WordEmbedding
    frame_radius = 1

    def __init__(
        self,
        *,
        backbone: PyramidBackbone | Backbone,
        embedding: WordEmbedding,
        context: RecurrentWords,
        interactions: nn.ModuleList,
        motion: MotionEncoder,
        gates: nn.ModuleList,
        decoder: PyramidDecoder,
        order: Sequence[int],
        attributes_at: Sequence[int],
        flow: Flow,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
    ) -> None:
        super().__init__(pixel_mean, pixel_std)
        self.backbone, self.embedding, self.context = backbone, embedding, context
        self.interactions, self.motion, self.gates, self.decoder = interactions, motion, gates, decoder
        self.order, self.attributes_at = tuple(order), tuple(attributes_at)
        self.flow = flow

    @property
    def attribute_channels(self) -> tuple[int, ...]:
        """Widths of the levels that `attribute_levels` returns."""
        return tuple(self.backbone.channels[index] for index in self.attributes_at)

    def attribute_levels(self, features: FrameFeatures) -> Sequence[Tensor]:
        """Return the levels, on one grid, at whose positions training asks which words are true."""
        return [features.levels[index] for index in self.attributes_at]

    def encode(self, images: Tensor) -> FrameFeatures:
        """Map images [B, 3, H, W], values 0 to 1, to the features of the trunk and the grey picture."""
        return replace(super().encode(images), motion=grey(images))

    def stream(self) -> "MotionStream":
        """Return what measures the motion from frame to frame."""
        return MotionStream(self.flow)

    def encoded_frames(self, target: int, times: Sequence[int]) -> list[int]:
        """Return which frames of a clip `enhance` encodes: the target alone."""
        return [target]

    def enhance(
        self,
        clips: Tensor,
        target: int,
        frame_mask: Tensor | None = None,
        times: Sequence[int] | None = None,
        *,
        neighbour_gradients: bool = True,
    ) -> FrameFeatures:
        """Encode the target frame of clips [B, T, 3, H, W] and return its features with its motion.

        The frame before it never passes the trunk, so that there are no `neighbour_gradients` to choose.
        """
        features = self.encode(clips[:, target])
        assert features.motion is not None
        if target == 0:
            return replace(features, motion=no_motion(features.motion))
        interval = 1 if times is None else times[target] - times[target - 1]
        present = None if frame_mask is None else frame_mask[:, target - 1]
        previous = grey(clips[:, target - 1])
        motion = measure_motion(self.flow, features.motion, previous, interval=interval, present=present)
        return replace(features, motion=motion)

    def segment(self, features: FrameFeatures, word_ids: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Segment every expression on the same visual features.

        Args:
            features: From `stream` or `enhance`, with the motion.
            word_ids: int64 [B, E, L], 0 for padding.

        Returns:
            Logits [B, E, H / 4, W / 4], and the attention to words [B, E, L] of each level, the finest first.
        """
        motion = features.motion
        assert motion is not None
        pyramid = (*features.levels, *(part for part in (features.fine, features.stem) if part is not None))
        embedded, word_mask = self.embedding(word_ids)
        words = self.context(embedded, word_mask)
        moving, seen = self.motion(motion), motion[:, 2:]
        gated, attentions = [], []
        for index, interact, gate in zip(self.order, self.interactions, self.gates, strict=True):
            joined, attention = interact(with_positions(pyramid[index]), words, word_mask)
            gated.append(gate(joined, moving, seen).flatten(0, 1))
            attentions.append(attention)
        logits = self.decoder(gated)
        return logits.view(*word_ids.shape[:2], *logits.shape[-2:]), attentions


def with_positions(features: Tensor) -> Tensor:
    """Append the spatial code of CMSA's section 3.1 to features [B, C, h, w]: expressions say "left" and "top"."""
    batch, _, height, width = features.shape
    code = spatial_code(height, width, dtype=features.dtype, device=features.device)
    return torch.cat([features, code.expand(batch, -1, -1, -1)], 1)


class MotionStream:
    """Measures the motion between each frame and the one before; nothing is held back."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._previous: Tensor | None = None

    def push(self, features: FrameFeatures) -> FrameFeatures:
        """Take the features of a frame from `encode`; return them with its motion, none for the first frame."""
        current = features.motion
        assert current is not None
        previous, self._previous = self._previous, current
        if previous is None:
            return replace(features, motion=no_motion(current))
        return replace(features, motion=measure_motion(self._flow, current, previous))

    def flush(self) -> Iterator[FrameFeatures]:
        """Yield nothing."""
        yield from ()


def build_hinet(config: HinetConfig) -> HinetNetwork:
    """Build the network a config describes, with random weights."""
    backbone: PyramidBackbone | Backbone
    channels: tuple[int, ...]
    order: tuple[int, ...]
    attributes_at: tuple[int, ...]
    if config.backbone == "resnet101":
        backbone = PyramidBackbone()
        channels, order, attributes_at = backbone.channels, (0, 1, 2, 3), (1,)
    else:
        backbone = build_backbone(config, config.fine_channels, with_stem=config.backbone in PRETRAINED)
        # The fine features stand behind Res3, Res4 and Res5, which are on one grid, and those of a stem behind them.
        channels, order, attributes_at = (*backbone.channels, config.fine_channels), (3, 0, 1, 2), (1, 2)
        if isinstance(backbone, PretrainedBackbone):
            channels, order = (*channels, backbone.stem_channels), (4, *order)
    words, width = config.embedding_channels, config.interaction_channels
    return HinetNetwork(
        backbone=backbone,
        embedding=build_word_embedding(config),
        context=RecurrentWords(words),
        interactions=nn.ModuleList(
            PixelWordInteraction(channels[index] + SPATIAL_CHANNELS, words, width) for index in order
        ),
        motion=MotionEncoder(config.motion_channels),
        gates=nn.ModuleList(MotionGate(config.motion_channels, width) for _ in order),
        decoder=PyramidDecoder(len(order), width, config.decoder_channels),
        order=order,
        attributes_at=attributes_at,
        flow=FLOWS[config.flow](),
        pixel_mean=config.pixel_mean,
        pixel_std=config.pixel_std,
    )


def hinet_full_config(vocabulary: tuple[str, ...]) -> HinetConfig:
    """Return `hinet-resnet101`: the sizes are ours, of the kind that papers of its year have."""
    return HinetConfig(name="hinet-resnet101", vocabulary=vocabulary)


def hinet_tiny_config(vocabulary: tuple[str, ...]) -> HinetConfig:
    """Return `hinet-tiny`: the same modules on the light trunk, sized for two CPU cores."""
    return HinetConfig(
        name="hinet-tiny",
        vocabulary=vocabulary,
        **TINY,
        fine_channels=24,
        interaction_channels=64,
        decoder_channels=48,
        motion_channels=16,
    )


def hinet_small_config(vocabulary: tuple[str, ...]) -> HinetConfig:
    """Return `hinet-small`: as `hinet-tiny`, on a trunk pretrained on ImageNet, with words read by their vectors."""
    return HinetConfig(
        name="hinet-small",
        vocabulary=vocabulary,
        **SMALL,
        fine_channels=48,
        interaction_channels=64,
        decoder_channels=48,
        motion_channels=16,
    )
