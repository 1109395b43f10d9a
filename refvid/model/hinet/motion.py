"""The motion gates of HINet: a small network on the optical flow, and a gate at each level.

The paper's abstract mentions "a motion gating mechanism" that highlights the referent and suppresses the background;
the design of the gates is our choice.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_PERCENT = 100  # converts widths of the input to hundredths, numbers of a size that convolutions learn from


class MotionEncoder(nn.Module):
    """A module that computes features of the motion on its own grid.

    Three convolutions with growing dilation see the flow and its magnitude. Their features are combined with their mean
    over the whole picture, because an object's motion can only be judged relative to that of the camera.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(channels if index else 3, channels, 3, padding=dilation, dilation=dilation)
            for index, dilation in enumerate((1, 2, 4))
        )
        self.scene = nn.Linear(channels, channels)

    def forward(self, motion: Tensor) -> Tensor:
        """Map the motion of `measure_motion`, [B, 3, h, w], to features [B, M, h, w]."""
        flow = motion[:, :2] * _PERCENT
        features = torch.cat([flow, torch.linalg.vector_norm(flow, dim=1, keepdim=True)], 1)
        for convolution in self.convolutions:
            features = F.relu(convolution(features))
        return F.relu(features + self.scene(features.mean((2, 3)))[:, :, None, None])


class MotionGate(nn.Module):
    """The gate of one level: F + F * tanh(W m), where m are the features of the motion and W is a linear map.

    Since 1 + tanh(x) = 2 sigmoid(2 x), a channel is multiplied by a number between 0 and 2, and so raised or suppressed
    depending on its motion. Where there is no flow, the factor is 1 and F stays exactly the same. W starts at zero, so
    that training starts from a network of single frames.
    """

    def __init__(self, motion_channels: int, channels: int) -> None:
        super().__init__()
        self.gate = nn.Conv2d(motion_channels, channels, 1)
        nn.init.zeros_(self.gate.weight)
        nn.init.zeros_(cast(Tensor, self.gate.bias))

    def forward(self, features: Tensor, motion_features: Tensor, seen: Tensor) -> Tensor:
        """Gate the features of E expressions for each picture.

        Args:
            features: Features of the level, [B, E, C, h, w].
            motion_features: Output of `MotionEncoder` for the picture, [B, M, h', w'], which is resized to the level.
            seen: 1 where there is flow and 0 where there is none, [B, 1, h', w'].

        Returns:
            Gated features [B, E, C, h, w].
        """
        size = (features.shape[-2], features.shape[-1])
        gate = torch.tanh(self.gate(F.adaptive_avg_pool2d(motion_features, size)))
        gate = gate * F.adaptive_avg_pool2d(seen, size).to(gate.dtype)
        return features + features * gate[:, None]
