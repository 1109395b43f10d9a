"""The positions of a dog's or cat's joints at each moment of its motions."""

import math
from dataclasses import dataclass

from refvid.world.figures.brush import Point
from refvid.world.scene import Gait

# Order of the legs in a stance; the far ones are painted first.
LEGS = ("far front", "far hind", "near front", "near hind")


@dataclass(frozen=True)
class Frame:
    """Measures of a breed, in statures.

    Attributes:
        joint: Height of hips and shoulders when standing.
        length: Distance from hip to shoulder.
        neck: Distance from the shoulder to the middle of the head when standing.
        tail: Angle of the tail's root (radians, pi is straight back), its bend, and the amplitude of wagging.
        sits: Whether the animal sits when idle.
    """

    joint: float
    length: float
    neck: Point
    tail: tuple[float, float, float]
    sits: bool


@dataclass(frozen=True)
class Stance:
    """A moment in the motion of a dog or cat.

    Attributes:
        hip: Joint of the hind legs.
        shoulder: Joint of the front legs.
        arch: Height of the middle of the back above the line between hip and shoulder.
        head: Middle of the head.
        gaze: Direction of the snout, in radians above forwards.
        feet: Four feet, in the order of `LEGS`.
        heel: Lean of the hind feet, in radians back from upright; None to follow the leg.
        tail: Angle of the root, bend and sway, in radians.
        jaw: Opening angle of the mouth, in radians.
        food: Whether there is food under the snout.
        turn: Turn of the whole figure about its pivot, in radians.
        flip: Whether it lies on its back.
        pivot: Pivot of the turn.
    """

    hip: Point
    shoulder: Point
    arch: float
    head: Point
    gaze: float
    feet: tuple[Point, Point, Point, Point]
    heel: float | None
    tail: tuple[float, float, float]
    jaw: float = 0.0
    food: bool = False
    turn: float = 0.0
    flip: bool = False
    pivot: Point = (0.0, 0.0)


_TROT = {"dog": Gait(0.95, 1.5), "cat": Gait(0.85, 1.4)}
_GALLOP = {"dog": Gait(2.3, 1.9), "cat": Gait(2.2, 2.0)}
_LEAP = Gait(1.3, 0.9)
_CRAWL = Gait(0.5, 0.9)
_CLIMB = Gait(0.55, 1.2, vertical=True)
_CHEW, _ROLL, _REST = Gait(0.0, 1.4), Gait(0.0, 0.8), Gait(0.0, 0.7)
GAITS: dict[tuple[str, str], Gait] = {
    **{(kind, "walking"): gait for kind, gait in _TROT.items()},
    **{(kind, "running"): gait for kind, gait in _GALLOP.items()},
    **{(kind, "jumping"): _LEAP for kind in _TROT},
    **{(kind, "eating"): _CHEW for kind in _TROT},
    **{(kind, "rolling"): _ROLL for kind in _TROT},
    **{(kind, "none"): _REST for kind in _TROT},
    ("dog", "crawling"): _CRAWL,
    ("cat", "climbing"): _CLIMB,
}


def footstep(cycle: float, stride: float, duty: float, lift: float, reach: float = 0.0) -> Point:
    """Return the position of a foot relative to the middle of its stance.

    A planted foot moves back exactly as fast as the body moves forwards, so that it stays in place on the ground.

    Args:
        cycle: Number of cycles since the foot came down; any real number.
        stride: Distance the body travels in one cycle.
        duty: Fraction of the cycle in which the foot is planted.
        lift: Height of the swing.
        reach: Distance by which the swing goes beyond both ends of the stance.
    """
    cycle %= 1.0
    half = stride * duty / 2
    if cycle < duty:
        return half - stride * cycle, 0.0
    swing = (cycle - duty) / (1 - duty)
    return -half * math.cos(math.pi * swing) - reach * math.sin(2 * math.pi * swing), lift * math.sin(math.pi * swing)


def stance_of(kind: str, action: str, phase: float, frame: Frame) -> Stance:
    """Return the stance of a dog or cat.

    Args:
        kind: "dog" or "cat".
        action: Any of the kind's actions.
        phase: Phase of the motion's cycle, in radians.
        frame: Measures of the breed.
    """
    cycle = phase / (2 * math.pi)
    if action == "walking":
        return _walk(GAITS[kind, action].stride, cycle, frame)
    if action == "running":
        return _gallop(GAITS[kind, action].stride, cycle, frame)
    if action == "crawling":
        return _crawl(cycle, frame)
    if action == "climbing":
        return _climb(cycle, frame)
    if action == "jumping":
        return _leap(cycle % 1.0, frame)
    if action == "eating":
        return _eat(phase, frame)
    if action == "rolling":
        return _roll(phase, frame)
    return _sit(phase, frame) if frame.sits else _stand(phase, frame)


def _plus(point: Point, dx: float, dy: float) -> Point:
    return point[0] + dx, point[1] + dy


def _ground(frame: Frame) -> tuple[Point, Point]:
    """Return the ground positions of a front and a hind foot."""
    return (frame.length / 2 + 0.01, 0.0), (-frame.length / 2 - 0.03, 0.0)


def _joints(frame: Frame, drop: float = 0.0, pitch: float = 0.0, gather: float = 0.0) -> tuple[Point, Point]:
    """Return the hip and shoulder when lowered, pitched (shoulder up) and drawn together."""
    half = frame.length / 2 * (1 - gather)
    return (-half, frame.joint - drop - pitch), (half, frame.joint - drop + pitch)


def _stepping(
    frame: Frame, cycle: float, starts: tuple[float, float, float, float], step: tuple[float, float, float, float]
) -> tuple[Point, Point, Point, Point]:
    """Return the feet, each with its own start in the cycle; `step` holds the remaining arguments of `footstep`."""
    front, hind = _ground(frame)
    feet = [
        _plus(place, *footstep(cycle + start, *step))
        for place, start in zip((front, hind, front, hind), starts, strict=True)
    ]
    return feet[0], feet[1], feet[2], feet[3]


def _wag(frame: Frame, phase: float, rise: float = 0.0) -> tuple[float, float, float]:
    root, bend, sway = frame.tail
    return root + sway * 0.5 * math.sin(phase) - rise, bend, sway * math.sin(phase - 0.9)


def _stand(phase: float, frame: Frame) -> Stance:
    hip, shoulder = _joints(frame, drop=0.006 * math.sin(phase))
    front, hind = _ground(frame)
    feet = (_plus(front, 0.07, 0), _plus(hind, 0.08, 0), front, _plus(hind, -0.02, 0))
    head = _plus(shoulder, frame.neck[0] + 0.008 * math.cos(phase), frame.neck[1] + 0.016 * math.sin(phase))
    return Stance(hip, shoulder, 0.0, head, 0.08 * math.sin(phase), feet, None, _wag(frame, 2 * phase))


def _sit(phase: float, frame: Frame) -> Stance:
    hip, slope, long = (-0.18, 0.18), 0.88, frame.length * 0.62
    shoulder = _plus(hip, long * math.cos(slope), long * math.sin(slope) + 0.004 * math.sin(phase))
    front, hind = (shoulder[0] + 0.03, 0.0), (hip[0] + 0.2, 0.0)
    feet = (_plus(front, 0.06, 0), _plus(hind, 0.06, 0), front, hind)
    head = _plus(shoulder, frame.neck[0] * 0.55, frame.neck[1] + 0.03 + 0.014 * math.sin(phase))
    _, bend, sway = frame.tail
    # The tail lies on the ground; its tip curls up a little and sweeps.
    tail = (math.pi + 0.12 + 0.1 * math.sin(2 * phase), -abs(bend) * 0.55 - 0.3, sway * math.sin(2 * phase))
    return Stance(hip, shoulder, 0.03, head, 0.1 * math.sin(phase), feet, 1.2, tail)


def _walk(stride: float, cycle: float, frame: Frame) -> Stance:
    phase = 2 * math.pi * cycle
    hip, shoulder = _joints(frame, drop=0.02 + 0.014 * math.cos(2 * phase))
    feet = _stepping(frame, cycle, (0.5, 0.02, 0.0, 0.52), (stride, 0.56, 0.11, 0.0))
    head = _plus(shoulder, frame.neck[0] + 0.015, frame.neck[1] - 0.02 + 0.018 * math.cos(2 * phase + 0.6))
    return Stance(hip, shoulder, 0.0, head, 0.0, feet, None, _wag(frame, phase))


def _gallop(stride: float, cycle: float, frame: Frame) -> Stance:
    phase = 2 * math.pi * cycle
    # 1 if all feet are gathered under the body, -1 if the body is stretched out.
    gather = math.cos(phase - 2 * math.pi * 0.44)
    pitch = 0.05 * math.cos(phase - 2 * math.pi * 0.75)
    hip, shoulder = _joints(frame, -0.03 * math.cos(2 * phase - 2 * math.pi * 0.88), pitch, 0.1 * gather - 0.02)
    feet = _stepping(frame, cycle, (0.88, 0.42, 0.0, 0.5), (stride, 0.24, 0.2, 0.15))
    head = (shoulder[0] + frame.neck[0] + 0.07, shoulder[1] + frame.neck[1] * 0.62 - pitch)
    root, bend, _ = frame.tail
    tail = (0.35 * root + 0.65 * (math.pi - 0.12) + 0.2 * gather, bend * 0.35, 0.25 * math.sin(phase))
    return Stance(hip, shoulder, 0.03 + 0.1 * gather, head, -0.08 + pitch, feet, None, tail, jaw=0.25)


def _crawl(cycle: float, frame: Frame) -> Stance:
    phase = 2 * math.pi * cycle
    hip, shoulder = _joints(frame, drop=frame.joint - 0.27 + 0.008 * math.cos(2 * phase), pitch=0.012 * math.sin(phase))
    feet = _stepping(frame, cycle, (0.5, 0.0, 0.0, 0.5), (_CRAWL.stride, 0.6, 0.07, 0.0))
    feet = (_plus(feet[0], 0.12, 0), _plus(feet[1], 0.14, 0), _plus(feet[2], 0.12, 0), _plus(feet[3], 0.14, 0))
    head = _plus(shoulder, frame.neck[0] + 0.1, 0.05 + 0.012 * math.sin(2 * phase))
    tail = (math.pi + 0.1, -0.15, 0.35 * math.sin(phase))
    return Stance(hip, shoulder, 0.0, head, 0.0, feet, 0.9, tail)


def _climb(cycle: float, frame: Frame) -> Stance:
    phase = 2 * math.pi * cycle
    hip, shoulder = _joints(frame, drop=0.12, gather=0.04 * math.cos(2 * phase))
    feet = _stepping(frame, cycle, (0.5, 0.0, 0.0, 0.5), (_CLIMB.stride, 0.6, 0.1, 0.0))
    feet = (_plus(feet[0], 0.2, 0), _plus(feet[1], 0.04, 0), _plus(feet[2], 0.2, 0), _plus(feet[3], 0.04, 0))
    head = _plus(shoulder, frame.neck[0] + 0.07, frame.neck[1] * 0.45 + 0.01 * math.sin(phase))
    tail = (math.pi - 0.1, 0.5, 0.3 * math.sin(phase))
    return Stance(hip, shoulder, 0.02, head, -0.6, feet, None, tail, turn=math.pi / 2, pivot=(0.0, frame.joint * 0.8))


def _leap(cycle: float, frame: Frame) -> Stance:
    ground = 0.32
    half = _LEAP.stride * ground / 2
    front, hind = _ground(frame)
    if cycle < ground:
        crouch = math.sin(math.pi * cycle / ground)
        pitch, height, tuck = 0.16 * -math.cos(math.pi * cycle / ground) * (1 - crouch), -0.18 * crouch, 0.0
        ahead = half - _LEAP.stride * cycle
        gaze = 0.1 * crouch
    else:
        air = (cycle - ground) / (1 - ground)
        pitch, height, tuck = 0.16 * math.cos(math.pi * air), 2.5 * air * (1 - air), math.sin(math.pi * air)
        ahead = -half * math.cos(math.pi * air) - 0.12 * math.sin(2 * math.pi * air)
        gaze = 0.5 * math.cos(math.pi * air)
    hip, shoulder = _joints(frame, -height, pitch)
    rise = max(0.0, height)
    near = (_plus(front, ahead + 0.22 * tuck, rise + 0.16 * tuck + max(0.0, pitch) * (1 if tuck else 0)),
            _plus(hind, ahead - 0.16 * tuck, rise + 0.14 * tuck))  # fmt: skip
    feet = (_plus(near[0], 0.07, 0.03 * tuck), _plus(near[1], 0.07, 0.03 * tuck), *near)
    head = (shoulder[0] + frame.neck[0] + 0.03, shoulder[1] + frame.neck[1] * (0.85 - 0.2 * tuck) + pitch * 0.5)
    root, bend, _ = frame.tail
    tail = (0.5 * root + 0.5 * math.pi + 0.6 * pitch * 3, bend * 0.6, 0.0)
    return Stance(hip, shoulder, 0.04 - 0.06 * tuck, head, gaze, feet, None, tail)


def _eat(phase: float, frame: Frame) -> Stance:
    hip, shoulder = _joints(frame, drop=0.05, pitch=-0.06)
    front, hind = _ground(frame)
    feet = (_plus(front, 0.1, 0), _plus(hind, 0.08, 0), _plus(front, -0.05, 0), _plus(hind, -0.02, 0))
    dip = 0.5 + 0.5 * math.sin(phase)
    head = (shoulder[0] + 0.3 + 0.012 * math.cos(phase), 0.245 + 0.05 * dip)
    jaw = 0.3 + 0.3 * math.cos(2 * phase)
    return Stance(hip, shoulder, 0.0, head, -0.75 + 0.12 * dip, feet, None, _wag(frame, phase), jaw, food=True)


def _roll(phase: float, frame: Frame) -> Stance:
    hip, shoulder = _joints(frame, pitch=-0.02)
    feet: list[Point] = []
    for number, (place, start) in enumerate(zip((1, -1, 1, -1), (0.4, 2.2, 3.3, 5.2), strict=True)):
        turn = (1 + number % 2) * phase + start
        near = 0.06 if number >= 2 else 0.0
        x = place * (frame.length / 2 - 0.02) + 0.15 * math.cos(turn) + near
        feet.append((x, 0.09 + 0.09 * math.sin(turn)))
    head = _plus(shoulder, frame.neck[0] + 0.05, frame.neck[1] * 0.25)
    tail = (math.pi + 0.35, 0.9, 0.5 * math.sin(2 * phase))
    return Stance(
        hip, shoulder, 0.05, head, 0.35, (feet[0], feet[1], feet[2], feet[3]), None, tail, jaw=0.15,
        turn=0.4 * math.sin(phase), flip=True, pivot=(0.0, frame.joint)
    )  # fmt: skip
