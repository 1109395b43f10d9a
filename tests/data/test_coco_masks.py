"""Segmentations are drawn as pycocotools draws them, to the pixel."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from refvid.data.coco_masks import CocoMask, decode_runs, fill_polygon, parse_segmentation

# pycocotools' own array, when it decodes, is one of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

HEIGHT, WIDTH = 37, 61


def _judged(polygon: Sequence[float], height: int = HEIGHT, width: int = WIDTH) -> npt.NDArray[np.bool_]:
    coco = pytest.importorskip("pycocotools.mask")
    return np.asarray(coco.decode(coco.frPyObjects([list(polygon)], height, width))[..., 0] > 0)


def _filled(polygon: Sequence[float], height: int = HEIGHT, width: int = WIDTH) -> npt.NDArray[np.bool_]:
    return fill_polygon(np.array(polygon, np.float64).reshape(-1, 2), height, width)


def test_rectangle_by_hand() -> None:
    mask = _filled([3, 5, 10, 5, 10, 20, 3, 20])
    assert mask.shape == (HEIGHT, WIDTH)
    expected = np.zeros((HEIGHT, WIDTH), np.bool_)
    expected[5:20, 3:10] = True
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize(
    "polygon",
    [
        [3, 5, 10, 5, 10, 20, 3, 20],
        [10, 5, 3, 5, 3, 20, 10, 20],  # the other way round
        [0, 0, WIDTH, 0, WIDTH, HEIGHT, 0, HEIGHT],  # everything
        [-10, -10, WIDTH + 10, -10, WIDTH + 10, HEIGHT + 10, -10, HEIGHT + 10],
        [40, 20, 90, 30, 50, 60],  # over the right and the lower edge
        [-30, -2, 20, 10, -5, 50],  # over the left one
        [-0.3, -0.3, 0.3, -0.3, 0.3, 0.3],
        [70, 50, 80, 50, 80, 60],  # outside
        [5, 5, 30, 30, 30, 5, 5, 30],  # crosses itself
        [5, 5, 30, 5, 30, 30, 5, 30, 5, 5, 30, 5, 30, 30, 5, 30],  # goes round twice
        [7, 7, 7, 7, 7, 7],  # a point
        [7, 7, 7, 30, 7, 12],  # a line
        [7.5, 7.5, 7.5, 7.5, 20.5, 7.5, 20.5, 19.5],  # a corner twice
        [12.4, 3.1, 12.6, 3.1, 12.6, 30.9, 12.4, 30.9],  # thinner than a pixel
        [10.1, 10.1, 10.3, 10.2, 10.2, 10.4],
    ],
)
def test_odd_outlines_are_filled_as_coco_does(polygon: list[float]) -> None:
    np.testing.assert_array_equal(_filled(polygon), _judged(polygon))


def test_thousands_of_outlines_are_filled_as_coco_does() -> None:
    random = np.random.default_rng(5)
    drawn = 0
    for number in range(1500):
        corners = random.integers(3, 40)
        points = random.normal((WIDTH / 2, HEIGHT / 2), random.uniform(1, 40), (corners, 2))
        if number % 3 == 0:  # halves and whole numbers meet the borders between pixels
            points = np.round(points * 2) / 2
        elif number % 3 == 1:  # two digits as the real annotations have
            points = np.round(points, 2)
        polygon = points.ravel().tolist()
        mask = _filled(polygon)
        drawn += int(mask.sum())
        np.testing.assert_array_equal(mask, _judged(polygon), err_msg=str(polygon))
    assert drawn > 50_000


def test_outline_of_a_large_picture_is_filled_as_coco_does() -> None:
    angles = np.linspace(0, 2 * np.pi, 400)
    radius = 200 + 30 * np.sin(9 * angles)
    points = np.round(np.stack([320 + 1.3 * radius * np.cos(angles), 240 + radius * np.sin(angles)], axis=1), 2)
    mask = fill_polygon(points, 480, 640)
    np.testing.assert_array_equal(mask, _judged(points.ravel().tolist(), 480, 640))
    assert 100_000 < mask.sum() < 200_000


def test_parts_are_joined_and_overlaps_are_inside() -> None:
    parts = [[3.0, 5.0, 20.0, 5.0, 20.0, 20.0, 3.0, 20.0], [10.0, 10.0, 30.0, 10.0, 30.0, 30.0], [1.0, 2.0, 3.0, 4.0]]
    mask = parse_segmentation(parts, HEIGHT, WIDTH).draw()
    both = _judged(parts[0]) & _judged(parts[1])
    assert both.any()
    np.testing.assert_array_equal(mask, _judged(parts[0]) | _judged(parts[1]))
    assert not parse_segmentation([[1.0, 2.0, 3.0, 4.0]], HEIGHT, WIDTH).draw().any()  # a line encloses nothing
    assert not CocoMask(HEIGHT, WIDTH).draw().any()


def test_outlines_that_pycocotools_has_filled() -> None:
    # What pycocotools 2.0 made of these two, for machines without it: a drawing library differs at every edge.
    triangle = ["#......", ".#.....", ".##....", ".###...", ".####.."]
    np.testing.assert_array_equal(_filled([0.4, 0.2, 6.1, 5.7, 1.3, 5.2], 5, 7), _picture(triangle))
    bow = ["....", "...#", ".###", "...#", "...."]
    np.testing.assert_array_equal(_filled([0.5, 0.5, 3.5, 4.5, 3.5, 0.5, 0.5, 4.5], 5, 4), _picture(bow))


def _picture(rows: Sequence[str]) -> npt.NDArray[np.bool_]:
    return np.array([[pixel == "#" for pixel in row] for row in rows])


def _random_masks() -> list[npt.NDArray[np.bool_]]:
    random = np.random.default_rng(2)
    smooth = np.zeros((HEIGHT, WIDTH), np.bool_)
    smooth[4:30, 11:50] = True
    noise = [random.random((HEIGHT, WIDTH)) < share for share in (0.01, 0.5, 0.99)]
    return [*noise, smooth, ~smooth, np.zeros_like(smooth), np.ones_like(smooth)]


def test_run_lengths_are_decoded() -> None:
    coco = pytest.importorskip("pycocotools.mask")
    for mask in _random_masks():
        encoded = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
        text = encoded["counts"].decode()
        np.testing.assert_array_equal(decode_runs(text, HEIGHT, WIDTH), mask)
        flat = mask.ravel(order="F")
        borders = np.flatnonzero(np.diff(flat.astype(int))) + 1
        plain = np.diff([0, *borders, flat.size]).tolist()
        plain = [0, *plain] if flat[0] else plain
        np.testing.assert_array_equal(decode_runs(tuple(plain), HEIGHT, WIDTH), mask)
        for value in (
            {"size": [HEIGHT, WIDTH], "counts": text},
            [{"size": [HEIGHT, WIDTH], "counts": text}],
            {"size": [HEIGHT, WIDTH], "counts": plain},
        ):
            np.testing.assert_array_equal(parse_segmentation(value, HEIGHT, WIDTH).draw(), mask)


def test_run_lengths_by_hand() -> None:
    # Down the columns: two zeros, two ones, four zeros ... The string is what pycocotools 2.0 writes.
    mask = np.array([[0, 0, 1], [0, 0, 1], [1, 0, 0], [1, 0, 1]], np.bool_)
    for runs in ((2, 2, 4, 2, 1, 1), "2240MO"):
        np.testing.assert_array_equal(decode_runs(runs, 4, 3), mask)


def test_parts_of_run_lengths_are_joined() -> None:
    coco = pytest.importorskip("pycocotools.mask")
    first, second = _random_masks()[0], _random_masks()[3]
    encoded = [coco.encode(np.asfortranarray(mask.astype(np.uint8))) for mask in (first, second)]
    parts = [{"size": [HEIGHT, WIDTH], "counts": one["counts"].decode()} for one in encoded]
    np.testing.assert_array_equal(parse_segmentation(parts, HEIGHT, WIDTH).draw(), first | second)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "is a NoneType"),
        ("abc", "is a str"),
        ([[1.0, 2.0, 3.0]], "an even number"),
        ([[1.0, 2.0, "x", 3.0]], "an even number"),
        ([[[1.0, 2.0], [3.0, 4.0]]], "expected coordinates"),
        ([[float("nan")] * 6], "expected coordinates"),
        ([[1e9, 0.0, 0.0, 0.0, 5.0, 5.0]], "expected coordinates"),
        ({"size": [WIDTH, HEIGHT], "counts": "0"}, r"for size \[61, 37\], but the image has size \[37, 61\]"),
        ({"size": [HEIGHT, WIDTH]}, "a string or a list"),
        ({"size": [HEIGHT, WIDTH], "counts": [1.5]}, "a string or a list"),
    ],
)
def test_what_is_no_segmentation_is_refused(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_segmentation(value, HEIGHT, WIDTH)


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ((5,), "cover 5 pixels, expected 2257"),
        ((2258, -1), "negative"),
        ((10**12,), "cover 1000000000000"),
        ("!", "not a valid character"),
        ("o", "end in the middle of a number"),
        ("", "cover 0 pixels"),
    ],
)
def test_broken_run_lengths_are_refused(runs: str | tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode_runs(runs, HEIGHT, WIDTH)
