"""Sentences about pictures and videos, read from the files of data sets."""

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path

from refvid.errors import UsageError

_KEYS = ("exp", "sent", "query")
_LETTER = re.compile(r"[a-zA-Z]")
_QUOTED = re.compile(r'"([^"]*)"')


def read_sentences(path: Path) -> list[str]:
    """Read the sentences of a file.

    Args:
        path: A .json file, of which strings in lists and under "exp", "sent" or "query" are read; a CSV table with the
            column "query"; or plain text, of which the quoted parts of each line are read, or the whole line if it has
            none.

    Raises:
        UsageError: The file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
        if path.suffix == ".json":
            return list(_strings(json.loads(text), False))
    except (OSError, ValueError) as error:
        raise UsageError(f"'{path}' contains no sentences that can be read ({error})") from error
    lines = text.splitlines()
    if lines and "query" in lines[0].split(","):
        return [row["query"] for row in csv.DictReader(lines) if row["query"]]
    return [part for line in lines for part in _QUOTED.findall(line) or [line] if not line.startswith("<")]


def _strings(value: object, wanted: bool) -> Iterator[str]:
    """Yield the sentences in a JSON value; a string counts only if it is `wanted`."""
    if isinstance(value, str):
        if wanted and _LETTER.search(value):  # some lists contain frame numbers as strings
            yield value
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one, isinstance(one, str))
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _strings(one, key in _KEYS)
