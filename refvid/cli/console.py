"""Messages while a command runs: lines and a progress bar on stderr, and everything in the log file."""

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
SECONDS_BETWEEN_LINES = 5.0  # where stderr is a file: often enough to show progress without filling the file


class Terminal:
    """The messages of one command, on stderr and in a log file; a context manager.

    Other modules log to children of the logger "refvid". Inside the `with` block, this class shows their records
    according to -q, -v and --log-file.

    Attributes:
        console: rich console on stderr, which honours NO_COLOR.
        said: Messages shown so far, so that a summary does not repeat a warning.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False, log_file: Path | None = None) -> None:
        """Open the log file, if one is given.

        Raises:
            UsageError: Both `quiet` and `verbose` are given, or the log file cannot be opened.
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
        # `main` writes the error's line on stderr; the log file gets the traceback too.
        LOGGER.removeHandler(stderr)
        if error is not None and files:
            LOGGER.error("%s", error or type(error).__name__, exc_info=error)
        for handler in self._handlers:
            LOGGER.removeHandler(handler)
            handler.close()
        LOGGER.setLevel(self._level)

    def say(self, sentence: str) -> None:
        """Show a message; with -q, only log it to the file."""
        self.said.add(sentence)
        LOGGER.info("%s", sentence)

    def warn(self, sentence: str) -> None:
        """Show a warning; with -q, only log it to the file."""
        self.said.add(sentence)
        LOGGER.warning("%s", sentence)

    def detail(self, sentence: str) -> None:
        """Show a message with -v only; the log file has it always."""
        LOGGER.debug("%s", sentence)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Show a table on stderr, unless -q is given."""
        if self._quiet:
            return
        table = Table(*(Column(name, overflow="fold") for name in columns))
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        self.console.print(table, soft_wrap=False)

    @contextmanager
    def progress(self, label: str) -> Iterator[OnProgress]:
        """Yield a function that takes (frames done, total frames) and shows the progress."""
        if self._quiet:
            yield _ignore
        elif self.console.is_interactive and sys.stderr.isatty():
            with _make_bar(self.console) as bar:
                task = bar.add_task(label, total=None)
                yield lambda done, total: bar.update(task, completed=done, total=total or None)
        else:
            yield _ProgressLines(label)


class _StderrHandler(logging.Handler):
    """A log handler that prints records above the progress bar, if one is running."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        prefix = "refvid: warning: " if record.levelno == logging.WARNING else "refvid: "
        self._console.print(prefix + self.format(record), markup=False, emoji=False)


class _ProgressLines:
    """A progress display for output that is not a terminal: one plain line every few seconds, none at the start."""

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
    """Frames per second, as rich measures them over the last half minute."""

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
        handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")  # names may not be UTF-8
    except OSError as error:
        raise UsageError(
            f"cannot write the log file {path} ({error.strerror}); give another path with --log-file"
        ) from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    return handler


def _ignore(done: int, total: int) -> None:
    """Show no progress."""
