"""A folder of real photos of people with labelled clothes, which are checked and kept in memory at a small size."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Literal, TypeVar

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from refvid.errors import UsageError
from refvid.world.photos.backdrop import remove_person
from refvid.world.photos.cutout import Cutout, cut_out
from refvid.world.photos.facts import LabelledPart, PersonFacts, look_of, measure
from refvid.world.photos.people import guess_sex, known_sex
from refvid.world.scene import Look

Split = Literal["train", "validation", "all"]
TRAIN_SHARE = 0.85

# A photo is usable if the person covers at least this share of it, and one connected piece this share of the person.
MIN_PERSON = 0.02
MIN_PIECE = 0.7


def split_of(name: str) -> Literal["train", "validation"]:
    """Return the split of a photo, determined by a hash of its name without the suffix, so that it never changes."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    return "train" if number < TRAIN_SHARE * 2**32 else "validation"


@dataclass(frozen=True)
class Photo:
    """A photo of one person.

    Attributes:
        name: Name of the file without the suffix.
        image: Photo uint8 [H, W, 3], RGB.
        labels: Label of each pixel of the person, uint8 [H, W]; 0 for everything else.
        facts: Facts about the person.
    """

    name: str
    image: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]
    facts: PersonFacts

    @property
    def person(self) -> npt.NDArray[np.bool_]:
        """Mask of the person, bool [H, W]."""
        return np.asarray(self.labels > 0, np.bool_)

    def mask(self, index: int) -> npt.NDArray[np.bool_]:
        """Return the mask of one label, bool [H, W]."""
        return np.asarray(self.labels == index, np.bool_)

    @cached_property
    def look(self) -> tuple[Look, tuple[LabelledPart, ...]]:
        """The look that expressions may describe, and the other parts that the person wears; see `facts.look_of`."""
        return look_of(self.facts)

    @cached_property
    def cutout(self) -> Cutout:
        """The cut-out of the person, made on first use."""
        return cut_out(self.image, self.person)

    @cached_property
    def empty_street(self) -> npt.NDArray[np.uint8]:
        """The photo without the person, uint8 [H, W, 3], made on first use."""
        return remove_person(self.image, self.person)


class PhotoLibrary:
    """The usable photos of a folder with `photos/NAME.jpg`, `labels/NAME.png` and `labels.json`.

    Attributes:
        photos: Usable photos in the order of their names.
        label_names: Names of the values in the label pictures; the first means "no part of the person".
        broken: Number of files that could not be read.
        unusable: Number of photos that show too little of a person.
    """

    def __init__(self, folder: Path | str, split: Split = "train", size: int = 256) -> None:
        """Read the photos of a split.

        Args:
            folder: Folder with the photos.
            split: "train" for a fixed 85 % of the names, "validation" for the others, or "all".
            size: Longer side of the photos in memory in pixels; smaller photos are not enlarged.

        Raises:
            UsageError: The folder has another layout, or the split has no usable photo.
        """
        self.folder = Path(folder)
        self.label_names = _label_names(self.folder)
        self.broken = self.unusable = 0
        photos = []
        for path in sorted((self.folder / "photos").glob("*.jpg")):
            if split not in ("all", split_of(path.stem)):
                continue
            try:
                image, labels = _read(path, self.folder / "labels" / f"{path.stem}.png", size, len(self.label_names))
            except (OSError, ValueError, SyntaxError):  # Pillow raises all three for damaged files
                self.broken += 1
                continue
            if not _usable(labels):
                self.unusable += 1
                continue
            sex = known_sex(path.stem, self.label_names) or guess_sex(labels, self.label_names)
            sex = sex if sex in ("man", "woman") else None
            photos.append(Photo(path.stem, image, labels, measure(image, labels, self.label_names, sex)))
        self.photos = tuple(photos)
        if not photos:
            raise UsageError(
                f"{self.folder} has no usable photo of the split {split!r} ({self.broken} broken, {self.unusable} "
                "without a clear person); give a folder with photos/NAME.jpg and labels/NAME.png"
            )

    def __len__(self) -> int:
        return len(self.photos)

    def pick(self, rng: np.random.Generator) -> Photo:
        """Return a random photo."""
        return self.photos[int(rng.integers(len(self.photos)))]


Choice = TypeVar("Choice")


def one_of(rng: np.random.Generator, choices: Sequence[Choice]) -> Choice:
    """Return a random choice; a single one is returned without drawing a random number."""
    return choices[0] if len(choices) == 1 else choices[int(rng.integers(len(choices)))]


@cache
def open_library(folder: Path, split: Split, size: int) -> PhotoLibrary:
    """Open a library that all callers with the same arguments share; see `PhotoLibrary` for arguments and errors."""
    return PhotoLibrary(folder, split, size)


def _label_names(folder: Path) -> tuple[str, ...]:
    for name in ("photos", "labels"):
        if not (folder / name).is_dir():
            raise UsageError(
                f"{folder} has no folder {name}/; expected photos/NAME.jpg, labels/NAME.png and labels.json"
            )
    path = folder / "labels.json"
    try:
        names = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as a list of label names ({error}); repair or add it") from error
    if not isinstance(names, list) or len(names) < 2 or not all(isinstance(name, str) for name in names):
        raise UsageError(f'{path} is not a list of label names; expected one like ["null", "bag", "coat"]')
    return tuple(names)


def _read(
    photo: Path, labels: Path, size: int, label_count: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    with Image.open(photo) as opened:
        image = np.asarray(opened.convert("RGB"))
    with Image.open(labels) as opened:
        label = np.asarray(opened)
    if label.ndim != 2 or label.shape != image.shape[:2] or label.max() >= label_count:
        raise ValueError(f"{labels} does not fit {photo}")
    label = label.astype(np.uint8)
    scale = min(1.0, size / max(label.shape))
    width, height = (max(1, round(side * scale)) for side in label.shape[::-1])
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return small.astype(np.uint8), cv2.resize(label, (width, height), interpolation=cv2.INTER_NEAREST).astype(np.uint8)


def _usable(labels: npt.NDArray[np.uint8]) -> bool:
    person = (labels > 0).view(np.uint8)
    total = int(person.sum())
    if total < MIN_PERSON * person.size:
        return False
    joined = cv2.morphologyEx(person, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    sizes = cv2.connectedComponentsWithStats(joined)[2][1:, cv2.CC_STAT_AREA]
    return bool(sizes.max() >= MIN_PIECE * sizes.sum())
