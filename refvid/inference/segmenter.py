"""The segmenter: a stream of frames in, a stream of masks out."""

import time
from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext

import numpy as np
import torch
from torch import Tensor

from refvid.errors import UsageError
from refvid.inference.memory import keep_freed_memory
from refvid.inference.precision import pick_precision
from refvid.inference.stages import Encoded, FrameLogits, Prepared
from refvid.inference.windows import read_window, windows
from refvid.masks.dense_crf import Refiner
from refvid.masks.finish import Finisher, Item, PlainFinisher, RefinedFinisher, Segmented
from refvid.model.config import Precision
from refvid.model.letterbox import Letterbox
from refvid.model.registry import build_vocabulary
from refvid.video.frame import Masks, Pixels
from refvid.weights import LoadedModel

EXPRESSIONS_AT_ONCE = 32  # expressions per pass of the network; more would only take more memory


class Segmenter:
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

    def __init__(
        self,
        model: LoadedModel,
        *,
        threshold: float | None = None,
        refine: bool | None = None,
        precision: Precision = "auto",
    ) -> None:
        self.model = model
        self.threshold = model.config.threshold if threshold is None else threshold
        if not 0 < self.threshold < 1:
            raise UsageError(f"the threshold is a probability between 0 and 1, got {self.threshold}")
        self.refine = model.config.refine if refine is None else refine
        self.precision = pick_precision(precision, model.device)
        self.vocabulary = build_vocabulary(model.config)
        self.timings = {"resize": 0.0, "network": 0.0, "masks": 0.0, "refine": 0.0}  # seconds
        if model.device.type == "cpu":
            keep_freed_memory()

    def __call__(self, frames: Iterable[Pixels], expression: str) -> Masks:
        """Return the masks of one expression in a whole clip: frames uint8 RGB [T, H, W, 3], masks bool [T, H, W]."""
        return np.stack([masks[0] for masks in self.stream(frames, [expression])])

    def stream(self, frames: Iterable[Pixels], expressions: Sequence[str]) -> Iterator[Masks]:
        """Yield the masks of each frame, in order: bool [E, H, W], one for each expression.

        Args:
            frames: Frames of one size, uint8 RGB [H, W, 3] each.
            expressions: What to segment; all expressions share the visual features.

        Raises:
            UsageError: An expression has no words, or the frames differ in size.
        """
        for segmented in self.run(((frame, frame) for frame in frames), expressions):
            yield segmented.masks

    def run(self, items: Iterable[tuple[Item, Pixels]], expressions: Sequence[str]) -> Iterator[Segmented[Item]]:
        """Yield the masks of each frame with the item that belongs to it, in order.

        Each frame passes through `prepare`, `encode`, `enhance`, `decode` and `finish`. These stages share no mutable
        state, so each of them may run in a thread of its own.

        Args:
            items: Pairs of any item and its frame, uint8 RGB [H, W, 3].
            expressions: What to segment.
        """
        yield from self.finish(self.predict(self.prepare(items), expressions))

    def prepare(self, items: Iterable[tuple[Item, Pixels]]) -> Generator[Prepared[Item], None, None]:
        """Yield each frame resized to the network's input.

        Raises:
            UsageError: The frames differ in size.
        """
        box: Letterbox | None = None
        for item, pixels in items:
            started = time.perf_counter()
            box = self._same_size(pixels, box)
            picture = box.apply(torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None])
            self.timings["resize"] += time.perf_counter() - started
            yield Prepared(item, pixels, picture, box)

    def predict(
        self, prepared: Iterable[Prepared[Item]], expressions: Sequence[str]
    ) -> Generator[FrameLogits[Item], None, None]:
        """Yield the logits of each frame, by `encode`, `enhance` and `decode` in turn.

        Raises:
            UsageError: An expression has no words.
        """
        yield from self.decode(self.enhance(self.encode(prepared)), expressions)

    @torch.inference_mode()
    def encode(self, prepared: Iterable[Prepared[Item]]) -> Generator[Encoded[Item], None, None]:
        """Yield each frame with its features; on a CPU another thread may use them."""
        for frame in prepared:
            started = time.perf_counter()
            with self._autocast():
                features = self.model.folded.encode(frame.picture.to(self.model.device))
            yield Encoded(frame.item, frame.pixels, features, frame.box, time.perf_counter() - started)

    @torch.inference_mode()
    def enhance(self, encoded: Iterable[Encoded[Item]]) -> Generator[Encoded[Item], None, None]:
        """Yield each frame with its features after cross-frame attention, `frame_radius` frames behind."""
        stream = self.model.folded.stream()
        waiting: deque[Encoded[Item]] = deque()
        spent = 0.0  # since the last frame came out; includes work on frames that the stream still holds back
        for frame in encoded:
            waiting.append(frame)
            started = time.perf_counter()
            with self._autocast():
                ready = stream.push(frame.features)
            spent += time.perf_counter() - started
            if ready is not None:
                yield waiting.popleft().enhanced(ready, spent)
                spent = 0.0
        rest = stream.flush()
        while waiting:
            started = time.perf_counter()
            with self._autocast():
                ready = next(rest)
            yield waiting.popleft().enhanced(ready, spent + time.perf_counter() - started)
            spent = 0.0

    @torch.inference_mode()
    def decode(
        self, enhanced: Iterable[Encoded[Item]], expressions: Sequence[str]
    ) -> Generator[FrameLogits[Item], None, None]:
        """Yield the logits of each enhanced frame; another thread may use them, whatever the device.

        Raises:
            UsageError: An expression has no words.
        """
        word_ids = self._encode(expressions)
        for frame in enhanced:
            logits = self._segment(frame, word_ids)
            started = time.perf_counter()
            if logits.device.type == "cuda":
                # CUDA works asynchronously: without waiting, the time would be counted where the logits are used.
                torch.cuda.synchronize(logits.device)
            elif logits.device.type == "mps":
                logits = logits.cpu()  # PyTorch does not promise that two threads may submit work to this device
            self.timings["network"] += frame.seconds + time.perf_counter() - started
            yield FrameLogits(frame.item, frame.pixels, logits)

    @torch.inference_mode()
    def finish(
        self, answers: Iterable[FrameLogits[Item]], refiner: Refiner | None = None
    ) -> Generator[Segmented[Item], None, None]:
        """Yield the masks of each frame, refined if the segmenter refines; `refiner` as for `segment_frames`."""
        seconds = {"network": 0.0, "refine": 0.0}
        with ExitStack() as stack:
            finisher: Finisher[Item] = self._finisher(stack, refiner, seconds)
            for answer in answers:
                yield from self._timed(finisher.push(answer.item, answer.pixels, answer.logits), seconds)
            yield from self._timed(finisher.flush(), seconds)

    def _timed(self, finished: Iterator[Segmented[Item]], seconds: Mapping[str, float]) -> Iterator[Segmented[Item]]:
        """Yield what a finisher yields, and time it: its own "refine" `seconds` as "refine", the rest as "masks"."""
        segmented: Segmented[Item] | None
        while True:
            started, before = time.perf_counter(), seconds["refine"]
            segmented = next(finished, None)
            waited = seconds["refine"] - before
            self.timings["refine"] += waited
            self.timings["masks"] += time.perf_counter() - started - waited
            if segmented is None:
                return
            yield segmented

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
        word_ids = self._encode(expressions)
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

    def refiner(self) -> Refiner:
        """Return a pool that refines masks, for a `with` block around calls of `segment_frames` or of `finish`.

        Raises:
            UnavailableError: pydensecrf is not installed.
        """
        return Refiner(self.model.config.crf)

    def _encode(self, expressions: Sequence[str]) -> Tensor:
        """Return the word ids of the expressions on the device, int64 [1, E, L]."""
        try:
            return self.vocabulary.encode(expressions).to(self.model.device)[None]
        except ValueError as error:
            raise UsageError(str(error)) from error

    def _finisher(
        self, stack: ExitStack, refiner: Refiner | None, timings: MutableMapping[str, float]
    ) -> Finisher[Item]:
        config = self.model.config
        if not self.refine:
            return PlainFinisher(self.threshold, self.letterbox, timings, config.threshold_of, config.upsampling)
        longest_side = config.crf.longest_side
        pool = refiner or stack.enter_context(self.refiner())
        return RefinedFinisher(self.threshold, longest_side, timings, pool, config.threshold_of)

    def _segment(self, frame: Encoded[Item], word_ids: Tensor) -> Tensor:
        """Return the logits [E, h', w'] of expressions int64 [1, E, L] over the resized frame, without its padding."""
        started = time.perf_counter()
        with self._autocast():
            logits = [
                self.model.folded.segment(frame.features, some)[0][0].float()
                for some in torch.split(word_ids, EXPRESSIONS_AT_ONCE, dim=1)
            ]
            resized = frame.box.crop(torch.cat(logits))
        self.timings["network"] += time.perf_counter() - started
        return resized

    def letterbox(self, pixels: Pixels) -> Letterbox:
        """Return the place that a frame [H, W, 3] takes in the network's input."""
        height, width = pixels.shape[:2]
        return Letterbox(height, width, self.model.config.canvas(height, width))

    def _same_size(self, pixels: Pixels, box: Letterbox | None) -> Letterbox:
        height, width = pixels.shape[:2]
        if box is not None and (height, width) != (box.height, box.width):
            raise UsageError(
                f"all frames of a stream must have one size, but the first is {box.width}x{box.height} and another "
                f"is {width}x{height}"
            )
        return box or self.letterbox(pixels)

    def _autocast(self) -> AbstractContextManager[object]:
        if self.precision == torch.float32:
            return nullcontext()
        return torch.autocast(self.model.device.type, dtype=self.precision)
