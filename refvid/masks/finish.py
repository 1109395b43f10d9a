"""The last stage of a stream: masks in the frame's own size from the network's logits, refined or not."""

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
from refvid.masks.threshold import (
    mean_confidence,
    mean_inside,
    plain_masks,
    plain_probabilities,
    probability_cut,
    probable_part,
    threshold_maps,
)
from refvid.model.config import ThresholdOf, UpsamplingName
from refvid.model.letterbox import Letterbox
from refvid.video.frame import Masks, Pixels

Item = TypeVar("Item")
QUEUED_FRAMES_PER_WORKER = 3
NEUTRAL = 0.5  # probability that the CRF favours neither label at
MARGIN = 1 / 16  # share of the longest side around a refined part: the width of the paper's bilateral kernel


@dataclass(frozen=True, eq=False)
class Segmented(Generic[Item]):
    """The masks of one frame.

    Attributes:
        item: The caller's item for this frame.
        masks: Masks in the frame's own size, bool [E, H, W].
        confidence: Mean probability that the network gives the pixels of each mask, float64 [E]; NaN where a mask is
            empty.
        highest: Highest probability that the network gives any pixel, for each expression, float32 [E].
        probabilities: Probabilities in the frame's own size, float32 [E, H, W], of which the pixels above the threshold
            are the masks; None where they were not asked for.
    """

    item: Item
    masks: Masks
    confidence: NDArray[np.float64]
    highest: NDArray[np.float32]
    probabilities: Probabilities | None = None

    @classmethod
    def of(
        cls,
        item: Item,
        masks: Masks,
        confidence: NDArray[np.float64],
        highest: NDArray[np.float32],
        probabilities: Probabilities | None = None,
    ) -> "Segmented[Item]":
        """Return the masks with their confidence, which becomes NaN where a mask is empty in the frame's own size."""
        return cls(item, masks, np.where(masks.any((1, 2)), confidence, np.nan), highest, probabilities)

    def without(self, rows: Sequence[int]) -> "Segmented[Item]":
        """Return the result with nothing found for the expressions in some rows."""
        if not rows:
            return self
        silent = np.isin(np.arange(len(self.masks)), rows)
        shown = ~silent[:, None, None]
        return Segmented(
            self.item,
            self.masks & shown,
            np.where(silent, np.nan, self.confidence),
            np.where(silent, np.float32(0), self.highest),
            None if self.probabilities is None else self.probabilities * shown,
        )


class Finisher(Protocol[Item]):
    """A stage that turns the logits of frames into masks, possibly some frames later."""

    def push(
        self, item: Item, pixels: Pixels, logits: Tensor, rivals: Sequence[Hashable] | None = None
    ) -> Iterator[Segmented[Item]]:
        """Take the logits [E, h', w'] of a frame over its resized picture; yield the frames that are ready."""
        ...

    def flush(self) -> Iterator[Segmented[Item]]:
        """Yield the remaining frames."""
        ...


class PlainFinisher(Generic[Item]):
    """A finisher without refinement: it upsamples to the frame's own size and applies the threshold."""

    def __init__(
        self,
        threshold: float,
        letterbox: Callable[[Pixels], Letterbox],
        timings: MutableMapping[str, float],
        threshold_of: ThresholdOf = "one",
        upsampling: UpsamplingName = "bilinear",
        keep_probabilities: bool = False,
    ) -> None:
        """Store the settings, which are explained in `plain_masks`.

        Args:
            threshold: Threshold, as a share of `threshold_of`.
            letterbox: Function that returns the place of a frame in the network's input.
            timings: Seconds by stage; the time spent is added to "network".
            threshold_of: "one" or "maximum".
            upsampling: "bilinear" or "guided".
            keep_probabilities: Whether to return the probabilities too.
        """
        self._threshold, self._threshold_of, self._upsampling = threshold, threshold_of, upsampling
        self._letterbox, self._timings = letterbox, timings
        self._keep_probabilities = keep_probabilities

    def push(
        self, item: Item, pixels: Pixels, logits: Tensor, rivals: Sequence[Hashable] | None = None
    ) -> Iterator[Segmented[Item]]:
        started = time.perf_counter()
        box = self._letterbox(pixels)
        masks = plain_masks(
            logits,
            pixels,
            box,
            threshold=self._threshold,
            threshold_of=self._threshold_of,
            upsampling=self._upsampling,
            rivals=rivals,
        )
        probabilities = logits.sigmoid()
        least = probability_cut(probabilities, self._threshold, self._threshold_of)
        known = probabilities.cpu().numpy()
        confidence = mean_confidence(known, least.cpu().numpy())
        kept = None
        if self._keep_probabilities:
            kept = plain_probabilities(logits, pixels, box, threshold=self._threshold, upsampling=self._upsampling)
        segmented = Segmented.of(
            item, masks.cpu().numpy(), confidence, highest_of(known), None if kept is None else kept.cpu().numpy()
        )
        self._timings["network"] += time.perf_counter() - started
        yield segmented

    def flush(self) -> Iterator[Segmented[Item]]:
        yield from ()  # nothing is held back


@dataclass(frozen=True, eq=False)
class _Waiting(Generic[Item]):
    """A frame that is being refined.

    Attributes:
        item: The caller's item for this frame.
        pixels: The frame, uint8 RGB [H, W, 3].
        rivals: Labels of competing expressions, as for `threshold_maps`.
        expressions: Number of expressions E.
        rows: Indices of the R expressions that are refined.
        probabilities: Their probabilities, float32 [R, h, w], with log-odds shifted by `_shift`.
        part: Rows and columns of the small picture that are refined.
        refined: Function that waits for the refined probabilities of that part; None if nothing is refined.
        network: The network's own probabilities of all expressions, float32 [E, h, w].
    """

    item: Item
    pixels: Pixels
    rivals: Sequence[Hashable] | None
    expressions: int
    rows: NDArray[np.intp]
    probabilities: Probabilities
    part: PixelWindow
    refined: Callable[[], Probabilities] | None
    network: Probabilities


class RefinedFinisher(Generic[Item]):
    """A finisher that refines small pictures with DenseCRF and upsamples the result along the edges of the frame.

    Worker processes refine a bounded number of frames ahead of the consumer.

    The CRF is neutral at a probability of 1/2. A model whose threshold is lower would lose its objects to it, so the
    log-odds are shifted until the threshold itself lies at 1/2 (`threshold_of` "one" only). The CRF's kernels pull each
    pixel towards the label of the majority around it. A map without a pixel above the threshold therefore stays
    empty and is not refined; in the other maps, only the part around the probable pixels is.
    """

    def __init__(
        self,
        threshold: float,
        longest_side: int,
        timings: MutableMapping[str, float],
        refiner: Refiner,
        threshold_of: ThresholdOf = "one",
        keep_probabilities: bool = False,
    ) -> None:
        """Store the settings.

        Args:
            threshold: Threshold, as a share of `threshold_of`.
            longest_side: Longer side of the pictures that are refined, in pixels.
            timings: Seconds by stage; the time spent waiting for the workers is added to "refine".
            refiner: Pool of processes that refine.
            threshold_of: "one", or the "maximum" of the refined probabilities.
            keep_probabilities: Whether to return the probabilities too.
        """
        self._threshold, self._threshold_of = threshold, threshold_of
        self._longest_side, self._timings = longest_side, timings
        self._refiner, self._keep_probabilities = refiner, keep_probabilities
        self._shift = math.log(threshold / (1 - threshold)) if threshold_of == "one" else 0.0
        self._queue: deque[_Waiting[Item]] = deque()

    def push(
        self, item: Item, pixels: Pixels, logits: Tensor, rivals: Sequence[Hashable] | None = None
    ) -> Iterator[Segmented[Item]]:
        box = Letterbox.square(pixels, self._longest_side)
        frame = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None]
        small = box.resize(frame)[0].permute(1, 2, 0).contiguous().numpy()
        resized = Letterbox(*box.scaled, box.canvas).restore(logits)
        network = resized.sigmoid().float().cpu().numpy()
        probabilities = (resized - self._shift).sigmoid().float().cpu().numpy()
        rows, part = np.arange(len(probabilities)), (slice(None), slice(None))
        if self._threshold_of == "one":
            rows = np.flatnonzero(probabilities.max((1, 2), initial=0) > NEUTRAL)
            probabilities = probabilities[rows]
            part = probable_part(probabilities, math.ceil(MARGIN * self._longest_side))
        refined = self._refiner.submit(small[part], probabilities[:, *part]) if len(rows) else None
        self._queue.append(_Waiting(item, pixels, rivals, len(logits), rows, probabilities, part, refined, network))
        while len(self._queue) > QUEUED_FRAMES_PER_WORKER * self._refiner.workers:
            yield self._finish()

    def flush(self) -> Iterator[Segmented[Item]]:
        while self._queue:
            yield self._finish()

    def _finish(self) -> Segmented[Item]:
        waiting = self._queue.popleft()
        masks = np.zeros((waiting.expressions, *waiting.pixels.shape[:2]), np.bool_)
        confidence = np.full(waiting.expressions, np.nan)
        kept = None
        if self._keep_probabilities:
            box = Letterbox.square(waiting.pixels, self._longest_side)
            kept = box.restore(torch.from_numpy(waiting.network)).numpy()
        if waiting.refined is not None:
            started = time.perf_counter()
            refined = waiting.refined()
            self._timings["refine"] += time.perf_counter() - started
            probabilities = waiting.probabilities.copy()
            probabilities[:, *waiting.part] = refined
            restored = self._restore(waiting, torch.from_numpy(probabilities))
            cut = probability_cut(restored, self._cut, self._threshold_of)
            rivals = None if waiting.rivals is None else [waiting.rivals[row] for row in waiting.rows]
            masks[waiting.rows] = threshold_maps(restored, cut, rivals).numpy()
            confidence[waiting.rows] = self._confidence(waiting, probabilities)
            if kept is not None:
                kept[waiting.rows] = self._unshift(restored).numpy()
        return Segmented.of(waiting.item, masks, confidence, highest_of(waiting.network), kept)

    @property
    def _cut(self) -> float:
        """The threshold of the shifted probabilities."""
        return NEUTRAL if self._threshold_of == "one" else self._threshold

    def _restore(self, waiting: _Waiting[Item], probabilities: Tensor) -> Tensor:
        """Return refined probabilities [R, h, w] in the frame's own size."""
        box = Letterbox.square(waiting.pixels, self._longest_side)
        if box.height * box.width > probabilities[0].numel():
            return upsample(probabilities, torch.from_numpy(np.ascontiguousarray(waiting.pixels)))[0]
        return box.restore(probabilities)

    def _confidence(self, waiting: _Waiting[Item], refined: Probabilities) -> NDArray[np.float64]:
        """Return the mean of the network's own probabilities inside the refined masks [R].

        The refined ones say nothing about how sure the network is, because the CRF brings them all close to 0 or 1.
        """
        least = probability_cut(torch.from_numpy(refined), self._cut, self._threshold_of).numpy()
        return mean_inside(waiting.network[waiting.rows], refined > least)

    def _unshift(self, probabilities: Tensor) -> Tensor:
        """Return shifted probabilities on the network's own scale."""
        return (probabilities.logit(1e-6) + self._shift).sigmoid() if self._shift else probabilities


def highest_of(probabilities: Probabilities) -> NDArray[np.float32]:
    """Return the highest probability of each map [E, H, W], float32 [E]."""
    highest: NDArray[np.float32] = probabilities.max((1, 2), initial=0)
    return highest
