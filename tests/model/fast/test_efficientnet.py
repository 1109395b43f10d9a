"""The pretrained trunk for inference against the same as it is taught: in float64, and in float32 to rounding."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.fast.convolution import PackedConvolution
from refvid.model.fast.efficientnet import FoldedInvertedResidual, pack_efficientnet
from refvid.model.fast.folding import fold, fold_norms
from refvid.model.layers import onednn
from refvid.model.layers.efficientnet import EfficientNetLite
from tests.model.miniature import build


def unsettled_trunk() -> EfficientNetLite:
    torch.manual_seed(0)
    trunk = EfficientNetLite()
    for norm in trunk.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean.uniform_(-0.5, 0.5)
            norm.running_var.uniform_(0.05, 0.3)
            nn.init.uniform_(norm.weight, -1.5, 1.5)
            nn.init.uniform_(norm.bias, -0.5, 0.5)
    return trunk.eval()


def outputs(trunk: EfficientNetLite, images: Tensor) -> tuple[Tensor, ...]:
    with torch.inference_mode():
        levels = trunk(images)
        return *levels, trunk.describe(levels[-1]), trunk.classify(levels[-1])


def test_a_packed_trunk_says_the_same() -> None:
    trunk = unsettled_trunk()
    images = torch.randn(2, 3, 64, 32)
    fast, wide = copy.deepcopy(trunk), copy.deepcopy(trunk).double()
    truth = outputs(wide, images.double())
    for one in (fast, wide):
        fold_norms(one)
        pack_efficientnet(one)
    for expected, exact, plain, found in zip(
        truth, outputs(wide, images.double()), outputs(trunk, images), outputs(fast, images),
        strict=True,
    ):  # fmt: skip
        assert expected.std() > 0.01, "a constant would prove nothing"
        torch.testing.assert_close(exact, expected, rtol=1e-9, atol=1e-9)
        rounding = float((plain - expected).abs().max())
        assert float((found - expected).abs().max()) < 5 * rounding + 1e-6 * float(expected.abs().max())
    kinds = {type(part) for part in fast.modules()}
    assert not kinds & {nn.BatchNorm2d, nn.ReLU6, nn.Conv2d}


def test_norms_must_be_folded_first() -> None:
    with torch.device("meta"):
        trunk = EfficientNetLite()
    with pytest.raises(TypeError, match="got BatchNorm2d; fold the norms first"):
        pack_efficientnet(trunk)


def test_fold_packs_a_trunk_wherever_it_is_in_a_network() -> None:
    network = build()
    network.extra = nn.Sequential(unsettled_trunk())
    folded = fold(network)
    assert nn.BatchNorm2d not in {type(part) for part in folded.extra.modules()}
    assert sum(isinstance(part, FoldedInvertedResidual) for part in folded.modules()) == 16
    images = torch.randn(1, 3, 32, 32)
    with torch.inference_mode():
        for expected, found in zip(network.extra(images), folded.extra(images), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))


@pytest.mark.parametrize("groups", [1, 8])
@pytest.mark.parametrize("clamps", [None, False])
def test_relu6_follows_a_convolution_and_a_sum(
    groups: int, clamps: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if clamps is not None:
        monkeypatch.setattr(onednn, "clamps", lambda dtype: clamps)
    torch.manual_seed(0)
    plain = nn.Conv2d(8, 8, 3, padding=1, groups=groups)
    features, other = 20 * torch.randn(1, 8, 12, 10), torch.randn(1, 8, 12, 10)
    fast = PackedConvolution(plain, relu6=True)
    with torch.inference_mode():
        for added in (None, other):
            expected = F.relu6(plain(features) if added is None else plain(features) + added)
            assert float(expected.max()) == 6, "it must really be cut off"
            torch.testing.assert_close(fast(features, added), expected, rtol=1e-5, atol=1e-4)
