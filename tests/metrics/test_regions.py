"""Region measures against masks counted by hand."""

import itertools
import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pytest

from refvid.metrics.regions import (
    AP_THRESHOLDS,
    RegionRow,
    average_precision_coco,
    average_precision_mean,
    iou,
    iou_counts,
    mean_iou,
    overall_iou,
    precision_at,
    summarise_regions,
)


def mask(*rows: str) -> np.ndarray:
    """Read a mask drawn in # and blanks."""
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


def row(found: np.ndarray, true: np.ndarray, confidence: float | None) -> RegionRow:
    """Count a pair of masks."""
    return RegionRow(*iou_counts(found, true), confidence, int(true.sum()), int(found.sum()))


def test_counts_leave_void_pixels_out() -> None:
    assert iou_counts(LEFT, TOP) == (2, 6)
    assert iou_counts(LEFT, TOP, CORNER) == (1, 5)
    assert iou_counts(LEFT, TOP, LEFT) == (0, 2)
    assert iou_counts(LEFT, TOP, LEFT | TOP) == (0, 0)
    assert iou_counts(EMPTY, EMPTY) == (0, 0)
    assert iou_counts(~EMPTY, ~EMPTY) == (8, 8)
    assert iou_counts(CORNER, ~EMPTY) == (1, 8)


def test_masks_that_are_not_boolean_are_refused() -> None:
    with pytest.raises(ValueError, match="uint8"):
        iou_counts(LEFT.astype(np.uint8) * 255, LEFT)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="uint8"):
        iou_counts(LEFT, LEFT, CORNER.astype(np.uint8))
    with pytest.raises(ValueError, match="shapes"):
        iou_counts(LEFT, LEFT, CORNER[:1])


@pytest.mark.parametrize("threshold", AP_THRESHOLDS)
def test_an_iou_of_exactly_k_counts_only_where_that_is_asked_for(threshold: float) -> None:
    true = np.zeros((2, 10), dtype=bool)
    found = np.ones((2, 10), dtype=bool)
    true.flat[: round(20 * threshold)] = True
    exact = iou(found, true)
    assert precision_at([exact], threshold) == 0
    assert precision_at([exact], threshold, inclusive=True) == 1
    below = round(20 * threshold) - 10
    assert average_precision_mean([exact]) == pytest.approx(below / 10)
    assert average_precision_mean([exact], inclusive=True) == pytest.approx((below + 1) / 10)
    assert average_precision_coco([exact], [1.0], [True]) == pytest.approx((below + 1) / 10)


def test_mean_precision_is_the_share_of_thresholds_that_an_iou_passes() -> None:
    assert average_precision_mean([1.0, 0.72, 0.2]) == pytest.approx((10 + 5 + 0) / 30)
    assert math.isnan(average_precision_mean([]))


def test_coco_precision_by_hand() -> None:
    # The surest is right: precision 1 up to recall 1/2; the next is wrong, the third right: 2/3 from there to 1.
    ious, truths = [1.0, 0.0, 1.0], [True, False, True]
    first = 51 / 101  # recalls 0 to 0.5
    assert average_precision_coco(ious, [0.9, 0.8, 0.7], truths) == pytest.approx(first + (1 - first) * 2 / 3)
    assert average_precision_coco(ious, [0.8, 0.7, 0.9], truths) == pytest.approx(1)
    assert average_precision_coco(ious, [0.8, 0.9, 0.7], truths) == pytest.approx(2 / 3)
    assert average_precision_coco(ious, [0.8, None, 0.7], truths) == pytest.approx(1)
    assert average_precision_coco([1.0, 1.0], [0.5, math.nan], [True, False]) == pytest.approx(1)
    assert average_precision_coco([0.0], [0.5], [True]) == 0


def test_coco_precision_of_nothing_to_find() -> None:
    assert math.isnan(average_precision_coco([], [], []))
    assert math.isnan(average_precision_coco([1.0], [0.9], [False]))
    with pytest.raises(ValueError, match="2 IoUs, 1 confidences and 1 ground truths"):
        average_precision_coco([1.0, 1.0], [0.9], [True])


def judge(found: Sequence[np.ndarray], true: Sequence[np.ndarray], confidences: Sequence[float]) -> float:
    """Return pycocotools' AP; an image without a truth has no annotation, one with a nan score no detection."""
    run_lengths = pytest.importorskip("pycocotools.mask")
    dataset, evaluation = pytest.importorskip("pycocotools.coco"), pytest.importorskip("pycocotools.cocoeval")

    def packed(one: np.ndarray) -> dict[str, object]:
        return run_lengths.encode(np.asfortranarray(one, dtype=np.uint8))

    height, width = true[0].shape
    truths, annotations, detections = dataset.COCO(), [], []
    for image, (one, other, score) in enumerate(zip(found, true, confidences, strict=True), start=1):
        place = {"image_id": image, "category_id": 1}
        if other.any():
            area = int(other.sum())
            annotation = {**place, "id": image, "segmentation": packed(other), "area": area, "iscrowd": 0}
            annotations.append(annotation)
        if not math.isnan(score):
            detections.append({**place, "segmentation": packed(one), "score": score})
    images = [{"id": image, "height": height, "width": width} for image in range(1, len(true) + 1)]
    truths.dataset = {"info": {}, "images": images, "annotations": annotations, "categories": [{"id": 1}]}
    truths.createIndex()
    judged = evaluation.COCOeval(truths, truths.loadRes(detections), "segm")
    judged.params.useCats = 0
    judged.evaluate()
    judged.accumulate()
    judged.summarize()
    return float(judged.stats[0])


@pytest.mark.parametrize("seed", range(12))
def test_coco_precision_is_that_of_pycocotools(seed: int) -> None:
    random = np.random.default_rng(seed)
    count = (1, 7, 40, 100, 200, 333)[seed % 6]
    # Few pixels make many IoUs of exactly K; a hundred truths make recalls of exactly 0.01, 0.02 ...
    shape = ((2, 5), (4, 3))[seed % 2]
    true = random.random((count, *shape)) < 0.7
    found = true ^ (random.random((count, *shape)) < random.choice([0.0, 0.05, 0.2, 0.5], (count, 1, 1)))
    if seed >= 6:
        true[random.random(count) < 0.2] = False
        found[random.random(count) < 0.2] = False
    found[0] = true[0] = True  # COCO cannot load a set of no detections
    confidences = np.round(random.random(count), (1, 9)[seed // 3 % 2])  # one decimal: many ties
    # What is empty was never submitted, or is submitted as the worst of all: the two come to the same.
    worst = (math.nan, -1.0)[seed % 2]
    expected = judge(list(found), list(true), np.where(found.any(axis=(1, 2)), confidences, worst).tolist())
    given = [float(score) if one.any() else None for one, score in zip(found, confidences, strict=True)]
    summary = summarise_regions(itertools.starmap(row, zip(found, true, given, strict=True)))
    assert 0 < expected <= 1
    assert summary["ap_coco"] == pytest.approx(expected, abs=1e-9)
    if seed % 6 > 1:
        assert summary["ap_mean_precision"] != pytest.approx(expected, abs=1e-3)


def test_an_empty_prediction_is_the_last_detection() -> None:
    # COCO's code sees an empty mask as a detection that matches nothing; as the last one, it moves no precision.
    ious, truths = [0.0, 1.0, 0.8, 0.0], [True, True, True, False]
    without = average_precision_coco(ious[1:3], [0.5, 0.6], truths[1:3])
    last = average_precision_coco(ious, [math.nan, 0.5, 0.6, None], truths)
    assert last == average_precision_coco(ious, [-1.0, 0.5, 0.6, -2.0], truths)
    assert last < without  # the truth that was not found counts


FOUND = [LEFT, CORNER, EMPTY, EMPTY, CORNER]
TRUE = [TOP, CORNER, EMPTY, CORNER, EMPTY]  # IoU 1/3, 1, both empty, 0, 0


@pytest.mark.parametrize(
    ("empty", "ious", "overall"),
    [
        ("one", [1 / 3, 1, 1, 0, 0], 3 / 9),
        ("zero", [1 / 3, 1, 0, 0, 0], 3 / 9),
        ("skip", [1 / 3, 1, 0, 0], 3 / 9),
    ],
)
def test_summary_follows_the_rule_for_empty_masks(
    empty: Literal["one", "zero", "skip"], ious: list[float], overall: float
) -> None:
    confidences = [0.9, 0.8, None, math.nan, 0.1]
    summary = summarise_regions(itertools.starmap(row, zip(FOUND, TRUE, confidences, strict=True)), empty=empty)
    full = [value for value in ious if value == 1]
    assert summary == pytest.approx(
        {
            **{f"p@0.{digit}": len(full) / len(ious) for digit in range(5, 10)},
            "overall_iou": overall,
            "mean_iou": sum(ious) / len(ious),
            "ap_mean_precision": len(full) / len(ious),
            # Three truths, the second detection right: precision 1/2 up to recall 1/3, whatever the rule.
            "ap_coco": 34 / 101 / 2,
            "samples": 5,
            "empty": 1,
        }
    )


def test_summary_counts_exact_ious_when_told_to() -> None:
    rows = [RegionRow(1, 2, 0.5, 2, 1), RegionRow(9, 10, 0.5, 10, 9)]
    strict, inclusive = summarise_regions(rows), summarise_regions(rows, inclusive=True)
    assert [strict["p@0.5"], strict["p@0.9"]] == [0.5, 0]
    assert [inclusive["p@0.5"], inclusive["p@0.9"]] == [1, 0.5]
    assert strict["ap_mean_precision"] == pytest.approx(8 / 20)
    assert inclusive["ap_mean_precision"] == pytest.approx(10 / 20)
    assert strict["ap_coco"] == inclusive["ap_coco"]


def test_summary_of_only_empty_masks() -> None:
    rows = [RegionRow(0, 0, None, 0, 0)] * 3
    assert [summarise_regions(rows)[key] for key in ("mean_iou", "overall_iou", "p@0.9")] == [1, 1, 1]
    assert [summarise_regions(rows, empty="zero")[key] for key in ("mean_iou", "overall_iou")] == [0, 0]
    assert math.isnan(summarise_regions(rows, empty="skip")["mean_iou"])
    assert summarise_regions(rows)["empty"] == 3


def test_summary_of_no_samples() -> None:
    summary = summarise_regions([])
    assert (summary.pop("samples"), summary.pop("empty")) == (0, 0)
    assert len(summary) == 9
    assert all(math.isnan(value) for value in summary.values())


def test_masks_without_a_confidence_have_no_coco_precision() -> None:
    assert math.isnan(summarise_regions([RegionRow(4, 4, None, 4, 4)])["ap_coco"])
    assert summarise_regions([RegionRow(4, 4, 0.3, 4, 4), RegionRow(0, 4, None, 4, 0)])["ap_coco"] > 0


def test_overall_iou_of_more_pixels_than_32_bits_count() -> None:
    rows = [RegionRow(2**40, 2**41, 1.0, 2**41, 2**40)] * 5
    assert summarise_regions(rows)["overall_iou"] == 0.5
