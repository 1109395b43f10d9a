"""A folder of photos in which all objects of certain classes have masks, listed in `index.jsonl`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from refvid.errors import RefvidError, UsageError
from refvid.world.objects.lexicon import LEXICON

Split = Literal["train", "validation", "all"]

INDEX = "index.jsonl"
SOURCES = ("coco", "pets", "feralcat", "firetruck_via", "vehicle_via")
DEFAULT_SOURCES = SOURCES[:4]  # the last source has only tiny pictures from a single traffic camera
IGNORED = 255  # label of pixels whose content is unknown
LONGEST = 320  # maximum side of a photo in memory in pixels


@dataclass(frozen=True)
class Listed:
    """The entry of a photo in the list.

    Attributes:
        source: Source of the photo, one of `SOURCES` or another name.
        name: Name of the photo, unique in its source.
        image: File of the photo.
        mask: File of the instance labels.
        kinds: Class of each instance by its number, from 1.
        boxes: Left, top, right and bottom of each instance as shares of the picture.
        areas: Area of each instance as a share of the picture.
        complete: Whether all objects of the classes that the source covers are labelled.
        captions: Sentences about the whole photo; may be empty.
    """

    source: str
    name: str
    image: Path
    mask: Path
    kinds: dict[int, str]
    boxes: dict[int, tuple[float, float, float, float]]
    areas: dict[int, float]
    complete: bool
    captions: tuple[str, ...]


@dataclass(frozen=True)
class ObjectPhoto:
    """A photo in memory.

    Attributes:
        listed: Entry of the photo in the list.
        image: Photo uint8 [H, W, 3], RGB.
        labels: Number of the instance at each pixel, 0 for none and 255 for unknown, uint8 [H, W].
    """

    listed: Listed
    image: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]


class ObjectLibrary:
    """The photos of some sources in a folder, each of which is read when it is needed."""

    def __init__(self, folder: Path, split: Split = "train", sources: Sequence[str] = DEFAULT_SOURCES) -> None:
        """Read the list.

        Args:
            folder: Folder with `index.jsonl` and the files that it lists.
            split: Split of the list to use.
            sources: Sources out of `SOURCES` to use; sources with other names are always used.

        Raises:
            UsageError: The list cannot be read, or no photo is left.
        """
        self.folder = folder
        unwanted = set(SOURCES) - set(sources)
        wanted = {"train": ("train",), "validation": ("val",), "all": ("train", "val")}[split]
        rows = [row for row in _rows(folder / INDEX) if row["split"] in wanted and row["source"] not in unwanted]
        self.photos = tuple(listed for row in rows if (listed := _listed(folder, row)).kinds)
        if not self.photos:
            raise UsageError(
                f"{folder / INDEX} lists no photo of the split {split!r} from {', '.join(sources)}; give another folder"
            )

    def __len__(self) -> int:
        return len(self.photos)


@cache
def open_objects(folder: Path, split: Split, sources: tuple[str, ...]) -> ObjectLibrary:
    """Open a library that all callers with the same arguments share; see `ObjectLibrary` for arguments and errors."""
    return ObjectLibrary(folder, split, sources)


def is_object_folder(folder: Path) -> bool:
    """Return whether a folder contains a list of this layout."""
    return (folder / INDEX).is_file()


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        for row in rows:
            for name in ("source", "id", "image", "mask", "width", "height", "instances", "complete", "split"):
                row[name]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path} cannot be read as a list of photos ({error!r}); expected one JSON object a line with source, id, "
            "image, mask, width, height, instances, complete and split"
        ) from error
    return rows


def _listed(folder: Path, row: dict[str, Any]) -> Listed:
    width, height = float(row["width"]), float(row["height"])
    known = [instance for instance in row["instances"] if instance.get("class") in LEXICON]
    return Listed(
        str(row["source"]),
        str(row["id"]),
        folder / row["image"],
        folder / row["mask"],
        {int(instance["id"]): instance["class"] for instance in known},
        {
            int(instance["id"]): (
                instance["box"][0] / width,
                instance["box"][1] / height,
                instance["box"][2] / width,
                instance["box"][3] / height,
            )
            for instance in known
        },
        {int(instance["id"]): instance["area"] / (width * height) for instance in known},
        bool(row["complete"]),
        tuple(row.get("captions") or ()),
    )


@lru_cache(96)
def read_files(image: Path, mask: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Return a photo and its labels, as in `ObjectPhoto`; the most recent ones stay in memory.

    Raises:
        RefvidError: A file is missing, damaged or of another kind.
    """
    try:
        with Image.open(image) as opened:
            opened.draft("RGB", (LONGEST, LONGEST))
            picture = np.asarray(opened.convert("RGB"))
        with Image.open(mask) as opened:
            labels = np.asarray(opened)
    except (OSError, ValueError, SyntaxError) as error:  # Pillow raises all three for damaged files
        raise RefvidError(f"the photo {image} or its masks {mask} cannot be read ({error}); copy them again") from error
    if labels.ndim != 2:
        raise RefvidError(f"the masks {mask} have the shape {labels.shape}; expected one number a pixel")
    scale = min(1.0, LONGEST / max(labels.shape))
    size = (max(1, round(labels.shape[1] * scale)), max(1, round(labels.shape[0] * scale)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    return small, cv2.resize(labels.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST).astype(np.uint8)


def read_photo(listed: Listed) -> ObjectPhoto:
    """Read a photo of the list; the errors are those of `read_files`."""
    image, labels = read_files(listed.image, listed.mask)
    return ObjectPhoto(listed, image, labels)
