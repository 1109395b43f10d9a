"""Inputs that are no files: standard input and URLs."""

import re
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)  # two letters at least: C:// is a drive


def is_url(name: str) -> bool:
    """Return whether an input is a URL rather than a path."""
    return _URL.match(name) is not None


def url_name(url: str) -> str:
    """Return a name for the file behind a URL: the last part of its path, else of its host."""
    parts = urlsplit(url)
    name = PurePosixPath(unquote(parts.path)).name or (parts.hostname or "stream")
    return re.sub(r"[^\w.,()+ -]", "_", name).strip(". ") or "stream"
