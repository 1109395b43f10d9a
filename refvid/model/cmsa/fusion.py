"""Gated multi-level fusion (section 3.3)."""

from collections.abc import Sequence
from functools import reduce
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from refvid.model.layers.products import tanh


class Projectable(Protocol):
    """Multimodal features of one level to which a linear map can be applied without building them."""

    def project(self, weight: Tensor, bias: Tensor) -> Tensor:
        """Map the features [B * E, D, h, w] by a weight [X, D] and a bias [X] to [B * E, X, h, w]."""
        ...


def project_levels(maps: nn.ModuleList, levels: Sequence[Projectable]) -> list[Tensor]:
    """Return X^i [B * E, X, h, w] for every level: its features mapped by its own 1 x 1 convolution."""
    convolutions = [cast(nn.Conv2d, convolution) for convolution in maps]
    return [
        level.project(torch.flatten(convolution.weight, 1), cast(Tensor, convolution.bias))
        for convolution, level in zip(convolutions, levels, strict=True)
    ]


class GatedMultiLevelFusion(nn.Module):
    """GMLF: Eq. 6 and the 3 x 3 convolution of Eq. 7.

    Each level i is mapped to X^i. A memory gate m^i and a reset gate r^i, one scalar map each, control how much of the
    level enters the mixture of the other levels, and how much of its own mixture replaces X^i.
    """

    def __init__(self, level_channels: Sequence[int], channels: int) -> None:
        super().__init__()
        self.project = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in level_channels)
        self.gates = nn.ModuleList(nn.Conv2d(channels, 2, 1) for _ in level_channels)
        self.gamma = nn.Parameter(torch.ones(len(level_channels)))
        self.score = nn.Conv2d(channels, 1, 3, padding=1)

    def fuse(self, levels: Sequence[Projectable]) -> Tensor:
        """Map the multimodal features of each level, D_i channels, to their gated sum [B * E, X, h, w], Eq. 6."""
        x = project_levels(self.project, levels)
        gates = [torch.split(torch.sigmoid(gate(level)), 1, dim=1) for gate, level in zip(self.gates, x, strict=True)]
        everything = reduce(torch.add, [self.gamma[j] * gates[j][0] * x[j] for j in range(len(x))])  # gamma^j m^j X^j
        merged = []
        for i, (memory, reset) in enumerate(gates):
            # Eq. 6 sums gamma^j m^j X^j over j != i and adds (1 - m^i) X^i; the sum over all j is computed only once.
            mixture = everything + (1 - (1 + self.gamma[i]) * memory) * x[i]
            merged.append(x[i] + reset * (tanh(mixture) - x[i]))
        return reduce(torch.add, merged)

    def forward(self, levels: Sequence[Projectable]) -> Tensor:
        """Map the multimodal features of each level, D_i channels, to mask logits [B * E, 1, h, w]."""
        return cast(Tensor, self.score(self.fuse(levels)))
