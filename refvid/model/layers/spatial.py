"""The spatial coordinates of section 3.1."""

from functools import lru_cache

import torch
from torch import Tensor

SPATIAL_CHANNELS = 8


def spatial_code(height: int, width: int, *, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the 8-D spatial coordinates s_p of section 3.1 for a grid, [8, height, width].

    The channels are the left edge, centre and right edge of each cell, then its top edge, centre and bottom edge, all
    in [-1, 1], and finally 1 / width and 1 / height.

    Callers must not change the result, which is kept for the next call in inference mode. Elsewhere it is made anew:
    autograd refuses to save tensors of inference mode, and modes that only trace shapes must not leave tensors behind.
    """
    make = _kept if torch.is_inference_mode_enabled() else _spatial_code
    return make(height, width, dtype, device)


def _spatial_code(height: int, width: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Make what `spatial_code` returns."""

    def edges(count: int) -> Tensor:
        start = torch.arange(count, dtype=dtype, device=device) * (2.0 / count) - 1.0
        return torch.stack([start, start + 1.0 / count, start + 2.0 / count])  # [3, count]

    horizontal = edges(width)[:, None, :].expand(3, height, width)
    vertical = edges(height)[:, :, None].expand(3, height, width)
    size = torch.tensor([1.0 / width, 1.0 / height], dtype=dtype, device=device)[:, None, None]
    return torch.cat([horizontal, vertical, size.expand(2, height, width)])


_kept = lru_cache(maxsize=8)(_spatial_code)
