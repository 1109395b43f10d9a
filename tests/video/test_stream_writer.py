"""YUV4MPEG2 and bare frames, in files and on standard output."""

import io
import json
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refvid.errors import UsageError
from refvid.video.frame import Frame, SourceKind, VideoInfo
from refvid.video.output_format import OutputFormat, resolve_output
from refvid.video.probe import probe
from refvid.video.reader import open_reader
from refvid.video.stream_writer import stdout_suffix
from refvid.video.writer import WriterOptions, open_writer
from tests.clips import frame_pixels

Capture = pytest.CaptureFixture[bytes]


def _info(size: tuple[int, int] = (16, 12), kind: SourceKind = "frames", pixel_format: str = "rgb") -> VideoInfo:
    rate = Fraction(30_000, 1001)
    return VideoInfo(
        Path("x"),
        kind,
        *size,
        3,
        rate,
        1 / rate,
        Fraction(0),
        3 / rate,
        pixel_format=pixel_format,
    )


def _frames(size: tuple[int, int]) -> list[Frame]:
    return [Frame(i, Fraction(i, 25), Fraction(1, 25), frame_pixels(i, size)) for i in range(3)]


def _write(
    output: Path, info: VideoInfo, format: str = "overlay", *, stdout: bool = False, **options: object
) -> list[str]:
    settings = WriterOptions(**options)  # type: ignore[arg-type]
    writer = open_writer(output, OutputFormat(format), info, ["dog"], settings, stdout=stdout)
    size = (info.width, info.height)
    with writer:
        for frame in _frames(size)[: 1 if info.kind == "image" else 3]:
            masks = np.zeros((1, size[1], size[0]), np.bool_)
            masks[:, : size[1] // 2] = format != "overlay"
            writer.write(frame, masks)
    return writer.notes


@pytest.mark.parametrize("size", [(16, 12), (17, 13)])
@pytest.mark.parametrize(
    ("pixel_format", "stored"), [("yuv420p", "yuv420p"), ("yuv422p10le", "yuv422p"), ("rgb", "yuv444p")]
)
def test_y4m_is_read_again(tmp_path: Path, size: tuple[int, int], pixel_format: str, stored: str) -> None:
    output = tmp_path / "a.y4m"
    info = _info(size, "frames" if pixel_format == "rgb" else "video", pixel_format)
    if info.kind == "video":
        _write(tmp_path / "x.y4m", _info(size))  # where the pixel aspect ratio is looked up
        info = VideoInfo(**{**info.__dict__, "path": tmp_path / "x.y4m"})
    assert _write(output, info) == []
    found = probe(output)
    assert (found.width, found.height, found.frame_count, found.frame_rate) == (*size, 3, Fraction(30_000, 1001))
    assert found.pixel_format == stored
    with open_reader(output) as reader:
        for frame, expected in zip(reader, _frames(size), strict=True):
            difference = np.abs(frame.pixels.astype(int) - expected.pixels)
            assert np.median(difference) <= (3 if stored == "yuv444p" else 12)
            assert stored != "yuv444p" or difference.max() <= 4


def test_y4m_by_name(tmp_path: Path) -> None:
    assert resolve_output(_info(), tmp_path / "a.y4m", None) == (tmp_path / "a.y4m", OutputFormat.OVERLAY)
    with pytest.raises(UsageError, match="cannot hold the format alpha"):
        resolve_output(_info(), tmp_path / "a.y4m", OutputFormat.ALPHA)
    with pytest.raises(UsageError, match="leave out --quality and --codec"):
        _write(tmp_path / "a.y4m", _info(), quality=3)


def test_bare_frames_are_the_bytes_of_the_pictures(capsysbinary: Capture) -> None:
    _write(Path("stdout.rgb"), _info(), stdout=True, codec="rawvideo")
    assert capsysbinary.readouterr().out == b"".join(frame.pixels.tobytes() for frame in _frames((16, 12)))


def test_bare_frames_with_transparency(capsysbinary: Capture) -> None:
    _write(Path("stdout.rgba"), _info(), "alpha", stdout=True, codec="rawvideo")
    pictures = np.frombuffer(capsysbinary.readouterr().out, np.uint8).reshape(3, 12, 16, 4)
    assert (pictures[:, :6, :, 3] == 255).all()
    assert (pictures[:, 6:, :, 3] == 0).all()


def test_y4m_on_standard_output_is_the_file(tmp_path: Path, capsysbinary: Capture) -> None:
    _write(tmp_path / "a.y4m", _info(), "matte")
    _write(Path("stdout.y4m"), _info(), "matte", stdout=True)
    assert capsysbinary.readouterr().out == (tmp_path / "a.y4m").read_bytes()


def test_other_formats_on_standard_output(capsysbinary: Capture) -> None:
    _write(Path("stdout.json"), _info(), "rle", stdout=True)
    assert len(json.loads(capsysbinary.readouterr().out)["frames"]) == 3
    _write(Path("stdout.png"), _info(kind="image"), "matte", stdout=True)
    assert Image.open(io.BytesIO(capsysbinary.readouterr().out)).size == (16, 12)


def test_what_a_stream_cannot_hold_is_said(capsysbinary: Capture) -> None:
    info = VideoInfo(**{**_info().__dict__, "audio": ("aac",), "variable_frame_rate": True})
    assert _write(Path("stdout.rgb"), info, stdout=True) == [
        "the sound is left out: a stream of frames holds none",
        "a stream of frames has one frame rate: the times of the input's frames are lost",
    ]
    assert len(_write(Path("stdout.rgb"), info, stdout=True, audio=False)) == 1


def test_terminal_is_refused(capsysbinary: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    with pytest.raises(UsageError, match="standard output is a terminal"):
        _write(Path("stdout.y4m"), _info(), stdout=True)


@pytest.mark.parametrize(
    ("format", "codec", "kind", "expected"),
    [
        ("overlay", None, "video", ".y4m"),
        ("matte", "y4m", "frames", ".y4m"),
        ("cutout", "rawvideo", "video", ".rgb"),
        ("alpha", "rawvideo", "video", ".rgba"),
        ("rle", None, "video", ".json"),
        ("rgba", None, "image", ".png"),
        ("alpha", None, "video", "y4m has no transparency; give --codec rawvideo"),
        ("png", None, "video", "standard output cannot hold the format png, which is a folder"),
        ("overlay", "libx264", "video", "standard output takes y4m, or rawvideo"),
    ],
)
def test_the_kind_of_stream(format: str, codec: str | None, kind: SourceKind, expected: str) -> None:
    if expected.startswith("."):
        assert stdout_suffix(_info(kind=kind), OutputFormat(format), codec) == expected
    else:
        with pytest.raises(UsageError, match=expected):
            stdout_suffix(_info(kind=kind), OutputFormat(format), codec)
