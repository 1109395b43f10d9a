"""Pictures as videos of one frame."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from refvid.data.referring import Expression, Target
from refvid.errors import VideoError
from refvid.video.picture import opened_picture

FRAME = "00000"  # name of the only frame, in submissions as well


class Still:
    """The common part of all pictures as videos: one frame, in which all expressions and all pixels count."""

    expressions: tuple[Expression, ...]

    @property
    def targets(self) -> tuple[Target, ...]:
        """The only frame, with all expressions."""
        return (Target(FRAME, 0, tuple(range(len(self.expressions)))),)

    def count_frames(self) -> int:
        """Return 1."""
        return 1

    def void(self, target: Target) -> None:
        """Return None: no pixel is ignored."""


def read_still(
    path: Path, indices: Sequence[int], height: int, width: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Read a picture as the frames of a clip.

    The EXIF orientation is ignored, because annotations were drawn on the pixels as stored.

    Args:
        path: Picture in any format and mode; grey becomes RGB.
        indices: Frame indices in any order, including 0.
        height: Height of the annotations in pixels.
        width: Width of the annotations in pixels. A picture of another size is scaled.

    Returns:
        RGB frames, uint8 [len(indices), height, width, 3], all showing the picture; and whether each index is 0,
        bool [len(indices)].

    Raises:
        VideoError: The picture cannot be read or is rotated by 90 degrees, or frame 0 is not among the indices.
    """
    if 0 not in indices:
        raise VideoError(f"{path} is a picture with frame 0 only, but frames {list(indices)} were given; add frame 0")
    with opened_picture(path, "download it again") as image:
        picture = image.convert("RGB")
    if height != width and picture.size == (height, width):
        raise VideoError(
            f"{path} is {height}x{width} pixels, but its annotations are for {width}x{height}: the picture has been "
            "rotated; download the original again"
        )
    if picture.size != (width, height):
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    return np.repeat(np.asarray(picture)[None], len(indices), axis=0), np.array([index == 0 for index in indices])
