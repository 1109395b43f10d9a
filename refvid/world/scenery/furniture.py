"""Furniture; each piece stands with its foot at a point and is `height` pixels tall."""

import numpy as np

from refvid.world.scenery import plants
from refvid.world.scenery.canvas import Canvas
from refvid.world.scenery.tint import Colour, hsv, lit, pick, wood


def sofa(canvas: Canvas, rng: np.random.Generator, x: float, foot: float, height: float) -> None:
    """Paint a sofa or armchair with cushions."""
    colour, half = pick(rng, 0.5), height * rng.uniform(0.65, 1.5)
    arm = 0.26 * height
    for side in (-0.85, 0.85):
        canvas.box(
            x + side * half - 0.04 * height, foot - 0.1 * height, x + side * half + 0.04 * height, foot, (60, 44, 34)
        )
    canvas.box(x - half, foot - 0.94 * height, x + half, foot - 0.08 * height, lit(colour, 0.85))
    canvas.oval(x - half + 0.1 * height, foot - 0.92 * height, 0.1 * height, 0.08 * height, lit(colour, 0.85))
    canvas.oval(x + half - 0.1 * height, foot - 0.92 * height, 0.1 * height, 0.08 * height, lit(colour, 0.85))
    seats = max(1, round(1.6 * half / height))
    edges = np.linspace(x - half + arm, x + half - arm, seats + 1)
    for index in range(seats):
        left, right = edges[index] + 0.01 * height, edges[index + 1] - 0.01 * height
        canvas.box(left, foot - 0.88 * height, right, foot - 0.45 * height, lit(colour, 0.95))
        canvas.box(left, foot - 0.48 * height, right, foot - 0.32 * height, lit(colour, 1.15))
    canvas.box(x - half, foot - 0.32 * height, x + half, foot - 0.08 * height, lit(colour, 0.78))
    for side in (-1, 1):
        left = x + side * (half - arm / 2) - arm / 2
        canvas.box(left, foot - 0.58 * height, left + arm, foot - 0.08 * height, colour)
        canvas.oval(left + arm / 2, foot - 0.58 * height, arm / 2, 0.07 * height, lit(colour, 1.12))
    for place in rng.uniform(-0.6, 0.6, int(rng.integers(0, 3))).tolist():
        size, paint, cx, cy = 0.17 * height, pick(rng, 0.7), x + place * half, foot - 0.62 * height
        canvas.polygon(
            (
                (cx - size, cy - 0.8 * size),
                (cx + 0.9 * size, cy - size),
                (cx + size, cy + 0.9 * size),
                (cx - 0.9 * size, cy + size),
            ),
            paint,
        )


def table(canvas: Canvas, rng: np.random.Generator, x: float, foot: float, height: float) -> None:
    """Paint a table or desk, perhaps with a vase, books or a lamp on it."""
    colour, half = wood(rng) if rng.uniform() < 0.75 else pick(rng, 0.4), height * rng.uniform(0.7, 1.3)
    leg, top = 0.06 * height, foot - 0.95 * height
    for side, lift, light in ((-0.8, 0.1, 0.6), (0.8, 0.1, 0.6), (-0.92, 0, 0.85), (0.92, 0, 0.85)):
        canvas.box(x + side * half - leg, top, x + side * half + leg, foot - lift * height, lit(colour, light))
    canvas.polygon(
        ((x - half, top), (x - 0.9 * half, top - 0.1 * height), (x + 0.9 * half, top - 0.1 * height), (x + half, top)),
        lit(colour, 1.18),
    )
    canvas.box(x - half, top, x + half, top + 0.09 * height, lit(colour, 0.9))
    for place in rng.uniform(-0.7, 0.7, int(rng.integers(0, 4))).tolist():
        _ornament(canvas, rng, x + place * half, top - 0.05 * height, height)


def _ornament(canvas: Canvas, rng: np.random.Generator, x: float, base: float, height: float) -> None:
    """Paint a vase, books or a lamp onto a table of the given height."""
    style, paint = int(rng.integers(3)), pick(rng, 0.6)
    if style == 0:
        sides = ((0.05, 0.0), (0.09, 0.16), (0.03, 0.26))
        right = [(x + across * height, base - up * height) for across, up in sides]
        canvas.polygon([*right, *((2 * x - column, row) for column, row in right[::-1])], paint)
    elif style == 1:
        for level in range(3):
            low = base - 0.05 * level * height
            canvas.box(x - 0.16 * height, low - 0.05 * height, x + 0.14 * height, low, pick(rng, 0.6))
    else:
        canvas.box(x - 0.015 * height, base - 0.3 * height, x + 0.015 * height, base, (90, 80, 70))
        low, top = base - 0.24 * height, base - 0.42 * height
        wide, slim = 0.14 * height, 0.08 * height
        canvas.polygon(((x - wide, low), (x - slim, top), (x + slim, top), (x + wide, low)), paint)


def chair(canvas: Canvas, rng: np.random.Generator, x: float, foot: float, height: float) -> None:
    """Paint a chair seen slightly from the side."""
    colour, half, leg = wood(rng) if rng.uniform() < 0.6 else pick(rng, 0.6), 0.24 * height, 0.03 * height
    side = 1 if rng.uniform() < 0.5 else -1
    for place, low, tall in ((-0.9, 0, 1.0), (0.9, 0, 0.46), (-0.6, 0.06, 0.46), (1.15, 0.06, 0.46)):
        cx = x + side * place * half
        canvas.box(cx - leg, foot - tall * height, cx + leg, foot - low * height, lit(colour, 0.8 if low else 1))
    for share in (0.96, 0.8, 0.66):
        canvas.line(
            ((x - side * 0.9 * half, foot - share * height), (x - side * 0.6 * half, foot - (share + 0.02) * height)),
            colour,
            0.08 * height,
        )
    seat = ((-1, 0.44), (1, 0.44), (1.25, 0.5), (-0.7, 0.5))
    canvas.polygon([(x + side * across * half, foot - up * height) for across, up in seat], lit(colour, 1.2))
    canvas.box(
        min(x - side * half, x + side * half),
        foot - 0.45 * height,
        max(x - side * half, x + side * half),
        foot - 0.4 * height,
        lit(colour, 0.85),
    )


def shelf(canvas: Canvas, rng: np.random.Generator, x: float, foot: float, height: float) -> None:
    """Paint a shelf full of books and boxes."""
    colour, half = wood(rng) if rng.uniform() < 0.7 else pick(rng, 0.2), height * rng.uniform(0.2, 0.5)
    boards, rim = int(rng.integers(3, 6)), 0.025 * height
    canvas.box(x - half, foot - height, x + half, foot, lit(colour, 0.5))
    step = (height - 0.04 * height) / boards
    for board in range(boards):
        base, place = foot - 0.04 * height - board * step, x - half + 1.5 * rim
        while place < x + half - 3 * rim:
            wide, tall, gap = (rng.uniform((0.12, 0.5, 0), (0.4, 0.85, 1)) * step).tolist()
            right = min(place + wide, x + half - rim)
            if gap < 0.8 * step:
                canvas.box(place, base - tall, right, base, pick(rng, 0.5))
            place = right + 0.03 * step
        canvas.box(x - half, base, x + half, base + rim, colour)
    for left in (x - half, x + half - rim):
        canvas.box(left, foot - height, left + rim, foot, lit(colour, 1.1))
    canvas.box(x - half, foot - height, x + half, foot - height + rim, lit(colour, 1.15))


def bed(canvas: Canvas, rng: np.random.Generator, x: float, foot: float, height: float) -> None:
    """Paint a bed seen from its side, with a pillow and a blanket."""
    frame, blanket, half = wood(rng), pick(rng, 0.5), 1.3 * height
    sheet: Colour = hsv(0.1, rng.uniform(0, 0.1), 0.95)
    side = 1 if rng.uniform() < 0.5 else -1
    canvas.box(x - half, foot - 0.35 * height, x + half, foot - 0.14 * height, frame)
    for end, tall in ((-1, 1.0), (1, 0.6)):
        cx = x + side * end * half
        canvas.box(cx - 0.06 * height, foot - tall * height, cx + 0.06 * height, foot, lit(frame, 0.85))
    canvas.box(x - 0.96 * half, foot - 0.52 * height, x + 0.96 * half, foot - 0.34 * height, sheet)
    edges = sorted((x - side * 0.45 * half, x + side * 0.97 * half))
    canvas.box(edges[0], foot - 0.58 * height, edges[1], foot - 0.26 * height, blanket)
    canvas.box(edges[0], foot - 0.58 * height, edges[1], foot - 0.5 * height, lit(blanket, 1.18))
    canvas.oval(x - side * 0.74 * half, foot - 0.58 * height, 0.2 * half, 0.1 * height, lit(sheet, 0.92))


def floor_lamp(canvas: Canvas, rng: np.random.Generator, x: float, foot: float, height: float) -> None:
    """Paint a standing lamp with a shade or a round glass."""
    metal, shade = hsv(0.1, 0.1, rng.uniform(0.15, 0.6)), pick(rng, 0.4)
    canvas.oval(x, foot - 0.015 * height, 0.12 * height, 0.02 * height, metal)
    canvas.box(x - 0.012 * height, foot - 0.85 * height, x + 0.012 * height, foot, metal)
    if rng.uniform() < 0.3:
        canvas.oval(x, foot - 0.88 * height, 0.1 * height, 0.1 * height, hsv(0.13, 0.2, 0.98))
    else:
        low, top = foot - 0.76 * height, foot - height
        canvas.polygon(
            ((x - 0.17 * height, low), (x - 0.1 * height, top), (x + 0.1 * height, top), (x + 0.17 * height, low)),
            shade,
        )
        canvas.polygon(
            ((x + 0.05 * height, low), (x + 0.03 * height, top), (x + 0.1 * height, top), (x + 0.17 * height, low)),
            lit(shade, 0.82),
        )


def cupboard(canvas: Canvas, rng: np.random.Generator, x: float, foot: float, height: float) -> None:
    """Paint a cupboard or chest with doors or drawers, perhaps a plant on it."""
    colour, half = wood(rng) if rng.uniform() < 0.6 else pick(rng, 0.35), height * rng.uniform(0.4, 0.9)
    if rng.uniform() < 0.4:
        plants.potted(canvas, rng, x, foot - 0.98 * height, 0.6 * height)
    canvas.box(x - half, foot - height, x + half, foot, colour)
    canvas.box(x - 1.04 * half, foot - height, x + 1.04 * half, foot - 0.93 * height, lit(colour, 1.15))
    rows, columns = (1, 2) if rng.uniform() < 0.5 else (3, 1)
    for row in range(rows):
        for column in range(columns):
            left, right = (
                x - half + (2 * half) * (column + 0.06) / columns,
                x - half + (2 * half) * (column + 0.94) / columns,
            )
            top, low = (
                foot - 0.9 * height + 0.85 * height * (row + 0.05) / rows,
                foot - 0.9 * height + 0.85 * height * (row + 0.95) / rows,
            )
            canvas.box(left, top, right, low, lit(colour, 0.85))
            canvas.box(
                left + 0.02 * height, top + 0.02 * height, right - 0.02 * height, low - 0.02 * height, lit(colour, 1.04)
            )
            canvas.oval((left + right) / 2, (top + low) / 2, 0.025 * height, 0.025 * height, (40, 36, 32))
