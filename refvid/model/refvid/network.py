"""Our variant of CMSA + CFSA: a choice among actors, their motion, the truth of single words, and finer masks."""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from refvid.model.cmsa.network import CmsaNetwork, CmsaParts, FusedScore, LevelStream
from refvid.model.interface import LEVELS, FrameFeatures, TrainingLogits
from refvid.model.layers.upsampling import DetailUpsampling
from refvid.model.refvid.actors import ActorCodes, ActorMotion, displacements
from refvid.model.refvid.bilateral import BilateralUpsampling
from refvid.model.refvid.choice import ActorDetailUpsampling
from refvid.model.refvid.evidence import WordEvidence


class RefvidNetwork(CmsaNetwork):
    """CMSA + CFSA with parts of our own, each of which may be left out for a comparison.

    Args:
        parts: The paper's network.
        detail: Brings logits to the fine grid by fine features; with `actors`, by a choice among actors too.
        bilateral: Brings logits of the fine grid to that of the stem; needs `detail`.
        actors: Codes by which the positions of one actor find each other; needs an `ActorDetailUpsampling`.
        evidence: Judges how far each word by itself is true of each position.
    """

    def __init__(
        self,
        parts: CmsaParts,
        *,
        detail: DetailUpsampling | None,
        bilateral: BilateralUpsampling | None,
        actors: ActorCodes | None,
        evidence: WordEvidence | None,
    ) -> None:
        super().__init__(parts)
        self.detail, self.bilateral, self.actors, self.evidence = detail, bilateral, actors, evidence
        self.motion = None if actors is None else ActorMotion(actors.level_channels[-1])

    def encode(self, images: Tensor) -> FrameFeatures:
        """Map images [B, 3, H, W], values 0 to 1 with zero padding, to features.

        The features of the stem are those that bilateral upsampling takes; codes are there with `actors`.
        """
        seen = super().encode(images)
        codes = None if self.actors is None or seen.fine is None else self.actors(seen.levels, seen.fine)
        stem = None if self.bilateral is None or seen.stem is None else self.bilateral.features(seen.stem)
        return replace(seen, stem=stem, codes=codes)

    def stream(self) -> LevelStream:
        """Return the state that CFSA and the motion of actors keep from frame to frame."""
        return LevelStream(self) if self.motion is None or not self.frame_radius else ActorStream(self, self.motion)

    def enhance_features(
        self,
        clip: FrameFeatures,
        target: int,
        frame_mask: Tensor | None = None,
        times: Sequence[int] | None = None,
    ) -> FrameFeatures:
        """Return the features of the target frame after CFSA, with the motion of actors in Res5.

        Arguments as for `CmsaNetwork.enhance_features`.
        """
        enhanced = super().enhance_features(clip, target, frame_mask, times)
        if self.motion is None or not self.frame_radius or clip.codes is None:
            return enhanced
        codes = clip.codes[0]
        moved = displacements(codes[:, target], _ends(codes, target, frame_mask, times, self.frame_radius))
        return enhanced.with_level(LEVELS - 1, self.motion(enhanced.levels[LEVELS - 1], moved))

    def segment(self, features: FrameFeatures, word_ids: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Segment every expression on the same visual features.

        Args:
            features: From `encode`, enhanced.
            word_ids: int64 [B, E, L], 0 for padding.

        Returns:
            Logits on the finest grid there is, [B, E, 4 h, 4 w] with `bilateral`, [B, E, 2 h, 2 w] with `detail`
            alone, else [B, E, h, w], and the attention over words of each level, [B, E, L].
        """
        scored = self.score(features, word_ids)
        return self._finish(scored, features, word_ids), scored.attentions

    def training_logits(self, features: FrameFeatures, word_ids: Tensor) -> TrainingLogits:
        """Return the logits of `segment` and, with `actors`, those by which an actor is chosen."""
        scored = self.score(features, word_ids)
        choice = None if self.actors is None else scored.logits.view(*word_ids.shape[:2], *scored.logits.shape[-2:])
        return TrainingLogits(self._finish(scored, features, word_ids), choice=choice)

    def score(self, features: FrameFeatures, word_ids: Tensor) -> FusedScore:
        """Score every position of the fused levels, raised or lowered by the truth of single words."""
        scored = super().score(features, word_ids)
        if self.evidence is None:
            return scored
        words, word_mask = self.embedding(word_ids)
        evidence = self.evidence(features, words, word_mask, word_ids)
        return FusedScore(scored.logits + evidence.flatten(0, 1)[:, None], scored.fused, scored.attentions)

    @property
    def judges_words(self) -> bool:
        """Whether `word_truth_logits` returns logits."""
        return self.evidence is not None

    def word_truth_logits(self, features: FrameFeatures, word_ids: Tensor) -> Tensor | None:
        """Return the logits [B, W, h, w] of words, int64 [W], being true at each position; None without evidence."""
        if self.evidence is None:
            return None
        words, _ = self.embedding(word_ids)
        return self.evidence.truth_logits(features, words, word_ids)

    def _finish(self, scored: FusedScore, features: FrameFeatures, word_ids: Tensor) -> Tensor:
        """Bring logits to the finest grid and return them as [B, E, H, W]."""
        logits = scored.logits
        if self.detail is not None and features.fine is not None:
            if isinstance(self.detail, ActorDetailUpsampling) and features.codes is not None:
                logits = self.detail(logits, scored.fused, features.fine, features.codes)
            else:
                logits = self.detail(logits, scored.fused, features.fine)
        if self.bilateral is not None and features.stem is not None:
            logits = self.bilateral(logits, features.stem)
        return logits.view(*word_ids.shape[:2], *logits.shape[-2:])


def _ends(
    codes: Tensor, target: int, frame_mask: Tensor | None, times: Sequence[int] | None, radius: int
) -> list[tuple[Tensor, Tensor]]:
    """Return the codes of the first and the last frame of each clip that exist, and the inverse of their distance."""
    batch, frames = codes.shape[:2]
    moments = torch.tensor(range(frames) if times is None else list(times), device=codes.device)
    exists = torch.ones(batch, frames, device=codes.device) if frame_mask is None else frame_mask.float()
    first, last = exists.argmax(1), frames - 1 - exists.flip(1).argmax(1)
    rows = torch.arange(batch, device=codes.device)
    return [(codes[rows, end], inverse_distance(moments[end] - moments[target], radius)) for end in (first, last)]


def inverse_distance(frames: Tensor, radius: int) -> Tensor:
    """Return radius / frames, 0 for 0, for distances in frames with their signs."""
    return torch.where(frames == 0, 0.0, radius / frames.where(frames != 0, torch.ones_like(frames)))


class ActorStream(LevelStream):
    """A `LevelStream` that also measures how far each actor has moved since the ends of the clip."""

    def __init__(self, network: CmsaNetwork, motion: ActorMotion) -> None:
        super().__init__(network)
        self._motion, self._radius = motion, network.frame_radius
        self._codes: deque[Tensor] = deque(maxlen=2 * network.frame_radius + 1)

    def push(self, features: FrameFeatures) -> FrameFeatures | None:
        """Take the features of a frame, B = 1; return those of the frame `frame_radius` back, enhanced, or None."""
        assert features.codes is not None
        self._codes.append(features.codes[0])
        return super().push(features)

    def enhance_due(self, features: FrameFeatures, due: int) -> FrameFeatures:
        """Return the features of frame `due` with the motion of actors in Res5."""
        assert features.codes is not None
        codes, level = features.codes[0], features.levels[LEVELS - 1]
        earliest = self.pushed - len(self._codes)
        ends = max(earliest, due - self._radius), min(self.pushed - 1, due + self._radius)
        others = [
            (
                self._codes[end - earliest],
                inverse_distance(torch.tensor([end - due], device=level.device), self._radius),
            )
            for end in ends
        ]
        return features.with_level(LEVELS - 1, self._motion(level, displacements(codes, others)))
