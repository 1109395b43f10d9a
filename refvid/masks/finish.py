"""Masks of a network's logits: in the frame's own size, refined where that is wanted."""

import math
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from refvid.masks.dense_crf import Probabilities, Refiner
from refvid.masks.guided_filter import PixelWindow, upsample
from refvid.masks.threshold import mean_confidence, plain_masks, probability_cut, probable_part, threshold_maps
from refvid.model.config import ThresholdOf, UpsamplingName
from refvid.model.letterbox import Letterbox
from refvid.video.frame import Masks, Pixels

Item = TypeVar("Item")
QUEUED_FRAMES_PER_WORKER = 3
NEUTRAL = 0.5  # probability at which the CRF takes neither side
MARGIN = 1 / 16  # of the longest side: the paper's bilateral width


@dataclass(frozen=True, eq=False)
class Segmented(Generic[Item]):
    """The masks of one frame.

    Attributes:
        item: What was fed in with the frame.
        masks: bool [E, H, W], in the frame's own size.
        confidence: Mean probability over each mask's pixels [E]; NaN where the mask is empty.
    """

    item: Item
    masks: Masks
    confidence: NDArray[np.float64]

    @classmethod
    def of(cls, item: Item, masks: Masks, confidence: NDArray[np.float64]) -> "Segmented[Item]":
        """Return the masks with the confidence in those that are not empty in the frame's own size."""
        return cls(item, masks, np.where(masks.any((1, 2)), confidence, np.nan))


class Finisher(Protocol[Item]):
    """Makes masks of logits."""

    def push(
        self, item: Item, pixels: Pixels, logits: Tensor, rivals: Sequence[Hashable] | None = None
    ) -> Iterator[Segmented[Item]]:
        """Take a frame's logits [E, h', w'] on the resized picture; yield what is ready."""
        ...

    def flush(self) -> Iterator[Segmented[Item]]:
        """Yield the rest."""
        ...


class PlainFinisher(Generic[Item]):
    """The threshold, in the frame's own size (see `plain_masks`)."""

    def __init__(
        self,
        threshold: float,
        letterbox: Callable[[Pixels], Letterbox],
        timings: MutableMapping[str, float],
        threshold_of: ThresholdOf = "one",
        upsampling: UpsamplingName = "bilinear",
    ) -> None:
        """Takes what decides.

        Args:
            threshold: Probability above which a pixel is the object.
            letterbox: Tells where a frame lies in the network's input.
            timings: Seconds are added to its "network".
            threshold_of: What the threshold is a share of.
            upsampling: How what the network says reaches the frame's own size.
        """
        self._threshold, self._threshold_of, self._upsampling = threshold, threshold_of, upsampling
        self._letterbox, self._timings = letterbox, timings

    def push(
        self, item: Item, pixels: Pixels, logits: Tensor, rivals: Sequence[Hashable] | None = None
    ) -> Iterator[Segmented[Item]]:
        started = time.perf_counter()
        masks = plain_masks(
            logits,
            pixels,
            self._letterbox(pixels),
            threshold=self._threshold,
            threshold_of=self._threshold_of,
            upsampling=self._upsampling,
            rivals=rivals,
        )
        probabilities = logits.sigmoid()
        least = probability_cut(probabilities, self._threshold, self._threshold_of)
        confidence = mean_confidence(probabilities.cpu().numpy(), least.cpu().numpy())
        segmented = Segmented.of(item, masks.cpu().numpy(), confidence)
        self._timings["network"] += time.perf_counter() - started
        yield segmented

    def flush(self) -> Iterator[Segmented[Item]]:
        yield from ()  # nothing is held back


@dataclass(frozen=True, eq=False)
class _Waiting(Generic[Item]):
    """A frame that is being refined.

    Attributes:
        rows: The expressions that are refined.
        probabilities: Theirs [R, h, w], with the log-odds shifted as `_shift` says.
        part: Where in the picture they are refined.
        refined: Waits for the refined probabilities there; None where there is nothing to refine.
    """

    item: Item
    pixels: Pixels
    rivals: Sequence[Hashable] | None
    expressions: int
    rows: NDArray[np.intp]
    probabilities: Probabilities
    part: PixelWindow
    refined: Callable[[], Probabilities] | None


class RefinedFinisher(Generic[Item]):
    """DenseCRF of small pictures in worker processes, a bounded number of frames ahead of the consumer, and guided
    upsampling to the frame.

    A threshold that is a probability is made the odds at which the CRF takes neither side, rather than 1 to 1: else it
    would empty what a model with a lower threshold means to be the object. As its kernels pull to the side that holds
    more, no pixel of a map without any above the threshold could then come above it: such maps are not refined, and of
    the others only the part around what is probable.
    """

    def __init__(
        self,
        threshold: float,
        longest_side: int,
        timings: MutableMapping[str, float],
        refiner: Refiner,
        threshold_of: ThresholdOf = "one",
    ) -> None:
        """Takes what decides.

        Args:
            threshold: Probability above which a pixel is the object.
            longest_side: Of the pictures that are refined, pixels.
            timings: Seconds are added to its "refine".
            refiner: Works meanwhile.
            threshold_of: What the threshold is a share of; the maximum is that of the refined probabilities.
        """
        self._threshold, self._threshold_of = threshold, threshold_of
        self._longest_side, self._timings = longest_side, timings
        self._refiner = refiner
        self._shift = math.log(threshold / (1 - threshold)) if threshold_of == "one" else 0.0
        self._queue: deque[_Waiting[Item]] = deque()

    def push(
        self, item: Item, pixels: Pixels, logits: Tensor, rivals: Sequence[Hashable] | None = None
    ) -> Iterator[Segmented[Item]]:
        box = Letterbox.square(pixels, self._longest_side)
        frame = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None]
        small = box.resize(frame)[0].permute(1, 2, 0).contiguous().numpy()
        resized = Letterbox(*box.scaled, box.canvas).restore(logits)
        probabilities = (resized - self._shift).sigmoid().float().cpu().numpy()
        rows, part = np.arange(len(probabilities)), (slice(None), slice(None))
        if self._threshold_of == "one":
            rows = np.flatnonzero(probabilities.max((1, 2), initial=0) > NEUTRAL)
            probabilities = probabilities[rows]
            part = probable_part(probabilities, math.ceil(MARGIN * self._longest_side))
        refined = self._refiner.submit(small[part], probabilities[:, *part]) if len(rows) else None
        self._queue.append(_Waiting(item, pixels, rivals, len(logits), rows, probabilities, part, refined))
        while len(self._queue) > QUEUED_FRAMES_PER_WORKER * self._refiner.workers:
            yield self._finish()

    def flush(self) -> Iterator[Segmented[Item]]:
        while self._queue:
            yield self._finish()

    def _finish(self) -> Segmented[Item]:
        waiting = self._queue.popleft()
        masks = np.zeros((waiting.expressions, *waiting.pixels.shape[:2]), np.bool_)
        confidence = np.full(waiting.expressions, np.nan)
        if waiting.refined is not None:
            started = time.perf_counter()
            refined = waiting.refined()
            self._timings["refine"] += time.perf_counter() - started
            probabilities = waiting.probabilities.copy()
            probabilities[:, *waiting.part] = refined
            masks[waiting.rows], confidence[waiting.rows] = self._decide(waiting, torch.from_numpy(probabilities))
        return Segmented.of(waiting.item, masks, confidence)

    def _decide(self, waiting: _Waiting[Item], probabilities: Tensor) -> tuple[Masks, NDArray[np.float64]]:
        """Return the masks in the frame's size, and the confidence in each, of refined probabilities [R, h, w]."""
        box = Letterbox.square(waiting.pixels, self._longest_side)
        if box.height * box.width > probabilities[0].numel():
            restored, _ = upsample(probabilities, torch.from_numpy(np.ascontiguousarray(waiting.pixels)))
        else:
            restored = box.restore(probabilities)
        threshold = NEUTRAL if self._threshold_of == "one" else self._threshold
        rivals = None if waiting.rivals is None else [waiting.rivals[row] for row in waiting.rows]
        masks = threshold_maps(restored, probability_cut(restored, threshold, self._threshold_of), rivals).numpy()
        meant = (probabilities.logit(1e-6) + self._shift).sigmoid() if self._shift else probabilities
        least = probability_cut(meant, self._threshold, self._threshold_of)
        return masks, mean_confidence(meant.numpy(), least.numpy())
