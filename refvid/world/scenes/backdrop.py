"""Backdrops: what is behind and under the actors, and what they can climb."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from refvid.world.scenery import abstract, indoor, outdoor, sports, urban, wilds
from refvid.world.scenery.canvas import Canvas
from refvid.world.scenery.stage import Stage, Support
from refvid.world.scenery.texture import Plane, noise

__all__ = ["VIEWS", "Backdrop", "Support", "View", "draw_backdrop"]


@dataclass(frozen=True)
class Backdrop:
    """A picture behind a clip, larger than the frames so that the camera can move.

    Attributes:
        image: RGB picture, (width + 2 * margin) by (height + 2 * margin) pixels.
        margin: Pixels on each side of the frame seen by a centred camera; at least 8 % of the width.
        horizon: Row of that frame at which the ground begins, 0.25 to 0.7 of its height; the ground extends to the
            bottom.
        indoor: Whether the place is a room.
        supports: Things to climb, in pixels of that frame; they lie inside the frame, their top above their bottom.
        view: Name of the kind of place, a key of `VIEWS`.
    """

    image: Image.Image
    margin: int
    horizon: float
    indoor: bool
    supports: tuple[Support, ...]
    view: str


@dataclass(frozen=True)
class View:
    """A kind of place.

    Attributes:
        paint: Function that paints the place on a stage.
        weight: Relative frequency.
        indoor: Whether the place is a room.
        horizon: Range of the horizon, as fractions of the frame's height.
        eye: Range of the eye level's height above the horizon, as fractions of the ground's rows; 0 for endless ground.
    """

    paint: Callable[[Stage], None]
    weight: float
    indoor: bool
    horizon: tuple[float, float]
    eye: tuple[float, float]


_OPEN, _NEAR, _WALL = (0.02, 0.12), (0.35, 0.9), (0.45, 0.7)

VIEWS: dict[str, View] = {
    "park": View(outdoor.park, 3.0, False, (0.27, 0.6), _OPEN),
    "wood": View(outdoor.wood, 1.5, False, (0.3, 0.6), _OPEN),
    "beach": View(outdoor.beach, 1.5, False, (0.27, 0.5), _OPEN),
    "desert": View(wilds.desert, 1.0, False, (0.3, 0.6), _OPEN),
    "snow": View(wilds.snow, 1.0, False, (0.28, 0.6), _OPEN),
    "mountain lake": View(wilds.mountain_lake, 0.8, False, (0.3, 0.55), _OPEN),
    "street": View(urban.street, 3.0, False, (0.36, 0.66), (0.05, 0.2)),
    "square": View(urban.square, 1.2, False, (0.3, 0.6), _OPEN),
    "playground": View(sports.playground, 1.5, False, (0.3, 0.52), _OPEN),
    "sports field": View(sports.sports_field, 1.6, False, (0.27, 0.5), _OPEN),
    "track": View(sports.track, 0.9, False, (0.27, 0.5), _OPEN),
    "yard": View(urban.yard, 1.8, False, (0.4, 0.69), (0.15, 0.5)),
    "car park": View(urban.car_park, 0.8, False, (0.32, 0.6), (0.05, 0.15)),
    "living room": View(indoor.living_room, 3.0, True, _WALL, _NEAR),
    "bedroom": View(indoor.bedroom, 1.2, True, _WALL, _NEAR),
    "kitchen": View(indoor.kitchen, 1.2, True, _WALL, _NEAR),
    "corridor": View(indoor.corridor, 0.9, True, (0.42, 0.62), (0.2, 0.4)),
    "gymnasium": View(indoor.gymnasium, 1.3, True, _WALL, _NEAR),
    "climbing hall": View(indoor.climbing_hall, 0.9, True, (0.5, 0.7), _NEAR),
    "shop": View(indoor.shop, 1.0, True, _WALL, _NEAR),
    "theatre": View(indoor.theatre, 0.8, True, _WALL, _NEAR),
    "bare room": View(indoor.bare_room, 1.8, True, _WALL, _NEAR),
    "gradients": View(abstract.gradients, 0.7, False, (0.25, 0.7), _OPEN),
    "clouds": View(abstract.clouds, 0.8, False, (0.25, 0.7), _OPEN),
    "stripes": View(abstract.stripes, 0.5, False, (0.25, 0.7), _OPEN),
    "checks": View(abstract.checks, 0.4, False, (0.25, 0.7), _OPEN),
    "blobs": View(abstract.blobs, 1.2, False, (0.25, 0.7), _OPEN),
    "surface": View(abstract.surface, 1.2, False, (0.25, 0.7), _OPEN),
    "plain": View(abstract.plain, 0.8, False, (0.25, 0.7), _OPEN),
}


def draw_backdrop(rng: np.random.Generator, width: int, height: int) -> Backdrop:
    """Draw a random place.

    Args:
        rng: Generator for all random choices; the same state gives the same backdrop.
        width: Width of the frames in pixels, at least 32.
        height: Height of the frames in pixels, at least 32.

    Raises:
        ValueError: The width or the height is too small.
    """
    if width < 32 or height < 32:
        raise ValueError(f"the frames are {width}x{height} pixels, expected at least 32x32")
    names = tuple(VIEWS)
    weights = np.array([view.weight for view in VIEWS.values()])
    return draw_view(rng, width, height, names[int(rng.choice(len(names), p=weights / weights.sum()))])


def draw_view(rng: np.random.Generator, width: int, height: int, name: str) -> Backdrop:
    """Draw a place of the given kind, a key of `VIEWS`; otherwise as `draw_backdrop`."""
    view = VIEWS[name]
    margin = int(np.ceil(0.08 * width))
    canvas = Canvas(width + 2 * margin, height + 2 * margin)
    horizon = margin + height * rng.uniform(*view.horizon)
    bottom = float(margin + height)
    eye = horizon - rng.uniform(*view.eye) * (bottom - horizon)
    plane = Plane(margin + width * rng.uniform(0.3, 0.7), eye, bottom, width)
    stage = Stage(canvas, rng, margin, width, height, horizon, plane)
    view.paint(stage)
    _light(stage)
    supports = tuple(sorted(stage.supports, key=lambda support: support.x))
    return Backdrop(canvas.picture(), margin, horizon - margin, view.indoor, supports, name)


def _light(stage: Stage) -> None:
    """Light the whole picture for a time of day, softly and unevenly, and add a little grain to liven up flat areas."""
    rng, canvas = stage.rng, stage.canvas
    uneven = stage.between(0.02, 0.14)
    coarse = (1 + uneven * rng.uniform(-1, 1, (4, 6, 1)) + 0.015 * rng.uniform(-1, 1, (4, 6, 3))) * np.array(
        stage.light
    )
    # Cubic interpolation to a moderate size is smooth enough that the cheap linear one to full size shows no edges.
    smooth = cv2.resize(coarse.astype(np.float32), (36, 24), interpolation=cv2.INTER_CUBIC)
    gain = np.asarray(cv2.resize(smooth, (canvas.width, canvas.height)), np.float32)
    canvas.pixels = np.asarray(cv2.multiply(canvas.pixels, gain, dtype=cv2.CV_8U), np.uint8)
    cloud, grain = np.float32(stage.between(0.0, 0.05)), np.float32(stage.between(0.004, 0.02))
    rough = cloud * noise(rng, canvas.width, canvas.height, "cloud", stage.unit * stage.between(0.3, 1))
    canvas.modulate(0, 0, 1 + rough + grain * noise(rng, canvas.width, canvas.height, "grain"))
