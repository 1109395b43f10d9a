"""How motion changes what HINet sees: a small network on the flow, and a gate at each level.

The paper's abstract has "a motion gating mechanism" that highlights the referent and suppresses the background; what
it is made of is our choice.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_PERCENT = 100  # motion in hundredths of the width, the size of what a convolution learns from


class MotionEncoder(nn.Module):
    """Features of the motion on its own grid.

    Three convolutions, ever more dilated, see the flow and its magnitude. What they find is joined to its mean over the
    whole picture, for whether something moves can be told only from how the camera does.
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
    """The gate of one level: F + F * tanh(W m), with m the features of the motion and W one linear map.

    tanh(x) = 2 sigmoid(2 x) - 1, so that a channel is multiplied by a sigmoid between 0 and 2: raised where its motion
    speaks for it, put down where it speaks against it. Where there is no flow the gate is 1, and F stays as it is, to
    the bit. W begins at zero: training sets out from what the network makes of single frames.
    """

    def __init__(self, motion_channels: int, channels: int) -> None:
        super().__init__()
        self.gate = nn.Conv2d(motion_channels, channels, 1)
        nn.init.zeros_(self.gate.weight)
        nn.init.zeros_(cast(Tensor, self.gate.bias))

    def forward(self, features: Tensor, motion_features: Tensor, seen: Tensor) -> Tensor:
        """Gate the features of E expressions a picture.

        Args:
            features: [B, E, C, h, w].
            motion_features: Of the picture, from `MotionEncoder`, [B, M, h', w'], resized to the level by means.
            seen: 1 where there is flow, 0 where there is none, [B, 1, h', w'].

        Returns:
            [B, E, C, h, w].
        """
        size = (features.shape[-2], features.shape[-1])
        gate = torch.tanh(self.gate(F.adaptive_avg_pool2d(motion_features, size)))
        gate = gate * F.adaptive_avg_pool2d(seen, size).to(gate.dtype)
        return features + features * gate[:, None]
