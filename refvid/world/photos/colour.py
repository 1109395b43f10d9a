"""The name that people would give the colour of a part of a photo, unless they would disagree."""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from refvid.world.language.words import NEAR_COLOURS
from refvid.world.palette import COLOURS, certainty, name_of
from refvid.world.scene import RGB

# A colour gets a name if it is nearer to this name than to any other by this margin, if at least this share of the part
# has it, and if it is vivid or keeps the name when light and saturation change a little.
MIN_CERTAINTY = 4.0
MIN_UNIFORMITY = 0.55
_VIVID = 30.0  # chroma
_LIGHTS = (-5.0, 6.0)
_SATURATIONS = (0.75, 1.4)
_POSSIBLE = 0.12  # share of a part's pixels from which on somebody might name their colour
_SAMPLED_PIXELS = 160
_CELLS = 16  # cells of each channel in the table that names pixels

# Ranges of lightness, chroma and hue (degrees, possibly above 360) outside which people would not use the nearest name:
# the palette contains only pure shades, while clothes may be beige, maroon, lilac or olive.
_USUAL: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "black": ((0, 27), (0, 9), (0, 720)),
    "white": ((82, 100), (0, 12), (0, 720)),
    "grey": ((25, 84), (0, 7), (0, 720)),
    "brown": ((10, 62), (12, 200), (40, 88)),
    "red": ((15, 65), (30, 200), (370, 405)),
    "pink": ((40, 92), (14, 200), (338, 390)),
    "purple": ((10, 75), (16, 200), (290, 336)),
    "blue": ((8, 85), (14, 200), (225, 310)),
    "green": ((10, 92), (14, 200), (105, 200)),
    "yellow": ((62, 100), (35, 200), (80, 108)),
    "orange": ((50, 85), (45, 200), (45, 80)),
}


@dataclass(frozen=True)
class Colour:
    """A measured colour.

    Attributes:
        paint: Median colour, taken in CIELAB and given in sRGB.
        name: Palette name; None if people would disagree or there are many colours.
        near: All palette names that somebody might use.
    """

    paint: RGB
    name: str | None
    near: frozenset[str]


def measure_colour(pixels: npt.NDArray[np.uint8]) -> Colour:
    """Measure the colour of at least one sRGB pixel, uint8 [N, 3]."""
    pixels = pixels[:: max(1, len(pixels) // _SAMPLED_PIXELS)]
    median = np.median(cv2.cvtColor(pixels[None].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[0], axis=0)
    variants = [median, *(median + np.array((light, 0, 0)) for light in _LIGHTS)]
    variants += [median * (1, saturation, saturation) for saturation in _SATURATIONS]
    lit = cv2.cvtColor(np.array([variants], np.float32), cv2.COLOR_LAB2RGB)[0].clip(0, 1) * 255
    red, green, blue = (int(value) for value in lit[0].round())
    possible = [name_of(variant) for variant in lit]
    name = possible[0]
    red_cell, green_cell, blue_cell = (pixels // (256 // _CELLS)).T
    shares = np.bincount(_cell_names()[red_cell, green_cell, blue_cell], minlength=len(COLOURS)) / len(pixels)
    near = {COLOURS[index] for index in np.flatnonzero(shares >= _POSSIBLE)} | set(possible)
    usual = _is_usual(name, median)
    steady = len(set(possible)) == 1 or np.hypot(median[1], median[2]) >= _VIVID
    sure = usual and steady and shares[COLOURS.index(name)] >= MIN_UNIFORMITY
    sure = sure and certainty((red, green, blue)) >= MIN_CERTAINTY
    if not usual:
        near |= NEAR_COLOURS[name]
    return Colour((red, green, blue), name if sure else None, frozenset(near))


def _is_usual(name: str, lab: npt.NDArray[np.floating]) -> bool:
    chroma = float(np.hypot(lab[1], lab[2]))
    hue = float(np.degrees(np.arctan2(lab[2], lab[1])) % 360)
    light_range, chroma_range, hue_range = _USUAL[name]
    return (
        light_range[0] <= lab[0] <= light_range[1]
        and chroma_range[0] <= chroma <= chroma_range[1]
        and any(hue_range[0] <= turned <= hue_range[1] for turned in (hue, hue + 360))
    )


@cache
def _cell_names() -> npt.NDArray[np.int64]:
    """Return the index in `COLOURS` of the name for the centre of each cell of the colour cube, [16, 16, 16]."""
    middles = (np.arange(_CELLS) + 0.5) * (256 / _CELLS)
    names = [COLOURS.index(name_of((red, green, blue))) for red in middles for green in middles for blue in middles]
    return np.array(names, np.int64).reshape(_CELLS, _CELLS, _CELLS)
