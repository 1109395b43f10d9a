"""Folders of predicted masks, in the layouts that data sets and their servers expect.

    expressions   [SUBMISSION/][RUN/]VIDEO/KEY/FRAME.png   0 and 255
    palette       [SUBMISSION/][RUN/]VIDEO/FRAME.png       the value of a pixel is its instance; 0 is background

`confidences.json` at the top is refvid's own: it maps "[RUN/]VIDEO/KEY/FRAME" to the confidence of every mask that is
not empty. COCO's AP ranks the masks by it. A file `unfinished` lies beside it until all masks are written.
"""

import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image

from refvid.data.referring import Expression, ReferringSet, ReferringVideo, Target
from refvid.errors import OutputExistsError, RefvidError, UsageError
from refvid.files import is_temporary, write_whole, writing
from refvid.video.folder_writer import picture_image, save_picture
from refvid.video.picture import opened_picture

if TYPE_CHECKING:
    from refvid.evaluation.sources import FrameMasks

CONFIDENCES = "confidences.json"
RECORD = ".refvid-eval.json"  # marks a folder that may be overwritten
UNFINISHED = "unfinished"  # marks a folder of predictions that is still incomplete
MAX_INSTANCES = 255  # the most that a palette image can hold


def mask_path(referring_set: ReferringSet, video: ReferringVideo, expression: Expression, target: Target) -> Path:
    """Return the path of an expression's mask, relative to the folder that the benchmark's server expects.

    Raises:
        RefvidError: A name in the data set points outside the submission.
    """
    inner = (video.name, expression.key) if referring_set.layout == "expressions" else (video.name,)
    path = PurePosixPath(expression.run, *inner, f"{target.name}.png")
    if path.is_absolute() or ".." in path.parts:
        raise RefvidError(f"'{path}' points outside the folder of predictions; download the data set again")
    return Path(path)


def confidence_key(video: ReferringVideo, expression: Expression, target: Target) -> str:
    """Return the key of a mask in `confidences.json`."""
    return str(PurePosixPath(expression.run, video.name, expression.key, target.name))


def confidences_of(video: ReferringVideo, target: Target, found: "FrameMasks") -> dict[str, float]:
    """Return the confidences of a frame's non-empty masks, under their keys in `confidences.json`."""
    pairs = zip(target.counting, found.confidences.tolist(), strict=True)
    return {
        confidence_key(video, video.expressions[number], target): value
        for number, value in pairs
        if not math.isnan(value)
    }


def read_picture(path: Path) -> npt.NDArray[np.int64]:
    """Read the pixel values of a mask file: palette indices or grey levels as int64 [H, W], colours as int64 [H, W, C].

    Raises:
        RefvidError: The file is not a PNG.
    """
    with opened_picture(path, "make the predictions again", kind=RefvidError) as image:
        if image.format == "PNG":
            return np.asarray(image).astype(np.int64)
        kind = image.format
    raise RefvidError(f"{path} is a {kind} file despite its name, expected a PNG; store the masks losslessly as PNG")


class Submission:
    """A folder of predictions that is being written.

    Attributes:
        folder: Path of the folder.
    """

    def __init__(self, folder: Path, referring_set: ReferringSet) -> None:
        self.folder = folder
        self._set = referring_set

    def begin(self, key: str, *, going_on: bool, overwrite: bool) -> bool:
        """Create the folder, or continue the one of an interrupted evaluation.

        Args:
            key: Key of the evaluation. Predictions with the same key may be continued, or replaced if they are
                incomplete.
            going_on: Whether the evaluation has finished videos to continue from.
            overwrite: Whether to replace a folder that another evaluation has made.

        Returns:
            Whether the existing predictions are continued.

        Raises:
            OutputExistsError: The folder holds something else.
            UsageError: The path is a file, or its parent folder does not exist.
        """
        record = self.folder / RECORD
        if self.folder.exists() and not self.folder.is_dir():
            raise UsageError(f"{self.folder} already exists and is not a folder; give another --predictions")
        if not self.folder.parent.is_dir():
            raise UsageError(f"there is no folder {self.folder.parent} to write {self.folder.name} into; make it first")
        with writing(self.folder):
            if self.folder.is_dir() and any(self.folder.iterdir()):
                own = _read_record(record) == key
                if own and going_on:
                    self._mark()
                    return True
                # Leftovers of the same evaluation, from before it finished a video, are replaced without asking.
                self._clear(record, overwrite or (own and (self.folder / UNFINISHED).exists()))
            self.folder.mkdir(exist_ok=True)
            record.write_text(json.dumps({"schema": 1, "evaluation": key}) + "\n", encoding="utf-8")
            self._mark()
        return False

    def _mark(self) -> None:
        explanation = "These predictions are not whole: the evaluation that writes them has not come to its end.\n"
        (self.folder / UNFINISHED).write_text(explanation, encoding="utf-8")

    def holds(self, video: ReferringVideo) -> bool:
        """Return whether all masks of a video exist."""
        top = self.folder / self._set.submission
        return all(
            (top / mask_path(self._set, video, video.expressions[number], target)).is_file()
            for target in video.targets
            for number in target.counting
        )

    def _clear(self, record: Path, overwrite: bool) -> None:
        if not overwrite:
            raise OutputExistsError(f"{self.folder} already exists; give --overwrite to replace it")
        if not record.is_file():
            raise OutputExistsError(
                f"{self.folder} was not made by `refvid eval` (it holds no {RECORD}), so it is not replaced; give "
                "another folder or empty this one"
            )
        other = [path for path in self.folder.rglob("*") if not (path.is_dir() or _is_ours(path))]
        if other:
            raise OutputExistsError(
                f"{self.folder} holds more than predictions ({other[0].relative_to(self.folder)}), so it is not "
                "replaced; give another folder or empty this one"
            )
        for entry in self.folder.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def add(self, video: ReferringVideo, target: Target, found: "FrameMasks") -> None:
        """Write the masks of one frame.

        Raises:
            RefvidError: The masks cannot be written, or the layout cannot represent them.
        """
        if self._set.layout == "expressions":
            for number, mask in zip(target.counting, found.masks, strict=True):
                picture = Image.fromarray(mask.astype(np.uint8) * np.uint8(255))
                self._save(picture, mask_path(self._set, video, video.expressions[number], target))
            return
        pictures: dict[Path, npt.NDArray[np.uint8]] = {}
        # Written in reverse order so that the first expression keeps the pixels where masks overlap.
        for number, mask in reversed(list(zip(target.counting, found.masks, strict=True))):
            expression = video.expressions[number]
            path = mask_path(self._set, video, expression, target)
            pictures.setdefault(path, np.zeros(mask.shape, np.uint8))[mask] = index_of(video, expression)
        for path, indices in pictures.items():
            self._save(picture_image(indices), path)

    def _save(self, picture: Image.Image, path: Path) -> None:
        place = self.folder / self._set.submission / path
        with writing(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            save_picture(picture, place)

    def finish(self, confidences: Mapping[str, float]) -> None:
        """Write the confidences and remove the mark of an incomplete folder; call this after the last mask.

        Raises:
            RefvidError: The files cannot be written.
        """
        place = self.folder / CONFIDENCES
        with writing(place):
            write_whole(place, json.dumps(dict(confidences), indent=0) + "\n")
            (self.folder / UNFINISHED).unlink(missing_ok=True)


def index_of(video: ReferringVideo, expression: Expression) -> int:
    """Return the value of an expression's pixels in a palette image: its instance, or its key if it refers to none.

    Raises:
        RefvidError: The expression has no number that a palette image can hold.
    """
    value = expression.instance
    if value is None and expression.key.isascii() and expression.key.isdigit():
        value = int(expression.key)
    if value is None or not 0 < value <= MAX_INSTANCES:
        raise RefvidError(
            f"{video.name}: '{expression.text}' has the number {value}, but a palette image holds 1 to "
            f"{MAX_INSTANCES}; download the data set again"
        )
    return value


def _is_ours(path: Path) -> bool:
    return path.suffix.lower() == ".png" or path.name in (CONFIDENCES, RECORD, UNFINISHED) or is_temporary(path)


def _read_record(path: Path) -> str | None:
    """Return the key of the evaluation that wrote a folder; None if no evaluation did."""
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["evaluation"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
