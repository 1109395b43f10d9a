"""What an evaluation has finished, in the user's cache folder, so that one that was interrupted can go on."""

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from refvid.data.referring import ReferringSet
from refvid.errors import RefvidError
from refvid.evaluation.scoring import SampleRow

if TYPE_CHECKING:
    from refvid.weights import LoadedModel

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Finished:
    """What is kept of a video.

    Attributes:
        video: Its name.
        rows: Of its samples; none where the truth is not public.
        confidences: Of its masks that are not empty, by their names in a submission's `confidences.json`.
    """

    video: str
    rows: tuple[SampleRow, ...]
    confidences: Mapping[str, float]


class Journal:
    """The finished videos of one evaluation: one JSON line each, only ever appended.

    A line that a crash has cut off is ignored and written over.

    Attributes:
        finished: By the video's index in the split.
    """

    def __init__(self, path: Path, *, fresh: bool = False) -> None:
        """Reads what an interrupted evaluation has left.

        Args:
            path: Of the file; its folder is made.
            fresh: Whether that is thrown away instead.

        Raises:
            RefvidError: The file cannot be read or made.
        """
        self._path = path
        self.finished: dict[int, Finished] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if fresh:
                path.unlink(missing_ok=True)
            self._recover()
        except OSError as error:
            raise RefvidError(f"the journal {path} cannot be used ({error.strerror}); set XDG_CACHE_HOME") from error

    def _recover(self) -> None:
        """Reads whole lines, and cuts off what follows the last of them."""
        if not self._path.exists():
            return
        content = self._path.read_bytes()
        whole = 0
        for line in content.splitlines(keepends=True):
            entry = _parse(line) if line.endswith(b"\n") else None
            if entry is None:
                LOGGER.debug("%s: what follows byte %d is cut off and left out", self._path, whole)
                break
            self.finished[entry[0]] = entry[1]
            whole += len(line)
        if whole < len(content):
            os.truncate(self._path, whole)

    def add(self, index: int, finished: Finished) -> None:
        """Writes down a finished video; the line is on the disk when this returns.

        Raises:
            RefvidError: It cannot be written.
        """
        entry = {
            "index": index,
            "video": finished.video,
            "rows": [vars(row) for row in finished.rows],
            "confidences": dict(finished.confidences),
        }
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise RefvidError(f"the journal {self._path} cannot be written ({error.strerror})") from error
        self.finished[index] = finished

    def remove(self) -> None:
        """Forgets the evaluation: it is done."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


def journal_path(key: str) -> Path:
    """Returns where the journal of an evaluation lies: refvid/eval/KEY.jsonl in XDG_CACHE_HOME, or in ~/.cache."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(cache) if os.path.isabs(cache) else Path.home() / ".cache"  # the standard ignores relative ones
    return base / "refvid" / "eval" / f"{key}.jsonl"


def evaluation_key(referring_set: ReferringSet, settings: Mapping[str, Any]) -> str:
    """Hashes all that the rows of an evaluation depend on.

    Args:
        referring_set: Its videos, sentences and frames; how they are counted does not matter.
        settings: Everything else, as JSON holds it: where the data set lies, the model's digest, options.
    """
    digest = hashlib.sha256(json.dumps(dict(settings), sort_keys=True, default=str).encode())
    rules = referring_set.rules
    parts = [referring_set.title, referring_set.split, referring_set.protocol, rules.measure, rules.matching]
    digest.update(repr((parts, rules.exclusive, rules.inner)).encode())
    for video in referring_set.videos:
        digest.update(repr((video.name, video.expressions, video.targets)).encode())
    return digest.hexdigest()[:32]


def model_digest(model: "LoadedModel") -> str:
    """Hashes a model's config and weights: others under the same name are told apart."""
    digest = hashlib.sha256(json.dumps(model.config.as_dict(), sort_keys=True).encode())
    for name, value in sorted(model.network.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _parse(line: bytes) -> tuple[int, Finished] | None:
    try:
        entry = json.loads(line)
        rows = tuple(SampleRow(**row) for row in entry["rows"])
        return int(entry["index"]), Finished(str(entry["video"]), rows, dict(entry["confidences"]))
    except (ValueError, KeyError, TypeError):
        return None
