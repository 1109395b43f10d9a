"""Convolutions for inference on the CPU: always by oneDNN, their weights kept in the order it wants them in.

PyTorch orders the weights anew for every call, and gives a 1 x 1 convolution to another library when it runs in one
thread.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.layers import onednn

NARROW = 8


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
        dtype = onednn.computing_dtype(features)
        padding = None if isinstance(self.padding, str) or self.padding_mode != "zeros" else self.padding
        if dtype is None or padding is None or not onednn.convolves(dtype):
            out = super().forward(features)
            out = out if other is None else out + other
            return F.relu6(out) if self.relu6 else F.relu(out) if self.relu else out
        geometry = (list(padding), list(self.stride), list(self.dilation), self.groups)
        packed = self._packed
        if packed is None or packed[:2] != (features.shape, dtype):
            weight = onednn.pack(self.weight.detach().to(dtype), geometry, features.shape)
            bias = None if self.bias is None else self.bias.detach().to(dtype)
            packed = self._packed = features.shape, dtype, weight, bias
        added = None if other is None else other.to(dtype)
        clamps = self.relu6 and added is None and onednn.clamps(dtype)
        after: onednn.Activation = "relu6" if clamps else "relu" if self.relu else "none"
        out = onednn.convolve(features.to(dtype), added, *packed[2:], geometry, after)
        return F.relu6(out, inplace=True) if self.relu6 and not clamps else out


def pack_convolutions(module: nn.Module) -> None:
    """Put packed convolutions in the place of the 2-D convolutions in a module.

    A 1 x 1 convolution to a few channels, a gate, is a product of matrices that oneDNN does no good.
    """
    for name, child in module.named_children():
        if type(child) is nn.Conv2d and (child.out_channels >= NARROW or child.kernel_size != (1, 1)):
            setattr(module, name, PackedConvolution(child))
        else:
            pack_convolutions(child)
