"""Skies, and distant things on the horizon."""

import cv2
import numpy as np

from refvid.world.scenery.stage import Stage
from refvid.world.scenery.texture import noise
from refvid.world.scenery.tint import Colour, hsv, lit, mix

# Colour of the sky above and at the horizon, and light of the whole view: at noon, under clouds, in the morning, at
# sunset and at dusk.
_HOURS: tuple[tuple[Colour, Colour, Colour], ...] = (
    ((72, 136, 208), (186, 216, 238), (1.03, 1.02, 1.0)),
    ((104, 168, 226), (220, 234, 240), (1.0, 1.0, 1.0)),
    ((150, 160, 172), (208, 212, 214), (0.9, 0.92, 0.95)),
    ((128, 172, 214), (250, 224, 190), (1.05, 0.98, 0.9)),
    ((88, 90, 150), (250, 160, 96), (1.03, 0.85, 0.74)),
    ((216, 120, 128), (252, 208, 128), (1.05, 0.88, 0.78)),
    ((28, 38, 82), (112, 108, 150), (0.66, 0.7, 0.88)),
    ((150, 204, 206), (236, 236, 220), (1.0, 1.02, 0.98)),
)


def paint_sky(stage: Stage, hour: int | None = None) -> Colour:
    """Paint the sky down to the horizon and set the light of the view.

    Args:
        stage: Stage to paint on.
        hour: Index of the time of day; None for a random one.

    Returns:
        The colour of the air at the horizon, into which distant things fade.
    """
    rng, canvas = stage.rng, stage.canvas
    if hour is None:
        hour = int(rng.choice(len(_HOURS), p=(0.2, 0.18, 0.15, 0.13, 0.09, 0.06, 0.06, 0.13)))
    upper, lower, stage.light = _HOURS[hour]
    turn = rng.uniform(0.92, 1.06, 3)
    upper = (upper[0] * turn[0], upper[1] * turn[1], upper[2] * turn[2])
    rows = int(stage.horizon) + 2
    canvas.gradient(0, rows, upper, lower)
    if stage.chance(0.35):
        x, y, size = (
            stage.column(stage.between(0.05, 0.95)),
            stage.between(0.2, 0.9) * stage.horizon,
            stage.between(2.5, 7) * stage.unit,
        )
        for grow, opacity in ((3.2, 0.12), (2.1, 0.16), (1.4, 0.25), (1.0, 0.9)):
            canvas.oval(x, y, grow * size, grow * size, mix((255, 250, 225), lower, 0.15), opacity)
    if stage.chance(0.8):
        _paint_clouds(stage, rows, mix(lower, (255, 255, 255), 0.75 if hour != 6 else 0.1))
    return lower


def _paint_clouds(stage: Stage, rows: int, colour: Colour) -> None:
    rng, canvas = stage.rng, stage.canvas
    scale = stage.unit * stage.between(0.35, 1.3)
    field = noise(rng, canvas.width, rows, "cloud", scale, stage.between(1.2, 3.0))
    soft = stage.between(0.25, 1.4)
    share = np.clip((field - stage.between(-0.5, 1.0)) / soft, 0, 1) * np.float32(stage.between(0.5, 0.95))
    share *= np.linspace(1, 0.35, rows, dtype=np.float32)[:, None]
    if soft < 0.7:
        # The undersides of the clouds: the same clouds painted first, slightly lower and greyer.
        below = np.roll(share, round(3 * stage.unit), 0) * np.float32(0.8)
        below[: round(3 * stage.unit)] = 0
        canvas.lay(0, 0, mix(colour, (120, 130, 150), 0.35), below)
    canvas.lay(0, 0, colour, np.asarray(share, np.float32))


def _ridge(stage: Stage, roughness: float, tall: float) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Return the height of a ridge at 64 columns, from 0 to about `tall` pixels."""
    places = np.linspace(0, 1, 64)
    waves = np.zeros(64)
    for octave in range(6):
        frequency = 2.0**octave * stage.between(0.7, 1.3)
        waves += np.sin(2 * np.pi * (frequency * places + stage.between(0, 1))) * roughness**octave
    waves -= waves.min()
    return np.asarray(tall * waves / max(1e-6, waves.max()), np.float64)


def paint_hills(
    stage: Stage, air: Colour, *, layers: int, tall: float, colour: Colour, roughness: float = 0.42
) -> None:
    """Paint several ridges behind each other, whose colours range from that of the air to `colour`.

    Args:
        stage: Stage to paint on.
        air: Colour into which the farthest ridge fades.
        layers: Number of ridges.
        tall: Height of the farthest ridge, as a fraction of the rows above the horizon.
        colour: Colour of the nearest ridge.
        roughness: From 0.3 (rolling) to 0.65 (jagged); above 0.5 the tops are covered with snow.
    """
    places = np.linspace(0, stage.canvas.width, 64)
    for layer in range(layers):
        share = (layer + 1) / layers
        ridge = (
            stage.horizon
            - _ridge(stage, roughness, tall * stage.horizon * (1.25 - share) * stage.between(0.7, 1.1))
            - 0.01 * stage.horizon
        )
        shade = mix(colour, air, 0.72 * (1 - share) + 0.12)
        floor = [(stage.canvas.width, stage.horizon + 1), (0.0, stage.horizon + 1)]
        line = np.stack([places, ridge], 1)
        stage.canvas.polygon(np.concatenate([line, floor]), shade)
        if roughness > 0.5 and layer == 0:
            line = (
                ridge.min() + (stage.horizon - ridge.min()) * 0.3 + 0.08 * tall * stage.horizon * np.sin(places * 0.7)
            )
            caps = np.stack([places, np.maximum(ridge, np.minimum(line, stage.horizon))], 1)
            stage.canvas.polygon(
                np.concatenate([np.stack([places, ridge], 1), caps[::-1]]), mix((246, 249, 255), air, 0.25)
            )


def paint_woods(stage: Stage, air: Colour, colour: Colour) -> None:
    """Paint the tree tops of a distant wood along the horizon."""
    count = 46
    x = np.linspace(-2, stage.canvas.width + 2, count) + stage.rng.uniform(-3, 3, count) * stage.unit
    tall = stage.unit * stage.between(3, 9)
    for share, light in ((1.0, 0.8), (0.65, 1.0)):
        radius = tall * stage.rng.uniform(0.5, 1.0, count) * share
        circles = np.stack([x, stage.horizon - 0.7 * radius * share, radius], 1)
        stage.canvas.blobs(circles, mix(lit(colour, light), air, 0.35))


def paint_skyline(stage: Stage, air: Colour, tall: float) -> None:
    """Paint two rows of towers with windows; `tall` is a fraction of the rows above the horizon."""
    rng, canvas = stage.rng, stage.canvas
    base = hsv(rng.uniform(0.5, 0.75), rng.uniform(0.05, 0.25), rng.uniform(0.3, 0.6))
    for haze in (0.6, 0.25):
        x = -rng.uniform(0, 10) * stage.unit
        while x < canvas.width:
            wide, high = rng.uniform((5, 0.25), (15, 1)).tolist()
            right, top = x + wide * stage.unit, stage.horizon - high * tall * stage.horizon * (0.7 if haze < 0.5 else 1)
            colour = mix(lit(base, stage.between(0.8, 1.25)), air, haze)
            canvas.box(x, top, right, stage.horizon + 1, colour)
            if stage.chance(0.25):
                canvas.line((((x + right) / 2, top), ((x + right) / 2, top - 5 * stage.unit)), colour, 0.6 * stage.unit)
            if haze < 0.5:
                _paint_panes(stage, (x, top, right, stage.horizon), colour)
            x = right + (0 if stage.chance(0.6) else stage.between(0, 8) * stage.unit)


def _paint_panes(stage: Stage, box: tuple[float, float, float, float], colour: Colour) -> None:
    left, top, right, bottom = box
    step = 2.6 * stage.unit
    evening = stage.light[2] < stage.light[0] * 0.9 or stage.light[0] < 0.8
    glass = mix(colour, (250, 226, 150), 0.7) if evening else lit(colour, 0.8)
    for y in np.arange(top + step, bottom - step, 1.5 * step).tolist():
        stage.canvas.box(left + 0.12 * (right - left), y, right - 0.12 * (right - left), y + 0.6 * step, glass)
    for share in (0.3, 0.5, 0.7):
        x = left + share * (right - left)
        stage.canvas.box(x - 0.2 * step, top + step, x + 0.2 * step, bottom - step, colour)


def blur_far(stage: Stage, amount: float) -> None:
    """Blur everything above the horizon by `amount` hundredths of the frame."""
    rows = slice(0, int(stage.horizon) + 1)
    sigma = max(0.3, amount * stage.unit)
    stage.canvas.pixels[rows] = cv2.GaussianBlur(stage.canvas.pixels[rows], (0, 0), sigma)
