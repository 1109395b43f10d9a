"""The eleven basic colour terms (Berlin and Kay) as regions of CIELAB, for painting and for naming colours."""

from functools import cache

import numpy as np
import numpy.typing as npt

from refvid.world.scene import RGB

COLOURS = ("black", "white", "red", "green", "yellow", "blue", "brown", "orange", "pink", "purple", "grey")

# Several typical sRGB shades of each name; a colour has the name of the nearest shade.
_SHADES: dict[str, tuple[RGB, ...]] = {
    "black": ((16, 16, 18), (36, 34, 36), (24, 26, 34)),
    "white": ((250, 250, 250), (236, 236, 232), (244, 240, 226)),
    "red": ((200, 24, 32), (228, 40, 40), (160, 20, 30), (216, 60, 60)),
    "green": ((30, 130, 50), (60, 170, 60), (20, 90, 50), (110, 150, 60), (120, 200, 120)),
    "yellow": ((246, 220, 40), (250, 232, 110), (228, 196, 30)),
    "blue": ((30, 70, 190), (40, 110, 220), (28, 44, 110), (110, 170, 230), (70, 100, 150)),
    "brown": ((110, 70, 40), (140, 96, 60), (84, 52, 34), (168, 124, 84)),
    "orange": ((246, 130, 20), (236, 104, 24), (250, 160, 60)),
    "pink": ((248, 150, 190), (240, 110, 160), (250, 190, 210), (230, 60, 130)),
    "purple": ((120, 44, 160), (90, 40, 120), (160, 100, 200)),
    "grey": ((130, 130, 132), (100, 102, 106), (164, 164, 166), (190, 190, 190)),
}


def to_lab(rgb: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Convert sRGB values [..., 3], 0 to 255, to CIELAB (D65, L from 0 to 100)."""
    value = np.asarray(rgb, np.float64) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    matrix = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
                       [0.0193339, 0.1191920, 0.9503041]])  # fmt: skip
    xyz = linear @ matrix.T / np.array([0.95047, 1.0, 1.08883])
    root = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack(
        [116 * root[..., 1] - 16, 500 * (root[..., 0] - root[..., 1]), 200 * (root[..., 1] - root[..., 2])], axis=-1
    )


@cache
def _landmarks() -> tuple[npt.NDArray[np.float64], tuple[str, ...]]:
    names = tuple(name for name in COLOURS for _ in _SHADES[name])
    return to_lab(np.array([shade for name in COLOURS for shade in _SHADES[name]])), names


def name_of(rgb: npt.ArrayLike) -> str:
    """Return the basic colour term nearest to an sRGB colour."""
    landmarks, names = _landmarks()
    return names[int(np.argmin(((to_lab(rgb) - landmarks) ** 2).sum(-1)))]


def certainty(rgb: npt.ArrayLike) -> float:
    """Return how much farther the second-best name is than the best, in CIELAB units; people disagree below about 8."""
    landmarks, names = _landmarks()
    distances = np.sqrt(((to_lab(rgb) - landmarks) ** 2).sum(-1))
    best = names[int(np.argmin(distances))]
    others = [distance for distance, name in zip(distances, names, strict=True) if name != best]
    return float(min(others) - distances.min())


def paint(rng: np.random.Generator, name: str) -> RGB:
    """Return a random shade that everybody would call by this name."""
    shades = _SHADES[name]
    while True:
        base = np.array(shades[rng.integers(len(shades))], np.float64)
        tried = (base * rng.uniform(0.86, 1.12) + rng.uniform(-10, 10, 3)).clip(0, 255).round().astype(int)
        if name_of(tried) == name and certainty(tried) > 4:
            return (int(tried[0]), int(tried[1]), int(tried[2]))
