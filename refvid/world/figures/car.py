"""Cars seen from the side."""

import math
from dataclasses import dataclass

from refvid.world.figures.brush import Brush, Point, rounded
from refvid.world.figures.tint import blend, tone
from refvid.world.scene import RGB, Gait, Look, Pose, Sprite

_WHEEL = 0.2
_LEAP = Gait(3.0, 0.6)
GAITS: dict[tuple[str, str], Gait] = {
    ("car", "running"): Gait(2 * math.pi * _WHEEL, 1.6),
    # A car that rolls over advances by about its circumference.
    ("car", "rolling"): Gait(5.5, 0.45),
    ("car", "jumping"): _LEAP,
    ("car", "flying"): Gait(3.0, 0.7),
    ("car", "none"): Gait(0.0, 0.0),
}
_GLASS: RGB = (74, 92, 112)
_TYRE: RGB = (34, 34, 38)
_ARCH = tuple(math.pi * number / 12 for number in range(13))


@dataclass(frozen=True)
class _Body:
    """A type of car, in statures, with the front at the right.

    Attributes:
        outline: Outline of the painted body without the wheels.
        windows: One polygon per pane.
        wheels: Positions of the axles.
        belt: Height of the line below the windows.
        load: Outline of a box or bed behind the cab, in a shade of the paint; may be empty.
        doors: Positions of the door's edges.
    """

    outline: tuple[Point, ...]
    windows: tuple[tuple[Point, ...], ...]
    wheels: tuple[float, float]
    belt: float
    doors: tuple[float, ...]
    load: tuple[Point, ...] = ()


_BODIES = (
    _Body(  # sedan
        ((-1.32, 0.2), (1.3, 0.2), (1.36, 0.42), (1.26, 0.56), (0.66, 0.66), (0.28, 0.98), (-0.5, 1.0), (-0.92, 0.7),
         (-1.3, 0.66), (-1.36, 0.44)),
        (((0.06, 0.66), (0.5, 0.66), (0.22, 0.91), (0.06, 0.92)), ((-0.02, 0.66), (-0.02, 0.92), (-0.46, 0.93),
         (-0.74, 0.68))),
        (-0.82, 0.82), 0.6, (0.02, -0.5),
    ),
    _Body(  # hatchback
        ((-1.02, 0.2), (1.02, 0.2), (1.08, 0.42), (0.98, 0.56), (0.52, 0.66), (0.16, 0.98), (-0.78, 1.0), (-1.0, 0.68),
         (-1.06, 0.44)),
        (((-0.06, 0.66), (0.38, 0.66), (0.1, 0.91), (-0.06, 0.92)), ((-0.14, 0.66), (-0.14, 0.92), (-0.7, 0.93),
         (-0.86, 0.68))),
        (-0.66, 0.62), 0.6, (-0.1,),
    ),
    _Body(  # van
        ((-1.12, 0.18), (1.1, 0.18), (1.14, 0.42), (1.04, 0.56), (0.8, 0.94), (0.66, 1.0), (-1.08, 1.0), (-1.14, 0.9)),
        (((0.4, 0.62), (0.9, 0.62), (0.72, 0.9), (0.4, 0.9)), ((0.3, 0.62), (0.3, 0.9), (-0.2, 0.9), (-0.2, 0.62)),
         ((-0.3, 0.62), (-0.3, 0.9), (-0.98, 0.9), (-0.98, 0.62))),
        (-0.72, 0.7), 0.55, (0.35, -0.25),
    ),
    _Body(  # pickup
        ((-1.4, 0.22), (1.34, 0.22), (1.4, 0.44), (1.3, 0.6), (0.74, 0.66), (0.44, 0.98), (-0.16, 1.0), (-0.24, 0.62),
         (-1.4, 0.62)),
        (((0.2, 0.66), (0.6, 0.66), (0.38, 0.91), (0.2, 0.92)), ((0.12, 0.66), (0.12, 0.92), (-0.1, 0.93),
         (-0.14, 0.66))),
        (-0.86, 0.86), 0.56, (0.16, -0.24),
    ),
    _Body(  # small truck
        ((-1.3, 0.2), (1.16, 0.2), (1.2, 0.44), (1.14, 0.56), (1.0, 0.84), (0.48, 0.86), (0.44, 0.34), (-1.3, 0.34)),
        (((0.62, 0.54), (1.04, 0.54), (0.92, 0.78), (0.62, 0.78)),),
        (-0.8, 0.76), 0.48, (0.56,), ((-1.32, 0.32), (0.38, 0.32), (0.38, 1.0), (-1.32, 1.0)),
    ),
)  # fmt: skip


def draw_car(look: Look, pose: Pose, stature: float) -> Sprite:
    """Draw a car.

    Args:
        look: Look of kind "car".
        pose: Pose with any action of cars; the wheels of a driving car turn once per cycle.
        stature: Height in pixels from the ground to the roof.

    Returns:
        The sprite; the anchor of a flying car is its middle.
    """
    body = _BODIES[int(look.build * len(_BODIES))]
    brush = Brush()
    tilt, rise, spin, middle, lift = 0.0, 0.0, pose.phase, (0.0, 0.5), 0.0
    anchor, rest = (0.0, 0.0), False
    if pose.action == "flying":
        tilt, anchor = 0.22 + 0.2 * math.sin(pose.phase), middle
    elif pose.action == "rolling":
        # It rolls over its nose: clockwise if it faces right.
        tilt, rest = -pose.phase, True
    elif pose.action == "jumping":
        tilt, rise = _leap(pose.phase)
        middle, anchor = (0.0, 0.2), (0.0, -rise)
    elif pose.action == "none":
        spin = 0.3
    elif pose.action == "running":
        # The body moves on its springs, while the wheels stay on the road.
        lift = 0.008 * math.sin(2 * pose.phase)
    _paintwork(brush, look, body)
    brush.lift(lift)
    for axle in body.wheels:
        _wheel(brush, axle, spin)
    return brush.sprite(stature, pose.facing, turn=tilt, pivot=middle, anchor=anchor, rest=rest)


def _leap(phase: float) -> tuple[float, float]:
    """Return the tilt and height of a leap, in which the nose goes up first and comes down first."""
    cycle, ground = phase / (2 * math.pi) % 1.0, 0.25
    if cycle < ground:
        return -0.03 * math.sin(2 * math.pi * cycle / ground), 0.0
    air = (cycle - ground) / (1 - ground)
    # Lift a little more than the tilt alone requires, so that no wheel dips into the ground.
    tilt = 0.32 * math.cos(math.pi * air) * math.sin(math.pi * air) ** 0.5
    return tilt, 2.2 * air * (1 - air) + 0.8 * abs(math.sin(tilt))


def _paintwork(brush: Brush, look: Look, body: _Body) -> None:
    left, right = body.outline[0][0], body.outline[1][0]
    brush.polygon(rounded(body.outline, 2), look.paint)
    if body.load:
        brush.polygon(rounded(body.load, 1), tone(look.paint, 1.12))
        brush.limb(((left + 0.05, 0.36), (0.34, 0.36)), (0.02, 0.02), tone(look.paint, 0.75))
    dark = tone(look.paint, 0.72)
    brush.polygon(((left + 0.03, 0.2), (right - 0.02, 0.2), (right + 0.03, 0.31), (left, 0.31)), dark)
    if look.pattern == "striped":
        _stripes(brush, look, body)
    for pane in body.windows:
        brush.polygon(pane, _GLASS)
        low, high = min(pane), max(pane)
        x = (low[0] + high[0]) / 2
        bottom, top = min(y for _, y in pane), max(y for _, y in pane)
        brush.polygon(
            ((x - 0.1, bottom), (x - 0.03, bottom), (x + 0.06, top - 0.01), (x - 0.01, top - 0.01)), (128, 148, 166)
        )
    for x in body.doors:
        brush.limb(((x, 0.31), (x, body.belt + 0.04)), (0.009, 0.009), dark)
        brush.limb(((x - 0.16, body.belt - 0.03), (x - 0.06, body.belt - 0.03)), (0.014, 0.014), dark)
    brush.disc((right - 0.0, 0.45), 0.055, (252, 238, 170), squash=1.5)
    brush.polygon(((left - 0.03, 0.4), (left + 0.05, 0.4), (left + 0.05, 0.54), (left - 0.02, 0.54)), (190, 30, 34))
    for end, way in ((left, 1), (right, -1)):
        brush.limb(((end - 0.03 * way, 0.26), (end + 0.12 * way, 0.26)), (0.045, 0.04), (92, 94, 100))


def _stripes(brush: Brush, look: Look, body: _Body) -> None:
    left, right = body.outline[0][0], body.outline[1][0]
    if body.load:
        for number in range(3):
            y = 0.46 + 0.18 * number
            brush.polygon(((left, y), (0.36, y), (0.36, y + 0.08), (left, y + 0.08)), look.accent)
        return
    for y in (0.35, 0.47):
        brush.polygon(((left, y), (right + 0.02, y), (right + 0.02, y + 0.07), (left, y + 0.07)), look.accent)


def _wheel(brush: Brush, axle: float, spin: float) -> None:
    # The arch above the wheel ends at the sill.
    arch = [(axle + 1.2 * _WHEEL * math.cos(turn), _WHEEL + 1.2 * _WHEEL * math.sin(turn)) for turn in _ARCH]
    brush.polygon(arch, (22, 22, 26))
    brush.disc((axle, _WHEEL), _WHEEL, _TYRE)
    brush.disc((axle, _WHEEL), _WHEEL * 0.66, (196, 198, 204))
    for number in range(5):
        turn = -spin + 2 * math.pi * number / 5
        rim = (axle + _WHEEL * 0.62 * math.cos(turn), _WHEEL + _WHEEL * 0.62 * math.sin(turn))
        # One spoke is darker, so that the rotation is visible.
        brush.limb(((axle, _WHEEL), rim), (0.02, 0.024), blend(_TYRE, (196, 198, 204), 0.0 if number == 0 else 0.3))
    brush.disc((axle, _WHEEL), _WHEEL * 0.2, (150, 152, 158))
