"""A pretrained trunk, and the neck that joins its strides 8, 16 and 32 on the one grid that the systems expect."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.interface import FrameFeatures
from refvid.model.layers.backbone import ColourPath, ResidualBlock
from refvid.model.layers.efficientnet import HEAD_CHANNELS, EfficientNetLite

GRID_STRIDE = 16


class PretrainedBackbone(nn.Module):
    """EfficientNet-Lite and a neck: three levels of stride 16, fine features of stride 8, a stem of stride 4.

    The trunk is meant to stay frozen: it was taught on a million photos, and the depthwise convolutions that it
    consists of are slow to train on a CPU. All that the systems learn is in the neck and behind it. Every level sees
    more of the picture than the one before: the first holds stride 16 with detail of stride 8, the second adds stride
    32, the third what the ImageNet classifier reads. The colours of each cell are added to all of them (`ColourPath`).

    Args:
        variant: Name of the EfficientNet-Lite.
        width: Channels of each level.
        colour_channels: Width of the colour path.
        fine_channels: Channels of the fine features; 0: none.
        with_stem: Whether features of stride 4 are wanted.
        with_classes: Whether the probabilities of ImageNet's classes are wanted.

    Attributes:
        channels: Widths of the levels.
        stem_channels: Width of the stem's features.
    """

    def __init__(
        self,
        variant: str,
        width: int,
        colour_channels: int,
        fine_channels: int = 0,
        *,
        with_stem: bool = False,
        with_classes: bool = False,
    ) -> None:
        super().__init__()
        self.trunk = EfficientNetLite(variant)
        quarter, eighth, sixteenth, last = self.trunk.channels
        self.channels, self.stem_channels = (width, width, width), quarter + 3
        self.with_classes = with_classes
        self.from_eighth = _normed(nn.Conv2d(eighth, width, 3, stride=2, padding=1, bias=False))
        self.from_sixteenth = _normed(nn.Conv2d(sixteenth, width, 1, bias=False))
        self.from_last = _normed(nn.Conv2d(last, width, 1, bias=False))
        self.from_head = _normed(nn.Conv2d(HEAD_CHANNELS, width, 1, bias=False))
        self.blocks = nn.ModuleList(ResidualBlock(width, width, dilation=dilation) for dilation in (1, 2, 2))
        self.colours = ColourPath(colour_channels)
        self.tints = nn.ModuleList(nn.Conv2d(colour_channels, width, 1, bias=False) for _ in self.blocks)
        self.quarter_norm = nn.BatchNorm2d(quarter) if with_stem else None
        self.fine = None
        if fine_channels:
            self.fine = nn.Sequential(
                nn.Conv2d(eighth + width + colour_channels, fine_channels, 1, bias=False),
                nn.BatchNorm2d(fine_channels),
                nn.ReLU(),
                ResidualBlock(fine_channels, fine_channels),
            )
        self._given: list[Tensor] | None = None

    @contextmanager
    def given(self, features: Sequence[Tensor]) -> Iterator[None]:
        """Take features of the trunk, computed before, for the pictures of the next passes, as many as there are.

        Args:
            features: What `trunk` returned for these pictures, [N, C_i, H / s_i, W / s_i].
        """
        self._given = list(features)
        try:
            yield
        finally:
            self._given = None

    def forward(self, images: Tensor) -> FrameFeatures:
        """Map normalised images [B, 3, H, W], sides multiples of 32, to levels [B, C, H / 16, W / 16].

        Fine features, [B, C, H / 8, W / 8], those of the stem, [B, C, H / 4, W / 4], and the probabilities of the
        classes, [B, 1000, H / 32, W / 32], are there if they are wanted.
        """
        given = self._given
        known = given is not None and len(given[0]) == len(images)
        quarter, eighth, sixteenth, last = given if given is not None and known else self.trunk(images)
        head = self.trunk.describe(last)
        size = sixteenth.shape[-2:]
        entries = (
            self.from_eighth(eighth) + self.from_sixteenth(sixteenth),
            F.interpolate(self.from_last(last), size, mode="bilinear"),
            F.interpolate(self.from_head(head), size, mode="bilinear"),
        )
        colours = self.colours(images)
        coarse_colours = F.avg_pool2d(colours, 2)
        levels: tuple[Tensor, ...] = ()
        features: Tensor | None = None
        for block, entry, tint in zip(self.blocks, entries, self.tints, strict=True):
            features = block(F.relu(entry if features is None else features + entry)) + tint(coarse_colours)
            levels += (features,)
        fine = None
        if self.fine is not None:
            context = F.interpolate(levels[-1], eighth.shape[-2:], mode="bilinear")
            fine = self.fine(torch.cat([eighth, context, colours], 1))
        stem = None
        if self.quarter_norm is not None:
            stem = torch.cat([self.quarter_norm(quarter), F.avg_pool2d(images, 4)], 1)
        classes = self.trunk.classifier(head).softmax(1) if self.with_classes else None
        return FrameFeatures(levels, fine, stem, classes=classes)


def _normed(convolution: nn.Conv2d) -> nn.Sequential:
    """Return a convolution and its norm: the levels of the trunk differ in scale, and none of them ends in a norm."""
    return nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels))
