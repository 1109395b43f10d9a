"""The stages between the frames of a video and their masks, each of which may run in a thread of its own."""

import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext

import numpy as np
import torch
from torch import Tensor

from refvid.errors import UsageError
from refvid.inference.memory import keep_freed_memory
from refvid.inference.precision import pick_precision
from refvid.inference.requests import Expressions, check_frame, list_expressions, silent_rows
from refvid.inference.stages import Encoded, FrameLogits, Prepared
from refvid.masks.dense_crf import Refiner
from refvid.masks.finish import Finisher, Item, PlainFinisher, RefinedFinisher, Segmented
from refvid.model.config import Precision
from refvid.model.letterbox import Letterbox
from refvid.model.registry import build_vocabulary
from refvid.video.frame import Pixels
from refvid.weights import LoadedModel

EXPRESSIONS_AT_ONCE = 32  # expressions per pass of the network; more would only take more memory


class FrameStages:
    """The stages of a `Segmenter`, whose arguments are explained there.

    They share no mutable state but the timings, to each of which a single stage adds at a time.
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

    def prepare(self, items: Iterable[tuple[Item, object]]) -> Generator[Prepared[Item], None, None]:
        """Yield each frame resized to the network's input.

        Raises:
            UsageError: There are no frames, a frame is not uint8 RGB, or the frames differ in size.
        """
        box: Letterbox | None = None
        for index, (item, frame) in enumerate(items):
            started = time.perf_counter()
            pixels = check_frame(frame, index)
            box = self._same_size(pixels, box)
            picture = box.apply(torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None])
            self.timings["resize"] += time.perf_counter() - started
            yield Prepared(item, pixels, picture, box)
        if box is None:
            raise UsageError("there are no frames to segment; give at least one, uint8 RGB [H, W, 3]")

    def predict(
        self, prepared: Iterable[Prepared[Item]], expressions: Expressions
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
        self, enhanced: Iterable[Encoded[Item]], expressions: Expressions
    ) -> Generator[FrameLogits[Item], None, None]:
        """Yield the logits of each enhanced frame; another thread may use them, whatever the device.

        Raises:
            UsageError: An expression has no words.
        """
        wanted = list_expressions(expressions)
        word_ids, silent = self._encode(wanted), silent_rows(self.vocabulary, wanted)
        for frame in enhanced:
            logits = self._segment(frame, word_ids)
            started = time.perf_counter()
            if logits.device.type == "cuda":
                # CUDA works asynchronously: without waiting, the time would be counted where the logits are used.
                torch.cuda.synchronize(logits.device)
            elif logits.device.type == "mps":
                logits = logits.cpu()  # PyTorch does not promise that two threads may submit work to this device
            self.timings["network"] += frame.seconds + time.perf_counter() - started
            yield FrameLogits(frame.item, frame.pixels, logits, silent)

    @torch.inference_mode()
    def finish(
        self, answers: Iterable[FrameLogits[Item]], refiner: Refiner | None = None, *, probabilities: bool = False
    ) -> Generator[Segmented[Item], None, None]:
        """Yield the masks of each frame, refined if the segmenter refines; `refiner` as for `segment_frames`.

        With `probabilities`, they come with the masks. Expressions that name nothing have empty masks.
        """
        seconds, silent = {"network": 0.0, "refine": 0.0}, tuple[int, ...]()
        with ExitStack() as stack:
            finisher: Finisher[Item] = self._finisher(stack, refiner, seconds, probabilities=probabilities)
            for answer in answers:
                silent = answer.silent
                for found in self._timed(finisher.push(answer.item, answer.pixels, answer.logits), seconds):
                    yield found.without(silent)
            for found in self._timed(finisher.flush(), seconds):
                yield found.without(silent)

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
        self,
        stack: ExitStack,
        refiner: Refiner | None,
        timings: MutableMapping[str, float],
        *,
        probabilities: bool = False,
    ) -> Finisher[Item]:
        config, of = self.model.config, self.model.config.threshold_of
        if not self.refine:
            return PlainFinisher(self.threshold, self.letterbox, timings, of, config.upsampling, probabilities)
        longest_side = config.crf.longest_side
        pool = refiner or stack.enter_context(self.refiner())
        return RefinedFinisher(self.threshold, longest_side, timings, pool, of, probabilities)

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
