"""HINet (Yang et al., BMVC 2021): words and pixels interact at every level of the trunk, and motion gates the result.

Of the paper, "Hierarchical interaction network for video object segmentation from referring expressions", we know only
the abstract and its figures: the network is trained end to end, joins the modalities at several levels of the encoder's
pyramid, gates them by optical flow to highlight the referent and to suppress the background, and works online.
Everything else is our choice and described where it is made: the trunk and its levels (`PyramidBackbone`), the words
(`RecurrentWords`), the interaction (`PixelWordInteraction`), the flow (`optical_flow`), the gate (`motion`) and the
decoder (below).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.config import PRETRAINED
from refvid.model.hinet.config import HinetConfig
from refvid.model.hinet.motion import MotionEncoder, MotionGate
from refvid.model.hinet.optical_flow import FLOWS, Flow, grey, measure_motion, no_motion
from refvid.model.hinet.pixel_word import PixelWordInteraction, RecurrentWords
from refvid.model.interface import FrameFeatures, ReferringNetwork
from refvid.model.layers.language import WordEmbedding
from refvid.model.layers.pretrained import PretrainedBackbone
from refvid.model.layers.pyramid import PyramidBackbone
from refvid.model.layers.spatial import SPATIAL_CHANNELS, spatial_code
from refvid.model.layers.trunks import Backbone, build_backbone
from refvid.model.layers.vector_embedding import build_word_embedding


class PyramidDecoder(nn.Module):
    """A top-down decoder as in feature pyramid networks (Lin et al., CVPR 2017), which ends in one map of logits.

    From the coarsest level to the finest, each is mapped to the width of the decoder, added to the upsampled result of
    the coarser levels, and smoothed.
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
    """The network of HINet, whose masks of a frame depend on this frame and the one before.

    `encode` returns the features of the trunk and, as `motion`, the grey picture, [B, 1, H, W]. `stream` and `enhance`
    replace the picture by the motion since the previous frame, [B, 3, H / 4, W / 4] (`measure_motion`).

    Args:
        order: Indices of the trunk's levels, the finest first.
        attributes_at: Indices of the levels, on one grid, on which training supervises which words are true.
        flow: Function that estimates optical flow; it has no parameters of the network.
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
        """Widths of the levels that `attribute_levels` returns, in the same order."""
        return tuple(self.backbone.channels[index] for index in self.attributes_at)

    def attribute_levels(self, features: FrameFeatures) -> Sequence[Tensor]:
        """Return the levels, on one grid, on which training supervises which words are true of each position."""
        return [features.levels[index] for index in self.attributes_at]

    def encode(self, images: Tensor) -> FrameFeatures:
        """Map images [B, 3, H, W], values 0 to 1, to the features of the trunk with the grey picture as `motion`."""
        return replace(super().encode(images), motion=grey(images))

    def stream(self) -> "MotionStream":
        """Return a new stream, which measures the motion from frame to frame."""
        return MotionStream(self.flow)

    def encoded_frames(self, target: int, times: Sequence[int]) -> list[int]:
        """Return the indices of the frames of a clip that `enhance` encodes: the target alone."""
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

        The arguments are those of `ReferringNetwork.enhance`; `neighbour_gradients` has no effect, because the previous
        frame does not pass through the trunk.
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
            features: Features with motion, from `enhance` or the stream.
            word_ids: Word ids int64 [B, E, L], 0 for padding.

        Returns:
            Logits [B, E, H / 4, W / 4], and the attention over words, [B, E, L], of each level, the finest first.
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
    """Append the spatial coordinates of CMSA (section 3.1), for words like "left", to features [B, C, h, w]."""
    batch, _, height, width = features.shape
    code = spatial_code(height, width, dtype=features.dtype, device=features.device)
    return torch.cat([features, code.expand(batch, -1, -1, -1)], 1)


class MotionStream:
    """A stream that measures the motion between each frame and the previous one, without delay."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._previous: Tensor | None = None

    def push(self, features: FrameFeatures) -> FrameFeatures:
        """Take the features of the next frame from `encode`; return them with its motion, 0 for the first frame."""
        current = features.motion
        assert current is not None
        previous, self._previous = self._previous, current
        if previous is None:
            return replace(features, motion=no_motion(current))
        return replace(features, motion=measure_motion(self._flow, current, previous))

    def flush(self) -> Iterator[FrameFeatures]:
        """Yield nothing, since no frame is held back."""
        yield from ()


def build_hinet(config: HinetConfig) -> HinetNetwork:
    """Build the network described by a config, with random weights."""
    backbone: PyramidBackbone | Backbone
    channels: tuple[int, ...]
    order: tuple[int, ...]
    attributes_at: tuple[int, ...]
    if config.backbone == "resnet101":
        backbone = PyramidBackbone()
        channels, order, attributes_at = backbone.channels, (0, 1, 2, 3), (1,)
    else:
        backbone = build_backbone(config, config.fine_channels, with_stem=config.backbone in PRETRAINED)
        # `segment` lists Res3, Res4 and Res5, which are on one grid, then the fine features, then those of the stem.
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
