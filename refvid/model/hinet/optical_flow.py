"""Optical flow between two frames, and what HINet is told of it.

The flow lies on the CURRENT frame's pixels: at each of them, how far what is seen there has moved since the previous
frame, in channel 0 to the right and in channel 1 downwards. It is estimated from the current frame to the previous one,
where such a pixel finds its counterpart, and negated.
"""

from collections.abc import Callable
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.errors import UnavailableError

FlowName = Literal["dis", "raft"]
# Maps the current and the previous picture, grey [B, 1, H, W], values 0 to 1, to the flow [B, 2, H, W] in pixels.
Flow = Callable[[Tensor, Tensor], Tensor]

MOTION_CHANNELS = 3  # right, down, and whether there is flow
MOTION_STRIDE = 4  # pixels of the input to a cell of the motion
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
_DIS_SIDE = 96  # pixels; with less than 91 one way or 32 the other, OpenCV's DIS is degenerate, or ends the program
_RAFT_SIDE = 128  # pixels; its correlation pyramid needs as much
_RAFT_STRIDE = 8


def grey(images: Tensor) -> Tensor:
    """Return the brightness [B, 1, H, W] of images [B, 3, H, W], both with values 0 to 1."""
    red, green, blue = (images[:, channel : channel + 1] * weight for channel, weight in enumerate(_LUMA))
    return red + green + blue


def dis_flow(current: Tensor, previous: Tensor) -> Tensor:
    """Estimate flow by dense inverse search (Kroeger et al., ECCV 2016) as OpenCV has it, on the CPU.

    Settings are those of the preset `ULTRAFAST`, but the search goes on to half of the resolution. For 256 x 144 pixels
    that takes 0.7 ms on one core, and of the motion of a square of 32 pixels by 4 it finds 97 %, as much as the preset
    `MEDIUM` in 2.3 ms; the preset `FAST`, whose last grid has a quarter of the resolution, finds 45 % in 0.4 ms.

    Args:
        current: Grey [B, 1, H, W], values 0 to 1, on any device.
        previous: Likewise, of the frame before.

    Returns:
        Flow on the current frame's pixels, float32 [B, 2, H, W], in pixels, on the device of the frames.

    Raises:
        UnavailableError: OpenCV is not installed.
    """
    try:
        import cv2  # an extra: only HINet looks at motion
    except ImportError as error:
        raise UnavailableError(
            'this model looks at motion between frames, for which OpenCV is not installed; pip install "refvid[flow]"'
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
    """Flow by RAFT (Teed and Deng, ECCV 2020), torchvision's small one, on the frames' own device.

    It is a tool, not a part of the network that uses it: its weights are neither trained nor saved with it. It is made
    for colours and here sees three times the same grey.

    Args:
        network: A RAFT; None: torchvision's, with its own weights, which are fetched when they are first needed.
    """

    def __init__(self, network: nn.Module | None = None) -> None:
        self._network = network

    @torch.no_grad()
    def __call__(self, current: Tensor, previous: Tensor) -> Tensor:
        """Estimate flow; arguments and what comes back are those of `dis_flow`.

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
            except (OSError, RuntimeError) as error:  # no connection; a file that is not what its name says
                raise UnavailableError(
                    f"the weights of RAFT could not be fetched ({str(error).splitlines()[0]}); fetch them once online, "
                    "or set the model's flow to 'dis', which needs none"
                ) from error
        return self._network


FLOWS: dict[FlowName, Callable[[], Flow]] = {"dis": lambda: dis_flow, "raft": RaftFlow}


def no_motion(current: Tensor) -> Tensor:
    """Return the motion [B, 3, H / 4, W / 4] of pictures [B, 1, H, W] that nothing is known to come before: zero."""
    batch, _, height, width = current.shape
    return current.new_zeros(batch, MOTION_CHANNELS, height // MOTION_STRIDE, width // MOTION_STRIDE)


@torch.no_grad()
def measure_motion(
    flow: Flow, current: Tensor, previous: Tensor, *, interval: float = 1, present: Tensor | None = None
) -> Tensor:
    """Return the motion between two frames.

    Args:
        flow: Estimates it.
        current: Grey [B, 1, H, W], values 0 to 1.
        previous: Likewise, of a frame before.
        interval: Frames of the video from the one to the other.
        present: Whether there is a previous frame, bool [B]; None: there always is.

    Returns:
        float32 [B, 3, H / 4, W / 4]: motion to the right and downwards, both in widths of the input per frame, so that
        neither resolution nor the interval matters, and 1; all 0 where there is no previous frame.

    Raises:
        UnavailableError: The flow is not to be had on this machine.
    """
    motion = no_motion(current)
    rows = torch.ones(len(current), dtype=torch.bool) if present is None else present.cpu()
    if bool(rows.any()):
        moved = flow(current[rows], previous[rows]) / (current.shape[-1] * interval)
        cells = F.avg_pool2d(moved, MOTION_STRIDE)
        motion[rows.to(motion.device)] = torch.cat([cells, torch.ones_like(cells[:, :1])], 1).to(motion.dtype)
    return motion
