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
from torch.nn import functional as F

from refvid.model.config import ThresholdOf
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
        self,
        threshold: float,
        letterbox: Callable[[Pixels], Letterbox],
        timings: MutableMapping[str, float],
        threshold_of: ThresholdOf = "one",
    ) -> None:
        """Takes what decides.

        Args:
            threshold: Probability above which a pixel is the object.
            letterbox: Tells where a frame lies in the network's input.
            timings: Seconds are added to its "network".
            threshold_of: What the threshold is a share of.
        """
        self._threshold, self._threshold_of = threshold, threshold_of
        self._letterbox, self._timings = letterbox, timings

    def push(
        self, item: Item, pixels: Pixels, logits: Tensor, rivals: Sequence[Hashable] | None = None
    ) -> Iterator[Segmented[Item]]:
        started = time.perf_counter()
        restored = self._letterbox(pixels).restore(logits)
        cut = logit_cut(restored, self._threshold, self._threshold_of)
        masks = cut_out(restored, cut, rivals).cpu().numpy()
        probabilities = logits.sigmoid()
        least = probability_cut(probabilities, self._threshold, self._threshold_of)
        confidence = mean_confidence(probabilities.cpu().numpy(), least.cpu().numpy())
        self._timings["network"] += time.perf_counter() - started
        yield Segmented(item, masks, confidence)

    def flush(self) -> Iterator[Segmented[Item]]:
        yield from ()  # nothing is held back


class RefinedFinisher(Generic[Item]):
    """DenseCRF in worker processes, a bounded number of frames ahead of the consumer."""

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
        probabilities = torch.from_numpy(refined)
        restored = box.restore(probabilities)
        masks = cut_out(restored, probability_cut(restored, self._threshold, self._threshold_of), rivals).numpy()
        least = probability_cut(probabilities, self._threshold, self._threshold_of)
        return Segmented(item, masks, mean_confidence(refined, least.numpy()))


def probability_cut(probabilities: Tensor, threshold: float, threshold_of: ThresholdOf = "one") -> Tensor:
    """Return the probability above which a pixel of each map is the object.

    Args:
        probabilities: [E, H, W].
        threshold: Share between 0 and 1.
        threshold_of: Of what: "one", or the "maximum" of each map.

    Returns:
        [E, 1, 1].
    """
    most = torch.ones_like(probabilities[:, :1, :1]) if threshold_of == "one" else probabilities.amax((1, 2), True)
    return threshold * most


def logit_cut(logits: Tensor, threshold: float, threshold_of: ThresholdOf = "one") -> Tensor:
    """Return the logits [E, 1, 1] of the probabilities that `probability_cut` returns for the sigmoid of logits.

    By logarithms: a share of the maximum stays less than it where the sigmoid would vanish.
    """
    if threshold_of == "one":
        return torch.full_like(logits[:, :1, :1], math.log(threshold / (1 - threshold)))
    share = math.log(threshold) + F.logsigmoid(logits.amax((1, 2), True))
    return share - torch.log1p(-share.exp())


def cut_out(values: Tensor, threshold: float | Tensor, rivals: Sequence[Hashable] | None = None) -> Tensor:
    """Return where values [E, H, W] are above a threshold, bool [E, H, W], and largest among those of equal rivals.

    The threshold, one or one of each map [E, 1, 1], is a background that every object must beat; where values tie, one
    of them gets the pixel.
    """
    masks = values > threshold
    for label in set() if rivals is None else set(rivals):
        rows = [row for row, other in enumerate(rivals or ()) if other == label]
        largest = values[rows].argmax(0)
        masks[rows] &= largest == torch.arange(len(rows), device=values.device)[:, None, None]
    return masks


def mean_confidence(probabilities: NDArray[np.float32], threshold: float | NDArray[np.float32]) -> NDArray[np.float64]:
    """Return each map's mean probability over its pixels above the threshold [E]; NaN where there are none.

    Args:
        probabilities: [E, H, W].
        threshold: One, or one of each map [E, 1, 1].
    """
    inside = probabilities > threshold
    counts = inside.sum((1, 2))
    sums = np.where(inside, probabilities, 0.0).sum((1, 2), dtype=np.float64)
    mean: NDArray[np.float64] = np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0)
    return mean
