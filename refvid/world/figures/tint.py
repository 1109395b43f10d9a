"""Shades of a paint that keep its name, and colours for marks on it."""

from functools import lru_cache

import numpy as np

from refvid.world.palette import name_of, to_lab
from refvid.world.scene import RGB

_CHALK: RGB = (242, 240, 234)
_COAL: RGB = (30, 28, 30)


def blend(first: RGB, second: RGB, share: float) -> RGB:
    """Return the mixture of two sRGB colours; a share of 0 is the first, of 1 the second."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return (red, green, blue)


@lru_cache(maxsize=4096)
def tone(paint: RGB, factor: float) -> RGB:
    """Return a darker (factor below 1) or lighter (above 1) shade, which keeps the paint's name if possible.

    Args:
        paint: sRGB colour.
        factor: Brightness from 0 to 2. It is moved towards 1, but at most halfway, as long as the name of the shade
            would
            change: a wrong name is better than limbs that cannot be distinguished. A nearly black paint is always
            lightened, because a darker shade would be invisible.
    """
    name = name_of(paint)
    share = abs(factor - 1)
    least = share / 2
    goal: RGB = (255, 255, 255) if factor > 1 or max(paint) < 60 else (0, 0, 0)
    while share > least and name_of(blend(paint, goal, share)) != name:
        share *= 0.85
    return blend(paint, goal, max(share, least))


def marks(rng: np.random.Generator, paint: RGB) -> RGB:
    """Return a random colour for spots and stripes: off-white, near-black or a deep shade, distinct from the paint."""
    here = to_lab(paint)
    choices = [
        colour for colour in (_CHALK, _COAL, blend(paint, _COAL, 0.6)) if np.linalg.norm(to_lab(colour) - here) > 32
    ]
    return choices[int(rng.integers(len(choices)))]
