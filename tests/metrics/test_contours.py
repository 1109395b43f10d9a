"""J, F, their statistics and the matching, against masks counted by hand, slow references and DAVIS's own numbers."""

import itertools
import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.optimize import linear_sum_assignment

from refvid.metrics.contours import (
    best_matching,
    contour,
    contour_accuracy,
    dilate,
    pairwise_contours,
    region_similarity,
    statistics,
    summarise_contours,
)
from refvid.metrics.regions import iou, overall_iou, precision_at

DAVIS16 = Path(__file__).parents[3] / "shared" / "real" / "davis16"


def mask(*rows: str) -> np.ndarray:
    """Read a mask drawn in # and dots."""
    return np.array([[sign == "#" for sign in row] for row in rows])


def block(top: int, left: int, height: int = 4, width: int = 6, shape: tuple[int, int] = (20, 31)) -> np.ndarray:
    """Draw a rectangle."""
    drawn = np.zeros(shape, dtype=bool)
    drawn[top : top + height, left : left + width] = True
    return drawn


def slow_contour(drawn: np.ndarray) -> list[tuple[int, int]]:
    """List contour pixels, asking pixel by pixel for a different neighbour to the east, south or south-east."""
    height, width = drawn.shape
    points = []
    for y, x in itertools.product(range(height), range(width)):
        for down, right in ((0, 1), (1, 0), (1, 1)):
            inside = y + down < height and x + right < width
            if inside and drawn[y, x] != drawn[y + down, x + right]:
                points.append((y, x))
                break
    return points


def slow_accuracy(predicted: np.ndarray, truth: np.ndarray, void: np.ndarray) -> float:
    """Compute F with the distance between every two contour pixels."""
    height, width = truth.shape
    radius = math.ceil(0.008 * math.sqrt(height**2 + width**2))
    found, true = slow_contour(predicted & ~void), slow_contour(truth & ~void)

    def share(points: list[tuple[int, int]], others: list[tuple[int, int]]) -> float:
        near = [any((y - v) ** 2 + (x - u) ** 2 <= radius**2 for v, u in others) for y, x in points]
        return sum(near) / len(near)

    if not found and not true:
        return 1.0
    precision, recall = share(found, true) if found else 1.0, share(true, found) if true else 1.0
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def test_a_contour_is_where_a_pixel_differs_from_the_next_ones() -> None:
    drawn = mask(
        ".....",
        "..##.",
        "..##.",
        ".....",
    )
    expected = mask(
        ".###.",
        ".#.#.",
        ".###.",
        ".....",
    )
    np.testing.assert_array_equal(contour(drawn), expected)


def test_contours_at_the_edge_of_the_picture() -> None:
    np.testing.assert_array_equal(contour(mask("...", "..#")), mask(".##", ".#."))
    np.testing.assert_array_equal(contour(mask("#..", "...")), mask("#..", "..."))
    assert not contour(np.ones((3, 5), dtype=bool)).any()
    assert not contour(np.ones((1, 1), dtype=bool)).any()


def test_contours_of_random_masks_are_those_of_the_slow_reference() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        drawn = random.random(random.integers(1, 9, 2)) < 0.6
        assert list(zip(*np.nonzero(contour(drawn)), strict=True)) == slow_contour(drawn)


@pytest.mark.parametrize("radius", [0, 1, 2, 3, 5, 8, 13])
def test_dilation_by_a_disk_is_all_within_a_distance(radius: int) -> None:
    random = np.random.default_rng(radius)
    for shape, density in (((17, 26), 0.01), ((26, 17), 0.05), ((3, 40), 0.02), ((1, 9), 0.2), ((5, 8), 0.0)):
        drawn = random.random(shape) < density
        y, x = np.indices(shape)
        near = np.zeros(shape, dtype=bool)
        for top, left in np.argwhere(drawn):
            near |= (y - top) ** 2 + (x - left) ** 2 <= radius**2
        np.testing.assert_array_equal(dilate(drawn, radius), near)


def test_accuracy_counts_contour_pixels_within_the_tolerance() -> None:
    one, beside, apart = block(5, 5), block(5, 6), block(5, 7)  # tolerance: ceil(0.008 * 36.9) = 1 pixel
    assert contour_accuracy(one, one) == 1
    assert contour_accuracy(one, beside) == 1
    # Each contour is a ring, 5 x 7 pixels without 3 x 5. Of the upper and the lower row, all but the outermost pixel is
    # near the other's row; of the 3 pixels between them, none on the outer side, and on the inner the ends.
    assert contour_accuracy(one, apart) == pytest.approx((6 + 6 + 2) / 20, abs=1e-12)
    assert contour_accuracy(block(0, 0), block(12, 20)) == 0


@pytest.mark.parametrize(
    ("shape", "tolerance"), [((2, 124), 1), ((2, 126), 2), ((300, 400), 4), ((301, 400), 5), ((480, 854), 8)]
)
def test_the_tolerance_is_a_share_of_the_diagonal_rounded_up(shape: tuple[int, int], tolerance: int) -> None:
    halves = [block(0, 0, shape[0], 60 + shift, shape) for shift in (0, tolerance, tolerance + 1)]
    assert contour_accuracy(halves[0], halves[1]) == 1
    assert contour_accuracy(halves[0], halves[2]) == 0


def test_accuracy_counted_by_hand() -> None:
    # One pixel has a contour of itself and its three neighbours to the north and west; tolerance 1.
    point, other = np.zeros((2, 7, 9), dtype=bool)
    point[3, 4] = True
    other[3, 6] = other[6, 0] = True
    # Columns 3 and 4 against 5 and 6 in rows 2 and 3: only 4 and 5 touch. The corner adds two pixels, unmatched.
    precision, recall = 2 / 4, 2 / 6
    assert contour_accuracy(point, other) == pytest.approx(2 * precision * recall / (precision + recall), abs=1e-12)
    assert contour_accuracy(other, point) == contour_accuracy(point, other)


@pytest.mark.parametrize(
    ("found", "true", "j", "f"),
    [
        ("empty", "empty", 1, 1),
        ("empty", "block", 0, 0),
        ("block", "empty", 0, 0),
        ("full", "full", 1, 1),
        ("full", "empty", 0, 1),  # neither has a contour
        ("full", "block", 24 / 620, 0),
        ("point", "point", 1, 1),
        ("point", "empty", 0, 0),
    ],
)
def test_boundary_cases(found: str, true: str, j: float, f: float) -> None:
    masks = {
        "empty": np.zeros((20, 31), dtype=bool),
        "full": np.ones((20, 31), dtype=bool),
        "block": block(5, 5),
        "point": block(5, 5, 1, 1),
    }
    assert region_similarity(masks[found], masks[true]) == pytest.approx(j, abs=1e-12)
    assert contour_accuracy(masks[found], masks[true]) == f


def test_random_masks_score_like_the_slow_reference() -> None:
    random = np.random.default_rng(1)
    for height, width in ((9, 14), (14, 9), (1, 12), (12, 1), (120, 70)):  # the last has a tolerance of 2
        for density in (0.02, 0.3, 0.7):
            found, true, void = random.random((3, height, width)) < np.array([density, density, 0.1])[:, None, None]
            if height > 100:  # blobs, as the slow reference takes its time over many contour pixels
                coarse = np.stack([found, true, void])[:, ::20, ::14]
                found, true, void = coarse.repeat(20, axis=1).repeat(14, axis=2)
            assert contour_accuracy(found, true, void) == pytest.approx(slow_accuracy(found, true, void), abs=1e-12)


def test_void_pixels_are_removed_from_both_masks() -> None:
    truth, void = block(5, 5), block(0, 0, 20, 8)
    found = truth.copy()
    found[:, 0:4] = True  # all wrong, and all void
    assert region_similarity(found, truth, void) == 1
    assert contour_accuracy(found, truth, void) == 1
    assert region_similarity(found, truth) == pytest.approx(24 / 104)
    assert contour_accuracy(found, truth) < 1
    assert region_similarity(truth, np.zeros_like(truth), np.ones_like(truth)) == 1


def test_masks_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(ValueError, match="shapes"):
        contour_accuracy(block(0, 0), block(0, 0, shape=(31, 20)))
    with pytest.raises(ValueError, match="shapes"):
        region_similarity(block(0, 0), block(0, 0), block(0, 0, shape=(31, 20)))
    with pytest.raises(ValueError, match="boolean"):
        contour_accuracy(block(0, 0).astype(np.uint8), block(0, 0))
    with pytest.raises(ValueError, match=r"\[H, W\]"):
        contour_accuracy(block(0, 0)[None], block(0, 0)[None])
    with pytest.raises(ValueError, match=r"\[N, H, W\]"):
        pairwise_contours(block(0, 0), block(0, 0))
    with pytest.raises(ValueError, match="shapes"):
        pairwise_contours(block(0, 0)[None], block(0, 0, shape=(31, 20))[None])


def slow_statistics(values: Sequence[float]) -> tuple[float, float, float]:
    """Compute DAVIS's statistics frame by frame, with frames numbered from 1 and quarters rounded half up."""
    last = len(values)
    ends = [math.floor(1 + (last - 1) * quarter / 4 + 0.5) for quarter in range(5)]
    first_quarter, last_quarter = values[ends[0] - 1 : ends[1]], values[ends[3] - 1 : ends[4]]
    decay = sum(first_quarter) / len(first_quarter) - sum(last_quarter) / len(last_quarter)
    return sum(values) / last, sum(value > 0.5 for value in values) / last, decay


def test_statistics_by_hand() -> None:
    mean, recall, decay = statistics([1.0, 0.9, 0.5, 0.4, 0.3])  # quarters 1-2, 2-3, 3-4, 4-5
    assert mean == pytest.approx(3.1 / 5)
    assert recall == pytest.approx(2 / 5)  # 0.5 is not above 0.5
    assert decay == pytest.approx(0.95 - 0.35)
    assert statistics([0.7]) == (0.7, 1.0, 0.0)
    assert statistics([0.75, 0.25]) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7, 8, 50, 255, 256, 257, 300, 1021])
def test_statistics_of_videos_of_any_length(count: int) -> None:
    values = np.linspace(1, 0, count) ** 2 + 0.001 * np.sin(np.arange(count))
    assert statistics(values) == pytest.approx(slow_statistics(values.tolist()), abs=1e-12)


def test_decay_does_not_wrap_beyond_255_frames() -> None:
    falling = np.concatenate([np.ones(400), np.zeros(400)])
    assert statistics(falling) == (0.5, 0.5, 1.0)


def test_frames_without_a_number_are_left_out_of_means() -> None:
    mean, recall, decay = statistics([1.0, math.nan, 0.4, 0.4, math.nan])
    assert (mean, recall, decay) == pytest.approx((0.6, 1 / 5, 0.6))
    assert all(math.isnan(value) for value in statistics([]))


def test_summary_averages_over_objects_and_not_over_frames() -> None:
    j, f = [[1.0, 0.8, 0.6, 0.4, 0.2], [0.5]], [[0.9] * 5, [0.1]]
    summary = summarise_contours(j, f)
    assert summary == pytest.approx(
        {
            "j": (0.6 + 0.5) / 2,
            "j_recall": (3 / 5 + 0) / 2,
            "j_decay": (0.9 - 0.3) / 2,
            "f": (0.9 + 0.1) / 2,
            "f_recall": 1 / 2,
            "f_decay": 0,
            "j&f": (0.55 + 0.5) / 2,
            "samples": 6,
        }
    )


def test_objects_without_a_frame_do_not_count() -> None:
    summary = summarise_contours([[1.0, 0.6], []], [[0.5, 0.7], []])
    assert (summary["j"], summary["f"], summary["samples"]) == pytest.approx((0.8, 0.6, 2))


def test_summary_needs_pairs_and_has_nothing_to_say_of_nothing() -> None:
    with pytest.raises(ValueError, match="zip"):
        summarise_contours([[1.0]], [])
    with pytest.raises(ValueError, match="J of 2 frames but F of 1"):
        summarise_contours([[1.0, 1.0]], [[1.0]])
    nothing = summarise_contours([[]], [[]])
    assert nothing.pop("samples") == 0
    assert len(nothing) == 7
    assert all(math.isnan(value) for value in nothing.values())


def test_matching_is_the_best_of_all_permutations() -> None:
    random = np.random.default_rng(2)
    for predictions, objects in itertools.product(range(1, 6), range(1, 6)):
        for scores in (random.random((predictions, objects)), random.integers(-2, 3, (predictions, objects)) / 2):
            chosen = best_matching(scores)
            given = np.flatnonzero(chosen >= 0)
            assert len(given) == min(predictions, objects) == len(set(chosen[given]))
            fewer, more = sorted((predictions, objects))
            wide = scores if predictions <= objects else scores.T
            best = max(
                sum(wide[row, column] for row, column in enumerate(order))
                for order in itertools.permutations(range(more), fewer)
            )
            assert scores[chosen[given], given].sum() == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("shape", [(20, 20), (20, 7), (7, 20), (1, 20), (20, 1), (60, 20)])
def test_matching_agrees_with_scipy(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(3)
    for _ in range(20):
        scores = random.random(shape)
        rows, columns = linear_sum_assignment(-scores)
        expected = np.full(shape[1], -1)
        expected[columns] = rows
        np.testing.assert_array_equal(best_matching(scores), expected)


def test_matching_of_nothing_and_of_no_numbers() -> None:
    assert best_matching(np.zeros((0, 2))).tolist() == [-1, -1]
    assert best_matching(np.zeros((2, 0))).tolist() == []
    with pytest.raises(ValueError, match="finite"):
        best_matching(np.array([[math.nan, 1.0]]))
    with pytest.raises(ValueError, match="finite"):
        best_matching(np.zeros(3))


def test_every_prediction_is_compared_with_every_object() -> None:
    random = np.random.default_rng(4)
    found, true = random.random((3, 11, 18)) < 0.5, random.random((2, 11, 18)) < 0.5
    void = random.random((11, 18)) < 0.1
    j, f = pairwise_contours(found, true, void)
    assert j.shape == f.shape == (3, 2)
    for prediction, target in itertools.product(range(3), range(2)):
        assert j[prediction, target] == region_similarity(found[prediction], true[target], void)
        assert f[prediction, target] == contour_accuracy(found[prediction], true[target], void)


def test_missing_predictions_are_empty_ones() -> None:
    objects = np.stack([block(2, 3), block(12, 20), np.zeros((20, 31), dtype=bool)])
    j, f = pairwise_contours(objects[:1], objects)
    np.testing.assert_array_equal(j, [[1, 0, 0], [0, 0, 1], [0, 0, 1]])
    np.testing.assert_array_equal(f, [[1, 0, 0], [0, 0, 1], [0, 0, 1]])
    assert pairwise_contours(objects, objects[:0])[0].shape == (3, 0)
    assert pairwise_contours(objects[:0], objects)[1].shape == (3, 3)


@pytest.mark.skipif(not DAVIS16.is_dir(), reason="needs DAVIS frames, which are not part of the project")
@pytest.mark.parametrize("sequence", ["blackswan", "car-shadow"])
def test_real_predictions_score_as_in_the_benchmark_of_davis(sequence: str) -> None:
    expected = json.loads((DAVIS16 / "expected_metrics.json").read_text())[sequence]
    names = sorted(path.name for path in (DAVIS16 / "Annotations" / "480p" / sequence).glob("*.png"))

    def read(folder: Path) -> list[np.ndarray]:
        return [np.asarray(Image.open(folder / name)) > 0 for name in names]

    found, true = read(DAVIS16 / "pred_osvos" / sequence), read(DAVIS16 / "Annotations" / "480p" / sequence)
    assert (len(found), [*found[0].shape]) == (expected["frames"], expected["shape"])
    j = [region_similarity(*pair) for pair in zip(found, true, strict=True)]
    f = [contour_accuracy(*pair) for pair in zip(found, true, strict=True)]
    assert j[:5] == pytest.approx(expected["J_first5"], abs=1e-5)
    assert f[:5] == pytest.approx(expected["F_first5"], abs=1e-5)
    for frames, counted in (("all_frames", slice(None)), ("semisup_frames", slice(1, -1))):
        summary = summarise_contours([j[counted]], [f[counted]])
        for letter in "jf":
            measured = [summary[letter], summary[f"{letter}_recall"], summary[f"{letter}_decay"]]
            assert measured == pytest.approx(expected[frames][letter.upper()], abs=1e-5)
    ious = [iou(*pair) for pair in zip(found, true, strict=True)]
    assert overall_iou(found, true) == pytest.approx(expected["overall_iou"], abs=1e-5)
    assert {key: precision_at(ious, float(key)) for key in expected["prec"]} == pytest.approx(expected["prec"])
