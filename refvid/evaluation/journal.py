"""The record of finished videos, kept in the user's cache folder so that an interrupted evaluation can continue."""

import errno
import hashlib
import json
import logging
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from refvid.data.referring import ReferringSet
from refvid.evaluation.footage import NO_ISSUE, FootageIssue
from refvid.evaluation.scoring import SampleRow

if TYPE_CHECKING:
    from refvid.weights import LoadedModel

LOGGER = logging.getLogger(__name__)
_NO_JOURNAL = "an interrupted evaluation cannot go on later"


@dataclass(frozen=True)
class Finished:
    """The stored result of one video.

    Attributes:
        video: Name of the video.
        rows: Rows of its samples; none if the ground truth is not public.
        confidences: Confidences of its non-empty masks, under their keys in a submission's `confidences.json`.
        seconds: Time spent on the video.
        issue: Peculiarities of its footage.
    """

    video: str
    rows: tuple[SampleRow, ...]
    confidences: Mapping[str, float]
    seconds: float = 0.0
    issue: FootageIssue = NO_ISSUE


class Journal:
    """The finished videos of one evaluation, in an append-only file with one JSON line each.

    A line truncated by a crash is ignored and overwritten. If the file cannot be read or written, a warning is logged
    once and the evaluation runs without it.

    Attributes:
        finished: Results by index of the video in the split.
        usable: Whether results are being written to the file.
    """

    def __init__(self, path: Path | None, *, fresh: bool = False) -> None:
        """Read what an interrupted evaluation has finished.

        Args:
            path: Path of the file, whose folder is created; None if there is no place for one.
            fresh: Whether to discard what was finished instead of reading it.
        """
        self._path = path
        self.finished: dict[int, Finished] = {}
        self.usable = path is not None
        if path is None:
            LOGGER.warning("%s; the user has no home folder, set XDG_CACHE_HOME", _NO_JOURNAL)
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not os.access(path.parent, os.W_OK | os.X_OK) or (path.exists() and not os.access(path, os.W_OK)):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            if fresh:
                path.unlink(missing_ok=True)
            self._recover(path)
        except OSError as error:
            self._give_up(path, error)

    def _give_up(self, path: Path, error: OSError) -> None:
        self.usable = False
        LOGGER.warning("%s; %s cannot be written (%s), set XDG_CACHE_HOME", _NO_JOURNAL, path, error.strerror)

    def _recover(self, path: Path) -> None:
        """Read all complete lines, and cut off whatever follows the last of them."""
        if not path.exists():
            return
        content = path.read_bytes()
        whole = 0
        for line in content.splitlines(keepends=True):
            entry = _parse(line) if line.endswith(b"\n") else None
            if entry is None:
                LOGGER.debug("%s: what follows byte %d is cut off and left out", path, whole)
                break
            self.finished[entry[0]] = entry[1]
            whole += len(line)
        if whole < len(content):
            os.truncate(path, whole)

    def add(self, index: int, finished: Finished) -> None:
        """Record a finished video; its line has been flushed to disk when this returns."""
        self.finished[index] = finished
        if self._path is None or not self.usable:
            return
        entry = {
            "index": index,
            "video": finished.video,
            "rows": [vars(row) for row in finished.rows],
            "confidences": dict(finished.confidences),
            "seconds": finished.seconds,
            "issue": vars(finished.issue),
        }
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            self._give_up(self._path, error)

    def forget(self, indices: Iterable[int]) -> None:
        """Treat videos as unfinished; their old lines remain in the file until the videos are recorded again."""
        for index in indices:
            del self.finished[index]

    def remove(self) -> None:
        """Delete the file, once the evaluation is complete."""
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)


def journal_path(key: str) -> Path | None:
    """Return the path of an evaluation's journal: refvid/eval/KEY.jsonl in XDG_CACHE_HOME, or in ~/.cache.

    Return None if neither exists.
    """
    cache = os.environ.get("XDG_CACHE_HOME", "")
    try:
        base = Path(cache) if os.path.isabs(cache) else Path.home() / ".cache"  # XDG: ignore relative paths
    except RuntimeError:
        return None
    return base / "refvid" / "eval" / f"{key}.jsonl"


def evaluation_key(referring_set: ReferringSet, settings: Mapping[str, Any]) -> str:
    """Return a hash of everything that the rows of an evaluation depend on.

    Args:
        referring_set: The split. Its videos, expressions and targets are hashed, the rules for averaging are not.
        settings: Everything else, as JSON values: folder of the data set, digest of the model, options.
    """
    digest = hashlib.sha256(json.dumps(dict(settings), sort_keys=True, default=str).encode())
    rules = referring_set.rules
    parts = [referring_set.title, referring_set.split, referring_set.protocol, rules.measure, rules.matching]
    digest.update(repr((parts, rules.exclusive, rules.inner)).encode())
    for video in referring_set.videos:
        digest.update(repr((video.name, video.expressions, video.targets)).encode())
    return digest.hexdigest()[:32]


def model_digest(model: "LoadedModel") -> str:
    """Return a hash of a model's config and weights, which tells apart different models of the same name."""
    digest = hashlib.sha256(json.dumps(model.config.as_dict(), sort_keys=True).encode())
    for name, value in sorted(model.network.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _parse(line: bytes) -> tuple[int, Finished] | None:
    try:
        entry = json.loads(line)
        rows = tuple(SampleRow(**row) for row in entry["rows"])
        finished = Finished(
            str(entry["video"]), rows, dict(entry["confidences"]), float(entry["seconds"]), _issue(entry["issue"])
        )
        return int(entry["index"]), finished
    except (ValueError, KeyError, TypeError):
        return None


def _issue(entry: Mapping[str, Any]) -> FootageIssue:
    sizes = entry["sizes"]
    if sizes is None:
        return FootageIssue(int(entry["beyond"]))
    (width, height), (wanted_width, wanted_height) = sizes
    return FootageIssue(int(entry["beyond"]), ((width, height), (wanted_width, wanted_height)))
