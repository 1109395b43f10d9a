"""Breakdown of the scores: samples grouped by expression, by object and by outcome, to show where a model fails."""

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from refvid.data.referring import Rules
from refvid.evaluation.report.charts import Bar, Point, Slice
from refvid.evaluation.report.word_kinds import ACTOR_KINDS, WORD_KINDS, actor_of, kinds_of
from refvid.evaluation.scoring import SampleRow

_DRAWS = 1000
_SEED = 0
_FEWEST_VIDEOS = 5  # an interval bootstrapped from fewer is mostly noise

_LENGTHS = ((1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, None))
_SIDES = (32, 64, 96, 160)  # pixels; 32 and 96 are COCO's bounds of small and large objects

Scorer = Callable[[SampleRow], float | None]


def scorer_of(rules: Rules) -> Scorer:
    """Return a function that maps a sample to its IoU or to its mean of J and F, and an ignored sample to None."""
    if rules.measure == "contour":
        return _contour_score
    empty = {"one": 1.0, "zero": 0.0, "skip": None}[rules.empty]
    return lambda row: row.iou if row.union else empty


def _contour_score(row: SampleRow) -> float | None:
    if row.j is None or row.f is None or math.isnan(row.j + row.f):
        return None
    return (row.j + row.f) / 2


def by_length(rows: Sequence[SampleRow], score: Scorer) -> list[Bar]:
    """Group samples by the number of words in their expression; empty groups are left out."""
    groups = []
    for low, high in _LENGTHS:
        label = f"{low} or more words" if high is None else f"{low} – {high} words"
        groups.append((label, [row for row in rows if low <= row.words and (high is None or row.words <= high)]))
    return _bars(groups, score)


def by_word_kind(rows: Sequence[SampleRow], score: Scorer) -> list[Bar]:
    """Group samples by the kinds of words that their expression uses; a sample is in every group that applies."""
    kinds = {text: kinds_of(text) for text in {row.text for row in rows}}
    groups = [(f"{kind}", [row for row in rows if kind in kinds[row.text]]) for kind in WORD_KINDS]
    return _bars([*groups, ("none of these", [row for row in rows if not kinds[row.text]])], score)


def by_actor(rows: Sequence[SampleRow], score: Scorer) -> list[Bar]:
    """Group samples by the kind of object that their expression names."""
    actors = {text: actor_of(text) for text in {row.text for row in rows}}
    groups = [(kind, [row for row in rows if actors[row.text] == kind]) for kind in ACTOR_KINDS]
    return _bars([*groups, ("anything else", [row for row in rows if actors[row.text] is None])], score)


def by_size(rows: Sequence[SampleRow], score: Scorer) -> list[Bar]:
    """Group samples by object area, given as the side of a square of equal area."""
    groups, low = [("not in the frame", [row for row in rows if not row.truth_area])], 0
    for high in (*_SIDES, None):
        label = (
            f"from {low}² pixels" if high is None else f"{low}² – {high}² pixels" if low else f"under {high}² pixels"
        )
        members = [
            row for row in rows if max(low * low, 1) <= row.truth_area and (high is None or row.truth_area < high**2)
        ]
        groups.append((label, members))
        low = high or low
    return _bars(groups, score)


def by_object(rows: Sequence[SampleRow], score: Scorer) -> list[Bar]:
    """Return the mean score of each object over its expressions, runs and frames, best first."""
    groups: dict[str, list[SampleRow]] = {}
    for row in rows:
        which = row.key if row.instance is None else str(row.instance)
        groups.setdefault(f"{row.video} · {which}", []).append(row)
    made = _bars(groups.items(), score, interval=False)
    return sorted(made, key=lambda bar: (-bar.value, bar.label))


def outcomes(rows: Iterable[SampleRow]) -> list[Slice]:
    """Count the samples by outcome; the report prints the definitions beside the chart."""
    names = ("found", "only a part of it", "leaked beyond it", "something else marked", "nothing found")
    counts = dict.fromkeys((*names, "rightly nothing", "marked though absent"), 0)
    for row in rows:
        counts[_outcome(row)] += 1
    return [Slice(name, count, tone) for tone, (name, count) in enumerate(counts.items(), 1)]


def _outcome(row: SampleRow) -> str:
    if not row.truth_area:
        return "marked though absent" if row.predicted_area else "rightly nothing"
    if not row.predicted_area:
        return "nothing found"
    if row.iou > 0.5:
        return "found"
    # IoU alone is not enough: a mask that covers half of a small object and ten times its area around it has an IoU
    # below 0.1, yet it leaked rather than marked something else.
    if row.iou < 0.1 and row.intersection < 0.5 * row.truth_area:
        return "something else marked"
    return "leaked beyond it" if row.predicted_area > row.truth_area else "only a part of it"


def _bars(groups: Iterable[tuple[str, Sequence[SampleRow]]], score: Scorer, interval: bool = True) -> list[Bar]:
    made = []
    for label, rows in groups:
        pairs = [(row.video, value) for row in rows if (value := score(row)) is not None]
        if pairs:
            values = np.array([value for _, value in pairs])
            span = bootstrap_interval([video for video, _ in pairs], values) if interval else None
            made.append(Bar(label, float(values.mean()), len(pairs), span))
    return made


def bootstrap_interval(videos: Sequence[str], values: npt.NDArray[np.float64]) -> Point | None:
    """Return a 95 % confidence interval of the mean by the percentile bootstrap with 1,000 draws.

    Whole videos are drawn rather than samples, because the samples of a video are correlated.

    Args:
        videos: Name of the video of each value.
        values: Scores of the samples, float64 [n].

    Returns:
        The lower and upper bound, identical for identical input; None for fewer than five videos.
    """
    _, places = np.unique(np.asarray(videos), return_inverse=True)
    sums, counts = np.bincount(places, weights=values), np.bincount(places)
    if len(sums) < _FEWEST_VIDEOS:
        return None
    generator = np.random.default_rng(_SEED)
    means = np.empty(_DRAWS)
    for draw in range(_DRAWS):
        drawn = generator.integers(len(sums), size=len(sums))
        means[draw] = sums[drawn].sum() / counts[drawn].sum()
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)
