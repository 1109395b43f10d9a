"""Birds, seen from the side."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from refvid.world.figures.brush import Brush, Point, placer, two_bones
from refvid.world.figures.tint import tone
from refvid.world.scene import RGB, Gait, Look, Pose, Sprite

Place = Callable[[float, float], Point]

_BEAK: RGB = (236, 160, 40)
_HOP = Gait(0.55, 2.0)
_LEAP = Gait(0.9, 1.1)
_CLIMB = Gait(0.4, 1.3, vertical=True)
GAITS: dict[tuple[str, str], Gait] = {
    ("bird", "walking"): _HOP,
    ("bird", "jumping"): _LEAP,
    ("bird", "climbing"): _CLIMB,
    ("bird", "flying"): Gait(1.6, 3.0),
    ("bird", "eating"): Gait(0.0, 1.3),
    ("bird", "rolling"): Gait(0.0, 0.8),
    ("bird", "none"): Gait(0.0, 0.7),
}


@dataclass(frozen=True)
class _Perch:
    """A moment in a bird's motion.

    Attributes:
        body: Middle of the body.
        lean: Angle of the body above level, in radians.
        head: Middle of the head relative to the body, turning with it.
        gaze: Direction of the beak, in radians above forwards.
        feet: Far and near foot.
        wing: Angle of the raised wings above the body, in radians; None for folded wings.
        fan: Angle of the tail against the body, in radians.
        beak: Opening angle of the beak, in radians.
        turn: Turn of the whole figure about the body, in radians.
        flip: Whether it lies on its back.
        tucked: Whether the legs are drawn in.
        seeds: Whether there is food on the ground.
    """

    body: Point
    lean: float
    head: Point = (0.27, 0.27)
    gaze: float = 0.0
    feet: tuple[Point, Point] = ((0.06, 0.0), (-0.02, 0.0))
    wing: float | None = None
    fan: float = 0.0
    beak: float = 0.0
    turn: float = 0.0
    flip: bool = False
    tucked: bool = False
    seeds: bool = False


def draw_bird(look: Look, pose: Pose, stature: float) -> Sprite:
    """Draw a bird.

    Args:
        look: Look of kind "bird", whose wings have the colour `accent`.
        pose: Pose with any action of birds.
        stature: Height in pixels from the ground to the top of the standing bird's head.

    Returns:
        The sprite; the anchor of a flying bird is the middle of its body.
    """
    perch = _perch(pose.action, pose.phase)
    brush = Brush()
    length = 0.34 + 0.05 * (look.build * 7 % 1)
    at = placer(perch.body, perch.lean, 1.0)
    if perch.wing is not None:
        _wing(brush, look, perch, 0.72)
    if not perch.tucked:
        _leg(brush, at, perch, 0)
    _tail(brush, look, perch, length)
    brush.disc(perch.body, length, look.paint, squash=0.66, turn=perch.lean)
    brush.disc(at(0.03, -0.07), length * 0.72, tone(look.paint, 1.25), squash=0.6, turn=perch.lean)
    head = at(*perch.head)
    brush.limb((at(0.16, 0.05), head), (0.19, 0.14), look.paint)
    if perch.seeds:
        for x, y in ((0.5, 0.02), (0.6, 0.015), (0.43, 0.015), (0.68, 0.025)):
            brush.disc((x, y), 0.025, (206, 170, 96))
    _head(brush, look, perch, head)
    if not perch.tucked:
        _leg(brush, at, perch, 1)
    else:
        brush.limb((at(-0.12, -0.16), at(-0.34, -0.2)), (0.03, 0.025), tone(_BEAK, 0.85))
    if perch.wing is None:
        _folded(brush, look, at, length)
    else:
        _wing(brush, look, perch, 1.0)
    anchor = (
        perch.body if pose.action == "flying" else (perch.body[0], -0.02) if pose.action == "climbing" else (0.0, 0.0)
    )
    return brush.sprite(
        stature, pose.facing, turn=perch.turn, flip=perch.flip, pivot=perch.body, anchor=anchor, rest=perch.flip
    )


def _perch(action: str, phase: float) -> _Perch:
    if action == "flying":
        return _fly(phase)
    if action == "walking":
        return _hop(phase, _HOP, 0.13, None)
    if action == "jumping":
        return _hop(phase, _LEAP, 0.55, 0.9)
    if action == "climbing":
        return _climb(phase)
    if action == "eating":
        peck = max(0.0, math.sin(phase)) ** 0.5 if math.sin(phase) > 0 else 0.12 * math.sin(phase)
        tip = 0.35 - 0.95 * max(0.0, peck)
        head = (0.3 + 0.1 * peck, 0.27 - 0.2 * peck)
        beak = 0.3 * max(0.0, math.cos(phase) * math.sin(phase) * 2)
        return _Perch((0.0, 0.5), tip, head, tip - 0.35 * peck, fan=0.1, beak=beak, seeds=True)
    if action == "rolling":
        kick = (0.05 * math.cos(2 * phase), 0.06 * math.sin(2 * phase))
        feet = ((0.1 + kick[0], 0.1 - kick[1]), (-0.06 - kick[0], 0.1 + kick[1]))
        turn, wing = 0.6 * math.sin(phase), -0.5 + 0.35 * math.sin(2 * phase)
        return _Perch((0.0, 0.5), 0.0, (0.3, 0.14), 0.1, feet, wing, turn=turn, flip=True)
    nod = math.sin(phase)
    return _Perch((0.0, 0.5 + 0.006 * nod), 0.4 + 0.03 * nod, gaze=0.1 * math.sin(2 * phase), fan=0.12 * nod)


def _fly(phase: float) -> _Perch:
    flap = math.sin(phase)
    body = (0.0, 0.5 - 0.05 * math.sin(phase + 0.6))
    return _Perch(body, 0.06, (0.36, 0.12), 0.0, wing=0.95 * flap + 0.15, fan=-0.06 * flap, tucked=True)


def _hop(phase: float, gait: Gait, height: float, flutter: float | None) -> _Perch:
    """Return a moment of hopping: both feet together rest on the ground, then move forwards through the air."""
    cycle, ground = phase / (2 * math.pi) % 1.0, 0.42
    half = gait.stride * ground / 2
    if cycle < ground:
        push = math.sin(math.pi * cycle / ground)
        ahead, rise, wing = half - gait.stride * cycle, 0.0, None
        body = (0.0, 0.5 - 0.12 * push)
        reach = 0.05 * push
    else:
        air = (cycle - ground) / (1 - ground)
        ahead, rise = -half * math.cos(math.pi * air), height * math.sin(math.pi * air)
        body = (0.0, 0.5 + rise)
        wing = None if flutter is None else flutter * math.cos(3 * math.pi * air) + 0.2
        reach = -0.06 * math.sin(math.pi * air)
    lift = rise * 1.12
    feet = ((ahead + 0.05, lift), (ahead - 0.03, lift))
    lean = 0.3 + (0.25 * math.cos(math.pi * min(1.0, cycle / ground)) * -1 if height > 0.3 else 0.0)
    return _Perch(body, lean, (0.28 + reach, 0.26 - reach * 0.4), 0.05, feet, wing, fan=reach)


def _climb(phase: float) -> _Perch:
    """Return a moment of climbing, upright, with the belly and both feet towards the support in front."""
    body, feet = (-0.1, 0.42 + 0.03 * math.sin(phase)), []
    for start in (math.pi, 0.0):
        cycle = (phase + start) / (2 * math.pi) % 1.0
        # Relative to the rising body, a holding foot goes down; then it swings back up.
        share = cycle / 0.6 if cycle < 0.6 else 1 - (cycle - 0.6) / 0.4
        half = _CLIMB.stride * 0.6 / 2
        out = 0.24 - (0.06 * math.sin(math.pi * (cycle - 0.6) / 0.4) if cycle > 0.6 else 0.0)
        feet.append((out, 0.34 + half - 2 * half * share))
    head = (0.33, 0.02 + 0.02 * math.sin(2 * phase))
    return _Perch(
        body, 1.35, head, 0.6 + 0.15 * math.sin(2 * phase), (feet[0], feet[1]), fan=0.05 + 0.06 * math.sin(phase)
    )


def _leg(brush: Brush, at: Place, perch: _Perch, number: int) -> None:
    colour = tone(_BEAK, 0.7 if number == 0 else 0.9)
    hip = at(0.02 if number else 0.07, -0.15)
    foot = perch.feet[number]
    knee, foot = two_bones(hip, (foot[0], foot[1] + 0.02), 0.17, 0.2, -1)
    brush.limb((hip, knee, foot), (0.035, 0.026, 0.022), colour)
    if perch.flip or hip[1] > foot[1] + 0.08:
        brush.limb(((foot[0] - 0.06, foot[1]), (foot[0] + 0.12, foot[1])), (0.018, 0.02), colour)
    else:
        brush.limb(((foot[0], foot[1] - 0.06), (foot[0], foot[1] + 0.11)), (0.018, 0.02), colour)


def _tail(brush: Brush, look: Look, perch: _Perch, length: float) -> None:
    at = placer(perch.body, perch.lean + perch.fan, 1.0)
    long = length + 0.24 + 0.12 * (look.build * 5 % 1)
    colour = tone(look.paint, 0.8)
    brush.polygon(
        (at(-0.2, 0.12), at(-long, 0.1), at(-long - 0.03, -0.02), at(-long + 0.04, -0.1), at(-0.2, -0.1)), colour
    )


def _folded(brush: Brush, look: Look, at: Place, length: float) -> None:
    wing = tone(look.accent, 0.85) if look.accent == look.paint else look.accent
    outline = (at(0.14, 0.12), at(0.02, 0.17), at(-0.2, 0.1), at(-length - 0.1, -0.02), at(-0.2, -0.1), at(0.02, -0.1),
               at(0.13, -0.02))  # fmt: skip
    brush.polygon(outline, wing)
    dark = tone(wing, 0.8)
    brush.limb((at(-0.28, 0.02), at(0.0, 0.03)), (0.012, 0.012), dark)
    brush.limb((at(-0.26, -0.04), at(0.0, -0.03)), (0.012, 0.012), dark)


def _wing(brush: Brush, look: Look, perch: _Perch, light: float) -> None:
    """Draw a spread wing, made of an arm that leads and a hand that follows."""
    raised = perch.wing or 0.0
    angle = raised if light == 1.0 else raised * 0.92 + 0.08
    at = placer(perch.body, perch.lean, 1.0)
    up, tip = math.sin(angle), math.sin(angle * 1.25 - 0.1)
    shift = 0.0 if light == 1.0 else 0.1
    back = 0.1 * math.cos(angle)
    root, rear = (0.16 + shift, 0.1), (-0.22 + shift, 0.06)
    elbow = (0.14 + shift, 0.1 + 0.36 * up)
    point = (-0.2 + shift - back, 0.1 + 0.86 * tip)
    trail = (-0.34 + shift - back, 0.08 + 0.42 * (up + tip) / 2)
    # The farther a wing is from vertical, the narrower it looks from the side; a level wing shows only its edge.
    colour = tone(look.paint, 0.88 * light)
    brush.polygon((at(*root), at(*elbow), at(*point), at(*trail), at(*rear)), colour)
    dark = tone(look.accent, (0.7 if look.accent == look.paint else 1.0) * light)
    brush.polygon((at(*point), at(*trail), at(*rear), at((rear[0] + elbow[0]) / 2, (rear[1] + elbow[1]) / 2)), dark)


def _head(brush: Brush, look: Look, perch: _Perch, head: Point) -> None:
    size = 0.165
    at = placer(head, perch.gaze, size)
    if look.build * 11 % 1 < 0.35:
        brush.polygon((at(0.3, 0.8), at(-0.5, 1.7), at(-0.7, 0.5)), tone(look.paint, 0.85))
    long = 1.75 + 0.6 * (look.build * 3 % 1)
    gap = perch.beak
    brush.polygon((at(0.75, -0.05), at(long - 0.1, -0.25 - gap), at(0.7, -0.5)), tone(_BEAK, 0.8))
    brush.disc(head, size, look.paint)
    brush.polygon((at(0.8, 0.28), at(long, -0.12 + gap * 0.5), at(0.8, -0.25)), _BEAK)
    brush.disc(at(0.35, 0.2), size * 0.3, (245, 245, 240))
    brush.disc(at(0.4, 0.2), size * 0.2, (20, 18, 18))
