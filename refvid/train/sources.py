"""The data sets that training knows by name."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

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
    """Which data to train on.

    Attributes:
        dataset: One of `DATASETS`.
        root: Folder of a data set on disk.
        photos: Folders of photos for the world, of people or of objects.
        photo_sources: Of the photos of objects, by name; none: all that are of use.
        cache: Folder where the world keeps its scenes.
    """

    dataset: str
    root: Path | None = None
    photos: tuple[Path, ...] = ()
    photo_sources: tuple[str, ...] = ()
    cache: Path | None = None

    def as_dict(self) -> dict[str, Any]:
        """Returns the record of it for run folders and model cards."""
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
        """Read what `as_dict` returned; earlier runs have one folder of photos, as a text."""
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
    """Data ready to be drawn from.

    Attributes:
        source: Of samples.
        words: The words of its expressions, sorted.
    """

    source: SampleSource
    words: tuple[str, ...]


def open_data(choice: DataChoice, settings: TrainSettings, size: int, split: Split = "train") -> OpenData:
    """Opens the data that a name stands for.

    Args:
        choice: What was asked for.
        settings: Length and stride of the clips, the protocol, and whether pictures become clips.
        size: Side of the network's input, pixels; what is drawn anew is drawn at about this size.
        split: Samples to learn from, or ones to validate with: those of the split that the data set is evaluated on
            where its truth is public, else other draws of the split that is learnt from, and a warning says so.

    Raises:
        UsageError: No data set is called so, or an option is missing or too many.
        RefvidError: The data set is not whole, or its truth is not public.
    """
    opener = DATASETS.get(choice.dataset)
    if opener is None:
        raise UsageError(f"no data set is called '{choice.dataset}'; expected one of {', '.join(DATASETS)}")
    return opener(choice, settings, size, split)


class ReferringSource:
    """The frames of a data set that have masks, each as likely as any other, with what is said of them.

    A sample is the clip around such a frame, `frame_stride` apart, with at most `expressions` of the expressions that
    count there, chosen at random. Sets of pictures give clips of one frame or, with `pseudo_video`, moving crops of the
    pictures with the expressions whose objects they keep in view.
    """

    def __init__(self, dataset: ReferringSet, settings: TrainSettings, *, expressions: int = MAX_EXPRESSIONS) -> None:
        """Takes an open data set; masks and footage are read when they are drawn.

        Args:
            dataset: To draw from; it is pickled with the source for worker processes.
            settings: Length and stride of the clips, and whether pictures become clips.
            expressions: At most this many a sample.

        Raises:
            UsageError: Clips are wanted of pictures without `pseudo_video`, or this of videos; or there are no words.
            RefvidError: The data set's truth is not public, or it has no frames.
        """
        if not dataset.public:
            raise RefvidError(
                f"the truth of {dataset.title}, split {dataset.split}, is not public, so nothing can be learnt from "
                "it; take a split that has masks"
            )
        self.dataset = dataset
        self._frames, self._stride = settings.frames, settings.frame_stride
        self._pseudo_video, self._expressions = settings.pseudo_video, expressions
        self._ends = np.cumsum([len(video.targets) for video in dataset.videos], dtype=np.int64)
        if not self._ends.any():
            raise RefvidError(f"{dataset.title}, split {dataset.split}, has no frame to learn from; unpack it again")
        if not any(self._spoken(video, target) for video in dataset.videos for target in video.targets):
            raise UsageError(
                f"{dataset.title} says nothing under the protocol {dataset.protocol}; give another --protocol"
            )
        self._check_kind()

    def _check_kind(self) -> None:
        """Refuses clips of pictures without `pseudo_video`, and the like."""
        if self._frames == 1:
            return
        pictures = all(video.count_frames() == 1 for video in self.dataset.videos)  # ends at the first video
        if pictures and not self._pseudo_video:
            raise UsageError(
                f"{self.dataset.title} holds pictures and --frames is {self._frames}; give --frames 1 to learn from "
                "pictures, or --pseudo-video to learn from clips that move over them"
            )
        if self._pseudo_video and not pictures:
            raise UsageError(
                f"--pseudo-video makes clips of pictures and {self.dataset.title} holds videos; leave it out"
            )

    def draw(self, rng: np.random.Generator, proportions: float | None = None) -> Sample:
        """Reads the clip around a random frame; its proportions are the video's, or the picture's.

        Raises:
            RefvidError: The footage or the masks cannot be read, or the truth is not public.
        """
        video, target, spoken = self._find(rng)
        truth = video.truth(target)
        if truth is None:
            raise RefvidError(
                f"{self.dataset.title}: the masks of video {video.name} are not public, so nothing can be learnt from "
                "it; take a split that has masks"
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
        """Returns a random frame of which something is said, and the rows of what is: nothing is learnt of silence."""
        while True:  # the constructor has seen that there is one
            number = int(rng.integers(self._ends[-1]))
            place = int(np.searchsorted(self._ends, number, side="right"))
            video = self.dataset.videos[place]
            target = video.targets[number - int(self._ends[place])]
            if spoken := self._spoken(video, target):
                return video, target, spoken

    @staticmethod
    def _spoken(video: ReferringVideo, target: Target) -> list[int]:
        """Returns which of the expressions that count have a word; some sets have ones without."""
        said = video.expressions
        return [row for row, index in enumerate(target.counting) if split_words(said[index].text)]

    def _read(self, video: ReferringVideo, target: Target) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Reads the clip around a frame, of a picture the picture."""
        length = 1 if self._pseudo_video else self._frames
        total = video.count_frames()
        # Decoders differ by a frame at the end of some clips: masks of the last frame must not be lost for that.
        middle = target.index - (target.index == total)
        wanted = middle + (np.arange(length) - length // 2) * self._stride
        frames, present = video.read(wanted.tolist())
        present = present & (wanted < total)  # some readers stand in for such a frame themselves
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
    """Opens what is learnt from, or what validates, and says what is odd about it."""
    protocol = settings.protocol or (_EVERY_FRAME if info.training is None else None)
    if split == "validation":
        if info.evaluated not in info.private:
            return open_set(info.name, root, info.evaluated, protocol)
        LOGGER.warning(
            "the truth of %s, split %s, is not public: scores of the validation are of what is learnt from",
            info.title,
            info.evaluated,
        )
    opened = open_set(info.name, root, info.training or info.evaluated, protocol)
    if split == "train":
        for note in opened.notes:
            LOGGER.info("%s", note)
        if info.training is None:
            LOGGER.warning(
                "%s is for testing alone, and all of it is learnt from: its scores mean nothing for this model",
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
        # What is kept back is drawn anew: a few scenes, and never those of the cache.
        cache=choice.cache if split == "train" else None,
        cache_scenes=settings.cache_scenes,
    )
    return OpenData(source, source.words)


DATASETS: dict[str, Callable[[DataChoice, TrainSettings, int, Split], OpenData]] = {
    "a2d": _open_set,
    "world": _open_world,
    **{name: _open_set for name in SETS},
}
