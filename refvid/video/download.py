"""Download a file over HTTP, with a limit on how long nothing may come."""

import base64
import http.client
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from refvid.errors import UsageError, VideoError

_CHUNK = 1 << 16  # bytes
_LEAST_BYTES = 1024  # within the time limit: a server that sends less hangs
_PLAYLISTS = (b"#EXTM3U", b"<MPD")  # HLS and DASH: lists of files, which FFmpeg puts together
_KEPT = ":/?#[]@!$&'()*+,;=%~"  # signs of a URL that are not encoded


def download(url: str, path: Path, *, name: str, timeout: float) -> bool:
    """Write the file behind a URL; return whether it is one, rather than the playlist of a stream.

    Args:
        url: An http or https URL; a user name and password in it are sent by basic authentication.
        path: File to write.
        name: What messages call it.
        timeout: Seconds within which the server must answer, and then send another kilobyte.

    Raises:
        VideoError: The server refuses, does not answer in time, or breaks off.
        UsageError: The URL is not valid.
        OSError: The file cannot be written.
    """
    late = f"{name} sent nothing for {timeout:g} s; try again or give more time with --timeout"
    try:
        answer = urllib.request.urlopen(_request(url), timeout=timeout)
    except urllib.error.HTTPError as error:
        with error:
            raise VideoError(f"{name} cannot be read: the server answers {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            raise VideoError(late) from error
        raise VideoError(f"{name} cannot be read: {getattr(reason, 'strerror', None) or reason}") from error
    except ValueError as error:
        raise UsageError(f"{name} is not a valid URL ({error})") from error
    with answer, path.open("wb") as file:
        if answer.headers.get_content_type() == "text/html":
            raise VideoError(f"{name} is a web page; give the address of the video itself")
        expected = answer.headers.get("Content-Length")
        written = _copy(answer, file, name, timeout, late)
        if expected is not None and expected.isdigit() and written < int(expected):
            raise VideoError(f"{name} breaks off after {written:,} of {int(expected):,} bytes; try again")
    with path.open("rb") as file:
        start = file.read(1024).lstrip(b"\xef\xbb\xbf \r\n")
    return not any(mark in start if mark.startswith(b"<") else start.startswith(mark) for mark in _PLAYLISTS)


def _request(url: str) -> urllib.request.Request:
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    plain = quote(urlunsplit(parts._replace(netloc=host, fragment="")), safe=_KEPT)
    headers = {"User-Agent": "refvid"}
    if user:
        headers["Authorization"] = f"Basic {base64.b64encode(unquote(user).encode()).decode()}"
    return urllib.request.Request(plain, headers=headers)


def _copy(answer: http.client.HTTPResponse, file: BinaryIO, name: str, timeout: float, late: str) -> int:
    written = last = 0
    began = time.monotonic()
    while True:
        try:
            data = answer.read1(_CHUNK)
        except TimeoutError as error:
            raise VideoError(late) from error
        except (OSError, http.client.HTTPException) as error:
            raise VideoError(f"{name} breaks off after {written:,} bytes ({error}); try again") from error
        if not data:
            return written
        file.write(data)
        written += len(data)
        if written - last >= _LEAST_BYTES:
            last, began = written, time.monotonic()
        elif time.monotonic() - began > timeout:
            raise VideoError(late)
