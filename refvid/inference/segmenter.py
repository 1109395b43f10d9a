"""The segmenter: a stream of frames in, a stream of masks out."""

import warnings
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Literal, overload

import numpy as np
import torch

from refvid.inference.frame_stages import FrameStages
from refvid.inference.requests import Expressions, iterate_frames, list_expressions, remarks
from refvid.inference.windows import read_window, windows
from refvid.masks.dense_crf import Probabilities, Refiner
from refvid.masks.finish import Finisher, Item, Segmented
from refvid.video.frame import Masks, Pixels


class Segmenter(FrameStages):
    """A model that segments the objects of expressions in a stream of frames.

    Masks lag `model.config.frame_radius` frames behind the frames, because cross-frame attention looks that far ahead.
    Memory does not grow with the length of the stream.

    One for a model on the CPU changes how the whole process keeps memory: with glibc, large blocks that are freed stay
    with the process for reuse (see `keep_freed_memory`). Nothing else outside the segmenter changes.

    Args:
        model: Model from `refvid.load_model`.
        threshold: Probability above which a pixel belongs to the object, or its share of the frame's largest
            probability if the model's `threshold_of` is "maximum"; None for the model's own threshold.
        refine: Whether to refine the masks with DenseCRF; None for the model's own default.
        precision: Precision of the arithmetic; `auto` is bfloat16 on CUDA devices that support it, else float32.

    Raises:
        UnavailableError: The device does not support the precision.
        UsageError: The threshold is not between 0 and 1.
    """

    @overload
    def __call__(
        self, frames: Iterable[Pixels], expressions: Expressions, *, probabilities: Literal[False] = False
    ) -> Masks: ...

    @overload
    def __call__(
        self, frames: Iterable[Pixels], expressions: Expressions, *, probabilities: Literal[True]
    ) -> tuple[Masks, Probabilities]: ...

    def __call__(
        self, frames: Iterable[Pixels], expressions: Expressions, *, probabilities: bool = False
    ) -> Masks | tuple[Masks, Probabilities]:
        """Return the masks of a whole clip; `stream` does the same frame by frame.

        Args:
            frames: Frames of one size, uint8 RGB [T, H, W, 3], or anything that yields such frames [H, W, 3].
            expressions: What to segment: one expression, or a list of them, which share the visual features.
            probabilities: Whether to return probabilities too.

        Returns:
            Masks, bool [T, H, W] for one expression and [E, T, H, W] for a list of E. With `probabilities`, the masks
            and the probabilities float32 of the same shape.

        Raises:
            UsageError: There are no frames, they are not uint8 RGB or differ in size, or an expression has no words.
        """
        axis = 0 if isinstance(expressions, str) else 1
        if not probabilities:
            return np.stack(list(self.stream(frames, expressions)), axis)
        found = list(self.stream(frames, expressions, probabilities=True))
        return np.stack([masks for masks, _ in found], axis), np.stack([shares for _, shares in found], axis)

    @overload
    def stream(
        self, frames: Iterable[Pixels], expressions: Expressions, *, probabilities: Literal[False] = False
    ) -> Iterator[Masks]: ...

    @overload
    def stream(
        self, frames: Iterable[Pixels], expressions: Expressions, *, probabilities: Literal[True]
    ) -> Iterator[tuple[Masks, Probabilities]]: ...

    def stream(
        self, frames: Iterable[Pixels], expressions: Expressions, *, probabilities: bool = False
    ) -> Iterator[Masks] | Iterator[tuple[Masks, Probabilities]]:
        """Return an iterator over the masks of each frame, in order.

        Words that say nothing to the model are named in a `UserWarning`.

        Args:
            frames: Frames of one size, uint8 RGB [H, W, 3] each.
            expressions: What to segment: one expression, or a list of them, which share the visual features.
            probabilities: Whether to yield probabilities too.

        Returns:
            For each frame its masks, bool [H, W] for one expression and [E, H, W] for a list of E. With
            `probabilities`, a pair of the masks and the probabilities float32 of the same shape.

        Raises:
            UsageError: There are no frames, they are not uint8 RGB or differ in size, or an expression has no words.
        """
        wanted = list_expressions(expressions)
        self._encode(wanted)  # refuses an expression without words before the first frame is asked for
        for remark in self.remarks(wanted):
            warnings.warn(remark, stacklevel=2)
        items = ((None, frame) for frame in iterate_frames(frames))
        row = 0 if isinstance(expressions, str) else slice(None)
        found = self.run(items, wanted, probabilities=probabilities)
        if probabilities:
            return ((each.masks[row], each.probabilities[row]) for each in found if each.probabilities is not None)
        return (each.masks[row] for each in found)

    def remarks(self, expressions: Expressions) -> list[str]:
        """Return sentences about words of the expressions that say nothing to the model or that it does not read."""
        return remarks(self.vocabulary, self.model.name, list_expressions(expressions))

    def run(
        self, items: Iterable[tuple[Item, object]], expressions: Expressions, *, probabilities: bool = False
    ) -> Iterator[Segmented[Item]]:
        """Yield the masks of each frame with the item that belongs to it, in order.

        Each frame passes through `prepare`, `encode`, `enhance`, `decode` and `finish`. These stages share no mutable
        state, so each of them may run in a thread of its own.

        Args:
            items: Pairs of any item and its frame, uint8 RGB [H, W, 3].
            expressions: What to segment.
            probabilities: Whether to return the probabilities too.
        """
        yield from self.finish(self.predict(self.prepare(items), expressions), probabilities=probabilities)

    @torch.inference_mode()
    def segment_frames(
        self,
        read: Callable[[range], Pixels],
        frames: int,
        wanted: Mapping[int, Sequence[int]],
        expressions: Sequence[str],
        *,
        rivals: Sequence[Hashable] | None = None,
        refiner: Refiner | None = None,
    ) -> Iterator[Segmented[int]]:
        """Yield the masks of some frames of a video, in order; they equal those of a `run` over the whole video.

        There is one exception: an expression that names nothing is segmented too, as benchmarks ask of a model.

        Only frames within reach of the wanted frames' cross-frame attention are read, each once, and all expressions
        share the visual features.

        Args:
            read: Function that returns consecutive frames, uint8 RGB [len(range), H, W, 3].
            frames: Number of frames in the video.
            wanted: Indices of the expressions to segment in each frame, by the frame's index; at least one per frame.
            expressions: All expressions.
            rivals: A label for each expression: among expressions with equal labels in a frame, a pixel goes to the
                most probable one only. None lets masks overlap.
            refiner: Pool from `refiner`, to keep its processes from video to video; None starts one for this call.

        Yields:
            Each frame's index as the item, with masks bool [len(wanted[index]), H, W].

        Raises:
            UsageError: An expression has no words.
        """
        word_ids = self._encode(list_expressions(expressions))
        with ExitStack() as stack:
            finish: Finisher[int] = self._finisher(stack, refiner, self.timings)
            for window in windows(wanted, self.model.network.frame_radius, frames):
                for frame in self.enhance(self.encode(self.prepare(read_window(read, window)))):
                    self.timings["network"] += frame.seconds
                    if frame.item in wanted:
                        chosen = list(wanted[frame.item])
                        logits = self._segment(frame, word_ids[:, chosen])
                        compete = None if rivals is None else [rivals[expression] for expression in chosen]
                        yield from finish.push(frame.item, frame.pixels, logits, compete)
            yield from finish.flush()
