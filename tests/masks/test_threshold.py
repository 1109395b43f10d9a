"""Cuts, masks and confidences, counted by hand."""

import math

import numpy as np
import pytest
import torch

from refvid.masks.threshold import (
    logit_cut,
    mean_confidence,
    probability_cut,
    probable_part,
    threshold_maps,
)


def test_a_pixel_at_the_threshold_is_background() -> None:
    values = torch.tensor([[[0.25, 0.5, 0.75]]])
    assert threshold_maps(values, 0.5).tolist() == [[[False, False, True]]]
    of_each = torch.tensor([0.25, 0.5])[:, None, None]
    assert threshold_maps(values.expand(2, 1, 3), of_each).tolist() == [[[False, True, True]], [[False, False, True]]]


def test_of_equal_rivals_the_largest_gets_the_pixel_and_the_first_where_they_tie() -> None:
    values = torch.tensor([[0.9, 0.7, 0.2], [0.8, 0.7, 0.3], [0.6, 0.6, 0.6], [0.1, 0.9, 0.7]])[:, None]
    masks = threshold_maps(values, 0.5, ["a", "a", "b", "a"])[:, 0]
    expected = [[True, False, False], [False, False, False], [True, True, True], [False, True, True]]
    assert masks.tolist() == expected
    tied = threshold_maps(torch.full((3, 1, 1), 0.7), 0.5, [1, 1, 2])
    assert tied.flatten().tolist() == [True, False, True]


def test_cuts_of_probabilities() -> None:
    probabilities = torch.tensor([[[0.1, 0.8]], [[0.4, 0.2]]])
    assert probability_cut(probabilities, 0.3).flatten().tolist() == pytest.approx([0.3, 0.3])
    assert probability_cut(probabilities, 0.5, "maximum").flatten().tolist() == pytest.approx([0.4, 0.2])
    assert probability_cut(probabilities, 0.5, "maximum").shape == (2, 1, 1)


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.9])
def test_cuts_of_logits_are_those_of_their_probabilities(threshold: float) -> None:
    logits = torch.randn(3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for kind in ("one", "maximum"):
        found = logit_cut(logits, threshold, kind).sigmoid()
        torch.testing.assert_close(found, probability_cut(logits.sigmoid(), threshold, kind), rtol=1e-12, atol=0)


def test_a_share_of_the_maximum_stays_less_where_the_sigmoid_vanishes() -> None:
    logits = torch.full((1, 2, 2), -200.0)
    assert logit_cut(logits, 0.5, "maximum").item() == pytest.approx(-200 - math.log(2))


def test_confidence_is_the_mean_inside_and_none_of_nothing() -> None:
    probabilities = np.array([[[0.2, 0.5, 0.9]], [[0.6, 0.8, 0.5]], [[0.1, 0.5, 0.4]]], np.float32)
    assert mean_confidence(probabilities, 0.5) == pytest.approx([0.9, 0.7, math.nan], nan_ok=True)
    of_each = np.array([0.1, 0.7, 0.3], np.float32)[:, None, None]
    assert mean_confidence(probabilities, of_each) == pytest.approx([1.6 / 3, 0.8, 0.45])


def test_the_probable_part_is_that_of_all_maps() -> None:
    maps = np.zeros((2, 9, 12), np.float32)
    maps[0, 4, 6], maps[1, 5, 8] = 0.11, 0.11
    maps[1, 0, 0] = 0.1  # no more than what is probable
    assert probable_part(maps, 0) == (slice(4, 6), slice(6, 9))
    assert probable_part(maps, 2) == (slice(2, 8), slice(4, 11))
    assert probable_part(maps, 5) == (slice(0, 11), slice(1, 14))
    assert probable_part(maps, 1, 0.2) == (slice(0, 0), slice(0, 0))
    assert probable_part(maps, 0, 0.05) == (slice(0, 6), slice(0, 9))
