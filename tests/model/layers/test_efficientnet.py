"""EfficientNet-Lite against the formulas of its layers, and against the package it comes from where that is there."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.layers.efficientnet import SCALES, EfficientNetLite, InvertedResidual
from refvid.train.efficientnet_weights import fill_efficientnet


def unsettled(trunk: EfficientNetLite) -> EfficientNetLite:
    """Give the norms statistics, so that they count."""
    generator = torch.Generator().manual_seed(1)
    for norm in trunk.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean.uniform_(-0.5, 0.5, generator=generator)
            norm.running_var.uniform_(0.05, 0.3, generator=generator)
    return trunk.eval()


def convolve_same(features: Tensor, convolution: nn.Conv2d) -> Tensor:
    """TensorFlow's "same" convolution, the odd pixel of padding after the picture, with a kernel that is not turned."""
    (kernel, _), (stride, _) = convolution.kernel_size, convolution.stride
    pads = []
    for side in (features.shape[-1], features.shape[-2]):
        total = max((math.ceil(side / stride) - 1) * stride + kernel - side, 0)
        pads += [total // 2, total - total // 2]
    weight = convolution.weight.flip(2, 3)
    return F.conv2d(F.pad(features, pads), weight, stride=stride, groups=convolution.groups)


def run_literally(layers: nn.Sequential, features: Tensor) -> Tensor:
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            features = convolve_same(features, layer)
        elif isinstance(layer, nn.BatchNorm2d):
            mean, variance = (value[:, None, None] for value in (layer.running_mean, layer.running_var))
            features = (features - mean) / (variance + 1e-3).sqrt()
            features = features * layer.weight[:, None, None] + layer.bias[:, None, None]
        else:
            features = features.clamp(0, 6)
    return features


@torch.no_grad()
def test_levels_are_those_of_same_padding() -> None:
    torch.manual_seed(0)
    trunk = unsettled(EfficientNetLite()).double()
    images = torch.randn(1, 3, 64, 96, dtype=torch.float64)
    features, found = run_literally(trunk.stem, images), []
    blocks = [part for part in trunk.modules() if isinstance(part, InvertedResidual)]
    assert len(blocks) == 16
    for index, block in enumerate(blocks):
        out = run_literally(block.layers, features)
        features = out + features if out.shape == features.shape else out
        if index in (2, 4, 10, 15):
            found.append(features)
    levels = trunk(images)
    assert all(level.std() > 0.1 for level in levels), "constants would prove nothing"
    torch.testing.assert_close(levels, tuple(found), rtol=1e-9, atol=1e-9)


@torch.no_grad()
@pytest.mark.parametrize("variant", SCALES)
def test_levels_have_the_widths_and_strides_that_are_told(variant: str) -> None:
    with torch.device("meta"):
        trunk = EfficientNetLite(variant).eval()
        levels = trunk(torch.zeros(2, 3, 64, 96))
    assert [level.shape for level in levels] == [
        (2, width, 64 // stride, 96 // stride) for width, stride in zip(trunk.channels, trunk.strides, strict=True)
    ]
    assert trunk.channels == {"efficientnet-lite2": (24, 48, 120, 352)}.get(variant, (24, 40, 112, 320))
    assert sum(value.numel() for value in trunk.parameters()) == {
        "efficientnet-lite0": 4_652_008, "efficientnet-lite1": 5_416_680, "efficientnet-lite2": 6_092_072,
    }[variant], "the numbers of parameters that are published: 4.7, 5.4 and 6.1 million"  # fmt: skip
    assert trunk.describe(levels[-1]).shape == (2, 1280, 2, 3)
    assert trunk.classify(levels[-1]).shape == (2, 1000, 2, 3)


def test_other_sides_and_names_are_refused() -> None:
    with torch.device("meta"):
        trunk = EfficientNetLite()
        with pytest.raises(ValueError, match="multiples of 32, got 64 x 72"):
            trunk(torch.zeros(1, 3, 64, 72))
    with pytest.raises(ValueError, match="no trunk 'efficientnet-b0'; expected one of efficientnet-lite0"):
        EfficientNetLite("efficientnet-b0")


@torch.no_grad()
@pytest.mark.parametrize("variant", SCALES)
def test_it_computes_what_the_reference_does(variant: str) -> None:
    package = pytest.importorskip("efficientnet_lite_pytorch", reason="pip install efficientnet-lite-pytorch")
    torch.manual_seed(0)
    reference = package.EfficientNet.from_name(variant, image_size=64).eval()
    for norm in reference.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean.uniform_(-0.5, 0.5)
            norm.running_var.uniform_(0.05, 0.3)
    reference.double()
    trunk = EfficientNetLite(variant).eval().double()
    fill_efficientnet(trunk, dict(reference.state_dict()), "the reference")
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    last = trunk(images)[-1]
    # The weights are handed over in single precision.
    torch.testing.assert_close(trunk.describe(last), reference.extract_features(images), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(trunk.classify(last).mean((2, 3)), reference(images), rtol=1e-4, atol=1e-4)
