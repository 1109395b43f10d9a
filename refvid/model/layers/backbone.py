"""Backbones that keep Res3, Res4 and Res5 on one grid of stride 8 (section 4.1.1)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.interface import FrameFeatures


class ResNetBackbone(nn.Module):
    """DeepLab's ResNet-101 trunk: torchvision's, with dilation 2 and 4 in place of the strides of Res4 and Res5."""

    channels = (512, 1024, 2048)

    def __init__(self) -> None:
        super().__init__()
        from torchvision.models import resnet101  # takes 1.5 s to import, which only this trunk should cost

        trunk = resnet101(weights=None, replace_stride_with_dilation=[False, True, True])
        self.stem = nn.Sequential(trunk.conv1, trunk.bn1, trunk.relu, trunk.maxpool)
        self.res2, self.res3, self.res4, self.res5 = trunk.layer1, trunk.layer2, trunk.layer3, trunk.layer4

    def forward(self, images: Tensor) -> FrameFeatures:
        """Map normalised images [B, 3, H, W] to features of Res3, Res4, Res5, each [B, C, H / 8, W / 8]."""
        c3 = self.res3(self.res2(self.stem(images)))
        c4 = self.res4(c3)
        return FrameFeatures((c3, c4, self.res5(c4)))


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions around a shortcut, as in ResNet's basic block."""

    def __init__(self, channels_in: int, channels_out: int, *, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, dilation, dilation, bias=False)
        self.bn1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            projection = nn.Conv2d(channels_in, channels_out, 1, stride, bias=False)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(channels_out))

    def forward(self, features: Tensor) -> Tensor:
        """Map [B, C, h, w] to [B, C', h / stride, w / stride]."""
        inner = F.relu(self.bn1(self.conv1(features)), inplace=True)
        out: Tensor = self.bn2(self.conv2(inner)) + self.shortcut(features)
        return F.relu(out, inplace=True)


class ColourPath(nn.Module):
    """The colours of each cell of the feature grid, straight from the pixels: a learnt, soft colour histogram.

    A perceptron maps each 2 x 2 block of pixels by itself, and its outputs are averaged over the cell. A small trunk
    that is trained from scratch loses colours on the way to Res5: a linear probe named the colour of three balls in
    four after the stem, of one in three after Res5, and of six in seven with the path (benchmarks/trunk_probe.py).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inner, self.outer = nn.Conv2d(3, channels, 1), nn.Conv2d(channels, channels, 1)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, images: Tensor) -> Tensor:
        """Map normalised images [B, 3, H, W] to [B, C, H / 8, W / 8]."""
        blocks = F.avg_pool2d(images, 2)
        named = F.relu(self.outer(F.relu(self.inner(blocks), inplace=True)), inplace=True)
        out: Tensor = self.norm(F.avg_pool2d(named, 4))
        return out


class LightBackbone(nn.Module):
    """A small residual trunk with the strides and dilations of the full one, for the CPU.

    Args:
        widths: Channels of the stem and of Res2 to Res5.
        colour_channels: Channels of the `ColourPath`, linear maps of which are added to Res3, Res4 and Res5; 0 for no
            path. The maps start at zero, so that a trunk trained without the path can be trained further with it.
        fine_channels: Channels of the fine features, of stride 4, made from Res2 and the colours of the pixels; 0 for
            none.
        with_stem: Whether to return the features of the stem, of stride 2, as well.
    """

    def __init__(
        self, widths: Sequence[int], colour_channels: int = 0, fine_channels: int = 0, *, with_stem: bool = False
    ) -> None:
        super().__init__()
        stem, res2, res3, res4, res5 = widths
        self.channels = (res3, res4, res5)
        self.stem = nn.Sequential(nn.Conv2d(3, stem, 3, 2, 1, bias=False), nn.BatchNorm2d(stem), nn.ReLU(inplace=True))
        self.res2 = ResidualBlock(stem, res2, stride=2)
        self.res3 = nn.Sequential(ResidualBlock(res2, res3, stride=2), ResidualBlock(res3, res3))
        self.res4 = nn.Sequential(ResidualBlock(res3, res4, dilation=2), ResidualBlock(res4, res4, dilation=2))
        self.res5 = nn.Sequential(ResidualBlock(res4, res5, dilation=4), ResidualBlock(res5, res5, dilation=4))
        self.colours = ColourPath(colour_channels) if colour_channels else None
        tinted = self.channels if colour_channels else ()
        self.tints = nn.ModuleList(nn.Conv2d(colour_channels, width, 1, bias=False) for width in tinted)
        for tint in self.tints:
            assert isinstance(tint, nn.Conv2d)
            nn.init.zeros_(tint.weight)
        self.fine = nn.Conv2d(res2 + 3, fine_channels, 1) if fine_channels else None
        self.with_stem = with_stem

    def forward(self, images: Tensor) -> FrameFeatures:
        """Map normalised images [B, 3, H, W] to features of Res3, Res4 and Res5, each [B, C, H / 8, W / 8].

        If the trunk was built with them, the fine features, [B, D, H / 4, W / 4], and the stem's, [B, S, H / 2, W / 2],
        are returned too.
        """
        stem = self.stem(images)
        features = self.res2(stem)
        fine = None if self.fine is None else self.fine(torch.cat([features, F.avg_pool2d(images, 4)], 1))
        colours = None if self.colours is None else self.colours(images)
        levels: tuple[Tensor, ...] = ()
        for index, stage in enumerate((self.res3, self.res4, self.res5)):
            features = stage(features)
            if colours is not None:
                features = features + self.tints[index](colours)
            levels += (features,)
        return FrameFeatures(levels, fine, stem if self.with_stem else None)
