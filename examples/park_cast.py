"""Who is in a park scene, at random or as laid out for the example clip, and how one actor is put into a frame."""

import math

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from examples.park_figures import PEOPLE, RGB, Actor, draw_sprite
from examples.park_words import COLOURS

_PAINTS: dict[str, RGB] = {
    "black": (34, 34, 38),
    "white": (240, 240, 238),
    "red": (206, 36, 40),
    "green": (40, 150, 60),
    "yellow": (244, 212, 40),
    "blue": (36, 84, 200),
    "brown": (122, 76, 42),
    "orange": (242, 128, 24),
    "pink": (244, 142, 184),
    "purple": (122, 52, 160),
    "grey": (136, 138, 142),
}
_SKINS: tuple[RGB, ...] = ((244, 208, 180), (228, 180, 142), (190, 136, 98), (146, 98, 66), (98, 64, 46))
_HAIRS: tuple[RGB, ...] = ((34, 26, 22), (74, 48, 30), (128, 84, 46), (206, 170, 98), (150, 148, 146), (140, 62, 30))
_COATS = ("black", "white", "brown", "grey")
_TALL = {"man": 1.0, "woman": 0.95, "boy": 0.68, "girl": 0.66, "dog": 0.42, "ball": 0.17, "car": 0.75, "bird": 0.17}
# Pixels a frame, in units of the actor's own height, at 25 frames a second.
_PACE = {"standing": 0.0, "walking": 0.016, "running": 0.05, "moving": 0.03}


def _jitter(rng: np.random.Generator, colour: RGB, spread: float = 0.1) -> RGB:
    """Vary brightness more than hue, so that the name of the colour stays true."""
    values = np.array(colour) * rng.uniform(1 - 1.4 * spread, 1 + spread) + rng.uniform(-7, 7, 3)
    red, green, blue = values.clip(0, 255).astype(int).tolist()
    return (red, green, blue)


def _pick(rng: np.random.Generator, values: tuple[str, ...]) -> str:
    return values[rng.integers(len(values))]


def _motion(rng: np.random.Generator, kind: str) -> str:
    if kind in ("ball", "car"):
        return _pick(rng, ("moving", "moving", "standing"))
    if kind == "bird":
        return "moving"
    return _pick(rng, ("walking", "walking", "running", "standing"))


def _random_actor(rng: np.random.Generator, kind: str, place: tuple[float, float, float]) -> Actor:
    """Make an actor of the kind at column, ground row and the height of a grown man there."""
    x, ground, scale = place
    person = kind in PEOPLE
    colour = _pick(rng, _COATS if kind == "dog" else COLOURS)
    gown = kind in ("woman", "girl") and bool(rng.uniform() < 0.5)
    others = tuple(name for name in COLOURS if name != colour)
    lower = _pick(rng, others) if person and not gown else None
    motion = _motion(rng, kind)
    size = max(5.0, _TALL[kind] * scale * rng.uniform(0.9, 1.1))
    speed = _PACE[motion] * size * rng.uniform(0.7, 1.4) * (4 if kind in ("ball", "bird") else 1)
    paint = (
        _jitter(rng, _PAINTS[colour]),
        _jitter(rng, _PAINTS[lower or "grey"]),
        _jitter(rng, _SKINS[rng.integers(len(_SKINS))], 0.05),
        _jitter(rng, _HAIRS[rng.integers(len(_HAIRS))]),
    )
    stride = _stride(kind, motion, speed, size)
    phase = rng.uniform(0, 2 * math.pi)
    heading = int(rng.choice((-1, 1)))
    return Actor(kind, colour, lower, gown, motion, heading, x, ground, size, speed, phase, stride, paint)


def _stride(kind: str, motion: str, speed: float, size: float) -> float:
    """Return the radians of gait a frame that keep the feet from sliding (a bird flaps, whatever its speed)."""
    if kind == "bird":
        return 0.7
    if kind == "ball":
        return 2 * speed / size
    if kind == "car":
        return speed / (0.25 * size)
    return {"standing": 0.05, "walking": 3.6, "running": 2.3}[motion] * (speed / size if motion != "standing" else 1)


def draw_cast(rng: np.random.Generator, width: int, height: int, horizon: float) -> list[Actor]:
    """Choose one to five actors and now and then a tree to hide them, ordered from far to near.

    Args:
        rng: decides everything.
        width: of the frame, in pixels.
        height: of the frame, in pixels.
        horizon: row where the ground begins, in pixels.
    """
    kinds = ("man", "woman", "boy", "girl", "dog", "ball", "car", "bird")
    weights = np.array((5, 5, 2, 2, 3, 2, 2, 1)) / 22
    number = int(rng.integers(1, 6))
    scale = height * rng.uniform(0.28, 0.75) * (1.0 if number < 4 else 0.8)
    spread = rng.permutation(np.linspace(0.1, 0.9, number)) if number > 1 else np.array([rng.uniform(0.15, 0.85)])
    cast = []
    for share in spread:
        kind = kinds[rng.choice(8, p=weights)]
        x = width * float(np.clip(share + rng.normal(0, 0.06), 0.04, 0.96))
        deep = rng.uniform(0.1, 1.0)
        ground = horizon + deep * (height * 0.97 - horizon)
        if kind == "bird":
            ground = rng.uniform(0.12, 0.8) * horizon
        # A step is never so far that a figure's head leaves the picture.
        grown = min(scale * (0.55 + 0.5 * deep), 0.95 * ground) if kind != "bird" else scale
        cast.append(_random_actor(rng, kind, (x, ground, grown)))
    if rng.uniform() < 0.15:
        cast.append(_hiding_tree(rng, width, height))
    return sorted(cast, key=lambda actor: actor.ground)


def _hiding_tree(rng: np.random.Generator, width: int, height: int) -> Actor:
    paint = _jitter(rng, (60, 120, 54)), _jitter(rng, (100, 74, 50)), (0, 0, 0), (0, 0, 0)
    x, ground, size = rng.uniform(0, 1) * width, rng.uniform(0.7, 1.0) * height, rng.uniform(0.6, 1.1) * height
    return Actor("tree", "green", None, False, "standing", 1, x, ground, size, 0.0, 0.0, 0.0, paint)


def lay_out() -> list[Actor]:
    """Return the cast of the example clip, 640x360 at 25 frames a second, from far to near."""
    fair, tan, dark = _SKINS[0], _SKINS[1], _SKINS[3]
    cast = [
        _placed("boy", "blue", "grey", "standing", 1, (545, 236, 92), 0.0, (tan, _HAIRS[1])),
        _placed("woman", "red", None, "walking", -1, (352, 286, 152), 2.0, (fair, _HAIRS[2])),
        _placed("man", "yellow", "blue", "walking", 1, (285, 316, 168), 2.5, (dark, _HAIRS[0])),
        _placed("dog", "brown", None, "running", 1, (235, 342, 66), 4.6, (tan, _HAIRS[0])),
        _placed("ball", "orange", None, "moving", 1, (395, 344, 26), 4.4, (tan, _HAIRS[0])),
    ]
    return sorted(cast, key=lambda actor: actor.ground)


def _placed(
    kind: str,
    colour: str,
    lower: str | None,
    motion: str,
    heading: int,
    place: tuple[float, float, float],
    speed: float,
    body: tuple[RGB, RGB],
) -> Actor:
    """Make an actor of the example clip; place is column, ground row and height."""
    x, ground, size = place
    paint = (_PAINTS[colour], (58, 76, 122) if lower == "blue" else _PAINTS[lower or "grey"], *body)
    gown = kind == "woman" and lower is None
    stride = _stride(kind, motion, speed, size)
    return Actor(kind, colour, lower, gown, motion, heading, x, ground, size, speed, 0.4, stride, paint)


def draw_actor(
    canvas: Image.Image, actor: Actor, step: int, shift: float
) -> tuple[npt.NDArray[np.bool_], slice, slice] | None:
    """Put the actor and its shadow into a frame.

    Args:
        canvas: RGB, drawn into.
        actor: who.
        step: frames after the middle frame, negative before it.
        shift: pixels everything is moved by the camera's pan.

    Returns:
        What it covers, bool, and the rows and columns this is about; None when it is wholly outside the frame.
    """
    centre = actor.x + actor.heading * actor.speed * step + shift
    ground = actor.ground
    if actor.kind == "bird":
        ground += 0.15 * actor.size * math.sin(actor.phase + 0.3 * step)
    sprite, left, top = draw_sprite(actor, centre, ground, actor.phase + actor.stride * step)
    right, bottom = min(left + sprite.width, canvas.width), min(top + sprite.height, canvas.height)
    if right <= max(0, left) or bottom <= max(0, top):
        return None
    if actor.kind != "bird":
        _shadow(canvas, actor, centre)
    canvas.paste(sprite, (left, top), sprite)
    alpha = np.asarray(sprite.getchannel("A"))[max(0, -top) : bottom - top, max(0, -left) : right - left]
    return alpha >= 128, slice(max(0, top), bottom), slice(max(0, left), right)


def _shadow(canvas: Image.Image, actor: Actor, centre: float) -> None:
    across = {"dog": 0.7, "ball": 0.5, "car": 1.3, "tree": 0.2}.get(actor.kind, 0.2) * actor.size
    up = max(1.0, across * 0.16)
    left, top = math.floor(centre - across), math.floor(actor.ground - up * 0.9)
    stain = Image.new("L", (math.ceil(2 * across) * 2 + 2, math.ceil(2 * up) * 2 + 2))
    ImageDraw.Draw(stain).ellipse((0, 0, stain.width - 2, stain.height - 2), fill=95)
    stain = stain.reduce(2)
    canvas.paste((16, 24, 16), (left, top, left + stain.width, top + stain.height), stain)
