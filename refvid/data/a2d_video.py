"""One video of A2D Sentences: its footage, and the masks of its sentences."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from refvid.data.a2d_files import read_masks, read_size
from refvid.data.numbered_pictures import find_pictures, fit_frames, picture_size, read_pictures
from refvid.data.referring import Expression, Target
from refvid.errors import VideoError
from refvid.video.random_access import count_frames, frame_size, read_frames


@dataclass(frozen=True)
class A2DVideo:
    """A video with its sentences; a `ReferringVideo`.

    Attributes:
        name: Eleven characters of the original's, which may begin with "-".
        expressions: In the text's order; the key is the instance, with "-2" after it for a second sentence about it.
        targets: Annotated frames for which sentences count; frame "00015" has the index 14.
        footage: The clip, or a folder of extracted frames.
        masks: Folder of the h5 files.
    """

    name: str
    expressions: tuple[Expression, ...]
    targets: tuple[Target, ...]
    footage: Path
    masks: Path

    def count_frames(self) -> int:
        """Return the number of frames of the footage.

        Raises:
            VideoError: It cannot be read.
        """
        if not self.footage.is_dir():
            return count_frames(self.footage)
        return max(self._pictures()) + 1

    def read(self, indices: Sequence[int]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Read frames in the size of the masks.

        Decoders differ by a frame at the end of some clips: an annotated frame beyond it is the last one there is.

        Args:
            indices: In any order, at least one of them inside the video or annotated.

        Returns:
            uint8 [len(indices), H, W, 3] RGB, and bool [len(indices)]: False for frames that the video does not have;
            the nearest one stands in for them.

        Raises:
            RefvidError: The footage or the size of the masks cannot be read.
            UnavailableError: h5py is not installed.
        """
        size = read_size(self._mask_file(self.targets[0]))
        last = self.count_frames() - 1
        beyond = {target.index for target in self.targets if target.index > last}
        wanted = [last if index in beyond else index for index in indices]
        if self.footage.is_dir():
            return read_pictures(self._pictures(), wanted, size)
        pixels, present = read_frames(self.footage, wanted)
        return fit_frames(pixels, size), present

    def sizes(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Read width and height of the footage and of the masks.

        Raises:
            RefvidError: One of them cannot be read.
            UnavailableError: h5py is not installed.
        """
        height, width = read_size(self._mask_file(self.targets[0]))
        if self.footage.is_dir():
            return picture_size(next(iter(self._pictures().values()))), (width, height)
        return frame_size(self.footage), (width, height)

    def truth(self, target: Target) -> npt.NDArray[np.bool_]:
        """Read the masks of the sentences that count in a frame, bool [len(target.counting), H, W].

        The first one counts where an instance has two; one that is not in the frame has an empty mask.

        Raises:
            RefvidError: The masks cannot be read.
            UnavailableError: h5py is not installed.
        """
        instances, masks = read_masks(self._mask_file(target))
        rows = {instance: row for row, instance in reversed(list(enumerate(instances)))}
        nothing = np.zeros(masks.shape[1:], np.bool_)
        meant = [self.expressions[e].instance for e in target.counting]
        return np.stack([masks[rows[instance]] if instance in rows else nothing for instance in meant])

    def void(self, target: Target) -> None:
        """Return None: all pixels count."""

    def _mask_file(self, target: Target) -> Path:
        return self.masks / f"{target.name}.h5"

    def _pictures(self) -> dict[int, Path]:
        found = find_pictures(self.footage)
        if not found:
            raise VideoError(f"{self.footage} holds no frame such as 00001.png; extract the frames of the video again")
        return found
