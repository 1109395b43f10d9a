"""Figures as lists of coloured polygons, painted at once with supersampling into a sprite just large enough."""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from refvid.world.scene import RGB, Sprite

Point = tuple[float, float]


@lru_cache(maxsize=8)
def _circle(corners: int) -> tuple[Point, ...]:
    turns = (2 * math.pi * number / corners for number in range(corners))
    return tuple((math.cos(turn), math.sin(turn)) for turn in turns)


def two_bones(start: Point, end: Point, upper: float, lower: float, side: int) -> tuple[Point, Point]:
    """Return the joint between two bones and the actual end of the second.

    Args:
        start: Start of the upper bone.
        end: Desired end of the lower bone; the nearest reachable point is used if it is out of reach.
        upper: Length of the upper bone.
        lower: Length of the lower bone.
        side: 1 if the joint of a limb that hangs down points forwards, -1 for backwards.
    """
    across, up = end[0] - start[0], end[1] - start[1]
    distance = max(1e-6, math.hypot(across, up))
    reach = min(max(distance, abs(upper - lower) + 1e-3), (upper + lower) * 0.998)
    across, up = across / distance, up / distance
    along = (upper**2 - lower**2 + reach**2) / (2 * reach)
    out = side * math.sqrt(max(0.0, upper**2 - along**2))
    joint = (start[0] + across * along - up * out, start[1] + up * along + across * out)
    return joint, (start[0] + across * reach, start[1] + up * reach)


def curve(start: Point, middle: Point, end: Point, count: int = 7) -> list[Point]:
    """Return points on the parabolic arc through three points."""
    control = (2 * middle[0] - (start[0] + end[0]) / 2, 2 * middle[1] - (start[1] + end[1]) / 2)
    points = []
    for number in range(count):
        t = number / (count - 1)
        a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t**2
        points.append((a * start[0] + b * control[0] + c * end[0], a * start[1] + b * control[1] + c * end[1]))
    return points


@lru_cache(maxsize=64)
def rounded(points: tuple[Point, ...], times: int) -> list[Point]:
    """Return a closed polygon with its corners cut off several times (Chaikin's scheme with an eighth of each edge)."""
    result = list(points)
    for _ in range(times):
        cut: list[Point] = []
        for (ax, ay), (bx, by) in zip(result, [*result[1:], result[0]], strict=True):
            cut.append((ax + (bx - ax) * 0.14, ay + (by - ay) * 0.14))
            cut.append((ax + (bx - ax) * 0.86, ay + (by - ay) * 0.86))
        result = cut
    return result


def placer(centre: Point, turn: float, size: float) -> Callable[[float, float], Point]:
    """Return a map from a part's own coordinates, forwards and upwards in units of its size, to those of the figure."""
    cos, sin = math.cos(turn) * size, math.sin(turn) * size

    def at(forwards: float, upwards: float) -> Point:
        return centre[0] + forwards * cos - upwards * sin, centre[1] + forwards * sin + upwards * cos

    return at


class Brush:
    """A collection of shapes in figure units: x forwards, y upwards from the ground under the middle, in statures."""

    def __init__(self) -> None:
        self._points: list[Point] = []
        self._shapes: list[tuple[int, int, RGB]] = []

    def lift(self, way: float) -> None:
        """Move everything added so far upwards."""
        if way:
            self._points = [(x, y + way) for x, y in self._points]

    def polygon(self, points: Sequence[Point], colour: RGB) -> None:
        """Add a filled polygon."""
        start = len(self._points)
        self._points.extend(points)
        self._shapes.append((start, len(self._points), colour))

    def disc(self, centre: Point, radius: float, colour: RGB, squash: float = 1.0, turn: float = 0.0) -> None:
        """Add a filled ellipse.

        Args:
            centre: Centre of the ellipse.
            radius: Half-axis along `turn`.
            colour: Fill colour.
            squash: Other half-axis relative to the first.
            turn: Direction of the first axis, in radians counter-clockwise from forwards.
        """
        x, y = centre
        circle = _circle(28 if radius > 0.15 else 18 if radius > 0.05 else 10)
        if squash == 1.0:
            points = [(x + a * radius, y + b * radius) for a, b in circle]
        else:
            cos, sin, other = math.cos(turn) * radius, math.sin(turn) * radius, squash
            points = [(x + a * cos - b * sin * other, y + a * sin + b * cos * other) for a, b in circle]
        self.polygon(points, colour)

    def limb(self, points: Sequence[Point], radii: Sequence[float], colour: RGB) -> None:
        """Add straight bones with round joints, given one radius per point."""
        for (ax, ay), (bx, by), a, b in zip(points, points[1:], radii, radii[1:], strict=False):
            length = max(1e-6, math.hypot(bx - ax, by - ay))
            nx, ny = (ay - by) / length, (bx - ax) / length
            self.polygon(
                [(ax + nx * a, ay + ny * a), (bx + nx * b, by + ny * b), (bx - nx * b, by - ny * b),
                 (ax - nx * a, ay - ny * a)], colour
            )  # fmt: skip
        for point, radius in zip(points, radii, strict=True):
            self.disc(point, radius, colour)

    def tube(self, points: Sequence[Point], radii: Sequence[float], colour: RGB) -> None:
        """Add a smoothly bent body with round ends, given one radius per point."""
        upper, lower = zip(*(across(points, radii, number, 1.0) for number in range(len(points))), strict=True)
        self.polygon([*upper, *reversed(lower)], colour)
        self.disc(points[0], radii[0], colour)
        self.disc(points[-1], radii[-1], colour)

    def sprite(
        self,
        stature: float,
        facing: int,
        *,
        turn: float = 0.0,
        flip: bool = False,
        pivot: Point = (0.0, 0.0),
        anchor: Point = (0.0, 0.0),
        rest: bool = False,
    ) -> Sprite:
        """Paint all shapes.

        Args:
            stature: Pixels per unit.
            facing: -1 to mirror the picture.
            turn: Turn of the figure about the pivot, in radians counter-clockwise.
            flip: Whether to turn the figure upside down about the pivot, before the turn.
            pivot: Pivot in figure units.
            anchor: Point of the turned figure that becomes the sprite's anchor.
            rest: Whether to use the height of the lowest point for the anchor instead.
        """
        points = np.array(self._points)
        if turn or flip:
            points -= pivot
            points[:, 1] *= -1 if flip else 1
            cos, sin = math.cos(turn), math.sin(turn)
            points = points @ np.array(((cos, sin), (-sin, cos))) + pivot
        if rest:
            anchor = (anchor[0], float(points[:, 1].min()))
        # Large figures need fewer samples, because steps at their edges are small compared with the figure.
        samples = 3 if stature <= 110 else 2
        pixels = points * (stature * samples, -stature * samples)
        low = np.floor(pixels.min(0) / samples) - 1
        wide, high = (np.ceil(pixels.max(0) / samples) + 2 - low).astype(int).tolist()
        flat = (pixels - low * samples - 0.5).ravel().tolist()
        canvas = Image.new("RGBA", (wide * samples, high * samples))
        draw = ImageDraw.Draw(canvas)
        for start, stop, colour in self._shapes:
            draw.polygon(flat[2 * start : 2 * stop], fill=colour)
        image = canvas.reduce(samples)
        column, row = anchor[0] * stature - float(low[0]), -anchor[1] * stature - float(low[1])
        if facing < 0:
            image, column = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), wide - column
        return Sprite(image, (column, row))


def across(points: Sequence[Point], radii: Sequence[float], number: int, share: float) -> tuple[Point, Point]:
    """Return the points above and below a point of a bent body, at a fraction of its radius."""
    (ax, ay), (bx, by) = points[max(0, number - 1)], points[min(len(points) - 1, number + 1)]
    length = max(1e-6, math.hypot(bx - ax, by - ay))
    nx, ny = (ay - by) / length * radii[number] * share, (bx - ax) / length * radii[number] * share
    x, y = points[number]
    return (x + nx, y + ny), (x - nx, y - ny)
