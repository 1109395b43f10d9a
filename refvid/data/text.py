"""Texts of data sets: reading their lines, and telling people how many of something there are."""

from pathlib import Path

from refvid.errors import RefvidError


def read_lines(path: Path) -> list[str]:
    """Reads the lines of a text in UTF-8, with their ends.

    Raises:
        RefvidError: It cannot be read, or is no text.
    """
    try:
        return path.read_bytes().decode("utf-8-sig").splitlines(keepends=True)
    except (OSError, UnicodeDecodeError) as error:
        raise RefvidError(f"{path} cannot be read as text ({error}); unpack it again") from error


def count_of(number: int, noun: str) -> str:
    """Returns "1 video", "3,782 videos"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
