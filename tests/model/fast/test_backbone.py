"""A norm folded into the 1 x 1 convolution behind it, in float64."""

import pytest
import torch
from torch import nn

from refvid.model.fast.backbone import fold_into_next


@pytest.mark.parametrize("bias", [True, False])
def test_a_norm_and_the_pointwise_convolution_behind_it_are_one(bias: bool) -> None:
    torch.manual_seed(0)
    norm, pointwise = nn.BatchNorm2d(4).double().eval(), nn.Conv2d(4, 3, 1, bias=bias).double()
    assert norm.running_mean is not None
    assert norm.running_var is not None
    for values, low in ((norm.weight, 0.5), (norm.bias, -1), (norm.running_mean, -1), (norm.running_var, 0.5)):
        nn.init.uniform_(values, low, 2)
    maps = torch.randn(2, 4, 3, 5, dtype=torch.float64)
    x = (maps - norm.running_mean[:, None, None]) / (norm.running_var[:, None, None] + 1e-5) ** 0.5
    x = norm.weight[:, None, None] * x + norm.bias[:, None, None]
    expected = torch.einsum("oc,bchw->bohw", pointwise.weight[:, :, 0, 0], x)
    if pointwise.bias is not None:
        expected = expected + pointwise.bias[:, None, None]
    with torch.no_grad():
        torch.testing.assert_close(fold_into_next(norm, pointwise)(maps), expected, rtol=1e-12, atol=1e-12)
