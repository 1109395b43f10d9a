"""A source of masks that reads a submission on disk."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NoReturn

import numpy as np
import numpy.typing as npt

from refvid.data.referring import Expression, ReferringSet, ReferringVideo, Target
from refvid.data.text import count_of
from refvid.errors import RefvidError
from refvid.evaluation.sources import FrameMasks
from refvid.evaluation.submissions import (
    CONFIDENCES,
    RECORD,
    UNFINISHED,
    confidence_key,
    index_of,
    mask_path,
    read_picture,
)

MissingRule = Literal["error", "empty"]
_MAX_OBJECTS = 20  # per video, the limit of the DAVIS benchmark


class StoredMasks:
    """The masks of a submission on disk, written by refvid or by another system.

    `refvid.evaluation.submissions` documents the layouts. The confidence of a mask is taken from `confidences.json`; if
    that file does not exist, it is 1.

    Attributes:
        folder: Folder of the submission.
        missing: Number of mask files that do not exist.
        ranked: Whether `confidences.json` exists.
    """

    def __init__(self, folder: Path, referring_set: ReferringSet, *, missing: MissingRule = "error") -> None:
        """Look for the file of every mask.

        Args:
            folder: The submission, or the folder inside it that the benchmark's server expects.
            referring_set: The split that the submission is for.
            missing: How to treat a missing mask file: as an error, or as an empty mask.

        Raises:
            RefvidError: The folder is missing or incomplete, mask files are missing, or the confidences cannot be read.
        """
        if not folder.is_dir():
            raise RefvidError(f"{folder} is not a folder; give the folder that holds the predictions")
        self.folder = folder
        self._set = referring_set
        inner = folder / referring_set.submission
        self._root = inner if inner.is_dir() else folder
        given_inside = bool(referring_set.submission) and folder.name == referring_set.submission
        tops = (folder, folder.parent) if given_inside else (folder,)
        if any((top / UNFINISHED).is_file() and (top / RECORD).is_file() for top in tops):
            raise RefvidError(
                f"the predictions in {folder} are incomplete: the evaluation that writes them was interrupted; run its "
                "command again to continue it"
            )
        self._confidences = _read_confidences(tops)
        self.ranked = self._confidences is not None
        self._runs: dict[str, bool] = {}  # whether the folder of a run exists
        self.missing = self._look(missing)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on peculiarities of the masks."""
        notes = []
        if self.missing:
            notes.append(f"{self.missing:,} of {count_of(self._files, 'mask')} have no file and count as empty.")
        if not self.ranked and self._set.rules.measure == "region":
            notes.append(
                f"There is no {CONFIDENCES} beside the masks: all count as equally sure, so ap_coco means little."
            )
        return tuple(notes)

    def _look(self, missing: MissingRule) -> int:
        """Return the number of missing mask files.

        Raises:
            RefvidError: Files are missing and must not be, or all of them are missing.
        """
        files = dict.fromkeys(
            self._path(video, video.expressions[number], target)
            for video in self._set.videos
            for target in video.targets
            for number in target.counting
        )
        self._files = len(files)
        absent = [path for path in files if not path.is_file()]
        if absent and (missing == "error" or len(absent) == len(files)):
            raise RefvidError(
                f"{len(absent):,} of {count_of(len(files), 'mask')} missing in {self.folder}, the first is "
                f"{absent[0]}; add them, or give --missing empty to count missing masks as empty"
            )
        return len(absent)

    def masks(self, video: ReferringVideo) -> Iterator[tuple[Target, FrameMasks]]:
        """Yield every target of a video with its masks; see `MaskSource`."""
        for target in video.targets:
            yield target, self.masks_at(video, target)

    def masks_at(self, video: ReferringVideo, target: Target) -> FrameMasks:
        """Return the masks of one target; see `MaskSource`."""
        pictures: dict[Path, npt.NDArray[np.int64] | None] = {}
        masks: list[npt.NDArray[np.bool_] | None] = []
        for number in target.counting:
            expression = video.expressions[number]
            path = self._path(video, expression, target)
            if path not in pictures:
                pictures[path] = read_picture(path) if path.is_file() else None
            masks.append(self._mask(video, expression, path, pictures[path]))
        shapes = {mask.shape for mask in masks if mask is not None}
        if len(shapes) > 1:
            self._refuse_uneven(video, target, masks)
        shape = shapes.pop() if shapes else _size_of(video, target)
        stacked = np.stack([np.zeros(shape, np.bool_) if mask is None else mask for mask in masks])
        given = [self._confidence(video, video.expressions[number], target) for number in target.counting]
        return FrameMasks(stacked, np.where(stacked.any(axis=(1, 2)), given, np.nan))

    def _refuse_uneven(
        self, video: ReferringVideo, target: Target, masks: Sequence[npt.NDArray[np.bool_] | None]
    ) -> NoReturn:
        """Raise an error that names the first mask of a frame whose size differs from that of the ground truth."""
        wanted = _size_of(video, target)
        for number, mask in zip(target.counting, masks, strict=True):
            if mask is not None and mask.shape != wanted:
                expression, (height, width) = video.expressions[number], mask.shape
                raise RefvidError(
                    f"{self._path(video, expression, target)}, the mask of '{expression.text}', is {width}x{height}, "
                    f"but the data set's are {wanted[1]}x{wanted[0]}; give masks of the original size"
                )
        raise AssertionError("all masks have the expected size")

    def _path(self, video: ReferringVideo, expression: Expression, target: Target) -> Path:
        """Return the expected path of a mask, inside the folder of its run if such a folder exists."""
        path, run = mask_path(self._set, video, expression, target), expression.run
        if run and run not in self._runs:
            self._runs[run] = (self._root / run).is_dir()
        return self._root / (path if not run or self._runs[run] else path.relative_to(run))

    def _mask(
        self, video: ReferringVideo, expression: Expression, path: Path, values: npt.NDArray[np.int64] | None
    ) -> npt.NDArray[np.bool_] | None:
        """Return the mask of an expression, bool [H, W], or None if its file is missing."""
        if values is None:
            return None
        if self._set.layout == "expressions":
            if values.ndim == 3:
                colours = values.shape[-1] - (values.shape[-1] in (2, 4))  # the last of 2 or 4 channels is opacity
                values = values[..., :colours] @ 256 ** np.arange(colours)
            if not _is_plain(values):
                raise RefvidError(
                    f"{path} has more than two values, as a probability map has; expected 0 and 255: apply "
                    "the threshold first"
                )
            return np.asarray(values > 0)
        if values.ndim != 2:
            raise RefvidError(f"{path} is a colour image; expected a palette image whose values are instance numbers")
        if len({other.instance for other in video.expressions}) == 1:
            if (most := np.count_nonzero(np.bincount(values.ravel())[1:])) > _MAX_OBJECTS:
                raise RefvidError(
                    f"{path} has {most} values besides 0, as a probability map has; expected a palette image "
                    "whose values are instance numbers"
                )
            return np.asarray(values > 0)  # a single object is 1 in some submissions and 255 in others
        return np.asarray(values == index_of(video, expression))

    def _confidence(self, video: ReferringVideo, expression: Expression, target: Target) -> float:
        if self._confidences is None:
            return 1.0
        # A mask without a confidence ranks last.
        return self._confidences.get(confidence_key(video, expression, target), 0.0)


def _is_plain(values: npt.NDArray[np.int64]) -> bool:
    """Return whether a mask has a single value besides 0, or the values 1 and 255, which both mark the object."""
    others = np.unique(values[values > 0])
    return len(others) < 2 or others.tolist() == [1, 255]


def _size_of(video: ReferringVideo, target: Target) -> tuple[int, int]:
    """Return the height and width of a frame's masks."""
    truth = video.truth(target)
    height, width = video.read([target.index])[0].shape[1:3] if truth is None else truth.shape[1:]
    return height, width


def _read_confidences(folders: Sequence[Path]) -> dict[str, float] | None:
    """Read `confidences.json` from the first folder that contains it; return None if none does.

    Raises:
        RefvidError: The file is not in the format that an evaluation writes.
    """
    for path in (folder / CONFIDENCES for folder in folders):
        if path.is_file():
            try:
                values = json.loads(path.read_text(encoding="utf-8"))
                return {str(name): float(value) for name, value in values.items()}
            except (OSError, ValueError, TypeError, AttributeError) as error:
                raise RefvidError(
                    f"{path} does not hold a number for each mask ({error}); make the predictions again or remove it"
                ) from error
    return None
