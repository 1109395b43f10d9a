"""The shell of a room: the back wall with paper or plaster, windows, curtains and pictures, and the floor."""

import numpy as np

from refvid.world.scenery import fixtures
from refvid.world.scenery.canvas import Canvas
from refvid.world.scenery.houses import paint_wall
from refvid.world.scenery.stage import Stage
from refvid.world.scenery.texture import roughen
from refvid.world.scenery.tint import Colour, hsv, lit, loud, mix, pick, vary, wood


def paint_paper(stage: Stage, colour: Colour) -> None:
    """Paint the back wall: plain, striped, dotted, with flowers or lozenges, half panelled, or of bricks."""
    canvas, rng, unit = stage.canvas, stage.rng, stage.unit
    bottom, style = stage.horizon + 1, int(stage.rng.integers(8))
    if style == 7:
        paint_wall(stage, (0, 0, canvas.width, bottom))
        return
    canvas.gradient(0, bottom, lit(colour, stage.between(0.88, 1.0)), colour)
    mark = lit(colour, stage.between(0.78, 0.92)) if stage.chance(0.6) else mix(colour, pick(rng, 0.6), 0.5)
    if style == 1:
        step = stage.between(5, 16) * unit
        for x in np.arange(0, canvas.width, step).tolist():
            canvas.box(x, 0, x + 0.5 * step, bottom, mark)
    elif style in (2, 3):
        _paint_tiles(stage, colour, mark, flower=style == 3)
    elif style == 4:
        step = stage.between(10, 22) * unit
        for x in np.arange(-2 * bottom, canvas.width, step).tolist():
            for ends in (((x, 0), (x + 1.6 * bottom, bottom)), ((x + 1.6 * bottom, 0), (x, bottom))):
                canvas.line(ends, mark, 0.6 * unit)
    elif style == 5:
        top, panel = stage.horizon * stage.between(0.55, 0.7), pick(rng, 0.2)
        canvas.box(0, top, canvas.width, bottom, panel)
        for x in np.arange(0, canvas.width, 7 * unit).tolist():
            canvas.line(((x, top), (x, bottom)), lit(panel, 0.82), 0.6 * unit)
        canvas.box(0, top - 1.5 * unit, canvas.width, top, lit(panel, 1.15))
    roughen(canvas, rng, (0, 0, canvas.width, bottom), "cloud", stage.between(0.01, 0.05), unit)


def _paint_tiles(stage: Stage, colour: Colour, mark: Colour, *, flower: bool) -> None:
    """Repeat a small drawn tile over the back wall."""
    side = max(6, round(stage.between(6, 14) * stage.unit))
    tile = Canvas(side, side)
    tile.box(-1, -1, side + 1, side + 1, colour)
    places = ((0.25, 0.25), (0.75, 0.75))
    for across, down in places:
        x, y, size = across * side, down * side, 0.13 * side
        if flower:
            for turn in np.linspace(0, 2 * np.pi, 6)[:5].tolist():
                tile.oval(x + size * np.cos(turn), y + size * np.sin(turn), 0.6 * size, 0.6 * size, mark)
            tile.oval(x, y, 0.5 * size, 0.5 * size, lit(mark, 1.3))
        else:
            tile.oval(x, y, size, size, mark)
    rows, columns = round(stage.horizon) + 1, stage.canvas.width
    repeated = np.tile(tile.pixels, (rows // side + 1, columns // side + 1, 1))
    stage.canvas.pixels[:rows] = repeated[:rows, :columns]


def paint_floor(stage: Stage) -> None:
    """Paint boards, tiles, a checker or carpet on the ground, and the skirting board."""
    canvas, rng, plane = stage.canvas, stage.rng, stage.plane
    style, far = int(rng.integers(5)), plane.depth(stage.horizon)
    colour = wood(rng) if style < 2 else pick(rng, 0.25)
    canvas.gradient(stage.horizon, canvas.height, lit(colour, 0.94), colour)
    if style < 4:
        size = stage.between(0.07, 0.12) if style < 2 else stage.between(0.12, 0.28)
        _paint_pieces(stage, colour, far, size, style)
    else:
        plane.roughen(
            canvas,
            rng,
            stage.horizon,
            "pebbles" if stage.chance(0.4) else "grain",
            stage.between(0.03, 0.08),
            stage.unit,
        )
    plane.roughen(canvas, rng, stage.horizon, "blades" if style < 2 else "cloud", 0.04, 0.8 * stage.unit)
    skirting = lit(colour, 0.6) if stage.chance(0.4) else hsv(0.1, 0.04, stage.between(0.75, 0.97))
    canvas.box(0, stage.horizon - 2.6 * stage.unit, canvas.width, stage.horizon + 0.4 * stage.unit, skirting)
    canvas.box(0, stage.horizon + 0.4 * stage.unit, canvas.width, stage.horizon + 3 * stage.unit, (20, 18, 18), 0.25)


def _paint_pieces(stage: Stage, colour: Colour, far: float, size: float, style: int) -> None:
    """Paint boards that lead away (0), boards across (1), tiles (2) or a checker (3)."""
    rng, plane, canvas = stage.rng, stage.plane, stage.canvas
    near = 0.78
    half = 0.5 * (canvas.width / stage.width) * far + 0.35
    long = size if style >= 2 else 6 * size
    across = np.arange(-half, half, size if style != 1 else long)
    depth = np.arange(near, far + size, long if style != 1 else size)
    other = lit(colour, stage.between(0.55, 0.8)) if stage.chance(0.5) else pick(rng, 0.4)
    shades = [vary(rng, colour, 0.1 if style < 2 else 0.04) for _ in range(8)]
    wide, deep = (long, size) if style == 1 else (size, long)
    left, low = np.meshgrid(across, depth, indexing="ij")
    if style == 0:
        low = low + rng.uniform(-long / 2, long / 2, (across.size, 1))
    elif style == 1:
        left = left + rng.uniform(0, long, depth.size)
    # Pieces are slightly smaller than their places, and the gaps between them form the joints.
    gap = 0.0 if style == 3 else 0.035 * size
    x0, x1 = left + gap, left + wide - gap
    z0, z1 = np.clip(low, near, far), np.clip(low + deep, near, far) - gap
    ground = np.stack(
        [np.stack([x0, z0], -1), np.stack([x1, z0], -1), np.stack([x1, z1], -1), np.stack([x0, z1], -1)], -2
    )
    seen = plane.place(ground)
    visible = (z1 > z0) & (seen[..., 0].max(-1) > 0) & (seen[..., 0].min(-1) < canvas.width)
    if style == 3:
        odd = (np.add.outer(np.arange(across.size), np.arange(depth.size)) % 2 == 1)[visible].tolist()
        paints = [other if second else colour for second in odd]
    else:
        paints = [shades[index] for index in rng.integers(8, size=left.shape)[visible].tolist()]
    canvas.pieces(seen[visible], paints)


def paint_rug(stage: Stage) -> None:
    """Paint a round or square rug on the floor."""
    one, other = pick(stage.rng, 0.6), pick(stage.rng, 0.4)
    x, y = stage.column(stage.between(0.25, 0.75)), stage.row(stage.between(0.35, 0.7))
    if stage.chance(0.4):
        for grow, colour in ((1.0, one), (0.84, other), (0.72, one)):
            stage.canvas.oval(x, y, grow * 0.3 * stage.width, grow * 0.24 * stage.ground, colour)
    else:
        half, deep = stage.between(0.22, 0.36) * stage.width, stage.between(0.16, 0.24) * stage.ground
        for grow, colour in ((1.0, one), (0.88, other), (0.78, one)):
            near, away = grow * half * 1.12, grow * half * 0.85
            stage.canvas.polygon(
                (
                    (x - near, y + grow * deep),
                    (x + near, y + grow * deep),
                    (x + away, y - grow * deep),
                    (x - away, y - grow * deep),
                ),
                colour,
            )
        for share in np.linspace(-0.5, 0.5, 5).tolist():
            stage.canvas.oval(x + share * half, y, 0.05 * half, 0.18 * deep, other)


def paint_window(stage: Stage, x: float, top: float, wide: float, tall: float) -> None:
    """Paint a window with a view of sky and green, and its light on the wall."""
    canvas, frame, rim = stage.canvas, hsv(0.1, 0.05, stage.between(0.8, 0.97)), 1.6 * stage.unit
    canvas.box(x - wide / 2 - rim, top - rim, x + wide / 2 + rim, top + tall + rim, frame)
    sky = hsv(0.57, stage.between(0.05, 0.5), stage.between(0.75, 0.98)) if stage.chance(0.85) else (34, 40, 80)
    canvas.box(x - wide / 2, top, x + wide / 2, top + tall, sky)
    canvas.box(x - wide / 2, top + 0.35 * tall, x + wide / 2, top + tall, mix(sky, (255, 255, 255), 0.3), 0.6)
    heights = ((-0.5, 0.75), (0.0, 0.65), (0.5, 0.8), (0.5, 1.0), (-0.5, 1.0))
    garden = [(x + across * wide, top + down * tall) for across, down in heights]
    canvas.polygon(garden, mix(sky, hsv(stage.between(0.2, 0.35), 0.5, 0.5), 0.6))
    for share in (0.5,) if wide < 1.2 * tall else (1 / 3, 2 / 3):
        place = x - wide / 2 + share * wide
        canvas.box(place - rim / 2, top, place + rim / 2, top + tall, frame)
    canvas.box(x - wide / 2, top + 0.48 * tall, x + wide / 2, top + 0.48 * tall + 0.7 * rim, frame)
    canvas.box(
        x - wide / 2 - 2 * rim, top + tall + rim, x + wide / 2 + 2 * rim, top + tall + 2.4 * rim, lit(frame, 0.88)
    )


def paint_curtain(stage: Stage, left: float, right: float, top: float, bottom: float, colour: Colour) -> None:
    """Paint a curtain in folds."""
    edges = np.linspace(left, right, max(4, int((right - left) / (3.2 * stage.unit))) + 1)
    for index in range(len(edges) - 1):
        sway = stage.between(-0.6, 0.6) * stage.unit
        one, other = edges[index], edges[index + 1]
        stage.canvas.polygon(
            ((one, top), (other + 0.5, top), (other + sway + 0.5, bottom), (one + sway, bottom)),
            lit(colour, (0.78, 1.0, 1.12, 0.92)[index % 4]),
        )
    stage.canvas.box(
        left - stage.unit, top - 1.2 * stage.unit, right + stage.unit, top + 0.6 * stage.unit, lit(colour, 0.5)
    )


def hang_curtains(stage: Stage) -> None:
    """Paint a window, perhaps two, with curtains to the floor that can be climbed."""
    x = stage.column(stage.between(0.15, 0.85))
    top = stage.margin + stage.between(0.02, 0.1) * stage.height
    wide, colour = stage.between(0.2, 0.34) * stage.width, loud(stage.rng) if stage.chance(0.45) else pick(stage.rng)
    tall = (stage.horizon - top) * stage.between(0.5, 0.68)
    paint_window(stage, x, top + 0.06 * stage.height, wide, tall)
    end = stage.horizon - stage.between(0, 3) * stage.unit
    for side in (-1, 1):
        edge = x + side * 0.5 * wide
        left, right = sorted((edge - side * 0.12 * wide, edge + side * 0.3 * wide))
        paint_curtain(stage, left, right, top, end, colour)
        stage.climb((left + right) / 2, top + 2 * stage.unit, stage.row(0.015), "curtain")


def hang_pictures(stage: Stage) -> None:
    """Hang framed pictures or bare posters on the back wall."""
    for _ in range(int(stage.rng.integers(1, 5))):
        x, y = stage.between(0, stage.canvas.width), stage.between(0.2, 0.5) * stage.horizon
        tall = stage.between(0.14, 0.34) * stage.horizon
        wide, rim = tall * stage.between(0.65, 1.5), stage.between(0.6, 1.6) * stage.unit
        if stage.chance(0.7):
            frame = wood(stage.rng) if stage.chance(0.6) else pick(stage.rng, 0.1)
            stage.canvas.box(x - rim, y - rim, x + wide + rim, y + tall + rim, frame)
        fixtures.poster(stage.canvas, stage.rng, (x, y, x + wide, y + tall))
