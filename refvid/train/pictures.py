"""Draw sample pictures of a run: frame, prediction and ground truth side by side."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from refvid.data.sample import Sample

_FOUND, _TRUE = (255, 64, 64), (64, 200, 64)
_LINE, _GAP = 16, 4

Row = tuple[str, npt.NDArray[np.uint8]]


def compare(sample: Sample, predicted: npt.NDArray[np.bool_]) -> list[Row]:
    """Return a row for each expression of a sample: its text, and frame, prediction and truth as uint8 [H, 3 W, 3].

    Args:
        sample: Sample that was shown to the network.
        predicted: Masks that the network predicted, bool [E, H, W].
    """
    frame = sample.frames[len(sample.frames) // 2]
    return [
        (expression, np.concatenate([frame, _tinted(frame, found, _FOUND), _tinted(frame, true, _TRUE)], axis=1))
        for expression, found, true in zip(sample.expressions, predicted, sample.masks, strict=True)
    ]


def sheet(rows: Sequence[Row]) -> Image.Image:
    """Return one picture with all rows, each below its text."""
    width = max(picture.shape[1] for _, picture in rows)
    height = sum(picture.shape[0] + _LINE + _GAP for _, picture in rows)
    page = Image.new("RGB", (width, height), "white")
    draw, top = ImageDraw.Draw(page), 0
    for text, picture in rows:
        draw.text((2, top + 2), text, fill="black")
        page.paste(Image.fromarray(picture), (0, top + _LINE))
        top += picture.shape[0] + _LINE + _GAP
    return page


def _tinted(
    frame: npt.NDArray[np.uint8], mask: npt.NDArray[np.bool_], colour: tuple[int, int, int]
) -> npt.NDArray[np.uint8]:
    mixed = frame // 3  # darken the background
    mixed[mask] = (3 * frame[mask].astype(np.uint16) + np.array(colour, dtype=np.uint16)) // 4
    return mixed
