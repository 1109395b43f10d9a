"""A drawing board whose pixels are numbers of inks, so that each garment can be found again afterwards."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from PIL import Image, ImageChops, ImageDraw

from refvid.world.scene import RGB

Point = tuple[float, float]
_ARC = 6  # points on half the rim of a limb's end; more are not seen at three pixels a pixel


class Disc(NamedTuple):
    """A round spot, in statures."""

    x: float
    y: float
    radius: float


def shade(colour: RGB, factor: float) -> RGB:
    """Darken (factor below 1) or lighten a colour."""
    red, green, blue = (max(0, min(255, round(value * factor))) for value in colour)
    return (red, green, blue)


def shaded(colour: RGB) -> RGB:
    """Return a colour as it is on the far side of a body; white less dark, or it would be grey."""
    return shade(colour, 0.89 if min(colour) > 190 else 0.8)


def edge_of(colour: RGB) -> RGB:
    """Return a colour for folds and rims: darker, but of a nearly black colour lighter, or nobody would see it."""
    if sum(colour) < 190:
        return (colour[0] + 34, colour[1] + 34, colour[2] + 36)
    return shade(colour, 0.72)


def between(first: Disc, second: Disc, share: float) -> Disc:
    """Return the disc at a share of the way from one to another."""
    x, y, radius = (a + (b - a) * share for a, b in zip(first, second, strict=True))
    return Disc(x, y, radius)


def across(start: Point, stop: Point, share: float, half: float) -> list[Disc]:
    """Return two small discs left and right of a limb at a share of its length: a hem cut straight."""
    dx, dy = stop[0] - start[0], stop[1] - start[1]
    long = math.hypot(dx, dy) or 1.0
    x, y, u, v = start[0] + dx * share, start[1] + dy * share, -dy / long * half, dx / long * half
    return [Disc(x + u, y + v, 0.012), Disc(x - u, y - v, 0.012)]


class Board:
    """Draws shapes given in statures (x forwards, y upwards) and hands out an antialiased picture.

    Attributes:
        scale: Pixels drawn for each pixel of the finished picture, along one axis.
    """

    def __init__(self, box: tuple[float, float, float, float], stature: float) -> None:
        """Prepare a board that covers a box of left, bottom, right and top, statures; a stature is in pixels."""
        # Above 375 px two suffice: the steps are small against the figure, and 700 rows take long enough.
        self.scale = 4 if stature < 70 else 3 if stature < 260 else 2
        # Whole pixels to the left and above, or a still figure would tremble with the size of its board.
        self._left, self._top = math.ceil(-box[0] * stature), math.ceil(box[3] * stature)
        width, height = self._left + math.ceil(box[2] * stature), self._top + math.ceil(-box[1] * stature)
        self._unit = stature * self.scale
        self._image = Image.new("L", (max(1, width) * self.scale, max(1, height) * self.scale))
        self._draw = ImageDraw.Draw(self._image)
        self._x, self._y = self._left * self.scale - 0.5, self._top * self.scale - 0.5
        self._colours: list[RGB] = [(0, 0, 0)]
        self._slots: list[str] = [""]
        self._known: dict[tuple[RGB, str], int] = {}

    def ink(self, colour: RGB, slot: str = "") -> int:
        """Return the number of an ink; a slot keeps inks of the same colour apart."""
        number = self._known.get((colour, slot))
        if number is None:
            number = self._known[colour, slot] = len(self._colours)
            self._colours.append(colour)
            self._slots.append(slot)
        return number

    def disc(self, ink: int, disc: Disc) -> None:
        """Draw a round spot."""
        x, y, radius = disc.x * self._unit + self._x, self._y - disc.y * self._unit, disc.radius * self._unit
        self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=ink)

    def polygon(self, ink: int, points: Sequence[Point]) -> None:
        """Draw a filled polygon."""
        unit, left, top = self._unit, self._x, self._y
        self._draw.polygon([(x * unit + left, top - y * unit) for x, y in points], fill=ink)

    def line(self, ink: int, points: Sequence[Point], width: float) -> None:
        """Draw a line through points; it is never thinner than two drawn pixels."""
        unit, left, top = self._unit, self._x, self._y
        path = [(x * unit + left, top - y * unit) for x, y in points]
        self._draw.line(path, fill=ink, width=max(2, round(width * unit)), joint="curve")

    def chain(self, ink: int, discs: Sequence[Disc], grow: float = 0.0) -> None:
        """Draw a limb: discs joined by their common tangents, one after the other, all grown by a margin."""
        for first, second in pairwise(discs):
            self.polygon(ink, _capsule(first, second, grow))

    def hull(self, ink: int, discs: Sequence[Disc], grow: float = 0.0) -> None:
        """Draw the convex hull of discs: a cloth stretched over them."""
        self.polygon(ink, _hull([point for disc in discs for point in _rim(disc, grow)]))

    def mark(
        self, slot: str, marks: dict[RGB, RGB], lines: Sequence[tuple[Point, Point, float]], dots: Sequence[Disc]
    ) -> None:
        """Draw a pattern over everything of a slot.

        Args:
            slot: Whose inks are drawn over.
            marks: For the inks that take marks, by their colours, the colours of the marks.
            lines: Ends and widths of lines, statures.
            dots: Round marks, statures.
        """
        sheet = Image.new("L", self._image.size)
        pencil, unit = ImageDraw.Draw(sheet), self._unit
        for (ax, ay), (bx, by), width in lines:
            ends = (ax * unit + self._x, self._y - ay * unit, bx * unit + self._x, self._y - by * unit)
            pencil.line(ends, fill=255, width=max(1, round(width * unit)))
        for dot in dots:
            x, y, radius = dot.x * unit + self._x, self._y - dot.y * unit, dot.radius * unit
            pencil.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
        for colour, accent in marks.items():
            number = self._known.get((colour, slot))
            if number is not None:
                cloth = self._image.point([255 if index == number else 0 for index in range(256)])
                self._image.paste(self.ink(accent, slot), mask=ImageChops.darker(cloth, sheet))

    def finish(self) -> tuple[Image.Image, Point]:
        """Return the picture, RGBA, cropped to what is drawn, and column and row in it of the point (0, 0)."""
        flat = self._image.copy()
        flat.putpalette([value for colour in self._colours for value in colour])
        # Black where nothing is: the reduced colours are those of premultiplied alpha without any multiplying.
        colour = flat.convert("RGB").reduce(self.scale)
        # The sum of ink and ink over a small divisor is 255 wherever there is any; a table would take longer.
        alpha = ImageChops.add(self._image, self._image, 0.004).reduce(self.scale)
        picture = Image.merge("RGBA", (*colour.split(), alpha))
        return self._cropped(_straight(picture))

    def region(self, slot: str) -> tuple[Image.Image, Point]:
        """Return how much of each pixel a slot covers, mode L, cropped like `finish`'s picture."""
        cover = self._image.point([255 if s == slot else 0 for s in self._slots] + [0] * (256 - len(self._slots)))
        whole = self._image.point([0] + [255] * 255).reduce(self.scale)
        box = whole.getbbox() or (0, 0, 1, 1)
        return cover.reduce(self.scale).crop(box), (self._left - box[0], self._top - box[1])

    def _cropped(self, picture: Image.Image) -> tuple[Image.Image, Point]:
        box = picture.getchannel("A").getbbox() or (0, 0, 1, 1)
        return picture.crop(box), (self._left - box[0], self._top - box[1])


def _straight(picture: Image.Image) -> Image.Image:
    """Divide colours by alpha; the picture is small by now."""
    raw = Image.frombytes("RGBa", picture.size, picture.tobytes())
    return raw.convert("RGBA")


def _rim(disc: Disc, grow: float) -> list[Point]:
    x, y, radius = disc.x, disc.y, disc.radius + grow
    return [(x + radius * c, y + radius * s) for c, s in (_CIRCLE if radius > 0.03 else _CORNER)]


_CIRCLE, _CORNER = ([(math.cos(math.tau * k / n), math.sin(math.tau * k / n)) for k in range(n)] for n in (14, 6))


def _capsule(first: Disc, second: Disc, grow: float) -> list[Point]:
    """Return the outline of two discs and their common tangents."""
    a, b = first.radius + grow, second.radius + grow
    dx, dy = second.x - first.x, second.y - first.y
    far = math.hypot(dx, dy)
    if far <= abs(a - b) + 1e-9:
        return _rim(first if a > b else second, grow)
    towards, open_ = math.atan2(dy, dx), math.acos((a - b) / far)
    outline = []
    for k in range(_ARC + 1):
        angle = towards + open_ + (math.tau - 2 * open_) * k / _ARC
        outline.append((first.x + a * math.cos(angle), first.y + a * math.sin(angle)))
    for k in range(_ARC + 1):
        angle = towards - open_ + 2 * open_ * k / _ARC
        outline.append((second.x + b * math.cos(angle), second.y + b * math.sin(angle)))
    return outline


def _hull(points: list[Point]) -> list[Point]:
    """Return the convex hull, by Andrew's monotone chain."""
    points = sorted(points)
    halves = []
    for row in (points, points[::-1]):
        half: list[Point] = []
        for x, y in row:
            while len(half) > 1:
                (ax, ay), (bx, by) = half[-2], half[-1]
                if (bx - ax) * (y - ay) > (by - ay) * (x - ax):
                    break
                half.pop()
            half.append((x, y))
        halves.append(half[:-1])
    return halves[0] + halves[1]
