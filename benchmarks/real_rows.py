"""How `real_score.py` judges: IoU without void pixels, means with their intervals, and how far to trust a probability.

Everything here works on a `Predictor`, any function from a picture and expressions to masks, so that the judge can be
judged.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.real_photos import VOID, Photo, Question, ask
from benchmarks.score_sheets import Page
from benchmarks.score_tests import QUIET, Finding, Masks, interval, is_quiet
from refvid.metrics.regions import iou_counts

RIGHT = 0.5  # IoU above which a mask is right
THRESHOLDS = tuple(round(step * 0.05, 2) for step in range(1, 20))
BINS = 10

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Answer:
    """What a predictor found in a picture.

    Attributes:
        masks: bool [E, H, W].
        confidence: Mean probability over each mask's pixels [E]; NaN where a mask is empty.
        maps: What the threshold cuts, float32 [E, H, W] between 0 and 1; None: not wanted.
    """

    masks: Masks
    confidence: Floats
    maps: npt.NDArray[np.float32] | None = None


Predictor = Callable[[npt.NDArray[np.uint8], Sequence[str]], Answer]


@dataclass(frozen=True, eq=False)
class Judged(Finding):
    """How one expression went; `clip` is the index of the photo and `groups` are the rows of the table.

    Attributes:
        source: Of the photo.
        confidence: Mean probability that was reported; NaN where nothing was found.
        sweep: IoU and share of the picture found at each of `THRESHOLDS`, [2, T]; None: not wanted.
    """

    source: str
    confidence: float
    sweep: Floats | None


def judge(
    index: int, photo: Photo, questions: Sequence[Question], numbers: npt.NDArray[np.uint8], answer: Answer
) -> list[Judged]:
    """Judge the masks of a photo's expressions.

    Raises:
        ValueError: The masks do not have the photo's shape.
    """
    shape = (len(questions), *numbers.shape)
    if answer.masks.shape != shape:
        raise ValueError(f"masks of shape {answer.masks.shape} were predicted where {shape} was expected")
    void = numbers == VOID
    pixels = max(1, int((~void).sum()))
    findings = []
    for row, question in enumerate(questions):
        true, mask = question.truth(numbers), answer.masks[row]
        shared, joined = iou_counts(mask, true, void)
        found = int((mask & ~void).sum())
        sweep = None if answer.maps is None else sweep_of(answer.maps[row], true, void)
        findings.append(
            Judged(
                index, row, question.rows, question.instance is not None, shared / joined if joined else 1.0,
                found / pixels, photo.source, float(answer.confidence[row]), sweep,
            )
        )  # fmt: skip
    return findings


def sweep_of(values: npt.NDArray[np.float32], truth: Masks, void: Masks) -> Floats:
    """Return IoU and share of the picture above each of `THRESHOLDS`, [2, T], by counting each pixel once.

    Args:
        values: What the threshold cuts, [H, W].
        truth: bool [H, W].
        void: bool [H, W], pixels that do not count.
    """
    levels = np.searchsorted(THRESHOLDS, values[~void], side="left")  # how many thresholds lie below the value
    meant = truth[~void]
    shared, found = (
        np.bincount(some, minlength=len(THRESHOLDS) + 1)[::-1].cumsum()[::-1][1:] for some in (levels[meant], levels)
    )
    joined = found + int(meant.sum()) - shared
    iou = np.divide(shared, joined, out=np.ones(len(joined)), where=joined > 0)
    return np.stack([iou, found / max(1, len(levels))])


def score_photos(
    photos: Iterable[Photo],
    predict: Predictor,
    *,
    seed: int = 0,
    held_out: Sequence[str] = (),
    keep: Callable[[Page], None] | None = None,
) -> list[Judged]:
    """Ask everything of every photo.

    Args:
        photos: Of the validation split.
        predict: Is shown each photo once, with all its expressions.
        seed: Of `ask`.
        held_out: Of `ask`.
        keep: Takes a page for the sheets, one of each photo.

    Raises:
        UsageError: A photo cannot be read.
    """
    findings: list[Judged] = []
    index = 0
    for photo in photos:
        pixels, numbers = photo.read()
        questions = ask(photo, pixels, numbers, seed, held_out)
        if not questions:
            continue
        expressions = tuple(question.expression for question in questions)
        answer = predict(pixels, expressions)
        findings += judge(index, photo, questions, numbers, answer)
        if keep is not None:
            truth = np.stack([question.truth(numbers) for question in questions])
            keep(Page(pixels, expressions, np.packbits(truth), np.packbits(answer.masks)))
        index += 1
    return findings


def summarise(findings: Sequence[Judged]) -> dict[str, Any]:
    """Return the figures of every row of the table that has a sample, and of each source within it."""
    rows = sorted(frozenset().union(*(finding.groups for finding in findings)))
    return {row: _row([finding for finding in findings if row in finding.groups]) for row in rows}


def _row(findings: Sequence[Judged]) -> dict[str, Any]:
    sources = sorted({finding.source for finding in findings})
    return _figures(findings) | {
        "sources": {name: _figures([finding for finding in findings if finding.source == name]) for name in sources}
    }


def _figures(findings: Sequence[Judged]) -> dict[str, Any]:
    """Return the figures of samples that all mean something, or all nothing."""
    figures: dict[str, Any] = {"samples": len(findings), "photos": len({finding.clip for finding in findings})}
    if findings[0].present:
        ious = [finding.iou for finding in findings]
        right = [float(value > RIGHT) for value in ious]
        return figures | {
            "mean_iou": float(np.mean(ious)),
            "interval": interval(by_photo(findings, ious)),
            "p@0.5": float(np.mean(right)),
            "p@0.5_interval": interval(by_photo(findings, right)),
        }
    quiet = [float(is_quiet(finding)) for finding in findings]
    return figures | {"quiet": float(np.mean(quiet)), "interval": interval(by_photo(findings, quiet))}


def by_photo(findings: Sequence[Judged], values: Sequence[float]) -> list[list[float]]:
    """Return the values of each photo together: what is said of one photo succeeds or fails together."""
    photos: dict[int, list[float]] = {}
    for finding, value in zip(findings, values, strict=True):
        photos.setdefault(finding.clip, []).append(value)
    return list(photos.values())


def calibration(findings: Sequence[Judged]) -> dict[str, Any]:
    """Return how far the reported mean probability may be trusted, and what other thresholds would do.

    Returns:
        "there": of the masks of what is there; "all": also of what is not, where every mask is wrong (`reliability`
        of each); "sweep": where it was wanted, for each threshold the mean IoU of what is there and how often nothing
        was found, where it is not there and where it is.
    """
    there = [finding for finding in findings if finding.present]
    figures: dict[str, Any] = {"there": reliability(there), "all": reliability(findings)}
    lone = [finding.sweep for finding in there if "lone" in finding.groups and finding.sweep is not None]
    two = [finding.sweep for finding in there if "two" in finding.groups and finding.sweep is not None]
    absent = [finding.sweep for finding in findings if "absent" in finding.groups and finding.sweep is not None]
    figures["sweep"] = [
        {
            "threshold": threshold,
            "lone_iou": _mean([sweep[0, step] for sweep in lone]),
            "lone_p@0.5": _mean([sweep[0, step] > RIGHT for sweep in lone]),
            "two_iou": _mean([sweep[0, step] for sweep in two]),
            "quiet_where_absent": _mean([sweep[1, step] < QUIET for sweep in absent]),
            "quiet_where_lone": _mean([sweep[1, step] < QUIET for sweep in lone]),
        }
        for step, threshold in enumerate(THRESHOLDS)
        if lone or two or absent
    ]
    return figures


def reliability(findings: Sequence[Judged]) -> dict[str, Any]:
    """Return, for ten bins of the mean probability, how many of the masks that are not empty are right.

    The expected calibration error is the mean distance between a bin's mean probability and its share of right masks,
    weighted by its number of masks (Guo et al., ICML 2017, equation 5); a mask of what is not there is wrong.
    """
    found = [finding for finding in findings if not np.isnan(finding.confidence)]
    confidence = np.array([finding.confidence for finding in found], np.float64)
    right = np.array([finding.present and finding.iou > RIGHT for finding in found], np.float64)
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    bins = [
        {
            "from": index / BINS,
            "to": (index + 1) / BINS,
            "masks": int((place == index).sum()),
            "probability": _mean(confidence[place == index]),
            "right": _mean(right[place == index]),
        }
        for index in range(BINS)
    ]
    insides = [place == index for index in np.unique(place)]
    gaps = [inside.sum() * abs(confidence[inside].mean() - right[inside].mean()) for inside in insides]
    return {"masks": len(found), "error": float(sum(gaps)) / len(found) if found else None, "bins": bins}


def _mean(values: Sequence[Any] | Floats) -> float | None:
    return float(np.mean(values)) if len(values) else None
