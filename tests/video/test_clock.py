"""Repairing times: each kind of fault alone, with the times one expects written out."""

from fractions import Fraction
from itertools import pairwise

import pytest

from refvid.video.clock import Clock, repair_clock

Moments = list[int | None]
PAUSE = Fraction(10_000)


def repair(moments: Moments, *, goes_back: bool = True) -> Clock:
    return repair_clock(moments, Fraction(40), PAUSE, goes_back=goes_back)


@pytest.mark.parametrize(
    ("moments", "expected"),
    [
        ([0, 40, 80], [0, 40, 80]),
        ([-80, -40, 0], [-80, -40, 0]),
        ([7], [7]),
        ([None, None, None], [0, 40, 80]),
        ([0, 40, 5040, 5080], [0, 40, 5040, 5080]),
        ([None, None, 80, 120], [0, 40, 80, 120]),
        ([0, None, None, 120, None], [0, 40, 80, 120, 160]),
        ([0, 40, None, 5040, 5080, 5120], [0, 40, 80, 5040, 5080, 5120]),
        ([0, 0, 80, 80, 160, 160], [0, 40, 80, 120, 160, 240]),
        ([0, 0, 0, 0], [0, 40, 80, 120]),
        ([0, 40, 80, 80], [0, 40, 80, 120]),
    ],
)
def test_times_that_need_no_other_clock(moments: Moments, expected: list[int]) -> None:
    for goes_back in (False, True):
        clock = repair(moments, goes_back=goes_back)
        assert clock.times == expected
        assert clock.joins == ()


@pytest.mark.parametrize(
    ("moments", "expected", "joins"),
    [
        ([0, 40, 80, 0, 40, 80], [0, 40, 80, 120, 160, 200], [(3, 120)]),
        ([0, 40, 0, 40, 0, 40], [0, 40, 80, 120, 160, 200], [(2, 80), (4, 160)]),
        ([0, 40, 80, 100_000, 100_040], [0, 40, 80, 120, 160], [(3, -99_880)]),
        ([0, 40, 80, 120, 100, 140, 180, 220], [0, 40, 80, 120, 160, 200, 240, 280], [(4, 60)]),
        ([0, 40, 80, 120, None, 0, 40], [0, 40, 80, 120, 160, 200, 240], [(5, 200)]),
        ([80, 40, 0], [80, 120, 160], [(1, 80), (2, 160)]),
    ],
)
def test_clocks_that_start_anew(moments: Moments, expected: list[int], joins: list[tuple[int, int]]) -> None:
    clock = repair(moments)
    assert clock.times == expected
    assert clock.joins == tuple((index, Fraction(offset)) for index, offset in joins)
    assert clock.disordered == 0


@pytest.mark.parametrize(
    ("moments", "astray"),
    [
        ([0, 40, 80, 120, 10, 200, 240, 280], 4),
        ([0, 40, 80, 120, 900, 200, 240, 280], 4),
        ([0, 40, 80, 120, 900_000, 200, 240, 280], 4),
    ],
)
def test_a_single_time_that_goes_astray(moments: Moments, astray: int) -> None:
    clock = repair(moments)
    assert clock.times == [40 * index for index in range(8)]
    assert (clock.disordered, clock.joins) == (1, ())
    assert moments[astray] != clock.times[astray]


def test_times_in_the_order_of_decoding_are_sorted() -> None:
    clock = repair([40, 120, 160, 80, 240, 280, 200], goes_back=False)
    assert clock.times == [40, 80, 120, 160, 200, 240, 280]
    assert (clock.disordered, clock.joins) == (6, ())
    last = repair([40, 120, 160, 80, 240, 280, 200, 281], goes_back=False)
    assert last.times[-1] == 320


def test_coarse_units_are_refined() -> None:
    clock = repair_clock([0, 0, 0, 1, 1, 2], Fraction(1), PAUSE)
    assert clock.times[:4] == [0, Fraction(1, 3), Fraction(2, 3), 1]
    assert clock.refinement() % 3 == 0


def test_whatever_comes_times_only_grow() -> None:
    for seed in range(200):
        state, moments = seed + 1, []
        for _ in range(12):
            state = state * 1103515245 % 2**31 + 12345
            moments.append(None if state % 7 == 0 else state // 64 % 13 * 40)
        for goes_back in (False, True):
            times = repair(moments, goes_back=goes_back).times
            assert len(times) == 12
            assert all(before < after for before, after in pairwise(times)), moments
