"""Resize-and-pad of frames to the network's square input, and the way back for its logits (section 4.1.1)."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Letterbox:
    """Where a frame of `height` x `width` pixels lies in the network's `size` x `size` input.

    The longer side is resized to `size`, the rest is zero-padded, half of it before the picture (rounded down).
    """

    height: int
    width: int
    size: int

    @classmethod
    def of(cls, pixels: NDArray[np.uint8], size: int) -> "Letterbox":
        """Return the letterbox of a frame [H, W, 3]."""
        return cls(pixels.shape[0], pixels.shape[1], size)

    @property
    def scaled(self) -> tuple[int, int]:
        """Height and width of the resized picture."""
        scale = self.size / max(self.height, self.width)
        return max(1, round(self.height * scale)), max(1, round(self.width * scale))

    @property
    def offset(self) -> tuple[int, int]:
        """Rows above and columns left of the picture."""
        height, width = self.scaled
        return (self.size - height) // 2, (self.size - width) // 2

    def resize(self, frames: Tensor) -> Tensor:
        """Resize frames uint8 [B, 3, H, W] to uint8 [B, 3, h', w'], antialiased."""
        if frames.shape[2:] == self.scaled:
            return frames
        return F.interpolate(frames, self.scaled, mode="bilinear", antialias=True)

    def pad(self, frames: Tensor) -> Tensor:
        """Place resized frames [..., h', w'] into zeros [..., size, size]."""
        (height, width), (top, left) = self.scaled, self.offset
        return F.pad(frames, (left, self.size - width - left, top, self.size - height - top))

    def apply(self, frames: Tensor) -> Tensor:
        """Map frames uint8 [B, 3, H, W] to the network's input, float32 [B, 3, size, size], values 0 to 1."""
        return self.pad(self.resize(frames)).to(torch.float32) / 255

    def crop(self, logits: Tensor) -> Tensor:
        """Map logits on the feature grid [N, h, w] to the resized picture, [N, h', w']."""
        (height, width), (top, left) = self.scaled, self.offset
        full = F.interpolate(logits[:, None], (self.size, self.size), mode="bilinear", align_corners=False)
        return full[:, 0, top : top + height, left : left + width]

    def restore(self, values: Tensor) -> Tensor:
        """Map values on the resized picture [N, h', w'] to the frame's own size, [N, H, W], bilinearly."""
        resized = F.interpolate(values[:, None], (self.height, self.width), mode="bilinear", align_corners=False)
        return resized[:, 0]
