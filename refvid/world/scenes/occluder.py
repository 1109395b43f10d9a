"""Near things that stand between the camera and the actors and hide parts of them."""

from collections.abc import Callable

import numpy as np

from refvid.world.scene import Sprite
from refvid.world.scenery import fixtures, plants
from refvid.world.scenery.canvas import Canvas
from refvid.world.scenery.tint import hsv

Painter = Callable[[Canvas, np.random.Generator, float, float, float], None]


def _tree_trunk(canvas: Canvas, rng: np.random.Generator, x: float, foot: float, height: float) -> None:
    bark = hsv(*rng.uniform((0.04, 0.15, 0.22), (0.1, 0.5, 0.6)))
    plants.trunk(canvas, rng, x, foot, height, height * rng.uniform(0.035, 0.08), bark)


# Painter, how often, and half the width it may need, in heights.
OCCLUDERS: dict[str, tuple[Painter, float, float]] = {
    "tree trunk": (_tree_trunk, 2.0, 0.2),
    "tree": (plants.deciduous, 1.0, 0.55),
    "fir": (plants.fir, 0.6, 0.32),
    "bush": (plants.bush, 1.6, 1.3),
    "potted plant": (plants.potted, 1.2, 0.75),
    "lamp post": (fixtures.lamp_post, 1.3, 0.28),
    "bench": (fixtures.bench, 1.2, 1.6),
    "crate": (fixtures.crate, 1.4, 1.15),
    "road sign": (fixtures.sign, 1.2, 0.3),
    "pillar": (fixtures.pillar, 1.3, 0.16),
    "barrel": (fixtures.barrel, 1.0, 0.5),
}


def draw_occluder(rng: np.random.Generator, height: float, name: str | None = None) -> Sprite:
    """Draw a near thing.

    Args:
        rng: Decides everything that the arguments leave open.
        height: Of the thing, pixels, at least 4.
        name: One of `OCCLUDERS`; random when None.

    Returns:
        The thing with the middle of its foot as anchor; the image is cut to what is painted.

    Raises:
        ValueError: When the height is too small.
    """
    if height < 4:
        raise ValueError(f"an occluder {height} pixels tall was asked for: at least 4 are needed")
    if name is None:
        names = tuple(OCCLUDERS)
        weights = np.array([often for _, often, _ in OCCLUDERS.values()])
        name = names[int(rng.choice(len(names), p=weights / weights.sum()))]
    painter, _, half = OCCLUDERS[name]
    # Painted at twice the size: then the smallest parts are smooth, too.
    side, above = int(2 * half * height) + 4, int(2.2 * height) + 4
    canvas = Canvas(2 * side, above + 8, transparent=True)
    painter(canvas, rng, float(side), float(above), 2 * height)
    image = canvas.halved().picture()
    box = image.getchannel("A").getbbox() or (0, 0, image.width, image.height)
    return Sprite(image.crop(box), (side / 2 - box[0], above / 2 - box[1]))
