"""Outdoor objects; each stands with its foot at a point and is `height` pixels tall."""

import numpy as np

from refvid.world.scenery.canvas import Canvas
from refvid.world.scenery.tint import Colour, hsv, lit, loud, mix, muted, pick, vary, wood


def _metal(rng: np.random.Generator) -> Colour:
    return hsv(rng.uniform(0.3, 0.65), rng.uniform(0.02, 0.3), rng.uniform(0.15, 0.6))


def pole(canvas: Canvas, x: float, foot: float, height: float, half: float, colour: Colour) -> None:
    """Paint a round pole of half width `half`."""
    canvas.box(x - half, foot - height, x + half, foot, colour)
    canvas.box(x + 0.3 * half, foot - height, x + half, foot, lit(colour, 0.7))
    canvas.box(x - 0.6 * half, foot - height, x - 0.2 * half, foot, lit(colour, 1.25))


def lamp_post(canvas: Canvas, rng: np.random.Generator, x: float, foot: float, height: float) -> None:
    """Paint a street lamp with round, hanging or lantern-shaped glass."""
    metal, glass = _metal(rng), hsv(0.14, rng.uniform(0.05, 0.4), 0.97)
    half = max(0.7, 0.014 * height)
    pole(canvas, x, foot, 0.9 * height, half, metal)
    canvas.polygon(
        ((x - 3 * half, foot), (x - half, foot - 0.1 * height), (x + half, foot - 0.1 * height), (x + 3 * half, foot)),
        lit(metal, 0.85),
    )
    top, style = foot - 0.9 * height, int(rng.integers(3))
    if style == 0:
        canvas.oval(x, top - 0.04 * height, 0.055 * height, 0.055 * height, glass)
        canvas.oval(x, top + 0.015 * height, 0.03 * height, 0.012 * height, metal)
    elif style == 1:
        side = 1 if rng.uniform() < 0.5 else -1
        canvas.line(
            (
                (x, top),
                (x + side * 0.05 * height, top - 0.05 * height),
                (x + side * 0.16 * height, top - 0.05 * height),
            ),
            metal,
            2 * half,
        )
        canvas.oval(x + side * 0.17 * height, top - 0.035 * height, 0.05 * height, 0.015 * height, glass)
    else:
        w, h = 0.045 * height, 0.1 * height
        canvas.polygon(((x - 0.6 * w, top), (x - w, top - h), (x + w, top - h), (x + 0.6 * w, top)), glass)
        canvas.polygon(((x - 1.3 * w, top - h), (x, top - 1.4 * h), (x + 1.3 * w, top - h)), metal)
        canvas.line(((x, top), (x, top - h)), metal, 0.5 * half)


def bench(canvas: Canvas, rng: np.random.Generator, x: float, foot: float, height: float) -> None:
    """Paint a bench of slats."""
    slat, metal, half = wood(rng) if rng.uniform() < 0.7 else loud(rng), _metal(rng), height * rng.uniform(0.95, 1.4)
    for side in (-0.82, 0.82):
        canvas.box(x + side * half - 0.04 * height, foot - 0.5 * height, x + side * half + 0.04 * height, foot, metal)
        canvas.box(
            x + side * half - 0.03 * height,
            foot - height,
            x + side * half + 0.03 * height,
            foot - 0.4 * height,
            lit(metal, 0.8),
        )
    for share in (0.98, 0.82, 0.66):
        canvas.box(x - half, foot - share * height, x + half, foot - (share - 0.1) * height, vary(rng, slat))
    canvas.box(x - 1.04 * half, foot - 0.5 * height, x + 1.04 * half, foot - 0.42 * height, lit(slat, 1.12))
    canvas.box(x - 1.04 * half, foot - 0.42 * height, x + 1.04 * half, foot - 0.36 * height, lit(slat, 0.7))


def crate(canvas: Canvas, rng: np.random.Generator, x: float, foot: float, height: float) -> None:
    """Paint a wooden crate or a box, seen slightly from the side."""
    colour = wood(rng) if rng.uniform() < 0.7 else pick(rng, 0.6)
    half, deep = height * rng.uniform(0.45, 0.8), height * rng.uniform(0.1, 0.22)
    top = foot - 0.88 * height
    canvas.box(x - half, top, x + half, foot, colour)
    lid = ((x - half, top), (x - half + deep, foot - height), (x + half + deep, foot - height), (x + half, top))
    canvas.polygon(lid, lit(colour, 1.2))
    canvas.polygon(
        ((x + half, top), (x + half + deep, foot - height), (x + half + deep, foot - 0.14 * height), (x + half, foot)),
        lit(colour, 0.66),
    )
    if rng.uniform() < 0.65:
        edge, rim = lit(colour, 0.8), 0.11 * height
        for share in (1 / 3, 2 / 3):
            y = top + share * (foot - top)
            canvas.line(((x - half, y), (x + half, y)), lit(colour, 0.6), max(0.5, 0.02 * height))
        canvas.polygon(
            ((x - half, foot - rim), (x + half - rim, top), (x + half, top + rim), (x - half + rim, foot)), edge
        )
        for box in (
            (x - half, top, x + half, top + rim),
            (x - half, foot - rim, x + half, foot),
            (x - half, top, x - half + rim, foot),
            (x + half - rim, top, x + half, foot),
        ):
            canvas.box(*box, lit(colour, 0.9))
    else:
        canvas.box(x - 0.12 * half, top, x + 0.12 * half, foot, mix(colour, (230, 210, 170), 0.5))


def sign(canvas: Canvas, rng: np.random.Generator, x: float, foot: float, height: float) -> None:
    """Paint a road sign: round, triangular, square or an arrow."""
    pole(canvas, x, foot, 0.8 * height, max(0.6, 0.018 * height), hsv(0.6, 0.05, rng.uniform(0.45, 0.75)))
    size, y, style = 0.15 * height, foot - 0.84 * height, int(rng.integers(4))
    paint, white = hsv(*rng.uniform((0, 0.7, 0.6), (1, 0.95, 0.95))), (244, 244, 240)
    red = (206, 40, 44)
    if style == 0:
        canvas.oval(x, y, size, size, red)
        canvas.oval(x, y, 0.74 * size, 0.74 * size, white if rng.uniform() < 0.5 else paint)
    elif style == 1:
        for grow, colour in ((1.15, red), (0.75, white)):
            canvas.polygon(
                (
                    (x - grow * size, y + 0.75 * grow * size),
                    (x, y - grow * size),
                    (x + grow * size, y + 0.75 * grow * size),
                ),
                colour,
            )
        canvas.box(x - 0.07 * size, y - 0.3 * size, x + 0.07 * size, y + 0.4 * size, (30, 30, 30))
    elif style == 2:
        canvas.box(x - size, y - size, x + size, y + size, white)
        canvas.box(x - 0.9 * size, y - 0.9 * size, x + 0.9 * size, y + 0.9 * size, paint)
        canvas.polygon(
            ((x - 0.45 * size, y + 0.5 * size), (x, y - 0.6 * size), (x + 0.45 * size, y + 0.5 * size)), white
        )
    else:
        side = 1 if rng.uniform() < 0.5 else -1
        board = [(-1.4, -0.5), (1.2, -0.5), (1.7, 0), (1.2, 0.5), (-1.4, 0.5)]
        canvas.polygon([(x + side * across * size, y + down * size) for across, down in board], paint)
        canvas.line(((x - side * 1.1 * size, y), (x + side * 1.0 * size, y)), white, 0.18 * size)


def pillar(canvas: Canvas, rng: np.random.Generator, x: float, foot: float, height: float) -> None:
    """Paint a stone pillar or an advertising column."""
    stone = hsv(*rng.uniform((0.05, 0.02, 0.5), (0.14, 0.22, 0.9))) if rng.uniform() < 0.7 else muted(rng)
    half = height * rng.uniform(0.06, 0.1)
    top = foot - height
    pole(canvas, x, foot, height, half, stone)
    for y, tall in ((top, 0.05), (foot - 0.06 * height, 0.06)):
        canvas.box(x - 1.25 * half, y, x + 1.25 * half, y + tall * height, lit(stone, 1.08))
        canvas.box(x + 0.4 * half, y, x + 1.25 * half, y + tall * height, lit(stone, 0.8))
    if rng.uniform() < 0.4:
        for level in (0.2, 0.5):
            poster(canvas, rng, (x - 0.85 * half, top + level * height, x + 0.75 * half, top + (level + 0.22) * height))


def poster(canvas: Canvas, rng: np.random.Generator, box: tuple[float, float, float, float]) -> None:
    """Paint a poster or picture, with shapes and lines on it, into (left, top, right, bottom)."""
    left, top, right, bottom = box
    wide, tall, ground = right - left, bottom - top, pick(rng, 0.5)
    canvas.box(left, top, right, bottom, ground)
    style = int(rng.integers(4))
    if style == 0:
        canvas.box(left, top + 0.55 * tall, right, bottom, pick(rng, 0.4))
        canvas.oval(
            left + 0.68 * wide, top + 0.3 * tall, 0.13 * min(wide, tall), 0.13 * min(wide, tall), pick(rng, 0.6)
        )
    elif style == 1:
        for share in (0.15, 0.4, 0.65):
            canvas.box(
                left + 0.1 * wide, top + share * tall, right - 0.1 * wide, top + (share + 0.14) * tall, pick(rng, 0.5)
            )
    elif style == 2:
        canvas.polygon(
            ((left, bottom), (left + 0.4 * wide, top + 0.3 * tall), (left + 0.8 * wide, bottom)), pick(rng, 0.4)
        )
        canvas.polygon(
            ((left + 0.4 * wide, bottom), (left + 0.75 * wide, top + 0.5 * tall), (right, bottom)), pick(rng, 0.4)
        )
    else:
        canvas.oval(left + 0.5 * wide, top + 0.5 * tall, 0.35 * wide, 0.35 * tall, pick(rng, 0.6))
        canvas.line(
            ((left + 0.2 * wide, top + 0.88 * tall), (right - 0.2 * wide, top + 0.88 * tall)), (40, 40, 40), 0.05 * tall
        )


def ladder(canvas: Canvas, rng: np.random.Generator, x: float, foot: float, height: float) -> None:
    """Paint an upright ladder."""
    colour = wood(rng) if rng.uniform() < 0.5 else pick(rng, 0.5)
    half = min(0.085 * height, 10 + 0.03 * height)
    rail = max(1.0, 0.14 * half)
    for y in np.arange(foot - 0.4 * half, foot - height + 0.2 * half, -0.85 * half).tolist():
        canvas.box(x - half, y - rail, x + half, y + 0.4 * rail, lit(colour, 0.85))
    for side in (-half, half):
        canvas.box(x + side - rail, foot - height, x + side + rail, foot, colour)
        canvas.box(x + side + 0.2 * rail, foot - height, x + side + rail, foot, lit(colour, 0.7))


def fence(canvas: Canvas, rng: np.random.Generator, left: float, right: float, foot: float, height: float) -> None:
    """Paint a fence of pickets, boards, rails or wire from column `left` to `right`."""
    colour = hsv(0.1, 0.05, rng.uniform(0.75, 0.96)) if rng.uniform() < 0.35 else wood(rng)
    style = int(rng.integers(4))
    if style == 3:
        colour = _metal(rng)
    gap = height * (0.22, 0.2, 1.2, 0.13)[style]
    for share in (0.8, 0.35):
        canvas.box(
            left,
            foot - share * height,
            right,
            foot - (share - (0.12 if style != 3 else 0.05)) * height,
            lit(colour, 0.85),
        )
    for x in np.arange(left, right, gap).tolist():
        if style == 0:
            w = 0.3 * gap
            canvas.polygon(
                (
                    (x - w, foot),
                    (x - w, foot - 0.9 * height),
                    (x, foot - height),
                    (x + w, foot - 0.9 * height),
                    (x + w, foot),
                ),
                colour,
            )
        elif style == 1:
            canvas.box(x, foot - height, x + 0.94 * gap, foot, vary(rng, colour, 0.08))
        else:
            w = 0.06 * gap if style == 2 else 0.14 * gap
            canvas.box(x - w, foot - height, x + w, foot, colour)


def parasol(canvas: Canvas, rng: np.random.Generator, x: float, foot: float, height: float) -> None:
    """Paint a parasol in two colours."""
    one, other = loud(rng), (245, 242, 235) if rng.uniform() < 0.6 else loud(rng)
    half, low, top = 0.5 * height, foot - 0.68 * height, foot - height
    canvas.box(x - 0.012 * height, low, x + 0.012 * height, foot, (225, 220, 210))
    edges = np.linspace(-1, 1, 7)
    for index in range(6):
        ends = edges[index : index + 2]
        arc = np.linspace(0.5, 1, 4)
        outer = [
            (x + ends[0] * half * np.sin(np.pi / 2 * s * 2 - np.pi / 2 * 1), top + (low - top) * (2 * s - 1) ** 2)
            for s in arc
        ]
        inner = [
            (x + ends[1] * half * np.sin(np.pi / 2 * s * 2 - np.pi / 2 * 1), top + (low - top) * (2 * s - 1) ** 2)
            for s in arc
        ]
        canvas.polygon([*outer, *inner[::-1]], one if index % 2 else other)


def barrel(canvas: Canvas, rng: np.random.Generator, x: float, foot: float, height: float) -> None:
    """Paint a barrel or a litter bin."""
    colour = wood(rng) if rng.uniform() < 0.5 else pick(rng, 0.5)
    half, bulge = 0.36 * height, height * rng.uniform(0, 0.06)
    top, sink = foot - 0.92 * height, 0.08 * height
    levels = np.linspace(0, 1, 9)
    wide = half + bulge * np.sin(np.pi * levels)
    rows = top + (foot - sink - top) * levels
    for side, share, light in ((1.0, -1.0, 1.0), (1.0, 0.35, 0.72), (-0.45, -0.75, 1.2)):
        outline = np.concatenate([np.stack([x + share * wide, rows], 1), np.stack([x + side * wide, rows], 1)[::-1]])
        paint = lit(colour, light)
        if light == 1.0:
            canvas.oval(x, foot - sink, half, sink, paint)
        canvas.polygon(outline, paint)
    for level in (1, 4, 7):
        y, reach = float(rows[level]), float(wide[level])
        canvas.line(
            [(x + reach * s, y + sink * (1 - s * s)) for s in np.linspace(-1, 1, 9)], lit(colour, 0.5), 0.05 * height
        )
    canvas.oval(x, top, half, sink, lit(colour, 1.15))
    canvas.oval(x, top, 0.84 * half, 0.8 * sink, lit(colour, 0.45))
