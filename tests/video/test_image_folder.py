"""Images and folders of frames."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refvid.errors import UsageError, VideoError
from refvid.video.frame import Frame, Position
from refvid.video.reader import open_reader
from tests.clips import frame_pixels


def test_an_image(tmp_path: Path) -> None:
    pixels = frame_pixels(3)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    with open_reader(tmp_path / "picture.png") as opened:
        frames = list(opened)
        assert opened.name == "images"
    assert len(frames) == 1
    assert (frames[0].index, frames[0].name) == (0, "picture")
    assert frames[0].time == 0
    np.testing.assert_array_equal(frames[0].pixels, pixels)


def test_an_image_is_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it a quarter clockwise
    Image.fromarray(frame_pixels(0)).save(tmp_path / "photo.png", exif=exif)
    with open_reader(tmp_path / "photo.png") as opened:
        np.testing.assert_array_equal(next(iter(opened)).pixels, np.rot90(frame_pixels(0), k=3))


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "I;16", "1"])
def test_images_of_any_mode_become_rgb(tmp_path: Path, mode: str) -> None:
    grey = np.full((8, 16), 200, np.uint8)
    if mode == "I;16":
        picture = Image.fromarray(grey.astype(np.uint16) * 256)
    else:
        picture = Image.fromarray(grey).convert(mode, dither=Image.Dither.NONE)
    picture.save(tmp_path / "picture.png")
    with open_reader(tmp_path / "picture.png") as opened:
        pixels = next(iter(opened)).pixels
    assert pixels.shape == (8, 16, 3)
    assert (pixels == (255 if mode == "1" else 200)).all()


def test_a_folder_is_read_in_natural_order(tmp_path: Path) -> None:
    names = ["shot 1", "shot 2", "shot 10", "shot 11"]
    for index, name in reversed(list(enumerate(names))):
        Image.fromarray(frame_pixels(index)).save(tmp_path / f"{name}.png")
    (tmp_path / ".hidden.png").write_bytes(b"no frame")
    with open_reader(tmp_path, start=Position(frame=1), end=Position(seconds=Fraction(3, 25))) as opened:
        frames = list(opened)
    assert [(frame.index, frame.time, frame.name) for frame in frames] == [
        (1, Fraction(1, 25), "shot 2"),
        (2, Fraction(2, 25), "shot 10"),
    ]
    np.testing.assert_array_equal(frames[1].pixels, frame_pixels(2))


def test_a_damaged_frame_in_a_folder_is_named(tmp_path: Path) -> None:
    for index in range(3):
        Image.fromarray(frame_pixels(index)).save(tmp_path / f"{index}.png")
    content = (tmp_path / "1.png").read_bytes()
    (tmp_path / "1.png").write_bytes(content[: len(content) // 2])
    frames: list[Frame] = []
    with open_reader(tmp_path) as opened, pytest.raises(VideoError, match=r"frame 1 \(0\.040 s\).*1\.png"):
        frames.extend(opened)
    assert len(frames) == 1


def test_decord_is_not_for_images(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(UsageError, match="leave out --reader"):
        open_reader(tmp_path / "a.png", reader="decord")
