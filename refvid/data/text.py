"""Reading the text files of data sets, and phrasing counts and lists of names in messages."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from refvid.errors import RefvidError

_NAMED = 5  # names in a message; a longer list would bury the sentence


def read_lines(path: Path) -> list[str]:
    """Read the lines of a UTF-8 text file, including line ends.

    Raises:
        RefvidError: The file cannot be read or is not text.
    """
    try:
        return path.read_bytes().decode("utf-8-sig").splitlines(keepends=True)
    except (OSError, UnicodeDecodeError) as error:
        raise RefvidError(f"{path} cannot be read as text ({error}); unpack it again") from error


def split_rows(lines: Iterable[str]) -> Iterator[list[str]]:
    """Yield the fields of each line of comma-separated values, treating every line on its own.

    An unclosed quote ends with its line instead of swallowing the following ones; a line too long for the parser
    becomes a single field.
    """
    for line in lines:
        try:
            yield next(csv.reader((line,)), [])
        except csv.Error:
            yield [line]


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun in the singular or plural: "1 video", "3,782 videos"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def name_some(names: Sequence[str], most: int = _NAMED) -> str:
    """Return the first few names, followed by the number of remaining ones."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
