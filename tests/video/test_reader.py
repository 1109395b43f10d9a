"""One contract for every reader: the same frames, times and ranges, whichever decoder is behind it."""

import weakref
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest

from refvid.errors import UsageError, VideoError
from refvid.video.decord_reader import decord_installed
from refvid.video.frame import ColourTags, Frame, Pixels, Position
from refvid.video.probe import probe
from refvid.video.pyav_reader import PyAVReader
from refvid.video.reader import ReaderName, choose_reader, open_reader
from refvid.video.timeline import ProbedSource
from tests.clips import frame_pixels, variable_times

Clip = Callable[[str], Path]

BOTH = [
    "h264.mp4",
    "b_frames.mp4",
    "b_frames.mkv",
    "variable.mp4",
    "ntsc.mkv",
    "rotated90.mp4",
    "rotated180.mp4",
    "rotated270.mp4",
    "vp9.webm",
    "vp8.webm",
    "odd444.mp4",
    "sound.mp4",
    "offset.mp4",
    "bt709.mp4",
    "fragments.mp4",
    "mpeg4.avi",
]
# decord 0.6 cannot decode these, or converts them a little differently.
PYAV_ONLY = ["av1.mp4", "hevc10.mp4", "odd.webm", "narrow.mp4", "raw.h264", "animation.gif", "b_frames.ts"]
needs_decord = pytest.mark.skipif(not decord_installed(), reason="decord has no wheel for this machine")
CASES = [(name, "pyav") for name in BOTH + PYAV_ONLY] + [
    pytest.param(name, "decord", marks=needs_decord) for name in BOTH
]


def reference(path: Path) -> list[tuple[Fraction, Pixels]]:
    """All frames the plain way: no seeking, no shared reformatter, one conversion for each frame."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = []
        for index, frame in enumerate(container.decode(stream)):
            pixels = np.rot90(frame.to_ndarray(format="rgb24"), k=(frame.rotation // 90) % 4)
            time = Fraction(index, 25) if frame.pts is None else frame.pts * Fraction(frame.time_base or 0)
            frames.append((time, cast(Pixels, pixels)))
        return frames


def read(path: Path, reader: str, start: Position | None = None, end: Position | None = None) -> list[Frame]:
    with open_reader(path, reader=cast(ReaderName, reader), start=start, end=end) as opened:
        frames = list(opened)
        assert len(frames) == opened.frame_total
        assert opened.damage == []
    return frames


@pytest.mark.parametrize(("name", "reader"), CASES)
def test_every_frame_at_its_time(clip: Clip, name: str, reader: str) -> None:
    expected = reference(clip(name))
    frames = read(clip(name), reader)
    assert [frame.index for frame in frames] == list(range(len(expected)))
    assert [frame.time for frame in frames] == [time for time, _ in expected]
    for frame, (_, pixels) in zip(frames, expected, strict=True):
        np.testing.assert_array_equal(frame.pixels, pixels)
    info = probe(clip(name))
    assert frames[0].pixels.shape == (info.height, info.width, 3)
    assert sum(frame.duration for frame in frames) == info.duration
    for frame, following in pairwise(frames):
        assert frame.time + frame.duration == following.time


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (Position(frame=0), Position(frame=1)),
        (Position(frame=7), Position(frame=12)),
        (Position(frame=10), None),
        (Position(frame=29), Position(frame=30)),
        (Position(seconds=Fraction(1, 2)), Position(seconds=Fraction(1))),
        (None, Position(seconds=Fraction(1, 5))),
    ],
)
@pytest.mark.parametrize(("name", "reader"), CASES)
def test_a_range_is_a_part_of_the_whole(
    clip: Clip, name: str, reader: str, start: Position | None, end: Position | None
) -> None:
    whole, part = read(clip(name), reader), read(clip(name), reader, start, end)

    def inside(frame: Frame) -> bool:
        seconds = frame.time - whole[0].time
        late = start is not None and (
            frame.index < start.frame if start.frame is not None else seconds < cast(Fraction, start.seconds)
        )
        over = end is not None and (
            frame.index >= end.frame if end.frame is not None else seconds >= cast(Fraction, end.seconds)
        )
        return not late and not over

    expected = [frame for frame in whole if inside(frame)]
    assert [(frame.index, frame.time, frame.duration) for frame in part] == [
        (frame.index, frame.time, frame.duration) for frame in expected
    ]
    for frame, same in zip(part, expected, strict=True):
        np.testing.assert_array_equal(frame.pixels, same.pixels)


@pytest.mark.parametrize("reader", ["pyav", pytest.param("decord", marks=needs_decord), "auto"])
def test_the_pictures_are_those_that_were_encoded(clip: Clip, reader: str) -> None:
    for frame in read(clip("bt709.mp4"), reader):
        error = np.abs(frame.pixels.astype(int) - frame_pixels(frame.index))
        assert np.median(error) <= 3


def test_variable_times_are_exact(clip: Clip) -> None:
    assert [frame.time for frame in read(clip("variable.mp4"), "pyav")] == variable_times(30)


@pytest.mark.parametrize("reader", ["pyav", pytest.param("decord", marks=needs_decord)])
def test_a_reader_can_be_read_again_and_left_early(clip: Clip, reader: str) -> None:
    with open_reader(clip("h264.mp4"), reader=cast(ReaderName, reader)) as opened:
        iterator = iter(opened)
        first = [next(iterator).index for _ in range(3)]
        again = [frame.index for frame in opened]
    assert first == [0, 1, 2]
    assert again == list(range(30))


def test_a_late_start_does_not_decode_from_the_beginning(clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = open_reader(clip("b_frames.mp4"), reader="pyav", start=Position(frame=40))
    assert isinstance(reader, PyAVReader)
    decoded: list[int] = []
    find = ProbedSource.find

    def counting(source: ProbedSource, pts: int | None, after: int) -> int | None:
        decoded.append(after)
        return find(source, pts, after)

    monkeypatch.setattr(ProbedSource, "find", counting)
    with reader:
        assert [frame.index for frame in reader] == list(range(40, 45))
    assert len(decoded) <= 16  # one group of pictures and what it holds back, of 45 frames


@pytest.mark.parametrize("reader", ["auto", "pyav"])
def test_a_cut_off_file_yields_its_good_frames_and_names_the_first_missing(cut_off: Path, reader: ReaderName) -> None:
    good = reference(cut_off.with_name("whole.mp4"))
    frames: list[Frame] = []
    with open_reader(cut_off, reader=reader) as opened, pytest.raises(VideoError) as caught:
        frames.extend(opened)
    assert 30 <= len(frames) < 40
    for frame, (time, pixels) in zip(frames, good, strict=False):
        assert frame.time == time
        np.testing.assert_array_equal(frame.pixels, pixels)
    seconds = len(frames) / 25
    assert f"breaks off: frame {len(frames)} ({seconds:.3f} s) of 60 cannot be decoded" in str(caught.value)


def test_a_cut_off_file_is_fine_in_a_range_before_the_break(cut_off: Path) -> None:
    assert len(read(cut_off, "auto", Position(frame=5), Position(frame=20))) == 15


def test_a_cut_off_matroska_file(clip: Clip, tmp_path: Path) -> None:
    content = clip("whole.mkv").read_bytes()
    path = tmp_path / "cut_off.mkv"
    path.write_bytes(content[: len(content) * 6 // 10])
    frames: list[Frame] = []
    with open_reader(path) as opened, pytest.raises(VideoError, match=r"breaks off: frame \d+ .* of 60"):
        frames.extend(opened)
    assert 30 <= len(frames) < 40


@pytest.mark.parametrize("reader", ["auto", "pyav", pytest.param("decord", marks=needs_decord)])
def test_bytes_broken_in_the_middle_name_the_frame(noisy: Path, reader: ReaderName) -> None:
    good = reference(noisy.with_name("whole.mp4"))
    frames: list[Frame] = []
    with open_reader(noisy, reader=reader) as opened, pytest.raises(VideoError) as caught:
        frames.extend(opened)
    assert 20 <= len(frames) < 40
    assert f"frame {len(frames)} ({len(frames) / 25:.3f} s)" in str(caught.value)
    for frame, (_, pixels) in zip(frames, good, strict=False):
        np.testing.assert_array_equal(frame.pixels, pixels)


@needs_decord
@pytest.mark.parametrize("name", ["av1.mp4", "narrow.mp4", "animation.gif"])
def test_what_decord_cannot_read_names_the_way_out(clip: Clip, name: str) -> None:
    with pytest.raises(VideoError, match="--reader pyav"), open_reader(clip(name), reader="decord") as opened:
        list(opened)


@pytest.mark.parametrize("name", BOTH + PYAV_ONLY)
def test_auto_yields_what_pyav_yields(clip: Clip, name: str) -> None:
    for ours, theirs in zip(read(clip(name), "auto"), read(clip(name), "pyav"), strict=True):
        assert (ours.index, ours.time) == (theirs.index, theirs.time)
        np.testing.assert_array_equal(ours.pixels, theirs.pixels)


@needs_decord
def test_auto_takes_decord_only_where_it_costs_nothing(clip: Clip) -> None:
    info = probe(clip("h264.mp4"))
    assert choose_reader(info) == "decord"
    assert choose_reader(probe(clip("variable.mp4"))) == "decord"
    for name in ("offset.mp4", "variable_sound.mp4", "av1.mp4", "hevc10.mp4", "odd.webm"):
        assert choose_reader(probe(clip(name))) == "pyav"
    large = replace(info, width=1920, height=1080, colour=ColourTags(matrix=1))
    assert choose_reader(replace(large, frame_count=80)) == "decord"
    assert choose_reader(replace(large, frame_count=100)) == "pyav"
    # decord takes untagged footage for BT.601, players take HD for BT.709.
    assert choose_reader(replace(large, frame_count=80, colour=ColourTags())) == "pyav"
    # A slow consumer lets decord decode far ahead: a long video must not need more memory than a short one.
    assert choose_reader(replace(info, width=320, height=240, frame_count=1_000_000)) == "pyav"


def test_without_decord_auto_takes_pyav(clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "decord", None)
    with open_reader(clip("h264.mp4")) as opened:
        assert opened.name == "pyav"
        assert len(list(opened)) == 30


@pytest.mark.parametrize("reader", ["pyav", pytest.param("decord", marks=needs_decord)])
def test_nothing_is_written_to_stderr(
    clip: Clip, noisy: Path, reader: ReaderName, capfd: pytest.CaptureFixture[str]
) -> None:
    with open_reader(noisy, reader=reader) as opened, pytest.raises(VideoError):
        list(opened)
    with open_reader(clip("h264.mp4"), reader=reader) as opened:
        list(opened)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("reader", ["pyav", pytest.param("decord", marks=needs_decord)])
def test_frames_are_not_kept(clip: Clip, reader: ReaderName) -> None:
    with open_reader(clip("whole.mp4"), reader=reader) as opened:
        seen = []
        for frame in opened:
            seen.append(weakref.ref(frame.pixels))
            assert sum(reference() is not None for reference in seen) <= 2


def test_an_empty_range(clip: Clip) -> None:
    with pytest.raises(UsageError, match="the range is empty"):
        open_reader(clip("h264.mp4"), start=Position(frame=30))
