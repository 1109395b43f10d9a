"""Colours of the scenery: mostly muted, sometimes loud, as in real places."""

import colorsys

import numpy as np

Colour = tuple[float, float, float]


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """Return the RGB colour, 0 to 255, of a hue in turns, and a saturation and value, which are clipped to [0, 1]."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, min(max(saturation, 0), 1), min(max(value, 0), 1))
    return (255 * red, 255 * green, 255 * blue)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """Return `one` with `share` of it replaced by `other`."""
    rest = 1 - share
    return (rest * one[0] + share * other[0], rest * one[1] + share * other[1], rest * one[2] + share * other[2])


def lit(colour: Colour, gain: float) -> Colour:
    """Return the colour with its brightness multiplied by `gain`, at most white."""
    return (min(255.0, colour[0] * gain), min(255.0, colour[1] * gain), min(255.0, colour[2] * gain))


def vary(rng: np.random.Generator, colour: Colour, amount: float = 0.08) -> Colour:
    """Return the colour slightly changed: its brightness by up to `amount`, each channel by up to a third of that."""
    light, *channels = 1 + amount * rng.uniform(-1, 1, 4) * (1, 0.33, 0.33, 0.33)
    red, green, blue = (min(255.0, float(value * light * part)) for value, part in zip(colour, channels, strict=True))
    return (red, green, blue)


def muted(rng: np.random.Generator) -> Colour:
    """Return a muted colour, as of plaster, wood or cloth."""
    hue, saturation, value = rng.uniform((0, 0.04, 0.4), (1, 0.34, 0.94))
    if rng.uniform() < 0.55:
        hue = 0.02 + 0.13 * hue
    return hsv(hue, saturation, value)


def loud(rng: np.random.Generator) -> Colour:
    """Return a saturated colour, as of clothes and toys."""
    return hsv(*rng.uniform((0, 0.55, 0.5), (1, 0.95, 0.95)))


def pick(rng: np.random.Generator, loudness: float = 0.25) -> Colour:
    """Return a loud colour with probability `loudness`, otherwise a muted one, sometimes grey, white or black."""
    chance = rng.uniform()
    if chance < loudness:
        return loud(rng)
    if chance > 0.88:
        return hsv(0.6, 0.04, rng.uniform(0.12, 0.97))
    return muted(rng)


def wood(rng: np.random.Generator) -> Colour:
    """Return a colour of wood, from pale birch to dark walnut."""
    return hsv(*rng.uniform((0.045, 0.3, 0.3), (0.1, 0.62, 0.82)))


def leaf(rng: np.random.Generator) -> Colour:
    """Return a colour of foliage, now and then autumnal."""
    if rng.uniform() < 0.14:
        return hsv(*rng.uniform((0.02, 0.55, 0.5), (0.14, 0.85, 0.85)))
    return hsv(*rng.uniform((0.2, 0.3, 0.28), (0.38, 0.7, 0.62)))
