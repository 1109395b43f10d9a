"""The batches of a run: each depends on the seed and the step alone, so that resuming needs no saved state.

Sample i of step s is drawn with a generator seeded by (seed, stream, s, i + 1), and process r of n takes the r-th share
of the samples. So the samples of a step are the same, however many processes share them.
"""

import os
import signal
import warnings
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from refvid.data.sample import Batch, Sample, collate
from refvid.errors import RefvidError
from refvid.model.config import ModelConfig
from refvid.model.registry import build_vocabulary
from refvid.train.augment import Augmentation, augment

TRAINING, VALIDATION = 0, 1  # independent streams of random numbers
MAX_DRAWS = 100  # attempts to draw a sample that has an expression


class SampleSource(Protocol):
    """A source from which training samples are drawn at random."""

    def draw(self, rng: np.random.Generator, proportions: float | None = None) -> Sample:
        """Return a sample that depends on the arguments alone.

        Args:
            rng: Generator for all random choices.
            proportions: Number in [0, 1) that all samples of a batch share. A source that can choose its width and
                height derives them from it, so that no sample needs much padding. None lets the generator decide.
        """
        ...


@runtime_checkable
class TellsWords(Protocol):
    """A source that knows which words its samples can say or tell to be true, as no data set on disk does."""

    @property
    def words(self) -> tuple[str, ...]:
        """The words, sorted."""
        ...


def generator_of(seed: int, stream: int, step: int, index: int) -> np.random.Generator:
    """Return the generator of sample `index` of a step, from 0; index -1 is for choices that its samples share."""
    return np.random.default_rng([seed, stream, step, index + 1])


def draw(source: SampleSource, rng: np.random.Generator, proportions: float | None = None) -> Sample:
    """Return a sample that has at least one expression.

    Raises:
        RefvidError: `MAX_DRAWS` samples in a row had no expression.
    """
    for _ in range(MAX_DRAWS):
        sample = source.draw(rng, proportions)
        if sample.expressions:
            return sample
    raise RefvidError(f"{MAX_DRAWS} samples were drawn and none has an expression; check the data set")


@dataclass(frozen=True)
class Feed:
    """The batches of a run for one of its processes.

    Attributes:
        source: Source of the samples; it is pickled for worker processes.
        config: Config of the network, which gives its vocabulary and input size.
        batch: Samples per step over all processes, a multiple of `processes`.
        seed: Seed of the run.
        augmentation: Probabilities of the augmentations.
        rank: Number of this process, from 0.
        processes: Number of processes.
    """

    source: SampleSource
    config: ModelConfig
    batch: int
    seed: int
    augmentation: Augmentation
    rank: int = 0
    processes: int = 1

    def batch_of(self, step: int) -> Batch:
        """Return this process's share of the batch of a step."""
        share = self.batch // self.processes
        proportions = float(generator_of(self.seed, TRAINING, step, -1).random())
        samples = []
        for index in range(self.rank * share, (self.rank + 1) * share):
            rng = generator_of(self.seed, TRAINING, step, index)
            samples.append(augment(draw(self.source, rng, proportions), rng, self.augmentation))
        return collate_for(self.config, samples, self.source.words if isinstance(self.source, TellsWords) else None)

    def batches(self, first: int, end: int, workers: int = 0) -> Generator[Batch, None, None]:
        """Yield the batches of steps `first` to `end` - 1 in order; closing the generator ends the workers.

        Args:
            first: First step.
            end: Step after the last one.
            workers: Processes that prepare batches ahead; 0 prepares them in this process. The batches are the same.

        Raises:
            RefvidError: The source could not draw a sample.
        """
        with warnings.catch_warnings():
            # It is the user's decision to have more workers than processors.
            warnings.filterwarnings("ignore", "This DataLoader will create")
            loader: DataLoader[Batch | RefvidError] = DataLoader(
                _Steps(self),
                batch_size=None,
                sampler=_Range(first, end),
                num_workers=workers,
                collate_fn=_as_it_is,
                worker_init_fn=_leave_signals_to_the_trainer,
                multiprocessing_context="spawn" if workers else None,
                generator=torch.Generator(),  # by default it would advance the run's own generator
            )
            prepared = iter(loader)
        for made in prepared:
            if isinstance(made, RefvidError):
                raise made
            yield made


def collate_for(config: ModelConfig, samples: Sequence[Sample], taught: Sequence[str] | None = None) -> Batch:
    """Return a batch of samples for a network; all frames get the input that suits their mean proportions.

    Args:
        config: Of the network.
        samples: Of one clip length and stride.
        taught: The words that the data can say, as `collate` takes them.
    """
    sizes = np.array([sample.frames.shape[1:3] for sample in samples], dtype=np.float64)
    height, width = np.exp(np.log(sizes).mean(0))
    canvas = config.canvas(max(1, round(height)), max(1, round(width)))
    return collate(samples, build_vocabulary(config), canvas, taught)


class _Steps(Dataset["Batch | RefvidError"]):
    """The batches of a feed as a Dataset, indexed by step."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def __getitem__(self, step: int) -> Batch | RefvidError:
        try:
            return self._feed.batch_of(step)
        except RefvidError as error:
            return error  # raised in a worker, it would return with a page of traceback in its message


class _Range(Sampler[int]):
    """A sampler of the remaining steps."""

    def __init__(self, first: int, end: int) -> None:
        self._steps = range(first, end)

    def __iter__(self) -> Iterator[int]:
        return iter(self._steps)

    def __len__(self) -> int:
        return len(self._steps)


def _as_it_is(batch: Any) -> Any:
    return batch


def _leave_signals_to_the_trainer(worker: int) -> None:
    """Shield a worker from Ctrl-C and from signals to the process group.

    The trainer still needs batches to finish its step, and ends the workers itself afterwards.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)  # SIGTERM must not be ignored, because Python ends workers with it


def move(batch: Batch, device: torch.device) -> Batch:
    """Return a batch with its tensors moved to a device."""
    values = {entry.name: getattr(batch, entry.name) for entry in fields(batch)}
    moved: dict[str, Any] = {
        name: value.to(device, non_blocking=True) if isinstance(value, Tensor) else value
        for name, value in values.items()
    }
    return replace(batch, **moved)
