"""Names of files that are not valid UTF-8, as old archives and disks have them."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from refvid.errors import VideoError
from refvid.video.decord_reader import decord_installed
from refvid.video.output_format import OutputFormat
from refvid.video.probe import probe
from refvid.video.reader import open_reader
from refvid.video.writer import WriterOptions, open_writer
from tests.clips import make_clip

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other file systems have no such names")


@pytest.fixture
def latin(tmp_path: Path) -> Path:
    """A clip of four frames, in a folder and under a name in Latin-1."""
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xe9t\xe9"))
    folder.mkdir()
    plain = tmp_path / "plain.mp4"
    make_clip(plain, frames=4)
    return plain.rename(folder / os.fsdecode(b"caf\xe9.mp4"))


def test_input_is_read_as_under_another_name(latin: Path, tmp_path: Path) -> None:
    os.link(latin, tmp_path / "plain.mp4")
    with open_reader(latin) as reader, open_reader(tmp_path / "plain.mp4") as expected:
        for frame, other in zip(reader, expected, strict=True):
            assert np.array_equal(frame.pixels, other.pixels)


@pytest.mark.skipif(not decord_installed(), reason="decord is not installed")
def test_decord_asked_for_names_the_way_out(latin: Path) -> None:
    with pytest.raises(VideoError, match="name is not UTF-8; read it with --reader pyav"):
        open_reader(latin, reader="decord")


@pytest.mark.parametrize(("format", "suffix"), [("overlay", ".mp4"), ("png", ""), ("rle", ".json")])
def test_output_is_written(latin: Path, format: str, suffix: str) -> None:
    output = latin.with_name(os.fsdecode(b"\xe8") + suffix)
    with (
        open_reader(latin) as reader,
        open_writer(output, OutputFormat(format), reader.info, ["dog"], WriterOptions()) as writer,
    ):
        for frame in reader:
            writer.write(frame, np.zeros((1, 48, 64), np.bool_))
    assert output.exists()
    if format == "overlay":
        assert probe(output).frame_count == 4
