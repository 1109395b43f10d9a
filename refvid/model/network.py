"""The whole network: CMSA + CFSA, built from its parts by `build_network`, the only place that reads a config."""

from collections.abc import Iterator, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.backbone import Levels, LightBackbone, ResNetBackbone, spatial_code
from refvid.model.config import ModelConfig
from refvid.model.cross_frame import CrossFrameSelfAttention
from refvid.model.cross_frame_stream import CrossFrameStream
from refvid.model.cross_modal import CrossModalSelfAttention
from refvid.model.fusion import GatedMultiLevelFusion
from refvid.model.language import Vocabulary, WordEmbedding

STRIDE = 8


class ReferringNetwork(nn.Module):
    """Segments what an expression names in the target frame of a clip (Fig. 3).

    Training calls the module on whole clips. Inference calls `encode` once a frame, feeds the levels through a
    `LevelStream`, and calls `segment` with any number of expressions on what comes out.
    """

    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(
        self,
        *,
        backbone: ResNetBackbone | LightBackbone,
        embedding: WordEmbedding,
        cross_frame: nn.ModuleList,
        cross_modal: nn.ModuleList,
        fusion: GatedMultiLevelFusion,
        frame_radius: int,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
    ) -> None:
        super().__init__()
        self.backbone, self.embedding = backbone, embedding
        self.cross_frame, self.cross_modal, self.fusion = cross_frame, cross_modal, fusion
        self.frame_radius = frame_radius if len(cross_frame) else 0
        self.register_buffer("pixel_mean", torch.tensor(pixel_mean)[:, None, None], persistent=False)
        self.register_buffer("pixel_std", torch.tensor(pixel_std)[:, None, None], persistent=False)

    def encode(self, images: Tensor) -> Levels:
        """Map images [B, 3, H, W], values 0 to 1 with zero padding, to three levels [B, C_i, h, w]."""
        return cast(Levels, self.backbone((images - self.pixel_mean) / self.pixel_std))

    def segment(self, levels: Sequence[Tensor], word_ids: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Segment every expression on the same visual features.

        Args:
            levels: Features [B, C_i, h, w].
            word_ids: int64 [B, E, L], 0 for padding.

        Returns:
            Logits [B, E, h, w] on the feature grid, and each level's word attention [B, E, L].
        """
        words, word_mask = self.embedding(word_ids)
        _, _, height, width = levels[0].shape
        spatial = spatial_code(height, width, dtype=levels[0].dtype, device=levels[0].device)
        results = [
            attend(level, words, word_mask, spatial) for attend, level in zip(self.cross_modal, levels, strict=True)
        ]
        logits: Tensor = self.fusion([fused for fused, _ in results])
        return logits.view(*word_ids.shape[:2], height, width), [attention for _, attention in results]

    def forward(self, clips: Tensor, word_ids: Tensor, *, target: int = 0, frame_mask: Tensor | None = None) -> Tensor:
        """Segment the target frame of each clip.

        Args:
            clips: Images [B, T, 3, H, W], values 0 to 1.
            word_ids: int64 [B, E, L].
            target: Index of the target frame.
            frame_mask: False for frames beyond the ends of the video, bool [B, T].

        Returns:
            Logits [B, E, H, W].
        """
        batch, frames = clips.shape[:2]
        levels = [level.reshape(batch, frames, *level.shape[1:]) for level in self.encode(clips.flatten(0, 1))]
        if len(self.cross_frame):
            enhanced = [
                attend(level, target, frame_mask) for attend, level in zip(self.cross_frame, levels, strict=True)
            ]
        else:
            enhanced = [level[:, target] for level in levels]
        logits, _ = self.segment(enhanced, word_ids)
        return F.interpolate(logits, scale_factor=STRIDE, mode="bilinear", align_corners=False)


class LevelStream:
    """Feeds the three levels of each frame through CFSA, `frame_radius` frames behind; without CFSA, straight on."""

    def __init__(self, network: ReferringNetwork) -> None:
        self._streams = [
            CrossFrameStream(cast(CrossFrameSelfAttention, attention), network.frame_radius)
            for attention in network.cross_frame
        ]

    def push(self, levels: Sequence[Tensor]) -> list[Tensor] | None:
        """Take one frame's levels [1, C_i, h, w]; return those of the frame `frame_radius` back, enhanced, or None."""
        if not self._streams:
            return list(levels)
        results = [stream.push(level) for stream, level in zip(self._streams, levels, strict=True)]
        complete = [result for result in results if result is not None]
        return complete or None

    def flush(self) -> Iterator[list[Tensor]]:
        """Yield the levels of the frames still held back, at the end of the video."""
        if self._streams:
            for results in zip(*(stream.flush() for stream in self._streams), strict=True):
                yield list(results)


def build_network(config: ModelConfig) -> ReferringNetwork:
    """Build the network a config describes, with random weights."""
    backbone = ResNetBackbone() if config.backbone == "resnet101" else LightBackbone(config.backbone_channels)
    cross_modal = [
        CrossModalSelfAttention(channels, config.embedding_channels, config.attention_channels)
        for channels in backbone.channels
    ]
    cross_frame = [CrossFrameSelfAttention(channels, config.attention_channels) for channels in backbone.channels]
    return ReferringNetwork(
        backbone=backbone,
        embedding=WordEmbedding(len(config.vocabulary), config.embedding_channels),
        cross_frame=nn.ModuleList(cross_frame if config.cross_frame else []),
        cross_modal=nn.ModuleList(cross_modal),
        fusion=GatedMultiLevelFusion([level.channels for level in cross_modal], config.fusion_channels),
        frame_radius=config.frame_radius,
        pixel_mean=config.pixel_mean,
        pixel_std=config.pixel_std,
    )


def build_vocabulary(config: ModelConfig) -> Vocabulary:
    """Return the vocabulary a config describes."""
    return Vocabulary(config.vocabulary, config.max_words)
