"""Repair the times of decoded frames: fill in, sort and spread them, and join clocks that start anew."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import lcm
from statistics import median

Moment = Fraction | None  # in units of the stream's time base

_LOOK_AHEAD = 4  # frames within which a clock that went astray is back
_ASTRAY = Fraction(3, 2)  # gaps; a longer step is no step to the next frame
_FINEST = 1000  # greatest factor by which the time base is refined for times between two units


@dataclass(frozen=True)
class Clock:
    """Times that only grow.

    Attributes:
        times: Time of each frame, in units of the stream's time base.
        joins: For each place where the clock starts anew: the index of the first frame after it, and the units added
            to the times from there on.
        missing: Number of times that were filled in.
        disordered: Number of times that belonged to another frame or to none.
        repeated: Number of times that another frame had already.
    """

    times: list[Fraction]
    joins: tuple[tuple[int, Fraction], ...] = ()
    missing: int = 0
    disordered: int = 0
    repeated: int = 0

    def refinement(self) -> int:
        """Return the number by which to divide the unit, so that every time is a whole number of units."""
        return min(lcm(*{time.denominator for time in self.times}), _FINEST)


def repair_clock(
    moments: Sequence[int | None], gap: Fraction, longest_pause: Fraction, *, goes_back: bool = True
) -> Clock:
    """Return times that only grow for frames in the order in which they are shown.

    Args:
        moments: Time of each frame as the decoder gives it, None where it gives none; at least one frame.
        gap: Units between two frames, where the times do not tell it; more than 0.
        longest_pause: Units above which a step forward is no pause but another clock.
        goes_back: Whether the clock may go back. Where decoding times only grow, it does not, and presentation times
            that go back belong to other frames: AVI has none, and FFmpeg then makes them up in the order of decoding.
    """
    times: list[Moment] = [None if moment is None else Fraction(moment) for moment in moments]
    missing = times.count(None) if any(time is not None for time in times) else 0
    disordered = 0 if goes_back else _sort(times)
    gap = _typical_gap(times) or gap
    joins, astray = _join(times, gap, longest_pause)
    repeated = _forget_repeated(times)
    return Clock(_filled(times, gap), tuple(joins), missing, disordered + astray, repeated)


def _typical_gap(times: Sequence[Moment]) -> Fraction | None:
    """Return the median of the steps forward, each divided by the number of frames that it spans."""
    known = [(index, time) for index, time in enumerate(times) if time is not None]
    steps = [(after - before) / (end - begin) for (begin, before), (end, after) in pairwise(known) if after > before]
    return Fraction(median(steps)) if steps else None


def _mean_gap(times: Sequence[Moment]) -> Fraction | None:
    """Return the mean step if the times were in order; None if it is not more than 0."""
    known = [time for time in times if time is not None]
    return (max(known) - min(known)) / (len(known) - 1) or None if len(known) > 1 else None


def _sort(times: list[Moment]) -> int:
    """Sort the known times; return how many moved."""
    places = [index for index, time in enumerate(times) if time is not None]
    ordered = sorted(time for time in times if time is not None)
    moved = sum(times[index] != time for index, time in zip(places, ordered, strict=True))
    for index, time in zip(places, ordered, strict=True):
        times[index] = time
    # FFmpeg gives the last frame of an AVI that has B frames one unit after the one before, however short a unit is.
    if moved and ordered[-1] - ordered[-2] < (_typical_gap(ordered) or 0) / 4:
        times[places[-1]] = None
    return moved


def _join(times: list[Moment], gap: Fraction, longest_pause: Fraction) -> tuple[list[tuple[int, Fraction]], int]:
    """Shift every clock that starts anew to the end of the one before, and forget times that go astray.

    Returns:
        Where clocks start anew and by how much they were shifted; how many times were forgotten.
    """
    joins: list[tuple[int, Fraction]] = []
    leap = _ASTRAY * min(gap, _mean_gap(times) or gap)
    offset = Fraction(0)
    kept: list[int] = []  # indices of the known frames so far, whose times grow or repeat
    astray = 0
    for index, raw in enumerate(times):
        if raw is None:
            continue
        time = raw + offset
        newest = _known(times, kept[-1]) if kept else time
        if time < newest and _went_ahead(times, kept, time, gap):
            times[kept.pop()] = None
            astray += 1
        elif time < newest and _comes_back(times, index, offset, newest, leap):
            times[index] = None
            astray += 1
            continue
        elif time < newest or time - newest > longest_pause:
            if time > newest and _goes_astray(times, index, offset, newest, longest_pause):
                times[index] = None
                astray += 1
                continue
            time = newest + gap * (index - kept[-1])
            offset = time - raw
            joins.append((index, offset))
        times[index] = time
        kept.append(index)
    return joins, astray


def _known(times: Sequence[Moment], index: int) -> Fraction:
    time = times[index]
    assert time is not None
    return time


def _went_ahead(times: Sequence[Moment], kept: Sequence[int], time: Fraction, gap: Fraction) -> bool:
    """Return whether it was the frame before that went astray, because `time` fits the frames before that one."""
    if len(kept) < 2:
        return False
    before, newest = _known(times, kept[-2]), _known(times, kept[-1])
    return newest - before > 2 * gap * (kept[-1] - kept[-2]) and before < time


def _following(times: Sequence[Moment], index: int, offset: Fraction) -> list[Fraction]:
    following = times[index + 1 : index + 1 + _LOOK_AHEAD]
    return [time + offset for time in following if time is not None]


def _comes_back(times: Sequence[Moment], index: int, offset: Fraction, newest: Fraction, leap: Fraction) -> bool:
    """Return whether a frame that goes back went astray alone: the clock returns with a leap, and does not walk on."""
    last = _known(times, index) + offset
    for time in _following(times, index, offset):
        if time > newest:
            return time - last > leap
        last = time
    return False


def _goes_astray(
    times: Sequence[Moment], index: int, offset: Fraction, newest: Fraction, longest_pause: Fraction
) -> bool:
    """Return whether a frame far ahead went astray alone: the clock returns to where it was before."""
    return any(newest < time <= newest + longest_pause for time in _following(times, index, offset))


def _forget_repeated(times: list[Moment]) -> int:
    """Forget every time that the frame before has too; return how many."""
    repeated = 0
    before: Moment = None
    for index, time in enumerate(times):
        if time is not None and time == before:
            times[index] = None
            repeated += 1
        before = time if time is not None else before
    return repeated


def _filled(times: Sequence[Moment], gap: Fraction) -> list[Fraction]:
    """Return the times with every unknown one counted out from its neighbours."""
    known = [index for index, time in enumerate(times) if time is not None]
    if not known:
        return [gap * index for index in range(len(times))]
    first, last = known[0], known[-1]
    result = [Fraction(time or 0) for time in times]
    for index in range(first):
        result[index] = result[first] - gap * (first - index)
    for begin, end in pairwise(known):
        even = (result[end] - result[begin]) / (end - begin)
        step = gap if even > 2 * gap else even  # a pause lies before the next known time, not between all frames
        for index in range(begin + 1, end):
            result[index] = result[begin] + step * (index - begin)
    for index in range(last + 1, len(times)):
        result[index] = result[last] + gap * (index - last)
    return result
