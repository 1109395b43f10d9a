"""Views of sports grounds: playground, sports field, running track."""

import numpy as np

from refvid.world.scenery import fixtures, plants
from refvid.world.scenery.outdoor import cast_shadow, grass, paint_lawn, plant_row
from refvid.world.scenery.sky import paint_hills, paint_sky, paint_woods
from refvid.world.scenery.stage import Stage
from refvid.world.scenery.tint import hsv, leaf, lit, loud, mix, pick
from refvid.world.scenery.urban import WHITE, ground_line, paint_band, paint_climb


def playground(stage: Stage) -> None:
    """Paint a playground: sand or rubber, a climbing frame with a ladder, a slide, swings, a fence and trees."""
    air = paint_sky(stage)
    if stage.chance(0.5):
        paint_woods(stage, air, leaf(stage.rng))
    else:
        paint_hills(stage, air, layers=2, tall=0.3, colour=(110, 150, 96))
    paint_lawn(stage, grass(stage))
    plant_row(stage, plants.deciduous, 3, (0.01, 0.06), 2.6)
    fixtures.fence(stage.canvas, stage.rng, 0, stage.canvas.width, stage.row(0.05), 8 * stage.unit)
    patch = loud(stage.rng) if stage.chance(0.3) else hsv(0.1, stage.between(0.2, 0.45), stage.between(0.7, 0.92))
    x = stage.column(stage.between(0.3, 0.7))
    stage.canvas.oval(x, stage.row(0.55), 0.55 * stage.width, 0.36 * stage.ground, lit(patch, 0.85))
    stage.canvas.oval(x, stage.row(0.555), 0.54 * stage.width, 0.345 * stage.ground, patch)
    stage.plane.roughen(stage.canvas, stage.rng, stage.row(0.2), "grain", 0.05, stage.unit)
    tower, foot = stage.column(stage.between(0.15, 0.5)), stage.row(stage.between(0.25, 0.5))
    _paint_tower(stage, tower, foot)
    if stage.chance(0.6):
        _paint_swing(stage, tower + stage.between(0.4, 0.5) * stage.width, stage.row(stage.between(0.2, 0.4)))


def _paint_tower(stage: Stage, x: float, foot: float) -> None:
    """Paint a tower with a roof, a ladder in front and a slide to the right."""
    canvas, rng = stage.canvas, stage.rng
    tall = foot - stage.margin - stage.between(0.02, 0.2) * stage.height
    half, post, roof, slide = 0.19 * tall, pick(rng, 0.5), loud(rng), loud(rng)
    deck = foot - 0.5 * tall
    end = x + half + stage.between(0.45, 0.65) * tall
    cast_shadow(stage, x, foot, half * 2)
    curve = np.array(
        [
            (x + half, deck),
            (x + half + 0.1 * tall, deck + 0.03 * tall),
            (end - 0.12 * tall, foot - 0.07 * tall),
            (end, foot - 0.05 * tall),
        ]
    )
    canvas.polygon(np.concatenate([curve, (curve + np.array((0, 0.05 * tall)))[::-1]]), slide)
    canvas.polygon(np.concatenate([curve - np.array((0, 0.04 * tall)), curve[::-1]]), lit(slide, 0.75))
    for side in (-half, half):
        canvas.box(x + side - 0.02 * tall, foot - 0.86 * tall, x + side + 0.02 * tall, foot, post)
    canvas.box(x - half, deck, x + half, deck + 0.05 * tall, lit(post, 0.8))
    canvas.box(x - half, deck - 0.14 * tall, x + half, deck - 0.02 * tall, pick(rng, 0.7))
    canvas.polygon(((x - 1.35 * half, foot - 0.8 * tall), (x, foot - tall), (x + 1.35 * half, foot - 0.8 * tall)), roof)
    canvas.polygon(
        ((x + 0.2 * half, foot - 0.8 * tall), (x, foot - tall), (x + 1.35 * half, foot - 0.8 * tall)), lit(roof, 0.78)
    )
    fixtures.ladder(canvas, rng, x - 0.1 * half, foot + 0.01 * tall, 0.62 * tall)
    stage.climb(x - 0.1 * half, foot - 0.6 * tall, foot, "ladder")


def _paint_swing(stage: Stage, x: float, foot: float) -> None:
    canvas, colour, seat = stage.canvas, pick(stage.rng, 0.6), loud(stage.rng)
    tall = 0.55 * (foot - stage.margin)
    half, thick = 0.5 * tall, 0.045 * tall
    for side in (-half, half):
        for lean in (-0.14, 0.14):
            canvas.line(((x + side, foot - tall), (x + side + lean * tall, foot)), colour, thick)
    canvas.line(((x - half, foot - tall), (x + half, foot - tall)), colour, thick * 1.2)
    for place in (-0.4, 0.4):
        for string in (-0.12, 0.12):
            canvas.line(
                ((x + (place + string) * half, foot - tall), (x + (place + string) * half, foot - 0.25 * tall)),
                (70, 70, 74),
                0.015 * tall,
            )
        canvas.box(x + (place - 0.15) * half, foot - 0.26 * tall, x + (place + 0.15) * half, foot - 0.22 * tall, seat)


def sports_field(stage: Stage) -> None:
    """Paint a sports field: mown stripes or a coloured court, white lines, goal, boards, floodlights, empty stands."""
    air = paint_sky(stage)
    if stage.chance(0.5):
        paint_woods(stage, air, leaf(stage.rng))
    else:
        top = stage.horizon * stage.between(0.45, 0.8)
        for step, y in enumerate(np.linspace(top, stage.horizon, 8).tolist()):
            paint_band(stage, y, stage.horizon + 1, mix(hsv(0.6, 0.1, 0.75 - 0.03 * step), air, 0.2))
    if stage.chance(0.6):
        low, x = stage.horizon - 6 * stage.unit, 0.0
        while x < stage.canvas.width:
            right = x + stage.between(12, 40) * stage.unit
            stage.canvas.box(x, low, right, stage.horizon + 1, pick(stage.rng, 0.7))
            x = right
    colour = grass(stage) if stage.chance(0.7) else pick(stage.rng, 0.7)
    paint_lawn(stage, colour)
    depth, side = 0.7, 1.0
    while depth < min(8.0, stage.plane.depth(stage.row(0.03))):
        nearer, farther = stage.plane.place(((0, depth), (0, depth * 1.25)))[:, 1]
        stage.canvas.box(0, farther, stage.canvas.width, nearer, lit(colour, 1 + 0.1 * side), 0.35)
        depth, side = depth * 1.25, -side
    for near in (0.95, 2.4):
        ground_line(stage, [(-4, near), (4, near), (4, near * 1.03), (-4, near * 1.03)], WHITE)
    shift = stage.between(-0.6, 0.2)
    for across in (shift, shift + 0.9):
        ground_line(stage, [(across, 0.95), (across + 0.02, 0.95), (across + 0.02, 2.4), (across, 2.4)], WHITE)
    turn = np.linspace(0, 2 * np.pi, 40)
    circle = np.stack([shift + 0.45 + 0.3 * np.cos(turn), 1.65 + 0.42 * np.sin(turn)], 1)
    stage.canvas.line(stage.plane.place(circle), WHITE, 0.9 * stage.unit)
    if stage.chance(0.6):
        _paint_goal(stage, stage.column(stage.between(0.15, 0.85)), stage.row(stage.between(0.08, 0.3)))
    if stage.chance(0.5):
        paint_climb(stage, stage.column(stage.between(0.08, 0.92)), stage.row(stage.between(0.1, 0.35)))


def _paint_goal(stage: Stage, x: float, foot: float) -> None:
    canvas, tall = stage.canvas, 0.55 * stage.height * (0.25 + 0.75 * stage.plane.size(foot))
    half, thick = 1.15 * tall, max(1.0, 0.06 * tall)
    for share in np.linspace(-1, 1, 15).tolist():
        canvas.line(
            ((x + share * half, foot - tall), (x + 0.9 * share * half, foot - 0.1 * tall)), (225, 228, 230), 0.5, 0.6
        )
    for share in np.linspace(0.12, 1, 7).tolist():
        canvas.line(
            ((x - 0.97 * half, foot - share * tall), (x + 0.97 * half, foot - share * tall)), (225, 228, 230), 0.5, 0.6
        )
    canvas.line(
        ((x - half, foot), (x - half, foot - tall), (x + half, foot - tall), (x + half, foot)), (248, 248, 246), thick
    )


def track(stage: Stage) -> None:
    """Paint a running track or lanes: coloured rubber with white lines that lead away or across."""
    air = paint_sky(stage)
    paint_woods(stage, air, leaf(stage.rng))
    paint_lawn(stage, grass(stage))
    rubber = (
        hsv(stage.between(0.0, 0.06), stage.between(0.5, 0.75), stage.between(0.5, 0.8))
        if stage.chance(0.6)
        else loud(stage.rng)
    )
    far = min(stage.plane.depth(stage.row(0.04)), 12.0)
    if stage.chance(0.5):
        start, lanes, wide = stage.between(-0.9, -0.4), int(stage.rng.integers(4, 8)), stage.between(0.18, 0.3)
        ground_line(
            stage, [(start, 0.7), (start + lanes * wide, 0.7), (start + lanes * wide, far), (start, far)], rubber
        )
        for lane in range(lanes + 1):
            across = start + lane * wide
            ground_line(
                stage,
                [(across - 0.008, 0.7), (across + 0.008, 0.7), (across + 0.008, far), (across - 0.008, far)],
                WHITE,
            )
    else:
        edges = np.linspace(stage.row(0.15), stage.row(1.1), int(stage.rng.integers(4, 7))).tolist()
        paint_band(stage, edges[0], stage.canvas.height, rubber)
        for y in edges:
            paint_band(stage, y, y + 1.3 * stage.unit * stage.plane.size(y) + 0.5, WHITE)
    stage.plane.roughen(stage.canvas, stage.rng, stage.horizon, "grain", 0.06, stage.unit)
    plant_row(stage, fixtures.lamp_post, 2, (0.0, 0.1), 2.5)
    if stage.chance(0.5):
        paint_climb(stage, stage.column(stage.between(0.08, 0.92)), stage.row(stage.between(0.06, 0.3)))
