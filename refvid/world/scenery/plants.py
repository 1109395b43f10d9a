"""Trees, bushes and other plants; each stands with its foot at a point and is `height` pixels tall."""

import numpy as np

from refvid.world.scenery.canvas import Canvas
from refvid.world.scenery.tint import Colour, hsv, leaf, lit, mix, vary


def _bark(rng: np.random.Generator) -> Colour:
    if rng.uniform() < 0.15:
        return hsv(0.1, 0.06, rng.uniform(0.7, 0.88))
    return hsv(*rng.uniform((0.04, 0.2, 0.25), (0.1, 0.5, 0.5)))


def crown(
    canvas: Canvas, rng: np.random.Generator, x: float, y: float, across: float, down: float, colour: Colour
) -> None:
    """Paint foliage as three layers of round tufts, dark below and light towards the upper left."""
    count = 9 if across < 12 else 16
    # The fixed number of tufts cannot fill an elongated crown, so it is made rounder.
    across = min(across, 1.7 * down)
    for light, share, shift in ((0.72, 0.42, 0.12), (1.0, 0.36, 0.0), (1.22, 0.16, -0.22)):
        turn, reach = (
            rng.uniform(0, 2 * np.pi, count),
            np.sqrt(rng.uniform(0, 1, count)) * (0.94 - 0.8 * share - 0.9 * abs(shift)),
        )
        radius = min(across, down) * share * rng.uniform(0.7, 1.25, count)
        tufts = np.stack(
            [x + across * (reach * np.cos(turn) + shift), y + down * (reach * np.sin(turn) + shift), radius], 1
        )
        canvas.blobs(tufts, vary(rng, lit(colour, light), 0.05))


def trunk(
    canvas: Canvas, rng: np.random.Generator, x: float, foot: float, height: float, thick: float, bark: Colour
) -> None:
    """Paint a round trunk that widens at its foot; `thick` is half its width in the middle."""
    top = foot - height
    lean = rng.uniform(-0.5, 0.5) * thick
    outline = [
        (x + lean - 0.75 * thick, top),
        (x - thick, foot - 0.25 * height),
        (x - 1.2 * thick, foot - 0.05 * height),
        (x - 1.8 * thick, foot),
        (x + 1.8 * thick, foot),
        (x + 1.2 * thick, foot - 0.05 * height),
        (x + thick, foot - 0.25 * height),
        (x + lean + 0.75 * thick, top),
    ]
    canvas.polygon(outline, bark)
    shade = [(x + lean + 0.2 * thick, top), (x + 0.35 * thick, foot - 0.2 * height), (x + 0.4 * thick, foot)]
    canvas.polygon(shade + outline[4:], lit(bark, 0.74))
    canvas.polygon(
        [
            (x + lean - 0.5 * thick, top),
            (x - 0.75 * thick, foot - 0.2 * height),
            (x - 0.3 * thick, foot - 0.2 * height),
        ],
        lit(bark, 1.18),
    )
    if thick > 5:
        for share in rng.uniform(0.02, 0.95, int(8 + thick / 3)).tolist():
            side = rng.uniform(-0.7, 0.7)
            y = foot - share * height
            mark = (
                (x + side * thick, y),
                (x + (side + rng.uniform(-0.1, 0.1)) * thick, y - rng.uniform(0.4, 1.3) * thick),
            )
            canvas.line(mark, lit(bark, 0.6), max(1, 0.12 * thick))


def deciduous(canvas: Canvas, rng: np.random.Generator, x: float, foot: float, height: float) -> None:
    """Paint a tree with a round crown and a trunk that is bare up to a third of its height."""
    bark, colour = _bark(rng), leaf(rng)
    clear, across = height * rng.uniform(0.28, 0.42), height * rng.uniform(0.24, 0.36)
    thick = height * rng.uniform(0.02, 0.04)
    trunk(canvas, rng, x, foot, clear * 1.5, thick, bark)
    canvas.line(((x, foot - clear), (x - 0.5 * across, foot - clear - 0.2 * height)), bark, thick)
    crown(canvas, rng, x, foot - (clear + height) / 2, across, (height - clear) / 2, colour)


def fir(canvas: Canvas, rng: np.random.Generator, x: float, foot: float, height: float, snow: float = 0.0) -> None:
    """Paint a conifer of three to five tiers, with `snow` from 0 to 1 on them."""
    colour = hsv(*rng.uniform((0.3, 0.25, 0.2), (0.46, 0.6, 0.45)))
    half, tiers = height * rng.uniform(0.17, 0.26), int(rng.integers(3, 6))
    canvas.box(x - 0.03 * height, foot - 0.16 * height, x + 0.03 * height, foot, _bark(rng))
    for tier in range(tiers):
        low = foot - height * (0.1 + 0.72 * tier / tiers)
        high = min(low - 1, foot - height * min(1, 0.1 + 0.72 * (tier + 1) / tiers + 0.22))
        wide = half * (1 - 0.78 * tier / tiers)
        canvas.polygon(((x - wide, low), (x, high), (x + wide, low), (x, low + 0.03 * height)), colour)
        canvas.polygon(((x + 0.1 * wide, low), (x, high), (x + wide, low)), lit(colour, 0.78))
        if snow > 0:
            part = 0.55 * snow
            tip = [
                (x - wide * part, high + (low - high) * part),
                (x, high),
                (x + wide * part, high + (low - high) * part),
            ]
            canvas.polygon([*tip, (x, high + (low - high) * part * 0.7)], (238, 243, 250))


def palm(canvas: Canvas, rng: np.random.Generator, x: float, foot: float, height: float) -> None:
    """Paint a palm with a slightly bent trunk."""
    bark, colour = hsv(0.09, 0.35, rng.uniform(0.42, 0.62)), hsv(rng.uniform(0.22, 0.36), 0.6, rng.uniform(0.35, 0.6))
    bend, thick = rng.uniform(-0.1, 0.1) * height, 0.022 * height
    share = np.linspace(0, 1, 7)
    middle = np.stack([x + bend * share**2, foot - 0.86 * height * share], 1)
    half = np.stack([thick * (1.3 - 0.6 * share), 0 * share], 1)
    canvas.polygon(np.concatenate([middle - half, (middle + half)[::-1]]), bark)
    canvas.polygon(np.concatenate([middle + 0.2 * half, (middle + half)[::-1]]), lit(bark, 0.75))
    tip_x, tip_y = middle[-1].tolist()
    for turn in np.linspace(-2.9, -0.2, 8) + rng.uniform(-0.15, 0.15, 8):
        reach, drop = 0.36 * height, 0.16 * height
        along = np.linspace(0, 1, 6)
        spine = np.stack(
            [tip_x + reach * np.cos(turn) * along, tip_y + reach * 0.6 * np.sin(turn) * along + drop * along**2], 1
        )
        broad = (0.05 * height * np.sin(np.pi * along**0.7))[:, None] * np.array([-0.1, 1.0])
        canvas.polygon(np.concatenate([spine, (spine + broad)[::-1]]), vary(rng, colour, 0.18))


def cactus(canvas: Canvas, rng: np.random.Generator, x: float, foot: float, height: float) -> None:
    """Paint a column cactus with two arms."""
    colour = hsv(*rng.uniform((0.27, 0.3, 0.32), (0.4, 0.55, 0.5)))
    thick = 0.09 * height
    arms = [(x, foot, x, foot - height + thick)]
    for side in (-1, 1):
        low, reach, rise = rng.uniform((0.3, 2.2, 0.22), (0.5, 3.2, 0.34))
        elbow = x + side * reach * thick
        arms += [
            (x, foot - low * height, elbow, foot - low * height),
            (elbow, foot - low * height, elbow, foot - (low + rise) * height),
        ]
    for left, low, right, high in arms:
        wide = thick if left == right == x else 0.68 * thick
        canvas.line(((left, low), (right, high)), colour, 2 * wide)
        canvas.oval(right, high, wide, wide, colour)
        canvas.line(((left + 0.4 * wide, low), (right + 0.4 * wide, high)), lit(colour, 0.76), 0.5 * wide)


def bush(canvas: Canvas, rng: np.random.Generator, x: float, foot: float, height: float) -> None:
    """Paint a bush, broader than tall, now and then in bloom."""
    colour, across = leaf(rng), height * rng.uniform(0.6, 1.0)
    canvas.oval(x, foot - 0.08 * height, across * 0.72, 0.1 * height, lit(colour, 0.5))
    crown(canvas, rng, x, foot - 0.48 * height, across, 0.5 * height, colour)
    if rng.uniform() < 0.35:
        petals = hsv(rng.uniform(0, 1), rng.uniform(0.2, 0.8), 0.95)
        turn, reach = rng.uniform(0, 2 * np.pi, 14), np.sqrt(rng.uniform(0, 0.6, 14))
        x_spots, y_spots = x + across * reach * np.cos(turn), foot - height * (0.5 + 0.45 * reach * np.sin(turn))
        spots = np.stack([x_spots, y_spots, np.full(14, 0.04 * height)], 1)
        canvas.blobs(spots, petals)


def potted(canvas: Canvas, rng: np.random.Generator, x: float, foot: float, height: float) -> None:
    """Paint a plant in a pot: pointed leaves or a small tree."""
    pot = hsv(rng.uniform(0.02, 0.1), rng.uniform(0.1, 0.7), rng.uniform(0.4, 0.9))
    if rng.uniform() < 0.3:
        pot = hsv(rng.uniform(0, 1), rng.uniform(0.2, 0.8), rng.uniform(0.4, 0.95))
    rim, half, colour = foot - 0.3 * height, 0.15 * height, leaf(rng)
    if rng.uniform() < 0.4:
        canvas.box(
            x - 0.022 * height, foot - 0.7 * height, x + 0.022 * height, rim, hsv(0.07, 0.45, rng.uniform(0.25, 0.45))
        )
        crown(canvas, rng, x, foot - 0.74 * height, 0.24 * height, 0.26 * height, colour)
    else:
        for turn in np.linspace(-2.5, -0.6, 9) + rng.uniform(-0.12, 0.12, 9):
            reach = height * rng.uniform(0.5, 0.72)
            tip = (x + 0.75 * reach * np.cos(turn), rim + reach * np.sin(turn))
            middle = ((x + tip[0]) / 2, (rim + tip[1]) / 2)
            wide = 0.07 * height
            canvas.polygon(
                ((x, rim), (middle[0] - wide, middle[1]), tip, (middle[0] + wide, middle[1])), vary(rng, colour, 0.2)
            )
    canvas.polygon(((x - half, rim), (x + half, rim), (x + 0.7 * half, foot), (x - 0.7 * half, foot)), pot)
    canvas.polygon(
        ((x + 0.25 * half, rim), (x + half, rim), (x + 0.7 * half, foot), (x + 0.2 * half, foot)), lit(pot, 0.8)
    )
    canvas.box(x - 1.15 * half, rim - 0.03 * height, x + 1.15 * half, rim + 0.04 * height, lit(pot, 1.12))


def flowers(canvas: Canvas, rng: np.random.Generator, x: float, foot: float, height: float) -> None:
    """Paint a tuft of grass with a few flowers."""
    green, petals = leaf(rng), hsv(rng.uniform(0, 1), rng.uniform(0.1, 0.85), 0.95)
    for lean, tall in rng.uniform((-0.6, 0.5), (0.6, 1), (7, 2)).tolist():
        tip = (x + lean * height, foot - tall * height)
        canvas.line(((x + 0.3 * lean * height, foot), tip), vary(rng, green, 0.2), 0.07 * height)
        if tall > 0.7:
            canvas.oval(*tip, 0.12 * height, 0.12 * height, mix(petals, (255, 255, 255), 0.1))
