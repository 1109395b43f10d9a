"""Composing a frame of a clip: what stands on the stage, the farthest first, and a thing in front of everything."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from refvid.world.photos.actor import Standing, draw_sprite
from refvid.world.scene import Sprite
from refvid.world.scenes.occluder import draw_occluder


@dataclass(frozen=True)
class Occluder:
    """A thing in front of everything, with the column and row of its foot in the middle frame."""

    sprite: Sprite
    column: float
    row: float


def place_occluder(
    rng: np.random.Generator, cast: Sequence[Standing], height: int, share: float, names: Sequence[str] = ()
) -> Occluder | None:
    """Return a thing in front of one of the cast, or None if there is no cast or, in most cases, by chance.

    Args:
        rng: Generator of all random choices.
        cast: Everything that stands on the stage.
        height: Height of the frame in pixels, at least 16.
        share: Probability that there is such a thing.
        names: Kinds of things out of `OCCLUDERS`, equally likely; empty for all kinds with their own frequencies.
    """
    if not cast or rng.random() >= share:
        return None
    hidden = cast[int(rng.integers(len(cast)))]
    tall = height * rng.uniform(0.25, 0.6)
    sprite = draw_occluder(rng, tall, names[int(rng.integers(len(names)))] if names else None)
    column = hidden.ground[0] + rng.uniform(-0.35, 0.35) * height
    return Occluder(sprite, float(column), min(max(one.ground[1] for one in cast), height) + 0.03 * height)


def compose(
    cast: Sequence[Standing], occluder: Occluder | None, time: int, offset: npt.NDArray[np.float64],
    frame: npt.NDArray[np.uint8], instances: npt.NDArray[np.uint8], *, hidden: int = 0,
) -> list[int]:  # fmt: skip
    """Draw the cast into a frame and its map of instances, in place; return the area of each, hidden or not.

    Args:
        cast: Everything that stands on the stage, the farthest first.
        occluder: A thing in front of everything.
        time: Frames after the middle one.
        offset: Column and row of the camera, float64 [2].
        frame: Frame uint8 [H, W, 3] with the stage.
        instances: Map uint8 [H, W], in which the pixels of number i of the cast become i + 1.
        hidden: Value that the pixels of the occluder get in the map.

    Returns:
        The area of each of the cast in pixels, counted before anything covers it.
    """
    areas = []
    for index, one in enumerate(cast):
        drawn = one.draw(frame, time, offset)
        areas.append(0 if drawn is None else int(drawn[1].sum()))
        if drawn is not None:
            instances[drawn[0]][drawn[1]] = index + 1
    if occluder is not None:
        covered = draw_sprite(frame, occluder.sprite, occluder.column - offset[0], occluder.row - offset[1])
        if covered is not None:
            instances[covered[0]][covered[1]] = hidden
    return areas
