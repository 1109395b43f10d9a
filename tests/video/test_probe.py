"""Probing: its report on good sources, and its one-sentence error for each bad one."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refvid.errors import VideoError
from refvid.video.frame import ColourTags
from refvid.video.probe import probe
from refvid.video.timeline import average_rate, has_variable_rate

Clip = Callable[[str], Path]


def test_a_plain_clip(clip: Clip) -> None:
    info = probe(clip("h264.mp4"))
    assert (info.kind, info.width, info.height, info.frame_count) == ("video", 64, 48, 30)
    assert info.frame_rate == 25
    assert info.start_time == 0
    assert info.duration == Fraction(30, 25)
    assert (info.rotation, info.variable_frame_rate, info.audio) == (0, False, ())
    assert (info.codec, info.pixel_format) == ("h264", "yuv420p")
    assert info.colour == ColourTags()


@pytest.mark.parametrize(
    ("name", "codec", "audio"),
    [
        ("sound.mp4", "h264", ("aac",)),
        ("vp9.webm", "vp9", ("opus",)),
        ("av1.mp4", "av1", ()),
        ("hevc10.mp4", "hevc", ()),
        ("mpeg4.avi", "mpeg4", ()),
        ("animation.gif", "gif", ()),
    ],
)
def test_codecs_have_their_common_names(clip: Clip, name: str, codec: str, audio: tuple[str, ...]) -> None:
    info = probe(clip(name))
    assert (info.codec, info.audio, info.frame_count) == (codec, audio, 30)
    assert info.frame_rate == 25
    assert info.duration == Fraction(30, 25)


@pytest.mark.parametrize(("degrees", "size"), [(90, (64, 128)), (180, (128, 64)), (270, (64, 128))])
def test_size_is_told_after_rotation(clip: Clip, degrees: int, size: tuple[int, int]) -> None:
    info = probe(clip(f"rotated{degrees}.mp4"))
    assert (info.rotation, (info.width, info.height)) == (degrees, size)


def test_variable_frame_rate(clip: Clip) -> None:
    info = probe(clip("variable.mp4"))
    assert info.variable_frame_rate
    assert info.frame_count == 30
    assert abs(info.frame_rate - 30 / info.duration) < Fraction(1, 1000)


def test_rounding_to_milliseconds_is_not_a_variable_rate(clip: Clip) -> None:
    info = probe(clip("ntsc.mkv"))
    assert info.time_base == Fraction(1, 1000)
    assert not info.variable_frame_rate
    assert abs(info.frame_rate - Fraction(30_000, 1001)) < Fraction(1, 10)


@pytest.mark.parametrize(
    ("pts", "variable"),
    [([0], False), ([0, 33], False), ([0, 33, 67, 100], False), ([0, 40, 80, 200], True), ([0, 1, 2, 4, 5], True)],
)
def test_has_variable_rate(pts: list[int], variable: bool) -> None:
    assert has_variable_rate(pts) is variable


def test_a_rate_that_the_times_contradict_is_measured_instead() -> None:
    pts = list(range(0, 3000, 40))
    assert average_rate(pts, Fraction(1, 1000), Fraction(40, 1000), [Fraction(600), Fraction(25)]) == 25
    assert average_rate(pts, Fraction(1, 1000), Fraction(40, 1000), [Fraction(24)]) == 25


def test_start_offset_is_kept(clip: Clip) -> None:
    assert probe(clip("offset.mp4")).start_time == 5


def test_colour_tags(clip: Clip) -> None:
    assert probe(clip("bt709.mp4")).colour == ColourTags(primaries=1, transfer=1, matrix=1, full_range=False)


def test_a_stream_without_times_counts_them_out(clip: Clip) -> None:
    info = probe(clip("raw.h264"))
    assert info.frame_count == 30
    assert info.start_time == 0
    assert info.duration == Fraction(30, 25)


def test_picture_named_mp4_is_a_video_of_one_frame(tmp_path: Path) -> None:
    path = tmp_path / "picture.mp4"
    Image.new("RGB", (20, 10), (255, 0, 0)).save(path, format="PNG")
    info = probe(path)
    assert (info.width, info.height, info.frame_count) == (20, 10, 1)


def test_names_that_look_like_protocols(clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "concat:a.mp4").write_bytes(clip("h264.mp4").read_bytes())
    monkeypatch.chdir(tmp_path)
    assert probe(Path("concat:a.mp4")).frame_count == 30


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"no such file or folder: .*absent\.mp4"):
        probe(tmp_path / "absent.mp4")


def test_empty(tmp_path: Path) -> None:
    path = tmp_path / "empty.mp4"
    path.touch()
    with pytest.raises(VideoError, match=r"empty.mp4 is empty \(0 bytes\)"):
        probe(path)


@pytest.mark.parametrize("name", ["text.mp4", "text.txt", "text.srt", "text.png"])
def test_text(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("1\n00:00:01,000 --> 00:00:02,000\nhello\n\n" * 50)
    with pytest.raises(VideoError, match=f"{name} is not a video or image"):
        probe(path)


def test_random_bytes(tmp_path: Path) -> None:
    path = tmp_path / "noise.mp4"
    path.write_bytes(np.random.default_rng(0).bytes(20_000))
    with pytest.raises(VideoError, match=r"noise\.mp4"):
        probe(path)


def test_sound_only(sound_only: Path) -> None:
    with pytest.raises(VideoError, match="contains sound but no picture"):
        probe(sound_only)


def test_cut_off_before_the_index(clip: Clip, tmp_path: Path) -> None:
    path = tmp_path / "headless.mp4"
    path.write_bytes(clip("h264.mp4").read_bytes()[:2000])
    with pytest.raises(VideoError, match="cut off before its index"):
        probe(path)


def test_an_image_is_turned_as_its_exif_says(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(path, exif=exif)
    info = probe(path)
    assert (info.kind, info.width, info.height, info.frame_count, info.codec) == ("image", 20, 40, 1, "jpeg")
    assert info.frame_rate == 25


def test_a_folder_of_frames(tmp_path: Path) -> None:
    for index in range(12):
        Image.new("RGB", (16, 8)).save(tmp_path / f"{index}.png")
    (tmp_path / "notes.txt").write_text("not a frame")
    info = probe(tmp_path)
    assert (info.kind, info.frame_count, info.width, info.height) == ("frames", 12, 16, 8)
    assert info.frame_rate == 25
    assert (info.time_base, info.duration) == (Fraction(1, 25), Fraction(12, 25))


def test_a_folder_without_images(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(VideoError, match="contains no images"):
        probe(tmp_path)


def test_a_folder_whose_images_differ_names_the_first_that_does(tmp_path: Path) -> None:
    for index, size in enumerate([(16, 8), (16, 8), (17, 8), (18, 8)]):
        Image.new("RGB", size).save(tmp_path / f"{index}.png")
    with pytest.raises(VideoError, match=r"2\.png is 17x8, but 0\.png is 16x8"):
        probe(tmp_path)


def test_a_folder_with_a_file_that_is_no_image(tmp_path: Path) -> None:
    Image.new("RGB", (16, 8)).save(tmp_path / "0.png")
    (tmp_path / "1.png").write_bytes(b"nonsense")
    with pytest.raises(VideoError, match=r"1\.png is not an image"):
        probe(tmp_path)


def test_animated_png_is_a_video_and_animated_webp_is_refused(tmp_path: Path) -> None:
    pictures = [Image.new("RGB", (16, 16), (index * 60, 0, 0)) for index in range(3)]
    pictures[0].save(tmp_path / "a.png", save_all=True, append_images=pictures[1:], duration=40)
    assert (probe(tmp_path / "a.png").kind, probe(tmp_path / "a.png").frame_count) == ("video", 3)
    pictures[0].save(tmp_path / "a.webp", save_all=True, append_images=pictures[1:], duration=40)
    with pytest.raises(VideoError, match="animated WebP"):
        probe(tmp_path / "a.webp")
