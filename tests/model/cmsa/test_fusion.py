"""GMLF against Eq. 6 and 7, written as the paper prints them."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from refvid.model.cmsa.fusion import GatedMultiLevelFusion
from refvid.model.cmsa.multimodal import DenseMultimodal

WIDTHS, CHANNELS, SIZE = (4, 6, 5), 7, (3, 5)


@pytest.fixture
def fusion() -> GatedMultiLevelFusion:
    torch.manual_seed(0)
    module = GatedMultiLevelFusion(WIDTHS, CHANNELS).double()
    torch.nn.init.uniform_(module.gamma, 0.3, 1.7)  # all different and none 1, as they start
    return module


def level_features() -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(2, 3, 15, width, generator=generator, dtype=torch.float64) for width in WIDTHS]


def literal(fusion: Any, features: list[Tensor]) -> Tensor:
    """The sum of F_o^i [B * E, X, h, w] as printed: the gates of level i, then what flows in from the others."""
    maps = [level.flatten(0, 1).transpose(1, 2).unflatten(2, SIZE) for level in features]
    x = [F.conv2d(level, own.weight, own.bias) for level, own in zip(maps, fusion.project, strict=True)]
    gates = [F.conv2d(level, own.weight, own.bias) for level, own in zip(x, fusion.gates, strict=True)]
    m, r = ([1 / (1 + torch.exp(-gate[:, row, None])) for gate in gates] for row in (0, 1))
    outputs = []
    for i in range(3):
        g = (1 - m[i]) * x[i] + sum(fusion.gamma[j] * m[j] * x[j] for j in {0, 1, 2} - {i})
        outputs.append(r[i] * torch.tanh(g) + (1 - r[i]) * x[i])
    return outputs[0] + outputs[1] + outputs[2]


def test_fused_levels_are_those_of_equation_6(fusion: GatedMultiLevelFusion) -> None:
    features = level_features()
    found = fusion.fuse([DenseMultimodal(level, SIZE) for level in features])
    torch.testing.assert_close(found, literal(fusion, features), rtol=1e-12, atol=1e-12)


def test_logits_are_those_of_equation_7(fusion: GatedMultiLevelFusion) -> None:
    features = level_features()
    found = fusion([DenseMultimodal(level, SIZE) for level in features])
    around = F.pad(literal(fusion, features), (1, 1, 1, 1))
    (height, width), weight = SIZE, fusion.score.weight[0]
    expected = sum(
        (weight[:, i, j, None, None] * around[:, :, i : i + height, j : j + width]).sum(1, keepdim=True)
        for i in range(3)
        for j in range(3)
    )
    torch.testing.assert_close(found, expected + fusion.score.bias, rtol=1e-12, atol=1e-12)


def test_every_ratio_starts_at_one() -> None:
    assert GatedMultiLevelFusion(WIDTHS, CHANNELS).gamma.tolist() == [1, 1, 1]
