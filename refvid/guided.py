"""Maps of a small picture in a frame's own size, with the frame's edges: the fast guided filter (He and Sun, 2015)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

RADIUS = 1  # of the windows, pixels of the small picture
SMOOTHNESS = 1e-4  # variance of the grey values, 0 to 1, below which a window counts as flat
Part = tuple[slice, slice]  # rows and columns


def upsample(values: Tensor, frame: Tensor, part: Part | None = None, *, radius: int = RADIUS) -> tuple[Tensor, Part]:
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
        _Axis.of(values.shape[side + 1], frame.shape[side], None if part is None else part[side], 2 * radius)
        for side in (0, 1)
    )
    with torch.autocast(values.device.type, enabled=False):
        grey = _grey(frame[rows.seen, columns.seen].to(values.device))
        down, across = rows.weights(grey), columns.weights(grey)  # [H'', h'] and [W'', w']
        guide = ((down / down.sum(0)).T @ grey @ (across / across.sum(0)))[None, None]
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


@dataclass(frozen=True)
class _Axis:
    """What one side of a part needs.

    Attributes:
        length: Of the side of the small picture.
        full: Of the frame's.
        wanted: Pixels of the frame in the part.
        small: Pixels of the small picture that these depend on.
        seen: Pixels of the frame that those depend on.
    """

    length: int
    full: int
    wanted: slice
    small: slice
    seen: slice

    @classmethod
    def of(cls, length: int, full: int, part: slice | None, margin: int) -> "_Axis":
        """Return that of a part, `margin` small pixels around it included in what counts."""
        start, stop = (0, length) if part is None else (part.start, min(part.stop, length))
        scale = full / length
        wanted = slice(math.ceil(start * scale - 0.5), math.ceil(stop * scale - 0.5))  # centres: (i + 0.5) / scale
        small = slice(max(0, start - 1 - margin), min(length, stop + 1 + margin))
        seen = slice(max(0, math.floor((small.start - 0.5) * scale)), min(full, math.ceil((small.stop + 0.5) * scale)))
        return cls(length, full, wanted, small, seen)

    @property
    def wanted_of_seen(self) -> slice:
        return slice(self.wanted.start - self.seen.start, self.wanted.stop - self.seen.start)

    def weights(self, like: Tensor) -> Tensor:
        """Return what each small pixel weighs in each seen one, bilinearly: [H', h']."""
        pixels = torch.arange(self.small.start, self.small.stop, dtype=like.dtype, device=like.device)
        return (1 - (self._centres(self.seen, like)[:, None] - pixels).abs()).clamp(min=0)

    def stretch(self, maps: Tensor, side: int) -> Tensor:
        """Return maps whose side -2 or -1 is of the small pixels with that of the wanted ones, bilinearly."""
        centres = self._centres(self.wanted, maps) - self.small.start
        before = centres.floor()
        low, share = before.long(), centres - before
        high = (low + 1).clamp(max=maps.shape[side] - 1)
        share = share[:, None] if side == -2 else share
        return torch.lerp(maps.index_select(side, low), maps.index_select(side, high), share)

    def _centres(self, pixels: slice, like: Tensor) -> Tensor:
        """Return where the centres of pixels of the frame lie in the small picture, which has them at 0, 1, 2..."""
        places = torch.arange(pixels.start, pixels.stop, dtype=like.dtype, device=like.device)
        return ((places + 0.5) * (self.length / self.full) - 0.5).clamp(0, self.length - 1)


def _grey(picture: Tensor) -> Tensor:
    """Return the mean of the channels of a picture uint8 [H, W, 3], float32 [H, W], 0 to 1."""
    weights = torch.full((3, 1), 1 / (3 * 255), device=picture.device)
    return (picture.reshape(-1, 3).to(torch.float32) @ weights).view(picture.shape[:2])


def _window_mean(maps: Tensor, radius: int) -> Tensor:
    """Return the mean over the window around each pixel, as far as it lies in the maps [N, C, h, w]."""
    return F.avg_pool2d(maps, 2 * radius + 1, stride=1, padding=radius, count_include_pad=False)
