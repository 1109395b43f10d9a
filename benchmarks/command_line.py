"""What the command lines of the scores share: errors, progress, numbers in tables, and the file of all figures."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import track

from refvid.errors import RefvidError

Item = TypeVar("Item")


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Print an error of refvid as one line and exit with its code, instead of showing a traceback."""
    try:
        yield
    except RefvidError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from error


def show_progress(items: Iterable[Item], title: str, count: int) -> Iterable[Item]:
    """Yield the items, `count` in all, and show on a terminal how many are done."""
    console = Console(stderr=True)
    return track(items, title, count, console=console, transient=True, disable=not console.is_terminal)


def number(value: float | None) -> str:
    """Return a figure for a table with three decimals, "–" if there is none."""
    return "–" if value is None else f"{value:.3f}"


def interval(bounds: Sequence[float] | None) -> str:
    """Return the bounds of a confidence interval in brackets after a space, nothing if there are none."""
    return "" if bounds is None else f" [{bounds[0]:.3f}, {bounds[1]:.3f}]"


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Write all figures."""
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
