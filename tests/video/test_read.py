"""A video as arrays, for callers from Python."""

from pathlib import Path

import numpy as np
import pytest

from refvid.errors import UsageError, VideoError
from refvid.video.position import parse_position
from refvid.video.read import read_video, stream_video
from refvid.video.reader import open_reader
from tests.clips import make_clip


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", frames=8, size=(32, 24))


def test_frames_are_the_readers(clip: Path) -> None:
    with open_reader(clip, start=parse_position("2f"), end=parse_position("6f")) as reader:
        expected = np.stack([frame.pixels for frame in reader])
    found = read_video(str(clip), start="2f", end="6f")
    assert (found.shape, found.dtype) == ((4, 24, 32, 3), np.dtype(np.uint8))
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(list(stream_video(clip, start="2f", end="6f")), expected)
    assert len(read_video(clip, end=0.1)) == 3
    assert len(read_video(clip)) == 8


def test_errors_are_sentences(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read '2x' as a position"):
        read_video(clip, end="2x")
    with pytest.raises(UsageError, match="the range is empty"):
        read_video(clip, start="9f")
    with pytest.raises(VideoError):
        read_video(tmp_path / "gone.mp4")
