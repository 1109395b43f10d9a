"""The video is a true copy apart from the pixels: times, colours, shape, transparency and sound."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.reformatter import Interpolation

from refvid.video.frame import ColourTags, Frame, VideoInfo
from refvid.video.output_format import OutputFormat
from refvid.video.probe import probe
from refvid.video.reader import open_reader
from refvid.video.writer import WriterOptions, open_writer
from tests.clips import make_clip, variable_times
from tests.video.written import describe, frame, masks, write

Clip = Callable[[str], Path]
Packets = list[tuple[Fraction, bytes]]


def copy(source: Path, output: Path, format: str = "matte", **options: Any) -> tuple[VideoInfo, list[Frame], list[str]]:
    """Write every frame of `source`; gives what the source is, its frames and the writer's notes."""
    info = probe(source)
    found = np.zeros((1, info.height, info.width), bool)
    found[0, 10:30, 10:40] = True
    frames = []
    with (
        open_reader(source, reader="pyav") as reader,
        open_writer(output, OutputFormat(format), info, ["a dog"], WriterOptions(**options)) as writer,
    ):
        for shown in reader:
            writer.write(shown, found)
            frames.append(shown)
    return info, frames, writer.notes


def times(path: Path) -> list[Fraction]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [Fraction(shown.pts or 0) * Fraction(stream.time_base or 0) for shown in container.decode(stream)]


def sound(path: Path, stream: int = 0) -> Packets:
    with av.open(str(path)) as container:
        chosen = container.streams.audio[stream]
        unit = Fraction(chosen.time_base or 0)
        return [(Fraction(packet.pts or 0) * unit, bytes(packet)) for packet in container.demux(chosen) if packet.size]


def latest(first: list[Fraction], second: list[Fraction]) -> Fraction:
    assert len(first) == len(second)
    return max(abs(one - other) for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize(
    "name",
    ["h264.mp4", "b_frames.mp4", "variable.mp4", "offset.mp4", "ntsc.mkv", "b_frames.ts", "vp9.webm", "mpeg4.avi"],
)
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_times_are_the_sources(clip: Clip, tmp_path: Path, name: str, suffix: str) -> None:
    output = tmp_path / f"out{suffix}"
    info, frames, _ = copy(clip(name), output)
    # Matroska counts in milliseconds; MP4 and MOV take the source's own unit.
    tolerance = Fraction(1, 2000) if suffix == ".mkv" else 0
    assert latest(times(output), [shown.time for shown in frames]) <= tolerance
    written = probe(output)
    assert written.start_time == pytest.approx(info.start_time, abs=0.0005)
    assert abs(written.duration - info.duration) <= Fraction(1, 100)


def test_the_last_frames_duration_survives_variable_times(tmp_path: Path) -> None:
    moments = variable_times(9)
    info = describe(tmp_path / "in", time_base=Fraction(1, 1000), variable_frame_rate=True)
    with open_writer(tmp_path / "a.mp4", OutputFormat.MATTE, info, ["a"], WriterOptions()) as writer:
        for index, moment in enumerate(moments):
            writer.write(replace(frame(index), time=moment, duration=Fraction(1, 2)), masks())
    assert times(tmp_path / "a.mp4") == moments
    assert probe(tmp_path / "a.mp4").duration == moments[-1] + Fraction(1, 2)


def test_times_below_zero_are_moved_and_said(tmp_path: Path) -> None:
    info = describe(tmp_path / "in", start_time=Fraction(-2, 25))
    with open_writer(tmp_path / "a.mp4", OutputFormat.MATTE, info, ["a"], WriterOptions()) as writer:
        for index in range(5):
            writer.write(replace(frame(index), time=Fraction(index - 2, 25)), masks())
    assert times(tmp_path / "a.mp4") == [Fraction(index, 25) for index in range(5)]
    assert writer.notes == ["the output starts at 0 s instead of -0.080 s"]


@pytest.mark.parametrize(
    "codec", ["libx264", "libx265", "libvpx-vp9", "libsvtav1", "prores_ks", "ffv1", "mpeg4", "h264"]
)
def test_codecs(tmp_path: Path, codec: str) -> None:
    output = tmp_path / "a.mkv"
    write(output, "matte", describe(tmp_path / "in", width=64, height=48), codec=codec)
    assert len(times(output)) == 4
    expected = {"libx264": "h264", "libx265": "hevc", "libvpx-vp9": "vp9", "libsvtav1": "av1", "prores_ks": "prores"}
    assert probe(output).codec == expected.get(codec, codec)


@pytest.mark.parametrize(
    ("suffix", "codec"), [(".mp4", None), (".mp4", "libx265"), (".webm", None), (".mov", "prores_ks")]
)
def test_odd_sizes_stay(tmp_path: Path, suffix: str, codec: str | None) -> None:
    output = tmp_path / f"a{suffix}"
    info = describe(tmp_path / "in", width=65, height=49)
    with open_writer(output, OutputFormat.MATTE, info, ["a"], WriterOptions(codec=codec)) as writer:
        writer.write(frame(0, size=(65, 49)), masks(size=(65, 49)))
    assert (probe(output).width, probe(output).height) == (65, 49)


def test_quality_changes_the_size(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    sizes = []
    for quality in (10, 40):
        output = tmp_path / f"{quality}.mp4"
        options = WriterOptions(quality=quality)
        with open_writer(output, OutputFormat.CUTOUT, describe(tmp_path / "in"), ["a"], options) as writer:
            writer.write(replace(frame(0), pixels=noise), masks())
        sizes.append(output.stat().st_size)
    assert sizes[0] > 1.3 * sizes[1]


RED = (200, 30, 30)  # a wrong matrix turns it into (214, 45, 27)


def one_colour(output: Path, info: VideoInfo) -> list[int]:
    """Write one red frame and read its middle back, rounding as exactly as FFmpeg can."""
    red = np.full((48, 64, 3), RED, np.uint8)
    with open_writer(output, OutputFormat.CUTOUT, info, ["a"], WriterOptions(audio=False)) as writer:
        writer.write(replace(frame(0), pixels=red), np.ones((1, 48, 64), bool))
    with av.open(str(output)) as container:
        exact = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
        shown = next(container.decode(video=0)).reformat(format="rgb24", interpolation=exact)
        return [int(value) for value in shown.to_ndarray()[24, 32]]


@pytest.mark.parametrize("name", ["h264.mp4", "bt709.mp4"])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_colours_and_their_tags_stay(clip: Clip, tmp_path: Path, name: str, suffix: str) -> None:
    info = probe(clip(name))
    assert one_colour(tmp_path / f"a{suffix}", info) == pytest.approx(RED, abs=2)
    expected = info.colour
    if suffix == ".webm":  # a VP9 stream always says its range
        expected = replace(expected, full_range=False)
    assert probe(tmp_path / f"a{suffix}").colour == expected


@pytest.mark.parametrize("tags", [ColourTags(1, 1, 1, True), ColourTags(9, 16, 9, False), ColourTags(5, 6, 5, False)])
def test_rarer_colour_tags(clip: Clip, tmp_path: Path, tags: ColourTags) -> None:
    assert one_colour(tmp_path / "a.mp4", replace(probe(clip("h264.mp4")), colour=tags)) == pytest.approx(RED, abs=2)
    assert probe(tmp_path / "a.mp4").colour == tags


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_pictures_that_are_no_video_become_bt709(tmp_path: Path, suffix: str) -> None:
    assert one_colour(tmp_path / f"a{suffix}", describe(tmp_path / "in")) == pytest.approx(RED, abs=2)
    assert probe(tmp_path / f"a{suffix}").colour == ColourTags(1, 1, 1, False)


def test_rotated_source_is_written_upright(clip: Clip, tmp_path: Path) -> None:
    info, _, _ = copy(clip("rotated90.mp4"), tmp_path / "a.mp4")
    written = probe(tmp_path / "a.mp4")
    assert (written.width, written.height, written.rotation) == (info.width, info.height, 0) == (64, 128, 0)


@pytest.mark.parametrize(("rotation", "expected"), [(0, Fraction(16, 9)), (90, Fraction(9, 16))])
def test_pixels_that_are_not_square_stay_so(tmp_path: Path, rotation: int, expected: Fraction) -> None:
    source, output = tmp_path / "in.mp4", tmp_path / "out.mp4"
    make_clip(source, frames=3, rotation=rotation, options={"aspect": "16:9"})
    copy(source, output)
    with av.open(str(output)) as container:
        assert container.streams.video[0].sample_aspect_ratio == expected


def test_alpha_in_webm(tmp_path: Path) -> None:
    write(tmp_path / "a.webm", "alpha", describe(tmp_path / "in"))
    with av.open(str(tmp_path / "a.webm")) as container:
        stream = container.streams.video[0]
        assert stream.metadata["alpha_mode"] == "1"
        decoder: Any = av.CodecContext.create("libvpx-vp9", "r")  # the native decoder drops the alpha plane
        decoder.extradata = stream.codec_context.extradata
        shown = [one for packet in container.demux(stream) if packet.size for one in decoder.decode(packet)]
    assert len(shown) == 4
    for picture in shown:
        alpha = picture.to_ndarray(format="rgba")[..., 3]
        assert np.abs(alpha.astype(int) - masks()[0] * 255).mean() < 2


def test_alpha_in_mov(tmp_path: Path) -> None:
    write(tmp_path / "a.mov", "alpha", describe(tmp_path / "in"))
    with av.open(str(tmp_path / "a.mov")) as container:
        shown = [picture.to_ndarray(format="rgba") for picture in container.decode(video=0)]
    assert len(shown) == 4
    assert np.abs(shown[2][..., 3].astype(int) - masks()[0] * 255).mean() < 1
    assert shown[2][20, 20, :3] == pytest.approx([80] * 3, abs=3)


def test_gif_keeps_times_and_colours(tmp_path: Path) -> None:
    write(tmp_path / "a.gif", "cutout", describe(tmp_path / "in"), background="#ff0000")
    assert times(tmp_path / "a.gif") == [Fraction(4 * index, 100) for index in range(4)]
    with open_reader(tmp_path / "a.gif", reader="pyav") as reader:
        assert next(iter(reader)).pixels[0, 0] == pytest.approx([255, 0, 0], abs=6)
