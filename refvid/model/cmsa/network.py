"""The network of CMSA + CFSA and of the paper's alternatives, assembled from given parts (see `build`)."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from refvid.model.cmsa.ablations.attention import AttentionAlternative
from refvid.model.cmsa.ablations.cvpr19 import Cvpr19Attention, Cvpr19Fusion
from refvid.model.cmsa.ablations.decoders import ConvolutionalLSTMFusion, DeconvolutionFusion, PyramidPoolingFusion
from refvid.model.cmsa.ablations.fusion import SelfGatedFusion, SummedFusion
from refvid.model.cmsa.cross_frame import CrossFrameSelfAttention
from refvid.model.cmsa.cross_frame_stream import CrossFrameStream
from refvid.model.cmsa.cross_modal import CrossModalSelfAttention
from refvid.model.cmsa.fusion import GatedMultiLevelFusion
from refvid.model.interface import FrameFeatures, ReferringNetwork
from refvid.model.layers.language import WordEmbedding
from refvid.model.layers.sentence import SentenceEmbedding, number_sentences
from refvid.model.layers.spatial import spatial_code

FIRST_LEVEL = 3  # Res3
Decoder = ConvolutionalLSTMFusion | DeconvolutionFusion | PyramidPoolingFusion
Fusion = GatedMultiLevelFusion | SelfGatedFusion | Decoder | SummedFusion | Cvpr19Fusion
Attention = CrossModalSelfAttention | AttentionAlternative | Cvpr19Attention


@dataclass(frozen=True, eq=False)
class CmsaParts:
    """The parts that a `CmsaNetwork` is made of.

    Attributes:
        backbone: Module that maps normalised images to `FrameFeatures` with Res3, Res4 and Res5 on one grid.
        embedding: Module that maps word ids to vectors, one for each word or one for the sentence.
        cross_frame: CFSA modules of the levels in `cross_frame_levels`; empty for the image model.
        cross_frame_levels: Levels out of 3, 4 and 5 that CFSA is applied to.
        cross_modal: CMSA modules of all levels.
        fusion: Module that fuses the levels to one map.
        frame_radius: tau, the number of frames on either side of the target frame.
        pixel_mean: Mean of the red, green and blue values (0 to 1) that the trunk expects.
        pixel_std: Standard deviation of these values.
    """

    backbone: nn.Module
    embedding: WordEmbedding | SentenceEmbedding
    cross_frame: nn.ModuleList
    cross_frame_levels: Sequence[int]
    cross_modal: nn.ModuleList
    fusion: Fusion
    frame_radius: int
    pixel_mean: Sequence[float]
    pixel_std: Sequence[float]


@dataclass(frozen=True, eq=False)
class FusedScore:
    """The scores of N = B * E expressions on the grid of the fused levels.

    Attributes:
        logits: Logits [N, 1, h, w].
        fused: Fused features from which the logits were computed, [N, X, h, w].
        attentions: Attention over words of each level, [B, E, L].
        words: Embeddings of the words that were read, [B, E, L, C_l].
        word_mask: True for real words, bool [B, E, L].
    """

    logits: Tensor
    fused: Tensor
    attentions: list[Tensor]
    words: Tensor
    word_mask: Tensor


class CmsaNetwork(ReferringNetwork):
    """The network of CMSA + CFSA (Fig. 3), which segments the referent of an expression in the target frame of a clip.

    `LevelStream` is the counterpart of `enhance` for the frames of a stream.
    """

    embedding: WordEmbedding | SentenceEmbedding

    def __init__(self, parts: CmsaParts) -> None:
        super().__init__(parts.pixel_mean, parts.pixel_std)
        self.backbone, self.embedding = parts.backbone, parts.embedding
        self.cross_frame, self.cross_modal, self.fusion = parts.cross_frame, parts.cross_modal, parts.fusion
        attends = bool(len(parts.cross_frame))
        self.frame_radius = parts.frame_radius if attends else 0
        self.cross_frame_at = tuple(level - FIRST_LEVEL for level in parts.cross_frame_levels) if attends else ()

    def stream(self) -> "LevelStream":
        """Return a new stream, which applies CFSA frame by frame."""
        return LevelStream(self)

    def segment(self, features: FrameFeatures, word_ids: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Segment every expression on the same visual features.

        Args:
            features: Features from `enhance` or the stream.
            word_ids: Word ids int64 [B, E, L], 0 for padding.

        Returns:
            Logits [B, E, h, w] on the grid of the levels, or [B, E, 2 h, 2 w] with fusion by deconvolution, and the
            attention over words of each level, [B, E, L], where L = 1 if a sentence is one vector.
        """
        scored = self.score(features, word_ids)
        return scored.logits.view(*word_ids.shape[:2], *scored.logits.shape[-2:]), scored.attentions

    def score(self, features: FrameFeatures, word_ids: Tensor) -> FusedScore:
        """Score every position of the fused levels; the arguments are those of `segment`."""
        words, word_mask = self.embedding(word_ids)
        levels = features.levels
        spatial = spatial_code(*levels[0].shape[-2:], dtype=levels[0].dtype, device=levels[0].device)
        # In training the expressions of a picture have many words in common, so each different word is computed once.
        number = number_words if isinstance(self.embedding, WordEmbedding) else number_sentences
        shared = number(word_ids) if word_ids.shape[1] > 1 and torch.is_grad_enabled() else None
        results = [
            attend(level, words, word_mask, spatial, shared)
            for attend, level in zip(self.cross_modal, levels, strict=True)
        ]
        fused = self.fusion.fuse([multimodal for multimodal, _ in results])
        attentions = [attention for _, attention in results]
        return FusedScore(self.fusion.score(fused), fused, attentions, words, word_mask)

    def word_attention_logits(self, features: FrameFeatures, word_ids: Tensor) -> list[Tensor]:
        """Return the logits b_n . c_p [B, E, L, P] of Res4 and Res5, if single words attend to positions."""
        modules, levels = list(self.cross_modal)[1:], features.levels[1:]
        if not isinstance(self.embedding, WordEmbedding):
            return []
        words, _ = self.embedding(word_ids)
        spatial = spatial_code(*levels[0].shape[-2:], dtype=levels[0].dtype, device=levels[0].device)
        return [
            module.word_logits(level, words, spatial)
            for module, level in zip(modules, levels, strict=True)
            if isinstance(module, CrossModalSelfAttention)
        ]

    def enhance(
        self,
        clips: Tensor,
        target: int,
        frame_mask: Tensor | None = None,
        times: Sequence[int] | None = None,
        *,
        neighbour_gradients: bool = True,
    ) -> FrameFeatures:
        """Encode clips [B, T, 3, H, W] and return the features of the target frame after CFSA.

        The arguments are those of `ReferringNetwork.enhance`.
        """
        features = self.encode_clips(clips, target, neighbour_gradients=neighbour_gradients)
        return self.enhance_features(features, target, frame_mask, times)

    def enhance_features(
        self,
        clip: FrameFeatures,
        target: int,
        frame_mask: Tensor | None = None,
        times: Sequence[int] | None = None,
    ) -> FrameFeatures:
        """Return the features of the target frame after CFSA.

        Args:
            clip: Features of all frames from `encode`, tensors [B, T, ...].
            target: Index of the target frame.
            frame_mask: False for frames beyond the ends of the video, bool [B, T]; None if all frames exist.
            times: Number of each frame in its video, counted from any start; None for consecutive frames.
        """
        enhanced = clip.frame(target)
        for index, attend in zip(self.cross_frame_at, self.cross_frame, strict=True):
            enhanced = enhanced.with_level(index, attend(clip.levels[index], target, frame_mask, times))
        return enhanced


def number_words(word_ids: Tensor) -> Tensor:
    """Number the different words of each picture from 0, int64 [B, E, L], given their ids int64 [B, E, L]."""
    return torch.stack([torch.unique(ids, return_inverse=True)[1] for ids in word_ids])


class LevelStream:
    """A stream that applies CFSA to the levels of each frame, with a delay of `frame_radius` frames.

    Without CFSA, frames pass unchanged and without delay.
    """

    def __init__(self, network: CmsaNetwork) -> None:
        self._streams = {
            index: CrossFrameStream(cast(CrossFrameSelfAttention, attention), network.frame_radius)
            for index, attention in zip(network.cross_frame_at, network.cross_frame, strict=True)
        }
        self._waiting: deque[FrameFeatures] = deque()  # frames that are not delivered yet
        self.pushed = 0

    def push(self, features: FrameFeatures) -> FrameFeatures | None:
        """Take the next frame's features, B = 1; return those of the frame `frame_radius` earlier, enhanced, if any."""
        self._waiting.append(features)
        self.pushed += 1
        results = {index: stream.push(features.levels[index]) for index, stream in self._streams.items()}
        enhanced = {index: result for index, result in results.items() if result is not None}
        return self._deliver(enhanced) if len(enhanced) == len(self._streams) else None

    def flush(self) -> Iterator[FrameFeatures]:
        """Yield the enhanced features of the remaining frames at the end of the video."""
        rests = {index: stream.flush() for index, stream in self._streams.items()}
        while self._waiting:
            yield self._deliver({index: next(rest) for index, rest in rests.items()})

    def _deliver(self, levels: dict[int, Tensor]) -> FrameFeatures:
        due = self.pushed - len(self._waiting)  # number of the frame
        features = self._waiting.popleft()
        for index, level in levels.items():
            features = features.with_level(index, level)
        return self.enhance_due(features, due)

    def enhance_due(self, features: FrameFeatures, due: int) -> FrameFeatures:
        """Return the features of frame number `due`, which CFSA has enhanced; a hook for variants to change them."""
        return features
