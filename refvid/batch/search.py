"""Search a folder for everything that `refvid segment` reads, and give a reason for everything else."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from refvid.video.frame import SourceKind
from refvid.video.recognise import NotReadable, numbered_frames, recognise
from refvid.video.still import IMAGE_NAMES

# Called with a file or folder that is passed over and the reason in a few words.
PassOver = Callable[[Path, str], None]


@dataclass(frozen=True)
class FoundSource:
    """One input: a video, an image, or a folder of frames.

    Attributes:
        path: File or folder.
        kind: What it is.
    """

    path: Path
    kind: SourceKind


def pass_over_silently(path: Path, reason: str) -> None:
    """Tell nobody."""


def search_folder(folder: Path, excluded: Path, pass_over: PassOver) -> list[FoundSource]:
    """Return the inputs under a folder, in no particular order.

    Linked folders are searched too, each folder once, so that links in a circle end. A folder below `folder` whose
    pictures are numbered without a gap is one input, a folder of frames; other pictures are inputs of their own.

    Args:
        folder: Folder to search.
        excluded: Folder to leave out: the one for the outputs.
        pass_over: Function called with everything that is no input.
    """
    search = _Search(folder, excluded, pass_over)
    search.visit(folder)
    while search.links:  # after all real folders, so that these keep their own names
        search.follow(search.links.pop(0))
    return search.found


class _Search:
    def __init__(self, root: Path, excluded: Path, pass_over: PassOver) -> None:
        self.found: list[FoundSource] = []
        self.links: list[Path] = []
        self._root, self._pass_over = root, pass_over
        # Folders are known by device and number, which also tell folders that are mounted twice.
        self._seen: dict[tuple[int, int], Path] = {}
        self._excluded = _identity(excluded)

    def visit(self, folder: Path) -> None:
        """Search a folder and those below it."""
        waiting = [folder]
        while waiting:
            place = waiting.pop()
            identity = _identity(place)
            if identity is not None:
                if identity == self._excluded:
                    continue
                if identity in self._seen:
                    self._pass_over(place, f"the same folder as {self._seen[identity]}")
                    continue
                self._seen[identity] = place
            waiting.extend(self._enter(place))

    def follow(self, link: Path) -> None:
        """Search a linked folder, unless it has been or contains the link itself."""
        target = _identity(link)
        if target is None or target == self._excluded:
            return
        above = Path(os.path.realpath(link.parent))
        if target in self._seen:
            self._pass_over(link, f"a link to {self._seen[target]}, which is searched already")
        elif target in {_identity(place) for place in (above, *above.parents)}:
            self._pass_over(link, "a link to a folder that contains it")
        else:
            self.visit(link)

    def _enter(self, place: Path) -> list[Path]:
        """Take the files of one folder; return the folders in it."""
        try:
            names = sorted(os.listdir(place))
        except OSError as error:
            self._pass_over(place, f"a folder that cannot be opened ({(error.strerror or str(error)).lower()})")
            return []
        folders: list[Path] = []
        files: list[Path] = []
        for path in (place / name for name in names):
            if path.name[0] == ".":  # not a video: macOS keeps resource forks as ._name.mp4
                self._pass_over(path, "hidden")
            elif path.is_dir():
                (self.links if path.is_symlink() else folders).append(path)
            elif path.is_file():
                files.append(path)
            else:
                self._pass_over(path, "a link to nothing" if path.is_symlink() else "neither a file nor a folder")
        pictures = [path for path in files if path.suffix.lower() in IMAGE_NAMES]
        if place != self._root and numbered_frames(place, pictures):
            self.found.append(FoundSource(place, "frames"))
            files = [path for path in files if path not in set(pictures)]
        for path in files:
            self._take(path)
        return folders

    def _take(self, path: Path) -> None:
        try:
            self.found.append(FoundSource(path, recognise(path)))
        except NotReadable as reason:
            self._pass_over(path, str(reason))


def _identity(path: Path) -> tuple[int, int] | None:
    """Return the device and number of a folder, of the target for a link; None if it does not exist."""
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_dev, state.st_ino
