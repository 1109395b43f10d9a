"""Standard input and URLs, read from a small server of our own."""

import io
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import av
import pytest

from refvid.errors import UsageError, VideoError
from refvid.video.frame import Position
from refvid.video.incoming import is_url, local_source, url_name
from refvid.video.probe import probe
from refvid.video.recording import record
from tests.clips import make_clip


class _Server(BaseHTTPRequestHandler):
    """Serves the files of a folder; the other paths misbehave."""

    folder: Path
    asked: list[str | None]

    def do_GET(self) -> None:
        self.asked.append(self.headers.get("Authorization"))
        name = unquote(self.path).lstrip("/").partition("?")[0]
        if name == "hangs":
            time.sleep(1.5)
            return
        if name == "drips":
            self._start("video/mp4")
            for _ in range(15):
                self.wfile.write(b"x")
                time.sleep(0.1)
            return
        if name == "page":
            self._start("text/html; charset=utf-8")
            self.wfile.write(b"<html>")
            return
        path = self.folder / (name.removeprefix("cut/") or "none")
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        self._start("application/octet-stream", len(content))
        self.wfile.write(content[: len(content) // 2] if name.startswith("cut/") else content)

    def _start(self, kind: str, length: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Write nothing to stderr."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a clip; temporary files go into another one beside it."""
    (tmp_path / "served").mkdir()
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    make_clip(tmp_path / "served" / "a clip.mp4", frames=6)
    return tmp_path / "served"


@pytest.fixture
def server(folder: Path) -> Iterator[str]:
    """The address of a server of the folder."""
    handler = type("Handler", (_Server,), {"folder": folder, "asked": []})
    serving = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=serving.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{serving.server_address[1]}"
    serving.shutdown()
    thread.join()
    serving.server_close()


def _nothing_left(folder: Path) -> bool:
    return not list((folder.parent / "temporary").iterdir())


def test_path_stays_a_path(tmp_path: Path) -> None:
    with local_source(tmp_path / "a.mp4") as source:
        assert (source.path, source.name) == (tmp_path / "a.mp4", str(tmp_path / "a.mp4"))
    with local_source(Path("-")) as source:  # typed as ./-
        assert source.path == Path("-")


@pytest.mark.parametrize(
    ("name", "url", "file"),
    [
        ("https://host/dir/a%20b.mp4?x=1", True, "a b.mp4"),
        ("rtsp://camera:554", True, "camera"),
        ("HTTP://host/", True, "host"),
        ("https://host/..%2F..%2Fetc", True, "etc"),
        ("C:/a.mp4", False, None),
        ("C://a.mp4", False, None),
        ("dir/a.mp4", False, None),
        ("a:b.mp4", False, None),
    ],
)
def test_urls_and_their_names(name: str, url: bool, file: str | None) -> None:
    assert is_url(name) is url
    if file:
        assert url_name(name) == file


def test_standard_input(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((folder / "a clip.mp4").read_bytes())))
    with local_source("-") as source:
        assert source.name == "standard input"
        assert probe(source.path).frame_count == 6
    assert _nothing_left(folder)


def test_errors_name_standard_input(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    with pytest.raises(VideoError, match=r"^standard input is empty \(0 bytes\)$"), local_source("-") as source:
        probe(source.path)
    assert _nothing_left(folder)


def test_terminal_is_no_input(monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stdin", stdin)
    with pytest.raises(UsageError, match="standard input is a terminal; pipe a video into it"), local_source("-"):
        pass


@pytest.mark.parametrize("path", ["/a%20clip.mp4", "/a clip.mp4?token=1#t=3"])
def test_file_over_http(folder: Path, server: str, path: str) -> None:
    with local_source(server + path) as source:
        assert source.path.name == "a clip.mp4"
        assert source.path.read_bytes() == (folder / "a clip.mp4").read_bytes()
    assert _nothing_left(folder)


def test_file_url(folder: Path) -> None:
    with local_source((folder / "a clip.mp4").as_uri()) as source:
        assert source.path == folder / "a clip.mp4"
    assert (folder / "a clip.mp4").exists()


def test_password_is_sent_but_never_shown(folder: Path, server: str) -> None:
    address = server.replace("//", "//me:s%C3%A9cret@") + "/none.mp4"
    with pytest.raises(VideoError) as caught, local_source(address):
        pass
    assert str(caught.value) == f"{server}/none.mp4 cannot be read: the server answers 404 Not Found"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/none.mp4", "the server answers 404 Not Found"),
        ("/hangs", r"/hangs sent nothing for 0.5 s; try again or give more time with --timeout"),
        ("/drips", r"/drips sent nothing for 0.5 s"),
        ("/page", "/page is a web page; give the address of the video itself"),
        ("/cut/a%20clip.mp4", r"breaks off after [\d,]+ of [\d,]+ bytes; try again"),
    ],
)
def test_what_goes_wrong_is_said_in_time(folder: Path, server: str, path: str, message: str) -> None:
    began = time.monotonic()
    with pytest.raises(VideoError, match=message), local_source(server + path, timeout=0.5):
        pass
    assert time.monotonic() - began < 30
    assert _nothing_left(folder)


@pytest.mark.parametrize("scheme", ["http", "https", "rtsp", "rtmp"])
def test_nobody_answers(scheme: str) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"{scheme}://127.0.0.1:{closed.getsockname()[1]}/a.mp4"
        with (
            pytest.raises(VideoError, match=f"{address} cannot be read: .*[Cc]onnection refused"),
            local_source(address),
        ):
            pass


@pytest.mark.parametrize("scheme", ["https", "rtsp"])
def test_server_that_accepts_and_keeps_silent(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/a.mp4"
        with pytest.raises(VideoError, match=r"sent nothing for 0\.5 s"), local_source(address, timeout=0.5):
            pass


def test_unknown_protocol() -> None:
    with pytest.raises(VideoError, match=r"s3://bucket/a\.mp4 cannot be read: this FFmpeg reads no s3 URLs"):
        local_source("s3://bucket/a.mp4").__enter__()


def test_playlist_is_put_together(folder: Path, server: str) -> None:
    make_clip(folder / "part.ts", frames=6)
    (folder / "list.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.24,\npart.ts\n#EXT-X-ENDLIST\n")
    with local_source(f"{server}/list.m3u8") as source:
        assert probe(source.path).frame_count == 6


def test_recording_keeps_the_times_and_ends(folder: Path, tmp_path: Path) -> None:
    make_clip(folder / "long.ts", frames=150)
    with av.open(str(folder / "long.ts")) as container:
        expected = [packet.pts for packet in container.demux(video=0) if packet.size]
    record(str(folder / "long.ts"), tmp_path / "all", name="it", timeout=5, end=None)
    with av.open(str(tmp_path / "all")) as container:
        stream = container.streams.video[0]
        units = Fraction(stream.time_base or 0) * 90_000
        ticks = [(packet.pts or 0) * units for packet in container.demux(stream) if packet.size]
    assert ticks == expected
    record(str(folder / "long.ts"), tmp_path / "some", name="it", timeout=5, end=Position(frame=10))
    assert 10 <= probe(tmp_path / "some").frame_count < 100
