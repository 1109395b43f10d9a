"""Resize-and-pad of frames to the network's input, and the way back for its logits (section 4.1.1)."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Letterbox:
    """Where a frame of `height` x `width` pixels lies in the network's input, the canvas.

    The frame is resized to fit the canvas; the rest is zero-padded, half of it before the picture (rounded down).

    Attributes:
        canvas: Height and width of the network's input, pixels.
    """

    height: int
    width: int
    canvas: tuple[int, int]

    @classmethod
    def square(cls, pixels: NDArray[np.uint8], size: int) -> "Letterbox":
        """Return the place of a frame [H, W, 3] in a square of `size` pixels."""
        return cls(pixels.shape[0], pixels.shape[1], (size, size))

    @property
    def scaled(self) -> tuple[int, int]:
        """Height and width of the resized picture."""
        height, width = self.canvas
        scale = min(height / self.height, width / self.width)
        return min(height, max(1, round(self.height * scale))), min(width, max(1, round(self.width * scale)))

    @property
    def offset(self) -> tuple[int, int]:
        """Rows above and columns left of the picture."""
        return (self.canvas[0] - self.scaled[0]) // 2, (self.canvas[1] - self.scaled[1]) // 2

    def resize(self, frames: Tensor) -> Tensor:
        """Resize frames uint8 [B, 3, H, W] to uint8 [B, 3, h', w'], antialiased."""
        if frames.shape[2:] == self.scaled:
            return frames
        return F.interpolate(frames, self.scaled, mode="bilinear", antialias=True)

    def pad(self, frames: Tensor) -> Tensor:
        """Place resized frames [..., h', w'] into the canvas, [..., H', W'], zero elsewhere."""
        (height, width), (top, left) = self.scaled, self.offset
        return F.pad(frames, (left, self.canvas[1] - width - left, top, self.canvas[0] - height - top))

    def apply(self, frames: Tensor) -> Tensor:
        """Map frames uint8 [B, 3, H, W] to the network's input, float32 [B, 3, H', W'], values 0 to 1."""
        return self.pad(self.resize(frames)).to(torch.float32) / 255

    def crop(self, logits: Tensor) -> Tensor:
        """Map logits on any grid that covers the canvas, [N, h, w], to the resized picture, [N, h', w']."""
        (height, width), (top, left) = self.scaled, self.offset
        full = F.interpolate(logits[:, None], self.canvas, mode="bilinear", align_corners=False)
        return full[:, 0, top : top + height, left : left + width]

    def restore(self, values: Tensor) -> Tensor:
        """Map values on the resized picture [N, h', w'] to the frame's own size, [N, H, W], bilinearly."""
        resized = F.interpolate(values[:, None], (self.height, self.width), mode="bilinear", align_corners=False)
        return resized[:, 0]
