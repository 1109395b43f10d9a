"""Effects on one part of a picture: grey, blurred or in coarse blocks."""

import re
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from refvid.closest import did_you_mean
from refvid.errors import UsageError
from refvid.video.frame import Pixels

EffectName = Literal["grey", "blur", "pixelate"]
Area = NDArray[np.bool_]  # the pixels of a frame that are changed, [H, W]

_BLUR_SHARE, _BLOCK_SHARE = 1 / 50, 1 / 40  # of the longer side: the usual radius of a blur and side of a block
_LUMA = (0.299, 0.587, 0.114)  # weights of red, green and blue, ITU-R BT.601
_LEAST_AMOUNT = 16  # of 255: share of a blur that must come from the pixels whose colours are spread
_TEXT = re.compile(r"(?P<name>[a-z]+)(?::(?P<size>\d+(?:\.\d+)?))?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class Effect:
    """An effect.

    Attributes:
        name: What is done.
        size: Radius of the blur (its standard deviation) or side of the blocks, in pixels; None for the usual share of
            the frame's longer side.
    """

    name: EffectName
    size: float | None = None

    def apply(self, pixels: Pixels, area: Area) -> Pixels:
        """Return a frame, uint8 RGB [H, W, 3], with the effect on an area.

        A blur spreads no colours into the area from outside of it, so that what is not to be seen there, and what is
        only to be seen elsewhere, leaves no glow.
        """
        if not area.any():
            return pixels.copy()
        longer = max(pixels.shape[:2])
        match self.name:
            case "grey":
                changed = np.repeat(np.rint(pixels @ np.array(_LUMA)).astype(np.uint8)[..., None], 3, axis=2)
            case "blur":
                changed = blurred(pixels, self.size or longer * _BLUR_SHARE, area)
            case "pixelate":
                changed = blocks(pixels, max(2, round(self.size or longer * _BLOCK_SHARE)))
        return np.where(area[..., None], changed, pixels)


def parse_effect(text: str) -> Effect:
    """Return the effect that `grey`, `blur`, `blur:N`, `pixelate` or `pixelate:N` stands for, N in pixels.

    Raises:
        UsageError: The text is none of these.
    """
    match, names = _TEXT.fullmatch(text.strip()), get_args(EffectName)
    name = "" if match is None else {"gray": "grey"}.get(match["name"].lower(), match["name"].lower())
    if match is None or name not in names:
        meant = did_you_mean(text.partition(":")[0], names)
        raise UsageError(f"there is no effect {text!r}{meant}; give grey, blur, blur:N, pixelate or pixelate:N")
    size = None if match["size"] is None else float(match["size"])
    if size is not None and (name == "grey" or size < 1):
        raise UsageError(
            f"the effect {text!r} cannot be: grey takes no number, and that of blur and pixelate is in pixels, from 1"
        )
    return Effect(next(each for each in get_args(EffectName) if each == name), size)


def blocks(pixels: Pixels, side: int) -> Pixels:
    """Return a frame in blocks of one colour each, the mean of the block; those at the ends may be smaller."""
    height, width = pixels.shape[:2]
    sums = np.add.reduceat(np.add.reduceat(pixels, range(0, height, side), 0, np.int64), range(0, width, side), 1)
    rows, columns = (np.diff([*range(0, length, side), length]) for length in (height, width))
    means: Pixels = np.rint(sums / np.outer(rows, columns)[..., None]).astype(np.uint8)
    return means.repeat(rows, 0).repeat(columns, 1)


def blurred(pixels: Pixels, radius: float, seen: Area | None = None) -> Pixels:
    """Return a blurred frame, uint8 RGB [H, W, 3].

    Args:
        pixels: Frame, uint8 RGB [H, W, 3].
        radius: Standard deviation of the blur in pixels.
        seen: Pixels whose colours are spread, bool [H, W]; None for all. Where hardly any of them is near, the frame is
            blurred as a whole.
    """
    blur = ImageFilter.GaussianBlur(radius)
    if seen is None:
        return np.asarray(Image.fromarray(pixels).filter(blur))
    weights = seen[..., None].astype(np.uint8)
    spread = np.asarray(Image.fromarray(np.dstack([pixels * weights, 255 * weights])).filter(blur))
    amount = spread[..., 3:]
    colours = np.rint(spread[..., :3] * (255 / np.maximum(amount, 1))).clip(0, 255).astype(np.uint8)
    return (
        np.where(amount < _LEAST_AMOUNT, blurred(pixels, radius), colours) if amount.min() < _LEAST_AMOUNT else colours
    )
