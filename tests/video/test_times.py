"""Times as the decoder gives them: every frame of a plain decode comes out once, in that order, at sensible times."""

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest

from refvid.video.frame import Pixels, Position
from refvid.video.probe import probe
from refvid.video.reader import open_reader
from tests.clips import make_clip
from tests.video.seek_cases import CASES, write_case
from tests.video.time_cases import joined, make_part, retimed, without_packets, without_times

GAP = Fraction(1, 25)


def plain_decode(path: Path, size: tuple[int, int] = (64, 48)) -> list[Pixels]:
    with av.open(str(path)) as container:
        frames = container.decode(container.streams.video[0])
        return [cast(Pixels, frame.reformat(*size, "rgb24").to_ndarray()) for frame in frames]


def read_checked(path: Path, expected: list[Pixels], starts: range | None = None) -> tuple[list[Fraction], list[str]]:
    """Read a file, check its frames, and read pairs of frames from some starts; return its times and messages."""
    with open_reader(path) as reader:
        frames = list(reader)
        damage = reader.damage
    assert len(frames) == len(expected)
    for frame, pixels in zip(frames, expected, strict=True):
        np.testing.assert_array_equal(frame.pixels, pixels)
    assert all(before.time + before.duration == after.time for before, after in pairwise(frames))
    assert all(frame.duration > 0 for frame in frames)
    assert not any("cannot be decoded" in line for line in damage)
    for start in starts if starts is not None else range(0, len(frames), 5):
        with open_reader(path, start=Position(frame=start), end=Position(frame=start + 2)) as part:
            for frame, same in zip(part, frames[start : start + 2], strict=True):
                assert (frame.index, frame.time) == (same.index, same.time)
                np.testing.assert_array_equal(frame.pixels, same.pixels)
    return [frame.time for frame in frames], damage


def even(times: list[Fraction]) -> bool:
    return all(abs(after - before - GAP) < Fraction(1, 500) for before, after in pairwise(times))


@pytest.mark.parametrize("suffix", ["ts", "mkv", "vob", "h264"])
@pytest.mark.parametrize("order", [(0, 1), (0, 1, 0)])
def test_joined_recordings(tmp_path: Path, suffix: str, order: tuple[int, ...]) -> None:
    parts = [make_part(tmp_path / f"{index}.{suffix}", frames=12 + 8 * index) for index in range(2)]
    path = joined([parts[index] for index in order], tmp_path / f"joined.{suffix}")
    expected = [pixels for index in order for pixels in plain_decode(parts[index])]
    if suffix == "mkv":
        expected = plain_decode(path)  # FFmpeg reads no more than two
    times, damage = read_checked(path, expected)
    assert even(times)
    assert probe(path).frame_rate == 25
    if suffix == "h264":  # it has no clock that could start anew
        assert damage == []
    else:
        assert len(damage) == 1
        assert "the clock starts anew at frame 12 (0.480 s)" in damage[0]
        assert len(probe(path).joins) == (1 if suffix == "mkv" else len(order) - 1)


@pytest.mark.parametrize("starts", [(0, 3600), (3600, 0), (0, Fraction(1, 2)), (95_000, 0), (20, 40)])
def test_joined_recordings_with_other_clocks(tmp_path: Path, starts: tuple[Fraction | int, ...]) -> None:
    parts = [make_part(tmp_path / f"{index}.ts", start=start) for index, start in enumerate(starts)]
    path = joined(parts, tmp_path / "joined.ts")
    times, damage = read_checked(path, [pixels for part in parts for pixels in plain_decode(part)])
    assert even(times)
    assert len(damage) == 1


def test_a_pause_is_kept(tmp_path: Path) -> None:
    parts = [make_part(tmp_path / f"{start}.ts", start=start) for start in (0, 5)]
    path = joined(parts, tmp_path / "joined.ts")
    times, damage = read_checked(path, plain_decode(path))
    assert 4 < times[12] - times[11] < 5
    assert damage == []


def test_joined_recordings_of_other_sizes(tmp_path: Path) -> None:
    parts = [make_part(tmp_path / "0.ts"), make_part(tmp_path / "1.ts", size=(128, 96))]
    path = joined(parts, tmp_path / "joined.ts")
    times, _ = read_checked(path, plain_decode(path))
    assert len(times) == 24
    assert even(times)


def test_the_first_recording_is_cut_off_and_the_second_begins_between_key_frames(tmp_path: Path) -> None:
    content = make_part(tmp_path / "whole.ts", frames=20).read_bytes()
    (tmp_path / "first.ts").write_bytes(content[:-777])
    (tmp_path / "second.ts").write_bytes(content[188 * 9 :])
    path = joined([tmp_path / "first.ts", tmp_path / "second.ts"], tmp_path / "joined.ts")
    times, damage = read_checked(path, plain_decode(path))
    assert len(times) > 30
    assert any("the clock starts anew" in line for line in damage)


BROKEN: dict[str, tuple[Callable[[int], int], str]] = {
    "negative": (lambda index: 40 * index - 200, ""),
    "starting anew": (lambda index: 40 * (index % 6), "the clock starts anew at frame 6 (0.240 s)"),
    "repeated": (lambda index: 80 * (index // 2), "6 repeated"),
    "one for all": (lambda index: 0, "11 repeated"),
    "one astray behind": (lambda index: 120 if index == 6 else 40 * index, "1 out of order"),
    "one astray ahead": (lambda index: 100_000 if index == 6 else 40 * index, "1 out of order"),
    "two days later": (lambda index: 40 * index + 2 * 86_400_000 * (index > 5), "the clock starts anew at frame 6"),
    "the last repeated": (lambda index: 40 * min(index, 10), "1 repeated"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_times(tmp_path: Path, name: str) -> None:
    times_of, message = BROKEN[name]
    source = make_part(tmp_path / "plain.flv", b_frames=False)
    path = retimed(source, tmp_path / "broken.flv", times_of)
    times, damage = read_checked(path, plain_decode(source))
    assert len(damage) == bool(message)
    assert all(message in line for line in damage)
    assert even(times[:-1])


def test_a_hole_is_kept(tmp_path: Path) -> None:
    source = make_part(tmp_path / "plain.flv", b_frames=False)
    path = retimed(source, tmp_path / "hole.flv", lambda index: 40 * index + 5000 * (index > 5))
    times, damage = read_checked(path, plain_decode(source))
    assert times[6] - times[5] == 5 + GAP
    assert damage == []


def test_a_time_that_no_reordering_explains(tmp_path: Path) -> None:
    source = make_part(tmp_path / "plain.flv", frames=24, b_frames=False)
    path = retimed(source, tmp_path / "late.flv", lambda index: 40 * index, lambda index: 100 * (index == 18))
    times, damage = read_checked(path, plain_decode(source), range(14, 24))
    assert even(times[:18])
    assert len(damage) == 1


def test_a_wrong_time_that_looks_like_a_reordered_frame(tmp_path: Path) -> None:
    """FFmpeg lets the decoder of an MP4 with composition offsets reorder frames, although none has to be."""
    source, path = make_part(tmp_path / "plain.mp4", frames=24, b_frames=False), tmp_path / "late.mp4"
    with av.open(str(source)) as container, av.open(str(path), "w") as output:
        stream = container.streams.video[0]
        copied = output.add_stream_from_template(stream)
        for index, packet in enumerate(container.demux(stream)):
            if packet.size and packet.pts is not None:
                packet.pts += 1280 * (index == 16)
                packet.stream = copied
                output.mux(packet)
    times, damage = read_checked(path, plain_decode(source), range(24))
    assert even(times[:16])
    assert len(damage) == 1


@pytest.mark.parametrize(
    "keep", [lambda index: index == 0, lambda index: index % 3 == 0, lambda index: index > 2, lambda index: index < 15]
)
def test_missing_times(tmp_path: Path, keep: Callable[[int], bool]) -> None:
    source = make_part(tmp_path / "plain.ts", frames=20)
    path = without_times(source, tmp_path / "missing.ts", keep)
    times, damage = read_checked(path, plain_decode(source))
    assert even(times)
    assert len(damage) == 1
    assert "missing" in damage[0]


def test_lost_packets_leave_a_hole(tmp_path: Path) -> None:
    source = make_part(tmp_path / "plain.ts", frames=60)
    path = without_packets(source, tmp_path / "lost.ts", (0.4, 0.6))
    times, _ = read_checked(path, plain_decode(path))
    assert times[-1] - times[0] == 59 * GAP
    assert 40 < len(times) < 55


@pytest.mark.parametrize("name", ["H.264, B frames, avi", "MPEG-4, B frames, avi", "H.264, B frames, program stream"])
def test_containers_without_presentation_times(tmp_path: Path, name: str) -> None:
    path = write_case(CASES[name], tmp_path / "clip")
    times, damage = read_checked(path, plain_decode(path))
    assert even(times)
    assert len(damage) <= 1


@pytest.mark.parametrize(
    "name",
    ["H.264, edit list that repeats, mp4", "H.264, edit list backwards, mp4", "H.264, edit list of two parts, mp4"],
)
def test_edit_lists(tmp_path: Path, name: str) -> None:
    path = write_case(CASES[name], tmp_path / "clip")
    times, damage = read_checked(path, plain_decode(path), range(18))
    assert len(times) == 18
    assert even(times)
    assert damage == []


def test_a_last_frame_shown_for_long_is_no_damage(tmp_path: Path) -> None:
    """The header of a Matroska file promises seconds, which are no frames."""
    path = make_clip(tmp_path / "long.mkv", frames=12, container_options={"reserve_index_space": "0"})
    content = path.read_bytes()
    at = content.index(b"00:00:00.480000000")
    path.write_bytes(content[:at] + b"00:00:09.480000000" + content[at + 18 :])
    times, damage = read_checked(path, plain_decode(path))
    assert len(times) == 12
    assert damage == []
