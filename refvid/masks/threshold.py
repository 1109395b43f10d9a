"""Masks from probability maps, by a threshold, in the frame's own size."""

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

PROBABLE = 0.1  # probability; only the surroundings of more probable pixels are refined
GUIDED_RADIUS = 2  # radius of the guided filter's windows, in pixels of the network's input
STEP = 8  # pixels of the network's input to which upsampled parts are rounded
NEAR = 0.5  # share of the threshold; only the surroundings of pixels above it are upsampled


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
        logits: Logits over the resized frame, [E, h', w'].
        pixels: The frame, uint8 RGB [H, W, 3].
        box: Place of the frame in the network's input.
        threshold: Threshold, as a share of `threshold_of`.
        threshold_of: "one" or "maximum", as for `probability_cut`.
        upsampling: "bilinear" upsamples the logits; "guided" upsamples the probabilities along the edges of the frame,
            around those that come near the threshold. A frame that is no larger than its resized picture is bilinear.
        rivals: Labels of competing expressions, as for `threshold_maps`.
    """
    if upsampling == "bilinear" or not _is_larger(box, logits):
        restored = box.restore(logits)
        return threshold_maps(restored, logit_cut(restored, threshold, threshold_of), rivals)
    restored = torch.zeros(len(logits), box.height, box.width, device=logits.device)
    _upsample_near(restored, logits, pixels, threshold)
    return threshold_maps(restored, threshold, rivals)


def plain_probabilities(
    logits: Tensor, pixels: Pixels, box: Letterbox, *, threshold: float, upsampling: UpsamplingName
) -> Tensor:
    """Return the probabilities that `plain_masks` cuts at the threshold, float32 [E, H, W], for the same arguments.

    Where "guided" upsampling has nothing to do, far below the threshold, they are upsampled bilinearly.
    """
    restored: Tensor = box.restore(logits).sigmoid()
    if upsampling == "guided" and _is_larger(box, logits):
        _upsample_near(restored, logits, pixels, threshold)
    return restored


def _is_larger(box: Letterbox, logits: Tensor) -> bool:
    height, width = logits.shape[1:]
    return box.height >= height and box.width >= width and (box.height, box.width) != (height, width)


def _upsample_near(restored: Tensor, logits: Tensor, pixels: Pixels, threshold: float) -> None:
    """Write the probabilities of logits [E, h', w'] that come near the threshold into maps [E, H, W], along edges."""
    frame, probabilities = torch.from_numpy(np.ascontiguousarray(pixels)), logits.sigmoid()
    for row, known in enumerate(probabilities.cpu().numpy()):
        rows, columns = probable_part(known[None], 2 * GUIDED_RADIUS + 1, NEAR * threshold)
        if rows.stop:
            part = _whole_steps(rows), _whole_steps(columns)
            found, place = upsample(probabilities[row, None], frame, part, radius=GUIDED_RADIUS)
            restored[row, *place] = found[0]


def probable_part(probabilities: Probabilities, margin: int, least: float = PROBABLE) -> PixelWindow:
    """Return the rows and columns around all probable pixels of maps [R, h, w], with a margin; empty if there are none.

    Args:
        probabilities: Maps, float32 [R, h, w].
        margin: Pixels to add on each side.
        least: Probability above which a pixel counts.
    """
    found = probabilities > least
    return _span(np.flatnonzero(found.any((0, 2))), margin), _span(np.flatnonzero(found.any((0, 1))), margin)


def _span(places: NDArray[np.intp], margin: int) -> slice:
    return slice(max(0, places[0] - margin), places[-1] + 1 + margin) if len(places) else slice(0, 0)


def _whole_steps(part: slice) -> slice:
    """Return the slice widened to multiples of `STEP`: few different slices remain, which the guided filter caches."""
    return slice(part.start // STEP * STEP, -(-part.stop // STEP) * STEP)


def probability_cut(probabilities: Tensor, threshold: float, threshold_of: ThresholdOf = "one") -> Tensor:
    """Return the probability above which a pixel of each map belongs to the object, [E, 1, 1].

    Args:
        probabilities: Maps, [E, H, W].
        threshold: Share between 0 and 1.
        threshold_of: The whole of which the threshold is a share: "one", or the "maximum" of each map.
    """
    most = torch.ones_like(probabilities[:, :1, :1]) if threshold_of == "one" else probabilities.amax((1, 2), True)
    return threshold * most


def logit_cut(logits: Tensor, threshold: float, threshold_of: ThresholdOf = "one") -> Tensor:
    """Return the logits [E, 1, 1] of the probabilities that `probability_cut` returns for the sigmoid of logits.

    It computes with logarithms, so that a share of the maximum stays below the maximum even where the sigmoid rounds
    to zero.
    """
    if threshold_of == "one":
        return torch.full_like(logits[:, :1, :1], math.log(threshold / (1 - threshold)))
    share = math.log(threshold) + F.logsigmoid(logits.amax((1, 2), True))
    return share - torch.log1p(-share.exp())


def threshold_maps(values: Tensor, threshold: float | Tensor, rivals: Sequence[Hashable] | None = None) -> Tensor:
    """Return the masks of maps: pixels above a threshold that are also the largest among competing maps.

    Args:
        values: Maps, [E, H, W].
        threshold: One threshold for all maps, or one for each, [E, 1, 1].
        rivals: A label for each map; maps with equal labels compete, and one of several equal values gets the pixel.
            None lets masks overlap.

    Returns:
        bool [E, H, W].
    """
    masks = values > threshold
    for label in set() if rivals is None else set(rivals):
        rows = [row for row, other in enumerate(rivals or ()) if other == label]
        largest = values[rows].argmax(0)
        masks[rows] &= largest == torch.arange(len(rows), device=values.device)[:, None, None]
    return masks


def mean_confidence(probabilities: NDArray[np.float32], threshold: float | NDArray[np.float32]) -> NDArray[np.float64]:
    """Return each map's mean probability over its pixels above the threshold, float64 [E]; NaN if there are none.

    Args:
        probabilities: Maps, float32 [E, H, W].
        threshold: One threshold for all maps, or one for each, [E, 1, 1].
    """
    return mean_inside(probabilities, probabilities > threshold)


def mean_inside(probabilities: NDArray[np.float32], inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the mean of each map [E, H, W] over the pixels of its mask, float64 [E]; NaN if the mask is empty."""
    counts = inside.sum((1, 2))
    sums = np.where(inside, probabilities, 0.0).sum((1, 2), dtype=np.float64)
    mean: NDArray[np.float64] = np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0)
    return mean
