"""Folders of numbered pictures, 00001.png and on, in which data sets keep the frames of a video."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from refvid.video.picture import opened_picture

Frames = npt.NDArray[np.uint8]

_PICTURE = re.compile(r"(\d+)\.png", re.IGNORECASE | re.ASCII)  # excludes ._00001.png, which macOS archives contain
_REMEDY = "unpack the frames again"


def find_pictures(folder: Path) -> dict[int, Path]:
    """Return the pictures of a folder by frame index from 0, in rising order.

    File numbers start at 1, unless a picture has the number 0. Other files are ignored; a missing folder counts as
    empty.
    """
    if not folder.is_dir():
        return {}
    named = [(match, path) for path in folder.iterdir() if (match := _PICTURE.fullmatch(path.name))]
    numbers = {int(match[1]): path for match, path in named}
    first = 0 if 0 in numbers else 1
    return {number - first: numbers[number] for number in sorted(numbers)}


def read_pictures(
    files: Mapping[int, Path], indices: Sequence[int], size: tuple[int, int]
) -> tuple[Frames, npt.NDArray[np.bool_]]:
    """Read frames from a folder.

    Args:
        files: Result of `find_pictures`, not empty.
        indices: Frame indices from 0, in any order.
        size: Height and width in pixels to scale the frames to.

    Returns:
        RGB frames, uint8 [len(indices), H, W, 3], and whether each frame exists, bool [len(indices)]; a missing frame
        is replaced by the nearest one.

    Raises:
        VideoError: A picture cannot be read.
    """
    known = np.array(sorted(files))
    nearest = [int(known[np.abs(known - index).argmin()]) for index in indices]
    pixels = {index: fit_frames(_read(files[index])[None], size)[0] for index in set(nearest)}
    return np.stack([pixels[index] for index in nearest]), np.array([index in files for index in indices])


def picture_size(path: Path) -> tuple[int, int]:
    """Return the width and height of a picture in pixels, without decoding it.

    Raises:
        VideoError: The picture cannot be read.
    """
    with opened_picture(path, _REMEDY) as image:
        return image.size


def fit_frames(frames: Frames, size: tuple[int, int]) -> Frames:
    """Resize frames [T, h, w, 3] to a height and width: encoders round the sizes of some clips to even numbers."""
    height, width = size
    if frames.shape[1:3] == size:
        return frames
    return np.stack([np.asarray(Image.fromarray(frame).resize((width, height))) for frame in frames])


def _read(path: Path) -> Frames:
    with opened_picture(path, _REMEDY) as image:
        return np.asarray(image.convert("RGB"))
