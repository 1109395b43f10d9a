"""The record of a batch's finished jobs, a file in its output folder."""

import hashlib
import json
import logging
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from refvid.batch.plan import BatchJob
from refvid.errors import RefvidError

if TYPE_CHECKING:
    from refvid.inference.video import SegmentOptions

LOGGER = logging.getLogger(__name__)
RECORD_NAME = ".refvid-batch.jsonl"


class BatchRecord:
    """The finished jobs of an output folder, in a file to which one JSON line per job is appended."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._path = folder / RECORD_NAME
        self._outputs: dict[str, list[Path]] = {}  # key of a job -> its outputs, the newest last
        self._latest: dict[Path, str] = {}  # output -> key of the job that wrote it last
        if self._path.exists():
            for line in self._path.read_text(encoding="utf-8", errors="replace").splitlines():
                self._read(line)

    def _read(self, line: str) -> None:
        try:
            entry = json.loads(line)
            self._remember(entry["key"], self._folder / entry["output"])
        except (ValueError, KeyError, TypeError):
            LOGGER.debug("%s: ignoring a line that is cut off: %s", self._path, line)

    def _remember(self, key: str, output: Path) -> None:
        self._outputs.setdefault(key, []).append(output)
        self._latest[output] = key

    def find(self, key: str, job: BatchJob) -> Path | None:
        """Return the output of finished work with this key, if it still exists; for a named output, only that one."""
        own = job.output.resolve()
        for place in reversed(self._outputs.get(key, [])):
            if self._latest[place] != key or not place.exists():
                continue  # it was replaced by other work or deleted
            if place == own:
                return job.output
            if not job.named:
                return place
        return None

    def knows(self, output: Path) -> bool:
        """Return whether an earlier run wrote this output."""
        return output.resolve() in self._latest

    def add(self, key: str, job: BatchJob) -> None:
        """Record a finished job; the line is on the disk when this returns."""
        output = job.output.resolve()
        entry = {
            "key": key,
            "input": str(job.input),
            "expressions": job.expressions,
            # The path is relative, so that the output folder can be moved together with its record.
            "output": str(output.relative_to(self._folder)) if output.is_relative_to(self._folder) else str(output),
        }
        cut_off = self._path.exists() and not self._path.read_bytes().endswith(b"\n")
        with self._path.open("a", encoding="utf-8") as file:
            file.write("\n" * cut_off + json.dumps(entry) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._remember(key, output)


def make_key(job: BatchJob, options: "SegmentOptions", model: str, revision: str | None) -> str:
    """Return a hash of everything that the result depends on.

    An input counts by path, size and modification time, a folder of frames by those of every file in it, and a URL by
    itself.

    Raises:
        RefvidError: The input cannot be opened.
    """
    settings = asdict(options)
    del settings["overwrite"]
    parts = [*_state(job.input), job.expressions, settings, model, revision]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _state(input: Path | str) -> list[Any]:
    """Return values that change when the content of an input does."""
    if isinstance(input, str):
        return [input]
    try:
        state = input.stat()
        parts: list[Any] = [str(input.resolve()), state.st_size, state.st_mtime_ns]
        if input.is_dir():
            entries = sorted(os.scandir(input), key=lambda entry: entry.name)
            parts.extend((entry.name, entry.stat().st_size, entry.stat().st_mtime_ns) for entry in entries)
    except OSError as error:
        raise RefvidError(f"{input} cannot be opened ({error.strerror})") from error
    return parts
