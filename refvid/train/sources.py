"""The data sets that training knows by name."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from refvid.data.sample import Sample
from refvid.errors import UsageError
from refvid.model.language import split_words
from refvid.train.feed import Source
from refvid.train.settings import TrainSettings

Split = Literal["train", "validation"]


@dataclass(frozen=True)
class DataChoice:
    """Which data to train on.

    Attributes:
        dataset: One of `DATASETS`.
        root: Folder of a data set on disk.
        photos: Folder of photos for the world to composite.
        cache: Folder where the world keeps its scenes.
    """

    dataset: str
    root: Path | None = None
    photos: Path | None = None
    cache: Path | None = None

    def as_dict(self) -> dict[str, Any]:
        """Returns the record of it for run folders and model cards."""
        record = {"dataset": self.dataset, "root": self.root, "photos": self.photos, "cache": self.cache}
        return {key: str(value) for key, value in record.items() if value is not None}


@dataclass(frozen=True)
class OpenData:
    """Data ready to be drawn from.

    Attributes:
        source: Of samples.
        words: The words of its expressions, sorted.
    """

    source: Source
    words: tuple[str, ...]


def open_data(choice: DataChoice, settings: TrainSettings, size: int, split: Split = "train") -> OpenData:
    """Opens the data that a name stands for.

    Args:
        choice: What was asked for.
        settings: Length and stride of the clips.
        size: Side of the network's input, pixels; what is drawn anew is drawn at about this size.
        split: Samples to learn from, or ones kept back.

    Raises:
        UsageError: No data set is called so, or an option is missing or too many.
        RefvidError: The data set is not whole.
    """
    opener = DATASETS.get(choice.dataset)
    if opener is None:
        raise UsageError(f"no data set is called '{choice.dataset}'; expected one of {', '.join(DATASETS)}")
    return opener(choice, settings, size, split)


class A2DSource:
    """Annotated frames of A2D Sentences, each with all that is said of it, each as likely as any other."""

    def __init__(self, root: Path, split: Literal["train", "test"], settings: TrainSettings) -> None:
        """Reads what is said; masks and videos are read when they are drawn.

        Raises:
            RefvidError: The data set is not whole.
        """
        from refvid.data.a2d import A2DSentences

        middle = settings.frames // 2
        offsets = [(frame - middle) * settings.frame_stride for frame in range(settings.frames)]
        self.dataset = A2DSentences(root, split, offsets=offsets)
        self._stride = settings.frame_stride

    def draw(self, rng: np.random.Generator, proportions: float | None = None) -> Sample:
        """Reads the clip around a random annotated frame; its proportions are the video's."""
        return replace(self.dataset.sample(int(rng.integers(len(self.dataset.frames)))), frame_stride=self._stride)

    def words(self) -> tuple[str, ...]:
        """Returns the words of all sentences, sorted."""
        spoken = {sentence.query for frame in self.dataset.frames for sentence in frame.sentences}
        return tuple(sorted({word for query in spoken for word in split_words(query)}))


def _open_a2d(choice: DataChoice, settings: TrainSettings, size: int, split: Split) -> OpenData:
    if choice.root is None:
        raise UsageError("--dataset a2d needs --root, the folder that holds A2D Sentences")
    if choice.photos is not None or choice.cache is not None:
        raise UsageError("--photos and --cache go with --dataset world; leave them out for a2d")
    source = A2DSource(choice.root, "train" if split == "train" else "test", settings)
    return OpenData(source, source.words())


def _open_world(choice: DataChoice, settings: TrainSettings, size: int, split: Split) -> OpenData:
    if choice.root is not None:
        raise UsageError("--dataset world is drawn anew and has no --root; for a world on disk use --dataset a2d")
    from refvid.world.source import VOCABULARY, WorldSource

    source = WorldSource(
        frames=settings.frames,
        frame_stride=settings.frame_stride,
        size=size,
        photos=choice.photos,
        split=split,
        # What is kept back is drawn anew: a few scenes, and never those of the cache.
        cache=choice.cache if split == "train" else None,
    )
    return OpenData(source, VOCABULARY)


DATASETS: dict[str, Callable[[DataChoice, TrainSettings, int, Split], OpenData]] = {
    "a2d": _open_a2d,
    "world": _open_world,
}
