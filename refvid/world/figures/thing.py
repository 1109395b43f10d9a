"""Cars and balls: random paint, and the dispatch to their painters."""

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
    """Return a random look of a car or ball: any of the eleven colours, patterns now and then.

    Args:
        rng: Decides everything.
        kind: "car" or "ball".

    Raises:
        ValueError: For any other kind.
    """
    if kind not in _PATTERNS:
        raise ValueError(f"no thing of kind {kind!r} can be painted: give one of {', '.join(_PATTERNS)}")
    names, weights = _PATTERNS[kind]
    colour = COLOURS[int(rng.integers(len(COLOURS)))]
    shade = paint(rng, colour)
    pattern = names[int(rng.choice(len(names), p=weights))]
    accent = marks(rng, shade)
    return Look(kind, None, (), colour, shade, pattern, accent, build=float(rng.random()))


def draw_thing(look: Look, pose: Pose, stature: float) -> Sprite:
    """Draw a car or ball.

    Args:
        look: Of kind "car" or "ball".
        pose: Any of the kind's actions.
        stature: Height of the car, diameter of the ball, pixels; at least 4.

    Returns:
        The sprite; its anchor is the ground beneath the middle, while flying the middle itself.

    Raises:
        ValueError: When the kind is another or does not do the action.
    """
    if (look.kind, pose.action) not in GAITS:
        raise ValueError(f"a thing of kind {look.kind!r} cannot be {pose.action!r}: see ACTIONS_OF for what can")
    return (car.draw_car if look.kind == "car" else ball.draw_ball)(look, pose, stature)
