"""The files of RefCOCO, RefCOCO+ and RefCOCOg: where they are unpacked, the references, and COCO's annotations.

The layout is that of the data sets' own interface, https://github.com/lichengunc/refer: a folder for each data set with
`instances.json` and `refs(WHO).p`, and the pictures of COCO's train2014 somewhere near it.
"""

import json
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from refvid.data.restricted_pickle import load_plain_pickle
from refvid.errors import RefvidError

INSTANCES = "instances.json"
FOLDERS = ("refcoco", "refcoco+", "refcocog", "refclef")
PICTURES = (
    "images/mscoco/images/train2014",
    "images/mscoco/train2014",
    "images/train2014",
    "mscoco/images/train2014",
    "mscoco/train2014",
    "coco/images/train2014",
    "coco/train2014",
    "train2014",
    "images",
    "images/train2017",
    "coco/train2017",
    "train2017",  # contains all of train2014 under shorter names
)


@dataclass(frozen=True)
class Reference:
    """An object in a picture, with the sentences that refer to it.

    Attributes:
        image: COCO's number of the picture.
        annotation: COCO's number of the object.
        sentences: (number, cleaned text) of each sentence; a text may be empty.
    """

    image: int
    annotation: int
    sentences: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class Parts:
    """The locations of the parts of a data set.

    Attributes:
        instances: File of COCO's annotations.
        references: Pickle of the references.
        pictures: Folders that may contain the pictures; at least one.
    """

    instances: Path
    references: Path
    pictures: tuple[Path, ...]


def find_parts(root: Path, folder: str, pickle_name: str, title: str) -> Parts:
    """Find the annotations in `root/folder`, `root` itself and below `data/`, and the pictures near them.

    Args:
        root: Folder given by the user.
        folder: Name of the data set's folder, one of `FOLDERS`.
        pickle_name: Name of the file of references.
        title: Title of the data set, for error messages.

    Raises:
        RefvidError: The folder or parts of it are missing; the message names all of them and the places searched.
    """
    if not root.is_dir():
        raise RefvidError(f"{root} is not a folder; give the folder that {title} was unpacked into")
    absolute = Path(os.path.abspath(root))  # not resolve(): ".." of a link is beside the link
    homes = [absolute / folder, absolute / "data" / folder]
    if absolute.name not in set(FOLDERS) - {folder}:  # the other data sets use the same file names
        homes.insert(1, absolute)
    places = [place for home in homes for place in (home, home / "annotations")]
    wanted = (INSTANCES, pickle_name)
    chosen = max(places, key=lambda place: sum((place / name).is_file() for name in wanted))  # the first of equals
    missing = [
        f"no {name} in {_listed(places)}{_others(places) if name == pickle_name else ''}"
        for name in wanted
        if not (chosen / name).is_file()
    ]
    home = homes[places.index(chosen) // 2]
    near = [home.parent, home, absolute] if len(missing) < len(wanted) else [absolute.parent, absolute]
    bases = list(dict.fromkeys(near))
    pictures = tuple(base / place for base in bases for place in PICTURES if (base / place).is_dir())
    if not pictures:
        missing.append(f"no folder of pictures as {_listed(PICTURES)} below {_listed(bases)}")
    if missing:
        raise RefvidError(f"{root} does not hold {title}: {'; '.join(missing)}; unpack or link the missing parts there")
    return Parts(chosen / INSTANCES, chosen / pickle_name, pictures)


def _listed(places: Iterable[object]) -> str:
    return ", ".join(map(str, places))


def _others(places: Sequence[Path]) -> str:
    """Return the part of a message that lists reference files of other protocols, or ""."""
    others = sorted({path.name for place in places for path in place.glob("refs(*).p")})
    return f" (only {', '.join(others)}, of another protocol)" if others else ""


def read_references(path: Path, split: str) -> list[Reference]:
    """Read the references of a split, in file order.

    As in the data sets' own interface, "test" selects every split whose name contains "test", and "testA" those with an
    A.

    Raises:
        RefvidError: The file is not a pickle of references.
    """
    loaded = load_plain_pickle(path)
    try:
        if not isinstance(loaded, list):
            raise TypeError(f"it contains a {type(loaded).__name__}")
        references = [_reference(entry) for entry in loaded if _belongs(str(entry["split"]), split)]
        numbers = [number for reference in references for number, _ in reference.sentences]
        if len(set(numbers)) < len(numbers):
            raise ValueError("a sent_id occurs twice")
        return references
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RefvidError(
            f"{path} is not a list of references with split, image_id, ann_id and sentences "
            f"({type(error).__name__}: {error}); download it again"
        ) from error


def _reference(entry: Mapping[str, Any]) -> Reference:
    sentences = tuple((int(one["sent_id"]), " ".join(one["sent"].split())) for one in entry["sentences"])
    return Reference(int(entry["image_id"]), int(entry["ann_id"]), sentences)


def _belongs(named: str, split: str) -> bool:
    if split.startswith("test"):
        return named.startswith("test") and split.removeprefix("test") in named.removeprefix("test")
    return named == split


def read_instances(
    path: Path, images: Collection[int], annotations: Collection[int]
) -> tuple[dict[int, dict[str, Any]], dict[int, dict[str, Any]]]:
    """Read COCO's annotations, keeping only the requested records, since the real files hold 100 MB.

    Args:
        path: File instances.json.
        images: Numbers of the pictures to keep.
        annotations: Numbers of the objects to keep.

    Returns:
        The records of the pictures and of the objects, each by number; missing ones are left out.

    Raises:
        RefvidError: The file is not COCO's JSON.
    """
    wanted_images, wanted_annotations = set(images), set(annotations)

    def keep(record: dict[str, Any]) -> dict[str, Any] | None:
        """Drop unreferenced outlines, nine tenths of the file, while the rest is still being parsed."""
        return None if "segmentation" in record and record.get("id") not in wanted_annotations else record

    try:
        with path.open("rb") as file:
            content = json.load(file, object_hook=keep)
        return (
            {record["id"]: record for record in content["images"] if record["id"] in wanted_images},
            {
                record["id"]: record
                for record in content["annotations"]
                if record and record["id"] in wanted_annotations
            },
        )
    except (KeyError, OSError, TypeError, ValueError) as error:
        raise RefvidError(
            f"{path} is not COCO's JSON with `images` and `annotations` ({type(error).__name__}: {error}); "
            "download it again"
        ) from error


def find_pictures(folders: Sequence[Path], images: Mapping[int, Mapping[str, Any]]) -> dict[int, Path]:
    """Find the pictures of a split in the folder that has most of them.

    A picture is named as its record says, or as COCO names it. The `file_name` in the references is unusable: it
    carries the number of the object and matches no file.

    Args:
        folders: Folders to search; at least one.
        images: Records of the pictures by number.

    Returns:
        The file of each picture by number.

    Raises:
        RefvidError: Some pictures are in none of the folders.
    """
    best: dict[int, Path] = {}
    for folder in folders:
        there = {entry.name for entry in os.scandir(folder)}
        found = {
            number: folder / name
            for number, record in images.items()
            for name in reversed(_names(number, record))
            if name in there
        }
        if len(found) > len(best):
            best = found
        if len(best) == len(images):
            return best
    lacking = [number for number in images if number not in best]
    raise RefvidError(
        f"{len(lacking):,} of {len(images):,} pictures, first {_names(lacking[0], images[lacking[0]])[0]}, are in "
        f"none of {_listed(folders)}; unpack COCO's train2014.zip there"
    )


def _names(number: int, record: Mapping[str, Any]) -> list[str]:
    """Return the possible file names of a picture, the most likely first."""
    names = [f"COCO_train2014_{number:012d}.jpg", f"{number:012d}.jpg"]
    if "file_name" in record:
        names.insert(0, Path(str(record["file_name"])).name)
    return names
