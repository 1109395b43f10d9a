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

from refvid.model.letterbox import Letterbox
from refvid.refine import Refiner

Pixels = NDArray[np.uint8]
Masks = NDArray[np.bool_]
Item = TypeVar("Item")
QUEUED_FRAMES_PER_WORKER = 3


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
    """Bilinear logits in the frame's own size, then the threshold."""

    def __init__(
        self, threshold: float, letterbox: Callable[[Pixels], Letterbox], timings: MutableMapping[str, float]
    ) -> None:
        """Takes what decides.

        Args:
            threshold: Probability above which a pixel is the object.
            letterbox: Tells where a frame lies in the network's input.
            timings: Seconds are added to its "network".
        """
        self._threshold, self._letterbox, self._timings = threshold, letterbox, timings

    def push(
        self, item: Item, pixels: Pixels, logits: Tensor, rivals: Sequence[Hashable] | None = None
    ) -> Iterator[Segmented[Item]]:
        started = time.perf_counter()
        cut = math.log(self._threshold / (1 - self._threshold))
        restored = self._letterbox(pixels).restore(logits)
        masks = cut_out(restored, cut, rivals).cpu().numpy()
        confidence = mean_confidence(logits.sigmoid().cpu().numpy(), self._threshold)
        self._timings["network"] += time.perf_counter() - started
        yield Segmented(item, masks, confidence)

    def flush(self) -> Iterator[Segmented[Item]]:
        yield from ()  # nothing is held back


class RefinedFinisher(Generic[Item]):
    """DenseCRF in worker processes, a bounded number of frames ahead of the consumer."""

    def __init__(
        self, threshold: float, longest_side: int, timings: MutableMapping[str, float], refiner: Refiner
    ) -> None:
        """Takes what decides.

        Args:
            threshold: Probability above which a pixel is the object.
            longest_side: Of the pictures that are refined, pixels.
            timings: Seconds are added to its "refine".
            refiner: Works meanwhile.
        """
        self._threshold, self._longest_side, self._timings = threshold, longest_side, timings
        self._refiner = refiner
        self._queue: deque[tuple[Item, Pixels, Sequence[Hashable] | None, Callable[[], NDArray[np.float32]]]] = deque()

    def push(
        self, item: Item, pixels: Pixels, logits: Tensor, rivals: Sequence[Hashable] | None = None
    ) -> Iterator[Segmented[Item]]:
        box = Letterbox.square(pixels, self._longest_side)
        frame = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None]
        small = box.resize(frame)[0].permute(1, 2, 0).contiguous().numpy()
        probabilities = Letterbox(*box.scaled, box.canvas).restore(logits).sigmoid().float().cpu().numpy()
        self._queue.append((item, pixels, rivals, self._refiner.submit(small, probabilities)))
        while len(self._queue) > QUEUED_FRAMES_PER_WORKER * self._refiner.workers:
            yield self._finish()

    def flush(self) -> Iterator[Segmented[Item]]:
        while self._queue:
            yield self._finish()

    def _finish(self) -> Segmented[Item]:
        item, pixels, rivals, result = self._queue.popleft()
        started = time.perf_counter()
        refined = result()
        self._timings["refine"] += time.perf_counter() - started
        box = Letterbox.square(pixels, self._longest_side)
        masks = cut_out(box.restore(torch.from_numpy(refined)), self._threshold, rivals).numpy()
        return Segmented(item, masks, mean_confidence(refined, self._threshold))


def cut_out(values: Tensor, threshold: float, rivals: Sequence[Hashable] | None = None) -> Tensor:
    """Return where values [E, H, W] are above a threshold, bool [E, H, W], and largest among those of equal rivals.

    The threshold is a constant background that every object must beat; where values tie, one of them gets the pixel.
    """
    masks = values > threshold
    for label in set() if rivals is None else set(rivals):
        rows = [row for row, other in enumerate(rivals or ()) if other == label]
        largest = values[rows].argmax(0)
        masks[rows] &= largest == torch.arange(len(rows), device=values.device)[:, None, None]
    return masks


def mean_confidence(probabilities: NDArray[np.float32], threshold: float) -> NDArray[np.float64]:
    """Return each map's mean probability over its pixels above the threshold [E]; NaN where there are none."""
    inside = probabilities > threshold
    counts = inside.sum((1, 2))
    sums = np.where(inside, probabilities, 0.0).sum((1, 2), dtype=np.float64)
    mean: NDArray[np.float64] = np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0)
    return mean
