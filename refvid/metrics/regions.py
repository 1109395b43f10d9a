"""Region measures: pure functions of boolean masks, pixel counts and IoUs.

A sample is one predicted mask compared with one ground-truth mask: an expression in one frame or one image.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
# Written out because linspace(0.5, 0.95, 10) contains a value just below 0.9, which an IoU of 9/10 would exceed.
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
    """The pixel counts of a sample from which a summary is computed; void pixels are excluded."""

    @property
    def intersection(self) -> int:
        """Number of pixels in both masks."""
        ...

    @property
    def union(self) -> int:
        """Number of pixels in either mask; 0 if both are empty."""
        ...

    @property
    def confidence(self) -> float | None:
        """Confidence of the model in the mask, on any scale; None and nan rank below every number."""
        ...

    @property
    def truth_area(self) -> int:
        """Number of pixels in the ground-truth mask."""
        ...

    @property
    def predicted_area(self) -> int:
        """Number of pixels in the predicted mask."""
        ...


@dataclass(frozen=True, slots=True)
class RegionRow:
    """The pixel counts of one sample, a `CountedSample`."""

    intersection: int
    union: int
    confidence: float | None
    truth_area: int
    predicted_area: int


def iou_counts(predicted: Mask, truth: Mask, void: Mask | None = None) -> tuple[int, int]:
    """Return the number of pixels in the intersection and in the union of two masks.

    Args:
        predicted: Predicted mask, bool, any shape.
        truth: Ground-truth mask, bool, same shape.
        void: Pixels to ignore, bool, same shape.

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
            raise ValueError(f"masks of shapes {predicted.shape} and {other.shape} were given, expected equal shapes")
    for mask in (predicted, truth) if void is None else (predicted, truth, void):
        if mask.dtype != np.bool_:
            # On integers 0 and 255, ~ and & would give wrong counts without an error.
            raise ValueError(f"a mask has dtype {mask.dtype}, expected a boolean mask")


def iou(predicted: Mask, truth: Mask) -> float:
    """Return the intersection over union of two masks of equal shape; 1 if both are empty.

    Raises:
        ValueError: The shapes differ or a mask is not boolean.
    """
    intersection, union = iou_counts(predicted, truth)
    return intersection / union if union else 1.0


def mean_iou(ious: Sequence[float] | Floats) -> float:
    """Return the mean IoU of the samples; nan if there are none."""
    return float(np.mean(ious)) if len(ious) else float("nan")


def precision_at(ious: Sequence[float] | Floats, threshold: float, inclusive: bool = False) -> float:
    """Return P@K, the fraction of samples whose IoU exceeds a threshold; nan if there are no samples.

    Args:
        ious: IoU of each sample.
        threshold: Threshold K.
        inclusive: Whether an IoU of exactly K counts too. Papers say "higher than", and MTTR and ReferFormer count that
            way; the code of CMSA-Net, CMPC, RefVOS, ACGA, LAVT and Locater counts equal IoUs as well.
    """
    if not len(ious):
        return float("nan")
    values = np.asarray(ious)
    return float(np.mean(values >= threshold if inclusive else values > threshold))


def overall_iou(predicted: Sequence[Mask], truth: Sequence[Mask]) -> float:
    """Return the total intersection over the total union of all samples; 1 if all masks are empty.

    Raises:
        ValueError: The numbers of masks differ, the shapes of a pair differ, or a mask is not boolean.
    """
    intersection = union = 0
    for found, true in zip(predicted, truth, strict=True):
        shared, joined = iou_counts(found, true)
        intersection += shared
        union += joined
    return intersection / union if union else 1.0


def average_precision_mean(ious: Sequence[float] | Floats, inclusive: bool = False) -> float:
    """Return the "AP" of Gavrilyuk et al. (CVPR 2018) and ACGA: the mean of P@K over K = 0.50, 0.55 ... 0.95.

    It ignores confidence and must not be compared with `average_precision_coco`.
    """
    return float(np.mean([precision_at(ious, threshold, inclusive) for threshold in AP_THRESHOLDS]))


def average_precision_coco(
    ious: Sequence[float] | Floats, confidences: Sequence[float | None] | Floats, has_truth: Sequence[bool] | Mask
) -> float:
    """Return the AP of MTTR and ReferFormer: COCO's AP (segm, all areas, one category) over all samples pooled.

    Every sample is treated as an image of its own with one detection and at most one ground truth. Detections are
    ranked by confidence, ties in sample order; precision is made monotonically decreasing in recall, read at 101
    recalls, and averaged over those and over IoU >= 0.50, 0.55 ... 0.95 (pycocotools, COCOeval.accumulate).

    Args:
        ious: IoU of each sample; ignored for samples without a ground truth.
        confidences: Confidence of each predicted mask; None and nan, for a sample with no prediction, rank lowest.
        has_truth: Whether each sample has a ground-truth object.

    Returns:
        AP from 0 to 1; nan if no sample has a ground truth.

    Raises:
        ValueError: The numbers of IoUs, confidences and ground truths differ.
    """
    if not len(ious) == len(confidences) == len(has_truth):
        raise ValueError(
            f"{len(ious)} IoUs, {len(confidences)} confidences and {len(has_truth)} ground truths were given, expected "
            "as many of each"
        )
    there = np.asarray(has_truth, dtype=np.bool_)
    wanted = int(np.count_nonzero(there))
    if not wanted:
        return float("nan")
    scores = np.asarray(confidences, dtype=np.float64)  # None becomes nan
    order = np.argsort(-np.where(np.isnan(scores), -np.inf, scores), kind="stable")
    ranked = np.where(there, np.asarray(ious, dtype=np.float64), 0.0)[order]
    # COCO uses linspace rather than k / 100. The two differ in the last bit for some k, which decides the comparison
    # below when a recall equals one of them.
    recalls = np.linspace(0, 1, 101)
    return float(np.mean([_interpolated_precision(ranked >= k, wanted, recalls) for k in AP_THRESHOLDS]))


def _interpolated_precision(right: Mask, wanted: int, recalls: Floats) -> float:
    """Return the mean interpolated precision over the given recalls; 0 beyond the highest recall reached.

    Args:
        right: Whether each detection is a true positive, bool [n], by falling confidence.
        wanted: Number of ground truths.
        recalls: Recalls to read the precision at, in rising order.
    """
    found = np.cumsum(right)
    precision = found / (np.arange(1, len(right) + 1) + np.spacing(1))  # pycocotools adds the same epsilon
    falling = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    return float(np.mean(falling[np.searchsorted(found / wanted, recalls, side="left")]))


def summarise_regions(
    rows: Iterable[CountedSample], *, inclusive: bool = False, empty: Literal["one", "zero", "skip"] = "one"
) -> dict[str, float]:
    """Summarise samples the way published tables do.

    Args:
        rows: The samples, read once and in order, which breaks ties of confidence. 40 bytes are kept per sample.
        inclusive: Whether an IoU of exactly K counts for P@K and for the mean precision.
        empty: IoU of a sample in which both masks are empty. It affects mean IoU, P@K and the mean precision; "skip"
            leaves such samples out of them.

    Returns:
        The fractions p@0.5 ... p@0.9, overall_iou, mean_iou, ap_mean_precision and ap_coco; and two counts: samples,
        the number of all samples, and empty, the number in which both masks are empty. A value is nan if it is
        undefined: every fraction without samples, and ap_coco if no sample has a ground truth or if a non-empty mask
        has no confidence, since a random ranking says nothing about the model.
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
    """Return the counts of a sample in the order of `_COUNTED`."""
    confidence = float("nan") if row.confidence is None else row.confidence
    return row.intersection, row.union, confidence, row.truth_area, row.predicted_area
