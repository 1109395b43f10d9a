"""A pretrained trunk, and a neck that brings its strides 8, 16 and 32 to the one grid that the systems expect."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.interface import FrameFeatures
from refvid.model.layers.backbone import ColourPath, ResidualBlock
from refvid.model.layers.efficientnet import HEAD_CHANNELS, EfficientNetLite

GRID_STRIDE = 16
DROPPED = 0.2  # share of the trunk's channels that the neck does not see in a training step


class PretrainedBackbone(nn.Module):
    """EfficientNet-Lite with a neck: three levels of stride 16, fine features of stride 8, stem features of stride 4.

    The trunk is meant to stay frozen: it was trained on a million photos, and its depthwise convolutions are slow to
    train on a CPU. The systems learn only the neck and what follows it. Each level sees more of the picture than the
    one before: the first combines the trunk's strides 16 and 8, the second adds stride 32, and the third adds the
    features that the ImageNet classifier reads. The colours of each cell are added to all of them (`ColourPath`).

    In training, whole channels of the trunk are dropped at random. Otherwise the neck soon recognises each of a few
    hundred photos by some channel, and what it learns no longer holds for others.

    Args:
        variant: Name of the EfficientNet-Lite.
        width: Channels of each level.
        colour_channels: Channels of the colour path.
        fine_channels: Channels of the fine features; 0 for none.
        with_stem: Whether to return stem features as well.
        with_classes: Whether to return the probabilities of the ImageNet classes as well.

    Attributes:
        channels: Widths of the levels.
        stem_channels: Width of the stem features.
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
        """Use precomputed features of the trunk inside the context, for every batch of N pictures.

        Args:
            features: Output of `trunk` for these N pictures, [N, C_i, H / s_i, W / s_i].
        """
        self._given = list(features)
        try:
            yield
        finally:
            self._given = None

    def forward(self, images: Tensor) -> FrameFeatures:
        """Map normalised images [B, 3, H, W], sides multiples of 32, to levels [B, C, H / 16, W / 16].

        If the backbone was built with them, the fine features, [B, D, H / 8, W / 8], the stem features,
        [B, S, H / 4, W / 4], and the class probabilities, [B, 1000, H / 32, W / 32], are returned too.
        """
        given = self._given
        known = given is not None and len(given[0]) == len(images)
        quarter, eighth, sixteenth, last = given if given is not None and known else self.trunk(images)
        head = self.trunk.describe(last)
        classes = self.trunk.classifier(head).softmax(1) if self.with_classes else None
        if self.training:
            eighth, sixteenth, last, head = (F.dropout2d(part, DROPPED) for part in (eighth, sixteenth, last, head))
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
        return FrameFeatures(levels, fine, stem, classes=classes)


def _normed(convolution: nn.Conv2d) -> nn.Sequential:
    """Return a convolution followed by a batch norm, which brings levels of different scales to the same one."""
    return nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels))
