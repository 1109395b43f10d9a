"""Measures of regions: pure functions of boolean arrays, of counted pixels and of IoUs.

A sample is one mask that is compared with one truth: of a sentence and a frame, or of a sentence and an image.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
# Written out, as linspace(0.5, 0.95, 10) holds a 0.9 that is below 0.9: an IoU of 9/10 would be higher than it.
AP_THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)

_EMPTY_IOU: Final = {"one": 1.0, "zero": 0.0, "skip": float("nan")}
_COUNTED: Final = np.dtype(
    [
        ("intersection", np.int64),
        ("union", np.int64),
        ("confidence", np.float64),
        ("truth_area", np.int64),
        ("predicted_area", np.int64),
    ]
)


class CountedSample(Protocol):
    """What a summary needs to know of a sample: pixels that count, void ones left out."""

    @property
    def intersection(self) -> int:
        """Pixels of both masks."""
        ...

    @property
    def union(self) -> int:
        """Pixels of either mask; 0 where both are empty."""
        ...

    @property
    def confidence(self) -> float | None:
        """How sure the model is of the mask, in any unit; None or nan is below every number."""
        ...

    @property
    def truth_area(self) -> int:
        """Pixels of the truth."""
        ...

    @property
    def predicted_area(self) -> int:
        """Pixels of the prediction."""
        ...


@dataclass(frozen=True, slots=True)
class RegionRow:
    """The counts of a sample, a `CountedSample`."""

    intersection: int
    union: int
    confidence: float | None
    truth_area: int
    predicted_area: int


def iou_counts(predicted: Mask, truth: Mask, void: Mask | None = None) -> tuple[int, int]:
    """Return the numbers of pixels in the intersection and in the union of two masks.

    Args:
        predicted: bool, any shape.
        truth: bool, the same shape.
        void: bool, the same shape: pixels that do not count.

    Raises:
        ValueError: The shapes differ or a mask is not boolean.
    """
    check_masks(predicted, truth, void)
    if void is not None:
        predicted = predicted & ~void
        truth = truth & ~void
    intersection = int(np.count_nonzero(predicted & truth))
    return intersection, int(np.count_nonzero(predicted)) + int(np.count_nonzero(truth)) - intersection


def check_masks(predicted: Mask, truth: Mask, void: Mask | None = None) -> None:
    """Check that masks can be compared.

    Raises:
        ValueError: The shapes differ or a mask is not boolean.
    """
    for other in (truth,) if void is None else (truth, void):
        if predicted.shape != other.shape:
            raise ValueError(f"masks of shapes {predicted.shape} and {other.shape} cannot be compared")
    for mask in (predicted, truth) if void is None else (predicted, truth, void):
        if mask.dtype != np.bool_:
            # ~ and & of 0 and 255 would count silently wrong.
            raise ValueError(f"masks must be boolean, and one is {mask.dtype}")


def iou(predicted: Mask, truth: Mask) -> float:
    """Return intersection over union of two masks of one shape; 1 where both are empty.

    Raises:
        ValueError: The shapes differ or a mask is not boolean.
    """
    intersection, union = iou_counts(predicted, truth)
    return intersection / union if union else 1.0


def mean_iou(ious: Sequence[float] | Floats) -> float:
    """Return the mean of the samples' IoUs; nan of none."""
    return float(np.mean(ious)) if len(ious) else float("nan")


def precision_at(ious: Sequence[float] | Floats, threshold: float, inclusive: bool = False) -> float:
    """Return P@K, the share of samples whose IoU is higher than a threshold; nan of none.

    Args:
        ious: Of the samples.
        threshold: K.
        inclusive: Whether an IoU of exactly K counts, too. Papers say "higher than", and MTTR and ReferFormer count
            so; the code of CMSA-Net, CMPC, RefVOS, ACGA, LAVT and Locater counts equal ones as well.
    """
    if not len(ious):
        return float("nan")
    values = np.asarray(ious)
    return float(np.mean(values >= threshold if inclusive else values > threshold))


def overall_iou(predicted: Sequence[Mask], truth: Sequence[Mask]) -> float:
    """Return the intersection of all samples over the union of all samples; 1 where all are empty.

    Raises:
        ValueError: The numbers of masks, or the shapes of a pair, differ, or a mask is not boolean.
    """
    intersection = union = 0
    for found, true in zip(predicted, truth, strict=True):
        shared, joined = iou_counts(found, true)
        intersection += shared
        union += joined
    return intersection / union if union else 1.0


def average_precision_mean(ious: Sequence[float] | Floats, inclusive: bool = False) -> float:
    """Return the "AP" of Gavrilyuk et al. (CVPR 2018) and ACGA: the mean of P@K over K = 0.50, 0.55 ... 0.95.

    It knows no confidence, and is not to be compared with `average_precision_coco`.
    """
    return float(np.mean([precision_at(ious, threshold, inclusive) for threshold in AP_THRESHOLDS]))


def average_precision_coco(
    ious: Sequence[float] | Floats, confidences: Sequence[float | None] | Floats, has_truth: Sequence[bool] | Mask
) -> float:
    """Return the AP of MTTR and ReferFormer: COCO's (segm, all areas, categories not used), all samples pooled.

    Every sample is an image of its own with one detection and at most one truth. Detections are ranked by
    confidence, equal ones in the order of the samples; precision is made to fall with recall, read at 101 recalls,
    and averaged over them and over IoU >= 0.50, 0.55 ... 0.95 (pycocotools, COCOeval.accumulate).

    Args:
        ious: Of the samples; of no importance where there is no truth.
        confidences: Of the predicted masks; None and nan, of a sample where nothing is found, are the lowest.
        has_truth: Whether there is anything to find.

    Returns:
        0 to 1; nan where there is nothing to find in any sample.

    Raises:
        ValueError: The numbers of IoUs, confidences and truths differ.
    """
    if not len(ious) == len(confidences) == len(has_truth):
        raise ValueError(f"{len(ious)} IoUs, {len(confidences)} confidences and {len(has_truth)} truths do not match")
    there = np.asarray(has_truth, dtype=np.bool_)
    wanted = int(np.count_nonzero(there))
    if not wanted:
        return float("nan")
    scores = np.asarray(confidences, dtype=np.float64)  # None becomes nan
    order = np.argsort(-np.where(np.isnan(scores), -np.inf, scores), kind="stable")
    ranked = np.where(there, np.asarray(ious, dtype=np.float64), 0.0)[order]
    # COCO's own recalls and not k / 100: some of linspace's are a last bit off, and a recall may equal one of them.
    recalls = np.linspace(0, 1, 101)
    return float(np.mean([_interpolated_precision(ranked >= k, wanted, recalls) for k in AP_THRESHOLDS]))


def _interpolated_precision(right: Mask, wanted: int, recalls: Floats) -> float:
    """Return the mean precision at recalls, of ranked detections that are right or not; 0 beyond the last recall."""
    found = np.cumsum(right)
    precision = found / (np.arange(1, len(right) + 1) + np.spacing(1))
    falling = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    return float(np.mean(falling[np.searchsorted(found / wanted, recalls, side="left")]))


def summarise_regions(
    rows: Iterable[CountedSample], *, inclusive: bool = False, empty: Literal["one", "zero", "skip"] = "one"
) -> dict[str, float]:
    """Summarise samples as the field's tables do.

    Args:
        rows: The samples; read once, in their order, which breaks ties of confidence. 40 bytes of each are kept.
        inclusive: Whether an IoU of exactly K counts for P@K and for the mean precision.
        empty: IoU of a sample where both masks are empty. It decides on mean IoU, P@K and the mean precision; with
            "skip", those leave the sample out.

    Returns:
        As fractions, p@0.5 ... p@0.9, overall_iou, mean_iou, ap_mean_precision and ap_coco; and two numbers of
        samples: samples, all of them, and empty, those where both masks are empty. nan is what has no value:
        everything of no samples, and ap_coco where nothing is to be found or a mask that is not empty has no
        confidence, as a ranking by chance says nothing about a model.
    """
    counted = np.fromiter(map(_counts, rows), dtype=_COUNTED)
    union = counted["union"]
    both_empty = union == 0
    ious = np.where(both_empty, _EMPTY_IOU[empty], counted["intersection"] / np.maximum(union, 1))
    judged = ious[~both_empty] if empty == "skip" else ious
    everything = int(union.sum())
    overall = int(counted["intersection"].sum()) / everything if everything else _EMPTY_IOU[empty]
    unranked = bool(np.any(np.isnan(counted["confidence"]) & (counted["predicted_area"] > 0)))
    ap_coco = average_precision_coco(ious, counted["confidence"], counted["truth_area"] > 0)
    return {
        **{f"p@{threshold}": precision_at(judged, threshold, inclusive) for threshold in THRESHOLDS},
        "overall_iou": overall if len(counted) else float("nan"),
        "mean_iou": mean_iou(judged),
        "ap_mean_precision": average_precision_mean(judged, inclusive),
        "ap_coco": float("nan") if unranked else ap_coco,
        "samples": float(len(counted)),
        "empty": float(np.count_nonzero(both_empty)),
    }


def _counts(row: CountedSample) -> tuple[int, int, float, int, int]:
    """Return a sample's numbers in the order of `_COUNTED`."""
    confidence = float("nan") if row.confidence is None else row.confidence
    return row.intersection, row.union, confidence, row.truth_area, row.predicted_area
