"""The files of A2D Sentences: where they are unpacked, the text, the splits, and the masks.

The text, the masks and the videos come in separate archives, which end up in one folder or under `Release/` and
`text_annotations/`. The masks are MATLAB arrays: their axes are reversed, and the first one is dropped if there is only
one instance.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from refvid.data.packages import need_package
from refvid.data.text import read_lines, split_rows
from refvid.errors import RefvidError

Split = Literal["train", "test"]

TEXT = "a2d_annotation.txt"
MASKS = "a2d_annotation_with_instances"
VIDEO_SET = "videoset.csv"
MISSED = "a2d_missed_videos.txt"
CLIPS = ("clips320H", "CLIPS320")
PICTURES = "pngs320H"
PLACES = ("", "Release", "text_annotations")
SPLITS: dict[str, Split] = {"0": "train", "1": "test"}


@dataclass(frozen=True)
class Sentence:
    """A row of the text.

    Attributes:
        video: Name of the video.
        instance: Number of the instance that the query refers to, as in the masks.
        query: The sentence, with surrounding and repeated blanks removed.
    """

    video: str
    instance: int
    query: str


@dataclass(frozen=True)
class Parts:
    """The locations of the parts of the data set.

    Attributes:
        text: File of the sentences.
        masks: Folder with one folder of h5 files per video.
        video_set: Table of the videos with their splits.
        missed: List of the videos without a sentence; not included in every copy of the data set.
        clips: Folders of video files; the first one that contains a video is used for it.
        pictures: Folders with one folder of extracted frames per video, for videos that have no clip.
    """

    text: Path
    masks: Path
    video_set: Path
    missed: Path | None
    clips: tuple[Path, ...]
    pictures: tuple[Path, ...]

    def footage(self) -> dict[str, Path]:
        """Return the clip of each video, or its folder of frames if it has no clip."""
        found: dict[str, Path] = {}
        for folder in self.clips:
            for path in folder.iterdir():
                if path.suffix.lower() == ".mp4":
                    found.setdefault(path.name[: -len(path.suffix)], path)
        for folder in self.pictures:
            for path in folder.iterdir():
                if path.name not in found and path.is_dir():
                    found[path.name] = path
        return found


def find_parts(root: Path) -> Parts:
    """Find the parts of the data set in `root`, `root/Release` or `root/text_annotations`.

    Raises:
        RefvidError: The folder or parts of it are missing; the message names all of them.
    """
    if not root.is_dir():
        raise RefvidError(f"{root} is not a folder; give the folder that A2D Sentences was unpacked into")

    def everywhere(*names: str) -> tuple[Path, ...]:
        return tuple(path for name in names for place in PLACES if (path := root / place / name).exists())

    found = {name: everywhere(name) for name in (TEXT, MASKS, VIDEO_SET, MISSED)}
    clips = tuple(path for path in everywhere(*CLIPS) if path.is_dir())
    pictures = tuple(path for path in everywhere(PICTURES) if path.is_dir())
    missing = [name for name in (TEXT, MASKS, VIDEO_SET) if not found[name]]
    if not clips and not pictures:
        missing.append(f"{CLIPS[0]} ({', '.join(CLIPS[1:])} or {PICTURES} would do)")
    if missing:
        raise RefvidError(
            f"{root} does not hold A2D Sentences: no {' and no '.join(missing)} in it, nor in Release/ or "
            "text_annotations/ below it; unpack the archives that hold them there"
        )
    missed = found[MISSED][0] if found[MISSED] else None
    return Parts(found[TEXT][0], found[MASKS][0], found[VIDEO_SET][0], missed, clips, pictures)


def parse_sentences(lines: Iterable[str]) -> tuple[list[Sentence], int]:
    """Parse the rows `video_id,instance_id,query` below a header line.

    Returns:
        The sentences in file order, and the number of malformed rows: the original file has one, with the instance
        "1 (copy)".
    """
    sentences: list[Sentence] = []
    bad = 0
    rows = split_rows(lines)
    next(rows, None)
    for row in rows:
        try:
            video, instance, *query = row
            sentence = Sentence(video, int(instance), " ".join(",".join(query).split()))
        except ValueError:
            bad += 1
            continue
        if sentence.query:
            sentences.append(sentence)
        else:
            bad += 1
    return sentences, bad


def read_splits(path: Path) -> dict[str, Split]:
    """Read the split of every video from videoset.csv.

    Raises:
        RefvidError: A row has no ninth column with 0 or 1.
    """
    splits: dict[str, Split] = {}
    for number, row in enumerate(split_rows(read_lines(path)), 1):
        if not row:
            continue
        if len(row) < 9 or row[8].strip() not in SPLITS:
            raise RefvidError(
                f"{path}, line {number}: expected nine columns, the last one 0 (train) or 1 (test); download it again"
            )
        splits[row[0]] = SPLITS[row[8].strip()]
    return splits


def mask_files(folder: Path) -> list[Path]:
    """Return the h5 files of a video by frame number; none if the folder does not exist."""
    if not folder.is_dir():
        return []
    named = [path for path in folder.iterdir() if path.suffix == ".h5" and path.stem.isascii() and path.stem.isdigit()]
    return sorted((path for path in named if int(path.stem) > 0), key=lambda path: int(path.stem))


@dataclass(frozen=True)
class Held:
    """The contents of a frame's mask file, as stated in its header.

    Attributes:
        instances: Instances of the masks, in order; one may occur twice.
        surplus: Number of masks beyond the number of instances; negative if there are fewer.
    """

    instances: tuple[int, ...]
    surplus: int


def read_held(path: Path) -> Held:
    """Read the instances that a frame's file has masks of, without reading the masks.

    Raises:
        RefvidError: The file cannot be read.
        UnavailableError: h5py is not installed.
    """
    with _open(path) as file:
        named, total = _names(file), _total(file)
        return Held(tuple(int(instance) for instance in named[:total]), total - len(named))


def read_size(path: Path) -> tuple[int, int]:
    """Return the height and width of a frame's masks.

    Raises:
        RefvidError: The file cannot be read.
        UnavailableError: h5py is not installed.
    """
    with _open(path) as file:
        return _size(file)


def read_masks(path: Path) -> tuple[list[int], npt.NDArray[np.bool_]]:
    """Read the masks of a frame.

    Some of the original files have more masks than instances, in which case the surplus is dropped; some name an
    instance twice.

    Returns:
        The n instances and their masks, bool [n, H, W].

    Raises:
        RefvidError: The file cannot be read.
        UnavailableError: h5py is not installed.
    """
    with _open(path) as file:
        total = _total(file)
        instances = [int(instance) for instance in _names(file)[:total]]
        if not instances:
            return [], np.zeros((0, *_size(file)), np.bool_)
        masks = np.asarray(file["reMask"])
    stacked = masks[None] if masks.ndim == 2 else masks
    return instances, np.ascontiguousarray(stacked[: len(instances)].transpose(0, 2, 1) > 0)


def _names(file: Any) -> npt.NDArray[np.float64]:
    named = file["instance"]
    return np.zeros(0) if _is_empty(named) else np.asarray(named, np.float64).reshape(-1)


def _total(file: Any) -> int:
    """Return the number of masks, whose axes are [n, W, H], or [W, H] for a single mask."""
    masks = file["reMask"]
    if _is_empty(masks):
        return 0
    if masks.ndim not in (2, 3):
        raise ValueError(f"`reMask` has {masks.ndim} axes, expected 2 or 3")
    return 1 if masks.ndim == 2 else int(masks.shape[0])


def _size(file: Any) -> tuple[int, int]:
    """Return the height and width; a frame without any mask still has the class map, [W, H]."""
    masks = file["reMask"]
    width, height = (file["reS_id"] if _is_empty(masks) else masks).shape[-2:]
    return int(height), int(width)


def _is_empty(values: Any) -> bool:
    """Return whether an array is empty: MATLAB then stores its shape as content, with an attribute that says so."""
    return bool(values.attrs.get("MATLAB_empty", 0)) or 0 in values.shape


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    """Open an h5 file, and turn any failure to read it into a RefvidError."""
    h5py = need_package("h5py", "reading A2D Sentences")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (KeyError, OSError, RuntimeError, ValueError) as error:
        raise RefvidError(
            f"{path} is not an h5 file with `instance` and `reMask` ({error}); unpack the masks again"
        ) from error
