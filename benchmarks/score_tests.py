"""The tests of `world_score.py`: clips that no model was trained on, the scoring of masks, and means with intervals.

Everything here works on a `Predictor`, any function from a clip to masks, so that the scoring itself can be tested.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch.utils.data import Dataset

from refvid.data.sample import Sample
from refvid.errors import RefvidError
from refvid.metrics.regions import iou, mean_iou, precision_at
from refvid.world.photos.scene import PhotoWorld
from refvid.world.photos.single import SinglePhotos
from refvid.world.scene import Scene
from refvid.world.scenes.sampler import draw_scene
from refvid.world.source import DRAWN_PROPORTION_SHARES, DRAWN_PROPORTIONS

# Clip i of a test is drawn from (SEED_BASE + seed, number of the test, i). Training draws from small seeds and four
# numbers per sample, so that no clip here is ever trained on; photos are from the validation split.
SEED_BASE = 7_000_000
TESTS = ("world", "motion", "composite", "photo")  # numbered from 1
PHOTO_TESTS = ("composite", "photo")

SIZE = 240  # the frames have about SIZE * SIZE pixels: 320x180, 277x208, 240x240 or 180x320
PHOTO_SIDE = 320  # longer side of a single photo
QUIET = 0.005  # fraction of the frame below which a mask counts as empty
RESAMPLES = 2000
_PATIENCE = 100

Masks = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Clip:
    """A clip to be scored on its middle frame.

    Attributes:
        sample: Frames, expressions and masks; the mask of an expression without a referent is empty.
        groups: Groups of each expression: its ways to tell an actor apart, or "person" or "garment".
    """

    sample: Sample
    groups: tuple[frozenset[str], ...]


Predictor = Callable[[Clip], Masks]  # masks bool [E, H, W] of the clip's middle frame


@dataclass(frozen=True)
class Clips(Dataset[Clip]):
    """The clips of a test, each drawn on request and always identically.

    Attributes:
        test: One of `TESTS`.
        count: Number of clips.
        seed: Seed, added to `SEED_BASE`.
        frames: Length T of the clips; a single photo is one frame.
        photos: Folder of labelled photos, needed by the tests in `PHOTO_TESTS` only.
    """

    test: str
    count: int
    seed: int = 0
    frames: int = 11
    photos: Path | None = None

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Clip:
        """Draw a clip.

        Raises:
            IndexError: The index is out of range.
            RefvidError: The photos are not available, or a hundred clips have no expression.
        """
        if not 0 <= index < self.count:
            raise IndexError(f"clip {index} of {self.count}")
        rng = np.random.default_rng((SEED_BASE + self.seed, TESTS.index(self.test) + 1, index))
        for _ in range(_PATIENCE):
            clip = self._draw(rng)
            if clip.sample.masks.any():
                return clip
        raise RefvidError(f"{_PATIENCE} clips of the test '{self.test}' show nothing to ask for; give another --seed")

    def _draw(self, rng: np.random.Generator) -> Clip:
        if self.test == "photo":
            return clip_of_photo(self._singles.draw(rng, frames=1, longer=PHOTO_SIDE))
        aspect = float(rng.choice(DRAWN_PROPORTIONS, p=DRAWN_PROPORTION_SHARES))
        width, height = round(SIZE * aspect**0.5), round(SIZE / aspect**0.5)
        if self.test == "composite":
            return clip_of_scene(self._world.draw_scene(rng, frames=self.frames, width=width, height=height))
        if self.test == "motion":
            scene = draw_scene(rng, frames=self.frames, width=width, height=height, mode="motion")
            return clip_of_scene(scene, with_absent=False)
        return clip_of_scene(draw_scene(rng, frames=self.frames, width=width, height=height))

    @cached_property
    def _world(self) -> PhotoWorld:
        return PhotoWorld(self._folder, "validation")

    @cached_property
    def _singles(self) -> SinglePhotos:
        return SinglePhotos(self._folder, "validation")

    @property
    def _folder(self) -> Path:
        if self.photos is None:
            raise RefvidError(f"the test '{self.test}' needs --photos, a folder of labelled photos")
        return self.photos


def clip_of_scene(scene: Scene, *, with_absent: bool = True) -> Clip:
    """Return a scene with its expressions; those without a referent are included on request."""
    references = [reference for reference in scene.references if with_absent or reference.actor is not None]
    middle = scene.instances[len(scene.instances) // 2]
    masks = np.zeros((len(references), *middle.shape), np.bool_)
    for mask, reference in zip(masks, references, strict=True):
        if reference.actor is not None:
            mask[:] = middle == reference.actor + 1
    expressions = tuple(reference.expression for reference in references)
    sample = Sample(scene.frames, np.ones(len(scene.frames), np.bool_), expressions, masks)
    return Clip(sample, tuple(reference.ways for reference in references))


def clip_of_photo(sample: Sample) -> Clip:
    """Return a sample of `SinglePhotos`, whose first region is the person, as a clip."""
    assert sample.regions is not None
    person = sample.regions[0]
    return Clip(
        sample, tuple(frozenset({"person" if np.array_equal(mask, person) else "garment"}) for mask in sample.masks)
    )


@dataclass(frozen=True)
class Finding:
    """The result for one expression.

    Attributes:
        clip: Index of the clip.
        row: Index of the expression in the clip.
        groups: Groups of the expression, as in the clip.
        present: Whether the expression has a referent.
        iou: IoU of the prediction.
        area: Fraction of the frame covered by the prediction.
    """

    clip: int
    row: int
    groups: frozenset[str]
    present: bool
    iou: float
    area: float


@dataclass(frozen=True)
class ClipScore:
    """The result for one clip.

    Attributes:
        findings: Results, one per expression.
        follows: For each ordered pair of expressions with different referents, whether the mask of the second overlaps
            its own referent more than that of the first.
        both: For each unordered pair of such expressions, whether the mask follows in both directions.
    """

    findings: tuple[Finding, ...]
    follows: tuple[bool, ...]
    both: tuple[bool, ...]


def score_clip(index: int, clip: Clip, masks: Masks) -> ClipScore:
    """Score the masks of a clip's expressions.

    Raises:
        ValueError: The masks do not have the shape of the ground truth.
    """
    truth = clip.sample.masks
    if masks.shape != truth.shape:
        raise ValueError(f"masks of shape {masks.shape} were predicted where {truth.shape} was expected")
    findings = tuple(
        Finding(index, row, groups, bool(true.any()), iou(found, true), float(found.mean()))
        for row, (groups, found, true) in enumerate(zip(clip.groups, masks, truth, strict=True))
    )
    pairs = [
        (one, other)
        for one, other in itertools.combinations([finding.row for finding in findings if finding.present], 2)
        if not np.array_equal(truth[one], truth[other])
    ]
    there = [findings[one].iou > iou(masks[one], truth[other]) for one, other in pairs]
    back = [findings[other].iou > iou(masks[other], truth[one]) for one, other in pairs]
    return ClipScore(findings, (*there, *back), tuple(a and b for a, b in zip(there, back, strict=True)))


def score(clips: Iterable[Clip], predictors: Mapping[str, Predictor]) -> dict[str, list[ClipScore]]:
    """Score several predictors, by name, on the same clips, each drawn once."""
    scores: dict[str, list[ClipScore]] = {name: [] for name in predictors}
    for index, clip in enumerate(clips):
        for name, predict in predictors.items():
            scores[name].append(score_clip(index, clip, predict(clip)))
    return scores


def findings_of(scores: Sequence[ClipScore], *, present: bool) -> list[Finding]:
    """Return the findings of the expressions with a referent, or of those without."""
    return [finding for clip in scores for finding in clip.findings if finding.present == present]


def is_quiet(finding: Finding) -> bool:
    """Return whether the prediction is nearly empty."""
    return finding.area < QUIET


def summarise(scores: Sequence[ClipScore]) -> dict[str, Any]:
    """Return the figures of a test; fractions and means are None if there was nothing to measure."""
    present, absent = findings_of(scores, present=True), findings_of(scores, present=False)
    ious = [finding.iou for finding in present]
    follows, both = ([done for clip in scores for done in getattr(clip, name)] for name in ("follows", "both"))
    groups = sorted(frozenset().union(*(finding.groups for finding in present)))
    by_group = {group: [finding.iou for finding in present if group in finding.groups] for group in groups}
    return {
        "clips": len(scores),
        "expressions": len(present),
        "mean_iou": _known(mean_iou(ious)),
        "interval": interval([[finding.iou for finding in clip.findings if finding.present] for clip in scores]),
        "p@0.5": _known(precision_at(ious, 0.5)),
        "groups": {
            group: {"expressions": len(values), "mean_iou": mean_iou(values), "p@0.5": precision_at(values, 0.5)}
            for group, values in by_group.items()
        },
        "follows": share(follows),
        "follows_there_and_back": share(both),
        "changes": len(follows),
        "quiet": share([is_quiet(finding) for finding in absent]),
        "absent_expressions": len(absent),
    }


def difference(scores: Sequence[ClipScore], others: Sequence[ClipScore]) -> dict[str, Any]:
    """Return the mean IoU of scores minus that of others on the same clips, with its interval."""
    clips = [
        [one.iou - other.iou for one, other in zip(clip.findings, twin.findings, strict=True) if one.present]
        for clip, twin in zip(scores, others, strict=True)
    ]
    return {"mean": _known(mean_iou([value for values in clips for value in values])), "interval": interval(clips)}


def interval(clips: Sequence[Sequence[float]]) -> list[float] | None:
    """Return the 95 % bootstrap interval of the mean of all values; None for fewer than two clips.

    Clips are resampled rather than expressions, because expressions about one scene succeed or fail together.
    """
    sums = np.array([sum(values) for values in clips if len(values)], np.float64)
    counts = np.array([len(values) for values in clips if len(values)], np.float64)
    if len(sums) < 2:
        return None
    drawn = np.random.default_rng(0).integers(len(sums), size=(RESAMPLES, len(sums)))
    low, high = np.quantile(sums[drawn].sum(1) / counts[drawn].sum(1), (0.025, 0.975))
    return [float(low), float(high)]


def share(outcomes: Sequence[bool]) -> float | None:
    """Return the fraction of true outcomes; None without outcomes."""
    return float(np.mean(outcomes)) if len(outcomes) else None


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
