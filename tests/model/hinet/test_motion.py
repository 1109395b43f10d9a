"""The encoder of the flow sees further and further."""

from typing import Any

import torch

from refvid.model.hinet.motion import MotionEncoder


def test_the_convolutions_of_the_flow_reach_one_two_and_four_positions() -> None:
    torch.manual_seed(0)
    convolutions: Any = MotionEncoder(6).convolutions
    assert [convolution.in_channels for convolution in convolutions] == [3, 6, 6]
    for convolution, reach in zip(convolutions, (1, 2, 4), strict=True):
        point = torch.zeros(1, convolution.in_channels, 11, 11)
        point[..., 5, 5] = 1
        seen = (convolution(point) - convolution(torch.zeros_like(point))).abs().amax((0, 1)) > 1e-6
        places = seen.nonzero() - 5
        assert sorted({abs(int(step)) for step in places.flatten()}) == [0, reach]
