"""A source of masks that runs a model."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from refvid.data.referring import Expression, ReferringSet, ReferringVideo, Target
from refvid.data.text import count_of, name_some
from refvid.evaluation.sources import FrameMasks
from refvid.video.frame import Pixels

if TYPE_CHECKING:  # masks on disk are scored without PyTorch
    from refvid.inference.segmenter import Segmenter
    from refvid.masks.dense_crf import Refiner
    from refvid.masks.finish import Segmented

LOGGER = logging.getLogger(__name__)
_MAX_WORDS = 10  # unknown words listed in a note


class ModelMasks:
    """The masks of a model, a `MaskSource` to be used in a `with` block.

    The visual features of a frame are computed once for all expressions, and only frames that the masks depend on are
    read. An expression without any word gets empty masks.
    """

    def __init__(self, segmenter: "Segmenter", *, exclusive: bool = False) -> None:
        """Store the segmenter and its settings.

        Args:
            segmenter: Segmenter that computes the masks.
            exclusive: Whether each pixel goes to at most one expression of a run: the most probable one above the
                threshold. ReferFormer's code is equivalent: it sets probabilities below the threshold to 0 and adds a
                background of 0.1 as a competitor.
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

    def masks(self, video: ReferringVideo) -> Iterator[tuple[Target, FrameMasks]]:
        """Yield every target of a video with its masks; see `MaskSource`."""
        return self._segment(video, video.targets)

    def masks_at(self, video: ReferringVideo, target: Target) -> FrameMasks:
        """Return the masks of one target; see `MaskSource`."""
        ((_, found),) = self._segment(video, (target,))
        return found

    def notes(self, referring_set: ReferringSet) -> tuple[str, ...]:
        """Return sentences about expressions of a split that the model cannot read in full."""
        said = [expression for video in referring_set.videos for expression in video.expressions if expression.text]
        wordless = len(said) - len(_readable(said))
        vocabulary = self.segmenter.vocabulary
        unknown = [words for words in (vocabulary.unknown_words(one.text) for one in said) if words]
        cut = sum(bool(vocabulary.dropped_words(one.text)) for one in said)
        notes = []
        if unknown:
            often = Counter(word for words in unknown for word in words).most_common()
            notes.append(
                f"{len(unknown):,} of {count_of(len(said), 'expression')} use words that the model has never seen: "
                f"{name_some([word for word, _ in often], _MAX_WORDS)}."
            )
        if cut:
            notes.append(
                f"{cut:,} of {count_of(len(said), 'expression')} are cut to the {vocabulary.max_words} words that the "
                "model reads."
            )
        if wordless:
            notes.append(f"{wordless:,} of {count_of(len(said), 'expression')} hold no word; their masks are empty.")
        return tuple(notes)

    def _segment(self, video: ReferringVideo, targets: Sequence[Target]) -> Iterator[tuple[Target, FrameMasks]]:
        """Yield targets of a video, in order of frame index, with their masks."""
        frames = video.count_frames()
        # Decoders disagree by a frame about the end of some clips. An annotated last frame must not be lost to that.
        places = [min(target.index, frames - 1) for target in targets]
        rows = {number: row for row, number in enumerate(_readable(video.expressions))}
        wanted: dict[int, list[int]] = {}
        for place, target in zip(places, targets, strict=True):
            chosen = {*wanted.get(place, []), *self._compared(video, target)} & rows.keys()
            if chosen:
                wanted[place] = sorted(chosen)
        segmented = self.segmenter.segment_frames(
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
        """Return the expressions whose probabilities are needed in a frame."""
        if not self._exclusive:
            return set(target.counting)
        runs = {video.expressions[number].run for number in target.counting}
        return {number for number, expression in enumerate(video.expressions) if expression.run in runs}


def _readable(expressions: Sequence[Expression]) -> list[int]:
    """Return the indices of the expressions that contain a word."""
    from refvid.model.layers.language import split_words  # imports PyTorch

    return [number for number, expression in enumerate(expressions) if split_words(expression.text)]


def _reader(video: ReferringVideo, targets: set[int]) -> Callable[[range], Pixels]:
    """Return a function that reads frames of a video and replaces damaged ones by the nearest intact frame.

    It logs a warning for a damaged frame only if that frame is among the targets.
    """

    def read(indices: range) -> Pixels:
        pixels, present = video.read(list(indices))
        for index, there in zip(indices, present, strict=True):
            if not there and index in targets:
                LOGGER.warning("%s: frame %d cannot be decoded; the nearest one stands in", video.name, index)
        return pixels

    return read


def _choose(segmented: "Segmented[int]", numbers: Sequence[int], target: Target) -> FrameMasks:
    """Return the masks of the expressions evaluated in a target; the masks of expressions without words are empty."""
    found = _nothing(len(target.counting), *segmented.masks.shape[1:])
    for position, number in enumerate(target.counting):
        if number in numbers:
            row = numbers.index(number)
            found.masks[position] = segmented.masks[row]
            if segmented.masks[row].any():
                found.confidences[position] = segmented.confidence[row]
    return found


def _nothing(count: int, height: int, width: int) -> FrameMasks:
    return FrameMasks(np.zeros((count, height, width), np.bool_), np.full(count, np.nan))
