"""Writing plain clips, and reading some of their frames in any order."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from refvid.errors import VideoError
from refvid.video.plain_clip import write_clip
from refvid.video.probe import probe
from refvid.video.random_access import count_frames, read_frames
from refvid.video.reader import ReaderName, open_reader
from tests.clips import frame_pixels, make_clip

SIZE = (80, 48)
FRAMES = np.stack([frame_pixels(index, SIZE) for index in range(30)])


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "-made.mp4"
    write_clip(path, FRAMES, 30000 / 1001)
    return path


def test_plain_clip_is_h264_with_every_frame(written: Path) -> None:
    info = probe(written)
    assert (info.codec, info.width, info.height, info.frame_count) == ("h264", *SIZE, 30)
    assert (info.frame_rate.numerator, info.frame_rate.denominator) == (30000, 1001)
    assert info.start_time == 0
    names: tuple[ReaderName, ...] = ("decord", "pyav")
    for name in names:
        with open_reader(written, reader=name) as reader:
            pixels = np.stack([frame.pixels for frame in reader])
        assert np.abs(pixels.astype(int) - FRAMES).mean() < 3
        assert np.abs((pixels.astype(int) - FRAMES).mean(axis=(0, 1, 2))).max() < 2  # no cast: the matrix is right


def test_plain_clip_of_the_same_frames_has_the_same_bytes(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 60, (12, 72, 136, 3), np.uint8)
    frames = np.stack([frame_pixels(index, (136, 72)) for index in range(12)]) // 2 + noise
    for number in range(4):
        write_clip(tmp_path / f"{number}.mp4", frames, 25)
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


@pytest.mark.parametrize("size", [(65, 49), (64, 49)])
def test_plain_clip_of_odd_size(size: tuple[int, int], tmp_path: Path) -> None:
    frames = np.stack([frame_pixels(index, size) for index in range(3)])
    write_clip(tmp_path / "odd.mp4", frames, 25)
    pixels, present = read_frames(tmp_path / "odd.mp4", [0, 1, 2])
    assert present.all()
    assert np.abs(pixels.astype(int) - frames).mean() < 4


def test_plain_clip_refuses_what_is_no_clip(tmp_path: Path) -> None:
    wrongs: list[Any] = [FRAMES[:0], FRAMES[0], FRAMES.astype(np.float32)]
    for wrong in wrongs:
        with pytest.raises(ValueError, match=r"uint8 \[T, H, W, 3\]"):
            write_clip(tmp_path / "wrong.mp4", wrong, 25)
    with pytest.raises(VideoError, match="cannot write"):
        write_clip(tmp_path / "nowhere" / "clip.mp4", FRAMES, 25)


@pytest.mark.parametrize("options", [{"preset": "medium"}, {"preset": "ultrafast"}])
def test_frames_in_any_order(options: dict[str, str], tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", size=SIZE, keyframe_every=7, options=options)
    wanted = [17, 3, 3, 22, -4, 35]
    pixels, present = read_frames(path, wanted)
    assert present.tolist() == [True, True, True, True, False, False]
    for taken, index in zip(pixels, [17, 3, 3, 22, 3, 22], strict=True):
        errors = np.abs(FRAMES.astype(int) - taken).mean(axis=(1, 2, 3))
        assert np.argmin(errors) == index
    assert count_frames(path) == 30


def test_a_file_that_is_written_anew_is_read_anew(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", frames=5, size=SIZE)
    assert count_frames(path) == 5
    make_clip(path, frames=9, size=SIZE)
    assert count_frames(path) == 9
    assert read_frames(path, [8])[1].all()


def test_frames_that_cannot_be_had(cut_off: Path, tmp_path: Path) -> None:
    pixels, present = read_frames(cut_off, [0, 59])
    assert present.tolist() == [True, False]
    assert pixels.shape[0] == 2
    with pytest.raises(VideoError, match="no such file"):
        read_frames(tmp_path / "nowhere.mp4", [0])
    path = make_clip(tmp_path / "clip.mp4", frames=5, size=SIZE)
    with pytest.raises(VideoError, match="has only 5 frames, so frame 7"):
        read_frames(path, [7, 8])
