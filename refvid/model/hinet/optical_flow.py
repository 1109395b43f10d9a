"""Optical flow between two frames, and the motion that HINet sees.

Flow is defined on the pixels of the CURRENT frame: how far the object seen there has moved since the previous frame, to
the right in channel 0 and downwards in channel 1. It is estimated from the current frame to the previous one, because
each current pixel needs its counterpart, and then negated.
"""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.errors import UnavailableError
from refvid.model.hinet.config import FlowName

# A function from the current and the previous grey picture, [B, 1, H, W], values 0 to 1, to flow, [B, 2, H, W], pixels.
Flow = Callable[[Tensor, Tensor], Tensor]

MOTION_CHANNELS = 3  # motion to the right and down, and 1 where there is flow
MOTION_STRIDE = 4  # pixels of the input along each side of a cell of the motion
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
# Minimum side of the input in pixels. Below 91 on one side or 32 on the other, OpenCV's DIS is useless or crashes.
_DIS_SIDE = 96
_RAFT_SIDE = 128  # minimum side of the input in pixels, for RAFT's correlation pyramid
_RAFT_STRIDE = 8


def grey(images: Tensor) -> Tensor:
    """Return the brightness [B, 1, H, W] of images [B, 3, H, W], both with values 0 to 1."""
    red, green, blue = (images[:, channel : channel + 1] * weight for channel, weight in enumerate(_LUMA))
    return red + green + blue


def dis_flow(current: Tensor, previous: Tensor) -> Tensor:
    """Estimate flow by OpenCV's dense inverse search (Kroeger et al., ECCV 2016), on the CPU.

    The settings are those of the preset `ULTRAFAST`, except that the search continues to half of the resolution. For
    256 x 144 pixels, this takes 0.7 ms on one core and finds 97 % of the motion of a square with sides of 32 pixels
    that moves by 4. The preset `MEDIUM` finds as much in 2.3 ms; the preset `FAST`, whose last grid has a quarter of
    the resolution, finds 45 % in 0.4 ms.

    Args:
        current: Current frame in grey, [B, 1, H, W], values 0 to 1, on any device.
        previous: Previous frame, likewise.

    Returns:
        Flow on the pixels of the current frame, float32 [B, 2, H, W], in pixels, on the device of the frames.

    Raises:
        UnavailableError: OpenCV is not installed.
    """
    try:
        import cv2  # an optional dependency, because only HINet looks at motion
    except ImportError as error:
        raise UnavailableError(
            'this model measures motion with OpenCV, which is not installed; pip install "refvid[flow]"'
        ) from error
    search: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    search.setFinestScale(1)
    height, width = current.shape[-2:]
    margins = ((0, max(0, _DIS_SIDE - height)), (0, max(0, _DIS_SIDE - width)))
    flows = []
    for pair in torch.cat([current, previous], 1).detach().cpu().mul(255).round().to(torch.uint8).numpy():
        now, before = (np.pad(picture, margins, mode="edge") for picture in pair)
        flows.append(-search.calc(now, before, None)[:height, :width])
    return torch.from_numpy(np.stack(flows)).permute(0, 3, 1, 2).to(current.device)


class RaftFlow:
    """Flow by torchvision's small RAFT (Teed and Deng, ECCV 2020), on the device of the frames.

    Its weights are neither trained nor saved with the network that uses it. RAFT expects colours and here gets three
    copies of a grey picture.

    Args:
        network: RAFT to use; None for torchvision's, whose weights are fetched when they are first needed.
    """

    def __init__(self, network: nn.Module | None = None) -> None:
        self._network = network

    @torch.no_grad()
    def __call__(self, current: Tensor, previous: Tensor) -> Tensor:
        """Estimate flow; the arguments and the result are those of `dis_flow`.

        Raises:
            UnavailableError: The weights cannot be fetched.
        """
        network = self._fetched().to(current.device).eval()
        height, width = current.shape[-2:]
        size = tuple(max(_RAFT_SIDE, -(-side // _RAFT_STRIDE) * _RAFT_STRIDE) for side in (height, width))
        with torch.autocast(current.device.type, enabled=False):
            now, before = (
                F.interpolate(frame.float() * 2 - 1, size, mode="bilinear").expand(-1, 3, -1, -1)
                for frame in (current, previous)
            )
            found: Tensor = network(now, before)[-1]  # the last of its refinements
            resized = F.interpolate(found, (height, width), mode="bilinear")
        return -resized * resized.new_tensor([width / size[1], height / size[0]])[:, None, None]

    def _fetched(self) -> nn.Module:
        if self._network is None:
            try:
                from torchvision.models.optical_flow import Raft_Small_Weights, raft_small

                self._network = cast(nn.Module, raft_small(weights=Raft_Small_Weights.DEFAULT, progress=False))
            except (OSError, RuntimeError) as error:  # no connection, or a file whose hash does not match its name
                raise UnavailableError(
                    f"the weights of RAFT could not be fetched ({str(error).splitlines()[0]}); fetch them once online, "
                    "or set the model's flow to 'dis', which needs none"
                ) from error
        return self._network


FLOWS: dict[FlowName, Callable[[], Flow]] = {"dis": lambda: dis_flow, "raft": RaftFlow}


def no_motion(current: Tensor) -> Tensor:
    """Return the motion of grey pictures [B, 1, H, W] without a previous frame: zeros [B, 3, H / 4, W / 4]."""
    batch, _, height, width = current.shape
    return current.new_zeros(batch, MOTION_CHANNELS, height // MOTION_STRIDE, width // MOTION_STRIDE)


@torch.no_grad()
def measure_motion(
    flow: Flow, current: Tensor, previous: Tensor, *, interval: float = 1, present: Tensor | None = None
) -> Tensor:
    """Return the motion between two frames.

    Args:
        flow: Function that estimates optical flow.
        current: Current frame in grey, [B, 1, H, W], values 0 to 1.
        previous: An earlier frame, likewise.
        interval: Distance between the two in frames of the video.
        present: Whether there is a previous frame, bool [B]; None if there always is.

    Returns:
        Motion to the right and downwards, both in widths of the input per frame, so that they do not depend on the
        resolution or the interval, and 1, float32 [B, 3, H / 4, W / 4]; all are 0 where there is no previous frame.

    Raises:
        UnavailableError: The method of flow is not available on this machine.
    """
    motion = no_motion(current)
    rows = torch.ones(len(current), dtype=torch.bool) if present is None else present.cpu()
    if bool(rows.any()):
        moved = flow(current[rows], previous[rows]) / (current.shape[-1] * interval)
        cells = F.avg_pool2d(moved, MOTION_STRIDE)
        motion[rows.to(motion.device)] = torch.cat([cells, torch.ones_like(cells[:, :1])], 1).to(motion.dtype)
    return motion
