"""The light trunk for inference, with batch norms and pixel averages folded into its convolutions."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.fast.convolution import PackedConvolution
from refvid.model.interface import FrameFeatures
from refvid.model.layers.backbone import ColourPath, LightBackbone, ResidualBlock


class FoldedBlock(nn.Module):
    """A `ResidualBlock` whose batch norms are folded."""

    def __init__(self, block: ResidualBlock) -> None:
        super().__init__()
        self.conv1, self.conv2 = PackedConvolution(block.conv1, relu=True), PackedConvolution(block.conv2, relu=True)
        identity = isinstance(block.shortcut, nn.Identity)
        self.shortcut = nn.Identity() if identity else PackedConvolution(first_convolution(block.shortcut))

    def forward(self, features: Tensor) -> Tensor:
        """Map [B, C, h, w] to [B, C', h / stride, w / stride]."""
        return cast(Tensor, self.conv2(self.conv1(features), self.shortcut(features)))


class FoldedColourPath(nn.Module):
    """A `ColourPath` without its batch norm, and with the average over 2 x 2 pixels in its first convolution."""

    def __init__(self, path: ColourPath) -> None:
        super().__init__()
        self.inner = PackedConvolution(convolve_means(path.inner, 2), relu=True)
        self.outer = PackedConvolution(path.outer, relu=True)

    def forward(self, images: Tensor) -> Tensor:
        """Map normalised images [B, 3, H, W] to [B, C, H / 8, W / 8]."""
        return F.avg_pool2d(self.outer(self.inner(images)), 4)


class FoldedLightBackbone(nn.Module):
    """A `LightBackbone` for inference, made from one whose batch norms are folded (see `fold_norms`).

    The batch norm of the colour path is folded into the linear maps to Res3, Res4 and Res5. The convolution to the fine
    features is split into one of Res2 and one of the pixels, which includes their average over 4 x 4.
    """

    def __init__(self, trunk: LightBackbone) -> None:
        super().__init__()
        self.channels, self.with_stem = trunk.channels, trunk.with_stem
        self.stem = PackedConvolution(first_convolution(trunk.stem), relu=True)
        self.res2 = FoldedBlock(trunk.res2)
        self.stages = nn.ModuleList(
            nn.Sequential(*(FoldedBlock(cast(ResidualBlock, block)) for block in stage))
            for stage in (trunk.res3, trunk.res4, trunk.res5)
        )
        self.colours, self.tints = None, nn.ModuleList()
        if trunk.colours is not None:
            self.colours = FoldedColourPath(trunk.colours)
            tints = (fold_into_next(trunk.colours.norm, cast(nn.Conv2d, tint)) for tint in trunk.tints)
            self.tints.extend(PackedConvolution(tint) for tint in tints)
        self.fine, self.fine_colours = None, None
        if trunk.fine is not None:
            features, colours = torch.split(trunk.fine.weight, [trunk.fine.in_channels - 3, 3], dim=1)
            self.fine = PackedConvolution(convolution_of(features, trunk.fine.bias))
            self.fine_colours = PackedConvolution(convolve_means(convolution_of(colours, None), 4))

    def forward(self, images: Tensor) -> FrameFeatures:
        """Map normalised images [B, 3, H, W] to the features of `LightBackbone`."""
        images = images.contiguous(memory_format=torch.channels_last)
        stem = self.stem(images)
        features = self.res2(stem)
        fine = None
        if self.fine is not None and self.fine_colours is not None:
            fine = self.fine(features, self.fine_colours(images))
        colours = None if self.colours is None else self.colours(images)
        levels: tuple[Tensor, ...] = ()
        for index, stage in enumerate(self.stages):
            features = stage(features)
            if colours is not None:
                features = self.tints[index](colours, features)
            levels += (features,)
        return FrameFeatures(levels, fine, stem if self.with_stem else None)


def first_convolution(layers: nn.Module) -> nn.Conv2d:
    """Return the convolution of a stem or a shortcut, which is its first layer."""
    return cast(nn.Conv2d, cast(nn.Sequential, layers)[0])


def convolution_of(weight: Tensor, bias: Tensor | None, *, stride: int = 1) -> nn.Conv2d:
    """Return a convolution without padding with a fixed weight [C', C, k, k] and a fixed bias [C'] or none."""
    channels_out, channels_in, size, _ = weight.shape
    made = nn.Conv2d(channels_in, channels_out, size, stride, bias=bias is not None, device="meta")
    made.weight = nn.Parameter(weight.detach().contiguous(), requires_grad=False)
    made.bias = None if bias is None else nn.Parameter(bias.detach(), requires_grad=False)
    return made


def convolve_means(pointwise: nn.Conv2d, side: int) -> nn.Conv2d:
    """Merge an average over blocks of side x side pixels with the 1 x 1 convolution that follows it."""
    weight = pointwise.weight.expand(-1, -1, side, side) / side**2
    return convolution_of(weight, pointwise.bias, stride=side)


def fold_into_next(norm: nn.BatchNorm2d, pointwise: nn.Conv2d) -> nn.Conv2d:
    """Merge a batch norm in evaluation mode with the 1 x 1 convolution that follows it."""
    mean, variance = cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)
    scale = norm.weight / torch.sqrt(variance + norm.eps)
    shift = norm.bias - mean * scale
    bias = pointwise.weight[:, :, 0, 0] @ shift
    if pointwise.bias is not None:
        bias = bias + pointwise.bias
    return convolution_of(pointwise.weight * scale[:, None, None], bias)
