"""Convolutions for inference on the CPU: always by oneDNN, with weights kept in the order that it prefers.

PyTorch itself reorders the weights in every call, and when it has a single thread, it computes 1 x 1 convolutions by
another library.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.layers import onednn

NARROW = 8  # output channels below which a 1 x 1 convolution is not worth packing


class PackedConvolution(nn.Conv2d):
    """A convolution with fixed weights that runs in oneDNN, or as an ordinary one where oneDNN cannot be used.

    Args:
        convolution: Convolution that it replaces and shares its weights with.
        relu: Whether ReLU is applied to the result.
        relu6: Whether ReLU6 is applied to the result.
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
        # Cache: reordered weight and bias for the size and type of the last input; in a stream, these do not change.
        self._packed: tuple[torch.Size, torch.dtype, Tensor, Tensor | None] | None = None

    def forward(self, features: Tensor, other: Tensor | None = None) -> Tensor:
        """Convolve features, add another term if there is one, and apply the activation: [B, C', h', w'].

        Args:
            features: Input [B, C, h, w].
            other: Term added before ReLU or ReLU6, [B, C', h', w']; None for none.
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
    """Replace the 2-D convolutions in a module by packed ones.

    1 x 1 convolutions to few channels, such as gates, are left, because oneDNN does not speed up such narrow products.
    """
    for name, child in module.named_children():
        if type(child) is nn.Conv2d and (child.out_channels >= NARROW or child.kernel_size != (1, 1)):
            setattr(module, name, PackedConvolution(child))
        else:
            pack_convolutions(child)
