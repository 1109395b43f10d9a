"""What every data set of referring expressions is to evaluation and to training: footage, sentences and masks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

Measure = Literal["region", "contour"]
Layout = Literal["expressions", "palette"]
EmptyRule = Literal["one", "zero", "skip"]


@dataclass(frozen=True)
class Expression:
    """Something that is said of a video.

    Attributes:
        key: Names it among those of its video and run, as the data set's submissions do.
        text: The sentence; empty where a protocol scores an object of which nothing is said.
        instance: Number of the object that is meant, as the data set numbers it; None where that is not public, or
            where the truth has no such object.
        run: Expressions of different runs are evaluated apart, and the results are averaged: DAVIS's two annotators.
    """

    key: str
    text: str
    instance: int | None = None
    run: str = ""


@dataclass(frozen=True)
class Target:
    """A frame that masks are asked for.

    Attributes:
        name: As the data set's files name the frame, "00015".
        index: Of the frame in its video, from 0.
        counting: Which of the video's expressions count there, indices from 0; at least one.
    """

    name: str
    index: int
    counting: tuple[int, ...]


class ReferringVideo(Protocol):
    """A video, or an image as a video of one frame, with all that is said of it. Nothing of it is kept open."""

    @property
    def name(self) -> str:
        """Name in the data set, relative to which predictions are stored; may hold slashes."""
        ...

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """All that is said of it; at least one."""
        ...

    @property
    def targets(self) -> tuple[Target, ...]:
        """The frames that count, by rising index; at least one."""
        ...

    def count_frames(self) -> int:
        """Return the number of frames.

        Raises:
            RefvidError: The footage cannot be read.
        """
        ...

    def read(self, indices: Sequence[int]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Read frames.

        Args:
            indices: In any order, at least one of them inside the video.

        Returns:
            uint8 [len(indices), H, W, 3] RGB in the size of the truth, and bool [len(indices)]: False for frames that
            the video does not have; the nearest one stands in for them.

        Raises:
            RefvidError: The footage cannot be read.
        """
        ...

    def truth(self, target: Target) -> npt.NDArray[np.bool_] | None:
        """Read the masks of the expressions that count in a frame, bool [len(target.counting), H, W], in their order.

        None where the truth is not public.

        Raises:
            RefvidError: The masks cannot be read.
        """
        ...

    def void(self, target: Target) -> npt.NDArray[np.bool_] | None:
        """Read which pixels of a frame do not count, bool [H, W]; None where all do."""
        ...


@runtime_checkable
class FileByFile(Protocol):
    """A video of which every frame and mask is a file of its own: whether all are whole can be told without reading."""

    def files(self) -> Iterator[Path]:
        """Yield the files."""
        ...


@runtime_checkable
class Scaled(Protocol):
    """A video whose footage is brought to the size of its masks."""

    def sizes(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Read width and height of the footage and of the masks, pixels.

        Raises:
            RefvidError: One of them cannot be read.
        """
        ...


@dataclass(frozen=True)
class Rules:
    """How a protocol counts.

    Attributes:
        measure: IoU and precision over all (sentence, frame) pairs, or J and F, frame by frame, of each object.
        inclusive: Whether an IoU of exactly K counts for P@K.
        empty: IoU of a sample where both masks are empty; "skip" leaves it out.
        matching: Contour measures: objects are compared with the prediction of their own expression ("own"), or with
            the best assignment between all of a video ("hungarian", the DAVIS benchmark's unsupervised task).
        exclusive: Whether a pixel belongs to at most one object of a video and run: the most probable one.
        inner: Contour measures: whether the first and the last frame are left out (DAVIS's semi-supervised task).
    """

    measure: Measure = "region"
    inclusive: bool = False
    empty: EmptyRule = "one"
    matching: Literal["own", "hungarian"] = "own"
    exclusive: bool = False
    inner: bool = False


@dataclass(frozen=True)
class ReferringSet:
    """A split of a data set.

    Attributes:
        title: As papers write the data set's name.
        split: Of the data set.
        protocol: Name of the protocol: which frames and which sentences count, and how.
        rules: How it counts.
        videos: In the data set's order.
        layout: Of predictions on disk. "expressions": VIDEO/KEY/FRAME.png, values 0 and 255. "palette":
            [RUN/]VIDEO/FRAME.png, a pixel's value the instance.
        submission: Folder inside of a submission that the benchmark's server wants around them, "" for none.
        public: Whether there is truth to score against.
        notes: Sentences on what was skipped, mended or is odd, with counts, for people.
    """

    title: str
    split: str
    protocol: str
    rules: Rules
    videos: Sequence[ReferringVideo]
    layout: Layout = "expressions"
    submission: str = ""
    public: bool = True
    notes: tuple[str, ...] = ()

    def counts(self) -> dict[str, int]:
        """Return the numbers of videos, expressions and samples; a sample has a row in an evaluation of the split.

        These are the (sentence, frame) pairs, of which `Rules.inner` leaves some out. Where objects are matched, a
        sentence that means none is a proposal alone. Without public truth all masks count that are asked for.
        """
        return {
            "videos": len(self.videos),
            "expressions": sum(len(video.expressions) for video in self.videos),
            "samples": sum(self._count_samples(video) for video in self.videos),
        }

    def _count_samples(self, video: ReferringVideo) -> int:
        targets = video.targets[1:-1] if self.rules.inner else video.targets
        if self.rules.matching == "own":
            return sum(len(target.counting) for target in targets)
        meant = [expression.instance is not None for expression in video.expressions]
        return sum(meant[number] for target in targets for number in target.counting)


class SetOpener(Protocol):
    """Opens a split of a data set; every reader has one, called `open_<name>`."""

    def __call__(self, root: Path, split: str, protocol: str) -> ReferringSet:
        """Read the annotations; no mask and no footage yet.

        Raises:
            RefvidError: Parts of the data set are missing: says which, and where they were looked for.
            UnavailableError: A package that reads it is not installed.
            UsageError: The split or the protocol is not one of the data set's.
        """
        ...


@dataclass(frozen=True)
class SetInfo:
    """What is known of a data set before it is opened.

    Attributes:
        name: As `--dataset` takes it.
        title: As papers write it.
        splits: All there are.
        evaluated: The split that is evaluated unless another is asked for.
        training: The split to learn from; None where the set is for testing alone, and all of it is taken.
        protocols: What each means, in a line; the first is the default.
        private: Splits whose truth is not public.
    """

    name: str
    title: str
    splits: tuple[str, ...]
    evaluated: str
    training: str | None
    protocols: dict[str, str]
    private: tuple[str, ...] = ()
