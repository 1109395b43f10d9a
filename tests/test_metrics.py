"""Measures against masks counted by hand."""

import math

import numpy as np
import pytest

from refvid.metrics import iou, mean_iou, overall_iou, precision_at


def mask(*rows: str) -> np.ndarray:
    """Reads a mask drawn in # and blanks."""
    return np.array([[sign == "#" for sign in row] for row in rows])


EMPTY = mask("....", "....")
LEFT = mask("##..", "##..")  # 4 pixels
TOP = mask("####", "....")  # 4 pixels, 2 of them in LEFT
CORNER = mask("#...", "....")


def test_iou_counts_shared_over_joined_pixels() -> None:
    assert iou(LEFT, TOP) == pytest.approx(2 / 6)
    assert iou(LEFT, LEFT) == 1
    assert iou(CORNER, LEFT) == pytest.approx(1 / 4)
    assert iou(CORNER, ~LEFT) == 0


def test_finding_nothing_where_nothing_is_is_right_and_only_there() -> None:
    assert iou(EMPTY, EMPTY) == 1
    assert iou(CORNER, EMPTY) == 0
    assert iou(EMPTY, CORNER) == 0


def test_masks_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="shapes"):
        iou(LEFT, LEFT[:1])
    with pytest.raises(ValueError, match="shapes"):
        overall_iou([LEFT], [LEFT[:1]])


def test_precision_asks_for_more_than_its_threshold() -> None:
    ious = [0.5, 0.51, 0.9, 0.2]
    assert precision_at(ious, 0.5) == 0.5
    assert precision_at(ious, 0.9) == 0
    assert precision_at(ious, 0.1) == 1


def test_mean_iou_weighs_samples_and_overall_iou_weighs_pixels() -> None:
    found, truth = [LEFT, CORNER], [TOP, CORNER]
    ious = [iou(one, other) for one, other in zip(found, truth, strict=True)]
    assert mean_iou(ious) == pytest.approx((2 / 6 + 1) / 2)
    assert overall_iou(found, truth) == pytest.approx(3 / 7)
    assert overall_iou([EMPTY], [EMPTY]) == 1


def test_overall_iou_needs_pairs() -> None:
    with pytest.raises(ValueError, match="zip"):
        overall_iou([LEFT, TOP], [LEFT])


def test_no_samples_have_no_measure() -> None:
    assert math.isnan(mean_iou([]))
    assert math.isnan(precision_at([], 0.5))
