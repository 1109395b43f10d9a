"""The parts of DAVIS: the lists of sequences, frames and masks of one resolution, and the phrases."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from refvid.data.davis_text import RUNS, TEXT, Kind, Year, text_names
from refvid.errors import RefvidError

SEMI_SUPERVISED = "semi-supervised"
HUNGARIAN = "-hungarian"  # how the names of these protocols end
RESOLUTIONS = ("480p", "1080p", "Full-Resolution")  # the middle one is what DAVIS-16's own archive calls the last
_META_FOLDERS = {"train": "train", "val": "valid"}


@dataclass(frozen=True)
class DavisParts:
    """Where everything is.

    Attributes:
        sequences: The list of the split's.
        frames: The folder with a folder a sequence.
        masks: Likewise.
        text: The phrases' file of each run, or ReferFormer's for all, or None where none is needed.
    """

    sequences: Path
    frames: Path
    masks: Path
    text: dict[str, Path] | Path | None


def find_parts(root: Path, year: Year, split: str, protocol: str, title: str) -> DavisParts:
    """Find what a protocol needs, in `root` and in DAVIS/ below it, the phrases beside `root` too.

    Raises:
        RefvidError: The folder is missing, or parts of it; all of these are named.
    """
    if not root.is_dir():
        raise RefvidError(f"{root} is not a folder; give the one that DAVIS was unpacked into")
    bases = (root, root / "DAVIS")
    lists = [f"ImageSets/{year}/{split}.txt"]
    if year == "2016":  # its own archive sorts its lists by resolution
        lists += [f"ImageSets/{resolution}/{split}.txt" for resolution in RESOLUTIONS]
    sequences = next((path for name in lists if (path := _first(bases, name))), None)
    missing = [] if sequences else [" or ".join(lists[:2])]
    # DAVIS-16's objects are not those of the unsupervised task, and a single one needs no void.
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
    """Read a list of sequences, or one of pairs of frame and mask, from which the sequences are taken.

    Raises:
        RefvidError: The file cannot be read.
    """
    try:
        words = [line.split()[0] for line in path.read_text(encoding="utf-8").splitlines() if line.split()]
    except (OSError, ValueError) as error:
        raise RefvidError(f"{path} is not a list of sequences ({error}); unpack the archive again") from error
    return list(dict.fromkeys(Path(word).parent.name if "/" in word else word for word in words))


def _find_pictures(bases: Sequence[Path], annotations: str) -> tuple[Path | None, Path | None, list[str]]:
    """Find frames and masks of one resolution, the smallest there is; else returns what is missing of it."""
    pairs = [
        (resolution, _first(bases, f"JPEGImages/{resolution}"), _first(bases, f"{annotations}/{resolution}"))
        for resolution in RESOLUTIONS
    ]
    # Both parts before one, one before none; max takes the first of equals.
    resolution, frames, masks = max(pairs, key=lambda pair: (pair[1] is not None) + (pair[2] is not None))
    others = "" if frames or masks else f" (or {' or '.join(RESOLUTIONS[1:])})"
    missing = [] if frames else [f"JPEGImages/{resolution}{others}"]
    return frames, masks, missing if masks else [*missing, f"{annotations}/{resolution}"]


def _find_text(
    places: Sequence[Path], year: Year, split: str, protocol: str
) -> tuple[dict[str, Path] | Path, list[str]]:
    """Find the file of each run, for DAVIS-17 else ReferFormer's; else returns which of them are missing."""
    names = text_names(year, cast(Kind, protocol.removesuffix(HUNGARIAN)))
    found = {run: path for run, name in names.items() if (path := _first(places, name))}
    if year == "2017" and len(found) < len(RUNS):
        meta = f"meta_expressions/{_META_FOLDERS[split]}/meta_expressions.json"
        if path := _first(places, meta):
            return path, []
    return found, [name for run, name in names.items() if run not in found]


def _first(bases: Sequence[Path], name: str) -> Path | None:
    return next((base / name for base in bases if (base / name).exists()), None)
