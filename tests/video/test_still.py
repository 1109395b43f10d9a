"""Stills beyond Pillow's everyday formats: film work, deep TIFF, HEIC, and pictures whose name says nothing."""

import sys
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFile

from refvid.errors import UnavailableError, VideoError
from refvid.video.frame import Frame
from refvid.video.output_format import default_suffix, resolve_output
from refvid.video.probe import probe
from refvid.video.reader import open_reader
from tests.clips import frame_pixels

SIZE = (16, 12)


def _encode(path: Path, codec: str, pixels: NDArray[Any], given: str, stored: str) -> None:
    """Write one picture with one of FFmpeg's encoders of stills."""
    context: Any = av.CodecContext.create(codec, "w")
    context.width, context.height, context.pix_fmt, context.time_base = *SIZE, stored, Fraction(1, 25)
    frame = av.VideoFrame.from_ndarray(pixels, format=given)
    packets = [*context.encode(frame.reformat(format=stored)), *context.encode(None)]
    path.write_bytes(b"".join(bytes(packet) for packet in packets))


def _read(path: Path) -> list[Frame]:
    with open_reader(path) as reader:
        return list(reader)


@pytest.mark.parametrize(
    ("name", "codec", "stored"),
    [
        ("a.dpx", "dpx", "rgb24"),
        ("a.DPX", "dpx", "gbrp10le"),
        ("a%02d.sgi", "sgi", "rgb24"),
        ("a.qoi", "qoi", "rgb24"),
        ("a.pam", "pam", "rgb24"),
        ("a.tiff", "tiff", "rgb48le"),
        ("a", "png", "rgb24"),
    ],
)
def test_still_is_an_image_with_its_own_pixels(tmp_path: Path, name: str, codec: str, stored: str) -> None:
    _encode(tmp_path / name, codec, frame_pixels(3, SIZE), "rgb24", stored)
    info = probe(tmp_path / name)
    assert (info.kind, info.width, info.height) == ("image", *SIZE)
    (frame,) = _read(tmp_path / name)
    assert np.abs(frame.pixels.astype(int) - frame_pixels(3, SIZE)).max() <= 1


@pytest.mark.parametrize("suffix", ["dpx", "exr"])
def test_folder_of_film_work(tmp_path: Path, suffix: str) -> None:
    for number in range(3):
        pixels = frame_pixels(number, SIZE)
        if suffix == "exr":
            _encode(tmp_path / f"f{number}.exr", "exr", pixels.astype(np.float32) / 255, "gbrpf32le", "gbrpf32le")
        else:
            _encode(tmp_path / f"f{number}.dpx", "dpx", pixels, "rgb24", "gbrp10le")
    frames = _read(tmp_path)
    assert [frame.name for frame in frames] == ["f0", "f1", "f2"]
    assert default_suffix("frames", "", resolve_output(probe(tmp_path), None, None)[1]) == ".mp4"


def test_linear_light_becomes_what_a_screen_shows(tmp_path: Path) -> None:
    light = np.linspace(0, 1.2, SIZE[0] * SIZE[1], dtype=np.float32).reshape(SIZE[1], SIZE[0])
    _encode(tmp_path / "a.exr", "exr", np.repeat(light[..., None], 3, axis=2), "gbrpf32le", "gbrpf32le")
    # The reference is IEC 61966-2-1, in float64.
    clipped = light.astype(np.float64).clip(0, 1)
    curved = np.where(clipped <= 0.0031308, 12.92 * clipped, 1.055 * clipped ** (1 / 2.4) - 0.055)
    assert np.abs(_read(tmp_path / "a.exr")[0].pixels - 255 * curved[..., None]).max() <= 0.51


def test_premultiplied_light_keeps_its_colour(tmp_path: Path) -> None:
    picture = np.zeros((SIZE[1], SIZE[0], 4), np.float32)
    picture[:, 8:] = (0.25, 0.0, 0.0, 0.5)  # full red in linear light is 0.5 before it is premultiplied
    _encode(tmp_path / "a.exr", "exr", picture, "gbrapf32le", "gbrapf32le")
    (frame,) = _read(tmp_path / "a.exr")
    assert frame.alpha is not None
    assert (frame.alpha[0, 0], frame.alpha[0, 15]) == (0, 128)
    assert frame.colours is not None
    assert frame.colours[0, 15].tolist() == [188, 0, 0]  # 0.5 of linear light


def test_floating_point_grey(tmp_path: Path) -> None:
    values = np.linspace(0, 1, SIZE[0] * SIZE[1], dtype=np.float32).reshape(SIZE[1], SIZE[0])
    Image.fromarray(values).save(tmp_path / "a.tif")
    assert np.array_equal(_read(tmp_path / "a.tif")[0].pixels[..., 0], np.rint(255 * values))
    Image.fromarray(values * 7).save(tmp_path / "a.tif")
    with pytest.raises(VideoError, match="floating-point values from 0 to 7; expected 0 to 1"):
        _read(tmp_path / "a.tif")


def test_further_pages_are_told(tmp_path: Path) -> None:
    pages = [Image.fromarray(frame_pixels(number, SIZE)) for number in range(3)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    with open_reader(tmp_path / "a.tif") as reader:
        assert len(list(reader)) == 1
        assert reader.damage == [f"{tmp_path / 'a.tif'} has 3 pages, of which only the first is used"]


def test_stream_of_stills_is_a_video(tmp_path: Path) -> None:
    for number in range(3):
        Image.fromarray(frame_pixels(number, SIZE)).save(tmp_path / f"{number}.png")
    stream = tmp_path / "stream"
    stream.write_bytes(b"".join((tmp_path / f"{number}.png").read_bytes() for number in range(3)))
    assert (probe(stream).kind, probe(stream).frame_count) == ("video", 3)


def test_damaged_film_work(tmp_path: Path) -> None:
    for name in ("a.dpx", "a.exr"):
        (tmp_path / name).write_bytes(b"SDPX" + bytes(100))
        with pytest.raises(VideoError, match="is not an image that can be read"):
            probe(tmp_path / name)


@pytest.mark.parametrize("name", ["a.heic", "a.HIF", "a.jpg"])
def test_heic_names_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (tmp_path / name).write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(UnavailableError, match=r'HEIC picture, and .* type: pip install "refvid\[heif\]"'):
        probe(tmp_path / name)


def test_heic_is_read_by_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
    (tmp_path / "a.heic").write_bytes(start)

    class Opener(ImageFile.ImageFile):
        """Stands in for the library: a grey picture."""

        format = "HEIF"

        def _open(self) -> None:
            self._mode, self._size = "RGB", SIZE

        def load(self) -> Any:
            self.im = Image.new("RGB", SIZE, (9, 9, 9)).im
            return super(ImageFile.ImageFile, self).load()

    def register() -> None:
        Image.register_open("HEIF", Opener, lambda prefix: prefix.startswith(start[:12]))

    library = ModuleType("pillow_heif")
    library.__dict__["register_heif_opener"] = register
    monkeypatch.setitem(sys.modules, "pillow_heif", library)
    assert (_read(tmp_path / "a.heic")[0].pixels == 9).all()
