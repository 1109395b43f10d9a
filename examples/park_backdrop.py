"""Backdrops of the park world: painted once a scene, a little wider than the frame so that the camera can pan."""

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from examples.park_figures import RGB, shade


def _clouds(rng: np.random.Generator, size: tuple[int, int], cell: int, strength: float) -> Image.Image:
    """Return smooth noise around mid-grey, as an RGB image of the size."""
    small = rng.normal(128, strength, (max(2, size[1] // cell), max(2, size[0] // cell), 1)).clip(0, 255)
    return Image.fromarray(np.repeat(small.astype(np.uint8), 3, axis=2)).resize(size, Image.Resampling.BICUBIC)


def _mottle(
    image: Image.Image, rng: np.random.Generator, cell: int, strength: float, box: tuple[int, int, int, int]
) -> None:
    """Lighten and darken a part of the picture with noise of the given cell size."""
    part = image.crop(box)
    if min(part.size) < 2:
        return
    noise = _clouds(rng, part.size, cell, strength)
    image.paste(ImageChops.add(part, noise, 1.0, -128), box[:2])


def _gradient(size: tuple[int, int], top: RGB, bottom: RGB) -> Image.Image:
    ramp = np.linspace(np.array(top, np.float32), np.array(bottom, np.float32), max(2, size[1]))[: size[1], None]
    return Image.fromarray(np.repeat(ramp.round().astype(np.uint8), size[0], axis=1))


def _tint(rng: np.random.Generator, colour: RGB, spread: int = 16) -> RGB:
    red, green, blue = (int(np.clip(value + rng.integers(-spread, spread + 1), 0, 255)) for value in colour)
    return (red, green, blue)


def _leafy(draw: ImageDraw.ImageDraw, rng: np.random.Generator, foot: tuple[float, float], size: float) -> None:
    """Draw one tree of the backdrop with its shadow."""
    x, y = foot
    leaf, bark = _tint(rng, (66, 128, 58), 18), _tint(rng, (104, 76, 50), 12)
    draw.ellipse((x - size * 0.3, y - size * 0.04, x + size * 0.45, y + size * 0.05), fill=(84, 132, 62))
    draw.polygon(
        [
            (x - size * 0.05, y),
            (x - size * 0.03, y - size * 0.5),
            (x + size * 0.03, y - size * 0.5),
            (x + size * 0.05, y),
        ],
        fill=bark,
    )
    for number in range(16):
        angle, far = rng.uniform(0, 2 * np.pi), size * 0.2 * np.sqrt(rng.uniform())
        cx, cy, radius = (
            x + far * np.cos(angle) * 1.1,
            y - size * 0.66 + far * np.sin(angle),
            size * rng.uniform(0.09, 0.17),
        )
        colour = shade(leaf, 0.72 + 0.026 * number)
        cx, cy = cx - number * size * 0.003, cy - number * size * 0.006
        draw.ellipse((cx - radius, cy - radius, cx + radius, cy + radius), fill=colour)


def park(rng: np.random.Generator, size: tuple[int, int], horizon: float) -> Image.Image:
    """Paint sky, hills, trees, grass and a path.

    Args:
        rng: decides everything but the layout.
        size: width and height in pixels.
        horizon: row where the grass begins, in pixels.
    """
    width, height = size
    row = round(horizon)
    image = _gradient(size, _tint(rng, (104, 172, 232)), _tint(rng, (206, 230, 244), 8))
    sky = ImageDraw.Draw(image)
    for _ in range(5):
        x, y, reach = rng.uniform(0, width), rng.uniform(0.03, 0.6) * row, rng.uniform(0.03, 0.07) * width
        for shift in (-1.1, -0.4, 0.4, 1.1):
            up = reach * (0.5 - 0.18 * abs(shift))
            sky.ellipse(
                (x + shift * reach - reach * 0.7, y - up, x + shift * reach + reach * 0.7, y + up * 0.55),
                fill=(246, 249, 252),
            )
    if row > 8:
        image.paste(image.crop((0, 0, width, row)).filter(ImageFilter.GaussianBlur(height / 120)), (0, 0))
    draw = ImageDraw.Draw(image)
    for centre in np.linspace(0, width, 7):
        x, reach, up = (
            centre + rng.uniform(-0.08, 0.08) * width,
            rng.uniform(0.12, 0.24) * width,
            rng.uniform(0.08, 0.25) * row,
        )
        draw.ellipse((x - reach, row - up, x + reach, row + up), fill=_tint(rng, (118, 164, 124), 12))
    grass = _gradient((width, height - row), _tint(rng, (142, 190, 92)), _tint(rng, (88, 148, 60)))
    image.paste(grass, (0, row))
    _mottle(image, rng, max(2, height // 16), 9, (0, row, width, height))
    _mottle(image, rng, max(1, height // 150), 7, (0, row, width, height))
    near, far = rng.uniform(0.62, 0.8), rng.uniform(0.2, 0.5)
    sand = _tint(rng, (222, 202, 164), 10)
    low, band = row + (height - row) * near, (height - row) * 0.16
    bend = [(x, low + band * far * np.sin(5 * x / width)) for x in np.linspace(-5, width + 5, 24)]
    draw.polygon(
        [(x, y - band * 0.5) for x, y in bend] + [(x, y + band) for x, y in reversed(bend)], fill=shade(sand, 0.88)
    )
    draw.polygon([(x, y - band * 0.4) for x, y in bend] + [(x, y + band * 0.86) for x, y in reversed(bend)], fill=sand)
    for share in rng.permutation(np.linspace(0.04, 0.96, 6)):
        deep = rng.uniform(0.02, 0.22)
        _leafy(draw, rng, (share * width, row + deep * (height - row)), height * rng.uniform(0.3, 0.42) * (1 + deep))
    for _ in range(60):
        x, y = rng.uniform(0, width), rng.uniform(row + 0.25 * (height - row), height)
        reach = 0.4 + height / 300 * (y / height)
        colour = ((250, 246, 230), (246, 214, 90), (206, 226, 132))[rng.integers(3)]
        if abs(y - low - band * 0.2) > band * 1.4:
            draw.ellipse((x - reach, y - reach, x + reach, y + reach), fill=colour)
    return image


def _street(rng: np.random.Generator, size: tuple[int, int], horizon: float) -> Image.Image:
    width, height = size
    row = round(horizon)
    image = _gradient(size, _tint(rng, (150, 186, 220)), _tint(rng, (222, 226, 226)))
    draw = ImageDraw.Draw(image)
    x = -rng.uniform(0, 0.1) * width
    while x < width:
        step, top = rng.uniform(0.14, 0.34) * width, row - rng.uniform(0.45, 1.1) * row
        wall = shade(_tint(rng, (176, 150, 130), 44), rng.uniform(0.75, 1.15))
        draw.rectangle((x, top, x + step, row), fill=wall)
        glass, cell = (
            shade(_tint(rng, (110, 130, 150), 30), rng.uniform(0.6, 1.2)),
            max(6.0, height / rng.uniform(8, 14)),
        )
        for cx in np.arange(x + cell * 0.4, x + step - cell * 0.6, cell):
            for cy in np.arange(top + cell * 0.4, row - cell * 0.5, cell * 1.2):
                draw.rectangle((cx, cy, cx + cell * 0.5, cy + cell * 0.7), fill=glass)
        x += step
    draw.rectangle((0, row, width, height), fill=_tint(rng, (176, 172, 166)))
    kerb = row + 0.3 * (height - row)
    draw.rectangle((0, kerb, width, height), fill=_tint(rng, (96, 98, 104)))
    for x in np.arange(rng.uniform(0, 20), width, width / 7):
        draw.rectangle(
            (x, row + 0.68 * (height - row), x + width / 14, row + 0.7 * (height - row)), fill=(220, 220, 210)
        )
    _mottle(image, rng, max(1, height // 90), 6, (0, row, width, height))
    return image


def _wall(rng: np.random.Generator, size: tuple[int, int], horizon: float) -> Image.Image:
    width, height = size
    row = round(horizon)
    paint = _tint(rng, (172, 150, 132), 60)
    image = _gradient(size, shade(paint, 1.1), shade(paint, 0.85))
    draw = ImageDraw.Draw(image)
    tall = max(4.0, height / rng.uniform(10, 30))
    seam = shade(paint, rng.uniform(0.7, 0.92))
    for number, y in enumerate(np.arange(0, row, tall)):
        draw.line((0, y, width, y), fill=seam)
        for x in np.arange(tall * (number % 2), width, tall * 2):
            draw.line((x, y, x, y + tall), fill=seam)
    floor = _tint(rng, (140, 136, 128), 50)
    image.paste(_gradient((width, height - row), shade(floor, 0.85), shade(floor, 1.1)), (0, row))
    _mottle(image, rng, max(2, height // 14), 8, (0, 0, width, height))
    return image


def _patchwork(rng: np.random.Generator, size: tuple[int, int], horizon: float) -> Image.Image:
    """Paint smooth random colours."""
    cells = rng.integers(40, 225, (rng.integers(2, 6), rng.integers(2, 8), 3), dtype=np.uint8)
    image = Image.fromarray(cells).resize(size, Image.Resampling.BICUBIC)
    image.paste(
        _gradient((size[0], size[1] - round(horizon)), *rng.integers(60, 200, (2, 3)).tolist()), (0, round(horizon))
    )
    _mottle(image, rng, int(rng.integers(1, 12)), rng.uniform(4, 18), (0, 0, *size))
    return image


def _litter(image: Image.Image, rng: np.random.Generator) -> None:
    """Strew coloured patches that belong to nobody, so that a colour alone is no answer."""
    width, height = image.size
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(0, 9)):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        across, up = rng.uniform(0.01, 0.09, 2) * width
        red, green, blue = rng.integers(10, 245, 3).tolist()
        box, what = (x - across, y - up, x + across, y + up), rng.integers(3)
        if what == 0:
            draw.rectangle(box, fill=(red, green, blue))
        elif what == 1:
            corners = [(x + across * np.cos(a), y + up * np.sin(a)) for a in np.sort(rng.uniform(0, 6.3, 5))]
            draw.polygon(corners, fill=(red, green, blue))
        else:
            draw.line(box, fill=(red, green, blue), width=int(rng.integers(1, 6)))


def draw_backdrop(rng: np.random.Generator, size: tuple[int, int], horizon: float) -> Image.Image:
    """Paint a random backdrop.

    Args:
        rng: decides everything.
        size: width and height in pixels.
        horizon: row where the ground begins, in pixels.

    Returns:
        An RGB image of the size.
    """
    painters = (park, park, _street, _wall, _patchwork)
    image = painters[rng.integers(len(painters))](rng, size, horizon)
    if rng.uniform() < 0.6:
        _litter(image, rng)
    return image if rng.uniform() < 0.5 else image.filter(ImageFilter.GaussianBlur(size[1] / 400))
