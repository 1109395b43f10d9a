"""PNG folders and single images: modes, names and values."""

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from refvid.errors import VideoError
from refvid.video.output_format import OutputFormat
from refvid.video.reader import open_reader
from refvid.video.render import davis_palette
from refvid.video.writer import WriterOptions, open_writer
from tests.video.written import HEIGHT, WIDTH, describe, frame, masks, write


def test_palette_masks_and_their_names(tmp_path: Path) -> None:
    output = tmp_path / "masks"
    found = masks(2)
    found[1, 25:45] = True
    info = describe(tmp_path / "in")
    with open_writer(output, OutputFormat.PNG, info, ["a", "b"], WriterOptions()) as writer:
        writer.write(frame(0, "left"), found)
        writer.write(frame(1, "left"), found)  # left.jpg and left.png
        writer.write(frame(17), found)
    assert sorted(path.name for path in output.iterdir()) == ["00017.png", "left.png", "left_00001.png"]
    with Image.open(output / "left.png") as image:
        assert image.mode == "P"
        assert image.getpalette() == davis_palette()
        values = np.asarray(image)
    assert values[20, 20] == 1
    assert values[28, 20] == 1, "the first expression keeps what both mark"
    assert values[40, 5] == 2
    assert values[0, 0] == 0


def test_rgba_sequence_of_frames_of_any_size(tmp_path: Path) -> None:
    info = describe(tmp_path / "in")
    with open_writer(tmp_path / "cut", OutputFormat.RGBA, info, ["a"], WriterOptions()) as writer:
        writer.write(frame(1), masks())
        writer.write(frame(2, size=(80, 60)), masks(size=(80, 60)))
    with Image.open(tmp_path / "cut" / "00002.png") as image:
        assert (image.mode, image.size) == ("RGBA", (80, 60))
        assert image.getpixel((20, 20)) == (80, 80, 80, 255)
        assert image.getpixel((0, 0)) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("name", "format", "mode", "exact"),
    [
        ("a.png", "overlay", "RGB", True),
        ("a.jpg", "cutout", "RGB", False),
        ("a.webp", "matte", "RGB", True),
        ("a.tif", "rgba", "RGBA", True),
        ("a.png", "alpha", "RGBA", True),
        ("a.png", "png", "P", True),
        ("a.bmp", "matte", "RGB", True),
    ],
)
def test_an_image_gives_an_image(tmp_path: Path, name: str, format: str, mode: str, exact: bool) -> None:
    output = tmp_path / name
    with open_writer(
        output, OutputFormat(format), describe(tmp_path / "in.png", "image"), ["a"], WriterOptions(background="blue")
    ) as writer:
        writer.write(frame(3, "in"), masks())
    with Image.open(output) as image:
        assert (image.mode, image.size) == (mode, (WIDTH, HEIGHT))
        inside, outside = (np.asarray(image)[at].tolist() for at in ((20, 20), (0, 0)))
    expected: dict[str, tuple[object, object]] = {
        "cutout": ([120] * 3, [0, 0, 255]),
        "matte": ([255] * 3, [0] * 3),
        "rgba": ([120, 120, 120, 255], [0] * 4),
        "alpha": ([120, 120, 120, 255], [0] * 4),
        "png": (1, 0),
        "overlay": ([93, 142, 171], [120] * 3),
    }
    tolerance = 1 if exact else 6
    assert inside == pytest.approx(expected[format][0], abs=tolerance)
    assert outside == pytest.approx(expected[format][1], abs=tolerance)


def test_a_second_frame_does_not_fit_an_image(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="holds one frame, but there is a second"):
        write(tmp_path / "a.png", "matte", describe(tmp_path / "in.png", "image"))


def photo(path: Path) -> bytes:
    """Write a photo that lies on its side, with a camera's name, a thumbnail and a colour profile; give the profile."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0110], exif[0x0112] = "Camera", 6
    content = bytearray(exif.tobytes())
    order = "<" if content[6:8] == b"II" else ">"
    entries = struct.unpack_from(f"{order}H", content, 14)[0]
    # Pillow writes no directory of a thumbnail, so one is appended: a single entry, the compression.
    struct.pack_into(f"{order}L", content, 16 + 12 * entries, len(content) - 6)
    content += struct.pack(f"{order}HHHLHHL", 1, 0x0103, 3, 1, 6, 0, 0)
    Image.new("RGB", (WIDTH, HEIGHT), "blue").save(path, exif=bytes(content), icc_profile=profile, dpi=(300, 300))
    with Image.open(path) as image:
        assert image.getexif().get_ifd(ExifTags.IFD.IFD1) == {0x0103: 6}
    return profile


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
@pytest.mark.parametrize("format", ["overlay", "cutout"])
def test_a_photo_keeps_its_profile_and_exif_and_stands_upright(tmp_path: Path, format: str, suffix: str) -> None:
    profile = photo(tmp_path / "in.jpg")
    assert convert(tmp_path / "in.jpg", tmp_path / f"out{suffix}", format) == []
    with Image.open(tmp_path / f"out{suffix}") as image:
        assert image.size == (HEIGHT, WIDTH)
        assert image.info["icc_profile"] == profile
        assert image.getexif()[0x0110] == "Camera"
        assert image.getexif().get(0x0112, 1) == 1
        assert not image.getexif().get_ifd(ExifTags.IFD.IFD1), "the thumbnail shows what was cut away"


def test_a_bitmap_says_what_it_does_not_hold(tmp_path: Path) -> None:
    photo(tmp_path / "in.jpg")
    assert convert(tmp_path / "in.jpg", tmp_path / "out.bmp", "cutout") == [
        "left out, because .bmp files do not hold it: colour profile, EXIF"
    ]


def test_texts_of_a_png(tmp_path: Path) -> None:
    texts = PngInfo()
    texts.add_text("Title", "A b\u00e4r")
    Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "in.png", pnginfo=texts)
    assert convert(tmp_path / "in.png", tmp_path / "out.png", "cutout") == []
    with Image.open(tmp_path / "out.png") as image:
        assert dict(image.text) == {"Title": "A b\u00e4r"}  # type: ignore[attr-defined]
    assert convert(tmp_path / "in.png", tmp_path / "out.jpg", "cutout") == [
        "left out, because .jpg files do not hold it: metadata Title"
    ]


def convert(source: Path, output: Path, format: str) -> list[str]:
    with open_reader(source) as reader:
        info = reader.info
        with open_writer(output, OutputFormat(format), info, ["a"], WriterOptions()) as writer:
            for shown in reader:
                writer.write(shown, np.zeros((1, info.height, info.width), bool))
    return writer.notes
