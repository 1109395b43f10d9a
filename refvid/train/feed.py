"""An endless source of batches: that of a step depends on the seed and the step alone, so that nothing has to be saved.

Sample i of step s is drawn with a generator seeded by (seed, stream, s, i + 1), and process r of n takes the r-th share
of the samples, whatever their number: one process sees in a step what two see together.
"""

import os
import signal
import warnings
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from refvid.data.sample import Batch, Sample, collate
from refvid.errors import RefvidError
from refvid.model.config import ModelConfig
from refvid.model.registry import build_vocabulary
from refvid.train.augment import Augmentation, augment

TRAINING, VALIDATION = 0, 1  # streams of random numbers that never meet
MAX_DRAWS = 100


class SampleSource(Protocol):
    """Anything that training samples can be drawn from."""

    def draw(self, rng: np.random.Generator, proportions: float | None = None) -> Sample:
        """Returns a sample that depends on nothing but its arguments.

        Args:
            rng: Decides everything else.
            proportions: In [0, 1), shared by the samples of a batch: what can choose its width and height lets it
                decide, so that none is padded much. None: the generator decides.
        """
        ...


def generator_of(seed: int, stream: int, step: int, index: int) -> np.random.Generator:
    """Returns the generator of sample `index`, from 0, or of what a step's samples share, index -1."""
    return np.random.default_rng([seed, stream, step, index + 1])


def draw(source: SampleSource, rng: np.random.Generator, proportions: float | None = None) -> Sample:
    """Draws a sample of which something is said.

    Raises:
        RefvidError: A hundred samples had no expressions.
    """
    for _ in range(MAX_DRAWS):
        sample = source.draw(rng, proportions)
        if sample.expressions:
            return sample
    raise RefvidError(f"{MAX_DRAWS} samples were drawn and nothing is said of any; check the data set")


@dataclass(frozen=True)
class Feed:
    """Makes batches.

    Attributes:
        source: Where samples come from; it is pickled for worker processes.
        config: Of the network: its vocabulary and its input.
        batch: Samples a step over all processes.
        rank: Number of this process, from 0.
        processes: How many there are; `batch` is a multiple of it.
    """

    source: SampleSource
    config: ModelConfig
    batch: int
    seed: int
    augmentation: Augmentation
    rank: int = 0
    processes: int = 1

    def batch_of(self, step: int) -> Batch:
        """Returns this process's share of the batch of a step."""
        share = self.batch // self.processes
        proportions = float(generator_of(self.seed, TRAINING, step, -1).random())
        samples = []
        for index in range(self.rank * share, (self.rank + 1) * share):
            rng = generator_of(self.seed, TRAINING, step, index)
            samples.append(augment(draw(self.source, rng, proportions), rng, self.augmentation))
        return collate_for(self.config, samples)

    def batches(self, first: int, end: int, workers: int = 0) -> Generator[Batch, None, None]:
        """Yields the batches of steps `first` to `end` - 1 in order; close it to end the workers.

        Args:
            first: The first step.
            end: The step after the last.
            workers: Processes that prepare batches ahead; 0 prepares them here. The batches are the same.

        Raises:
            RefvidError: As the source raised it.
        """
        with warnings.catch_warnings():
            # More workers than processors are the user's decision.
            warnings.filterwarnings("ignore", "This DataLoader will create")
            loader: DataLoader[Batch | RefvidError] = DataLoader(
                _Steps(self),
                batch_size=None,
                sampler=_Range(first, end),
                num_workers=workers,
                collate_fn=_as_it_is,
                worker_init_fn=_leave_signals_to_the_trainer,
                multiprocessing_context="spawn" if workers else None,
                generator=torch.Generator(),  # else it would draw from, and change, the generator of the run
            )
            prepared = iter(loader)
        for made in prepared:
            if isinstance(made, RefvidError):
                raise made
            yield made


def collate_for(config: ModelConfig, samples: Sequence[Sample]) -> Batch:
    """Puts samples into a batch for a network; frames of several proportions share the input of the mean ones."""
    sizes = np.array([sample.frames.shape[1:3] for sample in samples], dtype=np.float64)
    height, width = np.exp(np.log(sizes).mean(0))
    canvas = config.canvas(max(1, round(height)), max(1, round(width)))
    return collate(samples, build_vocabulary(config), canvas)


class _Steps(Dataset["Batch | RefvidError"]):
    """The batches by their steps, for DataLoader."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def __getitem__(self, step: int) -> Batch | RefvidError:
        try:
            return self._feed.batch_of(step)
        except RefvidError as error:
            return error  # raised in a worker it would come back with a page of traceback in its message


class _Range(Sampler[int]):
    """The steps that are left."""

    def __init__(self, first: int, end: int) -> None:
        self._steps = range(first, end)

    def __iter__(self) -> Iterator[int]:
        return iter(self._steps)

    def __len__(self) -> int:
        return len(self._steps)


def _as_it_is(batch: Any) -> Any:
    return batch


def _leave_signals_to_the_trainer(worker: int) -> None:
    """Lets a worker outlive Ctrl-C and a kill of the group, since the trainer finishes its step and then ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)  # not by ignoring SIGTERM, by which Python itself ends workers


def move(batch: Batch, device: torch.device) -> Batch:
    """Returns a batch on a device."""
    values = {entry.name: getattr(batch, entry.name) for entry in fields(batch)}
    moved: dict[str, Any] = {
        name: value.to(device, non_blocking=True) if isinstance(value, Tensor) else value
        for name, value in values.items()
    }
    return replace(batch, **moved)
