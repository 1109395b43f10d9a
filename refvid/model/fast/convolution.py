"""Convolutions for inference on the CPU: by oneDNN, with weights kept in the order that it prefers, or as products.

PyTorch itself reorders the weights in every call, and when it has a single thread, it computes 1 x 1 convolutions by
another library. Small 1 x 1 convolutions of a single picture are products, which begin sooner than a convolution.
"""

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.layers import onednn
from refvid.model.layers.products import SMALL_PRODUCT

FEW = 2000  # positions up to which another pass over the result, for an activation, costs less than it saves
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
        # Cache: what was prepared for the size and type of the last input; in a stream, these do not change.
        self._plan: Plan | None = None

    def forward(self, features: Tensor, other: Tensor | None = None) -> Tensor:
        """Convolve features, add another term if there is one, and apply the activation: [B, C', h', w'].

        Args:
            features: Input [B, C, h, w].
            other: Term added before ReLU or ReLU6, [B, C', h', w']; None for none.
        """
        dtype, plan = onednn.computing_dtype(features), self._plan
        if plan is None or plan.dtype != dtype or plan.size != features.shape:
            plan = self._plan = self._prepare(features.shape, dtype)
        if dtype is None or plan.weight is None:
            out = super().forward(features)
            out = out if other is None else out + other
            return F.relu6(out) if self.relu6 else F.relu(out) if self.relu else out
        features = features if features.dtype == dtype else features.to(dtype)
        if plan.product:
            return self._multiply(features, other, plan.weight, plan.bias)
        if other is None:
            out = onednn.convolve(features, None, plan.weight, plan.bias, plan.geometry, plan.alone)
            return out if plan.alone == "relu6" or not self.relu6 else F.relu6(out, inplace=True)
        out = onednn.convolve(features, other.to(dtype), plan.weight, plan.bias, plan.geometry, plan.summed)
        return F.relu6(out, inplace=True) if self.relu6 else out

    def _multiply(self, features: Tensor, other: Tensor | None, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Do the same as `forward` for a single picture with the weight [C, C'] of a 1 x 1 convolution."""
        tokens = features[0].flatten(1).T  # 1 C h w -> P C
        out = torch.mm(tokens, weight) if bias is None else torch.addmm(bias, tokens, weight)
        if other is not None:
            out += other[0].flatten(1).T
        if self.relu6:
            out.clamp_(0, 6)
        elif self.relu:
            out.relu_()
        return out.T.view(1, self.out_channels, *features.shape[2:])

    def _prepare(self, size: torch.Size, dtype: torch.dtype | None) -> "Plan":
        """Reorder the weight for features of a size and type, where oneDNN can be used."""
        padding = None if isinstance(self.padding, str) or self.padding_mode != "zeros" else self.padding
        summed: onednn.Activation = "relu" if self.relu else "none"
        if dtype is None or padding is None or not onednn.convolves(dtype):
            return Plan(size, dtype, None, None, ([], [], [], 1), summed, summed)
        positions = size[2:].numel()
        if (
            (size[0], dtype, self.kernel_size, self.stride, padding, self.groups)
            == (1, torch.float32, (1, 1), (1, 1), (0, 0), 1)
            and positions <= FEW
            and positions * self.weight.numel() < SMALL_PRODUCT
        ):  # fmt: skip
            weight = self.weight.detach().flatten(1).T.contiguous()
            bias = None if self.bias is None else self.bias.detach()
            return Plan(size, dtype, weight, bias, ([], [], [], 1), summed, summed, product=True)
        geometry = (list(padding), list(self.stride), list(self.dilation), self.groups)
        weight = onednn.pack(self.weight.detach().to(dtype), geometry, size)
        bias = None if self.bias is None else self.bias.detach().to(dtype)
        alone: onednn.Activation = "relu6" if self.relu6 and onednn.clamps(dtype) else summed
        return Plan(size, dtype, weight, bias, geometry, alone, summed)


class Plan(NamedTuple):
    """What a `PackedConvolution` prepares for features of one size and type.

    Attributes:
        size: Size of the features, [B, C, h, w].
        dtype: Type in which oneDNN computes; None where it cannot be used.
        weight: Weight in the order that oneDNN prefers; None where it cannot be used.
        bias: Bias [C']; None for none.
        geometry: Padding, stride, dilation and groups.
        alone: Activation that oneDNN applies where nothing is added.
        summed: Activation that oneDNN applies to a sum.
        product: Whether the convolution is a product, with the weight [C, C'].
    """

    size: torch.Size
    dtype: torch.dtype | None
    weight: Tensor | None
    bias: Tensor | None
    geometry: onednn.Geometry
    alone: onednn.Activation
    summed: onednn.Activation
    product: bool = False


def pack_convolutions(module: nn.Module) -> None:
    """Replace the 2-D convolutions in a module by packed ones.

    1 x 1 convolutions to few channels, such as gates, are left, because oneDNN does not speed up such narrow products.
    """
    for name, child in module.named_children():
        if type(child) is nn.Conv2d and (child.out_channels >= NARROW or child.kernel_size != (1, 1)):
            setattr(module, name, PackedConvolution(child))
        else:
            pack_convolutions(child)
