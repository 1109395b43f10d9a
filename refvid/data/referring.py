"""The common interface of referring-expression data sets: footage, expressions and masks."""

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
    """A referring expression about an object in a video.

    Attributes:
        key: Identifier among the expressions of the same video and run, as used in submissions for the data set.
        text: The expression; empty if a protocol scores an object that nobody described.
        instance: Number of the object in the data set; None if it is not public, or if the ground truth lacks the
            object.
        run: Name of the run. Runs are evaluated separately and the results are averaged, as for DAVIS's two annotators.
    """

    key: str
    text: str
    instance: int | None = None
    run: str = ""


@dataclass(frozen=True)
class Target:
    """A frame to be segmented.

    Attributes:
        name: Name of the frame in the data set's files, such as "00015".
        index: Index of the frame in its video, from 0.
        counting: Indices of the video's expressions that are evaluated in this frame; at least one.
    """

    name: str
    index: int
    counting: tuple[int, ...]


class ReferringVideo(Protocol):
    """A video, or an image as a video of one frame, with its expressions. It keeps no files open."""

    @property
    def name(self) -> str:
        """Name in the data set, under which predictions are stored; may contain slashes."""
        ...

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """All expressions about the video; at least one."""
        ...

    @property
    def targets(self) -> tuple[Target, ...]:
        """The frames to be evaluated, by rising index; at least one."""
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
            indices: Frame indices in any order, at least one of them inside the video.

        Returns:
            RGB frames in the size of the ground truth, uint8 [len(indices), H, W, 3], and whether the video contains
            each frame, bool [len(indices)]; a missing frame is replaced by the nearest one.

        Raises:
            RefvidError: The footage cannot be read.
        """
        ...

    def truth(self, target: Target) -> npt.NDArray[np.bool_] | None:
        """Read the masks of the expressions evaluated in a frame, bool [len(target.counting), H, W], in their order.

        Return None if the ground truth is not public.

        Raises:
            RefvidError: The masks cannot be read.
        """
        ...

    def void(self, target: Target) -> npt.NDArray[np.bool_] | None:
        """Read the void pixels of a frame, which are ignored, bool [H, W]; return None if there are none."""
        ...


@runtime_checkable
class FileByFile(Protocol):
    """A video with every frame and mask in a file of its own, so that it can be checked without decoding."""

    def files(self) -> Iterator[Path]:
        """Yield the files."""
        ...


@runtime_checkable
class Scaled(Protocol):
    """A video whose footage is scaled to the size of its masks."""

    def sizes(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return (width, height) of the footage and of the masks in pixels.

        Raises:
            RefvidError: One of the sizes cannot be read.
        """
        ...


@dataclass(frozen=True)
class Rules:
    """The rules by which a protocol computes scores.

    Attributes:
        measure: "region" for IoU and precision over all (expression, frame) pairs, "contour" for J and F of each
            object, frame by frame.
        inclusive: Whether an IoU of exactly K counts for P@K.
        empty: IoU of a sample in which both masks are empty; "skip" leaves the sample out.
        matching: For contour measures: "own" compares an object with the prediction for its own expression, "hungarian"
            with the one it gets in the best assignment over the video (the DAVIS benchmark's unsupervised task).
        exclusive: Whether a pixel belongs to at most one object of a video and run, the most probable one.
        inner: For contour measures: whether the first and last frame are left out (DAVIS's semi-supervised task).
    """

    measure: Measure = "region"
    inclusive: bool = False
    empty: EmptyRule = "one"
    matching: Literal["own", "hungarian"] = "own"
    exclusive: bool = False
    inner: bool = False


@dataclass(frozen=True)
class ReferringSet:
    """A split of a data set, opened under a protocol.

    Attributes:
        title: Name of the data set, as papers write it.
        split: Name of the split.
        protocol: Name of the protocol, which selects the frames and expressions to evaluate and the rules.
        rules: Rules of the protocol.
        videos: Videos in the order of the data set.
        layout: Layout of predictions on disk. "expressions": VIDEO/KEY/FRAME.png with values 0 and 255. "palette":
            [RUN/]VIDEO/FRAME.png, in which the value of a pixel is the instance.
        submission: Folder that the benchmark's server expects around the predictions; "" for none.
        public: Whether the ground truth is public.
        notes: Sentences for the user on faults of the data set and what was skipped or corrected, with counts.
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
        """Return the numbers of videos, expressions and samples; each sample is a row in an evaluation of the split.

        Samples are (expression, frame) pairs, some of which `Rules.inner` leaves out. If objects are matched,
        expressions that refer to no object are mere proposals and do not count. Without a public ground truth, every
        requested mask counts.
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
    """A function that opens a split of a data set; `refvid.data.sets` has one for each."""

    def __call__(self, root: Path, split: str, protocol: str) -> ReferringSet:
        """Read the annotations, but no masks and no footage.

        Raises:
            RefvidError: Parts of the data set are missing; the message names them and the places searched.
            UnavailableError: A package needed to read the data set is not installed.
            UsageError: The data set has no such split or protocol.
        """
        ...


@dataclass(frozen=True)
class SetInfo:
    """What is known about a data set before it is opened.

    Attributes:
        name: Name, as `--dataset` takes it.
        title: Name, as papers write it.
        splits: Names of all splits.
        evaluated: Split evaluated by default.
        training: Split to train on; None for a data set without one, all of which is then used.
        protocols: One-line description of each protocol; the first is the default.
        private: Splits whose ground truth is not public.
    """

    name: str
    title: str
    splits: tuple[str, ...]
    evaluated: str
    training: str | None
    protocols: dict[str, str]
    private: tuple[str, ...] = ()
