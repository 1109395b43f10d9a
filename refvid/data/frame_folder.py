"""Footage and masks in folders with one file per frame, as in DAVIS and Ref-YouTube-VOS."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from refvid.errors import RefvidError, VideoError
from refvid.video.picture import opened_picture

_NUMBERED = ("P", "L", "1")


@dataclass(frozen=True)
class FrameFolder:
    """A video as a folder of JPEGs.

    Attributes:
        folder: Folder of the files.
        names: Frame names without suffix, such as "00005", in the order of the video.
    """

    folder: Path
    names: tuple[str, ...]

    def path(self, index: int) -> Path:
        """Return the file of a frame."""
        return self.folder / f"{self.names[index]}.jpg"

    def size(self, index: int) -> tuple[int, int]:
        """Return the width and height of a frame in pixels, without decoding it.

        Raises:
            VideoError: The frame cannot be read.
        """
        with _opened(self.path(index), VideoError) as image:
            return image.size

    def read(self, indices: Sequence[int]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Read frames.

        Args:
            indices: Frame indices from 0, in any order, at least one of them inside the video.

        Returns:
            RGB frames, uint8 [len(indices), H, W, 3], and whether each frame exists, bool [len(indices)]. Frames before
            the first or after the last, and those whose file is missing, are replaced by the nearest existing one.

        Raises:
            VideoError: No index is inside the video, a file is damaged, or the frames differ in size.
        """
        count = len(self.names)
        if not any(0 <= index < count for index in indices):
            raise VideoError(
                f"{self.folder} has {count} frames, expected one of the frames {list(indices)} to be among them"
            )
        taken = [self._nearest(index) for index in indices]
        pixels = {index: self._load(index) for index in set(taken)}
        if len({frame.shape for frame in pixels.values()}) != 1:
            raise VideoError(f"the frames in {self.folder} differ in size; unpack them again")
        present = np.array([index == nearest for index, nearest in zip(indices, taken, strict=True)])
        return np.stack([pixels[index] for index in taken]), present

    def _nearest(self, index: int) -> int:
        clamped = min(max(index, 0), len(self.names) - 1)
        if self.path(clamped).is_file():
            return clamped
        there = [other for other in range(len(self.names)) if self.path(other).is_file()]
        if not there:
            raise VideoError(f"{self.folder} contains none of its {len(self.names)} frames; unpack them again")
        return min(there, key=lambda other: abs(other - index))

    def _load(self, index: int) -> npt.NDArray[np.uint8]:
        with _opened(self.path(index), VideoError) as image:
            return np.asarray(image.convert("RGB"))


class FolderVideo:
    """The common part of videos in folders: how their footage is read."""

    frames: FrameFolder

    def count_frames(self) -> int:
        """Return the number of frames listed for the folder."""
        return len(self.frames.names)

    def read(self, indices: Sequence[int]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Read frames; see `FrameFolder.read`.

        Raises:
            VideoError: The footage cannot be read, or contains none of the frames.
        """
        return self.frames.read(indices)


def list_names(folder: Path, suffix: str) -> tuple[str, ...]:
    """Return the sorted names, without suffix, of a folder's files with that suffix; none if there is no folder."""
    try:
        return tuple(sorted(p.stem for p in folder.iterdir() if p.suffix == suffix and not p.name.startswith(".")))
    except (FileNotFoundError, NotADirectoryError):
        return ()


def read_numbers(path: Path, size: tuple[int, int], *, colours: bool = False) -> npt.NDArray[np.uint8]:
    """Read the object number of each pixel of a mask, uint8 [H, W]: palette indices, not the colours they stand for.

    Args:
        path: PNG file.
        size: Width and height of the frame in pixels.
        colours: Whether to accept a colour image, of which the first channel is read; otherwise it is an error.

    Raises:
        RefvidError: The file cannot be read, is a colour image, or differs in size from the frame.
    """
    with _opened(path, RefvidError) as image:
        mode, values = image.mode, np.asarray(image)
    if mode not in _NUMBERED and not colours:
        raise RefvidError(
            f"{path} is a colour image (mode {mode}), expected one whose values are object numbers; "
            "unpack the masks again"
        )
    numbers = values[..., 0] if values.ndim == 3 else values
    if numbers.shape != (size[1], size[0]):
        raise RefvidError(
            f"the mask {path} is {numbers.shape[1]}x{numbers.shape[0]}, but its frame is {size[0]}x{size[1]}; "
            "give masks and frames of the same resolution"
        )
    return numbers.astype(np.uint8)


def read_mode(path: Path) -> str:
    """Return Pillow's mode of a picture, such as "P" for a palette image.

    Raises:
        RefvidError: The file cannot be read.
    """
    with _opened(path, RefvidError) as image:
        return image.mode


def _opened(path: Path, kind: type[RefvidError]) -> AbstractContextManager[Image.Image]:
    return opened_picture(path, "unpack it again", kind=kind, formats=("JPEG", "PNG"))
