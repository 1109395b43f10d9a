"""Inputs that are no files, standard input and URLs: copied into a temporary file, which is then read like any other.

Every input is read twice, for its times and for its pictures, and from the middle, which neither a pipe nor a camera
allows.
"""

import logging
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import url2pathname

from refvid.errors import RefvidError, UsageError
from refvid.files import writing
from refvid.video.download import download
from refvid.video.frame import Position
from refvid.video.recording import record

LOGGER = logging.getLogger(__name__)
STANDARD = "-"  # standard input or output
DEFAULT_TIMEOUT = 30.0  # seconds
_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)  # two letters at least: C:// is a drive
_CHUNK = 1 << 20  # bytes


@dataclass(frozen=True)
class LocalSource:
    """An input as a file.

    Attributes:
        path: The file or folder to read.
        name: What the user knows it by: the path as given, "standard input", or the URL without its password.
    """

    path: Path
    name: str

    def renamed(self, sentence: str) -> str:
        """Return a message with the user's name of the input instead of the path."""
        return sentence if str(self.path) == self.name else sentence.replace(str(self.path), self.name)


def is_url(name: str) -> bool:
    """Return whether an input is a URL rather than a path."""
    return _URL.match(name) is not None


def url_name(url: str) -> str:
    """Return a name for the file behind a URL: the last part of its path, else of its host."""
    parts = urlsplit(url)
    name = PurePosixPath(unquote(parts.path)).name or (parts.hostname or "stream")
    return re.sub(r"[^\w.,()+ -]", "_", name).strip(". ") or "stream"


@contextmanager
def local_source(
    input: Path | str, *, timeout: float = DEFAULT_TIMEOUT, end: Position | None = None
) -> Iterator[LocalSource]:
    """Yield an input as a file; a temporary copy is removed after the block.

    Errors of the block name the input as the user does.

    Args:
        input: Path, a URL, or "-" for standard input.
        timeout: Seconds without data after which a URL is given up.
        end: End of the range, after which a stream need not be recorded.

    Raises:
        UsageError: Standard input is a terminal, or the URL is not valid.
        VideoError: The URL cannot be read in time, or the disk is full.
    """
    text = str(input)
    if isinstance(input, Path) or not (text == STANDARD or is_url(text)):
        yield LocalSource(Path(input), text)
        return
    if urlsplit(text).scheme.lower() == "file":
        yield LocalSource(Path(url2pathname(urlsplit(text).path)), text)
        return
    folder = Path(tempfile.mkdtemp(prefix="refvid-"))
    try:
        if text == STANDARD:
            source = LocalSource(folder / "stdin", "standard input")
            _copy_stdin(source)
        else:
            source = LocalSource(folder / url_name(text), _without_password(text))
            _fetch(text, source, timeout, end)
        try:
            yield source
        except RefvidError as error:
            raise type(error)(source.renamed(str(error))) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copy_stdin(source: LocalSource) -> None:
    if sys.stdin is None or sys.stdin.closed or sys.stdin.isatty():
        raise UsageError("standard input is a terminal; pipe a video into it, or give the path of one")
    with writing(source.path), source.path.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file, _CHUNK)


def _fetch(url: str, source: LocalSource, timeout: float, end: Position | None) -> None:
    """Copy what a URL yields into the file of a source: a file byte by byte, a stream packet by packet."""
    LOGGER.info("fetching %s", source.name)
    if urlsplit(url).scheme.lower() in ("http", "https"):
        with writing(source.path):
            if download(url, source.path, name=source.name, timeout=timeout):
                return
    record(url, source.path, name=source.name, timeout=timeout, end=end)


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
