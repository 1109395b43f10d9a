"""EfficientNet-Lite: a small trunk that was trained on ImageNet, and its classifier.

Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (2019). The Lite variants omit
squeeze-and-excitation, use ReLU6 instead of swish, and scale neither the stem nor the head.
"""

import math
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

# The normalisation that the weights were trained with, (pixel - 127) / 128, for colour values from 0 to 1.
PIXEL_MEAN, PIXEL_STD = (0.498, 0.498, 0.498), (0.502, 0.502, 0.502)
CLASSES = 1000
STRIDE = 32  # the sides of the input must be multiples of it
STEM_CHANNELS, HEAD_CHANNELS = 32, 1280


class Stage(NamedTuple):
    """A row of inverted residual blocks of one width (Table 1 of the paper); only the first has the stride."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
LEVEL_STAGES = (1, 2, 4, 6)  # the last stage of each stride from 4 on
SCALES = {"efficientnet-lite0": (1.0, 1.0), "efficientnet-lite1": (1.0, 1.1), "efficientnet-lite2": (1.1, 1.2)}


def scaled_stages(variant: str) -> tuple[Stage, ...]:
    """Return the stages of a variant, scaled by its factors of width and depth.

    Raises:
        ValueError: There is no such variant.
    """
    if variant not in SCALES:
        raise ValueError(f"there is no trunk '{variant}'; expected one of {', '.join(SCALES)}")
    width, depth = SCALES[variant]
    last = len(STAGES) - 1
    return tuple(
        stage._replace(
            blocks=stage.blocks if index in (0, last) else math.ceil(depth * stage.blocks),
            channels=round_to_eights(width * stage.channels),
        )
        for index, stage in enumerate(STAGES)
    )


def round_to_eights(channels: float) -> int:
    """Round a width to the nearest multiple of 8, or up to the next one where that would take away over a tenth."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * channels else nearest + 8


def convolve(channels_in: int, channels_out: int, kernel: int, *, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """Return a convolution and its batch norm, which `fold_norms` later merges into one convolution."""
    convolution = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(channels_out, eps=1e-3, momentum=0.01)]


class InvertedResidual(nn.Module):
    """An inverted residual block: expand the channels, filter each of them, and project back to few channels.

    The input is added to the output where both have the same shape.

    Args:
        channels_in: Channels of the input.
        stage: Stage that sets the block's width, kernel and expansion.
        stride: Stride of the depthwise convolution.
    """

    def __init__(self, channels_in: int, stage: Stage, *, stride: int) -> None:
        super().__init__()
        wide = channels_in * stage.expansion
        layers = [*convolve(channels_in, wide, 1), nn.ReLU6(inplace=True)] if stage.expansion != 1 else []
        layers += [*convolve(wide, wide, stage.kernel, stride=stride, groups=wide), nn.ReLU6(inplace=True)]
        self.layers = nn.Sequential(*layers, *convolve(wide, stage.channels, 1))
        self.residual = stride == 1 and channels_in == stage.channels

    def forward(self, features: Tensor) -> Tensor:
        """Map [B, C, h, w] to [B, C', h / stride, w / stride]."""
        out: Tensor = self.layers(features)
        return out + features if self.residual else out


class EfficientNetLite(nn.Module):
    """The trunk and its ImageNet classifier.

    The weights were trained in TensorFlow, which for a stride of 2 pads even sides with one pixel less before than
    after. Rotated by 180 degrees, this becomes the padding of PyTorch's convolutions. So the trunk rotates its input,
    its kernels are stored rotated (`refvid.train.efficientnet_weights`), and its features are rotated back.

    Args:
        variant: Name of the variant, a key of `SCALES`.

    Attributes:
        channels: Widths of the levels.
        strides: Strides of the levels.
    """

    strides = (4, 8, 16, 32)

    def __init__(self, variant: str = "efficientnet-lite0") -> None:
        super().__init__()
        self.variant = variant
        plan = scaled_stages(variant)
        self.channels = tuple(plan[index].channels for index in LEVEL_STAGES)
        self.stem = nn.Sequential(*convolve(3, STEM_CHANNELS, 3, stride=2), nn.ReLU6(inplace=True))
        self.stages = nn.ModuleList()
        width = STEM_CHANNELS
        for stage in plan:
            first = InvertedResidual(width, stage, stride=stage.stride)
            rest = (InvertedResidual(stage.channels, stage, stride=1) for _ in range(stage.blocks - 1))
            self.stages.append(nn.Sequential(first, *rest))
            width = stage.channels
        self.head = nn.Sequential(*convolve(width, HEAD_CHANNELS, 1), nn.ReLU6(inplace=True))
        self.classifier = nn.Conv2d(HEAD_CHANNELS, CLASSES, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map images [B, 3, H, W], normalised by `PIXEL_MEAN` and `PIXEL_STD`, to features [B, C_i, H / s_i, W / s_i].

        Raises:
            ValueError: A side of the images is not a multiple of 32.
        """
        height, width = images.shape[-2:]
        if height % STRIDE or width % STRIDE:
            raise ValueError(f"the sides of pictures must be multiples of {STRIDE}, got {height} x {width}")
        features = self.stem(turn(images))
        levels = []
        for index, stage in enumerate(self.stages):
            features = stage(features)
            if index in LEVEL_STAGES:
                levels.append(turn(features))
        return tuple(levels)

    def describe(self, features: Tensor) -> Tensor:
        """Map the level of stride 32, [B, C, h, w], to the input of the classifier, [B, 1280, h, w]."""
        return cast(Tensor, self.head(features))

    def classify(self, features: Tensor) -> Tensor:
        """Map the level of stride 32, [B, C, h, w], to ImageNet logits at each position, [B, 1000, h, w].

        Their mean over the positions gives the classifier's logits for the whole picture.
        """
        return cast(Tensor, self.classifier(self.describe(features)))


def turn(features: Tensor) -> Tensor:
    """Rotate [..., h, w] by 180 degrees."""
    return torch.flip(features, (-2, -1))
