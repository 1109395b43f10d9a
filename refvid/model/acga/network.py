"""ACGA, "Asymmetric Cross-Guided Attention Network for Actor and Action Video Segmentation" (Wang et al., ICCV 2019).

    frames of a window ── trunk ── mean over time ── / |v| ─┬─ language-guided vision ── v' ─┬─ decoder ── 3 responses
                                                            │       (positions, by words)    │
    expression ── words ── embedding ── tanh(convolution) ──┴─ vision-guided language ───────┘
                                                                    (words, by positions)

`acga-s3d` has the paper's sizes, with S3D instead of I3D (see `S3DTrunk`). `acga-tiny` and `acga-small` have trunks
that see single frames, the light one and a pretrained one, with `TemporalConvolutions` on top. Neither the paper nor
the code says how frames beyond the ends of a video are treated. Here S3D sees the last frame again, because it cannot
leave a frame out, and the temporal convolutions treat such frames as missing.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.acga.attention import (
    ConvolvedWords,
    LanguageGuidedVisionAttention,
    MultiResolutionDecoder,
    VisionGuidedLanguageAttention,
)
from refvid.model.acga.config import AcgaConfig
from refvid.model.acga.video_backbone import FrameWindow, S3DTrunk, TemporalConvolutions, WindowStream
from refvid.model.interface import LEVELS, FrameFeatures, ReferringNetwork, TrainingLogits
from refvid.model.layers.language import WordEmbedding
from refvid.model.layers.spatial import SPATIAL_CHANNELS, spatial_code
from refvid.model.layers.trunks import Backbone, build_backbone
from refvid.model.layers.vector_embedding import build_word_embedding

# Positions of the finest scale that are decoded at once in inference: those of one expression in the full network. Each
# takes 436 channels, and more at once would only take more memory.
POSITIONS_AT_ONCE = 512 * 512


class AcgaNetwork(ReferringNetwork):
    """The network of ACGA, which segments the referent of an expression in the target frame of a window.

    `encode` returns, for S3D, only the normalised picture; for other trunks, the levels Res4 and Res5 of a single
    frame. `enhance` and the stream replace the last level by one feature map that is made from all frames of the
    window, and keep Res4 as it is.
    """

    backbone: S3DTrunk | Backbone
    embedding: WordEmbedding

    def __init__(
        self,
        *,
        backbone: S3DTrunk | Backbone,
        temporal: TemporalConvolutions | None,
        coarsen: nn.Conv2d | None,
        embedding: WordEmbedding,
        context: ConvolvedWords,
        language: VisionGuidedLanguageAttention,
        vision: LanguageGuidedVisionAttention,
        decoder: MultiResolutionDecoder,
        window: FrameWindow,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
    ) -> None:
        super().__init__(pixel_mean, pixel_std)
        self.backbone, self.temporal, self.coarsen = backbone, temporal, coarsen
        self.embedding, self.context = embedding, context
        self.language, self.vision, self.decoder = language, vision, decoder
        self.window, self.frame_radius = window, window.radius

    @property
    def attribute_channels(self) -> tuple[int, ...]:
        """Widths of the levels that `attribute_levels` returns, in the same order."""
        return tuple(self.backbone.channels[1:LEVELS] if self.temporal else self.backbone.channels)

    def attribute_levels(self, features: FrameFeatures) -> Sequence[Tensor]:
        """Return Res4 and the level of the window, or S3D's map brought from stride 16 to stride 8."""
        levels = features.levels
        return levels if self.temporal else [F.interpolate(level, scale_factor=2, mode="bilinear") for level in levels]

    def encode(self, images: Tensor) -> FrameFeatures:
        """Map images [B, 3, H, W], values 0 to 1, to the features of single frames, without their windows."""
        if self.temporal is None:
            return FrameFeatures((self.normalise(images),))
        return FrameFeatures(super().encode(images).levels[1:LEVELS])

    def stream(self) -> WindowStream:
        """Return a new stream, which keeps the frames of the window."""
        return WindowStream(self.window, self.show)

    def show(self, clip: FrameFeatures, target: int, frame_mask: Tensor | None, times: Sequence[int]) -> FrameFeatures:
        """Return the features of the target frame, with the last level made from the frames of its window.

        Args:
            clip: Features from `encode`, tensors [B, T, ...].
            target: Index of the target frame.
            frame_mask: False for frames beyond the ends of the video, bool [B, T]; None if all frames exist.
            times: Number of each frame in its video, counted from any start.
        """
        *beside, seen = clip.levels
        exists = torch.ones(seen.shape[:2], dtype=torch.bool, device=seen.device) if frame_mask is None else frame_mask
        if isinstance(self.backbone, S3DTrunk):
            shown: Tensor = self.backbone(self.window.nearest(seen, target, exists, times))
        else:
            assert self.temporal is not None
            shown = self.temporal(*self.window.exact(seen, target, exists, times))
        return FrameFeatures((*(level[:, target] for level in beside), shown))

    def encoded_frames(self, target: int, times: Sequence[int]) -> list[int]:
        """Return the indices of the frames of a clip that `enhance` encodes: those in a slot of the window."""
        return [index for index, time in enumerate(times) if time - times[target] in self.window.offsets]

    def enhance(
        self,
        clips: Tensor,
        target: int,
        frame_mask: Tensor | None = None,
        times: Sequence[int] | None = None,
        *,
        neighbour_gradients: bool = True,
    ) -> FrameFeatures:
        """Encode clips [B, T, 3, H, W] and return the features of the target frame, with the level of its window.

        The arguments are those of `ReferringNetwork.enhance`. Frames outside the slots of the window are not encoded,
        and a clip need not fill all slots. Without `neighbour_gradients`, a trunk of single frames learns from the
        target frame alone; S3D sees all frames in one pass and always learns from all of them.
        """
        times = range(clips.shape[1]) if times is None else times
        if self.temporal is None:
            return self.show(FrameFeatures((self.normalise(clips),)), target, frame_mask, times)
        used = self.encoded_frames(target, times)
        place = used.index(target)
        encoded = self.encode_clips(clips[:, used], place, neighbour_gradients=neighbour_gradients)
        exists = None if frame_mask is None else frame_mask[:, used]
        return self.show(encoded, place, exists, [times[index] for index in used])

    def segment(self, features: FrameFeatures, word_ids: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Segment every expression on the same visual features.

        Args:
            features: Features from `enhance` or the stream.
            word_ids: Word ids int64 [B, E, L], 0 for padding.

        Returns:
            The final response [B, E, ...], and the weight of each word, averaged over positions, [B, E, L].
        """
        responses, weights = self._decode(features, word_ids)
        return responses[-1], [weights]

    def training_logits(self, features: FrameFeatures, word_ids: Tensor) -> TrainingLogits:
        """Return the responses of the first two scales and the final one, each [B, E, ...]."""
        *earlier, final = self._decode(features, word_ids)[0]
        return TrainingLogits(final, tuple(earlier))

    def _decode(self, features: FrameFeatures, word_ids: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return the responses of all scales, each [B, E, ...], and the weight of each word, [B, E, L]."""
        visual = self._coarse(features.levels[-1])
        height, width = visual.shape[-2:]
        code = spatial_code(height, width, dtype=visual.dtype, device=visual.device).expand(len(visual), -1, -1, -1)
        tokens = torch.cat([F.normalize(visual, dim=1), code], 1).flatten(2).transpose(1, 2)  # B P C+8
        embedded, word_mask = self.embedding(word_ids)
        words = self.context(embedded, word_mask)
        read, weights = self.language(tokens, words, word_mask)
        seen = self.vision(tokens, words, word_mask)
        maps = [
            attended.flatten(0, 1)
            .transpose(1, 2)
            .reshape(-1, attended.shape[-1], height, width)  # B E P C -> B*E C h w
            for attended in (seen, read)
        ]
        finest = height * width * self.decoder.magnification**2
        at_once = len(maps[0]) if torch.is_grad_enabled() else max(1, POSITIONS_AT_ONCE // finest)
        parts = [self.decoder(*part) for part in zip(*(torch.split(one, at_once) for one in maps), strict=True)]
        responses = [
            joined.reshape(*word_ids.shape[:2], *joined.shape[-2:])
            for joined in (torch.cat(scale) for scale in zip(*parts, strict=True))
        ]
        return responses, weights.mean(2)

    def _coarse(self, shown: Tensor) -> Tensor:
        """Bring the level of the window to stride 16; the last of an odd number of rows or columns is repeated."""
        if self.coarsen is None:
            return shown
        height, width = shown.shape[-2:]
        coarse: Tensor = self.coarsen(F.pad(shown, (0, width % 2, 0, height % 2), mode="replicate"))
        return coarse


def build_acga(config: AcgaConfig) -> AcgaNetwork:
    """Build the network described by a config, with random weights."""
    backbone = S3DTrunk() if config.backbone == "s3d" else build_backbone(config)
    light = config.backbone == "light"  # its levels have half the stride of those of other trunks
    width = backbone.channels[-1]
    return AcgaNetwork(
        backbone=backbone,
        temporal=None if isinstance(backbone, S3DTrunk) else TemporalConvolutions(width),
        coarsen=nn.Conv2d(width, width, 2, stride=2) if light else None,
        embedding=build_word_embedding(config),
        context=ConvolvedWords(config.embedding_channels),
        language=VisionGuidedLanguageAttention(width + SPATIAL_CHANNELS, config.embedding_channels),
        vision=LanguageGuidedVisionAttention(width, config.embedding_channels),
        decoder=MultiResolutionDecoder(
            width,
            config.embedding_channels,
            decoder_channels=config.decoder_channels,
            response_channels=config.response_channels,
            enlargement=config.enlargement,
        ),
        window=FrameWindow(config.window_before, config.window_after, config.window_stride),
        pixel_mean=config.pixel_mean,
        pixel_std=config.pixel_std,
    )
