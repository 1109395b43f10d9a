"""Orientation: all eight of a display matrix, of EXIF and of a stream, against a literal reference."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext
from av.video.stream import VideoStream
from PIL import Image, PngImagePlugin

from refvid.video.decord_reader import decord_installed
from refvid.video.frame import Frame, Pixels
from refvid.video.orientation import Orientation, matrix_orientation
from refvid.video.probe import probe
from refvid.video.reader import ReaderName, open_reader
from tests.clips import make_clip

ONE, LAST = 1 << 16, 1 << 30
# (a, b, c, d) of the matrix that displays a picture stored with each EXIF orientation.
MATRICES = {
    1: (1, 0, 0, 1),
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}


def displayed(pixels: Pixels, orientation: int) -> Pixels:
    """Return the picture as displayed, pixel by pixel as the matrix says."""
    a, b, c, d = MATRICES[orientation]
    height, width = pixels.shape[:2]
    moved = {(b * x + d * y, a * x + c * y): pixels[y, x] for y in range(height) for x in range(width)}
    top, left = min(row for row, _ in moved), min(column for _, column in moved)
    bottom, right = max(row for row, _ in moved), max(column for _, column in moved)
    result = np.empty((bottom - top + 1, right - left + 1, 3), np.uint8)
    for (row, column), value in moved.items():
        result[row - top, column - left] = value
    return result


def first_frame(path: Path, reader: str = "auto") -> tuple[Frame, str]:
    with open_reader(path, reader=cast(ReaderName, reader)) as opened:
        return next(iter(opened)), opened.name


def assert_shown(path: Path, expected: Pixels, tolerance: float = 0) -> None:
    frame, _ = first_frame(path)
    info = probe(path)
    assert (info.height, info.width) == expected.shape[:2]
    assert frame.pixels.shape == expected.shape
    assert frame.pixels.flags.c_contiguous
    assert np.abs(frame.pixels.astype(int) - expected).mean() <= tolerance


def with_matrix(source: Path, path: Path, orientation: int, scale: float = 1) -> Path:
    """Copy an MP4 with another display matrix."""
    a, b, c, d = (round(value * ONE * scale) for value in MATRICES[orientation])
    content = bytearray(source.read_bytes())
    at = content.index(b"tkhd") + 4 + 40
    content[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, LAST)
    path.write_bytes(content)
    return path


def stored(path: Path) -> Pixels:
    """Return the first frame as it is stored."""
    with av.open(str(path)) as container:
        return cast(Pixels, next(container.decode(video=0)).to_ndarray(format="rgb24"))


@pytest.mark.parametrize("orientation", MATRICES)
def test_the_display_matrix_of_a_video(tmp_path: Path, orientation: int) -> None:
    source = make_clip(tmp_path / "plain.mp4", frames=2)
    path = with_matrix(source, tmp_path / "turned.mp4", orientation)
    assert_shown(path, displayed(stored(source), orientation))
    info = probe(path)
    assert info.mirrored == (orientation in (2, 4, 5, 7))
    assert (info.rotation in (90, 270)) == (orientation >= 5)


@pytest.mark.parametrize("orientation", [5, 6])
def test_a_matrix_that_also_scales(tmp_path: Path, orientation: int) -> None:
    source = make_clip(tmp_path / "plain.mp4", frames=2)
    path = with_matrix(source, tmp_path / "turned.mp4", orientation, scale=0.5)
    assert_shown(path, displayed(stored(source), orientation))


def test_an_oblique_matrix_is_turned_to_the_nearest_quarter() -> None:
    cosine, sine = round(ONE * np.cos(1.4)), round(ONE * np.sin(1.4))
    matrix = struct.pack("=9i", cosine, sine, 0, -sine, cosine, 0, 0, 0, LAST)
    assert matrix_orientation(matrix) == Orientation(3, False)
    assert matrix_orientation(bytes(36)) == Orientation()


@pytest.mark.parametrize(("flip", "quarter", "orientation"), [("horizontal", 0, 2), ("vertical", 0, 4), ("", 90, 8)])
def test_an_orientation_inside_the_stream(tmp_path: Path, flip: str, quarter: int, orientation: int) -> None:
    source = make_clip(tmp_path / "plain.mp4", frames=4)
    settings = [f"flip={flip}"] if flip else []
    settings += [f"rotate={quarter}"] if quarter else []
    path = tmp_path / "turned.mp4"
    with av.open(str(source)) as container, av.open(str(path), "w") as output:
        stream = container.streams.video[0]
        copied = output.add_stream_from_template(stream)
        assert isinstance(copied, VideoStream)
        oriented: Any = BitStreamFilterContext(f"h264_metadata=display_orientation=insert:{':'.join(settings)}", stream)
        for packet in container.demux(stream):
            for ready in oriented.filter(packet if packet.size else None):
                ready.stream = copied
                output.mux(ready)
    assert_shown(path, displayed(stored(source), orientation))


@pytest.mark.skipif(not decord_installed(), reason="decord has no wheel for this machine")
def test_decord_gets_no_mirrored_video(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "plain.mp4", frames=2)
    for orientation in MATRICES:
        path = with_matrix(source, tmp_path / f"{orientation}.mp4", orientation)
        assert first_frame(path)[1] == ("pyav" if orientation in (2, 4, 5, 7) else "decord")


def picture() -> Pixels:
    pixels = np.empty((24, 40, 3), np.uint8)
    pixels[:12, :20], pixels[:12, 20:], pixels[12:, :20], pixels[12:, 20:] = 250, 150, 80, 10
    return pixels


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def xmp(orientation: int) -> str:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="{orientation}"/>'
        "</rdf:RDF></x:xmpmeta>"
    )


@pytest.mark.parametrize("orientation", MATRICES)
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.webp", "a.mpo", "a.avif"])
def test_the_exif_of_a_still(tmp_path: Path, name: str, orientation: int) -> None:
    path = tmp_path / name
    if path.suffix == ".avif" and "AVIF" not in Image.OPEN:
        pytest.skip("this Pillow has no AVIF")
    more: dict[str, Any] = {".webp": {"lossless": True}, ".jpg": {"quality": 98}, ".mpo": {"quality": 98}}
    Image.fromarray(picture()).save(path, exif=exif(orientation), **more.get(path.suffix, {}))
    assert_shown(path, displayed(picture(), orientation), tolerance=4)


@pytest.mark.parametrize("orientation", MATRICES)
@pytest.mark.parametrize("depth", ["L", "I;16"])
def test_the_orientation_of_a_grey_tiff(tmp_path: Path, orientation: int, depth: str) -> None:
    path = tmp_path / "grey.tif"
    grey = picture()[..., 0]
    Image.fromarray(grey if depth == "L" else grey.astype(np.uint16) << 8).save(path, exif=exif(orientation))
    assert_shown(path, displayed(picture(), orientation))


@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
def test_other_places_of_a_png(tmp_path: Path, orientation: int) -> None:
    plain = io.BytesIO()
    Image.fromarray(picture()).save(plain, "PNG")
    content = plain.getvalue()
    tags = exif(orientation).tobytes()
    body = b"eXIf" + tags.removeprefix(b"Exif\0\0")
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    end = content.index(b"IEND") - 4
    (tmp_path / "late.png").write_bytes(content[:end] + chunk + content[end:])
    packet = PngImagePlugin.PngInfo()
    packet.add_itxt("XML:com.adobe.xmp", xmp(orientation))
    Image.fromarray(picture()).save(tmp_path / "xmp.png", pnginfo=packet)
    text = PngImagePlugin.PngInfo()
    text.add_text("Raw profile type exif", f"\nexif\n{len(tags):8d}\n{tags.hex()}\n")
    Image.fromarray(picture()).save(tmp_path / "text.png", pnginfo=text)
    for name in ("late.png", "xmp.png", "text.png"):
        assert_shown(tmp_path / name, displayed(picture(), orientation))


def test_an_orientation_that_does_not_exist_is_ignored(tmp_path: Path) -> None:
    Image.fromarray(picture()).save(tmp_path / "a.png", exif=exif(9))
    assert_shown(tmp_path / "a.png", picture())
