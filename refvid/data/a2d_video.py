"""One video of A2D Sentences: its footage and the masks of its sentences."""

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
    """A video with its sentences, a `ReferringVideo`.

    Attributes:
        name: Name of the video, eleven characters in the original data set; may begin with "-".
        expressions: Sentences in the order of the text. A key is the instance, followed by "-2" for the second sentence
            about it.
        targets: Annotated frames in which sentences are evaluated; frame "00015" has index 14.
        footage: Video file, or folder of extracted frames.
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
            VideoError: The footage cannot be read.
        """
        if not self.footage.is_dir():
            return count_frames(self.footage)
        return max(self._pictures()) + 1

    def read(self, indices: Sequence[int]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Read frames, scaled to the size of the masks.

        Decoders disagree by a frame about the end of some clips, so the last frame stands in for annotated frames after
        it.

        Args:
            indices: Frame indices in any order, at least one of them inside the video or annotated.

        Returns:
            RGB frames, uint8 [len(indices), H, W, 3], and whether the video contains each frame, bool [len(indices)]; a
            missing frame is replaced by the nearest one.

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
        """Return (width, height) of the footage and of the masks.

        Raises:
            RefvidError: One of the sizes cannot be read.
            UnavailableError: h5py is not installed.
        """
        height, width = read_size(self._mask_file(self.targets[0]))
        if self.footage.is_dir():
            return picture_size(next(iter(self._pictures().values()))), (width, height)
        return frame_size(self.footage), (width, height)

    def truth(self, target: Target) -> npt.NDArray[np.bool_]:
        """Read the masks of the sentences evaluated in a frame, bool [len(target.counting), H, W].

        If an instance has two masks, the first is used; if it is not in the frame, its mask is empty.

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
        """Return None: no pixel is ignored."""

    def _mask_file(self, target: Target) -> Path:
        return self.masks / f"{target.name}.h5"

    def _pictures(self) -> dict[int, Path]:
        found = find_pictures(self.footage)
        if not found:
            raise VideoError(f"{self.footage} contains no frame such as 00001.png; extract the frames again")
        return found
