"""The record of a batch's finished jobs, a file in its output folder."""

import hashlib
import json
import logging
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from refvid.batch.plan import BatchJob
from refvid.errors import RefvidError

if TYPE_CHECKING:
    from refvid.inference.options import SegmentOptions

LOGGER = logging.getLogger(__name__)
_CLOCK_STEP = 20_000_000  # nanoseconds by which the clock of a file system may lag behind
RECORD_NAME = ".refvid-batch.jsonl"


class FoundExpression(Protocol):
    """What a report says about one expression."""

    @property
    def frames_with_object(self) -> int:
        """Number of frames in which its mask is not empty."""
        ...

    @property
    def mean_probability(self) -> float:
        """Mean probability inside the masks."""
        ...


class VideoReport(Protocol):
    """What the report of one segmented video must say for the batch."""

    @property
    def frames(self) -> int:
        """Number of frames written."""
        ...

    @property
    def expressions(self) -> Sequence[FoundExpression]:
        """Result for each expression, in the order given."""
        ...


@dataclass(frozen=True)
class Findings:
    """How much was found in a video.

    Attributes:
        frames: Number of frames.
        frames_with_object: Number of frames in which each expression's mask is not empty.
        mean_probability: Mean probability inside each expression's masks.
    """

    frames: int
    frames_with_object: tuple[int, ...]
    mean_probability: tuple[float, ...]

    @classmethod
    def of(cls, report: VideoReport) -> "Findings":
        """Return what a report says."""
        found = report.expressions
        return cls(
            report.frames,
            tuple(each.frames_with_object for each in found),
            tuple(round(each.mean_probability, 4) for each in found),
        )

    def spoken(self) -> str:
        """Return the frames with each object and their total: "3 of 24", or "3, 0 of 24" for two expressions."""
        return f"{', '.join(map(str, self.frames_with_object))} of {self.frames}"


@dataclass(frozen=True)
class Finished:
    """A finished job.

    Attributes:
        output: File or folder that it wrote.
        expressions: What was looked for.
        findings: What was found; None in a record of an earlier version.
    """

    output: Path
    expressions: tuple[str, ...]
    findings: Findings | None


class BatchRecord:
    """The finished jobs of an output folder, in a file to which one JSON line per job is appended."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._path = folder / RECORD_NAME
        self._outputs: dict[str, list[Finished]] = {}  # key of a job -> its results, the newest last
        self._latest: dict[Path, tuple[str, Finished]] = {}  # output -> key and result of the job that wrote it last
        self._begun: dict[
            Path, tuple[str | None, int]
        ] = {}  # output -> key of the job begun last, and when, until it is done
        self._known = 0  # bytes of the file that have been read
        self.refresh()

    def refresh(self) -> None:
        """Read what has been added to the file since, by this run or another."""
        if not self._path.exists() or self._path.stat().st_size <= self._known:
            return
        with self._path.open("rb") as file:
            file.seek(self._known)
            added = file.read()
        whole = added[: added.rfind(b"\n") + 1]  # another run may be in the middle of a line
        self._known += len(whole)
        for line in whole.decode(errors="replace").splitlines():
            self._read(line)

    def _read(self, line: str) -> None:
        try:
            entry = json.loads(line)
            if "begun" in entry:
                self._begun[self._folder / entry["output"]] = entry["begun"], entry["time"]
                return
            found = entry.get("findings")
            findings = None
            if found is not None:
                counts, means = found["frames_with_object"], found["mean_probability"]
                findings = Findings(found["frames"], tuple(counts), tuple(means))
            finished = Finished(self._folder / entry["output"], tuple(entry.get("expressions", ())), findings)
            self._remember(entry["key"], finished)
        except (ValueError, KeyError, TypeError, AttributeError):
            LOGGER.debug("%s: ignoring a line that is cut off: %s", self._path, line)

    def _remember(self, key: str, finished: Finished) -> None:
        self._outputs.setdefault(key, []).append(finished)
        self._latest[finished.output] = key, finished
        self._begun.pop(finished.output, None)

    def find(self, key: str, job: BatchJob) -> Finished | None:
        """Return finished work with this key, if its output still exists; for a named output, only that one."""
        own = job.output.resolve()
        for finished in reversed(self._outputs.get(key, [])):
            place = finished.output
            if self._latest[place][0] != key or not place.exists():
                continue  # it was replaced by other work or deleted
            if place == own:
                return replace(finished, output=job.output)
            if not job.named:
                return finished
        return self._unrecorded(key, job, own)

    def _unrecorded(self, key: str, job: BatchJob, own: Path) -> Finished | None:
        """Return the work of a run that was killed when the output had appeared, whole, but was not yet recorded."""
        begun, moment = self._begun.get(own, (None, 0))
        if begun != key or not own.exists() or own.stat().st_mtime_ns < moment - _CLOCK_STEP:
            return None
        return Finished(job.output, job.expressions, None)

    def writer_of(self, output: Path) -> Finished | None:
        """Return the job of an earlier run that wrote an output last; None if there is none."""
        latest = self._latest.get(output.resolve())
        return None if latest is None else latest[1]

    def begin(self, key: str, job: BatchJob) -> None:
        """Record that a job is begun."""
        self._append({"begun": key, "output": self._relative(job.output.resolve()), "time": time.time_ns()})

    def give_up(self, job: BatchJob) -> None:
        """Record that a job that was begun has failed: an output that appears later is not its work."""
        self._append({"begun": None, "output": self._relative(job.output.resolve()), "time": 0})

    def add(self, key: str, job: BatchJob, findings: Findings) -> None:
        """Record a finished job; the line is on the disk when this returns."""
        entry = {
            "key": key,
            "input": str(job.input),
            "expressions": job.expressions,
            "output": self._relative(job.output.resolve()),
            "findings": asdict(findings),
        }
        self._append(entry)

    def _relative(self, output: Path) -> str:
        """Return a path relative to the folder, so that this can be moved together with its record."""
        return str(output.relative_to(self._folder)) if output.is_relative_to(self._folder) else str(output)

    def _append(self, entry: dict[str, Any]) -> None:
        line = json.dumps(entry).encode() + b"\n"
        with self._path.open("a+b") as file:
            size = file.seek(0, os.SEEK_END)
            if size:
                file.seek(size - 1)
                if file.read(1) != b"\n":  # a run was killed while it wrote
                    line = b"\n" + line
            file.write(line)  # at once and at the end, so that two runs do not mix their lines
            file.flush()
            os.fsync(file.fileno())
        self.refresh()


def make_key(job: BatchJob, options: "SegmentOptions", model: str, revision: str | None) -> str:
    """Return a hash of everything that the result depends on.

    An input counts by path, size and modification time, a folder of frames by those of every file in it, and a URL by
    itself.

    Raises:
        RefvidError: The input cannot be opened.
    """
    settings = asdict(options)
    for without_effect in ("overwrite", "timeout"):
        settings.pop(without_effect, None)
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
