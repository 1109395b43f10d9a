"""A picture as a video of one frame."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from refvid.data.referring import Expression, Target
from refvid.errors import VideoError
from refvid.video.picture import opened_picture

FRAME = "00000"  # names the only frame, in submissions too


class Still:
    """What all pictures have in common as videos: one frame, where all expressions and all pixels count."""

    expressions: tuple[Expression, ...]

    @property
    def targets(self) -> tuple[Target, ...]:
        """The one frame, with all expressions."""
        return (Target(FRAME, 0, tuple(range(len(self.expressions)))),)

    def count_frames(self) -> int:
        """Return 1."""
        return 1

    def void(self, target: Target) -> None:
        """Return None: all pixels count."""


def read_still(
    path: Path, indices: Sequence[int], height: int, width: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Read a picture as the frames of a clip.

    The pixels are taken as they are stored, not as the EXIF orientation says: annotations were drawn on them so.

    Args:
        path: Of any format and mode; grey becomes RGB.
        indices: In any order; 0 is among them.
        height: Of the truth, pixels.
        width: Of the truth, pixels. A picture of another size is scaled.

    Returns:
        uint8 [len(indices), height, width, 3] RGB, the same picture everywhere, and bool [len(indices)]: whether the
        index is 0.

    Raises:
        VideoError: It cannot be read, has been turned by a quarter, or frame 0 is not asked for.
    """
    if 0 not in indices:
        raise VideoError(f"{path} is one picture, frame 0, but of frames {list(indices)} none is that; ask for it")
    with opened_picture(path, "download it again") as image:
        picture = image.convert("RGB")
    if height != width and picture.size == (height, width):
        raise VideoError(
            f"{path} is {height}x{width} pixels, but its annotations are for {width}x{height}: the picture has been "
            "turned; take the original"
        )
    if picture.size != (width, height):
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    return np.repeat(np.asarray(picture)[None], len(indices), axis=0), np.array([index == 0 for index in indices])
