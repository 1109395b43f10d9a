"""Masks of maps, where they are above a threshold, in the frame's own size."""

import math
from collections.abc import Hashable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from refvid.masks.dense_crf import Probabilities
from refvid.masks.guided_filter import PixelWindow, upsample
from refvid.model.config import ThresholdOf, UpsamplingName
from refvid.model.letterbox import Letterbox
from refvid.video.frame import Pixels

PROBABLE = 0.1  # what is less probable, and far from what is more, is left as it is
GUIDED_RADIUS = 2  # pixels of the network's input, of the windows that fit its answer to the frame
STEP = 8  # pixels of the network's input
NEAR = 0.5  # share of the threshold below which what is not next to more is left out


def plain_masks(
    logits: Tensor,
    pixels: Pixels,
    box: Letterbox,
    *,
    threshold: float,
    threshold_of: ThresholdOf,
    upsampling: UpsamplingName,
    rivals: Sequence[Hashable] | None = None,
) -> Tensor:
    """Return the masks of a frame, bool [E, H, W], on the device of its logits.

    Args:
        logits: On the resized picture [E, h', w'].
        pixels: The frame, RGB [H, W, 3].
        box: Where it lies in the network's input.
        threshold: Share of what `threshold_of` says.
        threshold_of: See `logit_cut`.
        upsampling: "bilinear", of logits, or "guided" by the frame, of probabilities, around where they come near the
            threshold, if the frame is larger than the resized picture.
        rivals: As for `threshold_maps`.
    """
    height, width = logits.shape[1:]
    larger = box.height >= height and box.width >= width and (box.height, box.width) != (height, width)
    if upsampling == "bilinear" or not larger:
        restored = box.restore(logits)
        return threshold_maps(restored, logit_cut(restored, threshold, threshold_of), rivals)
    frame, probabilities = torch.from_numpy(np.ascontiguousarray(pixels)), logits.sigmoid()
    restored = torch.zeros(len(logits), box.height, box.width, device=logits.device)
    for row, known in enumerate(probabilities.cpu().numpy()):
        rows, columns = probable_part(known[None], 2 * GUIDED_RADIUS + 1, NEAR * threshold)
        if rows.stop:
            part = _whole_steps(rows), _whole_steps(columns)
            found, place = upsample(probabilities[row, None], frame, part, radius=GUIDED_RADIUS)
            restored[row, *place] = found[0]
    return threshold_maps(restored, threshold, rivals)


def probable_part(probabilities: Probabilities, margin: int, least: float = PROBABLE) -> PixelWindow:
    """Return the rows and columns where something is probable in one of the maps [R, h, w], and a margin around it."""
    found = probabilities > least
    return _span(np.flatnonzero(found.any((0, 2))), margin), _span(np.flatnonzero(found.any((0, 1))), margin)


def _span(places: NDArray[np.intp], margin: int) -> slice:
    return slice(max(0, places[0] - margin), places[-1] + 1 + margin) if len(places) else slice(0, 0)


def _whole_steps(part: slice) -> slice:
    """Return the slice around one that begins and ends at multiples of `STEP`: few differ, and are remembered."""
    return slice(part.start // STEP * STEP, -(-part.stop // STEP) * STEP)


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


def threshold_maps(values: Tensor, threshold: float | Tensor, rivals: Sequence[Hashable] | None = None) -> Tensor:
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
