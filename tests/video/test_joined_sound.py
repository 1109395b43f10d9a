"""Sound of joined recordings stays in step with the picture, and none is written twice or out of order."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from refvid.video.frame import ClockJoin, Position
from refvid.video.joined_clock import JoinedClock
from refvid.video.output_format import OutputFormat
from refvid.video.probe import probe
from refvid.video.reader import open_reader
from refvid.video.writer import WriterOptions, open_writer
from tests.video.test_video_writer import copy, sound, times
from tests.video.time_cases import joined, make_part

FRAMES = 25


@pytest.mark.parametrize("later", [0, 3600])
def test_sound_follows_the_picture_over_a_join(tmp_path: Path, later: int) -> None:
    parts = [
        make_part(tmp_path / f"{index}.ts", start=start, frames=FRAMES, audio="mp2")
        for index, start in enumerate((0, later))
    ]
    path = joined(parts, tmp_path / "joined.ts")
    _, frames, notes = copy(path, tmp_path / "out.mkv")
    assert len(frames) == len(times(tmp_path / "out.mkv")) == 2 * FRAMES
    assert len(notes) <= 1
    after = sound(tmp_path / "out.mkv")
    assert all(before[0] < following[0] for before, following in pairwise(after))
    behind = [moment - frames[FRAMES].time for moment, _ in after]
    second = sound(parts[1])
    lead = second[10][0] - probe(parts[1]).start_time
    found = [offset for offset, (_, content) in zip(behind, after, strict=True) if content == second[10][1]]
    assert any(abs(offset - lead) < Fraction(1, 500) for offset in found)
    assert after[-1][0] - after[0][0] > Fraction(2 * FRAMES - 5, 25)


def test_a_range_of_a_joined_recording(tmp_path: Path) -> None:
    parts = [make_part(tmp_path / f"{index}.ts", frames=FRAMES, audio="mp2") for index in range(2)]
    path = joined(parts, tmp_path / "joined.ts")
    output, options = tmp_path / "out.mkv", WriterOptions()
    with open_reader(path, start=Position(frame=FRAMES)) as reader:
        first, last = reader.span
        assert first == reader.info.joins[0].start
        with open_writer(
            output, OutputFormat.OVERLAY, reader.info, ["a dog"], options, first_time=first, last_time=last
        ) as writer:
            for frame in reader:
                writer.write(frame, np.zeros((1, *frame.pixels.shape[:2]), bool))
    moments = [moment for moment, _ in sound(tmp_path / "out.mkv")]
    assert -Fraction(3, 100) < moments[0] < Fraction(1, 10)  # the packet that is heard at the start begins before it
    assert Fraction(8, 10) < moments[-1] < Fraction(11, 10)


def test_packets_behind_the_picture_of_their_part_are_dropped() -> None:
    clock = JoinedClock([ClockJoin(Fraction(2), Fraction(1))])
    length = Fraction(1, 2)
    placed = [clock.place("sound", Fraction(index, 2), length) for index in range(6)]
    assert placed == [0, 0, 0, 0, None, None]  # those at 2 and 2.5 s lie behind the picture
    assert clock.place("sound", Fraction(1), length) == 1
    assert clock.place("sound", Fraction(3, 2), length) == 1


def test_tracks_enter_the_next_part_on_their_own() -> None:
    clock = JoinedClock([ClockJoin(Fraction(1), Fraction(-3599))])
    assert [clock.place("a", Fraction(index, 10), Fraction(1, 10)) for index in range(9)] == [0] * 9
    assert clock.place("a", Fraction(36_001, 10), Fraction(1, 10)) == -3599
    assert clock.place("b", Fraction(0), Fraction(1, 10)) == 0
    assert clock.place("b", Fraction(4, 10), Fraction(1, 10)) == 0  # a pause is no join
