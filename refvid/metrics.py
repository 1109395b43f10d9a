"""Measures of masks: pure functions of boolean arrays."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)


def iou(predicted: Mask, truth: Mask) -> float:
    """Returns intersection over union of two masks of one shape; 1 where both are empty.

    Raises:
        ValueError: The shapes differ.
    """
    if predicted.shape != truth.shape:
        raise ValueError(f"masks of shapes {predicted.shape} and {truth.shape} cannot be compared")
    union = int(np.count_nonzero(predicted | truth))
    return int(np.count_nonzero(predicted & truth)) / union if union else 1.0


def mean_iou(ious: Sequence[float]) -> float:
    """Returns the mean of the samples' IoUs; nan of none."""
    return float(np.mean(ious)) if len(ious) else float("nan")


def precision_at(ious: Sequence[float], threshold: float) -> float:
    """Returns P@K, the share of samples whose IoU is higher than a threshold; nan of none."""
    return float(np.mean(np.asarray(ious) > threshold)) if len(ious) else float("nan")


def overall_iou(predicted: Sequence[Mask], truth: Sequence[Mask]) -> float:
    """Returns the intersection of all samples over the union of all samples; 1 where all are empty.

    Raises:
        ValueError: The numbers of masks, or the shapes of a pair, differ.
    """
    intersection = union = 0
    for found, true in zip(predicted, truth, strict=True):
        if found.shape != true.shape:
            raise ValueError(f"masks of shapes {found.shape} and {true.shape} cannot be compared")
        intersection += int(np.count_nonzero(found & true))
        union += int(np.count_nonzero(found | true))
    return intersection / union if union else 1.0
