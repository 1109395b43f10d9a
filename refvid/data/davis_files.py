"""The files of DAVIS: the lists of sequences, frames and masks of one resolution, and the phrases."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from refvid.data.davis_text import RUNS, TEXT, Kind, Year, text_names
from refvid.errors import RefvidError

SEMI_SUPERVISED = "semi-supervised"
HUNGARIAN = "-hungarian"  # suffix of the protocols' names
RESOLUTIONS = ("480p", "1080p", "Full-Resolution")  # DAVIS-16's own archive says 1080p for Full-Resolution
_META_FOLDERS = {"train": "train", "val": "valid"}


@dataclass(frozen=True)
class DavisParts:
    """The locations of the parts of the data set.

    Attributes:
        sequences: List of the split's sequences.
        frames: Folder with one folder of frames per sequence.
        masks: Folder with one folder of masks per sequence.
        text: File of phrases of each run, or ReferFormer's file for all runs, or None if no phrases are needed.
    """

    sequences: Path
    frames: Path
    masks: Path
    text: dict[str, Path] | Path | None


def find_parts(root: Path, year: Year, split: str, protocol: str, title: str) -> DavisParts:
    """Find the parts that a protocol needs in `root` and in DAVIS/ below it, the phrases also beside `root`.

    Raises:
        RefvidError: The folder or parts of it are missing; the message names all of them.
    """
    if not root.is_dir():
        raise RefvidError(f"{root} is not a folder; give the folder that DAVIS was unpacked into")
    bases = (root, root / "DAVIS")
    lists = [f"ImageSets/{year}/{split}.txt"]
    if year == "2016":  # its own archive has a folder of lists per resolution
        lists += [f"ImageSets/{resolution}/{split}.txt" for resolution in RESOLUTIONS]
    sequences = next((path for name in lists if (path := _first(bases, name))), None)
    missing = [] if sequences else [" or ".join(lists[:2])]
    # The unsupervised annotation has other objects than DAVIS-16, and a single object needs no void pixels.
    unsupervised = year == "2017" and protocol.endswith(HUNGARIAN)
    frames, masks, without = _find_pictures(bases, "Annotations_unsupervised" if unsupervised else "Annotations")
    missing += without
    text: dict[str, Path] | Path | None = None
    beyond = ""
    if protocol != SEMI_SUPERVISED:
        text, names = _find_text((*bases, root.absolute().parent), year, split, protocol)
        missing += names
        instead = " or meta_expressions/" if year == "2017" else ""
        beyond = f", nor {TEXT}/{instead} beside it" if names else ""
    if missing or sequences is None or frames is None or masks is None:
        raise RefvidError(
            f"{root} does not hold {title}: no {' and no '.join(missing)} in it, nor in DAVIS/ below it{beyond}; "
            "unpack the archive that holds it there"
        )
    return DavisParts(sequences, frames, masks, text)


def read_sequences(path: Path) -> list[str]:
    """Read a list of sequences, or a list of (frame, mask) pairs from whose paths the sequences are derived.

    Raises:
        RefvidError: The file cannot be read.
    """
    try:
        words = [line.split()[0] for line in path.read_text(encoding="utf-8").splitlines() if line.split()]
    except (OSError, ValueError) as error:
        raise RefvidError(f"{path} is not a list of sequences ({error}); unpack the archive again") from error
    return list(dict.fromkeys(Path(word).parent.name if "/" in word else word for word in words))


def _find_pictures(bases: Sequence[Path], annotations: str) -> tuple[Path | None, Path | None, list[str]]:
    """Find frames and masks of the lowest available resolution, and name the parts that are missing."""
    pairs = [
        (resolution, _first(bases, f"JPEGImages/{resolution}"), _first(bases, f"{annotations}/{resolution}"))
        for resolution in RESOLUTIONS
    ]
    # Prefer a resolution with both parts to one with a single part; max returns the first of equals, the lowest.
    resolution, frames, masks = max(pairs, key=lambda pair: (pair[1] is not None) + (pair[2] is not None))
    others = "" if frames or masks else f" (or {' or '.join(RESOLUTIONS[1:])})"
    missing = [] if frames else [f"JPEGImages/{resolution}{others}"]
    return frames, masks, missing if masks else [*missing, f"{annotations}/{resolution}"]


def _find_text(
    places: Sequence[Path], year: Year, split: str, protocol: str
) -> tuple[dict[str, Path] | Path, list[str]]:
    """Find the file of each run or, for DAVIS-17, ReferFormer's file instead, and name the files that are missing."""
    names = text_names(year, cast(Kind, protocol.removesuffix(HUNGARIAN)))
    found = {run: path for run, name in names.items() if (path := _first(places, name))}
    if year == "2017" and len(found) < len(RUNS):
        meta = f"meta_expressions/{_META_FOLDERS[split]}/meta_expressions.json"
        if path := _first(places, meta):
            return path, []
    return found, [name for run, name in names.items() if run not in found]


def _first(bases: Sequence[Path], name: str) -> Path | None:
    return next((base / name for base in bases if (base / name).exists()), None)
