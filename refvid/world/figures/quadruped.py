"""Dogs and cats seen from the side."""

import math
from dataclasses import dataclass

from refvid.world.figures.brush import Brush, Point, across, curve, placer, two_bones
from refvid.world.figures.quadruped_motion import LEGS, Frame, Stance, stance_of
from refvid.world.figures.tint import tone
from refvid.world.scene import RGB, Look, Pose, Sprite

# Marks on the body: place along it from rump (0) to chest (1), across it from belly (-1) to back (1), and radius.
_SPOTS = ((0.27, 0.3, 0.09), (0.46, -0.25, 0.05), (0.63, 0.35, 0.085), (0.98, 0.5, 0.07))
_STRIPES = (0.08, 0.24, 0.4, 0.56, 0.72, 0.88)


@dataclass(frozen=True)
class _Breed:
    """The traits of a dog or cat that follow from its build number; lengths in statures."""

    frame: Frame
    radii: tuple[float, float, float]
    leg: float
    head: float
    snout: float
    ears: str
    tail_length: float
    tail_radius: float
    eye: RGB


def _breed(look: Look) -> _Breed:
    build = look.build
    variety = build * 7 % 1
    sits = build * 13 % 1 > 0.55
    if look.kind == "cat":
        # The tail is a hook or a question mark.
        tail = (2.5 - 0.3 * variety, -1.9, 0.3) if build * 5 % 1 < 0.6 else (1.85 + 0.2 * variety, 1.0, 0.3)
        frame = Frame(0.55, 0.7, (0.16, 0.225), tail, sits)
        eye = ((120, 180, 60), (230, 190, 50), (90, 160, 200))[int(build * 11 % 1 * 3)]
        return _Breed(frame, (0.135, 0.125, 0.14), 0.042, 0.18, 0.0, "triangular", 0.8, 0.042, eye)
    pointed = build >= 0.5
    frame = Frame(0.52 + 0.03 * variety, 0.66 + 0.14 * variety, (0.21, 0.27), (2.35 - 0.7 * variety, -0.9, 0.55), sits)
    chest = 0.2 + 0.02 * (build * 5 % 1)
    radii = (0.155, 0.14, chest)
    return _Breed(
        frame, radii, 0.062, 0.135, 0.2 + 0.05 * variety, "pointed" if pointed else "floppy", 0.4, 0.05, (30, 20, 16)
    )


def draw_quadruped(look: Look, pose: Pose, stature: float) -> Sprite:
    """Draw a dog or cat.

    Args:
        look: Look of kind "dog" or "cat".
        pose: Pose with any of the kind's actions.
        stature: Height in pixels from the ground to the top of the standing animal's head.

    Returns:
        The sprite; the anchor of a climbing animal is beneath its rump, and its feet are on the side it faces.
    """
    breed = _breed(look)
    stance = stance_of(look.kind, pose.action, pose.phase, breed.frame)
    brush = Brush()
    body, radii = _body(breed, stance)
    for number in (0, 1):
        _leg(brush, look, breed, stance, number)
    _tail(brush, look, breed, stance)
    brush.tube(body, radii, look.paint)
    _belly(brush, look, body, radii)
    _neck(brush, look, breed, stance)
    _marks(brush, look, body, radii)
    if stance.food:
        _food(brush, look, stance)
    if look.kind == "cat":
        _cat_head(brush, look, breed, stance)
    else:
        _dog_head(brush, look, breed, stance)
    for number in (2, 3):
        _leg(brush, look, breed, stance, number)
    anchor = (
        (0.0, stance.pivot[1] - breed.frame.length / 2 - breed.radii[0])
        if stance.turn and not stance.flip
        else (0.0, 0.0)
    )
    return brush.sprite(
        stature, pose.facing, turn=stance.turn, flip=stance.flip, pivot=stance.pivot, anchor=anchor, rest=stance.flip
    )


def _body(breed: _Breed, stance: Stance) -> tuple[list[Point], list[float]]:
    """Return the spine from rump to chest and the radius of the body along it."""
    hip, shoulder = stance.hip, stance.shoulder
    middle = ((hip[0] + shoulder[0]) / 2, (hip[1] + shoulder[1]) / 2 + stance.arch)
    # The joints of the legs lie in the lower half of the body.
    spine = [(x, y + 0.045) for x, y in curve(hip, middle, shoulder, 9)]
    rump, waist, chest = breed.radii
    radii = []
    for number in range(9):
        t = number / 8
        radii.append((1 - t) * (1 - 2 * t) * rump + 4 * t * (1 - t) * waist + t * (2 * t - 1) * chest)
    return spine, radii


def _leg(brush: Brush, look: Look, breed: _Breed, stance: Stance, number: int) -> None:
    near, hind = number >= 2, "hind" in LEGS[number]
    colour = tone(look.paint, 0.93 if near else 0.7)
    foot, joint = stance.feet[number], breed.frame.joint
    thick = breed.leg
    foot = (foot[0], foot[1] + thick * 0.72)
    if hind:
        start = stance.hip
        lean = stance.heel if stance.heel is not None else 0.3 + 0.9 * max(-0.7, min(0.7, foot[0] - start[0]))
        ankle = (foot[0] - 0.15 * math.sin(lean), foot[1] + 0.15 * math.cos(lean))
        bone = max(joint * 0.46, math.dist(start, ankle) * 0.503)
        knee, ankle = two_bones(start, ankle, bone, bone, 1)
        foot = (ankle[0] + 0.15 * math.sin(lean), ankle[1] - 0.15 * math.cos(lean))
        knee = (knee[0], max(knee[1], thick * 1.4))
        brush.limb((start, knee, ankle), (thick * 1.9, thick * 1.35, thick * 0.85), colour)
        brush.limb((ankle, foot), (thick * 0.85, thick * 0.8), colour)
        shin = knee, ankle
    else:
        start = (stance.shoulder[0], stance.shoulder[1])
        # Shoulder blades slide, so the leg may be as long as needed for the foot to stay in place.
        bone = max(joint * 0.52, math.dist(start, foot) * 0.503)
        elbow, foot = two_bones(start, foot, bone, bone, -1)
        # In a low crawl elbows and knees lie on the ground.
        elbow = (elbow[0], max(elbow[1], thick * 1.1))
        brush.limb((start, elbow, foot), (thick * 1.5, thick * 1.1, thick * 0.8), colour)
        shin = elbow, foot
    brush.disc((foot[0] + thick * 0.5, foot[1] + thick * 0.1), thick * 1.25, colour, squash=0.66)
    if look.pattern == "spotted" and number == 3:
        brush.disc((start[0] - 0.01, start[1] - 0.01), thick * 1.2, look.accent, squash=0.8, turn=0.5)
    if look.pattern == "striped" and near:
        _bands(brush, look.accent, shin, thick)


def _bands(brush: Brush, colour: RGB, shin: tuple[Point, Point], thick: float) -> None:
    """Draw rings around a leg between knee and foot."""
    (ax, ay), (bx, by) = shin
    rings = [(ax + (bx - ax) * share, ay + (by - ay) * share) for share in (0.1, 0.36, 0.62, 0.9)]
    for number in (1, 2):
        brush.limb(across(rings, [thick] * 4, number, 0.9), (0.015, 0.015), colour)


def _tail(brush: Brush, look: Look, breed: _Breed, stance: Stance) -> None:
    root, bend, sway = stance.tail
    count = 9
    step = breed.tail_length / (count - 1)
    x, y = stance.hip[0] - breed.radii[0] * 0.7, stance.hip[1] + 0.045 + breed.radii[0] * 0.5
    if root > math.pi:
        y -= breed.radii[0] * 0.9
    points = [(x, y)]
    for number in range(1, count):
        t = number / (count - 1)
        angle = root + bend * t + sway * t
        x, y = x + step * math.cos(angle), y + step * math.sin(angle)
        points.append((x, y) if stance.turn else (x, max(y, 1.1 * breed.tail_radius)))
    thick = breed.tail_radius
    radii = [thick * (1.15 - 0.45 * number / (count - 1)) for number in range(count)]
    brush.tube(points, radii, tone(look.paint, 0.9))
    if look.pattern == "striped":
        for number in (3, 5, 7):
            above, below = across(points, radii, number, 1.0)
            brush.limb((above, below), (0.02, 0.02), look.accent)
    elif look.pattern == "spotted":
        brush.tube(points[6:], radii[6:], look.accent)


def _belly(brush: Brush, look: Look, body: list[Point], radii: list[float]) -> None:
    upper = [across(body, radii, number, 0.45)[1] for number in range(len(body))]
    lower = [across(body, radii, number, 1.0)[1] for number in range(len(body))]
    brush.polygon([*upper, *reversed(lower)], tone(look.paint, 0.82))


def _neck(brush: Brush, look: Look, breed: _Breed, stance: Stance) -> None:
    x, y = stance.shoulder
    base = (x + 0.02, y + 0.07)
    wide = breed.radii[2]
    brush.limb((base, stance.head), (wide * 0.84, breed.head * 0.7), look.paint)
    if look.kind == "dog" and look.build * 17 % 1 < 0.5:
        # A collar in a colour without an obvious name.
        across_x, across_y = stance.head[0] - base[0], stance.head[1] - base[1]
        length = max(1e-6, math.hypot(across_x, across_y))
        nx, ny = -across_y / length * wide * 0.7, across_x / length * wide * 0.7
        middle = (base[0] + across_x * 0.5, base[1] + across_y * 0.5)
        brush.limb(((middle[0] + nx, middle[1] + ny), (middle[0] - nx, middle[1] - ny)), (0.02, 0.02), (70, 60, 58))


def _marks(brush: Brush, look: Look, body: list[Point], radii: list[float]) -> None:
    last = len(body) - 1
    if look.pattern == "spotted":
        for number, (along, up, radius) in enumerate(_SPOTS):
            place = min(last, max(0, round((along + 0.05 * math.sin(9 * look.build + number)) * last)))
            above, below = across(body, radii, place, up)
            del below
            brush.disc(above, radius, look.accent, squash=0.8, turn=0.6 * number)
    elif look.pattern == "striped":
        for along in _STRIPES:
            place = round(along * last)
            top = across(body, radii, place, 0.98)[0]
            tip = across(body, radii, place, -0.25)[0]
            brush.polygon(((top[0] - 0.032, top[1]), (top[0] + 0.032, top[1]), (tip[0] + 0.02, tip[1])), look.accent)


def _food(brush: Brush, look: Look, stance: Stance) -> None:
    x = stance.head[0] + 0.13
    if look.build * 3 % 1 < 0.6:
        brush.polygon(((x - 0.13, 0.075), (x + 0.13, 0.075), (x + 0.1, 0.0), (x - 0.1, 0.0)), (150, 156, 166))
        brush.disc((x, 0.078), 0.12, (96, 66, 44), squash=0.25)
    else:
        brush.limb(((x - 0.07, 0.03), (x + 0.07, 0.03)), (0.03, 0.03), (176, 116, 76))


def _cat_head(brush: Brush, look: Look, breed: _Breed, stance: Stance) -> None:
    size, at = breed.head, placer(stance.head, stance.gaze, breed.head)
    dark, pink = tone(look.paint, 0.8), (226, 150, 150)
    for shift, colour, inner in ((0.28, dark, None), (-0.42, look.paint, pink)):
        brush.polygon((at(shift - 0.42, 0.62), at(shift - 0.16, 1.5), at(shift + 0.4, 0.8)), colour)
        if inner is not None:
            brush.polygon((at(shift - 0.2, 0.75), at(shift - 0.12, 1.25), at(shift + 0.18, 0.82)), inner)
    brush.disc(at(0, 0), size * 1.04, look.paint, squash=0.92, turn=stance.gaze)
    light = look.accent if look.pattern == "spotted" else tone(look.paint, 1.3)
    brush.disc(at(0.68, -0.3), size * 0.42, light, squash=0.8, turn=stance.gaze)
    brush.polygon((at(0.96, -0.06), at(1.12, -0.1), at(1.0, -0.26)), pink)
    if stance.jaw > 0.2:
        brush.disc(at(0.82, -0.52), size * 0.15, (120, 50, 56))
    brush.disc(at(0.42, 0.16), size * 0.24, breed.eye)
    brush.disc(at(0.47, 0.16), size * 0.17, (18, 20, 18), squash=0.6, turn=stance.gaze + math.pi / 2)
    if look.pattern == "striped":
        for shift in (-0.25, 0.05, 0.35):
            brush.limb((at(shift, 0.88), at(shift + 0.04, 0.5)), (0.016, 0.01), look.accent)
        brush.limb((at(-0.8, -0.05), at(-0.3, -0.15)), (0.016, 0.01), look.accent)


def _dog_head(brush: Brush, look: Look, breed: _Breed, stance: Stance) -> None:
    size, at = breed.head, placer(stance.head, stance.gaze, breed.head)
    dark, black = tone(look.paint, 0.72), (22, 20, 20)
    ear = look.accent if look.pattern == "spotted" else dark
    tip = breed.snout / size + 0.75
    if breed.ears == "pointed":
        brush.polygon((at(-0.2, 0.6), at(0.1, 1.65), at(0.45, 0.75)), dark)
    drop = -0.3 - stance.jaw * 0.6
    brush.limb((at(0.5, -0.4), at(tip - 0.3, drop - 0.25)), (size * 0.4, size * 0.2), tone(look.paint, 0.85))
    if stance.jaw > 0.2:
        brush.limb((at(0.8, -0.45), at(tip - 0.35, drop - 0.35)), (size * 0.16, size * 0.15), (226, 110, 120))
    brush.disc(at(0, 0), size * 1.05, look.paint, squash=0.95, turn=stance.gaze)
    brush.limb((at(0.4, -0.12), at(tip - 0.2, -0.22)), (size * 0.62, size * 0.36), look.paint)
    brush.disc(at(tip, -0.04), size * 0.25, black, squash=0.85)
    brush.disc(at(0.45, 0.3), size * 0.17, breed.eye)
    brush.disc(at(0.5, 0.36), size * 0.06, (240, 240, 240))
    if breed.ears == "pointed":
        brush.polygon((at(-0.75, 0.5), at(-0.4, 1.65), at(0.1, 0.85)), ear)
    else:
        # The hanging ear lags behind the head's own turn.
        hang = -stance.gaze * 0.6
        brush.limb(
            (at(-0.3, 0.55), at(-0.6 + hang, -0.1), at(-0.55 + hang, -0.65)), (size * 0.3, size * 0.4, size * 0.33), ear
        )
