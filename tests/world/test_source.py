"""The world as a source of training samples."""

import numpy as np
import pytest

from refvid.data.place_words import DIRECTION_OR_POSITION_WORDS
from refvid.data.sample import Sample, collate
from refvid.model.layers.language import Vocabulary, split_words
from refvid.world.scenes.sampler import draw_scene
from refvid.world.source import VOCABULARY, WorldSource, sample_of


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    source = WorldSource(size=96, expressions=4)
    return [source.draw(np.random.default_rng((3, number))) for number in range(40)]


def test_samples_are_whole(samples: list[Sample]) -> None:
    going: frozenset[str] = frozenset()
    for sample in samples:
        frames, height, width, _ = sample.frames.shape
        assert frames == 1
        assert abs(height * width / 96**2 - 1) < 0.05
        assert sample.masks.shape == (len(sample.expressions), height, width)
        assert len(sample.expressions) <= 4
        assert sample.regions is not None
        assert sample.region_words is not None
        assert len(sample.regions) == len(sample.region_words)
        for words in sample.region_words:
            assert words, "something is true of every actor"
            going |= words & DIRECTION_OR_POSITION_WORDS
    assert going >= {"left", "right"}, "words of where actors go count too"
    empty = sum(not mask.any() for sample in samples for mask in sample.masks)
    told = sum(len(sample.expressions) for sample in samples)
    assert 0.03 < empty / told < 0.35


def test_every_target_is_one_of_the_regions(samples: list[Sample]) -> None:
    for sample in samples:
        assert sample.regions is not None
        for mask in sample.masks:
            assert not mask.any() or any((mask == region).all() for region in sample.regions)


def test_every_word_is_known(samples: list[Sample]) -> None:
    spoken = {word for sample in samples for expression in sample.expressions for word in split_words(expression)}
    true = {word for sample in samples for words in sample.region_words or () for word in words}
    assert spoken <= set(VOCABULARY)
    assert true <= set(VOCABULARY)


def test_samples_that_share_their_proportions_are_of_one_size() -> None:
    source = WorldSource(size=96)
    shapes = {source.draw(np.random.default_rng(number), proportions=0.7).frames.shape for number in range(4)}
    assert len(shapes) == 1


def test_a_clip_has_its_stride_and_the_same_sample_comes_again() -> None:
    source = WorldSource(frames=3, frame_stride=4, size=64)
    first, second = source.draw(np.random.default_rng(9)), source.draw(np.random.default_rng(9))
    assert first.frames.shape[0] == 3
    assert first.frame_stride == 4
    np.testing.assert_array_equal(first.frames, second.frames)
    assert first.expressions == second.expressions


def test_batches_hold_what_the_samples_hold() -> None:
    vocabulary = Vocabulary(VOCABULARY)
    scenes = [draw_scene(np.random.default_rng(number), frames=1, width=128, height=72) for number in (1, 2)]
    pair = [sample_of(scene, np.random.default_rng(0), count) for scene, count in zip(scenes, (2, 4), strict=True)]
    batch = collate(pair, vocabulary, (72, 128))
    assert batch.clips.shape == (2, 1, 3, 72, 128)
    assert batch.known.tolist() == [[row < len(sample.expressions) for row in range(4)] for sample in pair]
    assert batch.region_maps is not None
    assert batch.region_words is not None
    for b, sample in enumerate(pair):
        np.testing.assert_array_equal(batch.clips[b, 0].permute(1, 2, 0).numpy(), sample.frames[0])
        np.testing.assert_array_equal(batch.masks[b, : len(sample.masks)].numpy() > 0, sample.masks)
        assert sample.regions is not None
        assert sample.region_words is not None
        for r, (region, words) in enumerate(zip(sample.regions, sample.region_words, strict=True)):
            assert float(batch.region_maps[b, r].sum()) * 64 == pytest.approx(region.sum())
            told = {vocabulary.words[index - 2] for index in batch.region_words[b, r].nonzero().flatten().tolist()}
            assert told == words


def test_clips_of_different_lengths_are_refused() -> None:
    samples = [WorldSource(frames=frames, size=64).draw(np.random.default_rng(1)) for frames in (1, 3)]
    with pytest.raises(ValueError, match=r"clips of \[1, 3\] frames cannot share a batch"):
        collate(samples, Vocabulary(VOCABULARY), (64, 64))
