"""Augmentation: expressions stay true of the changed picture."""

from dataclasses import replace

import numpy as np
import pytest

from refvid.data.sample import Sample
from refvid.train.augment import Augmentation, augment, mirror, mirror_words, narrow, relight
from tests.train.toy import Squares


def drawn(seed: int = 0) -> Sample:
    return Squares(frames=3).draw(np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("said", "mirrored"),
    [
        ("the dog on the left of the man", "the dog on the right of the man"),
        ("Leftmost car, right-hand side", "Rightmost car, left-hand side"),
        ("RIGHT one", "LEFT one"),
        ("the bright car left over", "the bright car right over"),
        ("a man in yellow shirt", "a man in yellow shirt"),
        ("walking leftwards", "walking rightwards"),
    ],
)
def test_left_and_right_are_swapped_as_words(said: str, mirrored: str) -> None:
    assert mirror_words(said) == mirrored
    assert mirror_words(mirrored) == said


def test_mirroring_moves_pictures_masks_and_regions_alike() -> None:
    sample = drawn()
    turned = mirror(sample)
    assert np.array_equal(turned.frames[1, :, 5], sample.frames[1, :, -6])
    assert np.array_equal(turned.masks[:, :, 5], sample.masks[:, :, -6])
    assert turned.regions is not None
    assert sample.regions is not None
    assert np.array_equal(turned.regions[:, :, 5], sample.regions[:, :, -6])
    assert turned.expressions[2] == "the right square"
    columns = np.flatnonzero(turned.masks[2].any(0))
    assert columns.min() > 32, "what was said to be on the right is there"


def test_mirroring_twice_gives_the_sample_back() -> None:
    sample = drawn(3)
    again = mirror(mirror(sample))
    assert np.array_equal(again.frames, sample.frames)
    assert np.array_equal(again.masks, sample.masks)
    assert again.expressions == sample.expressions
    assert again.region_words == sample.region_words


def test_what_is_not_changed_is_kept() -> None:
    sample = replace(drawn(), frame_stride=3, expressions=("the red square",), masks=drawn().masks[:1])
    changes = [mirror(sample), relight(sample, 1.1, 0.9), narrow(sample, 0.95, 0.5, 0.5)]
    assert changes[2].frames.shape != sample.frames.shape
    for changed in changes:
        assert changed.frame_stride == 3
        assert changed.frame_mask is sample.frame_mask


def test_mirrored_region_words_are_swapped() -> None:
    sample = drawn()
    named = Sample(
        sample.frames,
        sample.frame_mask,
        sample.expressions,
        sample.masks,
        sample.regions,
        (frozenset({"square", "left"}), frozenset({"square"})),
    )
    assert mirror(named).region_words == (frozenset({"square", "right"}), frozenset({"square"}))


def test_a_narrower_view_keeps_every_object_whole() -> None:
    for seed in range(20):
        sample = drawn(seed)
        spoken = Sample(
            sample.frames, sample.frame_mask, sample.expressions[:2], sample.masks[:2], sample.regions, None
        )
        rng = np.random.default_rng(seed)
        view = narrow(spoken, 0.9, rng.random(), rng.random())
        assert view.frames.shape[1:3] in ((43, 58), (48, 64))
        assert np.array_equal(view.masks.sum((1, 2)), spoken.masks.sum((1, 2)))
        assert view.masks.shape[1:] == view.frames.shape[1:3]
        for mask, whole in zip(view.masks, spoken.masks, strict=True):
            assert np.array_equal(view.frames[1][mask], spoken.frames[1][whole])


def test_some_view_is_narrower() -> None:
    sample = drawn()
    spoken = Sample(sample.frames, sample.frame_mask, sample.expressions[:2], sample.masks[:2])
    assert narrow(spoken, 0.95, 0.5, 0.5).frames.shape[1:3] == (46, 61)


def test_what_is_said_of_places_keeps_the_view() -> None:
    sample = drawn()
    assert "left" in sample.expressions[2]
    assert narrow(sample, 0.95, 0.5, 0.5) is sample


def test_light_changes_all_frames_alike_and_no_mask() -> None:
    sample = drawn()
    brighter = relight(sample, 1.2, 1.0)
    assert brighter.frames.mean() > 1.1 * sample.frames.mean()
    flatter = relight(sample, 1.0, 0.5)
    assert flatter.frames[1].std() < 0.6 * sample.frames[1].std()
    assert np.array_equal(flatter.masks, sample.masks)
    same = sample.frames[0] == sample.frames[2]
    assert np.array_equal(brighter.frames[0][same], brighter.frames[2][same])


def test_the_generator_decides_and_no_chance_changes_nothing() -> None:
    chances = Augmentation(flip=0.5, colour=0.5, crop=0.5)
    one, other = (augment(drawn(), np.random.default_rng(5), chances) for _ in range(2))
    assert np.array_equal(one.frames, other.frames)
    assert one.expressions == other.expressions
    sample = drawn()
    assert augment(sample, np.random.default_rng(0), Augmentation()) is sample
    turned = [augment(sample, np.random.default_rng(seed), chances).expressions[2] for seed in range(30)]
    assert 5 < turned.count("the right square") < 25
