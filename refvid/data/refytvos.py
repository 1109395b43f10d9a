"""Ref-YouTube-VOS as unpacked: the lists of expressions, every fifth frame, and the palette masks of train.

The list of the split "valid" also contains the videos of the split "test", and the frames of both are in valid/.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from refvid.data.catalogue import check_choice
from refvid.data.frame_folder import FolderVideo, FrameFolder, list_names, read_numbers
from refvid.data.referring import Expression, ReferringSet, Rules, Target
from refvid.data.text import count_of, name_some
from refvid.errors import RefvidError

_PLACES = ("", "ref-youtube-vos", "refer_youtube_vos")
_FRAMES = {
    "train": ("train/JPEGImages",),
    "valid": ("valid/JPEGImages",),
    "test": ("valid/JPEGImages", "test/JPEGImages"),
}
_MASKS = "train/Annotations"


@dataclass(frozen=True)
class RefYouTubeVideo(FolderVideo):
    """A video that consists of the listed frames only, every fifth of the original video.

    Indices count the listed frames, whereas names count the original frames: the second listed frame is "00005".

    Attributes:
        name: Name of the video.
        expressions: Expressions with the keys of the list.
        targets: All listed frames; in train, those that have a mask.
        frames: Frames of the footage.
        masks: Folder with one PNG per frame; None if the ground truth is not public.
    """

    name: str
    expressions: tuple[Expression, ...]
    targets: tuple[Target, ...]
    frames: FrameFolder
    masks: Path | None

    def truth(self, target: Target) -> npt.NDArray[np.bool_] | None:
        """Read the masks of the expressions evaluated, bool [len(target.counting), H, W]; return None outside train.

        The mask of an object that is not in the frame is empty.

        Raises:
            RefvidError: The mask or the header of the frame cannot be read, or they differ in size.
        """
        if self.masks is None:
            return None
        numbers = read_numbers(self.masks / f"{target.name}.png", self.frames.size(target.index))
        return np.stack([numbers == self.expressions[index].instance for index in target.counting])

    def files(self) -> Iterator[Path]:
        """Yield the files of all listed frames and, in train, of the masks evaluated."""
        yield from map(self.frames.path, range(len(self.frames.names)))
        if self.masks is not None:
            yield from (self.masks / f"{target.name}.png" for target in self.targets)

    def void(self, target: Target) -> None:
        """Return None: no pixel is ignored."""
        return None


def open_refytvos(root: Path, split: str, protocol: str) -> ReferringSet:
    """Open Ref-YouTube-VOS (Seo, Lee and Han, ECCV 2020); the masks of "valid" and "test" are known to its server only.

    Args:
        root: Folder that holds train/, valid/ and meta_expressions/.
        split: "train", "valid" or "test"; "valid" is the published list without the videos of "test".
        protocol: "server".

    Raises:
        RefvidError: Parts of the data set are missing, or a list does not have the published form.
        UsageError: The data set has no such split or protocol.
    """
    info = check_choice("refytvos", split, protocol)
    base, folders = _find_parts(root, split)
    listed = _read_list(_list_path(base, split), public=split == "train")
    notes = []
    if split == "valid":
        listed, note = _without_test(base, listed)
        notes.append(note)
    videos = _find_videos(folders, listed, base / _MASKS if split == "train" else None)
    kept = [video for video in videos if video.targets and video.expressions]
    if not kept:
        raise RefvidError(f"{_list_path(base, split)} leaves no video to evaluate; download the lists and masks again")
    frames = sum(len(video.frames.names) for video in videos)
    without = frames - sum(len(video.targets) for video in videos)
    if without:
        notes.append(f"{count_of(without, 'listed frame')} of {frames:,} without a mask: not counted.")
    if len(kept) < len(listed):
        notes.append(f"{count_of(len(listed) - len(kept), 'video')} without an expression or a mask: left out.")
    return ReferringSet(
        title=info.title,
        split=split,
        protocol=protocol,
        rules=Rules(measure="contour"),
        videos=kept,
        layout="expressions",
        submission="Annotations",
        public=split == "train",
        notes=tuple(notes),
    )


@dataclass(frozen=True)
class _Listed:
    """An entry of a list of videos: the expressions and the names of the frames."""

    expressions: tuple[Expression, ...]
    frames: tuple[str, ...]

    def targets(self, masks: Path | None) -> tuple[Target, ...]:
        """Return the frames to evaluate, each with all expressions; given masks, only frames with a mask."""
        counting = tuple(range(len(self.expressions)))
        there = set(self.frames if masks is None else list_names(masks, ".png"))
        return tuple(Target(name, index, counting) for index, name in enumerate(self.frames) if name in there)


def _list_path(base: Path, split: str) -> Path:
    return base / "meta_expressions" / split / "meta_expressions.json"


def _find_parts(root: Path, split: str) -> tuple[Path, list[Path]]:
    """Return the folder that holds the data set and the folders of its frames; one error names all missing parts."""
    if not root.is_dir():
        raise RefvidError(f"{root} is not a folder; give the folder that Ref-YouTube-VOS was unpacked into")
    base = next((root / place for place in _PLACES if (root / place / "meta_expressions").is_dir()), root)
    folders = [base / name for name in _FRAMES[split] if (base / name).is_dir()]
    missing = [] if _list_path(base, split).is_file() else [f"meta_expressions/{split}/meta_expressions.json"]
    missing += [] if folders else [_FRAMES[split][0]]
    missing += [_MASKS] if split == "train" and not (base / _MASKS).is_dir() else []
    if missing:
        below = f", nor in {' or '.join(f'{place}/' for place in _PLACES[1:])} below it" if base == root else ""
        raise RefvidError(
            f"{base} does not hold Ref-YouTube-VOS: no {' and no '.join(missing)} in it{below}; "
            "unpack the archive that holds it there"
        )
    return base, folders


def _read_list(path: Path, *, public: bool) -> dict[str, _Listed]:
    """Read a list of expressions. Empty ones are dropped in train only, because the server wants masks for all."""
    try:
        videos = json.loads(path.read_text(encoding="utf-8"))["videos"]
        listed = {}
        for name, video in videos.items():
            expressions = [
                Expression(key, " ".join(entry["exp"].split()), int(entry["obj_id"]) if public else None)
                for key, entry in video["expressions"].items()
            ]
            kept = tuple(expression for expression in expressions if expression.text or not public)
            listed[name] = _Listed(kept, tuple(sorted(f"{frame}" for frame in video["frames"])))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        needed = "exp and obj_id" if public else "exp"
        raise RefvidError(
            f'{path} is not a list in the published form, {{"videos": {{ID: {{"expressions": {{KEY: {needed}}}, '
            f'"frames": [..]}}}}}} ({type(error).__name__}: {error}); download meta_expressions again'
        ) from error
    return listed


def _without_test(base: Path, listed: Mapping[str, _Listed]) -> tuple[dict[str, _Listed], str]:
    """Return the list of valid without the videos of the test split, and a note about them."""
    path = _list_path(base, "test")
    if not path.is_file():
        note = (
            f"{path} is missing: all {count_of(len(listed), 'video')} of the list are taken, which as published are "
            "the 202 of valid and the 305 of test."
        )
        return dict(listed), note
    try:
        test = set(json.loads(path.read_text(encoding="utf-8"))["videos"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RefvidError(f"{path} is not a list of expressions ({error}); download meta_expressions again") from error
    left = {name: entry for name, entry in listed.items() if name not in test}
    return left, f"{count_of(len(listed), 'video')} in the list, {len(listed) - len(left)} of the split test: left out."


def _find_videos(folders: Sequence[Path], listed: Mapping[str, _Listed], masks: Path | None) -> list[RefYouTubeVideo]:
    """Find the frames and masks of every video; one error names all videos with missing frames."""
    videos = []
    lacking = []
    for name, entry in listed.items():
        folder = next((folder / name for folder in folders if (folder / name).is_dir()), folders[0] / name)
        if not entry.frames or set(entry.frames) - set(list_names(folder, ".jpg")):
            lacking.append(name)
        own = None if masks is None else masks / name
        frames = FrameFolder(folder, entry.frames)
        videos.append(RefYouTubeVideo(name, entry.expressions, entry.targets(own), frames, own))
    if lacking:
        raise RefvidError(
            f"{' and '.join(str(folder) for folder in folders)} lack frames of {len(lacking)} of "
            f"{count_of(len(listed), 'video')} ({name_some(lacking)}); unpack the frames again"
        )
    return videos
