"""Maps of a small picture in a frame's own size, with the frame's edges: the fast guided filter (He and Sun, 2015)."""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

RADIUS = 1  # of the windows, pixels of the small picture
SMOOTHNESS = 1e-4  # variance of the grey values, 0 to 1, below which a window counts as flat
AXES = 16  # sides of parts that are remembered: from frame to frame most stay
PixelWindow = tuple[slice, slice]  # rows and columns


def upsample(
    values: Tensor, frame: Tensor, part: PixelWindow | None = None, *, radius: int = RADIUS
) -> tuple[Tensor, PixelWindow]:
    """Return maps in the frame's size whose edges lie where the frame's do.

    Around each pixel of the small picture the map is fitted by a straight line of the picture's grey value. The lines
    are bilinearly upsampled, and the frame's grey values put in. Where the picture is flat a line is but a mean, which
    would wipe out what is small or told by its colour alone: what the lines leave over counts there, and the map is
    only upsampled. The small picture is the frame's, made smaller by the weights of that upsampling, which is what
    antialiased bilinear resizing does but at the outermost pixels.

    Args:
        values: Maps of the small picture, float32 [N, h, w].
        frame: RGB uint8 [H, W, 3], at least as large, on any device.
        part: What is wanted, in pixels of the small picture; None: all of it.
        radius: Of the windows, pixels of the small picture.

    Returns:
        The pixels of the frame whose centres lie in the part, float32 [N, H', W'], within the range of the maps, and
        which they are.
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
    """Return slope and offset [N, 2, h, w] of the lines that give maps [N, 1, h, w] from grey values [1, 1, h, w]."""
    mean, of_guide = _window_mean(maps, radius), _window_mean(guide, radius)
    variance = (_window_mean(guide * guide, radius) - of_guide * of_guide).clamp(min=0)
    slope = (_window_mean(maps * guide, radius) - mean * of_guide) / (variance + SMOOTHNESS)
    lines = _window_mean(torch.cat([slope, mean - slope * of_guide], 1), radius)
    slope, offset = lines[:, :1], lines[:, 1:]
    flat = SMOOTHNESS / (_window_mean(variance, radius) + SMOOTHNESS)
    return torch.cat([slope, offset + flat * (maps - slope * guide - offset)], 1)


@dataclass(frozen=True, eq=False)
class _Axis:
    """What one side of a part needs.

    Attributes:
        wanted: Pixels of the frame in the part.
        small: Pixels of the small picture that these depend on.
        seen: Pixels of the frame that those depend on.
        wanted_of_seen: The wanted ones among these.
        shrink: What each seen pixel weighs in each small one, [h', H''].
        before: Among the small pixels, the one before the centre of each wanted one, int64 [H'].
        after: The one after it.
        share: How far the centre lies towards that, [H'].
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
        """Return maps whose side -2 or -1 is of the small pixels with that of the wanted ones, bilinearly."""
        share = self.share[:, None] if side == -2 else self.share
        return torch.lerp(maps.index_select(side, self.before), maps.index_select(side, self.after), share)


def _ends(length: int, wanted: slice | None) -> tuple[int, int]:
    return (0, length) if wanted is None else (int(wanted.start), min(int(wanted.stop), length))


@lru_cache(maxsize=AXES)
def _axis(length: int, full: int, start: int, stop: int, margin: int, device: torch.device) -> _Axis:
    """Return what a side needs of which pixels from `start` to `stop` of the small picture are wanted.

    Args:
        length: Of the side of the small picture.
        full: Of the frame's.
        start: First pixel of the small picture.
        stop: The one after the last.
        margin: Small pixels around these that count too.
        device: Where the maps are.
    """
    scale = full / length
    wanted = slice(math.ceil(start * scale - 0.5), math.ceil(stop * scale - 0.5))  # centres: (i + 0.5) / scale
    small = slice(max(0, start - 1 - margin), min(length, stop + 1 + margin))
    seen = slice(max(0, math.floor((small.start - 0.5) * scale)), min(full, math.ceil((small.stop + 0.5) * scale)))
    inside = slice(wanted.start - seen.start, wanted.stop - seen.start)
    # Where the centres of the seen pixels lie in the small picture, which has its own at 0, 1, 2 and so on.
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
    """Return the mean of the channels of a picture uint8 [H, W, 3], float32 [H, W], 0 to 1."""
    weights = torch.full((3, 1), 1 / (3 * 255), device=picture.device)
    return (picture.reshape(-1, 3).to(torch.float32) @ weights).view(picture.shape[:2])


def _window_mean(maps: Tensor, radius: int) -> Tensor:
    """Return the mean over the window around each pixel, as far as it lies in the maps [N, C, h, w]."""
    return F.avg_pool2d(maps, 2 * radius + 1, stride=1, padding=radius, count_include_pad=False)
