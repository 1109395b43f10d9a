"""Positions in a video and the frames they select."""

from fractions import Fraction

import pytest

from refvid.errors import UsageError
from refvid.video.frame import Position
from refvid.video.position import frame_range, parse_position


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2.5", Fraction(5, 2)),
        ("0", Fraction(0)),
        (".25", Fraction(1, 4)),
        ("3.", Fraction(3)),
        (" 7 ", Fraction(7)),
        ("00:00:02.500", Fraction(5, 2)),
        ("01:02:03", Fraction(3723)),
        ("01:30", Fraction(90)),
        ("75:00", Fraction(4500)),
        ("0.1", Fraction(1, 10)),
    ],
)
def test_seconds_and_timecodes_are_exact(text: str, seconds: Fraction) -> None:
    assert parse_position(text) == Position(seconds=seconds)


@pytest.mark.parametrize("text", ["75f", "75F"])
def test_frame_numbers(text: str) -> None:
    assert parse_position(text) == Position(frame=75)


@pytest.mark.parametrize(
    "text", ["", "f", "-1", "-5f", "1.5f", "abc", "1e3", "00:61:00", "00:00:60", "1:2:3:4", "nan", "²"]
)
def test_nonsense_is_a_usage_error_that_shows_what_would_do(text: str) -> None:
    with pytest.raises(UsageError, match=r"00:00:02\.500"):
        parse_position(text)


PTS = [100, 140, 180, 300, 320]  # milliseconds, variable
MS = Fraction(1, 1000)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (None, None, (0, 5)),
        (Position(frame=1), Position(frame=3), (1, 3)),
        (Position(frame=4), None, (4, 5)),
        (None, Position(frame=99), (0, 5)),
        (Position(seconds=Fraction(0)), Position(seconds=Fraction(1, 25)), (0, 1)),
        (Position(seconds=Fraction(1, 25)), None, (1, 5)),
        (Position(seconds=Fraction(41, 1000)), None, (2, 5)),
        (Position(seconds=Fraction(1, 10)), Position(seconds=Fraction(22, 100)), (3, 4)),
        (None, Position(seconds=Fraction(1, 10_000)), (0, 1)),
    ],
)
def test_a_frame_is_in_the_range_when_it_starts_in_it(
    start: Position | None, end: Position | None, expected: tuple[int, int]
) -> None:
    assert frame_range(PTS, MS, start, end) == expected


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        (Position(frame=5), None, "last frame is number 4 at 0.220 s"),
        (Position(seconds=Fraction(9)), None, "starts at 9.000 s"),
        (Position(frame=3), Position(frame=3), "no frame lies between"),
        (Position(frame=3), Position(frame=1), "no frame lies between"),
        (None, Position(seconds=Fraction(0)), "the beginning"),
        (Position(seconds=Fraction(50, 1000)), Position(seconds=Fraction(60, 1000)), "no frame lies between"),
    ],
)
def test_an_empty_range_is_a_usage_error(start: Position | None, end: Position | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        frame_range(PTS, MS, start, end)
