"""Maps of a small picture in a frame's own size, with the frame's edges: the fast guided filter (He and Sun, 2015)."""

import torch
from torch import Tensor
from torch.nn import functional as F

RADIUS = 1  # of the windows, pixels of the small picture
SMOOTHNESS = 1e-4  # variance of the grey values, 0 to 1, below which a window counts as flat


def upsample(values: Tensor, small: Tensor, frame: Tensor) -> Tensor:
    """Return maps in the frame's size whose edges lie where the frame's do.

    Around each pixel of the small picture the map is fitted by a straight line of the picture's grey value. The lines
    are bilinearly upsampled, and the frame's grey values put in.

    Args:
        values: float32 [N, h, w], on the CPU.
        small: The picture they belong to, RGB uint8 [h, w, 3].
        frame: The same picture at full size, RGB uint8 [H, W, 3].

    Returns:
        float32 [N, H, W]; next to edges the values may lie a little outside the range of the given ones.
    """
    guide = _grey(small)[None, None]
    maps = values[:, None]
    mean, of_guide = _window_mean(maps), _window_mean(guide)
    slope = (_window_mean(maps * guide) - mean * of_guide) / (
        (_window_mean(guide * guide) - of_guide * of_guide).clamp(min=0) + SMOOTHNESS
    )
    lines = _window_mean(torch.cat([slope, mean - slope * of_guide], 1))
    slope, offset = F.interpolate(lines, frame.shape[:2], mode="bilinear", align_corners=False).unbind(1)
    return torch.addcmul(offset, slope, _grey(frame))


def _grey(picture: Tensor) -> Tensor:
    """Return the mean of the channels of a picture uint8 [H, W, 3], float32 [H, W], 0 to 1."""
    weights = torch.full((3, 1), 1 / (3 * 255))
    return (picture.reshape(-1, 3).to(torch.float32) @ weights).view(picture.shape[:2])


def _window_mean(maps: Tensor) -> Tensor:
    """Return the mean over the window around each pixel, as far as it lies in the maps [N, C, h, w]."""
    return F.avg_pool2d(maps, 2 * RADIUS + 1, stride=1, padding=RADIUS, count_include_pad=False)
