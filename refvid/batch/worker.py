"""Worker processes, each with a model of its own, which segment what they are sent."""

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol

from refvid.batch.record import VideoReport
from refvid.batch.run import SegmentFunction, as_sentence
from refvid.errors import RefvidError
from refvid.progress import Tell

if TYPE_CHECKING:
    from refvid.inference.options import SegmentOptions

LOGGER = logging.getLogger(__name__)
_ATTEMPTS = 2  # a video whose worker is lost is tried once more, by a new one
_SECONDS_TO_END = 10.0
_ENDING = ("SIGTERM", "SIGHUP")  # a closed terminal reaches the workers too
_MEMORY_FACTOR = 1.5  # of a worker's memory after loading: the frames on their way need room too


class Prepare(Protocol):
    """A function that loads a model in a worker and returns what segments; it must be picklable."""

    def __call__(self, number: int, total: int, tell: Tell) -> SegmentFunction: ...


class Worker:
    """A process that segments one video at a time; calling it is a `SegmentFunction`."""

    def __init__(self, prepare: Prepare, number: int, total: int, tell: Tell) -> None:
        """Store what the process needs; `start` starts it.

        Args:
            prepare: Function that loads the model in the process.
            number: Number of the worker, from 0.
            total: Number of workers.
            tell: Function called, in the calling thread, with the messages of the process.
        """
        self._prepare, self._number, self._total, self._tell = prepare, number, total, tell
        self._process: Any = None
        self._connection: Connection | None = None
        self._ended = False

    def start(self) -> int:
        """Start the process and wait until it has loaded its model; return its resident memory in bytes.

        Raises:
            RefvidError: The model cannot be loaded, or the process ended while it was loading it.
        """
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._prepare, self._number, self._total))
        self._process.start()
        theirs.close()
        try:
            memory = self._answer()
        except EOFError as error:
            raise RefvidError(f"a worker ended while it loaded the model ({self._end()})") from error
        return int(memory)

    def __call__(
        self, input: Path | str, expressions: Sequence[str], output: Path, *, options: "SegmentOptions"
    ) -> VideoReport:
        """Segment one video in the process.

        Raises:
            RefvidError: It failed there, or the process was lost twice.
        """
        for _ in range(_ATTEMPTS):
            try:
                if self._connection is None:
                    self.start()
                assert self._connection is not None
                self._connection.send((input, tuple(expressions), output, options))
                report: VideoReport = self._answer()
                return report
            except (EOFError, OSError) as error:
                if self._ended:
                    raise RefvidError("the run was ended") from error
                how = self._end()
                LOGGER.debug("the worker of %s was lost: %s", input, how)
        raise RefvidError(f"its worker was lost {_ATTEMPTS} times ({how}); with fewer --workers each has more memory")

    def _answer(self) -> Any:
        """Return what the process sends next besides messages; raise it if it is an error."""
        assert self._connection is not None
        while True:
            kind, value = self._connection.recv()
            if kind == "said":
                self._tell(value)
            elif kind == "failed":
                raise value
            else:
                return value

    def _end(self) -> str:
        """End the process; return how it ended."""
        self._process.terminate()
        self._process.join(_SECONDS_TO_END)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        code = self._process.exitcode
        return f"killed by {signal.Signals(-code).name}" if code and code < 0 else f"exit code {code}"

    def end(self) -> None:
        """End the process for good; one that is at work removes its temporary files first."""
        self._ended = True
        if self._process is not None:
            self._end()


def start_workers(prepare: Prepare, total: int, tell: Tell) -> list[Worker]:
    """Start as many workers as fit into memory, at most `total`.

    Args:
        prepare: Function that loads the model in each process.
        total: Number of workers that are wanted.
        tell: Function called with messages for the user.

    Raises:
        RefvidError: The model cannot be loaded.
    """
    workers = [Worker(prepare, number, total, tell) for number in range(total)]
    started: list[Worker] = []
    try:
        for worker in workers:
            started.append(worker)
            need = _MEMORY_FACTOR * worker.start()
            free = available_memory()
            if free is not None and need and len(started) < total and free < need:
                tell(
                    f"only {len(started)} of {total} workers fit into memory: each needs about "
                    f"{need / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB are free"
                )
                break
    except BaseException:
        end_workers(started)
        raise
    return started


def end_workers(workers: Sequence[Worker]) -> None:
    """End all workers at once."""
    threads = [threading.Thread(target=worker.end) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def available_memory(root: Path = Path("/")) -> int | None:
    """Return the bytes that programs can still use, within the limit of a container; None where it is not known."""
    known = []
    meminfo = root / "proc/meminfo"
    for line in meminfo.read_text().splitlines() if meminfo.is_file() else ():
        if line.startswith("MemAvailable:"):
            known.append(int(line.split()[1]) * 1024)
    limit, used = root / "sys/fs/cgroup/memory.max", root / "sys/fs/cgroup/memory.current"
    if limit.is_file() and used.is_file() and (most := limit.read_text().strip()).isdigit():
        known.append(max(0, int(most) - int(used.read_text())))
    return min(known, default=None)


def _serve(connection: Connection, prepare: Prepare, number: int, total: int) -> None:
    """Load the model, then segment what comes; the process ends when its parent does."""
    for name in _ENDING:
        ending = getattr(signal, name, None)
        if ending is not None and signal.getsignal(ending) is not signal.SIG_IGN:
            signal.signal(ending, _leave)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent ends its workers itself
    threading.Thread(target=_follow_parent, daemon=True).start()
    try:
        segment = prepare(number, total, lambda sentence: connection.send(("said", sentence)))
        connection.send(("ready", _resident()))
    except Exception as error:
        connection.send(("failed", error if isinstance(error, RefvidError) else RefvidError(as_sentence(error))))
        return
    while True:
        try:
            input, expressions, output, options = connection.recv()
        except EOFError:
            return
        try:
            connection.send(("done", segment(input, expressions, output, options=options)))
        except Exception as error:
            connection.send(("failed", error if isinstance(error, RefvidError) else RefvidError(as_sentence(error))))


def _follow_parent() -> None:
    """End this process, cleanly, when its parent has ended without a word."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)


def _leave(number: int, frame: FrameType | None) -> None:
    for name in _ENDING:
        if (other := getattr(signal, name, None)) is not None:
            signal.signal(other, signal.SIG_IGN)
    raise SystemExit(128 + number)


def _resident() -> int:
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.is_file() else ():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0
