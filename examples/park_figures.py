"""Articulated figures of the park world: each is drawn with supersampling into a small RGBA sprite."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

RGB = tuple[int, int, int]
Point = tuple[float, float]
PEOPLE = ("man", "woman", "boy", "girl")

# Width and height of the sprite, and the height of the ground line in it, in units of the actor's size.
_BOXES: dict[str, tuple[float, float, float]] = {
    "man": (1.0, 1.12, 0.06),
    "woman": (1.0, 1.12, 0.06),
    "boy": (1.0, 1.12, 0.06),
    "girl": (1.0, 1.12, 0.06),
    "dog": (2.1, 1.3, 0.1),
    "ball": (1.2, 1.2, 0.1),
    "car": (2.9, 1.2, 0.08),
    "bird": (2.2, 1.9, 0.7),
    "tree": (1.0, 1.1, 0.04),
}


@dataclass(frozen=True)
class Actor:
    """One figure of a scene: what it is, what it wears, where it stands in the middle frame and how it moves.

    Attributes:
        kind: a key of the figure table; "tree" is an occluder nobody asks for.
        colour: name of the shirt, dress, coat or paint colour.
        lower: name of the trousers' colour, None for a dress and for everything that is not a person.
        gown: True where the person wears a dress.
        motion: "standing", "walking", "running" or "moving" (a ball, a car or a bird).
        heading: -1 to the left, 1 to the right.
        x: centre in the middle frame, in pixels.
        ground: row of the feet, in pixels.
        size: height in pixels.
        speed: pixels a frame, never negative.
        phase: of the gait in the middle frame, in radians.
        stride: radians of gait a frame.
        paint: top, lower, skin and hair colours as drawn.
    """

    kind: str
    colour: str
    lower: str | None
    gown: bool
    motion: str
    heading: int
    x: float
    ground: float
    size: float
    speed: float
    phase: float
    stride: float
    paint: tuple[RGB, RGB, RGB, RGB]


def shade(colour: RGB, factor: float) -> RGB:
    """Return the colour made darker (factor below 1) or lighter (above 1)."""
    if factor <= 1:
        return (int(colour[0] * factor), int(colour[1] * factor), int(colour[2] * factor))
    rest = min(1.0, factor - 1)
    red, green, blue = (int(value + (255 - value) * rest) for value in colour)
    return (red, green, blue)


class _Pen:
    """Draws in figure units: x forwards, y upwards from the ground, 1 = the figure's height."""

    def __init__(self, canvas: Image.Image, origin: Point, unit: float, facing: int) -> None:
        self._draw = ImageDraw.Draw(canvas)
        self._origin = origin
        self._unit = unit
        self._facing = facing

    def at(self, point: Point) -> Point:
        return (self._origin[0] + self._facing * point[0] * self._unit, self._origin[1] - point[1] * self._unit)

    def shape(self, points: Sequence[Point], colour: RGB) -> None:
        self._draw.polygon([self.at(point) for point in points], fill=colour)

    def disc(self, centre: Point, across: float, up: float, colour: RGB) -> None:
        x, y = self.at(centre)
        rx, ry = across * self._unit, up * self._unit
        self._draw.ellipse((x - rx, y - ry, x + rx, y + ry), fill=colour)

    def limb(self, points: Sequence[Point], width: float, colour: RGB) -> None:
        self._draw.line([self.at(point) for point in points], fill=colour, width=max(1, round(width * self._unit)))
        for point in points:
            self.disc(point, width / 2, width / 2, colour)


def _swing(start: Point, lengths: tuple[float, float], first: float, second: float) -> tuple[Point, Point, Point]:
    """Return hip, knee and foot (or shoulder, elbow and hand) for two angles from straight down."""
    middle = (start[0] + lengths[0] * math.sin(first), start[1] - lengths[0] * math.cos(first))
    return start, middle, (middle[0] + lengths[1] * math.sin(second), middle[1] - lengths[1] * math.cos(second))


def _leg(hip: Point, length: float, phase: float, reach: float) -> tuple[Point, Point, Point]:
    thigh = reach * math.sin(phase)
    bend = 0.06 + 1.35 * reach * max(0.0, math.cos(phase))
    return _swing(hip, (length * 0.52, length * 0.48), thigh, thigh - bend)


def _person(pen: _Pen, actor: Actor, phase: float) -> None:
    top, lower, skin, hair = actor.paint
    child, female = actor.kind in ("boy", "girl"), actor.kind in ("woman", "girl")
    reach = {"standing": 0.05, "walking": 0.45, "running": 0.8}[actor.motion]
    hip, shoulder, head = (0.43, 0.70, 0.115) if child else (0.49, 0.80, 0.082)
    legs = [_leg((side, hip), hip - 0.03, phase + turn, reach) for side, turn in ((0.015, math.pi), (-0.015, 0.0))]
    # The lower foot stays on the ground: this is what makes the body bob.
    lift = 0.03 - min(leg[2][1] for leg in legs)
    lean = 0.07 if actor.motion == "running" else 0.015
    neck = (lean, shoulder + lift)
    arms = [
        _arm((lean + side, neck[1] - 0.035), (neck[1] - hip) * 1.25, phase + turn, reach)
        for side, turn in ((0.03, 0.0), (-0.03, math.pi))
    ]
    if female:
        _long_hair(pen, neck, head, shade(hair, 0.8))
    _draw_arm(pen, arms[0], shade(top, 0.7), shade(skin, 0.8), actor.gown)
    for leg, light in zip(legs, (0.72, 1.0), strict=True):
        points = [(x, y + lift) for x, y in leg]
        pen.limb(points, 0.068 if actor.gown else 0.092, shade(skin if actor.gown else lower, light))
        foot = points[2]
        pen.limb([foot, (foot[0] + 0.06, foot[1] - 0.008)], 0.045, shade((52, 40, 36), light))
    _torso(pen, actor, neck, hip + lift, (top, lower), reach * math.sin(phase))
    _head(pen, actor, neck, head)
    _draw_arm(pen, arms[1], shade(top, 0.9), skin, actor.gown)


def _arm(shoulder: Point, length: float, phase: float, reach: float) -> tuple[Point, Point, Point]:
    swing = 0.85 * reach * math.sin(phase)
    return _swing(shoulder, (length * 0.5, length * 0.46), swing, swing + 0.15 + 1.2 * max(0.0, reach - 0.3))


def _draw_arm(pen: _Pen, arm: tuple[Point, Point, Point], sleeve: RGB, skin: RGB, short: bool) -> None:
    pen.limb(arm, 0.05, skin)
    half = ((arm[0][0] + arm[1][0]) / 2, (arm[0][1] + arm[1][1]) / 2)
    pen.limb((arm[0], half if short else arm[1]), 0.066, sleeve)


def _long_hair(pen: _Pen, neck: Point, head: float, hair: RGB) -> None:
    centre = (neck[0] - head * 0.4, neck[1] + head * 0.9)
    pen.limb([centre, (centre[0] - head * 0.5, neck[1] - head * 0.9)], head * 1.3, hair)


def _torso(pen: _Pen, actor: Actor, neck: Point, hip: float, paint: tuple[RGB, RGB], sway: float) -> None:
    top, lower = paint
    broad = 0.105 if actor.kind == "man" else 0.088
    waist = 0.085 if actor.kind == "man" else 0.07
    x, y = neck
    if actor.gown:
        hem, middle = hip - 0.2, (y + hip) / 2 - 0.02
        swing = 0.05 * sway
        outline = [(x - waist * 0.8, middle), (-0.15 + swing, hem), (0.15 + swing, hem), (x + waist * 0.8, middle)]
        pen.shape(outline, top)
        pen.shape([outline[0], outline[1], (-0.06 + swing, hem), (x - waist * 0.2, middle)], shade(top, 0.85))
        bottom = middle
    else:
        bottom = hip
        pen.limb([(-waist + 0.035, hip - 0.015), (waist - 0.035, hip - 0.015)], 0.09, lower)
    outline = [(x - broad, y - 0.03), (x - broad * 0.5, y + 0.005), (x + broad * 0.5, y + 0.005), (x + broad, y - 0.03)]
    pen.shape([*outline, (waist, bottom), (-waist, bottom)], top)
    pen.shape([outline[0], outline[1], (-waist * 0.45, bottom), (-waist, bottom)], shade(top, 0.85))


def _head(pen: _Pen, actor: Actor, neck: Point, head: float) -> None:
    _, _, skin, hair = actor.paint
    x, y = neck
    centre = (x + 0.012, y + head * 1.12)
    pen.limb([(x, y - 0.01), centre], head * 0.75, shade(skin, 0.85))
    pen.disc((centre[0] - head * 0.12, centre[1] + head * 0.12), head * 0.98, head * 1.02, hair)
    pen.disc((centre[0] + head * 0.16, centre[1] - head * 0.16), head * 0.80, head * 0.88, skin)
    pen.disc((centre[0] - head * 0.35, centre[1] - head * 0.12), head * 0.2, head * 0.24, shade(skin, 0.88))
    pen.disc((centre[0] + head * 0.92, centre[1] - head * 0.2), head * 0.16, head * 0.14, skin)
    pen.disc((centre[0] + head * 0.5, centre[1]), head * 0.1, head * 0.13, (40, 30, 30))
    if actor.kind in ("woman", "girl"):
        pen.limb([(centre[0] - head * 0.55, centre[1]), (x - head * 0.8, y - head * 0.4)], head * 0.55, hair)


def _dog(pen: _Pen, actor: Actor, phase: float) -> None:
    coat = actor.paint[0]
    reach = {"standing": 0.05, "walking": 0.45, "running": 0.85}[actor.motion]
    bob = 0.05 * reach * math.sin(2 * phase)
    wag = 0.12 * math.sin(1.7 * phase + 1)
    for x, turn, light in ((0.42, 0.6, 0.7), (-0.5, math.pi + 0.6, 0.7), (0.36, 0.0, 0.93), (-0.58, math.pi, 0.93)):
        leg = _leg((x, 0.5 + bob), 0.46, phase + turn, reach)
        pen.limb(leg, 0.13, shade(coat, light))
        pen.limb([leg[2], (leg[2][0] + 0.06, leg[2][1])], 0.09, shade(coat, light * 0.9))
    pen.limb([(-0.62, 0.66 + bob), (-0.8, 0.8 + bob), (-0.88 + wag * 0.4, 1.0 + bob + wag * 0.5)], 0.09, coat)
    pen.limb([(-0.52, 0.56 + bob), (0.32, 0.56 + bob)], 0.36, coat)
    pen.limb([(-0.4, 0.46 + bob), (0.2, 0.45 + bob)], 0.12, shade(coat, 0.82))
    pen.limb([(0.34, 0.62 + bob), (0.55, 0.86 + bob)], 0.25, coat)
    pen.disc((0.62, 0.93 + bob), 0.19, 0.17, coat)
    pen.limb([(0.7, 0.88 + bob), (0.86, 0.85 + bob)], 0.14, shade(coat, 1.08))
    pen.disc((0.93, 0.88 + bob), 0.04, 0.04, (25, 20, 20))
    pen.limb([(0.52, 1.02 + bob), (0.47, 0.86 + bob)], 0.12, shade(coat, 0.6))
    pen.disc((0.68, 0.98 + bob), 0.03, 0.03, (25, 20, 20))
    pen.limb([(0.40, 0.80 + bob), (0.53, 0.71 + bob)], 0.05, (150, 40, 40))


def _ball(pen: _Pen, actor: Actor, phase: float) -> None:
    paint = actor.paint[0]
    pen.disc((0, 0.5), 0.5, 0.5, shade(paint, 0.78))
    pen.disc((0.04, 0.54), 0.44, 0.44, paint)
    for turn in (0.0, 2.09, 4.19):
        spot = (0.27 * math.cos(turn - phase), 0.5 + 0.27 * math.sin(turn - phase))
        pen.disc(spot, 0.1, 0.1, shade(paint, 0.62) if sum(paint) > 200 else shade(paint, 1.3))
    pen.disc((0.15, 0.72), 0.1, 0.08, shade(paint, 1.6))


def _car(pen: _Pen, actor: Actor, phase: float) -> None:
    paint = actor.paint[0]
    pen.shape([(-0.85, 0.6), (-0.55, 1.0), (0.3, 1.0), (0.72, 0.6)], shade(paint, 0.92))
    for glass in (
        [(-0.72, 0.62), (-0.5, 0.93), (-0.12, 0.93), (-0.12, 0.62)],
        [(-0.04, 0.62), (-0.04, 0.93), (0.26, 0.93), (0.56, 0.62)],
    ):
        pen.shape(glass, (176, 208, 224))
    pen.limb([(-1.2, 0.5), (1.2, 0.46)], 0.26, paint)
    pen.limb([(-1.22, 0.3), (1.22, 0.3)], 0.22, shade(paint, 0.8))
    pen.disc((1.26, 0.46), 0.06, 0.07, (255, 244, 190))
    pen.disc((-1.27, 0.46), 0.05, 0.07, (190, 30, 30))
    pen.limb([(-0.05, 0.54), (0.08, 0.54)], 0.03, shade(paint, 0.5))
    for x in (-0.78, 0.78):
        pen.disc((x, 0.22), 0.25, 0.25, (30, 30, 34))
        pen.disc((x, 0.22), 0.13, 0.13, (170, 174, 180))
        pen.limb([(x, 0.22), (x + 0.11 * math.cos(phase), 0.22 - 0.11 * math.sin(phase))], 0.05, (90, 90, 96))


def _bird(pen: _Pen, actor: Actor, phase: float) -> None:
    paint = actor.paint[0]
    flap = math.sin(phase)
    pen.shape([(-0.05, 0.3), (0.3, 0.3), (-0.25, 0.3 + 0.8 * flap)], shade(paint, 0.7))
    pen.shape([(-0.4, 0.3), (-0.95, 0.48), (-0.95, 0.2), (-0.4, 0.15)], shade(paint, 0.85))
    pen.disc((0, 0.25), 0.55, 0.22, paint)
    pen.disc((0.5, 0.4), 0.2, 0.19, paint)
    pen.shape([(0.65, 0.46), (0.9, 0.36), (0.65, 0.32)], (240, 170, 40))
    pen.disc((0.56, 0.45), 0.04, 0.04, (20, 20, 20))
    pen.shape([(-0.2, 0.32), (0.25, 0.32), (-0.35, 0.32 + 0.95 * flap)], shade(paint, 0.84))


def _tree(pen: _Pen, actor: Actor, phase: float) -> None:
    leaf, bark = actor.paint[0], actor.paint[1]
    pen.shape([(-0.07, 0.0), (-0.045, 0.6), (0.045, 0.6), (0.07, 0.0)], bark)
    pen.shape([(-0.07, 0.0), (-0.045, 0.6), (-0.015, 0.6), (-0.02, 0.0)], shade(bark, 0.8))
    for x, y, radius, light in (
        (0.0, 0.68, 0.3, 0.75),
        (-0.2, 0.68, 0.2, 0.88),
        (0.2, 0.66, 0.19, 0.85),
        (0.05, 0.8, 0.22, 1.0),
        (-0.08, 0.74, 0.15, 1.08),
    ):
        pen.disc((x, y), radius, radius, shade(leaf, light))


_FIGURES: dict[str, Callable[[_Pen, Actor, float], None]] = {
    **dict.fromkeys(PEOPLE, _person),
    "dog": _dog,
    "ball": _ball,
    "car": _car,
    "bird": _bird,
    "tree": _tree,
}


def draw_sprite(actor: Actor, centre: float, ground: float, phase: float) -> tuple[Image.Image, int, int]:
    """Draw the actor once.

    Args:
        actor: the figure.
        centre: column of its middle in the frame, in pixels; fractions count.
        ground: row of its feet in the frame, in pixels; fractions count.
        phase: of its gait, in radians.

    Returns:
        An RGBA sprite and the column and row of its upper left corner in the frame (possibly outside it).
    """
    zoom = 3 if actor.size < 120 else 2
    width, height, below = _BOXES[actor.kind]
    left = math.floor(centre - width * actor.size / 2)
    top = math.floor(ground - (height - below) * actor.size)
    columns, rows = math.ceil(width * actor.size) + 2, math.ceil(height * actor.size) + 2
    canvas = Image.new("RGBA", (columns * zoom, rows * zoom))
    pen = _Pen(canvas, ((centre - left) * zoom, (ground - top) * zoom), actor.size * zoom, actor.heading)
    _FIGURES[actor.kind](pen, actor, phase)
    return canvas.reduce(zoom), left, top
