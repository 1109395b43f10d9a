"""The data sets that training knows by name."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from refvid.closest import misspelt
from refvid.data.catalogue import SETS
from refvid.data.moving_crop import in_view, moving_crop
from refvid.data.referring import ReferringSet, ReferringVideo, SetInfo, Target
from refvid.data.sample import Sample
from refvid.data.sets import open_set
from refvid.errors import RefvidError, UsageError
from refvid.model.layers.language import split_words
from refvid.train.feed import SampleSource
from refvid.train.settings import TrainSettings, read_shares

LOGGER = logging.getLogger(__name__)

Split = Literal["train", "validation"]

MAX_EXPRESSIONS = 8
_EVERY_FRAME = "all"


@dataclass(frozen=True)
class DataChoice:
    """The data to train on.

    Attributes:
        dataset: Name of the data set, a key of `DATASETS`.
        root: Folder of a data set on disk.
        photos: Folders with photos of people or of objects for the world.
        photo_sources: Names of the sources of object photos to use; empty for the default ones.
        cache: Folder in which the world keeps its scenes.
    """

    dataset: str
    root: Path | None = None
    photos: tuple[Path, ...] = ()
    photo_sources: tuple[str, ...] = ()
    cache: Path | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the choice as a plain dictionary for run folders and model cards."""
        record: dict[str, Any] = {
            "dataset": self.dataset,
            "root": self.root and str(self.root),
            "photos": [str(folder) for folder in self.photos],
            "photo_sources": list(self.photo_sources),
            "cache": self.cache and str(self.cache),
        }
        return {key: value for key, value in record.items() if value}

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> "DataChoice":
        """Read a dictionary from `as_dict`; records of earlier runs have a single folder of photos, as a string."""
        photos = record.get("photos", ())
        return cls(
            record["dataset"],
            Path(record["root"]) if "root" in record else None,
            tuple(map(Path, [photos] if isinstance(photos, str) else photos)),
            tuple(record.get("photo_sources", ())),
            Path(record["cache"]) if "cache" in record else None,
        )


@dataclass(frozen=True)
class OpenData:
    """A data set that is ready for drawing samples.

    Attributes:
        source: Source of samples.
        words: Words of its expressions, sorted.
    """

    source: SampleSource
    words: tuple[str, ...]


def open_data(choice: DataChoice, settings: TrainSettings, size: int, split: Split = "train") -> OpenData:
    """Open the chosen data.

    Args:
        choice: Chosen data set and its options.
        settings: Training settings, which give the length and stride of clips, the protocol, and whether pictures
            become clips.
        size: Side of the network's input in pixels; samples of the world are drawn at about this size.
        split: "train", or "validation" for the split on which the data set is evaluated. If the masks of that split
            are not public, validation uses other draws from the training split, and a warning says so.

    Raises:
        UsageError: There is no such data set, or an option is missing or does not apply.
        RefvidError: The data set is incomplete, or its masks are not public.
    """
    opener = DATASETS.get(choice.dataset)
    if opener is None:
        raise UsageError(f"there is no data set {misspelt(choice.dataset, DATASETS)}")
    return opener(choice, settings, size, split)


class ReferringSource:
    """A source of samples from a data set on disk; every frame with masks is drawn with the same probability.

    A sample is the clip around such a frame, with frames `frame_stride` apart, and at most `expressions` random ones of
    the expressions that count there. Data sets of pictures give clips of one frame or, with `pseudo_video`, moving
    crops of a picture with those expressions whose objects stay in view.
    """

    def __init__(self, dataset: ReferringSet, settings: TrainSettings, *, expressions: int = MAX_EXPRESSIONS) -> None:
        """Prepare to draw from an open data set; masks and footage are read when a sample is drawn.

        Args:
            dataset: Data set to draw from; it is pickled with the source for worker processes.
            settings: Training settings, which give the length and stride of clips and whether pictures become clips.
            expressions: Maximum number of expressions in a sample.

        Raises:
            UsageError: `frames` is not 1 for pictures without `pseudo_video`, or `pseudo_video` is set for videos, or
                no expression has a word.
            RefvidError: The masks of the data set are not public, or it has no frames.
        """
        if not dataset.public:
            raise RefvidError(
                f"the masks of {dataset.title}, split {dataset.split}, are not public, so it cannot be trained on; "
                "choose a split that has masks"
            )
        self.dataset = dataset
        self._frames, self._stride = settings.frames, settings.frame_stride
        self._pseudo_video, self._expressions = settings.pseudo_video, expressions
        self._ends = np.cumsum([len(video.targets) for video in dataset.videos], dtype=np.int64)
        if not self._ends.any():
            raise RefvidError(f"{dataset.title}, split {dataset.split}, has no frames with masks; unpack it again")
        if not any(self._spoken(video, target) for video in dataset.videos for target in video.targets):
            raise UsageError(
                f"{dataset.title} has no expressions under the protocol {dataset.protocol}; give another --protocol"
            )
        self._check_kind()

    def _check_kind(self) -> None:
        """Raise a UsageError for clips of pictures without `pseudo_video`, and for `pseudo_video` with videos."""
        if self._frames == 1:
            return
        pictures = all(video.count_frames() == 1 for video in self.dataset.videos)  # stops at the first video
        if pictures and not self._pseudo_video:
            raise UsageError(
                f"{self.dataset.title} holds pictures and --frames is {self._frames}; give --frames 1 to train on "
                "pictures, or --pseudo-video to train on clips that move over them"
            )
        if self._pseudo_video and not pictures:
            raise UsageError(
                f"--pseudo-video makes clips of pictures, but {self.dataset.title} holds videos; leave it out"
            )

    def draw(self, rng: np.random.Generator, proportions: float | None = None) -> Sample:
        """Draw the clip around a random frame, in the proportions of its video or picture.

        Args:
            rng: Generator of all random choices.
            proportions: Not needed.

        Raises:
            RefvidError: The footage or the masks cannot be read, or the masks are not public.
        """
        video, target, spoken = self._find(rng)
        truth = video.truth(target)
        if truth is None:
            raise RefvidError(
                f"{self.dataset.title}: the masks of video {video.name} are not public, so it cannot be trained on; "
                "choose a split that has masks"
            )
        rows = np.sort(rng.permutation(np.array(spoken, dtype=np.int64))[: self._expressions])
        frames, present = self._read(video, target)
        masks = truth[rows]
        if self._pseudo_video:
            frames, moved = moving_crop(rng, frames[0], masks, self._frames, self._stride)
            kept = np.flatnonzero(in_view(masks, moved))
            rows, masks, present = rows[kept], moved[kept], np.ones(self._frames, np.bool_)
        said = video.expressions
        return Sample(
            frames=frames,
            frame_mask=present,
            expressions=tuple(said[target.counting[row]].text for row in rows),
            masks=masks,
            frame_stride=self._stride,
        )

    def _find(self, rng: np.random.Generator) -> tuple[ReferringVideo, Target, list[int]]:
        """Return a random frame that has expressions, with its video and the rows of these expressions."""
        while True:  # ends, because the constructor has checked that there is such a frame
            number = int(rng.integers(self._ends[-1]))
            place = int(np.searchsorted(self._ends, number, side="right"))
            video = self.dataset.videos[place]
            target = video.targets[number - int(self._ends[place])]
            if spoken := self._spoken(video, target):
                return video, target, spoken

    @staticmethod
    def _spoken(video: ReferringVideo, target: Target) -> list[int]:
        """Return the rows of the counting expressions that contain a word; some data sets have empty ones."""
        said = video.expressions
        return [row for row, index in enumerate(target.counting) if split_words(said[index].text)]

    def _read(self, video: ReferringVideo, target: Target) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Read the clip around a frame, or only the frame itself for `pseudo_video`, and which frames exist."""
        length = 1 if self._pseudo_video else self._frames
        total = video.count_frames()
        # Decoders disagree by one frame at the end of some clips; this must not lose the masks of the last frame.
        middle = target.index - (target.index == total)
        wanted = middle + (np.arange(length) - length // 2) * self._stride
        frames, present = video.read(wanted.tolist())
        present = present & (wanted < total)  # some readers replace a frame beyond the end by another one
        if not present[length // 2]:
            raise RefvidError(
                f"{self.dataset.title}: frame {target.name} of {video.name} has masks and cannot be decoded; "
                "download the video again"
            )
        return frames, present

    def spoken_words(self) -> tuple[str, ...]:
        """Return the words of all expressions, sorted."""
        spoken = {expression.text for video in self.dataset.videos for expression in video.expressions}
        return tuple(sorted({word for text in spoken for word in split_words(text)}))


def _open_set(choice: DataChoice, settings: TrainSettings, size: int, split: Split) -> OpenData:
    info = SETS[choice.dataset]
    if choice.root is None:
        raise UsageError(f"--dataset {info.name} needs --root, the folder that holds {info.title}")
    if choice.photos or choice.photo_sources or choice.cache is not None:
        raise UsageError(f"--photos and --cache go with --dataset world; leave them out for {info.name}")
    source = ReferringSource(_open_split(info, choice.root, settings, split), settings)
    return OpenData(source, source.spoken_words())


def _open_split(info: SetInfo, root: Path, settings: TrainSettings, split: Split) -> ReferringSet:
    """Open the split for training or validation, and log anything unusual about it."""
    protocol = settings.protocol or (_EVERY_FRAME if info.training is None else None)
    if split == "validation":
        if info.evaluated not in info.private:
            return open_set(info.name, root, info.evaluated, protocol)
        LOGGER.warning(
            "the masks of %s, split %s, are not public: validation scores are computed on training data",
            info.title,
            info.evaluated,
        )
    opened = open_set(info.name, root, info.training or info.evaluated, protocol)
    if split == "train":
        for note in opened.notes:
            LOGGER.info("%s", note)
        if info.training is None:
            LOGGER.warning(
                "%s is a test set, and all of it is used for training: its scores mean nothing for this model",
                info.title,
            )
    return opened


def _open_world(choice: DataChoice, settings: TrainSettings, size: int, split: Split) -> OpenData:
    if choice.root is not None:
        raise UsageError("--dataset world is drawn anew and has no --root; for a world on disk use --dataset a2d")
    if choice.photo_sources and not choice.photos:
        raise UsageError("--photo-source says which photos of --photos to use; give --photos DIR, or leave it out")
    if settings.protocol or settings.pseudo_video:
        raise UsageError("--protocol and --pseudo-video go with data sets on disk; leave them out for world")
    from refvid.world.source import WorldSource

    source = WorldSource(
        frames=settings.frames,
        frame_stride=settings.frame_stride,
        size=size,
        photos=choice.photos,
        sources=choice.photo_sources,
        shares=read_shares(settings.shares),
        split=split,
        # Validation needs only a few scenes, which are drawn anew so that they are never those of the cache.
        cache=choice.cache if split == "train" else None,
        cache_scenes=settings.cache_scenes,
    )
    return OpenData(source, source.words)


DATASETS: dict[str, Callable[[DataChoice, TrainSettings, int, Split], OpenData]] = {
    "a2d": _open_set,
    "world": _open_world,
    **{name: _open_set for name in SETS},
}
