"""COCO's segmentations as masks: polygons and run lengths, pixel by pixel as the COCO API draws them.

The truth of RefCOCO is defined by how COCO's own program fills a polygon, which agrees with no drawing library at the
edges: https://github.com/cocodataset/cocoapi, common/maskApi.c (Piotr Dollár and Tsung-Yi Lin).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Runs = str | tuple[int, ...]

_FINER = 5  # outlines are walked on a grid of fifths of a pixel
_CENTRE = 2  # of the fifths 0 to 4
_FARTHEST = 100_000.0  # pixels; beyond it an outline is garbage and would be walked for minutes


@dataclass(frozen=True, eq=False)
class CocoMask:
    """A segmentation that has not been drawn yet.

    Attributes:
        height: Of the image, pixels.
        width: Of the image, pixels.
        polygons: Outlines, each float64 [K, 2] of x, y in pixels, K of at least 3.
        runs: Run lengths, compressed into a string or plain.
    """

    height: int
    width: int
    polygons: tuple[Points, ...] = ()
    runs: tuple[Runs, ...] = ()

    def draw(self) -> Mask:
        """Return the union of all parts, bool [H, W]; parts may overlap.

        Raises:
            ValueError: Run lengths do not fill the image.
        """
        mask = np.zeros((self.height, self.width), np.bool_)
        for points in self.polygons:
            mask |= fill_polygon(points, self.height, self.width)
        for runs in self.runs:
            mask |= decode_runs(runs, self.height, self.width)
        return mask


def parse_segmentation(value: object, height: int, width: int) -> CocoMask:
    """Read an annotation's `segmentation`.

    Args:
        value: A list of polygons [x, y, x, y, ...], run lengths {"size": [H, W], "counts": ...}, or a list of these.
            Polygons of fewer than three points enclose nothing and are left out.
        height: Of the image, pixels.
        width: Of the image, pixels.

    Raises:
        ValueError: It is none of these, or of another size.
    """
    if not isinstance(value, list | dict):
        raise ValueError(f"a segmentation is polygons or run lengths, not {type(value).__name__}")
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
        raise ValueError("a polygon is a list of an even number of coordinates") from None
    if numbers.ndim != 1 or not (np.abs(points) <= _FARTHEST).all():  # NaN is not
        raise ValueError("the coordinates of a polygon are pixels")
    return points


def _parse_runs(part: dict[str, object], height: int, width: int) -> Runs:
    size, counts = part.get("size"), part.get("counts")
    if size != [height, width]:
        raise ValueError(f"run lengths are of size {size}, but the image's is {[height, width]}")
    if isinstance(counts, str):
        return counts
    if isinstance(counts, list) and all(isinstance(count, int) for count in counts):
        return tuple(counts)
    raise ValueError("run lengths are a string or a list of whole numbers")


def fill_polygon(points: Points, height: int, width: int) -> Mask:
    """Fill an outline as COCO does.

    The outline is rounded to fifths of a pixel and walked point by point. Where the walk crosses the centre of a column
    of pixels, all that is below it is turned over: what is turned an odd number of times is inside.

    Args:
        points: float64 [K, 2], x and y of the corners in pixels; the last is joined to the first.
        height: Of the mask.
        width: Of the mask.

    Returns:
        bool [height, width].
    """
    x, y = _walk(np.trunc(_FINER * points + 0.5).astype(np.int64))
    moved = np.flatnonzero(x[1:] != x[:-1])
    before, after = x[moved], x[moved + 1]
    left = np.where(after < before, after, after - 1)
    column = left // _FINER
    crossed = (left % _FINER == _CENTRE) & (column >= 0) & (column < width)
    row = (np.minimum(y[moved], y[moved + 1]) + _CENTRE) // _FINER  # the first pixel whose centre is not above
    turned = column[crossed] * height + np.clip(row[crossed], 0, height)
    # Down the columns, one after the other: a column that is left inside stays so in the next until it is turned again.
    times = np.cumsum(np.bincount(turned, minlength=height * width + 1)[:-1])
    return np.ascontiguousarray((times % 2 == 1).reshape(width, height).T)


def _walk(corners: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return x and y of every point on the edges between corners [K, 2], both ends of each edge included.

    An edge advances by one along its longer axis; the other coordinate is rounded. It is computed from the lower end
    whichever way it is walked, so that two neighbouring polygons meet without gap or overlap.
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
    """Decode run lengths, which go down the columns, zeros first.

    Args:
        runs: Compressed into COCO's string, or plain.
        height: Of the mask.
        width: Of the mask.

    Returns:
        bool [height, width].

    Raises:
        ValueError: They do not fill the mask exactly, or the string is none of COCO's.
    """
    counts = _decompress(runs) if isinstance(runs, str) else runs
    if any(count < 0 for count in counts):
        raise ValueError("a run length is negative")
    if sum(counts) != height * width:
        raise ValueError(f"run lengths cover {sum(counts)} pixels of {height * width}")
    flat = np.repeat(np.arange(len(counts)) % 2 == 1, np.array(counts, np.int64))
    return np.ascontiguousarray(flat.reshape(width, height).T)


def _decompress(text: str) -> Sequence[int]:
    """Read numbers in groups of five bits, lowest first, 32 for more to come; differences from the fourth on."""
    counts: list[int] = []
    value = shift = 0
    for character in text:
        group = ord(character) - 48
        if not 0 <= group < 64:
            raise ValueError(f"{character!r} is no part of compressed run lengths")
        value |= (group & 31) << shift
        shift += 5
        if group & 32:
            continue
        if group & 16:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    if shift:
        raise ValueError("compressed run lengths end inside of a number")
    return counts
