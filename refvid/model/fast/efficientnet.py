"""EfficientNet-Lite for inference on the CPU, with ReLU6 and the residual sums merged into the convolutions.

`benchmarks/trunk_speed.py` compares its speed with other ways to run the trunk.
"""

from typing import cast

import torch
from torch import Tensor, nn

from refvid.model.fast.convolution import PackedConvolution
from refvid.model.layers.efficientnet import EfficientNetLite, InvertedResidual


class ChannelsLast(nn.Module):
    """A layer that converts its input to the memory format `channels_last`, which all later convolutions keep."""

    def forward(self, images: Tensor) -> Tensor:
        """Return the images [B, C, H, W] with unchanged values in the memory format `channels_last`."""
        return images.contiguous(memory_format=torch.channels_last)


class FoldedInvertedResidual(nn.Module):
    """An `InvertedResidual` whose batch norms are folded."""

    def __init__(self, block: InvertedResidual) -> None:
        super().__init__()
        *inner, last = packed(block.layers)
        self.inner, self.last, self.residual = nn.Sequential(*inner), last, block.residual

    def forward(self, features: Tensor) -> Tensor:
        """Map [B, C, h, w] to [B, C', h / stride, w / stride]."""
        return cast(Tensor, self.last(self.inner(features), features if self.residual else None))


def packed(layers: nn.Sequential) -> list[PackedConvolution]:
    """Return packed convolutions for layers whose norms are folded (see `fold_norms`), each with the ReLU6 after it.

    Raises:
        TypeError: A layer is neither a convolution nor ReLU6.
    """
    parts = [part for part in layers if not isinstance(part, nn.Identity)]
    if wrong := [part for part in parts if not isinstance(part, nn.Conv2d | nn.ReLU6)]:
        raise TypeError(
            f"only convolutions and ReLU6 can be packed, got {type(wrong[0]).__name__}; fold the norms first"
        )
    return [
        PackedConvolution(part, relu6=isinstance(after, nn.ReLU6))
        for part, after in zip(parts, [*parts[1:], None], strict=True)
        if isinstance(part, nn.Conv2d)
    ]


def pack_efficientnet(trunk: EfficientNetLite) -> None:
    """Replace the layers of a trunk whose norms are folded by packed convolutions.

    Raises:
        TypeError: The norms are not folded.
    """
    trunk.stem = nn.Sequential(ChannelsLast(), *packed(trunk.stem))
    trunk.head = nn.Sequential(*packed(trunk.head))
    trunk.classifier = PackedConvolution(trunk.classifier)
    for index, stage in enumerate(trunk.stages):
        blocks = (FoldedInvertedResidual(cast(InvertedResidual, block)) for block in cast(nn.Sequential, stage))
        trunk.stages[index] = nn.Sequential(*blocks)
