"""COCO's segmentations as masks: polygons and run lengths, rasterised exactly as the COCO API does.

The ground truth of RefCOCO is defined by how COCO's own program fills a polygon, which no drawing library reproduces
at the edges: https://github.com/cocodataset/cocoapi, common/maskApi.c (Piotr Dollár and Tsung-Yi Lin).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Runs = str | tuple[int, ...]

_FINER = 5  # outlines are traced on a grid of fifths of a pixel
_CENTRE = 2  # the middle one of the fifths 0 to 4
_FARTHEST = 100_000.0  # pixels; an outline beyond this is corrupt and would take minutes to trace


@dataclass(frozen=True, eq=False)
class CocoMask:
    """A segmentation that has not been rasterised yet.

    Attributes:
        height: Height of the image in pixels.
        width: Width of the image in pixels.
        polygons: Outlines, each float64 [K, 2] of x, y in pixels, K at least 3.
        runs: Run lengths, as a compressed string or as numbers.
    """

    height: int
    width: int
    polygons: tuple[Points, ...] = ()
    runs: tuple[Runs, ...] = ()

    def draw(self) -> Mask:
        """Return the union of all parts, bool [H, W]; parts may overlap.

        Raises:
            ValueError: The run lengths do not fill the image.
        """
        mask = np.zeros((self.height, self.width), np.bool_)
        for points in self.polygons:
            mask |= fill_polygon(points, self.height, self.width)
        for runs in self.runs:
            mask |= decode_runs(runs, self.height, self.width)
        return mask


def parse_segmentation(value: object, height: int, width: int) -> CocoMask:
    """Parse the `segmentation` of an annotation.

    Args:
        value: A list of polygons [x, y, x, y, ...], run lengths {"size": [H, W], "counts": ...}, or a list of these.
            Polygons of fewer than three points enclose nothing and are ignored.
        height: Height of the image in pixels.
        width: Width of the image in pixels.

    Raises:
        ValueError: The value is none of these, or is for an image of another size.
    """
    if not isinstance(value, list | dict):
        raise ValueError(f"the segmentation is a {type(value).__name__}, expected polygons or run lengths")
    polygons: list[Points] = []
    runs: list[Runs] = []
    for part in [value] if isinstance(value, dict) else value:
        if isinstance(part, dict):
            runs.append(_parse_runs(part, height, width))
        else:
            points = _parse_polygon(part)
            if len(points) >= 3:
                polygons.append(points)
    return CocoMask(height, width, tuple(polygons), tuple(runs))


def _parse_polygon(part: object) -> Points:
    try:
        numbers = np.array(part, np.float64)
        points = numbers.reshape(-1, 2)
    except (TypeError, ValueError):
        raise ValueError("a polygon is malformed, expected a list of an even number of coordinates") from None
    if numbers.ndim != 1 or not (np.abs(points) <= _FARTHEST).all():  # False for NaN as well
        raise ValueError(f"a polygon is malformed, expected coordinates of at most {_FARTHEST:,.0f} pixels")
    return points


def _parse_runs(part: dict[str, object], height: int, width: int) -> Runs:
    size, counts = part.get("size"), part.get("counts")
    if size != [height, width]:
        raise ValueError(f"the run lengths are for size {size}, but the image has size {[height, width]}")
    if isinstance(counts, str):
        return counts
    if isinstance(counts, list) and all(isinstance(count, int) for count in counts):
        return tuple(counts)
    raise ValueError("the run lengths are malformed, expected a string or a list of whole numbers")


def fill_polygon(points: Points, height: int, width: int) -> Mask:
    """Fill an outline as COCO does.

    The outline is rounded to fifths of a pixel and traced point by point. Where it crosses the centre line of a pixel
    column, all pixels below the crossing are toggled: those toggled an odd number of times are inside.

    Args:
        points: Corners as x, y in pixels, float64 [K, 2]; the last is joined to the first.
        height: Height of the mask in pixels.
        width: Width of the mask in pixels.

    Returns:
        The filled mask, bool [height, width].
    """
    x, y = _walk(np.trunc(_FINER * points + 0.5).astype(np.int64))
    moved = np.flatnonzero(x[1:] != x[:-1])
    before, after = x[moved], x[moved + 1]
    left = np.where(after < before, after, after - 1)
    column = left // _FINER
    crossed = (left % _FINER == _CENTRE) & (column >= 0) & (column < width)
    row = (np.minimum(y[moved], y[moved + 1]) + _CENTRE) // _FINER  # first pixel centre at or below the crossing
    turned = column[crossed] * height + np.clip(row[crossed], 0, height)
    # The sum runs down one column after another. As in COCO's program, an odd count at the bottom of a column carries
    # over into the next one until it is toggled again.
    times = np.cumsum(np.bincount(turned, minlength=height * width + 1)[:-1])
    return np.ascontiguousarray((times % 2 == 1).reshape(width, height).T)


def _walk(corners: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return x and y of every point on the edges between corners [K, 2], both ends of each edge included.

    An edge advances by one along its longer axis, and the other coordinate is rounded. It is always computed from the
    same end, whichever way it is traced, so that neighbouring polygons meet without gap or overlap.
    """
    edges = np.arange(len(corners))
    following = np.roll(corners, -1, axis=0)
    extent = np.abs(following - corners)
    longer = np.where(extent[:, 0] >= extent[:, 1], 0, 1)
    shorter = 1 - longer
    length = extent[edges, longer]
    backward = corners[edges, longer] > following[edges, longer]
    low = np.where(backward[:, None], following, corners)
    high = np.where(backward[:, None], corners, following)
    slope = (high - low)[edges, shorter] / np.maximum(length, 1)

    edge = np.repeat(edges, length + 1)
    step = np.arange(len(edge)) - np.repeat(np.cumsum(length + 1) - (length + 1), length + 1)
    step = np.where(backward[edge], length[edge] - step, step)
    along = low[edge, longer[edge]] + step
    across = np.trunc(low[edge, shorter[edge]] + slope[edge] * step + 0.5).astype(np.int64)
    flat = longer[edge] == 0
    return np.where(flat, along, across), np.where(flat, across, along)


def decode_runs(runs: Runs, height: int, width: int) -> Mask:
    """Decode run lengths, which go down the columns and start with zeros.

    Args:
        runs: Run lengths, as COCO's compressed string or as numbers.
        height: Height of the mask in pixels.
        width: Width of the mask in pixels.

    Returns:
        The mask, bool [height, width].

    Raises:
        ValueError: The run lengths do not fill the mask exactly, or the string is malformed.
    """
    counts = _decompress(runs) if isinstance(runs, str) else runs
    if any(count < 0 for count in counts):
        raise ValueError("a run length is negative, expected numbers from 0")
    if sum(counts) != height * width:
        raise ValueError(f"the run lengths cover {sum(counts)} pixels, expected {height * width}")
    flat = np.repeat(np.arange(len(counts)) % 2 == 1, np.array(counts, np.int64))
    return np.ascontiguousarray(flat.reshape(width, height).T)


def _decompress(text: str) -> Sequence[int]:
    """Decode COCO's compressed run lengths.

    A number is stored in groups of five bits, lowest first: 32 marks that more groups follow, 16 in the last group
    marks a negative number. From the fourth on, each number is stored as its difference from the one two places
    earlier.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        group = ord(character) - 48
        if not 0 <= group < 64:
            raise ValueError(f"{character!r} is not a valid character in compressed run lengths")
        value |= (group & 31) << shift
        shift += 5
        if group & 32:
            continue
        if group & 16:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    if shift:
        raise ValueError("the compressed run lengths end in the middle of a number")
    return counts
