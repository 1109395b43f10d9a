"""The elements of people's motions: bodies, joints, ways to bend them, and the distance covered by each motion."""

import math
from dataclasses import dataclass, replace
from itertools import pairwise

from refvid.world.figures.ink import Point
from refvid.world.scene import Gait

GAITS: dict[tuple[str, str], Gait] = {
    ("adult", "climbing"): Gait(0.42, 0.6, vertical=True),
    ("adult", "crawling"): Gait(0.4, 0.8),
    ("adult", "eating"): Gait(0.0, 0.4),
    ("adult", "jumping"): Gait(0.6, 0.9),
    ("adult", "rolling"): Gait(1.5, 0.6),
    ("adult", "running"): Gait(1.4, 1.4),
    ("adult", "walking"): Gait(0.8, 0.95),
    ("adult", "none"): Gait(0.0, 0.25),
    ("baby", "climbing"): Gait(0.3, 0.6, vertical=True),
    ("baby", "crawling"): Gait(0.36, 1.1),
    ("baby", "rolling"): Gait(1.7, 0.35),
    ("baby", "walking"): Gait(0.4, 1.2),
    ("baby", "none"): Gait(0.0, 0.4),
}


@dataclass(frozen=True)
class Body:
    """Lengths of a body in statures; the radii of limbs are set where they are drawn."""

    thigh: float
    shin: float
    ankle: float
    heel: float
    ball: float
    torso: float
    neck: float
    upper_arm: float
    forearm: float
    head: float
    across: float

    @property
    def leg(self) -> float:
        """Length of the leg from hip to ankle."""
        return self.thigh + self.shin

    @property
    def standing(self) -> float:
        """Height of the hip when standing."""
        return self.ankle + 0.985 * self.leg


BODIES = {
    "adult": Body(0.235, 0.225, 0.036, 0.03, 0.06, 0.285, 0.145, 0.15, 0.14, 0.072, 0.034),
    "baby": Body(0.155, 0.14, 0.04, 0.035, 0.06, 0.31, 0.205, 0.125, 0.11, 0.145, 0.05),
}


@dataclass(frozen=True)
class Limb:
    """An arm (shoulder, elbow, hand) or a leg (hip, knee, ankle), with the pitch of its foot in radians, toes up."""

    root: Point
    middle: Point
    end: Point
    pitch: float = 0.0


@dataclass(frozen=True)
class Skeleton:
    """The positions of the joints; of arms and legs, the far one comes first.

    `tilt` is the forward tilt of the head in radians.
    """

    hip: Point
    chest: Point
    head: Point
    tilt: float
    arms: tuple[Limb, Limb]
    legs: tuple[Limb, Limb]
    back: bool = False
    food: bool = False


def chance(build: float, salt: int) -> float:
    """Return a number in [0, 1) determined by a build, and seemingly unrelated to those for other salts."""
    return math.sin(build * 917.0 + salt * 78.233) * 43758.5453 % 1.0


def turned(skeleton: Skeleton, angle: float, centre: Point) -> Skeleton:
    """Return the skeleton turned forwards (clockwise) about a centre, by an angle in radians."""
    c, s = math.cos(angle), math.sin(angle)

    def spin(point: Point) -> Point:
        x, y = point[0] - centre[0], point[1] - centre[1]
        return (centre[0] + x * c + y * s, centre[1] - x * s + y * c)

    def spun(limb: Limb) -> Limb:
        return Limb(spin(limb.root), spin(limb.middle), spin(limb.end), limb.pitch - angle)

    return replace(
        skeleton,
        hip=spin(skeleton.hip),
        chest=spin(skeleton.chest),
        head=spin(skeleton.head),
        tilt=skeleton.tilt + angle,
        arms=(spun(skeleton.arms[0]), spun(skeleton.arms[1])),
        legs=(spun(skeleton.legs[0]), spun(skeleton.legs[1])),
    )


def bend(root: Point, goal: Point, first: float, second: float, side: float, pitch: float = 0.0) -> Limb:
    """Return a limb of two links that reaches for a goal; its joint bends forwards (side 1) or backwards (-1)."""
    dx, dy = goal[0] - root[0], goal[1] - root[1]
    far = min(max(math.hypot(dx, dy), abs(first - second) + 1e-4), first + second - 1e-4)
    towards = math.atan2(dx, -dy)
    corner = math.acos(max(-1.0, min(1.0, (first * first + far * far - second * second) / (2 * first * far))))
    angle = towards + side * corner
    middle = (root[0] + first * math.sin(angle), root[1] - first * math.cos(angle))
    return Limb(root, middle, (root[0] + far * math.sin(towards), root[1] - far * math.cos(towards)), pitch)


def hang(body: Body, root: Point, shoulder: float, elbow: float) -> Limb:
    """Return an arm at an angle from straight down to forwards, with its elbow bent forwards."""
    middle = (root[0] + body.upper_arm * math.sin(shoulder), root[1] - body.upper_arm * math.cos(shoulder))
    bent = shoulder + elbow
    return Limb(root, middle, (middle[0] + body.forearm * math.sin(bent), middle[1] - body.forearm * math.cos(bent)))


def upright(body: Body, hip: Point, lean: float, nod: float = 0.0) -> tuple[Point, Point, float]:
    """Return the chest, the head and the head's tilt for a trunk that leans forwards."""
    chest = (hip[0] + body.torso * math.sin(lean), hip[1] + body.torso * math.cos(lean))
    tilt = lean * 0.4 + nod
    turn = lean * 0.7 + nod * 0.5
    return chest, (chest[0] + body.neck * math.sin(turn) + 0.012, chest[1] + body.neck * math.cos(turn)), tilt


def sides(body: Body, point: Point) -> tuple[Point, Point]:
    """Return the far and the near shoulder (or hip) in three-quarter view."""
    return (point[0] + body.across, point[1] + 0.004), (point[0] - body.across, point[1] - 0.004)


def ease(value: float) -> float:
    """Return a smooth step from 0 to 1."""
    value = max(0.0, min(1.0, value))
    return value * value * (3 - 2 * value)


def keys(turn: float, *moments: tuple[float, float]) -> float:
    """Return the smooth interpolation of (moment in [0, 1), value) keys of a cycle, given in chronological order."""
    turn %= 1.0
    ring = (*moments, (moments[0][0] + 1.0, moments[0][1]))
    if turn < moments[0][0]:
        turn += 1.0
    for (before, a), (after, b) in pairwise(ring):
        if turn <= after:
            return a + (b - a) * ease((turn - before) / (after - before))
    return moments[0][1]


def planted(body: Body, flat: float, pitch: float) -> Point:
    """Return the ankle of a planted foot, which pivots on heel or ball without sliding.

    `flat` is the position of the sole when it is flat.
    """
    pivot = -body.heel if pitch > 0 else body.ball
    c, s = math.cos(pitch), math.sin(pitch)
    return (flat + pivot - pivot * c - body.ankle * s, -pivot * s + body.ankle * c)


def step(body: Body, turn: float, front: float, travel: float, duty: float, lift: float) -> tuple[Point, float, bool]:
    """Return the ankle, the pitch, and whether the foot is planted, for a leg that comes down at turn 0.

    Args:
        body: Body that the foot belongs to.
        turn: Moment of the cycle, in [0, 1).
        front: Distance in statures before the hip at which the foot comes down.
        travel: Distance that it moves back on the ground.
        duty: Fraction of the cycle spent on the ground.
        lift: Height that it rises to in between.
    """
    if turn < duty:
        stood = turn / duty
        pitch = 0.3 * max(0.0, 1 - stood / 0.18) - 0.85 * max(0.0, (stood - 0.6) / 0.4) ** 1.5
        return planted(body, front - travel * stood, pitch), pitch, True
    swung = (turn - duty) / (1 - duty)
    start, end = planted(body, front - travel, -0.85), planted(body, front, 0.3)
    along, early = ease(swung), math.sin(math.pi * swung**0.75)
    height = start[1] + (end[1] - start[1]) * along + lift * early
    return (start[0] + (end[0] - start[0]) * along, height), -0.85 + 1.15 * along - 0.3 * early, False
