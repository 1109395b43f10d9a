"""Views of rooms: living room, bedroom, corridor, gymnasium, climbing hall, shop, stage, bare room."""

import numpy as np

from refvid.world.scenery import fixtures, furniture, plants
from refvid.world.scenery.canvas import Canvas
from refvid.world.scenery.outdoor import Thing, cast_shadow
from refvid.world.scenery.rooms import (
    hang_curtains,
    hang_pictures,
    paint_curtain,
    paint_floor,
    paint_paper,
    paint_rug,
    paint_window,
)
from refvid.world.scenery.stage import Stage
from refvid.world.scenery.texture import roughen
from refvid.world.scenery.tint import Colour, hsv, lit, loud, mix, pick, wood


def _indoor_light(stage: Stage) -> None:
    warm = stage.between(-0.06, 0.1)
    level = stage.between(0.82, 1.06)
    stage.light = (level * (1 + warm), level, level * (1 - warm))


def _furnish(stage: Stage, things: tuple[tuple[Thing, float], ...], count: int) -> None:
    """Place up to `count` things along the back wall without overlap; their heights are fractions of the wall's."""
    places = stage.rng.permutation(count + 1)[:count]
    for place in places.tolist():
        thing, height = things[int(stage.rng.integers(len(things)))]
        x, foot = stage.column((place + stage.between(0.2, 0.8)) / (count + 1)), stage.row(stage.between(0.015, 0.12))
        tall = height * stage.height * stage.between(0.85, 1.2)
        stage.canvas.oval(x, foot, 0.6 * tall, 0.05 * tall, (18, 16, 20), 0.25)
        thing(stage.canvas, stage.rng, x, foot, tall)


def _lean_ladder(stage: Stage) -> None:
    x, foot = stage.column(stage.between(0.08, 0.92)), stage.row(stage.between(0.04, 0.2))
    top = stage.margin + stage.between(0.03, 0.2) * stage.height
    cast_shadow(stage, x, foot, 4 * stage.unit)
    fixtures.ladder(stage.canvas, stage.rng, x, foot, foot - top)
    stage.climb(x, top, foot, "ladder")


def living_room(stage: Stage) -> None:
    """Paint a living room: paper, pictures, window or curtains, floor, rug, sofa, shelves, lamps, plants."""
    _indoor_light(stage)
    paint_paper(stage, pick(stage.rng, 0.25))
    if stage.chance(0.6):
        hang_pictures(stage)
    paint_floor(stage)
    if stage.chance(0.65):
        hang_curtains(stage)
    elif stage.chance(0.5):
        paint_window(
            stage, stage.column(stage.between(0.1, 0.9)), 0.25 * stage.horizon, 0.2 * stage.width, 0.35 * stage.horizon
        )
    if stage.chance(0.6):
        paint_rug(stage)
    things = (
        (furniture.sofa, 0.26),
        (furniture.shelf, 0.5),
        (furniture.cupboard, 0.26),
        (furniture.floor_lamp, 0.48),
        (plants.potted, 0.34),
        (furniture.table, 0.24),
        (furniture.chair, 0.3),
    )
    _furnish(stage, things, int(stage.rng.integers(1, 5)))
    if stage.chance(0.2):
        _lean_ladder(stage)


def bedroom(stage: Stage) -> None:
    """Paint a bedroom: a bed, cupboards, lamps, toy boxes, curtains."""
    _indoor_light(stage)
    paint_paper(stage, pick(stage.rng, 0.3))
    if stage.chance(0.5):
        hang_pictures(stage)
    paint_floor(stage)
    if stage.chance(0.7):
        hang_curtains(stage)
    if stage.chance(0.6):
        paint_rug(stage)
    x, foot = stage.column(stage.between(0.15, 0.85)), stage.row(stage.between(0.04, 0.14))
    furniture.bed(stage.canvas, stage.rng, x, foot, stage.between(0.24, 0.32) * stage.height)
    _furnish(
        stage,
        ((furniture.cupboard, 0.28), (furniture.floor_lamp, 0.4), (fixtures.crate, 0.14), (furniture.shelf, 0.45)),
        2,
    )


def kitchen(stage: Stage) -> None:
    """Paint a kitchen: tiles or paper, cupboards above and below, a table and chairs."""
    _indoor_light(stage)
    paint_paper(stage, pick(stage.rng, 0.2))
    paint_floor(stage)
    canvas, colour, unit = stage.canvas, pick(stage.rng, 0.45), stage.unit
    left, right = sorted((stage.column(stage.between(-0.2, 0.3)), stage.column(stage.between(0.6, 1.2))))
    top, base = stage.horizon - 0.24 * stage.height, stage.row(0.04)
    step = stage.between(14, 22) * unit
    for x in np.arange(left, right - step + 1, step).tolist():
        for low, high, paint in ((top, base, colour), (0.18 * stage.horizon, 0.48 * stage.horizon, lit(colour, 1.05))):
            canvas.box(x, low, x + step, high, lit(paint, 0.75))
            canvas.box(x + 0.7 * unit, low + 0.7 * unit, x + step - 0.7 * unit, high - 0.7 * unit, paint)
            canvas.box(
                x + 0.8 * step,
                (low + high) / 2 - 2 * unit,
                x + 0.86 * step,
                (low + high) / 2 + 2 * unit,
                lit(paint, 0.5),
            )
    canvas.box(
        left - unit, top - 2.2 * unit, right, top, wood(stage.rng) if stage.chance(0.5) else pick(stage.rng, 0.2)
    )
    for share in stage.rng.uniform(0.05, 0.95, 4).tolist():
        x, tall = left + share * (right - left), stage.between(4, 11) * unit
        canvas.box(x - 0.3 * tall, top - 2.2 * unit - tall, x + 0.3 * tall, top - 2.2 * unit, pick(stage.rng, 0.6))
    _furnish(
        stage,
        ((furniture.table, 0.24), (furniture.chair, 0.3), (plants.potted, 0.3), (fixtures.barrel, 0.2)),
        int(stage.rng.integers(0, 4)),
    )
    if stage.chance(0.4):
        _lean_ladder(stage)


def corridor(stage: Stage) -> None:
    """Paint a corridor that leads away: side walls with doors, ceiling, lamps, an end wall on the horizon."""
    _indoor_light(stage)
    canvas, plane, wall = stage.canvas, stage.plane, pick(stage.rng, 0.25)
    paint_floor(stage)
    x, half = plane.middle, stage.between(0.16, 0.26) * stage.width
    top, low = stage.horizon * stage.between(0.2, 0.4), stage.horizon + 0.5
    canvas.box(0, 0, canvas.width, low, hsv(0.12, 0.04, stage.between(0.75, 0.95)))
    canvas.box(x - half, top, x + half, low, lit(wall, 0.9))
    door = pick(stage.rng, 0.5)
    canvas.box(x - 0.35 * half, top + 0.3 * (low - top), x + 0.35 * half, low, door)
    canvas.oval(x + 0.2 * half, top + 0.68 * (low - top), 0.7 * stage.unit, 0.7 * stage.unit, lit(door, 0.4))
    for side in (-1, 1):
        _paint_side(stage, x, x + side * half, (top, low), lit(wall, 1.0 if side < 0 else 0.8), door)
    for share in (1.0, 1.7, 2.9):
        y, wide = plane.vanish - (plane.vanish - top) * share, 0.3 * half * share
        above = y - 0.04 * stage.height * share
        lamp = ((x - wide, y), (x + wide, y), (x + 1.2 * wide, above), (x - 1.2 * wide, above))
        canvas.polygon(lamp, (252, 250, 238))
    if stage.chance(0.5):
        _furnish(stage, ((plants.potted, 0.3), (fixtures.bench, 0.2), (fixtures.crate, 0.18)), 1)
    if stage.chance(0.5):
        _lean_ladder(stage)


def _paint_side(
    stage: Stage,
    x: float,
    edge: float,
    rows: tuple[float, float],
    wall: Colour,
    door: Colour,
) -> None:
    """Paint a corridor's side wall from the column `edge` of the end wall towards the camera, with two doors."""
    top, low = rows
    vanish = stage.plane.vanish

    def out(share: float, row: float) -> tuple[float, float]:
        return (x + (edge - x) * share, vanish + (row - vanish) * share)

    far = 9.0
    stage.canvas.polygon([out(1, top), out(far, top), out(far, low), out(1, low)], wall)
    stage.canvas.polygon(
        [out(1, low - 0.06 * (low - top)), out(far, low - 0.06 * (low - top)), out(far, low), out(1, low)],
        lit(wall, 0.6),
    )
    head = top + 0.3 * (low - top)
    for one, other in ((1.15, 1.4), (1.8, 2.3)):
        stage.canvas.polygon([out(one, head), out(other, head), out(other, low), out(one, low)], lit(door, 0.85))
        stage.canvas.line([out(one, head), out(other, head), out(other, low)], lit(wall, 0.55), 0.8 * stage.unit)


def gymnasium(stage: Stage) -> None:
    """Paint a sports hall: wall bars, mats, ropes, a bench, lines on the floor, high windows."""
    _indoor_light(stage)
    canvas, rng, unit = stage.canvas, stage.rng, stage.unit
    paint_paper(stage, pick(rng, 0.25))
    for x in np.arange(0, canvas.width, 0.25 * stage.width).tolist():
        canvas.box(x + 4 * unit, 0, x + 0.22 * stage.width, 0.2 * stage.horizon, hsv(0.56, 0.2, 0.9))
    paint_floor(stage)
    line, turn = loud(rng), np.linspace(0, 2 * np.pi, 36)
    circle = np.stack([stage.between(-0.4, 0.4) + 0.3 * np.cos(turn), 1.5 + 0.3 * np.sin(turn)], 1)
    canvas.line(stage.plane.place(circle), line, unit)
    canvas.line(stage.plane.place(((-3, 1.1), (3, 1.1))), loud(rng), unit)
    colour, wide = wood(rng), stage.between(0.16, 0.24) * stage.width
    start, top = stage.column(stage.between(0.02, 0.6)), stage.margin + stage.between(0.02, 0.12) * stage.height
    for number in range(int(rng.integers(1, 4))):
        left = start + number * 1.08 * wide
        for y in np.arange(top, stage.horizon, 3.4 * unit).tolist():
            canvas.box(left, y, left + wide, y + 1.1 * unit, lit(colour, 1.1))
        for x in (left, left + wide):
            canvas.box(x - unit, top - unit, x + unit, stage.horizon + unit, lit(colour, 0.8))
        stage.climb(left + wide / 2, top, stage.row(0.015), "frame")
    if stage.chance(0.5):
        x, foot = stage.column(stage.between(0.08, 0.92)), stage.row(stage.between(0.1, 0.4))
        canvas.line(((x, 0), (x, foot - 3 * unit)), hsv(0.1, 0.35, 0.75), 2.2 * unit)
        canvas.line(((x + 0.6 * unit, 0), (x + 0.6 * unit, foot - 3 * unit)), hsv(0.1, 0.4, 0.55), 0.7 * unit)
        canvas.oval(x, foot - 3 * unit, 1.8 * unit, 2.2 * unit, hsv(0.1, 0.4, 0.55))
        stage.climb(x, stage.margin, foot, "rope")
    for _ in range(int(rng.integers(1, 4))):
        x, y, mat = stage.between(0, canvas.width), stage.row(stage.between(0.05, 0.3)), pick(rng, 0.8)
        half, tall = stage.between(0.08, 0.2) * stage.width, stage.between(2, 14) * unit
        canvas.polygon(
            (
                (x - half, y - tall),
                (x - 0.85 * half, y - tall - 4 * unit),
                (x + 0.95 * half, y - tall - 4 * unit),
                (x + half, y - tall),
            ),
            lit(mat, 1.2),
        )
        canvas.box(x - half, y - tall, x + half, y, mat)


def climbing_hall(stage: Stage) -> None:
    """Paint a climbing hall: grey or coloured panels full of holds, mats on the floor."""
    _indoor_light(stage)
    canvas, rng, unit = stage.canvas, stage.rng, stage.unit
    base = pick(rng, 0.2)
    canvas.gradient(0, stage.horizon + 1, lit(base, 1.05), lit(base, 0.9))
    corners = np.sort(rng.uniform(0, canvas.width, 3))
    edges = [0.0, *corners.tolist(), float(canvas.width)]
    for index in range(4):
        panel = lit(base, stage.between(0.75, 1.15)) if stage.chance(0.7) else pick(rng, 0.5)
        shift = stage.between(-0.08, 0.08) * stage.width
        canvas.polygon(
            (
                (edges[index], stage.horizon + 1),
                (edges[index] + shift, 0),
                (canvas.width + 9, 0),
                (canvas.width + 9, stage.horizon + 1),
            ),
            panel,
        )
    roughen(canvas, rng, (0, 0, canvas.width, stage.horizon), "grain", 0.04)
    for _ in range(6):
        colour = loud(rng)
        holds = rng.uniform((0, 0), (canvas.width, stage.horizon - 2 * unit), (14, 2))
        canvas.blobs(
            np.column_stack([holds + np.array((0.4, 0.6)) * unit, rng.uniform(0.8, 2.0, 14) * unit]), (40, 40, 44)
        )
        canvas.blobs(np.column_stack([holds, rng.uniform(0.8, 2.0, 14) * unit]), colour)
    mat = pick(rng, 0.7)
    canvas.gradient(stage.horizon, canvas.height, lit(mat, 0.85), mat)
    for across in np.arange(-3, 3, 0.6).tolist():
        canvas.line(
            stage.plane.place(((across, 0.75), (across, stage.plane.depth(stage.horizon)))), lit(mat, 0.65), 0.8 * unit
        )
    stage.plane.roughen(canvas, rng, stage.horizon, "cloud", 0.04, unit)
    canvas.box(0, stage.horizon, canvas.width, stage.horizon + 2 * unit, (20, 20, 24), 0.35)
    for _ in range(2):
        stage.climb(
            stage.column(stage.between(0.06, 0.94)),
            stage.margin + stage.between(0.03, 0.1) * stage.height,
            stage.row(0.03),
            "wall",
        )


def shop(stage: Stage) -> None:
    """Paint a shop or library: shelves side by side with goods in every colour, a tiled floor."""
    _indoor_light(stage)
    canvas: Canvas = stage.canvas
    paint_paper(stage, pick(stage.rng, 0.1))
    paint_floor(stage)
    tall, x = stage.between(0.6, 0.95) * stage.horizon, stage.between(-0.1, 0.2) * stage.width
    while x < canvas.width:
        furniture.shelf(canvas, stage.rng, x, stage.row(0.02), tall)
        x += stage.between(0.75, 1.3) * tall
    if stage.chance(0.5):
        _furnish(stage, ((fixtures.crate, 0.2), (plants.potted, 0.28), (furniture.table, 0.24)), 2)
    if stage.chance(0.65):
        _lean_ladder(stage)


def theatre(stage: Stage) -> None:
    """Paint a stage: a curtain over the whole width, boards, cones of light."""
    canvas, colour = stage.canvas, loud(stage.rng) if stage.chance(0.7) else pick(stage.rng)
    top = stage.margin * stage.between(0, 0.9)
    canvas.gradient(0, stage.horizon, lit(colour, 0.35), lit(colour, 0.5))
    paint_floor(stage)
    paint_curtain(stage, -2, canvas.width + 2, top, stage.row(0.01), colour)
    for _ in range(int(stage.rng.integers(1, 4))):
        x, glow = stage.column(stage.between(0.1, 0.9)), stage.between(0.06, 0.16)
        lamp, half = stage.column(stage.between(0, 1)), stage.between(0.1, 0.25) * stage.width
        canvas.polygon(
            ((lamp - 3, -5), (lamp + 3, -5), (x + half, stage.row(0.5)), (x - half, stage.row(0.5))),
            (255, 246, 214),
            glow,
        )
        canvas.oval(x, stage.row(0.5), half, 0.18 * stage.ground, (255, 246, 214), glow)
    stage.climb(stage.column(stage.between(0.08, 0.92)), stage.margin + 0.05 * stage.height, stage.row(0.02), "curtain")


def bare_room(stage: Stage) -> None:
    """Paint a plain wall and floor, as in a studio or an empty flat, with little or nothing in it."""
    _indoor_light(stage)
    colour = pick(stage.rng, 0.35)
    if stage.chance(0.5):
        paint_paper(stage, colour)
        paint_floor(stage)
    else:
        floor = lit(colour, stage.between(0.75, 1.1)) if stage.chance(0.6) else pick(stage.rng, 0.3)
        stage.canvas.gradient(0, stage.horizon, lit(colour, stage.between(0.85, 1.1)), colour)
        stage.canvas.gradient(stage.horizon, stage.canvas.height, mix(floor, colour, 0.3), floor)
        roughen(stage.canvas, stage.rng, (0, 0, stage.canvas.width, stage.canvas.height), "cloud", 0.03, stage.unit)
    if stage.chance(0.35):
        _lean_ladder(stage)
    elif stage.chance(0.4):
        hang_curtains(stage)
