"""Dogs, cats and birds: random coats, and the dispatch to their drawing functions."""

import numpy as np

from refvid.world.figures import bird, quadruped_motion
from refvid.world.figures.bird import draw_bird
from refvid.world.figures.quadruped import draw_quadruped
from refvid.world.figures.tint import marks
from refvid.world.palette import COLOURS, paint
from refvid.world.scene import Gait, Look, Pose, Sprite

GAITS: dict[tuple[str, str], Gait] = {**quadruped_motion.GAITS, **bird.GAITS}

# Fraction of coats in natural colours; the others have any of the eleven colours.
_NATURAL = 0.82
_FURS: dict[str, dict[str, float]] = {
    "dog": {"brown": 0.38, "black": 0.24, "white": 0.22, "grey": 0.16},
    "cat": {"orange": 0.24, "grey": 0.22, "black": 0.22, "white": 0.18, "brown": 0.14},
}
_PATTERNS: dict[str, tuple[tuple[str, ...], tuple[float, ...]]] = {
    "dog": (("plain", "spotted", "striped"), (0.6, 0.33, 0.07)),
    "cat": (("plain", "spotted", "striped"), (0.48, 0.16, 0.36)),
}


def coat(rng: np.random.Generator, kind: str) -> Look:
    """Return a random look for an animal.

    Args:
        rng: Generator for all random choices.
        kind: "dog", "cat" or "bird". Birds are plain; their accent is the colour of the wings.

    Raises:
        ValueError: The kind is none of these.
    """
    if kind not in ("dog", "cat", "bird"):
        raise ValueError(f"the kind is {kind!r}, expected 'dog', 'cat' or 'bird'")
    furs = _FURS.get(kind)
    if furs is not None and rng.random() < _NATURAL:
        colour = tuple(furs)[int(rng.choice(len(furs), p=tuple(furs.values())))]
    else:
        colour = COLOURS[int(rng.integers(len(COLOURS)))]
    shade = paint(rng, colour)
    if kind == "bird":
        accent = marks(rng, shade) if rng.random() < 0.35 else shade
        return Look(kind, None, (), colour, shade, "plain", accent, build=float(rng.random()))
    names, weights = _PATTERNS[kind]
    pattern = names[int(rng.choice(len(names), p=weights))]
    return Look(kind, None, (), colour, shade, pattern, marks(rng, shade), build=float(rng.random()))


def draw_animal(look: Look, pose: Pose, stature: float) -> Sprite:
    """Draw a dog, cat or bird.

    Args:
        look: Look of one of these kinds.
        pose: Pose with any of the kind's actions.
        stature: Height in pixels from the ground to the top of the standing animal's head, at least 4.

    Returns:
        The sprite, anchored on the ground beneath the middle, or at the middle of a flying animal. A climbing animal
        has its feet on the side it faces and its anchor beneath its rump.

    Raises:
        ValueError: The kind is none of these, or cannot do the action.
    """
    if (look.kind, pose.action) not in GAITS:
        raise ValueError(f"an animal of kind {look.kind!r} cannot do {pose.action!r}, expected a pair of ACTIONS_OF")
    return (draw_bird if look.kind == "bird" else draw_quadruped)(look, pose, stature)
