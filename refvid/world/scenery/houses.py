"""Walls and house fronts."""

import numpy as np

from refvid.world.scenery.canvas import Field
from refvid.world.scenery.stage import Stage
from refvid.world.scenery.texture import roughen
from refvid.world.scenery.tint import Colour, hsv, lit, mix, pick

Box = tuple[float, float, float, float]


def masonry(rng: np.random.Generator, width: int, height: int, wide: float, tall: float, shift: float) -> Field:
    """Return the brightness of courses of bricks, slabs or boards, float32 [height, width], about 1, less in joints.

    Args:
        rng: Generator for the shade of each brick.
        width: Width of the result in pixels.
        height: Height of the result in pixels.
        wide: Width of a brick in pixels.
        tall: Height of a brick in pixels.
        shift: Offset of each course from the one above, in brick widths; 0 for a grid.
    """
    rows = np.arange(height) / tall
    course = rows.astype(int)
    columns = np.arange(width)[None, :] / wide + (shift * course % 1)[:, None]
    number = columns.astype(int)
    shades = (1 + 0.12 * rng.standard_normal((course[-1] + 1, int(number.max()) + 1))).astype(np.float32)
    light = shades[course[:, None], number]
    joint = max(1.0, 0.1 * min(tall, wide))
    beside = ((columns - number) * wide < joint) | (((rows - course) * tall < joint)[:, None])
    light[beside] = 0.78
    return np.asarray(light.clip(0.5, 1.4), np.float32)


def paint_wall(stage: Stage, box: Box, colour: Colour | None = None) -> None:
    """Paint a wall of bricks, blocks, boards, planks or plaster into (left, top, right, bottom)."""
    left, top, right, bottom = (round(value) for value in box)
    style, rng = int(stage.rng.integers(6)), stage.rng
    if colour is None:
        colour = (
            hsv(stage.between(0.0, 0.07), stage.between(0.3, 0.6), stage.between(0.45, 0.75))
            if style < 2
            else pick(rng, 0.2)
        )
    stage.canvas.box(left, top, right, bottom, colour)
    unit, width, height = stage.unit, right - left, bottom - max(0, top)
    if width < 4 or height < 4:
        return
    sizes = ((9, 3.6, 0.5), (7, 2.8, 0.5), (16, 9, 0.5), (4.5, 400, 0), (300, 4.5, 0.37), (0, 0, 0))
    wide, tall, shift = sizes[style]
    if wide:
        grow = stage.between(0.8, 1.5) * unit
        stage.canvas.modulate(left, max(0, top), masonry(rng, width, height, wide * grow, tall * grow, shift))
    roughen(stage.canvas, rng, box, "cloud", stage.between(0.03, 0.09), 0.4 * unit)
    roughen(stage.canvas, rng, box, "grain", stage.between(0.01, 0.04))


def paint_house(stage: Stage, box: Box) -> None:
    """Paint a house front with rows of windows, a door or a shop, perhaps a roof, into a box."""
    left, top, right, bottom = box
    canvas, rng, wide, tall = stage.canvas, stage.rng, right - left, bottom - top
    colour = pick(rng, 0.22)
    colour = mix(colour, (235, 225, 205), stage.between(0, 0.5))
    if stage.chance(0.3):
        paint_wall(stage, box)
    else:
        canvas.box(*box, colour)
    if stage.chance(0.4):
        roof, ridge = hsv(stage.between(0, 0.08), stage.between(0.2, 0.6), stage.between(0.3, 0.6)), top - 0.18 * tall
        inset, eaves = 0.12 * wide, 0.03 * wide
        canvas.polygon(((left - eaves, top), (left + inset, ridge), (right - inset, ridge), (right + eaves, top)), roof)
    canvas.box(left, top, right, top + 0.03 * tall, lit(colour, 0.75))
    floor = stage.between(15, 24) * stage.unit
    floors, panes = max(1, int(tall / floor)), max(1, int(wide / (0.8 * floor)))
    frame, glass = (
        lit(colour, 1.25) if stage.chance(0.6) else hsv(0.1, 0.05, 0.95),
        hsv(0.58, stage.between(0.1, 0.4), stage.between(0.3, 0.75)),
    )
    shutters = pick(rng, 0.5) if stage.chance(0.35) else None
    for level in range(1, floors):
        y = bottom - (level + 0.78) * tall / floors
        for pane in range(panes):
            x = left + (pane + 0.5) * wide / panes
            _paint_window(stage, x, y, 0.42 * floor, 0.58 * tall / floors, frame, glass, shutters)
    if stage.chance(0.45):
        _paint_shop(stage, (left + 0.06 * wide, bottom - 0.78 * tall / floors, right - 0.06 * wide, bottom))
    else:
        _paint_door(stage, left + wide * stage.between(0.25, 0.75), bottom, floor, frame, glass)


def _paint_door(stage: Stage, x: float, foot: float, floor: float, frame: Colour, glass: Colour) -> None:
    """Paint a door with a pane, in a house whose floors are `floor` pixels tall."""
    canvas, half = stage.canvas, 0.24 * floor
    canvas.box(x - half, foot - 0.72 * floor, x + half, foot, frame)
    canvas.box(x - 0.8 * half, foot - 0.67 * floor, x + 0.8 * half, foot, pick(stage.rng, 0.5))
    canvas.box(x - 0.5 * half, foot - 0.6 * floor, x + 0.5 * half, foot - 0.38 * floor, glass)


def _paint_window(
    stage: Stage, x: float, top: float, wide: float, tall: float, frame: Colour, glass: Colour, shutters: Colour | None
) -> None:
    canvas, half, rim = stage.canvas, wide / 2, max(0.6, 0.08 * wide)
    if shutters is not None:
        canvas.box(x - 1.75 * half, top, x + 1.75 * half, top + tall, shutters)
    canvas.box(x - half, top, x + half, top + tall, frame)
    canvas.box(x - half + rim, top + rim, x + half - rim, top + tall - rim, glass)
    canvas.polygon(
        ((x - half + rim, top + 0.55 * tall), (x - half + rim, top + rim), (x + 0.2 * half, top + rim)),
        lit(glass, 1.25),
    )
    canvas.box(x - rim / 2, top, x + rim / 2, top + tall, frame)
    canvas.box(x - 1.15 * half, top + tall, x + 1.15 * half, top + tall + rim, lit(frame, 0.8))


def _paint_shop(stage: Stage, box: Box) -> None:
    """Paint a shop window with goods, a board with a bar of writing, and perhaps an awning."""
    left, top, right, bottom = box
    canvas, tall, glass = stage.canvas, bottom - top, hsv(0.58, stage.between(0.05, 0.3), stage.between(0.35, 0.85))
    board = pick(stage.rng, 0.6)
    canvas.box(left, top, right, bottom, lit(board, 0.6))
    door = left + (right - left) * stage.between(0.6, 0.8)
    canvas.box(left + 0.05 * tall, top + 0.28 * tall, door, bottom - 0.1 * tall, glass)
    canvas.box(door + 0.06 * tall, top + 0.28 * tall, right - 0.05 * tall, bottom, lit(glass, 0.8))
    for x in np.linspace(left + 0.2 * tall, door - 0.2 * tall, 4).tolist():
        high, half = stage.between(0.12, 0.4) * tall, stage.between(0.06, 0.14) * tall
        canvas.box(x - half, bottom - 0.1 * tall - high, x + half, bottom - 0.1 * tall, pick(stage.rng, 0.6))
    canvas.box(left, top, right, top + 0.22 * tall, board)
    canvas.line(
        ((left + 0.25 * (right - left), top + 0.11 * tall), (right - 0.25 * (right - left), top + 0.11 * tall)),
        lit(board, 1.6),
        0.08 * tall,
    )
    if stage.chance(0.5):
        stripes = np.linspace(left, right, 9)
        for index in range(8):
            one, other = stripes[index], stripes[index + 1]
            paint = (244, 242, 236) if index % 2 else board
            canvas.polygon(
                (
                    (one, top + 0.2 * tall),
                    (other, top + 0.2 * tall),
                    (other + 0.02 * tall, top + 0.42 * tall),
                    (one - 0.02 * tall, top + 0.42 * tall),
                ),
                paint,
            )
