"""Foreground things between the camera and the actors, which hide parts of them."""

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


# Painter, relative frequency, and the maximum half-width in units of the height.
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
    """Draw a foreground thing.

    Args:
        rng: Generator for everything that the arguments leave open.
        height: Height of the thing in pixels, at least 4.
        name: One of `OCCLUDERS`; None for a random one.

    Returns:
        The thing, anchored at the middle of its foot; the image is cropped to what is painted.

    Raises:
        ValueError: The height is too small.
    """
    if height < 4:
        raise ValueError(f"the occluder is {height} pixels tall, expected at least 4")
    if name is None:
        names = tuple(OCCLUDERS)
        weights = np.array([often for _, often, _ in OCCLUDERS.values()])
        name = names[int(rng.choice(len(names), p=weights / weights.sum()))]
    painter, _, half = OCCLUDERS[name]
    # Painted at double size and scaled down, which antialiases even the smallest parts.
    side, above = int(2 * half * height) + 4, int(2.2 * height) + 4
    canvas = Canvas(2 * side, above + 8, transparent=True)
    painter(canvas, rng, float(side), float(above), 2 * height)
    image = canvas.halved().picture()
    box = image.getchannel("A").getbbox() or (0, 0, image.width, image.height)
    return Sprite(image.crop(box), (side / 2 - box[0], above / 2 - box[1]))
