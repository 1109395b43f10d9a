"""Views of built places outdoors: street, square, yard, car park."""

import numpy as np

from refvid.world.scenery import fixtures, plants
from refvid.world.scenery.houses import paint_house, paint_wall
from refvid.world.scenery.outdoor import cast_shadow, climbable_tree, grass, paint_lawn, plant_row
from refvid.world.scenery.sky import paint_sky, paint_skyline
from refvid.world.scenery.stage import Stage
from refvid.world.scenery.tint import Colour, hsv, lit, pick

WHITE: Colour = (236, 236, 230)


def paint_paving(stage: Stage, colour: Colour, size: float, vary: float = 0.06) -> None:
    """Pave all the ground with square slabs; `size` is in frame widths at the bottom row."""
    rng, canvas, plane = stage.rng, stage.canvas, stage.plane
    canvas.gradient(stage.horizon, canvas.height, lit(colour, 0.96), colour)
    far = min(plane.depth(stage.row(0.02)), 14.0)
    corner = np.array([size * rng.integers(-8, 8, 24), 0.75 + size * rng.integers(0, 12, 24)]).T[:, None]
    slabs = plane.place(corner + size * np.array([(0, 0), (1, 0), (1, 1), (0, 1)]))
    canvas.pieces(slabs, [lit(colour, light) for light in rng.uniform(1 - 1.4 * vary, 1 + 1.4 * vary, 24).tolist()])
    # Joints thinner than a pixel are drawn a pixel wide and correspondingly fainter.
    thick = max(1.0, 0.35 * stage.unit)
    for depth in np.arange(0.75, far, size).tolist():
        y = float(plane.vanish + (plane.bottom - plane.vanish) / depth)
        canvas.line(((0, y), (canvas.width, y)), lit(colour, 1 - 0.28 * min(1.0, 2 / depth)), max(1.0, thick / depth))
    reach = min(0.5 * far * canvas.width / stage.width + 0.5, 24 * size)
    for across in np.arange(-reach, reach, size).tolist():
        canvas.line(plane.place(((across, 0.75), (across, far))), lit(colour, 0.8), max(1.0, 0.7 * thick))
    plane.roughen(canvas, rng, stage.horizon, "cloud", vary, stage.unit)


def paint_asphalt(stage: Stage, top: float, colour: Colour) -> None:
    """Paint asphalt from a row to the bottom."""
    stage.canvas.gradient(top, stage.canvas.height, lit(colour, 1.12), colour)
    stage.plane.roughen(stage.canvas, stage.rng, top, "grain", 0.07, stage.unit)
    stage.plane.roughen(stage.canvas, stage.rng, top, "cloud", stage.between(0.02, 0.08), stage.unit)


def paint_band(stage: Stage, low: float, high: float, colour: Colour) -> None:
    """Paint the ground between two rows."""
    stage.canvas.box(0, low, stage.canvas.width, high, colour)


def ground_line(stage: Stage, corners: list[tuple[float, float]], colour: Colour) -> None:
    """Fill a polygon on the ground, whose corners are given as (across, depth)."""
    stage.canvas.polygon(stage.plane.place(corners), colour, 0.9)


def street(stage: Stage) -> None:
    """Paint a street: a row of house fronts, a pavement with lamps, signs and trees, the road with its markings."""
    air = paint_sky(stage)
    if stage.chance(0.4):
        paint_skyline(stage, air, stage.between(0.6, 0.95))
    x, fronts = -stage.between(0, 0.1) * stage.width, []
    while x < stage.canvas.width:
        right = x + stage.between(0.16, 0.4) * stage.width
        tall = stage.between(0.6, 1.15) * stage.horizon
        paint_house(stage, (x, stage.horizon - tall, right, stage.horizon + 1))
        fronts.append((x, right, stage.horizon - tall))
        x = right + (stage.between(0.02, 0.1) * stage.width if stage.chance(0.15) else 0)
    kerb = stage.row(stage.between(0.12, 0.4))
    walk = hsv(0.1, stage.between(0.0, 0.12), stage.between(0.5, 0.78))
    paint_paving(stage, walk, stage.between(0.1, 0.22))
    paint_band(stage, stage.horizon, stage.horizon + 1.2 * stage.unit, lit(walk, 0.6))
    road = hsv(0.62, stage.between(0.0, 0.08), stage.between(0.28, 0.52))
    paint_asphalt(stage, kerb, road)
    paint_band(stage, kerb, kerb + 1.6 * stage.unit, lit(walk, 1.15))
    paint_band(stage, kerb + 1.6 * stage.unit, kerb + 2.6 * stage.unit, lit(road, 0.6))
    _paint_markings(stage, kerb)
    rows = (0.03, max(0.06, (kerb - stage.horizon) / stage.ground - 0.03))
    things = (
        (fixtures.lamp_post, 2.4),
        (fixtures.sign, 1.5),
        (plants.deciduous, 2.6),
        (fixtures.bench, 0.6),
        (fixtures.barrel, 0.5),
        (fixtures.pillar, 1.5),
    )
    for thing, height in things:
        if stage.chance(0.35):
            plant_row(stage, thing, int(stage.rng.integers(1, 3)), rows, height)
    if stage.chance(0.7):
        place, foot = stage.column(stage.between(0.08, 0.92)), stage.row(rows[1])
        paint_climb(stage, place, foot)


def paint_climb(stage: Stage, x: float, foot: float) -> None:
    """Paint a ladder or a pole that can be climbed."""
    top = stage.margin + stage.between(0.03, 0.2) * stage.height
    cast_shadow(stage, x, foot, 4 * stage.unit)
    if stage.chance(0.55):
        fixtures.ladder(stage.canvas, stage.rng, x, foot, foot - top)
        stage.climb(x, top, foot, "ladder")
    else:
        fixtures.pole(stage.canvas, x, foot, foot - top, stage.between(0.9, 2.2) * stage.unit, pick(stage.rng, 0.4))
        stage.climb(x, top, foot, "pole")


def _paint_markings(stage: Stage, kerb: float) -> None:
    """Paint a dashed line along the road and perhaps a zebra crossing."""
    far = stage.plane.depth(kerb + 4 * stage.unit)
    middle = 0.5 * (far + 1) if far < 3 else 1.7
    paint = WHITE if stage.chance(0.8) else (236, 196, 60)
    for across in np.arange(-2.0, 2.0, stage.between(0.25, 0.4)).tolist():
        ground_line(
            stage,
            [(across, middle), (across + 0.16, middle), (across + 0.16, middle + 0.06), (across, middle + 0.06)],
            paint,
        )
    if stage.chance(0.4):
        start = stage.between(-0.5, 0.3)
        for number in range(7):
            left = start + 0.1 * number
            ground_line(stage, [(left, 0.8), (left + 0.05, 0.8), (left + 0.05, far), (left, far)], WHITE)


def square(stage: Stage) -> None:
    """Paint a square or riverside: skyline, paving, planters, lamps, perhaps a wall along the back."""
    air = paint_sky(stage)
    paint_skyline(stage, air, stage.between(0.5, 0.95))
    paint_paving(
        stage,
        hsv(stage.between(0.02, 0.12), stage.between(0.02, 0.3), stage.between(0.5, 0.85)),
        stage.between(0.12, 0.35),
    )
    if stage.chance(0.5):
        fixtures.fence(stage.canvas, stage.rng, 0, stage.canvas.width, stage.row(0.04), 9 * stage.unit)
    for thing, height in (
        (fixtures.lamp_post, 2.2),
        (fixtures.bench, 0.5),
        (plants.potted, 0.8),
        (plants.deciduous, 2.2),
        (fixtures.crate, 0.4),
    ):
        if stage.chance(0.5):
            plant_row(stage, thing, int(stage.rng.integers(1, 4)), (0.03, 0.3), height)
    if stage.chance(0.5):
        paint_climb(stage, stage.column(stage.between(0.1, 0.9)), stage.row(stage.between(0.1, 0.5)))


def yard(stage: Stage) -> None:
    """Paint a yard or garden before a wall of bricks, stones, boards or plaster, with crates, plants and a ladder."""
    paint_sky(stage)
    top = stage.margin * stage.between(-0.5, 0.8) + stage.between(0, 0.25) * stage.horizon
    paint_wall(stage, (0, top, stage.canvas.width, stage.horizon + 1))
    if top > 2:
        stage.canvas.box(0, top - 1.5 * stage.unit, stage.canvas.width, top + 1.2 * stage.unit, pick(stage.rng, 0.1))
    style = int(stage.rng.integers(4))
    if style == 0:
        paint_lawn(stage, grass(stage))
    elif style == 1:
        paint_asphalt(stage, stage.horizon, hsv(0.6, 0.05, stage.between(0.35, 0.6)))
    else:
        paint_paving(
            stage,
            hsv(stage.between(0.02, 0.12), stage.between(0.02, 0.35), stage.between(0.45, 0.8)),
            stage.between(0.1, 0.3),
        )
    stage.canvas.box(0, stage.horizon, stage.canvas.width, stage.horizon + 2.5 * stage.unit, (20, 20, 24), 0.3)
    for _ in range(int(stage.rng.integers(0, 4))):
        x, y = stage.between(0, stage.canvas.width), stage.between(0.3, 0.6) * stage.horizon
        tall = stage.between(0.12, 0.3) * stage.horizon
        fixtures.poster(stage.canvas, stage.rng, (x, y, x + tall * stage.between(0.6, 1.6), y + tall))
    for thing, height in (
        (fixtures.crate, 0.45),
        (fixtures.barrel, 0.5),
        (plants.potted, 0.7),
        (plants.bush, 0.6),
        (fixtures.bench, 0.45),
    ):
        if stage.chance(0.4):
            plant_row(stage, thing, int(stage.rng.integers(1, 3)), (0.02, 0.25), height)
    choice = stage.between(0, 1)
    if choice < 0.45:
        paint_climb(stage, stage.column(stage.between(0.08, 0.92)), stage.row(stage.between(0.03, 0.2)))
    elif choice < 0.7:
        climbable_tree(stage)
    elif top < stage.margin + 0.4 * stage.height:
        stage.climb(stage.column(stage.between(0.1, 0.9)), max(top, stage.margin), stage.row(0.02), "wall")


def car_park(stage: Stage) -> None:
    """Paint an empty car park before garages or a hedge: asphalt with white bays."""
    air = paint_sky(stage)
    paint_skyline(stage, air, stage.between(0.3, 0.7))
    if stage.chance(0.5):
        plant_row(stage, plants.bush, 12, (0.0, 0.02), 0.9)
    else:
        wall, door, top = pick(stage.rng, 0.2), pick(stage.rng, 0.5), stage.horizon * stage.between(0.4, 0.65)
        stage.canvas.box(0, top, stage.canvas.width, stage.horizon + 1, wall)
        wide = stage.between(0.18, 0.3) * stage.width
        for x in np.arange(-0.5 * wide, stage.canvas.width, wide).tolist():
            stage.canvas.box(x + 0.1 * wide, top + 0.2 * (stage.horizon - top), x + 0.9 * wide, stage.horizon, door)
            for y in np.linspace(top + 0.3 * (stage.horizon - top), stage.horizon, 5).tolist():
                stage.canvas.line(((x + 0.1 * wide, y), (x + 0.9 * wide, y)), lit(door, 0.75), 0.5 * stage.unit)
    paint_asphalt(stage, stage.horizon, hsv(0.6, 0.05, stage.between(0.3, 0.55)))
    far, slant = min(3.2, stage.plane.depth(stage.row(0.08))), stage.between(-0.5, 0.5)
    for across in np.arange(-3.0, 3.0, stage.between(0.4, 0.7)).tolist():
        ground_line(
            stage,
            [(across, far * 0.55), (across + 0.03, far * 0.55), (across + 0.03 + slant, far), (across + slant, far)],
            WHITE,
        )
    for thing, height in ((fixtures.lamp_post, 2.0), (fixtures.sign, 1.2), (fixtures.crate, 0.4)):
        if stage.chance(0.5):
            plant_row(stage, thing, int(stage.rng.integers(1, 3)), (0.02, 0.3), height)
    if stage.chance(0.4):
        paint_climb(stage, stage.column(stage.between(0.08, 0.92)), stage.row(stage.between(0.03, 0.3)))
