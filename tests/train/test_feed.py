"""Batches depend on the seed and the step only, not on which process makes them or when."""

from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pytest
import torch

from refvid.data.sample import Batch, Sample
from refvid.errors import RefvidError
from refvid.train.augment import Augmentation
from refvid.train.feed import TRAINING, Feed, SampleSource, draw, generator_of
from refvid.train.settings import TrainSettings
from refvid.train.sources import DataChoice, open_data
from tests.train.toy import WORDS, Squares, small_config


def make_feed(source: SampleSource | None = None, *, rank: int = 0, processes: int = 1, seed: int = 1) -> Feed:
    config = small_config(vocabulary=WORDS)
    chances = Augmentation(flip=0.5, colour=0.5, crop=0.5)
    return Feed(source or Squares(), config, 4, seed, chances, rank, processes)


def same(one: Batch, other: Batch) -> bool:
    pairs = [(getattr(one, entry.name), getattr(other, entry.name)) for entry in fields(Batch)]
    return all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in pairs)


def test_a_batch_is_that_of_its_step_wherever_one_begins() -> None:
    straight = list(make_feed().batches(0, 4))
    later = list(make_feed().batches(2, 4))
    assert len(straight) == 4
    assert same(straight[2], later[0])
    assert same(straight[3], later[1])
    assert not same(straight[2], straight[3])
    assert not same(straight[0], make_feed(seed=2).batch_of(0))


@dataclass(frozen=True)
class Fragile:
    """Squares, up to the first step whose samples share proportions above a limit."""

    limit: float

    def draw(self, rng: np.random.Generator, proportions: float | None = None) -> Sample:
        assert proportions is not None
        if proportions >= self.limit:
            raise RefvidError("clips/7.mp4 is cut off; fetch it again")
        return Squares().draw(rng)


def test_workers_make_the_same_batches_in_order_and_fail_in_one_sentence() -> None:
    shared = [float(generator_of(1, TRAINING, step, -1).random()) for step in range(3, 20)]
    whole = next(count for count in range(3, 17) if shared[count] > max(shared[:count]))
    feed = make_feed(Fragile(shared[whole]))
    with closing(feed.batches(3, 20)) as alone, closing(feed.batches(3, 20, workers=2)) as helped:
        for _ in range(whole):
            assert same(next(alone), next(helped))
        for batches in (alone, helped):
            with pytest.raises(RefvidError) as caught:
                next(batches)
            assert str(caught.value) == "clips/7.mp4 is cut off; fetch it again"


def test_processes_share_what_one_would_see() -> None:
    whole = make_feed().batch_of(7)
    halves = [make_feed(rank=rank, processes=2).batch_of(7) for rank in range(2)]
    assert torch.equal(whole.clips, torch.cat([half.clips for half in halves]))
    assert torch.equal(whole.masks, torch.cat([half.masks for half in halves]))


def test_a_batch_leaves_the_generators_of_the_run_alone() -> None:
    torch.manual_seed(0)
    np.random.seed(0)
    expected = torch.rand(1), np.random.rand()
    torch.manual_seed(0)
    np.random.seed(0)
    list(make_feed().batches(0, 2))
    assert (torch.rand(1), np.random.rand()) == expected


@dataclass(frozen=True)
class Silent:
    """A source that has nothing to say of most samples."""

    chance: float

    def draw(self, rng: np.random.Generator, proportions: float | None = None) -> Sample:
        sample = Squares().draw(rng)
        if rng.random() < self.chance:
            return sample
        return Sample(sample.frames, sample.frame_mask, (), sample.masks[:0])


def test_samples_without_expressions_are_passed_over() -> None:
    assert draw(Silent(0.2), np.random.default_rng(0)).expressions
    with pytest.raises(RefvidError, match="none has an expression"):
        draw(Silent(0.0), np.random.default_rng(0))


@dataclass(frozen=True)
class Shaped:
    """A source whose samples take the proportions that the batch shares."""

    def draw(self, rng: np.random.Generator, proportions: float | None = None) -> Sample:
        assert proportions is not None
        sample = Squares().draw(rng)
        width = 32 + int(proportions * 32)
        return Sample(
            sample.frames[:, :, :width], sample.frame_mask, sample.expressions[:2], sample.masks[:2, :, :width]
        )


def test_the_samples_of_a_batch_share_their_proportions() -> None:
    config = small_config(vocabulary=WORDS).replace(input_shape="area")
    feed = Feed(Shaped(), config, 2, 0, Augmentation())
    shapes = {tuple(feed.batch_of(step).clips.shape[-2:]) for step in range(12)}
    assert len(shapes) > 1
    assert all(height % 8 == width % 8 == 0 for height, width in shapes)


def test_data_sets_are_known_by_name() -> None:
    settings = TrainSettings()
    with pytest.raises(RefvidError, match="expected one of a2d, world"):
        open_data(DataChoice("imagenet"), settings, 64)
    with pytest.raises(RefvidError, match="--root"):
        open_data(DataChoice("a2d"), settings, 64)
    with pytest.raises(RefvidError, match="no --root"):
        open_data(DataChoice("world", root=Path("x")), settings, 64)
