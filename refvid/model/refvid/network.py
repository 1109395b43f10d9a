"""Our variant of CMSA + CFSA, which adds a choice among actors, their motion, word evidence and finer masks."""

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
        parts: The parts of the paper's network.
        detail: Module that upsamples logits to the fine grid, with `actors` by choosing one actor; None for none.
        bilateral: Module that upsamples logits from the fine grid to that of the stem, needs `detail`; None for none.
        actors: Module that computes actor codes, needs an `ActorDetailUpsampling` as `detail`; None for none.
        evidence: Module that judges whether each single word is true of each position; None for none.
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
        """Map zero-padded images [B, 3, H, W], values 0 to 1, to features.

        `stem` holds the features for bilateral upsampling, and `codes` those of `actors`, if the network has them.
        """
        seen = super().encode(images)
        codes = None if self.actors is None or seen.fine is None else self.actors(seen.levels, seen.fine)
        stem = None if self.bilateral is None or seen.stem is None else self.bilateral.features(seen.stem)
        return replace(seen, stem=stem, codes=codes)

    def stream(self) -> LevelStream:
        """Return a new stream, which applies CFSA and the motion of actors frame by frame."""
        return LevelStream(self) if self.motion is None or not self.frame_radius else ActorStream(self, self.motion)

    def enhance_features(
        self,
        clip: FrameFeatures,
        target: int,
        frame_mask: Tensor | None = None,
        times: Sequence[int] | None = None,
    ) -> FrameFeatures:
        """Return the features of the target frame after CFSA, with the motion of actors added to Res5.

        The arguments are those of `CmsaNetwork.enhance_features`.
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
            features: Features from `enhance` or the stream.
            word_ids: Word ids int64 [B, E, L], 0 for padding.

        Returns:
            Logits, [B, E, 4 h, 4 w] with `bilateral`, [B, E, 2 h, 2 w] with `detail` alone and [B, E, h, w] otherwise,
            and the attention over words of each level, [B, E, L].
        """
        scored = self.score(features, word_ids)
        return self._finish(scored, features, word_ids), scored.attentions

    def training_logits(self, features: FrameFeatures, word_ids: Tensor) -> TrainingLogits:
        """Return the logits of `segment` and, with `actors`, those from which an actor is chosen."""
        scored = self.score(features, word_ids)
        choice = None if self.actors is None else scored.logits.view(*word_ids.shape[:2], *scored.logits.shape[-2:])
        return TrainingLogits(self._finish(scored, features, word_ids), choice=choice)

    def score(self, features: FrameFeatures, word_ids: Tensor) -> FusedScore:
        """Score every position of the fused levels and add the evidence of single words."""
        scored = super().score(features, word_ids)
        if self.evidence is None:
            return scored
        told = self.evidence.tell(features, scored.words, scored.word_mask, word_ids)
        if told is not None:
            fused = scored.fused + told
            scored = replace(scored, fused=fused, logits=self.fusion.score(fused))
        evidence = self.evidence(features, scored.words, scored.word_mask, word_ids)
        return replace(scored, logits=scored.logits + evidence.flatten(0, 1)[:, None])

    @property
    def judges_words(self) -> bool:
        """Whether the network judges single words, so that `word_truth_logits` returns logits."""
        return self.evidence is not None

    def word_truth_logits(self, features: FrameFeatures, word_ids: Tensor) -> Tensor | None:
        """Return the logits [B, W, h, w] that words, int64 [W], are true of each position, or None without evidence."""
        if self.evidence is None:
            return None
        words, _ = self.embedding(word_ids)
        return self.evidence.truth_logits(features, words, word_ids)

    def _finish(self, scored: FusedScore, features: FrameFeatures, word_ids: Tensor) -> Tensor:
        """Upsample logits to the finest grid that the network has, and return them as [B, E, ...]."""
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
    """Return the arguments of `displacements` for the first and the last existing frame of each clip.

    Args:
        codes: Codes of all frames, [B, T, G, h, w].
        target: Index of the target frame.
        frame_mask: False for frames beyond the ends of the video, bool [B, T]; None if all frames exist.
        times: Number of each frame in its video, counted from any start; None for consecutive frames.
        radius: Radius of the clip in frames.

    Returns:
        For both frames the codes [B, G, h, w] and the signed inverse distance from the target [B].
    """
    batch, frames = codes.shape[:2]
    moments = torch.tensor(range(frames) if times is None else list(times), device=codes.device)
    exists = torch.ones(batch, frames, device=codes.device) if frame_mask is None else frame_mask.float()
    first, last = exists.argmax(1), frames - 1 - exists.flip(1).argmax(1)
    rows = torch.arange(batch, device=codes.device)
    return [(codes[rows, end], inverse_distance(moments[end] - moments[target], radius)) for end in (first, last)]


def inverse_distance(frames: Tensor, radius: int) -> Tensor:
    """Return radius / frames for signed distances in frames, and 0 where the distance is 0."""
    return torch.where(frames == 0, 0.0, radius / frames.where(frames != 0, torch.ones_like(frames)))


class ActorStream(LevelStream):
    """A `LevelStream` that also adds the motion of actors, relative to the first and last frame of each clip."""

    def __init__(self, network: CmsaNetwork, motion: ActorMotion) -> None:
        super().__init__(network)
        self._motion, self._radius = motion, network.frame_radius
        self._codes: deque[Tensor] = deque(maxlen=2 * network.frame_radius + 1)

    def push(self, features: FrameFeatures) -> FrameFeatures | None:
        """Take the next frame's features, B = 1; return those of the frame `frame_radius` earlier, enhanced, if any."""
        assert features.codes is not None
        self._codes.append(features.codes[0])
        return super().push(features)

    def enhance_due(self, features: FrameFeatures, due: int) -> FrameFeatures:
        """Return the features of frame number `due` with the motion of actors added to Res5."""
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
