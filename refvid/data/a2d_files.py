"""The files of A2D Sentences: where people unpack them, the text, the splits, and the masks.

The text, the masks and the videos come in separate archives, which end up in one folder or under `Release/` and
`text_annotations/`. The masks are MATLAB's: axes reversed, the first one dropped where there is a single instance.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from refvid.data.packages import need_package
from refvid.errors import RefvidError

Split = Literal["train", "test"]

TEXT = "a2d_annotation.txt"
MASKS = "a2d_annotation_with_instances"
VIDEO_SET = "videoset.csv"
CLIPS = "clips320H"
PLACES = ("", "Release", "text_annotations")
_SPLITS: dict[str, Split] = {"0": "train", "1": "test"}


@dataclass(frozen=True)
class Sentence:
    """One row of the text.

    Attributes:
        video: Name of the video.
        instance: Number of what the query means, as the masks number it.
        query: Blanks at the ends and double ones are taken out.
    """

    video: str
    instance: int
    query: str


def find_parts(root: Path, names: Sequence[str]) -> list[Path]:
    """Find each part of the data set in `root`, `root/Release` or `root/text_annotations`.

    Raises:
        RefvidError: The folder is missing, or parts of it; all of these are named.
    """
    if not root.is_dir():
        raise RefvidError(f"{root} is not a folder; give the one that A2D Sentences was unpacked into")
    found = {name: path for name in names for path in (root / place / name for place in PLACES) if path.exists()}
    missing = [name for name in names if name not in found]
    if missing:
        raise RefvidError(
            f"{root} does not hold A2D Sentences: no {' and no '.join(missing)} in it, nor in Release/ or "
            "text_annotations/ below it; unpack the archive that holds it there"
        )
    return [found[name] for name in names]


def parse_sentences(lines: Iterable[str]) -> tuple[list[Sentence], int]:
    """Read the rows `video_id,instance_id,query` below a line of headings.

    Returns:
        The sentences in the file's order, and the number of rows that are none: the original has one, whose instance
        is "1 (copy)".
    """
    sentences: list[Sentence] = []
    bad = 0
    rows = csv.reader(lines)
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
    """Read videoset.csv: the split of every video.

    Raises:
        RefvidError: A row has no ninth column of 0 or 1.
    """
    splits: dict[str, Split] = {}
    with path.open(encoding="utf-8", newline="") as lines:
        for number, row in enumerate(csv.reader(lines), 1):
            if not row:
                continue
            if len(row) < 9 or row[8].strip() not in _SPLITS:
                raise RefvidError(f"{path}, line {number}: expected nine columns, the last one 0 (train) or 1 (test)")
            splits[row[0]] = _SPLITS[row[8].strip()]
    return splits


def read_instances(path: Path) -> list[int]:
    """Read which instances a frame's file has masks of, in the masks' order.

    Raises:
        RefvidError: The file cannot be read.
        UnavailableError: h5py is not installed.
    """
    with _open(path) as file:
        return [int(instance) for instance in _instances(file)]


def read_masks(path: Path) -> tuple[list[int], npt.NDArray[np.bool_]]:
    """Read the masks of a frame.

    Some of the original files have more masks than instances; the surplus is dropped. Some name an instance twice.

    Returns:
        The n instances and their masks, bool [n, H, W].

    Raises:
        RefvidError: The file cannot be read.
        UnavailableError: h5py is not installed.
    """
    with _open(path) as file:
        instances, masks = _instances(file), np.asarray(file["reMask"])
    stacked = masks[None] if masks.ndim == 2 else masks
    upright = np.ascontiguousarray(stacked.transpose(0, 2, 1)[: len(instances)] > 0)
    return [int(instance) for instance in instances], upright


def _instances(file: Any) -> npt.NDArray[np.float64]:
    shape = file["reMask"].shape
    total = 1 if len(shape) == 2 else shape[0]
    return np.asarray(file["instance"], np.float64).reshape(-1)[:total]


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    """Open an h5 file; whatever is wrong with it becomes a sentence."""
    h5py = need_package("h5py", "reading A2D Sentences")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (KeyError, OSError, ValueError) as error:
        raise RefvidError(
            f"{path} is not an h5 file with `instance` and `reMask` ({error}); unpack the masks again"
        ) from error
