"""Views of the open country: meadow and park, wood, beach."""

from collections.abc import Callable

import numpy as np

from refvid.world.scenery import fixtures, plants
from refvid.world.scenery.canvas import Canvas
from refvid.world.scenery.sky import paint_hills, paint_sky, paint_skyline, paint_woods
from refvid.world.scenery.stage import Stage
from refvid.world.scenery.tint import Colour, hsv, leaf, lit, mix, vary

Thing = Callable[[Canvas, np.random.Generator, float, float, float], None]


def plant_row(stage: Stage, thing: Thing, count: int, rows: tuple[float, float], height: float) -> None:
    """Paint `count` things from far to near.

    Args:
        stage: Stage to paint on.
        thing: Function that paints one thing, given its column, foot and height.
        count: Number of things.
        rows: Range of their feet, as fractions of the way from the horizon to the bottom.
        height: Height of a thing at the bottom row, as a fraction of the frame's height.
    """
    for share in np.sort(stage.rng.uniform(*rows, count)).tolist():
        foot = stage.row(share)
        tall = height * stage.height * max(0.12, stage.plane.size(foot)) * stage.between(0.75, 1.2)
        x = stage.between(0, stage.canvas.width)
        cast_shadow(stage, x, foot, 0.18 * tall)
        thing(stage.canvas, stage.rng, x, foot, tall)


def cast_shadow(stage: Stage, x: float, foot: float, reach: float) -> None:
    """Darken the ground around a foot."""
    stage.canvas.oval(x + 0.4 * reach, foot, reach, max(0.6, 0.18 * reach), (20, 25, 30), 0.25)


def paint_lawn(stage: Stage, colour: Colour) -> None:
    """Paint grass on all the ground."""
    far = mix(lit(colour, 1.12), (210, 210, 150), 0.2)
    stage.canvas.gradient(stage.horizon, stage.canvas.height, far, lit(colour, 0.92))
    stage.plane.roughen(stage.canvas, stage.rng, stage.horizon, "cloud", stage.between(0.05, 0.14), stage.unit)
    stage.plane.roughen(stage.canvas, stage.rng, stage.horizon, "blades", stage.between(0.05, 0.12), 0.6 * stage.unit)


def grass(stage: Stage) -> Colour:
    """Return a colour for a lawn, from lush to almost straw."""
    return hsv(*stage.rng.uniform((0.16, 0.3, 0.38), (0.34, 0.68, 0.68)))


def paint_path(stage: Stage, colour: Colour) -> None:
    """Paint a path that leads away or across."""
    if stage.chance(0.5):
        start, end, wide = stage.between(-0.6, 0.6), stage.between(-4, 4), stage.between(0.12, 0.4)
        depth = np.geomspace(0.8, stage.plane.depth(stage.row(0.04)), 12)
        share = ((depth - 0.8) / (depth[-1] - 0.8)) ** 0.6
        middle = start + (end - start) * share + 0.3 * np.sin(3 * share)
        left, right = np.stack([middle - wide, depth], 1), np.stack([middle + wide, depth], 1)
        outline = stage.plane.place(np.concatenate([left, right[::-1]]))
    else:
        top, deep = stage.row(stage.between(0.1, 0.6)), stage.between(0.1, 0.3) * stage.ground
        x = np.linspace(0, stage.canvas.width, 9)
        wave = 0.08 * stage.ground * np.sin(x / stage.width * stage.between(1, 5) + stage.between(0, 6))
        outline = np.concatenate([np.stack([x, top + wave], 1), np.stack([x, top + deep + wave], 1)[::-1]])
    stage.canvas.polygon(outline, colour)
    stage.canvas.line(outline[: len(outline) // 2], lit(colour, 0.8), 0.8 * stage.unit)


def climbable_tree(stage: Stage, foot: float | None = None) -> None:
    """Paint a tree with a long trunk to climb; its crown reaches out of the frame or ends below the upper edge."""
    x, foot = stage.column(stage.between(0.08, 0.92)), stage.row(stage.between(0.15, 0.75)) if foot is None else foot
    top = stage.margin + stage.between(-0.1, 0.16) * stage.height
    tall, bark = foot - top, hsv(*stage.rng.uniform((0.04, 0.2, 0.25), (0.1, 0.5, 0.5)))
    thick = stage.between(0.022, 0.05) * tall
    cast_shadow(stage, x, foot, 5 * thick)
    plants.trunk(stage.canvas, stage.rng, x, foot, tall + thick, thick, bark)
    green = hsv(*stage.rng.uniform((0.2, 0.3, 0.3), (0.36, 0.65, 0.58)))
    for side, share in ((-1, stage.between(0.55, 0.8)), (1, stage.between(0.6, 0.9))):
        y, reach = foot - share * tall, side * stage.between(0.16, 0.3) * tall
        stage.canvas.line(
            ((x, y), (x + 0.6 * reach, y - 0.1 * tall), (x + reach, y - 0.16 * tall)), lit(bark, 0.9), 0.9 * thick
        )
        plants.crown(stage.canvas, stage.rng, x + reach, y - 0.2 * tall, 0.16 * tall, 0.1 * tall, green)
    if stage.chance(0.75):
        plants.crown(stage.canvas, stage.rng, x, top - 0.04 * tall, 0.4 * tall, 0.16 * tall, green)
    stage.climb(x, max(top + 0.1 * tall, stage.margin + 0.04 * stage.height), foot, "tree")


def park(stage: Stage) -> None:
    """Paint a park or meadow: distant hills or wood, a lawn, trees, bushes, perhaps a path, bench, fence or lamps."""
    air, green = paint_sky(stage), grass(stage)
    if stage.chance(0.6):
        paint_hills(
            stage,
            air,
            layers=int(stage.rng.integers(1, 4)),
            tall=stage.between(0.15, 0.55),
            colour=vary(stage.rng, lit(green, 0.75), 0.2),
        )
    if stage.chance(0.25):
        paint_skyline(stage, air, stage.between(0.3, 0.6))
    if stage.chance(0.6):
        paint_woods(stage, air, leaf(stage.rng))
    paint_lawn(stage, green)
    if stage.chance(0.5):
        paint_path(stage, hsv(0.1, stage.between(0.05, 0.35), stage.between(0.6, 0.85)))
    kind = plants.deciduous if stage.chance(0.75) else plants.fir
    plant_row(stage, kind, int(stage.rng.integers(1, 7)), (0.01, 0.14), stage.between(1.6, 3.0))
    if stage.chance(0.35):
        foot = stage.row(stage.between(0.04, 0.2))
        fixtures.fence(
            stage.canvas,
            stage.rng,
            0,
            stage.canvas.width,
            foot,
            0.3 * stage.height * stage.plane.size(foot) + 4 * stage.unit,
        )
    plant_row(stage, plants.bush, int(stage.rng.integers(0, 4)), (0.02, 0.3), 0.5)
    for thing, height in (
        (fixtures.bench, 0.36),
        (fixtures.lamp_post, 1.5),
        (plants.flowers, 0.2),
        (fixtures.sign, 0.9),
    ):
        if stage.chance(0.35):
            plant_row(stage, thing, int(stage.rng.integers(1, 3)), (0.08, 0.4), height)
    if stage.chance(0.6):
        climbable_tree(stage)


def wood(stage: Stage) -> None:
    """Paint a wood: trunks behind each other in the haze, ferns and leaves on the ground."""
    air = mix(
        paint_sky(stage, 1 if stage.chance(0.7) else 2),
        hsv(stage.between(0.15, 0.4), 0.3, stage.between(0.4, 0.8)),
        0.75,
    )
    stage.canvas.gradient(0, stage.horizon + 2, air, lit(air, 0.85))
    for _ in range(5):
        x, y = stage.between(0, stage.canvas.width), stage.between(-0.2, 0.5) * stage.horizon
        plants.crown(stage.canvas, stage.rng, x, y, 30 * stage.unit, 20 * stage.unit, mix(leaf(stage.rng), air, 0.7))
    floor = hsv(*stage.rng.uniform((0.06, 0.25, 0.3), (0.26, 0.6, 0.55)))
    paint_lawn(stage, floor)
    bark = hsv(*stage.rng.uniform((0.04, 0.1, 0.28), (0.1, 0.45, 0.55)))
    near = int(stage.rng.integers(5, 11))
    shares = np.concatenate([stage.rng.uniform(0, 0.05, 12), np.sort(stage.rng.uniform(0.05, 0.5, near))])
    columns = stage.rng.uniform(0, stage.canvas.width, shares.size)
    for share, x in zip(shares.tolist(), columns.tolist(), strict=True):
        foot, haze = stage.row(share), max(0.0, 0.6 - 2.5 * share)
        thick = (1.0 + 9 * share) * stage.unit * stage.between(0.7, 1.4)
        plants.trunk(stage.canvas, stage.rng, x, foot, foot + 5, thick, mix(vary(stage.rng, bark, 0.2), air, haze))
        if share > 0.08:
            stage.climb(x, stage.margin, foot, "tree")
    plant_row(stage, plants.bush, int(stage.rng.integers(1, 6)), (0.01, 0.4), 0.4)
    for _ in range(int(stage.rng.integers(0, 4))):
        plants.crown(
            stage.canvas,
            stage.rng,
            stage.between(0, stage.canvas.width),
            0,
            28 * stage.unit,
            12 * stage.unit,
            leaf(stage.rng),
        )


def beach(stage: Stage) -> None:
    """Paint a beach: the sea up to the horizon, foam, sand, perhaps palms, parasols, an island or a rock."""
    air = paint_sky(stage)
    if stage.chance(0.4):
        paint_hills(
            stage,
            air,
            layers=int(stage.rng.integers(1, 3)),
            tall=stage.between(0.08, 0.3),
            colour=hsv(stage.between(0.25, 0.6), 0.3, 0.5),
        )
    sea = hsv(*stage.rng.uniform((0.46, 0.35, 0.45), (0.6, 0.75, 0.8)))
    sand = hsv(*stage.rng.uniform((0.08, 0.15, 0.68), (0.13, 0.45, 0.93)))
    shore = stage.row(stage.between(0.08, 0.4))
    stage.canvas.gradient(stage.horizon, shore + 1, mix(sea, air, 0.35), sea)
    stage.plane.roughen(stage.canvas, stage.rng, stage.horizon, "ripples", 0.5, 0.8 * stage.unit)
    stage.canvas.gradient(shore, stage.canvas.height, lit(sand, 0.82), sand)
    x = np.linspace(0, stage.canvas.width, 40)
    wave = stage.unit * (
        1.5 * np.sin(x / stage.width * stage.between(4, 9)) + 0.8 * np.sin(x / stage.width * 23 + stage.between(0, 6))
    )
    for lift, colour in ((0.0, sea), (2.0, (240, 246, 246)), (3.2, lit(sand, 0.72))):
        band = np.stack([x, shore + wave + lift * stage.unit], 1)
        stage.canvas.line(band, colour, 2.4 * stage.unit, 0.85)
    stage.plane.roughen(
        stage.canvas, stage.rng, shore + 4 * stage.unit, "cloud", stage.between(0.04, 0.1), 0.7 * stage.unit
    )
    stage.plane.roughen(stage.canvas, stage.rng, shore + 4 * stage.unit, "grain", stage.between(0.02, 0.07), stage.unit)
    low = (shore - stage.horizon) / stage.ground + 0.08
    if stage.chance(0.45):
        plant_row(stage, fixtures.parasol, int(stage.rng.integers(1, 4)), (low, low + 0.3), 0.75)
    if stage.chance(0.5):
        foot = stage.row(stage.between(low, 0.7))
        x_palm, tall = (
            stage.column(stage.between(0.06, 0.94)),
            foot - stage.margin - stage.between(0, 0.15) * stage.height,
        )
        cast_shadow(stage, x_palm, foot, 0.15 * tall)
        plants.palm(stage.canvas, stage.rng, x_palm, foot, tall)
        stage.climb(x_palm, foot - 0.8 * tall, foot, "tree")
