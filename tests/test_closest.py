"""Suggestions for misspelt names: near ones only, the nearest first."""

from functools import cache

import numpy as np
import pytest

from refvid.closest import closest_names, did_you_mean, misspelt, typing_errors

SETS = ("a2d", "jhmdb", "refcoco", "refcoco+", "refcocog", "referit", "davis16", "davis17", "refytvos")
FORMATS = ("overlay", "cutout", "matte", "alpha", "png", "rgba", "rle")


def alignment(one: str, other: str) -> int:
    """The optimal string alignment distance by its recursive definition."""

    @cache
    def least(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        steps = [least(i - 1, j) + 1, least(i, j - 1) + 1, least(i - 1, j - 1) + (one[i - 1] != other[j - 1])]
        if i > 1 and j > 1 and one[i - 1] == other[j - 2] and one[i - 2] == other[j - 1]:
            steps.append(least(i - 2, j - 2) + 1)
        return min(steps)

    return least(len(one), len(other))


def test_typing_errors_are_those_of_the_definition() -> None:
    random = np.random.default_rng(0)
    for _ in range(200):
        one, other = ("".join(random.choice(list("abc"), random.integers(0, 7))) for _ in range(2))
        assert typing_errors(one, other) == alignment(one, other), (one, other)


@pytest.mark.parametrize(
    ("given", "known", "close"),
    [
        ("overlays", FORMATS, ["overlay"]),
        ("cutuot", FORMATS, ["cutout"]),
        ("RLE", FORMATS, ["rle"]),
        ("rel", FORMATS, ["rle"]),
        ("alph", FORMATS, ["alpha"]),
        ("oil", FORMATS, []),
        ("foo", SETS, []),
        ("davis", SETS, ["davis16", "davis17"]),
        ("ref-coco", SETS, ["refcoco", "refcoco+"]),
        ("jhmbd", SETS, ["jhmdb"]),
        ("imagenet", SETS, []),
        ("", SETS, []),
        ("a", SETS, []),
    ],
)
def test_close_names(given: str, known: tuple[str, ...], close: list[str]) -> None:
    assert closest_names(given, known) == close


def test_sentences() -> None:
    assert did_you_mean("foo", SETS) == ""
    assert misspelt("mat", ["matte", "png"]) == "'mat' (did you mean 'matte'?); expected one of matte, png"
