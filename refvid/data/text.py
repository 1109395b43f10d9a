"""Texts of data sets: reading their lines, and telling people what and how many there are."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from refvid.errors import RefvidError

_NAMED = 5  # names in an error; all thirty would bury the sentence


def read_lines(path: Path) -> list[str]:
    """Read the lines of a text in UTF-8, with their ends.

    Raises:
        RefvidError: It cannot be read, or is no text.
    """
    try:
        return path.read_bytes().decode("utf-8-sig").splitlines(keepends=True)
    except (OSError, UnicodeDecodeError) as error:
        raise RefvidError(f"{path} cannot be read as text ({error}); unpack it again") from error


def split_rows(lines: Iterable[str]) -> Iterator[list[str]]:
    """Yield the fields of lines of comma-separated values, each line by itself.

    A quote that is never closed ends with its line instead of swallowing those after it; a line that is too long for
    the parser is one field.
    """
    for line in lines:
        try:
            yield next(csv.reader((line,)), [])
        except csv.Error:
            yield [line]


def count_of(number: int, noun: str) -> str:
    """Return "1 video", "3,782 videos"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def name_some(names: Sequence[str], most: int = _NAMED) -> str:
    """Return the first of some names for a sentence, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
