"""What is said while a command runs: lines and a progress bar on stderr, and everything in the log file."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text

from refvid.errors import UsageError
from refvid.progress import OnProgress

LOGGER = logging.getLogger("refvid")
SECONDS_BETWEEN_LINES = 5.0  # where stderr is a file, a line now and then shows life without filling it


class Terminal:
    """Says things on stderr, and in a log file, from `with` to its end.

    The modules below log to children of the logger "refvid"; this class decides what becomes of it.

    Attributes:
        console: rich's console on stderr; it honours NO_COLOR.
        said: The sentences said so far, so that a summary does not repeat a warning.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False, log_file: Path | None = None) -> None:
        """Opens the log file.

        Raises:
            UsageError: `quiet` and `verbose` are both given, or the log file cannot be opened.
        """
        if quiet and verbose:
            raise UsageError("-q and -v contradict each other; give one of them")
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self.said: set[str] = set()
        self._quiet = quiet
        self._handlers: list[logging.Handler] = [_StderrHandler(self.console)]
        self._handlers[0].setLevel(logging.ERROR if quiet else logging.DEBUG if verbose else logging.INFO)
        if log_file is not None:
            self._handlers.append(_open_log_file(log_file))

    def __enter__(self) -> Self:
        self._level = LOGGER.level
        LOGGER.setLevel(logging.DEBUG)
        for handler in self._handlers:
            LOGGER.addHandler(handler)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stderr, *files = self._handlers
        LOGGER.removeHandler(stderr)  # the line on stderr is main's; the file gets the traceback as well
        if error is not None and files:
            LOGGER.error("%s", error or type(error).__name__, exc_info=error)
        for handler in self._handlers:
            LOGGER.removeHandler(handler)
            handler.close()
        LOGGER.setLevel(self._level)

    def say(self, sentence: str) -> None:
        """Tells how things are going; silent with -q."""
        self.said.add(sentence)
        LOGGER.info("%s", sentence)

    def warn(self, sentence: str) -> None:
        """Tells what the user should look at; silent with -q."""
        self.said.add(sentence)
        LOGGER.warning("%s", sentence)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Shows a table on stderr; silent with -q."""
        if self._quiet:
            return
        table = Table(*(Column(name, overflow="fold") for name in columns))
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        self.console.print(table, soft_wrap=False)

    @contextmanager
    def progress(self, label: str) -> Iterator[OnProgress]:
        """Gives a function that takes (frames done, frames in all) and shows how far the work is."""
        if self._quiet:
            yield _ignore
        elif self.console.is_interactive and sys.stderr.isatty():
            with _make_bar(self.console) as bar:
                task = bar.add_task(label, total=None)
                yield lambda done, total: bar.update(task, completed=done, total=total or None)
        else:
            yield _ProgressLines(label)


class _StderrHandler(logging.Handler):
    """Writes records above a progress bar that may be running."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        prefix = "refvid: warning: " if record.levelno == logging.WARNING else "refvid: "
        self._console.print(prefix + self.format(record), markup=False, emoji=False)


class _ProgressLines:
    """Says how far the work is in plain lines, the first after some seconds and then one every few seconds."""

    def __init__(self, label: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._label = label
        self._clock = clock
        self._began = self._last = clock()

    def __call__(self, done: int, total: int) -> None:
        now = self._clock()
        if now - self._last < SECONDS_BETWEEN_LINES or done == 0:
            return
        self._last = now
        rate = done / (now - self._began)
        if total:
            share = f"{done} of {total} frames ({100 * done // total} %)"
            LOGGER.info("%s: %s, %.1f frames/s, %.0f s left", self._label, share, rate, (total - done) / rate)
        else:
            LOGGER.info("%s: %d frames, %.1f frames/s", self._label, done, rate)


class _RateColumn(ProgressColumn):
    """Frames a second, as rich measures them over the last half minute."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f} frames/s", style="progress.data.speed")


def _make_bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )


def _open_log_file(path: Path) -> logging.FileHandler:
    try:
        handler = logging.FileHandler(path, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"the log file {path} cannot be written ({error.strerror}); give another --log-file"
        ) from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    return handler


def _ignore(done: int, total: int) -> None:
    """Shows nothing."""
