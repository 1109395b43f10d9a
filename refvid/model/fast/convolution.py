"""Convolutions for inference on the CPU: always by oneDNN, their weights kept in the order it wants them in.

PyTorch orders the weights anew for every call, and gives a 1 x 1 convolution to another library when it runs in one
thread.
"""

from functools import cache
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.layers.products import onednn_dtype

NARROW = 8
HIGHEST = 6.0  # where ReLU6 ends


@cache
def onednn_clamps(dtype: torch.dtype) -> bool:
    """Return whether oneDNN gives the right answer when ReLU6 is part of a convolution; it is asked by a small one."""
    pixels, weight = torch.linspace(-3, 9, 16).view(1, 1, 4, 4).to(dtype), torch.ones(1, 1, 1, 1, dtype=dtype)
    place = ([0, 0], [1, 1], [1, 1], 1)
    try:
        order = torch.ops.mkldnn._reorder_convolution_weight
        packed = order(weight, *place, list(pixels.shape))
        convolve = torch.ops.mkldnn._convolution_pointwise
        plain = convolve(pixels, packed, None, *place, "hardtanh", [0.0, HIGHEST], "")
        summed = convolve.binary(pixels, pixels, packed, None, *place, "add", 1.0, "hardtanh", [0.0, HIGHEST], "")
    except (RuntimeError, AttributeError, TypeError):  # another build of PyTorch has other operators
        return False
    expected, expected_sum = F.relu6(pixels), F.relu6(pixels + pixels)
    return torch.allclose(plain, expected, rtol=1e-2) and torch.allclose(summed, expected_sum, rtol=1e-2)


class PackedConvolution(nn.Conv2d):
    """A convolution with fixed weights; where oneDNN does not take it, an ordinary one.

    Args:
        convolution: Whose weights it has.
        relu: Whether ReLU follows.
        relu6: Whether ReLU6 follows.
    """

    def __init__(self, convolution: nn.Conv2d, *, relu: bool = False, relu6: bool = False) -> None:
        super().__init__(
            convolution.in_channels,
            convolution.out_channels,
            cast(tuple[int, int], convolution.kernel_size),
            cast(tuple[int, int], convolution.stride),
            convolution.padding if isinstance(convolution.padding, str) else cast(tuple[int, int], convolution.padding),
            cast(tuple[int, int], convolution.dilation),
            convolution.groups,
            convolution.bias is not None,
            convolution.padding_mode,
            device="meta",
        )
        self.weight, self.bias = convolution.weight, convolution.bias
        self.relu, self.relu6 = relu, relu6
        # Weight and bias for inputs of this size and type; a stream has one.
        self._packed: tuple[torch.Size, torch.dtype, Tensor, Tensor | None] | None = None

    def forward(self, features: Tensor, other: Tensor | None = None) -> Tensor:
        """Map [B, C, h, w] to [B, C', h', w'].

        Args:
            features: [B, C, h, w].
            other: Added before ReLU or ReLU6, [B, C', h', w'].
        """
        dtype = onednn_dtype(features)
        if dtype is None or isinstance(self.padding, str) or self.padding_mode != "zeros":
            out = super().forward(features)
            out = out if other is None else out + other
            return F.relu6(out) if self.relu6 else F.relu(out) if self.relu else out
        place = (list(self.padding), list(self.stride), list(self.dilation), self.groups)
        packed = self._packed
        if packed is None or packed[:2] != (features.shape, dtype):
            order = torch.ops.mkldnn._reorder_convolution_weight
            weight = order(self.weight.detach().to(dtype), *place, list(features.shape))
            bias = None if self.bias is None else self.bias.detach().to(dtype)
            packed = self._packed = features.shape, dtype, weight, bias
        convolve, features = torch.ops.mkldnn._convolution_pointwise, features.to(dtype)
        clamps = self.relu6 and onednn_clamps(dtype)
        after, bounds = ("hardtanh", [0.0, HIGHEST]) if clamps else ("relu" if self.relu else None, [])
        if other is None:
            out = convolve(features, *packed[2:], *place, after or "none", bounds, "")
        else:
            out = convolve.binary(features, other.to(dtype), *packed[2:], *place, "add", 1.0, after, bounds, "")
        return F.relu6(out, inplace=True) if self.relu6 and not clamps else cast(Tensor, out)


def pack_convolutions(module: nn.Module) -> None:
    """Put packed convolutions in the place of the 2-D convolutions in a module.

    A 1 x 1 convolution to a few channels, a gate, is a product of matrices that oneDNN does no good.
    """
    for name, child in module.named_children():
        if type(child) is nn.Conv2d and (child.out_channels >= NARROW or child.kernel_size != (1, 1)):
            setattr(module, name, PackedConvolution(child))
        else:
            pack_convolutions(child)
