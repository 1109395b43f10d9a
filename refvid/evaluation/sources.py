"""Where the masks come from that are scored: a model, or a submission on disk."""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Protocol, Self

import numpy as np
import numpy.typing as npt

from refvid.data.referring import Expression, ReferringSet, ReferringVideo, Target
from refvid.data.text import count_of
from refvid.errors import RefvidError
from refvid.evaluation.submissions import CONFIDENCES, confidence_key, index_of, mask_path, read_picture

if TYPE_CHECKING:  # masks on disk are scored without PyTorch
    from refvid.refine import Refiner
    from refvid.segmenter import Segmented, Segmenter

LOGGER = logging.getLogger(__name__)
MissingRule = Literal["error", "empty"]
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Found:
    """The masks that were found in one frame.

    Attributes:
        masks: bool [n, H, W], one for each expression that counts there, in the order of `Target.counting`.
        confidences: float64 [n]; NaN where the mask is empty.
    """

    masks: npt.NDArray[np.bool_]
    confidences: npt.NDArray[np.float64]


class MaskSource(Protocol):
    """Gives masks of a video's expressions."""

    def masks(self, video: ReferringVideo) -> Iterator[tuple[Target, Found]]:
        """Yields every target of a video with its masks, in order.

        Raises:
            RefvidError: The footage, or a stored mask, cannot be read.
        """
        ...

    def masks_at(self, video: ReferringVideo, target: Target) -> Found:
        """Returns the masks of one target; the same as `masks` yields for it.

        Raises:
            RefvidError: The footage, or a stored mask, cannot be read.
        """
        ...


class ModelMasks:
    """Masks of a model, for a `with` block.

    A frame's visual features are computed once for all expressions, and only frames that the masks depend on are
    read. An expression without a word in it has empty masks.
    """

    def __init__(self, segmenter: "Segmenter", *, exclusive: bool = False) -> None:
        """Takes a network with its settings.

        Args:
            segmenter: Computes the masks.
            exclusive: Whether a pixel goes to one expression of a run alone: the most probable of those above the
                threshold, which is a constant background that all must beat. (ReferFormer sets what is below the
                threshold to 0 and lets a background of 0.1 compete: the same thing.)
        """
        self.segmenter = segmenter
        self._exclusive = exclusive
        self._stack = ExitStack()
        self._refiner: Refiner | None = None

    def __enter__(self) -> Self:
        if self.segmenter.refine:
            self._refiner = self._stack.enter_context(self.segmenter.refiner())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._refiner = None
        self._stack.close()

    def masks(self, video: ReferringVideo) -> Iterator[tuple[Target, Found]]:
        """Yields every target of a video with its masks; see `MaskSource`."""
        return self._segment(video, video.targets)

    def masks_at(self, video: ReferringVideo, target: Target) -> Found:
        """Returns the masks of one target; see `MaskSource`."""
        ((_, found),) = self._segment(video, (target,))
        return found

    def notes(self, referring_set: ReferringSet) -> tuple[str, ...]:
        """Returns sentences on what the model cannot read of a split."""
        said = [expression for video in referring_set.videos for expression in video.expressions if expression.text]
        wordless = len(said) - len(_readable(said))
        vocabulary = self.segmenter.vocabulary
        unknown = [words for words in (vocabulary.unknown_words(one.text) for one in said) if words]
        cut = sum(bool(vocabulary.dropped_words(one.text)) for one in said)
        notes = []
        if unknown:
            different = len({word for words in unknown for word in words})
            notes.append(
                f"{len(unknown):,} of {count_of(len(said), 'expression')} use words that the model has never seen, "
                f"{count_of(different, 'different one')}."
            )
        if cut:
            notes.append(
                f"{cut:,} of {count_of(len(said), 'expression')} are cut to the {vocabulary.max_words} words that the "
                "model reads."
            )
        if wordless:
            notes.append(f"{wordless:,} of {count_of(len(said), 'expression')} hold no word; their masks are empty.")
        return tuple(notes)

    def _segment(self, video: ReferringVideo, targets: Sequence[Target]) -> Iterator[tuple[Target, Found]]:
        """Yields some targets of a video, by rising index, with their masks."""
        frames = video.count_frames()
        # Decoders differ by a frame at the end of some clips: an annotated last frame must not be lost for that.
        places = [min(target.index, frames - 1) for target in targets]
        rows = {number: row for row, number in enumerate(_readable(video.expressions))}
        wanted: dict[int, list[int]] = {}
        for place, target in zip(places, targets, strict=True):
            chosen = {*wanted.get(place, []), *self._compared(video, target)} & rows.keys()
            if chosen:
                wanted[place] = sorted(chosen)
        segmented = self.segmenter.targets(
            _reader(video, set(wanted)),
            frames,
            {place: [rows[number] for number in numbers] for place, numbers in wanted.items()},
            [video.expressions[number].text for number in rows],
            rivals=[video.expressions[number].run for number in rows] if self._exclusive else None,
            refiner=self._refiner,
        )
        current: Segmented[int] | None = None
        for place, target in zip(places, targets, strict=True):
            if place not in wanted:
                height, width = video.read([place])[0].shape[1:3]
                yield target, _nothing(len(target.counting), height, width)
                continue
            if current is None or current.item != place:
                current = next(segmented)
            yield target, _choose(current, wanted[place], target)

    def _compared(self, video: ReferringVideo, target: Target) -> set[int]:
        """Returns the expressions whose probabilities are needed in a frame."""
        if not self._exclusive:
            return set(target.counting)
        runs = {video.expressions[number].run for number in target.counting}
        return {number for number, expression in enumerate(video.expressions) if expression.run in runs}


class StoredMasks:
    """Masks of a submission on disk, a peer's too; `refvid.evaluation.submissions` has the layouts.

    Every mask has the confidence that `confidences.json` gives it; without that file 1.

    Attributes:
        folder: Where the masks lie.
        missing: How many files are not there.
        ranked: Whether there is a `confidences.json`.
    """

    def __init__(self, folder: Path, referring_set: ReferringSet, *, missing: MissingRule = "error") -> None:
        """Looks for the file of every mask.

        Args:
            folder: The submission, or the folder inside that the benchmark's server wants.
            referring_set: What it is of.
            missing: What becomes of a mask whose file is not there: an error, or an empty mask.

        Raises:
            RefvidError: The folder is not there, files are missing in it, or its confidences cannot be read.
        """
        if not folder.is_dir():
            raise RefvidError(f"{folder} is not a folder; give the one that holds the predictions")
        self.folder = folder
        self._set = referring_set
        inner = folder / referring_set.submission
        self._root = inner if inner.is_dir() else folder
        given_inside = bool(referring_set.submission) and folder.name == referring_set.submission
        self._confidences = _read_confidences((folder, folder.parent) if given_inside else (folder,))
        self.ranked = self._confidences is not None
        self._runs: dict[str, bool] = {}  # whether a run has its folder
        self.missing = self._look(missing)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what is odd about the masks."""
        notes = []
        if self.missing:
            notes.append(f"{self.missing:,} of {count_of(self._files, 'mask')} have no file and count as empty.")
        if not self.ranked and self._set.rules.measure == "region":
            notes.append(
                f"There is no {CONFIDENCES} beside the masks: all count as equally sure, so ap_coco means little."
            )
        return tuple(notes)

    def _look(self, missing: MissingRule) -> int:
        """Counts the files that are missing.

        Raises:
            RefvidError: Some are, and they may not.
        """
        files = dict.fromkeys(
            self._path(video, video.expressions[number], target)
            for video in self._set.videos
            for target in video.targets
            for number in target.counting
        )
        self._files = len(files)
        absent = [path for path in files if not path.is_file()]
        if absent and (missing == "error" or len(absent) == len(files)):
            raise RefvidError(
                f"{len(absent)} of {len(files)} masks are missing in {self.folder}, the first is {absent[0]}; add "
                "them, or count missing ones as empty with --missing empty"
            )
        return len(absent)

    def masks(self, video: ReferringVideo) -> Iterator[tuple[Target, Found]]:
        """Yields every target of a video with its masks; see `MaskSource`."""
        for target in video.targets:
            yield target, self.masks_at(video, target)

    def masks_at(self, video: ReferringVideo, target: Target) -> Found:
        """Returns the masks of one target; see `MaskSource`."""
        pictures: dict[Path, npt.NDArray[np.int64] | None] = {}
        masks: list[npt.NDArray[np.bool_] | None] = []
        for number in target.counting:
            expression = video.expressions[number]
            path = self._path(video, expression, target)
            if path not in pictures:
                pictures[path] = read_picture(path) if path.is_file() else None
            masks.append(self._mask(video, expression, path, pictures[path]))
        shapes = {mask.shape for mask in masks if mask is not None}
        if len(shapes) > 1:
            sizes = " and ".join(f"{width}x{height}" for height, width in sorted(shapes))
            raise RefvidError(f"{video.name}, frame {target.name}: masks of one frame are {sizes}; make them again")
        shape = shapes.pop() if shapes else _size_of(video, target)
        stacked = np.stack([np.zeros(shape, np.bool_) if mask is None else mask for mask in masks])
        given = [self._confidence(video, video.expressions[number], target) for number in target.counting]
        return Found(stacked, np.where(stacked.any(axis=(1, 2)), given, np.nan))

    def _path(self, video: ReferringVideo, expression: Expression, target: Target) -> Path:
        """Returns where a mask should lie: in the folder of its run, or without one where the run has no folder."""
        path, run = mask_path(self._set, video, expression, target), expression.run
        if run and run not in self._runs:
            self._runs[run] = (self._root / run).is_dir()
        return self._root / (path if not run or self._runs[run] else path.relative_to(run))

    def _mask(
        self, video: ReferringVideo, expression: Expression, path: Path, values: npt.NDArray[np.int64] | None
    ) -> npt.NDArray[np.bool_] | None:
        """Returns the mask of an expression, bool [H, W]; None of a file that is not there."""
        if values is None:
            return None
        if self._set.layout == "expressions":
            return np.asarray(values > 0 if values.ndim == 2 else (values[..., :3] > 0).any(axis=-1))
        if values.ndim != 2:
            raise RefvidError(f"{path} is coloured; expected a palette image whose values are the instances")
        if len({other.instance for other in video.expressions}) == 1:
            return np.asarray(values > 0)  # a single object is 1 in some submissions and 255 in others
        return np.asarray(values == index_of(video, expression))

    def _confidence(self, video: ReferringVideo, expression: Expression, target: Target) -> float:
        if self._confidences is None:
            return 1.0
        # A mask without one is ranked last.
        return self._confidences.get(confidence_key(video, expression, target), 0.0)


def _readable(expressions: Sequence[Expression]) -> list[int]:
    """Returns which expressions have a word in them."""
    from refvid.model.language import split_words  # it comes with PyTorch

    return [number for number, expression in enumerate(expressions) if split_words(expression.text)]


def _reader(video: ReferringVideo, targets: set[int]) -> Callable[[range], Pixels]:
    """Returns what reads frames of a video; damaged ones are replaced by the nearest, and said where they count."""

    def read(indices: range) -> Pixels:
        pixels, present = video.read(list(indices))
        for index, there in zip(indices, present, strict=True):
            if not there and index in targets:
                LOGGER.warning("%s: frame %d cannot be decoded; the nearest one stands in", video.name, index)
        return pixels

    return read


def _choose(segmented: "Segmented[int]", numbers: Sequence[int], target: Target) -> Found:
    """Picks the masks of the expressions that count; those without a word are empty."""
    found = _nothing(len(target.counting), *segmented.masks.shape[1:])
    for position, number in enumerate(target.counting):
        if number in numbers:
            row = numbers.index(number)
            found.masks[position] = segmented.masks[row]
            if segmented.masks[row].any():
                found.confidences[position] = segmented.confidence[row]
    return found


def _nothing(count: int, height: int, width: int) -> Found:
    return Found(np.zeros((count, height, width), np.bool_), np.full(count, np.nan))


def _size_of(video: ReferringVideo, target: Target) -> tuple[int, int]:
    """Returns height and width of a frame's masks."""
    truth = video.truth(target)
    height, width = video.read([target.index])[0].shape[1:3] if truth is None else truth.shape[1:]
    return height, width


def _read_confidences(folders: Sequence[Path]) -> dict[str, float] | None:
    """Reads `confidences.json` of the first folder that has one; None where none has.

    Raises:
        RefvidError: It is not what an evaluation writes.
    """
    for path in (folder / CONFIDENCES for folder in folders):
        if path.is_file():
            try:
                values = json.loads(path.read_text(encoding="utf-8"))
                return {str(name): float(value) for name, value in values.items()}
            except (OSError, ValueError, TypeError, AttributeError) as error:
                raise RefvidError(
                    f"{path} does not hold a number for each mask ({error}); make the predictions again, or remove it"
                ) from error
    return None
