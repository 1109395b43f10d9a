"""Views of the wilds: desert, snow, a mountain lake."""

import numpy as np

from refvid.world.scenery import plants
from refvid.world.scenery.outdoor import cast_shadow, climbable_tree, grass, paint_lawn, plant_row
from refvid.world.scenery.sky import blur_far, paint_hills, paint_sky, paint_woods
from refvid.world.scenery.stage import Stage
from refvid.world.scenery.tint import Colour, hsv, leaf, lit, mix


def desert(stage: Stage) -> None:
    """Paint a desert: dunes or table mountains, sand or stony ground, cacti and rocks."""
    air = paint_sky(stage)
    sand = hsv(*stage.rng.uniform((0.04, 0.3, 0.6), (0.11, 0.6, 0.9)))
    rough = 0.3 if stage.chance(0.6) else 0.49
    paint_hills(
        stage,
        air,
        layers=int(stage.rng.integers(1, 4)),
        tall=stage.between(0.15, 0.5),
        colour=lit(sand, 0.85),
        roughness=rough,
    )
    stage.canvas.gradient(stage.horizon, stage.canvas.height, mix(sand, air, 0.15), lit(sand, 0.95))
    stage.plane.roughen(
        stage.canvas, stage.rng, stage.horizon, "ripples" if stage.chance(0.6) else "cloud", 0.1, stage.unit
    )
    stage.plane.roughen(stage.canvas, stage.rng, stage.horizon, "grain", 0.05, stage.unit)
    rock = mix(sand, (110, 90, 80), 0.5)
    for share in np.sort(stage.rng.uniform(0.03, 0.5, int(stage.rng.integers(0, 6)))).tolist():
        paint_rock(
            stage,
            stage.between(0, stage.canvas.width),
            stage.row(share),
            stage.unit * (3 + 22 * share) * stage.between(0.5, 1.2),
            rock,
        )
    plant_row(stage, plants.cactus, int(stage.rng.integers(0, 5)), (0.02, 0.3), 0.8)
    if stage.chance(0.5):
        x, foot, tall = (
            stage.column(stage.between(0.1, 0.9)),
            stage.row(stage.between(0.2, 0.6)),
            stage.between(0.4, 0.6) * stage.height,
        )
        cast_shadow(stage, x, foot, 0.3 * tall)
        paint_rock(stage, x, foot, tall, rock)
        stage.climb(x, foot - 0.85 * tall, foot, "wall")


def paint_rock(stage: Stage, x: float, foot: float, height: float, colour: Colour) -> None:
    """Paint a boulder or crag with lit and dark faces."""
    half = height * stage.between(0.5, 0.9)
    places = np.array([(-1.0, 0.0), (-0.8, 0.45), (-0.35, 0.86), (0.3, 1.0), (0.75, 0.6), (1.0, 0.0)])
    jag = stage.rng.uniform(0.88, 1.12, (6, 2))
    outline = [(x + half * across, foot - height * up) for across, up in (places * jag).tolist()]
    stage.canvas.polygon(outline, colour)
    ridge = (x + 0.1 * half, foot - 0.5 * height)
    stage.canvas.polygon([outline[3], outline[4], outline[5], (x + 0.25 * half, foot), ridge], lit(colour, 0.72))
    stage.canvas.polygon([outline[1], outline[2], ridge], lit(colour, 1.15))
    stage.canvas.polygon([outline[2], outline[3], ridge], lit(colour, 1.25))


def snow(stage: Stage) -> None:
    """Paint snow: white ground, mountains or hills, firs, perhaps flakes in the air."""
    air = paint_sky(stage)
    jagged = stage.chance(0.5)
    tall, roughness = (stage.between(0.4, 0.8), 0.56) if jagged else (0.3, 0.35)
    rock = hsv(0.6, stage.between(0.05, 0.3), stage.between(0.45, 0.85))
    paint_hills(stage, air, layers=3 if jagged else 2, tall=tall, colour=rock, roughness=roughness)
    if stage.chance(0.5):
        paint_woods(stage, air, (70, 96, 90))
    white = hsv(stage.between(0.55, 0.65), stage.between(0.01, 0.09), stage.between(0.86, 0.97))
    stage.canvas.gradient(stage.horizon, stage.canvas.height, mix(white, air, 0.2), white)
    stage.plane.roughen(stage.canvas, stage.rng, stage.horizon, "cloud", stage.between(0.03, 0.07), stage.unit)
    for _ in range(3):
        paint_drift(stage, mix(white, (150, 170, 210), 0.3))
    plant_row(
        stage,
        lambda canvas, rng, x, foot, height: plants.fir(canvas, rng, x, foot, height, 0.9),
        int(stage.rng.integers(2, 8)),
        (0.01, 0.25),
        1.9,
    )
    if stage.chance(0.5):
        climbable_tree(stage)
    if stage.chance(0.3):
        flakes = stage.rng.uniform((0, 0, 0.3), (stage.canvas.width, stage.canvas.height, 1.0), (120, 3)) * (
            1,
            1,
            stage.unit,
        )
        stage.canvas.blobs(flakes, (250, 251, 255))


def paint_drift(stage: Stage, colour: Colour) -> None:
    """Paint the shaded side of a snowdrift."""
    y, x, half = (
        stage.row(stage.between(0.05, 0.9)),
        stage.between(0, stage.canvas.width),
        stage.between(10, 45) * stage.unit,
    )
    stage.canvas.oval(x, y, half, 1.4 * stage.unit * (1 + stage.plane.size(y)), colour, 0.35)


def mountain_lake(stage: Stage) -> None:
    """Paint a lake before mountains, with a near bank of grass or stones."""
    air = paint_sky(stage)
    rock = hsv(stage.between(0.55, 0.75), stage.between(0.05, 0.25), stage.between(0.35, 0.6))
    paint_hills(stage, air, layers=3, tall=stage.between(0.5, 0.95), colour=rock, roughness=stage.between(0.45, 0.6))
    if stage.chance(0.7):
        paint_woods(stage, air, leaf(stage.rng))
    if stage.chance(0.3):
        blur_far(stage, 0.8)
    bank = stage.row(stage.between(0.12, 0.3))
    stage.canvas.gradient(stage.horizon, bank + 1, mix(air, rock, 0.35), mix(air, rock, 0.1))
    stage.plane.roughen(stage.canvas, stage.rng, stage.horizon, "ripples", 0.4, stage.unit)
    beyond, stage.horizon = stage.horizon, bank
    paint_lawn(stage, grass(stage) if stage.chance(0.6) else hsv(0.09, 0.12, stage.between(0.45, 0.75)))
    stage.horizon = beyond
    low = (bank - beyond) / stage.ground + 0.02
    for share in np.sort(stage.rng.uniform(low, 0.6, 4)).tolist():
        paint_rock(
            stage,
            stage.between(0, stage.canvas.width),
            stage.row(share),
            stage.unit * stage.between(3, 9),
            hsv(0.6, 0.05, 0.55),
        )
    plant_row(stage, plants.flowers, 5, (low, 0.9), 0.14)
    if stage.chance(0.6):
        climbable_tree(stage, stage.row(stage.between(low + 0.05, 0.75)))
