"""Footage that names no colour matrix is read and written as players show it."""

import logging
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.reformatter import Interpolation

from refvid.errors import VideoError
from refvid.video.colour import ColourMatrix, shown_matrix
from refvid.video.decord_reader import decord_installed
from refvid.video.frame import ColourTags, VideoInfo
from refvid.video.output_format import OutputFormat
from refvid.video.probe import probe
from refvid.video.reader import open_reader
from refvid.video.writer import WriterOptions, open_writer

GREEN = (0, 177, 64)
HD, SD = (1280, 32), (64, 48)
BT601, BT709, BT2020 = 5, 1, 9  # swscale's numbers
EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


def plain(path: Path, size: tuple[int, int], matrix: int, **tags: int) -> Path:
    """Write two frames of one green, converted with `matrix` (swscale's number), with no tags but those given."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=25, options={"crf": "1", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)
        pixels = np.full((size[1], size[0], 3), GREEN, np.uint8)
        for index in range(2):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace=matrix, dst_color_range=1, interpolation=EXACT)
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def seen(path: Path, matrix: int) -> list[int]:
    """The middle of the first frame as a player shows it that converts with `matrix`."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        shown = frame.reformat(format="rgb24", src_colorspace=matrix, interpolation=EXACT).to_ndarray()
        return [int(value) for value in shown[shown.shape[0] // 2, shown.shape[1] // 2]]


def cut_out(source: Path, output: Path, colour_matrix: ColourMatrix = "auto") -> VideoInfo:
    """Write only the background, in GREEN."""
    options = WriterOptions(background="#00b140")
    with open_reader(source, colour_matrix=colour_matrix) as reader:
        info = reader.info
        with open_writer(output, OutputFormat.CUTOUT, info, ["a dog"], options) as writer:
            for frame in reader:
                writer.write(frame, np.zeros((1, info.height, info.width), bool))
    return info


@pytest.mark.parametrize(("size", "matrix"), [(SD, BT601), (HD, BT709), ((16, 640), BT709)])
def test_untagged_footage_goes_by_its_size(tmp_path: Path, size: tuple[int, int], matrix: int) -> None:
    source = plain(tmp_path / "in.mp4", size, matrix)
    with open_reader(source) as reader:
        assert next(iter(reader)).pixels[size[1] // 2, size[0] // 2] == pytest.approx(GREEN, abs=6)
    cut_out(source, tmp_path / "out.mp4")
    assert seen(tmp_path / "out.mp4", matrix) == pytest.approx(GREEN, abs=2)
    assert probe(tmp_path / "out.mp4").colour.matrix == 2, "what the source leaves open stays open"


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        (ColourTags(), 1),
        (ColourTags(matrix=6), 6),
        (ColourTags(primaries=9), 9),
        (ColourTags(transfer=16), 9),
        (ColourTags(transfer=18), 9),
        (ColourTags(primaries=6), 6),
    ],
)
def test_half_tagged_footage_goes_by_what_it_says(tmp_path: Path, tags: ColourTags, code: int) -> None:
    info = VideoInfo(
        tmp_path, "video", 3840, 2160, 1, Fraction(25), Fraction(1, 25), Fraction(0), Fraction(1, 25), colour=tags
    )
    assert shown_matrix(info) == code


def test_a_turned_clip_is_as_large_as_it_is_stored(tmp_path: Path) -> None:
    info = VideoInfo(tmp_path, "video", 480, 720, 1, Fraction(25), Fraction(1, 25), Fraction(0), Fraction(1, 25))
    assert shown_matrix(info) == 1
    assert shown_matrix(replace(info, rotation=90)) == 6


@pytest.mark.parametrize("size", [SD, HD])
@pytest.mark.parametrize(("name", "matrix", "code"), [("bt601", BT601, 6), ("bt709", BT709, 1), ("bt2020", BT2020, 9)])
def test_the_matrix_can_be_given(
    tmp_path: Path, size: tuple[int, int], name: ColourMatrix, matrix: int, code: int
) -> None:
    source = plain(tmp_path / "in.mp4", size, matrix)
    with open_reader(source, colour_matrix=name) as reader:
        assert next(iter(reader)).pixels[size[1] // 2, size[0] // 2] == pytest.approx(GREEN, abs=6)
    cut_out(source, tmp_path / "out.mp4", name)
    assert seen(tmp_path / "out.mp4", matrix) == pytest.approx(GREEN, abs=2)
    assert probe(tmp_path / "out.mp4").colour.matrix == code, "and players are told"


def test_what_is_assumed_is_a_debug_message(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="refvid")
    with open_reader(plain(tmp_path / "in.mp4", HD, BT709)):
        assert "in.mp4 names no colour matrix; it is taken for BT.709, as players take 1280x32" in caplog.text
    caplog.clear()
    with open_reader(plain(tmp_path / "tagged.mp4", HD, BT709, colorspace=1)):
        assert caplog.text == ""


@pytest.mark.skipif(not decord_installed(), reason="decord has no wheel for this machine")
def test_decord_does_not_get_what_it_would_show_in_other_colours(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="--reader pyav"):
        open_reader(plain(tmp_path / "in.mp4", HD, BT709), reader="decord")
