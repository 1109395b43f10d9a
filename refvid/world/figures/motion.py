"""The motions of people: the position of every joint at each moment; feet planted on the ground do not slide."""

import math
from collections.abc import Callable
from dataclasses import replace

from refvid.world.figures.gait import (
    BODIES,
    GAITS,
    Body,
    Limb,
    Skeleton,
    bend,
    chance,
    ease,
    hang,
    keys,
    planted,
    sides,
    step,
    turned,
    upright,
)
from refvid.world.figures.ink import Point


def posed(kind: str, action: str, phase: float, build: float) -> Skeleton:
    """Return the skeleton at a moment of a motion.

    Args:
        kind: "adult" or "baby".
        action: Action in `GAITS` for the kind; any other is drawn as standing.
        phase: Phase of the cycle, in radians.
        build: Number that decides the posture if an action allows several.
    """
    body = BODIES[kind]
    stride = GAITS[kind, action].stride if (kind, action) in GAITS else 0.0
    return _MOTIONS.get(action, _stand)(body, phase, build, stride)


def _legs(
    body: Body, turn: float, front: float, travel: float, duty: float, lift: float, most: float, hop: float = 0.0
) -> tuple[Point, tuple[Limb, Limb]]:
    """Return the hip and both legs of a gait; the hip is as high as the planted legs allow, but at most `most`."""
    steps = [step(body, (turn + shift) % 1.0, front, travel, duty, lift) for shift in (0.5, 0.0)]
    height = most
    for foot, _, stands in steps:
        if stands:
            height = min(height, foot[1] + math.sqrt(max((0.995 * body.leg) ** 2 - foot[0] ** 2, 0.0)))
    hip = (0.0, height + hop)
    far, near = (
        bend(root, (foot[0] + root[0], foot[1] + hop), body.thigh, body.shin, 1, pitch)
        for root, (foot, pitch, _) in zip(sides(body, hip), steps, strict=True)
    )
    return hip, (far, near)


def _walk(body: Body, phase: float, build: float, stride: float) -> Skeleton:
    baby = body.head > 0.1
    turn, duty = phase / math.tau % 1.0, 0.62
    hip, legs = _legs(body, turn, stride * 0.29, stride * duty, duty, 0.03, body.standing)
    swing = math.cos(phase)
    chest, head, tilt = upright(body, hip, 0.04 + 0.05 * chance(build, 3) + 0.05 * math.sin(phase) * baby)
    far, near = sides(body, chest)
    if baby:  # toddlers raise their arms to keep their balance
        arms = hang(body, far, 0.8 + 0.25 * swing, 1.1), hang(body, near, 0.35 - 0.25 * swing, 1.2)
    else:
        reach = 0.45 + 0.15 * chance(build, 4)
        arms = (
            hang(body, far, reach * swing, 0.32 + 0.2 * swing),
            hang(body, near, -reach * swing, 0.32 - 0.2 * swing),
        )
    return Skeleton(hip, chest, head, tilt, arms, legs)


def _run(body: Body, phase: float, build: float, stride: float) -> Skeleton:
    turn, duty = phase / math.tau % 1.0, 0.34
    half = turn * 2 % 1.0
    flown = max(0.0, (half - 2 * duty) / (1 - 2 * duty))
    most = body.ankle + body.leg * 0.94 - 0.02 * math.sin(math.pi * min(1.0, half / (2 * duty)))
    hop = 0.055 * 4 * flown * (1 - flown)
    hip, legs = _legs(body, turn, 0.19, stride * duty, duty, 0.2, most, hop)
    chest, head, tilt = upright(body, hip, 0.2 + 0.1 * chance(build, 3), -0.05)
    far, near = sides(body, chest)
    swing = math.cos(phase)
    arms = (
        hang(body, far, 0.9 * swing - 0.1, 1.5 + 0.3 * swing),
        hang(body, near, -0.9 * swing - 0.1, 1.5 - 0.3 * swing),
    )
    return Skeleton(hip, chest, head, tilt, arms, legs)


def _crawl(body: Body, phase: float, build: float, stride: float) -> Skeleton:
    baby = body.head > 0.1
    turn, duty, knee_radius, palm = phase / math.tau % 1.0, 0.62, 0.045, 0.025
    travel = stride * duty
    hip = (-body.torso * 0.5, knee_radius + body.thigh * 0.93 + 0.012 * math.sin(2 * phase))
    rise = knee_radius * 0.3 + (body.upper_arm + body.forearm) * 0.95 - hip[1] - 0.01 * math.cos(2 * phase)
    lean = math.acos(max(-0.2, min(0.6, rise / body.torso)))
    chest = (hip[0] + body.torso * math.sin(lean), hip[1] + body.torso * math.cos(lean))
    nod = 0.06 * math.sin(phase)
    head = (chest[0] + body.neck * (0.78 if baby else 0.85), chest[1] + body.neck * (0.62 if baby else 0.5) + nod * 0.1)
    hands: list[Point] = []
    knees: list[Point] = []
    for shift, root in zip((0.5, 0.0), sides(body, (0.0, 0.0)), strict=True):
        for row, centre, delay in ((hands, chest[0] + 0.03, 0.0), (knees, hip[0] + 0.02, 0.45)):
            t = (turn + shift + delay) % 1.0
            along = t / duty if t < duty else 1 - ease((t - duty) / (1 - duty))
            lift = 0.0 if t < duty else math.sin(math.pi * (t - duty) / (1 - duty))
            row.append((centre + root[0] + travel * (0.5 - along), lift))
    arms = tuple(
        bend(root, (x, palm + 0.07 * lift), body.upper_arm, body.forearm, -1)
        for root, (x, lift) in zip(sides(body, chest), hands, strict=True)
    )
    legs = tuple(
        Limb(root, (x, knee_radius + 0.025 * lift), (x - body.shin * 0.98, body.ankle + 0.01 + 0.02 * lift), -1.9)
        for root, (x, lift) in zip(sides(body, hip), knees, strict=True)
    )
    return Skeleton(hip, chest, head, 0.18 + nod, (arms[0], arms[1]), (legs[0], legs[1]))


def _holds(turn: float, duty: float, travel: float, top: float) -> list[tuple[float, float]]:
    """Return the heights of the far and near hand (or foot) in climbing, and the distance of each from its hold."""
    found = []
    for shift in (0.5, 0.0):
        t = (turn + shift) % 1.0
        done = t / duty if t < duty else 1 - ease((t - duty) / (1 - duty))
        off = 0.0 if t < duty else math.sin(math.pi * (t - duty) / (1 - duty))
        found.append((top - travel * done, off))
    return found


def _climb(body: Body, phase: float, build: float, stride: float) -> Skeleton:
    turn, duty = phase / math.tau % 1.0, 0.68
    travel, arm_length = stride * duty, body.upper_arm + body.forearm
    feet = _holds(turn + 0.5, duty, travel, body.ankle + travel)
    if chance(build, 5) < 0.55:
        return _climb_from_behind(
            body, phase, _holds(turn, duty, travel, body.standing + body.torso + arm_length * 0.9), feet
        )
    # Raised hands would hide a baby's face, because its head is big; instead it leans on its hands, seen from the side.
    low = body.head > 0.1
    hip = (-0.1, body.ankle + body.leg * 0.93)
    chest, head, tilt = upright(body, hip, 0.35 if low else 0.1, -0.3 if low else -0.1)
    hands = _holds(turn, duty, travel, chest[1] + arm_length * (0.1 if low else 0.7))
    arms = tuple(
        bend(root, (root[0] + 0.75 * arm_length - 0.05 * off, y), body.upper_arm, body.forearm, -1)
        for root, (y, off) in zip(sides(body, chest), hands, strict=True)
    )
    legs = tuple(
        bend(root, (root[0] + 0.3 * body.leg - 0.05 * off, y), body.thigh, body.shin, 1, 0.15)
        for root, (y, off) in zip(sides(body, hip), feet, strict=True)
    )
    return Skeleton(hip, chest, head, tilt, (arms[0], arms[1]), (legs[0], legs[1]))


def _climb_from_behind(
    body: Body, phase: float, hands: list[tuple[float, float]], feet: list[tuple[float, float]]
) -> Skeleton:
    sway = 0.02 * math.sin(phase)
    hip, chest = (sway, body.ankle + body.leg * 0.93), (-0.3 * sway, body.ankle + body.leg * 0.93 + body.torso)

    def limb(joint: Point, side: float, wide: float, y: float, links: tuple[float, float], outwards: float) -> Limb:
        reached = bend((joint[0] + side * wide, joint[1]), (side * (wide + 0.04), y), *links, outwards)
        # Knees and elbows point to the wall as much as sideways, so from behind the bend looks half as wide.
        straight = (reached.root[0] + reached.end[0]) / 2
        return replace(reached, middle=(straight + 0.55 * (reached.middle[0] - straight), reached.middle[1]))

    arm, leg = (body.upper_arm, body.forearm), (body.thigh, body.shin)
    right, left = (limb(chest, s, body.across * 2.6, y, arm, -s) for s, (y, _) in zip((1, -1), hands, strict=True))
    first, second = (limb(hip, s, body.across * 1.6, y, leg, s) for s, (y, _) in zip((1, -1), feet, strict=True))
    head = (chest[0] + 0.3 * sway, chest[1] + body.neck)
    return Skeleton(hip, chest, head, 0.0, (right, left), (first, second), back=True)


def _eat(body: Body, phase: float, build: float, stride: float) -> Skeleton:
    bite = keys(phase / math.tau, (0.0, 0.0), (0.35, 1.0), (0.6, 1.0), (0.95, 0.0))
    if chance(build, 6) < 0.45:  # sits on the ground with its knees up
        hip = (-0.13, 0.085)
        far, near = sides(body, hip)
        legs = (
            bend(far, (0.2 + far[0] + 0.13, body.ankle), body.thigh, body.shin, 1, 0.1),
            bend(near, (0.14 + near[0] + 0.13, body.ankle), body.thigh, body.shin, 1, 0.1),
        )
        lean = 0.02
    else:
        hip = (0.0, body.standing - 0.003)
        legs = _standing_legs(body, hip, 0.05 + 0.03 * chance(build, 7))
        lean = 0.0
    chest, head, tilt = upright(body, hip, lean + 0.05 * bite, 0.06 + 0.1 * bite)
    far, near = sides(body, chest)
    # The food, held above the hand, has to reach the mouth.
    mouth = (head[0] + body.head * 1.2, head[1] - body.head * 0.62 - 0.04)
    rest = (chest[0] + 0.17, chest[1] - 0.2)
    hand = (
        rest[0] + (mouth[0] - rest[0]) * bite + 0.03 * math.sin(math.pi * bite),
        rest[1] + (mouth[1] - rest[1]) * bite,
    )
    arms = (
        bend(far, (chest[0] + 0.16, chest[1] - 0.22), body.upper_arm, body.forearm, -1),
        bend(near, hand, body.upper_arm, body.forearm, -1),
    )
    return Skeleton(hip, chest, head, tilt, arms, legs, food=True)


def _jump(body: Body, phase: float, build: float, stride: float) -> Skeleton:
    turn, ground = phase / math.tau % 1.0, 0.55
    # The feet come down at turn 0.775 and leave at 0.325.
    stood = (turn + 0.225) % 1.0 / ground
    flown = (turn - 0.325) / (1 - ground)
    travel = stride * ground
    lean = keys(turn, (0.05, 0.5), (0.32, 0.12), (0.55, 0.1), (0.8, 0.22))
    arm = keys(turn, (0.06, -0.95), (0.34, 2.5), (0.55, 2.3), (0.8, 0.6))
    hips: Point
    if stood < 1:
        depth = 0.17 * math.sin(math.pi * stood) ** 1.5
        pitch = -0.8 * max(0.0, (stood - 0.75) / 0.25) ** 1.5
        foot = planted(body, travel * (0.5 - stood), pitch)
        hips = (-0.25 * depth, min(body.standing - depth, foot[1] + math.sqrt((0.995 * body.leg) ** 2 - foot[0] ** 2)))
    else:
        pitch = -0.8 + 1.0 * flown
        tuck = math.sin(math.pi * flown)
        up = 0.26 * 4 * flown * (1 - flown)
        start, end = planted(body, -travel / 2, -0.8), planted(body, travel / 2, 0.0)
        foot = (start[0] + (end[0] - start[0]) * ease(flown) - 0.06 * tuck, start[1] + (end[1] - start[1]) * flown)
        foot = (foot[0], foot[1] + up + 0.12 * tuck)
        hips = (0.0, body.ankle + body.leg * 0.955 + up)
    chest, head, tilt = upright(body, hips, lean, -lean * 0.3)
    legs = tuple(
        bend(root, (foot[0] + root[0] * 0.9 + 0.01 * side, foot[1]), body.thigh, body.shin, 1, pitch)
        for root, side in zip(sides(body, hips), (1, -1), strict=True)
    )
    far, near = sides(body, chest)
    arms = hang(body, far, arm + 0.2, 0.35), hang(body, near, arm - 0.1, 0.35)
    return Skeleton(hips, chest, head, tilt, arms, (legs[0], legs[1]))


def _roll(body: Body, phase: float, build: float, stride: float) -> Skeleton:
    hip = (-0.3 * body.torso, 0.0)
    chest, _, _ = upright(body, hip, 0.3 + 0.04 * math.sin(2 * phase))
    head = (chest[0] + body.neck * 0.72, chest[1] + body.neck * 0.6)
    legs = tuple(
        bend(root, (root[0] + body.leg * 0.33, root[1] - 0.09 + shift), body.thigh, body.shin, 1, 0.2)
        for root, shift in zip(sides(body, hip), (0.02, 0.0), strict=True)
    )
    arms = tuple(
        bend(
            root,
            (leg.middle[0] * 0.6 + leg.end[0] * 0.4 + 0.03, leg.middle[1] * 0.6 + leg.end[1] * 0.4),
            body.upper_arm,
            body.forearm,
            -1,
        )
        for root, leg in zip(sides(body, chest), legs, strict=True)
    )
    ball = Skeleton(hip, chest, head, 0.7, (arms[0], arms[1]), (legs[0], legs[1]))
    centre = ((chest[0] + hip[0] + legs[1].middle[0]) / 3, body.torso * 0.45)
    return turned(ball, phase, centre)


def _standing_legs(body: Body, hip: Point, apart: float) -> tuple[Limb, Limb]:
    far, near = sides(body, hip)
    return (
        bend(far, (apart, body.ankle), body.thigh, body.shin, 1),
        bend(near, (-apart, body.ankle), body.thigh, body.shin, 1),
    )


def _stand(body: Body, phase: float, build: float, stride: float) -> Skeleton:
    sway = math.sin(phase)
    hip = (0.006 * sway, body.standing - 0.004)
    legs = _standing_legs(body, hip, 0.035 + 0.05 * chance(build, 7))
    chest, head, tilt = upright(body, hip, 0.015 * sway + 0.03 * (chance(build, 8) - 0.5), 0.05 * math.sin(phase + 1))
    far, near = sides(body, chest)
    swing = 0.05 * sway
    postures: tuple[Callable[[], tuple[Limb, Limb]], ...] = (
        lambda: (hang(body, far, 0.12 + swing, 0.2), hang(body, near, 0.02 - swing, 0.2)),
        lambda: (hang(body, far, 0.15 + swing, 0.25), hang(body, near, -0.75 + swing, 1.55)),  # a hand on the hip
        lambda: (hang(body, far, 0.1 + swing, 1.6), hang(body, near, -0.15 + swing, 1.75)),  # folded arms
        lambda: (hang(body, far, 1.9 + 2 * swing, 0.9 + 0.35 * sway), hang(body, near, -0.05 - swing, 0.15)),  # waves
        lambda: (hang(body, far, 0.3 + swing, 0.2), hang(body, near, -0.45 - swing, 0.1)),  # hands behind
        lambda: (hang(body, far, 0.3 + swing, 1.5), hang(body, near, 0.35 + swing, 2.3)),  # looks at a telephone
    )
    return Skeleton(hip, chest, head, tilt, postures[int(chance(build, 9) * len(postures))](), legs)


_MOTIONS: dict[str, Callable[[Body, float, float, float], Skeleton]] = {
    "climbing": _climb,
    "crawling": _crawl,
    "eating": _eat,
    "jumping": _jump,
    "rolling": _roll,
    "running": _run,
    "walking": _walk,
    "none": _stand,
}
