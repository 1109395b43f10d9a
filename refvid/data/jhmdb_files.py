"""The files of J-HMDB Sentences: where they are unpacked, the text, the lists of frames, and the masks."""

import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from refvid.data.packages import need_package
from refvid.data.text import split_rows
from refvid.errors import RefvidError

TEXT = "jhmdb_annotation.txt"
PICTURES = "Rename_Images"
MASKS = "puppet_mask"
MASK_FILE = "puppet_mask.mat"
LIST = "jhmdb_sentences_samples_metadata.json"
LISTS = (LIST, f"mttr_{LIST}")
PLACES = ("", "jhmdb_sentences")

# `Draw.digest` of the published lists, which share a file name but only a tenth of their frames.
MTTR_DRAW = "401e5df0612d95cee606b4727eb22054c06ccf5554268b97749d84b94e6c62cd"
SOC_DRAW = "79c0bf43114d404e465f446df386dac99623859d9343002457d59c6f6cf0c998"

_KEY = "part_mask"
_PURPOSE = "reading J-HMDB Sentences"
_KEPT_MASKS = 2  # videos whose masks, some megabytes each, stay in memory while their frames are read one after another


@dataclass(frozen=True)
class Parts:
    """The locations of the parts of the data set.

    Attributes:
        text: File of the sentences.
        pictures: Folder of `<action>/<video>/00001.png`.
        masks: Folder of `<action>/<video>/puppet_mask.mat`.
        sampled: List of the frames that MTTR evaluates; None if it is missing.
    """

    text: Path
    pictures: Path
    masks: Path
    sampled: Path | None


@dataclass(frozen=True)
class Draw:
    """The frames of each video that a list selects.

    Attributes:
        numbers: Frame numbers from 1, by video.
    """

    numbers: Mapping[str, frozenset[int]]

    @property
    def digest(self) -> str:
        """Return the SHA-256 hash of the frames, independent of their order and of the folders in their paths."""
        rows = sorted(f"{video} {number}\n" for video, frames in self.numbers.items() for number in frames)
        return hashlib.sha256("".join(rows).encode()).hexdigest()


def find_parts(root: Path, *, sampled: bool) -> Parts:
    """Find the parts of the data set in `root` or `root/jhmdb_sentences`.

    Args:
        root: Folder that holds the data set.
        sampled: Whether MTTR's list is required.

    Raises:
        RefvidError: The folder or parts of it are missing; the message names all of them.
    """
    if not root.is_dir():
        raise RefvidError(f"{root} is not a folder; give the folder that J-HMDB Sentences was unpacked into")

    text, pictures, masks, drawn = (_first(root, *names) for names in ((TEXT,), (PICTURES,), (MASKS,), LISTS))
    missing = [name for name, path in ((TEXT, text), (PICTURES, pictures), (MASKS, masks)) if path is None]
    advice = ["unpack the archives that hold them there"] if missing else []
    if sampled and drawn is None:
        missing.append(f"{LIST} (MTTR's list of frames, {LISTS[1]} would do)")
        advice.append("put the list there, or give --protocol uniform3 or --protocol all")
    if text is None or pictures is None or masks is None or missing:
        raise RefvidError(
            f"{root} does not hold all of J-HMDB Sentences: no {' and no '.join(missing)} in it, nor in "
            f"{PLACES[1]}/ below it; {', and '.join(advice)}"
        )
    return Parts(text, pictures, masks, drawn)


def has_list(root: Path) -> bool:
    """Return whether a list of frames in MTTR's format exists."""
    return _first(root, *LISTS) is not None


def _first(root: Path, *names: str) -> Path | None:
    return next((path for name in names for place in PLACES if (path := root / place / name).exists()), None)


def parse_sentences(lines: Iterable[str]) -> tuple[dict[str, list[str]], int]:
    """Parse the rows `video_id,query` below a header line.

    Returns:
        The queries of each video in file order, with surrounding and repeated blanks removed; and the number of
        malformed rows.
    """
    queries: dict[str, list[str]] = {}
    bad = 0
    rows = split_rows(lines)
    next(rows, None)
    for row in rows:
        sentence = " ".join(",".join(row[1:]).split())
        if sentence:
            queries.setdefault(row[0], []).append(sentence)
        else:
            bad += 1
    return queries, bad


def read_draw(path: Path) -> Draw:
    """Read a list of evaluated frames in the format published by MTTR.

    Its rows are [video, picture, masks, number of frames, query]. The folders in its paths are those of the machine
    that wrote it, so only the file names are used.

    Raises:
        RefvidError: The file is not such a list.
    """
    numbers: dict[str, set[int]] = {}
    try:
        for row in json.loads(path.read_bytes()):
            video, picture = row[0], row[1]
            stem = picture.replace("\\", "/").rpartition("/")[2].removesuffix(".png")
            numbers.setdefault(video, set()).add(int(stem))
    except (OSError, ValueError, TypeError, AttributeError, LookupError) as error:
        raise RefvidError(
            f"{path} is not MTTR's list of frames ({error}); expected a JSON list of rows "
            "[video, picture, masks, frames, query], download it again"
        ) from error
    return Draw({video: frozenset(frames) for video, frames in numbers.items()})


def video_folders(parent: Path) -> dict[str, Path]:
    """Return the folders `<action>/<video>` by video; names are compared literally, as they may contain wildcards."""
    actions = [action for action in parent.iterdir() if action.is_dir()]
    return {folder.name: folder for action in sorted(actions) for folder in action.iterdir() if folder.is_dir()}


def read_mask_shape(path: Path) -> tuple[int, int, int]:
    """Return the number, height and width of a video's masks, without reading the masks.

    Raises:
        RefvidError: The file cannot be read.
        UnavailableError: SciPy is not installed.
    """
    found = {name: shape for name, shape, _ in _with_scipy(path, "whosmat")}
    shape = found.get(_KEY, ())
    if len(shape) not in (2, 3) or 0 in shape:
        raise RefvidError(
            f"{path} has no `{_KEY}` [height, width, frames] but {found or 'nothing'}; unpack the masks again"
        )
    return (shape[2] if len(shape) == 3 else 1), shape[0], shape[1]


def read_masks(path: Path) -> npt.NDArray[np.bool_]:
    """Read the masks of a video, bool [T, H, W], which must not be modified: the masks of two videos are cached.

    Raises:
        RefvidError: The file cannot be read.
        UnavailableError: SciPy is not installed.
    """
    try:
        state = path.stat()
    except OSError as error:
        raise RefvidError(f"{path} cannot be read ({error}); unpack the masks again") from error
    return _read_once(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=_KEPT_MASKS)
def _read_once(path: Path, modified: int, size: int) -> npt.NDArray[np.bool_]:
    """Read the masks; time and size of the file are part of the cache key, so that a rewritten file is read again."""
    total, height, width = read_mask_shape(path)
    content = _with_scipy(path, "loadmat", variable_names=[_KEY])[_KEY]
    masks = np.ascontiguousarray(np.asarray(content).reshape(height, width, total).transpose(2, 0, 1) > 0)
    masks.flags.writeable = False
    return masks


def _with_scipy(path: Path, function: str, **options: Any) -> Any:
    """Read a MATLAB file, and turn any failure to read it into a RefvidError."""
    scipy_io = need_package("scipy.io", _PURPOSE)
    damaged = need_package("scipy.io.matlab", _PURPOSE).MatReadError
    try:
        return getattr(scipy_io, function)(str(path), **options)
    except (OSError, ValueError, TypeError, LookupError, EOFError, NotImplementedError, zlib.error, damaged) as error:
        raise RefvidError(f"{path} is not a MATLAB file with `{_KEY}` ({error}); unpack the masks again") from error
