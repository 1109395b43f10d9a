"""The transparency of an input is multiplied with the mask, and what it hides never shows."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from refvid.errors import VideoError
from refvid.video.decord_reader import decord_installed
from refvid.video.frame import Frame, Masks
from refvid.video.output_format import OutputFormat
from refvid.video.probe import probe
from refvid.video.reader import choose_reader, open_reader
from refvid.video.render import draw_transparent_overlay
from refvid.video.transparency import over, split_rgba
from refvid.video.writer import WriterOptions, open_writer

Rgba = NDArray[np.uint8]
WIDTH, HEIGHT = 64, 48
YELLOW, GREEN, HIDDEN = (250, 220, 30), (10, 200, 30), (0, 0, 255)
CLEAR, SOLID, HALF, OUTSIDE = (4, 8), (20, 20), (36, 20), (20, 50)  # (row, column) of a pixel in each part


def picture(shift: int = 0) -> Rgba:
    """Hidden blue, with an opaque yellow block and a half-transparent green one."""
    rgba = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    rgba[...] = (*HIDDEN, 0)
    rgba[8:32, 8 + shift : 56] = (*YELLOW, 255)
    rgba[32:44, 8:56] = (*GREEN, 128)
    return rgba


def left_half() -> Masks:
    masks = np.zeros((1, HEIGHT, WIDTH), bool)
    masks[:, :, :40] = True
    return masks


def make_video(path: Path, codec: str, pixel_format: str, pictures: list[Rgba], **options: str) -> Path:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixel_format
        for index, rgba in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(rgba, format="rgba").reformat(format=pixel_format)
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


VP = {"auto-alt-ref": "0", "crf": "4", "b": "2M"}
VIDEOS: dict[str, tuple[str, str, dict[str, str]]] = {
    "prores.mov": ("prores_ks", "yuva444p10le", {"profile": "4444", "alpha_bits": "16"}),
    "qtrle.mov": ("qtrle", "argb", {}),
    "png.mov": ("png", "rgba", {}),
    "vp9.webm": ("libvpx-vp9", "yuva420p", VP),
    "vp8.webm": ("libvpx", "yuva420p", VP),
    "vp9.mkv": ("libvpx-vp9", "yuva420p", VP),
    "ffv1.mkv": ("ffv1", "bgra", {}),
    "utvideo.avi": ("utvideo", "gbrap", {}),
    "raw.avi": ("rawvideo", "bgra", {}),
    "animation.apng": ("apng", "rgba", {}),
}


def source(folder: Path, name: str) -> Path:
    """Write an input of two frames, or of one picture."""
    path = folder / name
    if name in VIDEOS:
        codec, pixel_format, options = VIDEOS[name]
        return make_video(path, codec, pixel_format, [picture(), picture(2)], **options)
    if name.endswith(".gif"):
        return animation(path, [picture(), picture(2)])
    image = Image.fromarray(picture())
    if name == "palette.png":
        image = image.quantize(8)
    image.save(path, lossless=True) if name.endswith("webp") else image.save(path)
    return path


def animation(path: Path, pictures: list[Rgba], **settings: Any) -> Path:
    first, *rest = (Image.fromarray(rgba) for rgba in pictures)
    first.save(path, save_all=True, append_images=rest, **{"duration": 40, "loop": 0, "disposal": 2} | settings)
    return path


def convert(path: Path, output: Path, format: str, **options: Any) -> list[str]:
    with open_reader(path) as reader:
        info = reader.info
        with open_writer(output, OutputFormat(format), info, ["a dog"], WriterOptions(**options)) as writer:
            for frame in reader:
                writer.write(frame, left_half())
    return writer.notes


def first_frame(path: Path) -> Frame:
    with open_reader(path) as reader:
        return next(iter(reader))


ALL = [*VIDEOS, "animation.gif", "picture.png", "palette.png", "picture.webp", "picture.tif"]


@pytest.mark.parametrize("name", ALL)
def test_what_is_hidden_is_not_read(tmp_path: Path, name: str) -> None:
    path = source(tmp_path, name)
    frame = first_frame(path)
    assert probe(path).alpha
    assert frame.alpha is not None
    assert frame.colours[CLEAR].tolist() == frame.pixels[CLEAR].tolist() == [0, 0, 0]
    assert frame.colours[SOLID] == pytest.approx(YELLOW, abs=3)
    half = 255 if name.endswith("gif") else 128
    assert [int(frame.alpha[place]) for place in (CLEAR, SOLID, HALF)] == pytest.approx([0, 255, half], abs=1)
    assert frame.colours[HALF] == pytest.approx(GREEN, abs=6)
    assert frame.pixels[HALF] == pytest.approx(np.array(GREEN) * half / 255, abs=6)


@pytest.mark.parametrize("name", ["prores.mov", "vp9.webm", "animation.gif", "picture.png"])
def test_rgba_is_the_product_of_alpha_and_mask(tmp_path: Path, name: str) -> None:
    output = tmp_path / ("out.png" if name == "picture.png" else "out")
    convert(source(tmp_path, name), output, "rgba")
    with Image.open(output if output.is_file() else output / "00000.png") as image:
        rgba = np.asarray(image)
    half = 255 if name.endswith("gif") else 128
    assert rgba[..., 3][CLEAR] == rgba[..., 3][OUTSIDE] == 0
    assert [int(rgba[..., 3][place]) for place in (SOLID, HALF)] == pytest.approx([255, half], abs=1)
    assert not rgba[rgba[..., 3] == 0].any(), "transparent pixels hide nothing"


@pytest.mark.parametrize("name", ["qtrle.mov", "vp9.webm", "animation.gif"])
@pytest.mark.parametrize("suffix", [".mov", ".webm"])
def test_alpha_video_is_the_product_too(tmp_path: Path, name: str, suffix: str) -> None:
    convert(source(tmp_path, name), tmp_path / f"out{suffix}", "alpha")
    frame = first_frame(tmp_path / f"out{suffix}")
    half = 255 if name.endswith("gif") else 128
    assert frame.alpha is not None
    assert [int(frame.alpha[place]) for place in (CLEAR, SOLID, HALF, OUTSIDE)] == pytest.approx(
        [0, 255, half, 0], abs=4
    )
    assert frame.colours[SOLID] == pytest.approx(YELLOW, abs=4)
    with av.open(str(tmp_path / f"out{suffix}")) as container:  # its picture without the transparency
        assert next(container.decode(video=0)).to_ndarray(format="rgb24")[..., 2].max() < 120


@pytest.mark.parametrize("name", ["prores.mov", "animation.gif", "picture.png"])
def test_cutout_shows_the_background_through(tmp_path: Path, name: str) -> None:
    output = tmp_path / ("out.png" if name == "picture.png" else "out.mov")
    convert(source(tmp_path, name), output, "cutout", background="#c80000")
    shown = first_frame(output).pixels
    for place in (CLEAR, OUTSIDE):
        assert shown[place] == pytest.approx((200, 0, 0), abs=4)
    assert shown[SOLID] == pytest.approx(YELLOW, abs=5)
    half = 255 if name.endswith("gif") else 128
    expected = (np.array(GREEN) * half + np.array((200, 0, 0)) * (255 - half)) / 255
    assert shown[HALF] == pytest.approx(expected, abs=5)


@pytest.mark.parametrize(
    ("name", "output"),
    [("picture.png", "out.png"), ("picture.webp", "out.webp"), ("animation.gif", "out.gif")],
)
def test_overlay_of_a_picture_stays_transparent(tmp_path: Path, name: str, output: str) -> None:
    assert convert(source(tmp_path, name), tmp_path / output, "overlay") == []
    frame = first_frame(tmp_path / output)
    assert frame.alpha is not None
    assert frame.alpha[4, 60] == 0
    assert frame.alpha[4, 39] > 200, "the outline, where nothing but it is to be seen"
    assert frame.colours[20, 50] == pytest.approx(YELLOW, abs=4), "beside the object"


@pytest.mark.parametrize(("name", "output"), [("picture.png", "out.jpg"), ("vp9.webm", "out.mp4")])
def test_overlay_without_transparency_lies_on_black_and_says_so(tmp_path: Path, name: str, output: str) -> None:
    notes = convert(source(tmp_path, name), tmp_path / output, "overlay")
    assert notes == [f"what is transparent in the input lies on black in {output}"]
    assert first_frame(tmp_path / output).pixels[4, 60].max() <= 6


def test_a_transparent_overlay_looks_like_the_opaque_one_on_any_backdrop() -> None:
    pixels, alpha, colours = split_rgba(picture())
    assert alpha is not None
    frame = Frame(0, Fraction(0), Fraction(1), pixels, alpha=alpha, own_colours=colours)
    drawn = draw_transparent_overlay(frame, left_half(), ["a dog"])
    whole = Frame(0, Fraction(0), Fraction(1), pixels)
    assert np.abs(over(drawn[..., :3], drawn[..., 3], 0).astype(int) - draw_transparent_overlay(
        whole, left_half(), ["a dog"])[..., :3]).max() <= 1  # fmt: skip
    assert np.array_equal(drawn[:, 48:], np.dstack([frame.colours, alpha])[:, 48:]), "far from the object all is exact"


def test_over_is_the_formula() -> None:
    generator = np.random.default_rng(0)
    colours, alpha = generator.integers(0, 256, (40, 30, 3), np.uint8), generator.integers(0, 256, (40, 30), np.uint8)
    share = alpha[..., None] / 255.0
    literal = colours * share + 77 * (1 - share)
    assert np.abs(over(colours, alpha, 77) - literal).max() <= 0.5 + 1e-9


def test_opaque_frames_have_no_alpha(tmp_path: Path) -> None:
    opaque = picture()
    opaque[..., 3] = 255
    Image.fromarray(opaque).save(tmp_path / "a.png")
    assert first_frame(tmp_path / "a.png").alpha is None


def test_unused_fourth_bytes_hide_nothing(tmp_path: Path) -> None:
    unused = picture()
    unused[..., 3] = 0
    path = make_video(tmp_path / "a.avi", "rawvideo", "bgra", [unused])
    assert not probe(path).alpha
    assert first_frame(path).pixels[SOLID].tolist() == list(YELLOW)


def test_a_frame_may_fade_in_from_nothing(tmp_path: Path) -> None:
    nothing = picture()
    nothing[..., 3] = 0
    path = make_video(tmp_path / "a.mov", "qtrle", "argb", [nothing, picture()])
    assert not first_frame(path).pixels.any()


@pytest.mark.skipif(not decord_installed(), reason="decord has no wheel for this machine")
def test_decord_gets_no_transparent_video(tmp_path: Path) -> None:
    path = source(tmp_path, "qtrle.mov")
    assert choose_reader(probe(path)) == "pyav"
    with pytest.raises(VideoError, match="--reader pyav"):
        open_reader(path, reader="decord")


@pytest.mark.parametrize("format", ["overlay", "cutout", "matte"])
@pytest.mark.parametrize(("loop", "written"), [(None, None), (0, 0), (3, 3)])
def test_gif_keeps_its_loops_and_delays(tmp_path: Path, format: str, loop: int | None, written: int | None) -> None:
    delays = [50, 200, 70, 110]
    path = animation(tmp_path / "in.gif", [picture(shift) for shift in range(4)], duration=delays, loop=loop)
    convert(path, tmp_path / "out.gif", format)
    assert (loops(tmp_path / "out.gif"), durations(tmp_path / "out.gif")) == (written, delays)


@pytest.mark.parametrize(("shown", "written"), [(0, 0), (1, None), (3, 2)])
def test_loops_of_an_animated_png(tmp_path: Path, shown: int, written: int | None) -> None:
    path = animation(tmp_path / "in.png", [picture(shift) for shift in range(3)], duration=[50, 70, 90], loop=shown)
    convert(path, tmp_path / "out.gif", "overlay")
    assert (loops(tmp_path / "out.gif"), durations(tmp_path / "out.gif")) == (written, [50, 70, 90])


def loops(path: Path) -> int | None:
    with Image.open(path) as image:
        found = image.info.get("loop")
        return None if found is None else int(found)


def durations(path: Path) -> list[int]:
    found = []
    with Image.open(path) as image:
        for index in range(getattr(image, "n_frames", 1)):
            image.seek(index)
            found.append(int(image.info["duration"]))
    return found
