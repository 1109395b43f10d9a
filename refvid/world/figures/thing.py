"""Cars and balls: random paint, and the dispatch to their drawing functions."""

import numpy as np

from refvid.world.figures import ball, car
from refvid.world.figures.tint import marks
from refvid.world.palette import COLOURS, paint
from refvid.world.scene import Gait, Look, Pose, Sprite

GAITS: dict[tuple[str, str], Gait] = {**car.GAITS, **ball.GAITS}

_PATTERNS = {
    "car": (("plain", "striped"), (0.84, 0.16)),
    "ball": (("plain", "striped", "spotted", "checked"), (0.4, 0.22, 0.18, 0.2)),
}


def paint_thing(rng: np.random.Generator, kind: str) -> Look:
    """Return a random look for a car or ball, in any of the eleven colours and sometimes with a pattern.

    Args:
        rng: Generator for all random choices.
        kind: "car" or "ball".

    Raises:
        ValueError: The kind is neither.
    """
    if kind not in _PATTERNS:
        raise ValueError(f"the kind is {kind!r}, expected one of {', '.join(_PATTERNS)}")
    names, weights = _PATTERNS[kind]
    colour = COLOURS[int(rng.integers(len(COLOURS)))]
    shade = paint(rng, colour)
    pattern = names[int(rng.choice(len(names), p=weights))]
    accent = marks(rng, shade)
    return Look(kind, None, (), colour, shade, pattern, accent, build=float(rng.random()))


def draw_thing(look: Look, pose: Pose, stature: float) -> Sprite:
    """Draw a car or ball.

    Args:
        look: Look of kind "car" or "ball".
        pose: Pose with any of the kind's actions.
        stature: Height of the car or diameter of the ball in pixels, at least 4.

    Returns:
        The sprite, anchored on the ground beneath the middle, or at the middle of a flying thing.

    Raises:
        ValueError: The kind is neither, or cannot do the action.
    """
    if (look.kind, pose.action) not in GAITS:
        raise ValueError(f"a thing of kind {look.kind!r} cannot do {pose.action!r}, expected a pair of ACTIONS_OF")
    return (car.draw_car if look.kind == "car" else ball.draw_ball)(look, pose, stature)
