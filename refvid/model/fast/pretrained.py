"""The pretrained trunk and its neck for inference, with batch norms, averages and sums merged into convolutions."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.fast.backbone import (
    FoldedBlock,
    FoldedColourPath,
    convolution_of,
    convolve_means,
    first_convolution,
    fold_into_next,
)
from refvid.model.fast.convolution import PackedConvolution
from refvid.model.interface import FrameFeatures
from refvid.model.layers.backbone import ColourPath, ResidualBlock
from refvid.model.layers.pretrained import PretrainedBackbone


class FoldedFine(nn.Module):
    """The fine features of a `PretrainedBackbone`, made without joining their inputs into one tensor.

    The 1 x 1 convolution is split into one for each input. That of the context runs before the interpolation, on a
    quarter of the positions: both are linear, and the weights of an interpolation sum to 1.

    Args:
        fine: Layers of the fine features, with their first norm folded.
        colours: Colour path, whose norm is merged into the convolution.
        context_channels: Width of the context, the last level.
    """

    def __init__(self, fine: nn.Sequential, colours: ColourPath, context_channels: int) -> None:
        super().__init__()
        joint = first_convolution(fine)
        tint_channels = colours.norm.num_features
        sizes = [joint.in_channels - context_channels - tint_channels, context_channels, tint_channels]
        seen, context, tint = torch.split(joint.weight, sizes, dim=1)
        self.seen = PackedConvolution(convolution_of(seen, joint.bias), relu=True)
        self.context = PackedConvolution(convolution_of(context, None))
        self.tint = PackedConvolution(fold_into_next(colours.norm, convolution_of(tint, None)))
        self.block = FoldedBlock(cast(ResidualBlock, fine[-1]))

    def forward(self, eighth: Tensor, context: Tensor, colours: Tensor) -> Tensor:
        """Return the fine features [B, D, H / 8, W / 8].

        Args:
            eighth: Features of the trunk, [B, C, H / 8, W / 8].
            context: Last level, [B, C', H / 16, W / 16].
            colours: Output of the folded colour path, [B, C'', H / 8, W / 8].
        """
        around = F.interpolate(self.context(context), eighth.shape[-2:], mode="bilinear")
        return cast(Tensor, self.block(self.seen(eighth, self.tint(colours, around))))


class FoldedPretrainedBackbone(nn.Module):
    """A `PretrainedBackbone` for inference, made from one whose batch norms are folded (see `fold_norms`).

    The batch norm of the colour path is merged into the convolutions that read the colours.

    Args:
        backbone: Backbone whose trunk is packed already (see `pack_efficientnet`).
    """

    def __init__(self, backbone: PretrainedBackbone) -> None:
        super().__init__()
        self.channels, self.stem_channels = backbone.channels, backbone.stem_channels
        self.trunk, self.with_classes = backbone.trunk, backbone.with_classes
        self.from_eighth, self.from_last, self.from_head = (
            PackedConvolution(first_convolution(layers))
            for layers in (backbone.from_eighth, backbone.from_last, backbone.from_head)
        )
        self.from_sixteenth = PackedConvolution(first_convolution(backbone.from_sixteenth), relu=True)
        self.blocks = nn.ModuleList(FoldedBlock(cast(ResidualBlock, block)) for block in backbone.blocks)
        self.tints = nn.ModuleList(
            PackedConvolution(fold_into_next(backbone.colours.norm, cast(nn.Conv2d, tint))) for tint in backbone.tints
        )
        self.fine = None
        if backbone.fine is not None:
            self.fine = FoldedFine(backbone.fine, backbone.colours, self.channels[-1])
        self.colours = FoldedColourPath(backbone.colours)
        self.quarter_norm, self.quarter_colours = backbone.quarter_norm, None
        if backbone.quarter_norm is not None:
            same = torch.eye(3, dtype=self.from_eighth.weight.dtype)[:, :, None, None]
            self.quarter_colours = PackedConvolution(convolve_means(convolution_of(same, None), 4))

    def forward(self, images: Tensor) -> FrameFeatures:
        """Map normalised images [B, 3, H, W] to the features of `PretrainedBackbone`."""
        images = images.contiguous(memory_format=torch.channels_last)
        quarter, eighth, sixteenth, last = self.trunk(images)
        head = self.trunk.describe(last)
        size = sixteenth.shape[-2:]
        entries = (self.from_last(last), self.from_head(head))
        colours = self.colours(images)
        coarse_colours = F.avg_pool2d(colours, 2)
        features = self.from_sixteenth(sixteenth, self.from_eighth(eighth))
        levels: tuple[Tensor, ...] = ()
        for block, tint, entry in zip(self.blocks, self.tints, (None, *entries), strict=True):
            if entry is not None:
                features = F.interpolate(entry, size, mode="bilinear").add_(features).relu_()
            features = tint(coarse_colours, block(features))
            levels += (features,)
        fine = None if self.fine is None else self.fine(eighth, features, colours)
        stem = None
        if self.quarter_norm is not None and self.quarter_colours is not None:
            stem = torch.cat([self.quarter_norm(quarter), self.quarter_colours(images)], 1)
        classes = self.trunk.classifier(head).softmax(1) if self.with_classes else None
        return FrameFeatures(levels, fine, stem, classes=classes)
