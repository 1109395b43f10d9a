"""Backdrops without a place: gradients, noise, stripes, checks, blobs, and surfaces that fill the picture."""

import cv2
import numpy as np

from refvid.world.scenery.houses import masonry
from refvid.world.scenery.outdoor import grass, paint_lawn
from refvid.world.scenery.stage import Stage
from refvid.world.scenery.texture import Grain, noise, roughen
from refvid.world.scenery.tint import hsv, lit, pick


def gradients(stage: Stage) -> None:
    """Paint smooth gradients between four corners."""
    corners = np.array([[pick(stage.rng, 0.4) for _ in range(3)] for _ in range(2)], np.uint8)
    size = (stage.canvas.width, stage.canvas.height)
    stage.canvas.pixels[:] = cv2.resize(corners, size, interpolation=cv2.INTER_LINEAR)


def clouds(stage: Stage) -> None:
    """Paint fractal noise between two or three colours."""
    stage.canvas.box(-1, -1, stage.canvas.width + 1, stage.canvas.height + 1, pick(stage.rng, 0.4))
    for _ in range(int(stage.rng.integers(1, 4))):
        field = noise(
            stage.rng,
            stage.canvas.width,
            stage.canvas.height,
            "cloud",
            stage.unit * stage.between(0.3, 1.4),
            stage.between(1, 2),
        )
        share = np.clip((field + stage.between(-1, 0.6)) / stage.between(0.3, 2), 0, 1)
        stage.canvas.lay(0, 0, pick(stage.rng, 0.4), np.asarray(share, np.float32))


def stripes(stage: Stage) -> None:
    """Paint stripes at any angle, sharp or soft."""
    turn, step = stage.between(0, np.pi), stage.between(6, 40) * stage.unit
    y, x = np.mgrid[: stage.canvas.height, : stage.canvas.width].astype(np.float32)
    wave = np.sin((x * np.float32(np.cos(turn)) + y * np.float32(np.sin(turn))) * np.float32(2 * np.pi / step))
    share = np.clip(0.5 + wave * stage.between(0.5, 6), 0, 1)
    stage.canvas.box(-1, -1, stage.canvas.width + 1, stage.canvas.height + 1, pick(stage.rng, 0.35))
    stage.canvas.lay(0, 0, pick(stage.rng, 0.35), np.asarray(share, np.float32))


def checks(stage: Stage) -> None:
    """Paint a checker of two colours, straight or turned."""
    colours = np.array([pick(stage.rng, 0.3), pick(stage.rng, 0.3)], np.uint8)
    side, turn = stage.between(7, 40) * stage.unit, stage.between(0, np.pi / 2) if stage.chance(0.5) else 0.0
    y, x = np.mgrid[: stage.canvas.height, : stage.canvas.width].astype(np.float32) / np.float32(side)
    along, beside = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    which = (np.floor(x * along + y * beside) + np.floor(y * along - x * beside)).astype(np.int32) & 1
    stage.canvas.pixels[:] = colours[which]


def blobs(stage: Stage) -> None:
    """Paint patches of colour far out of focus."""
    canvas = stage.canvas
    canvas.box(-1, -1, canvas.width + 1, canvas.height + 1, pick(stage.rng, 0.4))
    for _ in range(int(stage.rng.integers(6, 24))):
        x, y = stage.between(0, canvas.width), stage.between(0, canvas.height)
        canvas.oval(
            x,
            y,
            stage.between(5, 35) * stage.unit,
            stage.between(5, 35) * stage.unit,
            pick(stage.rng, 0.45),
            stage.between(0.3, 1),
        )
    # Blurring at a quarter of the size is just as smooth and costs a sixteenth.
    small = cv2.resize(canvas.pixels, (canvas.width // 4, canvas.height // 4), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), max(0.5, stage.between(0.2, 2.0) * stage.unit))
    canvas.pixels[:] = cv2.resize(small, (canvas.width, canvas.height), interpolation=cv2.INTER_CUBIC)


def surface(stage: Stage) -> None:
    """Paint one surface seen from above or in front: gravel, sand, grass, bricks, slabs, cloth."""
    canvas, rng, unit = stage.canvas, stage.rng, stage.unit
    whole, style = (0.0, 0.0, float(canvas.width), float(canvas.height)), int(rng.integers(5))
    if style == 0:
        horizon, stage.horizon = stage.horizon, 0.0
        paint_lawn(stage, grass(stage))
        stage.horizon = horizon
        roughen(canvas, rng, whole, "blades", 0.12, 0.8 * unit)
        return
    colour = pick(rng, 0.25) if style > 2 else hsv(*rng.uniform((0.0, 0.05, 0.4), (0.12, 0.45, 0.85)))
    canvas.box(-1, -1, canvas.width + 1, canvas.height + 1, colour)
    if style in (1, 4):
        grow = stage.between(0.8, 2.2) * unit
        wide, tall = ((9, 3.8), (12, 12))[style == 4]
        canvas.modulate(
            0, 0, masonry(rng, canvas.width, canvas.height, wide * grow, tall * grow, 0.5 if style == 1 else 0.0)
        )
    else:
        grain: Grain = "pebbles" if style == 2 else "ripples"
        roughen(canvas, rng, whole, grain, stage.between(0.06, 0.2), unit * stage.between(0.4, 1.2))
    roughen(canvas, rng, whole, "cloud", stage.between(0.03, 0.1), unit)
    roughen(canvas, rng, whole, "grain", stage.between(0.02, 0.07))


def plain(stage: Stage) -> None:
    """Paint one colour, or one above the horizon and another below it, barely uneven."""
    colour = pick(stage.rng, 0.4)
    stage.canvas.box(-1, -1, stage.canvas.width + 1, stage.canvas.height + 1, colour)
    if stage.chance(0.5):
        below = pick(stage.rng, 0.3) if stage.chance(0.5) else lit(colour, stage.between(0.7, 1.15))
        stage.canvas.gradient(stage.horizon, stage.canvas.height, lit(below, 0.9), below)
