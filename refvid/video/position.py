"""Positions in a video as a user types them (`2.5`, `00:00:02.500`, `75f`), and the range of frames between them."""

import re
from bisect import bisect_left
from collections.abc import Sequence
from fractions import Fraction
from math import ceil, isfinite

from refvid.errors import UsageError
from refvid.video.frame import Position

_FRAME = re.compile(r"(\d+)f", re.ASCII | re.IGNORECASE)
_SECONDS = re.compile(r"\d+(?:\.\d*)?|\.\d+", re.ASCII)
_TIMECODE = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:\.\d*)?)", re.ASCII)


def parse_position(text: str) -> Position:
    """Return the position that seconds (`2.5`), a timecode (`00:00:02.500`, `01:30`) or a frame number (`75f`) name.

    Raises:
        UsageError: The text is none of these.
    """
    text = text.strip()
    if match := _FRAME.fullmatch(text):
        return Position(frame=int(match[1]))
    if _SECONDS.fullmatch(text):
        return Position(seconds=_decimal(text))
    if match := _TIMECODE.fullmatch(text):
        hours, minutes, seconds = int(match[1] or 0), int(match[2]), _decimal(match[3])
        if seconds < 60 and (minutes < 60 or match[1] is None):
            return Position(seconds=hours * 3600 + minutes * 60 + seconds)
    raise UsageError(
        f"cannot read {text!r} as a position in a video: give seconds (2.5), a timecode (00:00:02.500) "
        "or a frame number (75f)"
    )


def to_position(value: Position | str | float | None) -> Position | None:
    """Return a position given as such, as text for `parse_position`, as seconds, or None for none.

    Raises:
        UsageError: It is none of these, or the seconds are negative or not finite.
    """
    if value is None or isinstance(value, Position):
        return value
    if isinstance(value, str):
        return parse_position(value)
    if isinstance(value, int | float | Fraction) and not isinstance(value, bool) and isfinite(value) and value >= 0:
        return Position(seconds=Fraction(str(value)) if isinstance(value, float) else Fraction(value))
    raise UsageError(
        f"{value!r} is no position in a video: give seconds (2.5), or as text a timecode ('00:00:02.500') or a frame "
        "number ('75f')"
    )


def frame_range(
    pts: Sequence[int], time_base: Fraction, start: Position | None, end: Position | None
) -> tuple[int, int]:
    """Return the frame indices `first <= index < stop` between two positions.

    Args:
        pts: Presentation times of all frames in units of `time_base`, ascending.
        time_base: Seconds per unit.
        start: First position in the range; None for the beginning.
        end: First position after the range; None for the end.

    Raises:
        UsageError: The range contains no frame.
    """
    first = 0 if start is None else _index(pts, time_base, start)
    stop = len(pts) if end is None else _index(pts, time_base, end)
    if first >= len(pts):
        last = float((pts[-1] - pts[0]) * time_base)
        raise UsageError(
            f"the range is empty: it starts at {_spoken(start)}, but the last frame is number {len(pts) - 1} "
            f"at {last:.3f} s"
        )
    if first >= stop:
        raise UsageError(
            f"the range is empty: no frame lies between its start ({_spoken(start)}) and its end ({_spoken(end)})"
        )
    return first, stop


def _index(pts: Sequence[int], time_base: Fraction, place: Position) -> int:
    """Return the index of the first frame at or after `place`; `len(pts)` if there is none."""
    if place.frame is not None:
        return min(place.frame, len(pts))
    assert place.seconds is not None
    return bisect_left(pts, pts[0] + ceil(place.seconds / time_base))


def _spoken(place: Position | None) -> str:
    if place is None:
        return "the beginning"
    return f"frame {place.frame}" if place.seconds is None else f"{float(place.seconds):.3f} s"


def _decimal(text: str) -> Fraction:
    return Fraction(f"0{text}" if text.startswith(".") else text.removesuffix("."))
