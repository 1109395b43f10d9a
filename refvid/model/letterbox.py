"""Letterboxing (section 4.1.1): resize and pad frames to the network's input, and map its logits back to the frame."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Letterbox:
    """The position of a frame in the network's input, the canvas.

    The frame is resized to fit the canvas and centred in it (offsets are rounded down); the rest is zero padding.

    Attributes:
        height: Height of the frame in pixels.
        width: Width of the frame in pixels.
        canvas: Height and width of the network's input in pixels.
    """

    height: int
    width: int
    canvas: tuple[int, int]

    @classmethod
    def square(cls, pixels: NDArray[np.uint8], size: int) -> "Letterbox":
        """Return the letterbox of a frame [H, W, 3] in a square canvas with sides of `size` pixels."""
        return cls(pixels.shape[0], pixels.shape[1], (size, size))

    @property
    def scaled(self) -> tuple[int, int]:
        """Height and width of the resized picture."""
        height, width = self.canvas
        scale = min(height / self.height, width / self.width)
        return min(height, max(1, round(self.height * scale))), min(width, max(1, round(self.width * scale)))

    @property
    def offset(self) -> tuple[int, int]:
        """Rows of padding above and columns of padding to the left of the resized picture."""
        return (self.canvas[0] - self.scaled[0]) // 2, (self.canvas[1] - self.scaled[1]) // 2

    def resize(self, frames: Tensor) -> Tensor:
        """Resize frames uint8 [B, 3, H, W] to uint8 [B, 3, h', w'], with antialiasing."""
        if frames.shape[2:] == self.scaled:
            return frames
        return F.interpolate(frames, self.scaled, mode="bilinear", antialias=True)

    def pad(self, frames: Tensor) -> Tensor:
        """Pad resized frames [..., h', w'] with zeros to the size of the canvas, [..., H', W']."""
        (height, width), (top, left) = self.scaled, self.offset
        return F.pad(frames, (left, self.canvas[1] - width - left, top, self.canvas[0] - height - top))

    def apply(self, frames: Tensor) -> Tensor:
        """Map frames uint8 [B, 3, H, W] to the network's input, float32 [B, 3, H', W'], values 0 to 1."""
        return self.pad(self.resize(frames)).to(torch.float32) / 255

    def crop(self, logits: Tensor) -> Tensor:
        """Upsample logits [N, h, w] on a grid that covers the canvas, and cut out the resized picture, [N, h', w']."""
        (height, width), (top, left) = self.scaled, self.offset
        full = F.interpolate(logits[:, None], self.canvas, mode="bilinear", align_corners=False)
        return full[:, 0, top : top + height, left : left + width]

    def restore(self, values: Tensor) -> Tensor:
        """Resize values on the resized picture, [N, h', w'], bilinearly to the size of the frame, [N, H, W]."""
        resized = F.interpolate(values[:, None], (self.height, self.width), mode="bilinear", align_corners=False)
        return resized[:, 0]
