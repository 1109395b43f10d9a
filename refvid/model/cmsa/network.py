"""CMSA + CFSA and the paper's alternatives, out of parts that are given (see `cmsa_builder`)."""

from collections import deque
from collections.abc import Iterator, Sequence
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
from refvid.model.interface import LEVELS, ReferringNetwork
from refvid.model.layers.backbone import LightBackbone, ResNetBackbone
from refvid.model.layers.language import WordEmbedding
from refvid.model.layers.sentence import SentenceEmbedding, number_sentences
from refvid.model.layers.spatial import spatial_code
from refvid.model.layers.upsampling import DetailUpsampling
from refvid.model.refvid.actors import ActorCodes, ActorMotion, displacements
from refvid.model.refvid.bilateral import BilateralUpsampling
from refvid.model.refvid.evidence import WordEvidence

FIRST_LEVEL = 3  # Res3
COARSE_CODES = LEVELS + 1  # the codes of actors, coarse and fine, come after the fine features
CODES = slice(COARSE_CODES, COARSE_CODES + 2)
Decoder = ConvolutionalLSTMFusion | DeconvolutionFusion | PyramidPoolingFusion
Fusion = GatedMultiLevelFusion | SelfGatedFusion | Decoder | SummedFusion | Cvpr19Fusion
Attention = CrossModalSelfAttention | AttentionAlternative | Cvpr19Attention


class CmsaNetwork(ReferringNetwork):
    """CMSA + CFSA: segments what an expression names in the target frame of a clip (Fig. 3).

    Between the frames of a stream, `LevelStream` does what `enhance` does to a clip.
    """

    backbone: ResNetBackbone | LightBackbone
    embedding: WordEmbedding | SentenceEmbedding

    def __init__(
        self,
        *,
        backbone: ResNetBackbone | LightBackbone,
        embedding: WordEmbedding | SentenceEmbedding,
        cross_frame: nn.ModuleList,
        cross_frame_levels: Sequence[int],
        cross_modal: nn.ModuleList,
        fusion: Fusion,
        detail: DetailUpsampling | None,
        bilateral: BilateralUpsampling | None,
        actors: ActorCodes | None,
        evidence: WordEvidence | None,
        frame_radius: int,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
    ) -> None:
        super().__init__(pixel_mean, pixel_std)
        self.backbone, self.embedding = backbone, embedding
        self.cross_frame, self.cross_modal, self.fusion = cross_frame, cross_modal, fusion
        self.detail, self.bilateral, self.actors, self.evidence = detail, bilateral, actors, evidence
        self.motion = None if actors is None else ActorMotion(backbone.channels[-1])
        self.frame_radius = frame_radius if len(cross_frame) else 0
        self.cross_frame_at = tuple(level - FIRST_LEVEL for level in cross_frame_levels) if len(cross_frame) else ()

    def encode(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map images [B, 3, H, W], values 0 to 1 with zero padding, to levels [B, C_i, h, w].

        With `actors`, Res3 to Res5 and the fine features are followed by the codes, coarse and fine; with `bilateral`,
        what that takes comes last.
        """
        levels = super().encode(images)
        codes = () if self.actors is None else self.actors(levels[:LEVELS], levels[LEVELS])
        if self.bilateral is None:
            return (*levels, *codes)
        return (*levels[:-1], *codes, self.bilateral.features(levels[-1]))

    def stream(self) -> "LevelStream":
        """Return what CFSA needs from frame to frame."""
        return LevelStream(self)

    def segment(self, levels: Sequence[Tensor], word_ids: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Segment every expression on the same visual features.

        Args:
            levels: From `encode`, by way of CFSA.
            word_ids: int64 [B, E, L], 0 for padding.

        Returns:
            Logits [B, E, h, w] on the feature grid, [B, E, 2 h, 2 w] with fine features or deconvolution, or
            [B, E, 4 h, 4 w] with `bilateral`, and each level's word attention [B, E, L], L = 1 where a sentence is one
            vector.
        """
        _, logits, attentions = self.logits_before_and_after_choice(levels, word_ids)
        return logits, attentions

    def logits_before_and_after_choice(
        self, levels: Sequence[Tensor], word_ids: Tensor
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Return the logits [B, E, h, w] by which an actor is chosen, and then what `segment` returns of the same."""
        logits, fused, attentions = self._score(levels, word_ids)
        final = logits if self.detail is None else self.detail(logits, fused, levels[LEVELS], self._codes(levels))
        if self.bilateral is not None:
            final = self.bilateral(final, levels[-1])
        before, after = (answer.view(*word_ids.shape[:2], *answer.shape[-2:]) for answer in (logits, final))
        return before, after, attentions

    def _codes(self, levels: Sequence[Tensor]) -> Sequence[Tensor]:
        return () if self.actors is None else levels[CODES]

    def _score(self, levels: Sequence[Tensor], word_ids: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Return logits [B * E, 1, h, w], what they were scored from [B * E, X, h, w], and each level's attention."""
        words, word_mask = self.embedding(word_ids)
        _, _, height, width = levels[0].shape
        spatial = spatial_code(height, width, dtype=levels[0].dtype, device=levels[0].device)
        # In training the expressions of a picture have many words in common: attend to each different word once.
        number = number_words if isinstance(self.embedding, WordEmbedding) else number_sentences
        shared = number(word_ids) if word_ids.shape[1] > 1 and torch.is_grad_enabled() else None
        results = [
            attend(level, words, word_mask, spatial, shared)
            for attend, level in zip(self.cross_modal, levels[:LEVELS], strict=True)
        ]
        fused = self.fusion.fuse([multimodal for multimodal, _ in results])
        logits: Tensor = self.fusion.score(fused)
        if self.evidence is not None:
            evidence = self.evidence(levels[:LEVELS], words, word_mask, word_ids)
            logits = logits + evidence.flatten(0, 1)[:, None]
        return logits, fused, [attention for _, attention in results]

    def enhance(
        self,
        clips: Tensor,
        target: int,
        frame_mask: Tensor | None = None,
        times: Sequence[int] | None = None,
        *,
        neighbour_gradients: bool = True,
    ) -> list[Tensor]:
        """Encode clips [B, T, 3, H, W] and return the target frame's levels [B, C_i, h, w] after CFSA.

        Without `neighbour_gradients` the trunk learns from the target frame alone: the other frames are encoded by
        themselves, without a graph.
        """
        batch, frames = clips.shape[:2]
        if neighbour_gradients or frames == 1:
            levels = [level.reshape(batch, frames, *level.shape[1:]) for level in self.encode(clips.flatten(0, 1))]
        else:
            levels = self._encode_apart(clips, target)
        enhanced = [level[:, target] for level in levels]
        for index, attend in zip(self.cross_frame_at, self.cross_frame, strict=True):
            enhanced[index] = attend(levels[index], target, frame_mask, times)
        if self.motion is not None and self.frame_radius:
            codes = levels[COARSE_CODES]
            others = self._ends(codes, target, frame_mask, times)
            enhanced[LEVELS - 1] = self.motion(enhanced[LEVELS - 1], displacements(codes[:, target], others))
        return enhanced

    def _ends(
        self, codes: Tensor, target: int, frame_mask: Tensor | None, times: Sequence[int] | None
    ) -> list[tuple[Tensor, Tensor]]:
        """Return the codes of the first and the last frame of each clip that exist, and the inverse of how far off."""
        batch, frames = codes.shape[:2]
        moments = torch.tensor(range(frames) if times is None else list(times), device=codes.device)
        exists = torch.ones(batch, frames, device=codes.device) if frame_mask is None else frame_mask.float()
        first, last = exists.argmax(1), frames - 1 - exists.flip(1).argmax(1)
        rows = torch.arange(batch, device=codes.device)
        return [
            (codes[rows, end], inverse_distance(moments[end] - moments[target], self.frame_radius))
            for end in (first, last)
        ]

    def _encode_apart(self, clips: Tensor, target: int) -> list[Tensor]:
        """Return the levels [B, T, C_i, h, w] of clips, with a graph for the target frame only."""
        batch, frames = clips.shape[:2]
        others = [frame for frame in range(frames) if frame != target]
        with torch.no_grad():
            rest = self.encode(clips[:, others].flatten(0, 1))
        levels = []
        for own, other in zip(self.encode(clips[:, target]), rest, strict=True):
            neighbours = other.reshape(batch, frames - 1, *other.shape[1:])
            levels.append(torch.cat([neighbours[:, :target], own[:, None], neighbours[:, target:]], 1))
        return levels


def inverse_distance(frames: Tensor, radius: int) -> Tensor:
    """Return radius / frames, 0 for 0, for distances in frames with their signs."""
    return torch.where(frames == 0, 0.0, radius / frames.where(frames != 0, torch.ones_like(frames)))


def number_words(word_ids: Tensor) -> Tensor:
    """Number the different words of each picture from 0: ids int64 [B, E, L] to numbers int64 [B, E, L]."""
    return torch.stack([torch.unique(ids, return_inverse=True)[1] for ids in word_ids])


class LevelStream:
    """Feeds the levels of each frame through CFSA, `frame_radius` frames behind; without CFSA, straight on."""

    def __init__(self, network: CmsaNetwork) -> None:
        self._streams = {
            index: CrossFrameStream(cast(CrossFrameSelfAttention, attention), network.frame_radius)
            for index, attention in zip(network.cross_frame_at, network.cross_frame, strict=True)
        }
        self._waiting: deque[list[Tensor]] = deque()  # the levels of the frames not delivered yet
        self._motion = network.motion if network.frame_radius else None
        self._radius = network.frame_radius
        self._codes: deque[Tensor] = deque(maxlen=2 * network.frame_radius + 1)
        self._pushed = 0

    def push(self, levels: Sequence[Tensor]) -> list[Tensor] | None:
        """Take one frame's levels [1, C_i, h, w]; return those of the frame `frame_radius` back, enhanced, or None."""
        self._waiting.append(list(levels))
        self._pushed += 1
        if self._motion is not None:
            self._codes.append(levels[COARSE_CODES])
        results = {index: stream.push(levels[index]) for index, stream in self._streams.items()}
        enhanced = {index: result for index, result in results.items() if result is not None}
        return self._enhance(enhanced) if len(enhanced) == len(self._streams) else None

    def flush(self) -> Iterator[list[Tensor]]:
        """Yield the levels of the frames still held back, at the end of the video."""
        rests = {index: stream.flush() for index, stream in self._streams.items()}
        while self._waiting:
            yield self._enhance({index: next(rest) for index, rest in rests.items()})

    def _enhance(self, enhanced: dict[int, Tensor]) -> list[Tensor]:
        delivered = self._pushed - len(self._waiting)  # the number of the frame that is due
        levels = [enhanced.get(index, level) for index, level in enumerate(self._waiting.popleft())]
        if self._motion is None:
            return levels
        earliest = self._pushed - len(self._codes)
        ends = max(earliest, delivered - self._radius), min(self._pushed - 1, delivered + self._radius)
        others = []
        for end in ends:
            apart = torch.tensor([end - delivered], device=levels[COARSE_CODES].device)
            others.append((self._codes[end - earliest], inverse_distance(apart, self._radius)))
        levels[LEVELS - 1] = self._motion(levels[LEVELS - 1], displacements(levels[COARSE_CODES], others))
        return levels
