"""Upsample maps of a small picture along the edges of the frame: the fast guided filter (He and Sun, 2015)."""

import math
from dataclasses import dataclass
from functools import lru_cache, reduce

import torch
from torch import Tensor
from torch.nn import functional as F

RADIUS = 1  # radius of the windows, in pixels of the small picture
SMOOTHNESS = 1e-4  # variance of the grey values (0 to 1) below which a window counts as flat
AXES = 16  # cache size: from frame to frame most sides of a part stay the same
PixelWindow = tuple[slice, slice]  # rows and columns


def upsample(
    values: Tensor, frame: Tensor, part: PixelWindow | None = None, *, radius: int = RADIUS
) -> tuple[Tensor, PixelWindow]:
    """Return maps upsampled to the frame's size, with their edges moved to the edges of the frame.

    In a window around each pixel of the small picture, the map is fitted as a linear function of the grey value,
    `slope * grey + offset`. Slope and offset are upsampled bilinearly and applied to the grey values of the full-size
    frame, so that the result changes where the frame does.

    The plain filter has a flaw for masks: where the picture is flat, the fit is no more than the window's mean, which
    would wipe out small objects and those that differ from their surroundings in colour but not in grey. So the
    residual of the fit is added back in flat windows (see `_fit`), where the map is then simply upsampled bilinearly.

    The guide of the small picture is not the network's input but the frame reduced with the transposed weights of the
    bilinear upsampling. That equals antialiased bilinear resizing except at the outermost pixels, and can be computed
    for the wanted part alone.

    Args:
        values: Maps of the small picture, float32 [N, h, w].
        frame: Frame of at least that size, uint8 RGB [H, W, 3], on any device.
        part: Rows and columns of the small picture to upsample; None for all of it.
        radius: Radius of the windows, in pixels of the small picture.

    Returns:
        Maps of the frame's pixels whose centres lie in the part, float32 [N, H', W'], within the range of the given
        maps; and the rows and columns of these pixels.
    """
    rows, columns = (
        _axis(length, full, *_ends(length, wanted), 2 * radius, values.device)
        for length, full, wanted in zip(values.shape[1:], frame.shape, part or (None, None), strict=False)
    )
    with torch.autocast(values.device.type, enabled=False):
        grey = _grey(frame[rows.seen, columns.seen].to(values.device))
        guide = (rows.shrink @ grey @ columns.shrink.T)[None, None]
    lines = _fit(values[:, None, rows.small, columns.small], guide, radius)
    slope, offset = rows.stretch(columns.stretch(lines, -1), -2).unbind(1)
    found = torch.addcmul(offset, slope, grey[rows.wanted_of_seen, columns.wanted_of_seen])
    return found.clamp_(*values.aminmax()), (rows.wanted, columns.wanted)


def _fit(maps: Tensor, guide: Tensor, radius: int) -> Tensor:
    """Return the slope and offset, [N, 2, h, w], that fit maps [N, 1, h, w] to grey values [1, 1, h, w].

    This is ordinary least squares in each window, with `SMOOTHNESS` as the ridge term. As every pixel lies in several
    windows, the fits of all of them are averaged (He and Sun, 2015).
    """
    mean, of_guide = _window_mean(maps, radius), _window_mean(guide, radius)
    variance = (_window_mean(guide * guide, radius) - of_guide * of_guide).clamp(min=0)
    slope = (_window_mean(maps * guide, radius) - mean * of_guide) / (variance + SMOOTHNESS)
    lines = _window_mean(torch.cat([slope, mean - slope * of_guide], 1), radius)
    slope, offset = lines[:, :1], lines[:, 1:]
    # 1 in a flat window, towards 0 in one with an edge: the share of the fit's residual that is added back.
    flat = SMOOTHNESS / (_window_mean(variance, radius) + SMOOTHNESS)
    return torch.cat([slope, offset + flat * (maps - slope * guide - offset)], 1)


@dataclass(frozen=True, eq=False)
class _Axis:
    """Indices and weights for one side, the rows or the columns, of a part; resizing works on each side separately.

    Attributes:
        wanted: Pixels of the frame in the part.
        small: Pixels of the small picture that the wanted pixels depend on.
        seen: Pixels of the frame that the small pixels depend on.
        wanted_of_seen: The wanted pixels as a slice of the seen ones.
        shrink: Weight of each seen pixel in each small pixel, float32 [h', H''].
        before: Index in `small` of the pixel before the centre of each wanted pixel, int64 [H'].
        after: Index in `small` of the pixel after it, int64 [H'].
        share: Position of the centre between these two, from 0 to 1, float32 [H'].
    """

    wanted: slice
    small: slice
    seen: slice
    wanted_of_seen: slice
    shrink: Tensor
    before: Tensor
    after: Tensor
    share: Tensor

    def stretch(self, maps: Tensor, side: int) -> Tensor:
        """Return maps whose side -2 or -1 is interpolated from the small pixels to the wanted pixels."""
        share = self.share[:, None] if side == -2 else self.share
        return torch.lerp(maps.index_select(side, self.before), maps.index_select(side, self.after), share)


def _ends(length: int, wanted: slice | None) -> tuple[int, int]:
    return (0, length) if wanted is None else (int(wanted.start), min(int(wanted.stop), length))


@lru_cache(maxsize=AXES)
def _axis(length: int, full: int, start: int, stop: int, margin: int, device: torch.device) -> _Axis:
    """Return the indices and weights of one side.

    Args:
        length: Length of the side of the small picture, in pixels.
        full: Length of the side of the frame, in pixels.
        start: First wanted pixel of the small picture.
        stop: Pixel of the small picture after the last wanted one.
        margin: Small pixels beyond these that the filter's windows reach.
        device: Device of the maps.
    """
    scale = full / length
    wanted = slice(math.ceil(start * scale - 0.5), math.ceil(stop * scale - 0.5))  # centres: (i + 0.5) / scale
    small = slice(max(0, start - 1 - margin), min(length, stop + 1 + margin))
    seen = slice(max(0, math.floor((small.start - 0.5) * scale)), min(full, math.ceil((small.stop + 0.5) * scale)))
    inside = slice(wanted.start - seen.start, wanted.stop - seen.start)
    # The centres of the seen pixels in coordinates of the small picture, whose own centres lie at 0, 1, 2 and so on.
    places = torch.arange(seen.start, seen.stop, dtype=torch.float32, device=device)
    centres = ((places + 0.5) / scale - 0.5).clamp(0, length - 1)
    pixels = torch.arange(small.start, small.stop, dtype=torch.float32, device=device)
    weights = (1 - (centres - pixels[:, None]).abs()).clamp(min=0)
    offsets = centres[inside] - small.start
    before = offsets.floor().long()
    after = (before + 1).clamp(max=small.stop - small.start - 1)
    shrink = weights / weights.sum(1, keepdim=True)
    return _Axis(wanted, small, seen, inside, shrink, before, after, offsets - before)


def _grey(picture: Tensor) -> Tensor:
    """Return the mean of the channels of a picture uint8 [H, W, 3] as float32 [H, W] from 0 to 1."""
    weights = torch.full((3, 1), 1 / (3 * 255), device=picture.device)
    return (picture.reshape(-1, 3).to(torch.float32) @ weights).view(picture.shape[:2])


def _window_mean(maps: Tensor, radius: int) -> Tensor:
    """Return the mean over the window around each pixel of maps [N, C, h, w], without what lies beyond the edges.

    Sums of shifted maps, first along the rows and then along the columns, take a fifth of the time of `avg_pool2d`.
    """
    height, width = maps.shape[-2:]
    wide = F.pad(maps, (radius, radius))
    across = reduce(torch.add, [wide[..., step : step + width] for step in range(2 * radius + 1)])
    high = F.pad(across, (0, 0, radius, radius))
    total = reduce(torch.add, [high[..., step : step + height, :] for step in range(2 * radius + 1)])
    return total / _window_size(height, width, radius, maps.device)


@lru_cache(maxsize=AXES)
def _window_size(height: int, width: int, radius: int, device: torch.device) -> Tensor:
    """Return the number of pixels in the window around each pixel, float32 [height, width]."""
    rows, columns = (
        (places.clamp(max=radius) + places.flip(0).clamp(max=radius) + 1).float()
        for places in (torch.arange(height, device=device), torch.arange(width, device=device))
    )
    return rows[:, None] * columns
