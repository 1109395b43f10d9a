"""The multimodal features of one level, either as parts that sum up to them or as a dense tensor."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Multimodal:
    """The features F^ of Eq. 5 for E expressions on one level, as parts that sum up to them.

    F^_p = W pooled_p + [v_p / |v_p|, sum_n a_n e_n / |e_n|, s_p] has D channels for each position and expression, but
    only the first term depends on both. Fusion maps F^ linearly, so that each part can be mapped by itself, and F^ is
    never built.

    Attributes:
        pooled: Attended values [B, E, P, A].
        output: Weight W [D, A] of the map from attended values to F^.
        visual: Visual part v / |v| [B, P, C].
        words: Word part sum_n a_n e_n / |e_n| [B, E, C_l].
        code: Spatial coordinates [B, P, 8].
        size: Height h and width w of the grid; their product is P.
    """

    pooled: Tensor
    output: Tensor
    visual: Tensor
    words: Tensor
    code: Tensor
    size: tuple[int, int]

    def project(self, weight: Tensor, bias: Tensor) -> Tensor:
        """Return weight F^ + bias for a weight [X, D] and a bias [X]: [B * E, X, h, w], channels last."""
        sizes = [self.visual.shape[-1], self.words.shape[-1], self.code.shape[-1]]
        visual, word, spatial = torch.split(weight, sizes, dim=1)
        seen = F.linear(self.visual, visual) + F.linear(self.code, spatial)  # [B, P, X]
        read = F.linear(self.words, word, bias)  # [B, E, X]
        mapped = F.linear(self.pooled, weight @ self.output) + seen[:, None] + read[:, :, None]
        return mapped.reshape(-1, *self.size, len(weight)).permute(0, 3, 1, 2)

    def dense(self) -> Tensor:
        """Return F^ itself, [B * E, D, h, w]."""
        channels = self.output.shape[0]
        identity = torch.eye(channels, dtype=self.pooled.dtype, device=self.pooled.device)
        return self.project(identity, identity.new_zeros(channels))


@dataclass(frozen=True)
class DenseMultimodal:
    """The features F^ of E expressions on one level as a dense tensor.

    Attributes:
        features: Features F^ [B, E, P, D].
        size: Height h and width w of the grid; their product is P.
    """

    features: Tensor
    size: tuple[int, int]

    def project(self, weight: Tensor, bias: Tensor) -> Tensor:
        """Return weight F^ + bias for a weight [X, D] and a bias [X]: [B * E, X, h, w], channels last."""
        mapped = F.linear(self.features, weight, bias)
        return mapped.reshape(-1, *self.size, len(weight)).permute(0, 3, 1, 2)

    def dense(self) -> Tensor:
        """Return F^ as [B * E, D, h, w]."""
        return self.features.flatten(0, 1).transpose(1, 2).reshape(-1, self.features.shape[-1], *self.size)
