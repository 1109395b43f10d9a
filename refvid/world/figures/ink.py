"""A drawing board whose pixels are ink numbers, so that the region of each garment can be recovered."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from PIL import Image, ImageChops, ImageDraw

from refvid.world.scene import RGB

Point = tuple[float, float]
_ARC = 6  # points on the half circle at a limb's end; more make no visible difference at this resolution


class Disc(NamedTuple):
    """A disc, in statures."""

    x: float
    y: float
    radius: float


def shade(colour: RGB, factor: float) -> RGB:
    """Darken (factor below 1) or lighten a colour."""
    red, green, blue = (max(0, min(255, round(value * factor))) for value in colour)
    return (red, green, blue)


def shaded(colour: RGB) -> RGB:
    """Return a colour as it appears on the far side of a body; white is darkened less, since it would turn grey."""
    return shade(colour, 0.89 if min(colour) > 190 else 0.8)


def edge_of(colour: RGB) -> RGB:
    """Return a visible colour for folds and rims: darker than the given one, or lighter than a nearly black one."""
    if sum(colour) < 190:
        return (colour[0] + 34, colour[1] + 34, colour[2] + 36)
    return shade(colour, 0.72)


def between(first: Disc, second: Disc, share: float) -> Disc:
    """Return the disc at a given fraction of the way from one disc to another."""
    x, y, radius = (a + (b - a) * share for a, b in zip(first, second, strict=True))
    return Disc(x, y, radius)


def across(start: Point, stop: Point, share: float, half: float) -> list[Disc]:
    """Return two small discs left and right of a limb at a fraction of its length, which cut a hem straight."""
    dx, dy = stop[0] - start[0], stop[1] - start[1]
    long = math.hypot(dx, dy) or 1.0
    x, y, u, v = start[0] + dx * share, start[1] + dy * share, -dy / long * half, dx / long * half
    return [Disc(x + u, y + v, 0.012), Disc(x - u, y - v, 0.012)]


class Board:
    """A board for shapes given in statures (x forwards, y upwards) that yields an antialiased picture.

    Attributes:
        scale: Number of drawn pixels per pixel of the finished picture, along one axis.
    """

    def __init__(self, box: tuple[float, float, float, float], stature: float) -> None:
        """Prepare a board for a box (left, bottom, right, top) in statures; the stature is in pixels."""
        # Large figures need fewer samples, because steps at their edges are small compared with the figure, and they
        # take longest to draw.
        self.scale = 4 if stature < 70 else 3 if stature < 260 else 2
        # The origin lies on a whole pixel; otherwise a still figure would jitter as the size of its board changes.
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
        """Return the number of an ink; different slots keep inks of the same colour apart."""
        number = self._known.get((colour, slot))
        if number is None:
            number = self._known[colour, slot] = len(self._colours)
            self._colours.append(colour)
            self._slots.append(slot)
        return number

    def disc(self, ink: int, disc: Disc) -> None:
        """Draw a disc."""
        x, y, radius = disc.x * self._unit + self._x, self._y - disc.y * self._unit, disc.radius * self._unit
        self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=ink)

    def polygon(self, ink: int, points: Sequence[Point]) -> None:
        """Draw a filled polygon."""
        unit, left, top = self._unit, self._x, self._y
        self._draw.polygon([(x * unit + left, top - y * unit) for x, y in points], fill=ink)

    def line(self, ink: int, points: Sequence[Point], width: float) -> None:
        """Draw a line through points, at least two drawn pixels wide."""
        unit, left, top = self._unit, self._x, self._y
        path = [(x * unit + left, top - y * unit) for x, y in points]
        self._draw.line(path, fill=ink, width=max(2, round(width * unit)), joint="curve")

    def chain(self, ink: int, discs: Sequence[Disc], grow: float = 0.0) -> None:
        """Draw a limb: consecutive discs joined by their common tangents, all enlarged by a margin."""
        for first, second in pairwise(discs):
            self.polygon(ink, _capsule(first, second, grow))

    def hull(self, ink: int, discs: Sequence[Disc], grow: float = 0.0) -> None:
        """Draw the convex hull of discs, as of cloth stretched over them."""
        self.polygon(ink, _hull([point for disc in discs for point in _rim(disc, grow)]))

    def mark(
        self, slot: str, marks: dict[RGB, RGB], lines: Sequence[tuple[Point, Point, float]], dots: Sequence[Disc]
    ) -> None:
        """Draw a pattern over everything drawn for a slot.

        Args:
            slot: Slot whose inks are drawn over.
            marks: Colour of the marks for each ink colour that is to be marked.
            lines: (start, end, width) of each line, in statures.
            dots: Round marks, in statures.
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
        """Return the RGBA picture cropped to what is drawn, and the column and row of the point (0, 0) in it."""
        flat = self._image.copy()
        flat.putpalette([value for colour in self._colours for value in colour])
        # Empty pixels are black, so that averaging yields premultiplied colours without any multiplication.
        colour = flat.convert("RGB").reduce(self.scale)
        # (ink + ink) / 0.004 saturates to 255 wherever there is ink, which is faster than a lookup table.
        alpha = ImageChops.add(self._image, self._image, 0.004).reduce(self.scale)
        picture = Image.merge("RGBA", (*colour.split(), alpha))
        return self._cropped(_straight(picture))

    def region(self, slot: str) -> tuple[Image.Image, Point]:
        """Return the coverage of each pixel by a slot, mode L, cropped like the picture of `finish`."""
        cover = self._image.point([255 if s == slot else 0 for s in self._slots] + [0] * (256 - len(self._slots)))
        whole = self._image.point([0] + [255] * 255).reduce(self.scale)
        box = whole.getbbox() or (0, 0, 1, 1)
        return cover.reduce(self.scale).crop(box), (self._left - box[0], self._top - box[1])

    def _cropped(self, picture: Image.Image) -> tuple[Image.Image, Point]:
        box = picture.getchannel("A").getbbox() or (0, 0, 1, 1)
        return picture.crop(box), (self._left - box[0], self._top - box[1])


def _straight(picture: Image.Image) -> Image.Image:
    """Divide colours by alpha; this is cheap, since the picture has been reduced by now."""
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
    """Return the convex hull by Andrew's monotone chain algorithm."""
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
