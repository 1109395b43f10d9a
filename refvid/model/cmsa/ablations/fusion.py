"""The simple alternatives to gated multi-level fusion in Table 2."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from refvid.model.cmsa.fusion import Projectable, project_levels


class SelfGatedFusion(nn.Module):
    """ "CMSA + Gated": each level is gated by itself, and nothing flows between the levels.

    Section 4.2.4 "uses the same gate generation method in Sec. 3.3 to generate memory gates and directly multiply by
    its own features without interactions with features from other levels". We read this as F_o^i = m^i X^i, without the
    reset gate and the tanh of Eq. 6, and with Eq. 7 unchanged.
    """

    def __init__(self, level_channels: Sequence[int], channels: int) -> None:
        super().__init__()
        self.project = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in level_channels)
        self.gates = nn.ModuleList(nn.Conv2d(channels, 1, 1) for _ in level_channels)
        self.score = nn.Conv2d(channels, 1, 3, padding=1)

    def fuse(self, levels: Sequence[Projectable]) -> Tensor:
        """Map the multimodal features of each level, D_i channels, to the sum of the gated ones [B * E, X, h, w]."""
        x = project_levels(self.project, levels)
        gated = [torch.sigmoid(gate(level)) * level for gate, level in zip(self.gates, x, strict=True)]
        return torch.stack(gated).sum(0)

    def forward(self, levels: Sequence[Projectable]) -> Tensor:
        """Map the multimodal features of each level, D_i channels, to mask logits [B * E, 1, h, w]."""
        return cast(Tensor, self.score(self.fuse(levels)))


class SummedFusion(nn.Module):
    """No gates: Eq. 7 with the levels themselves, F_o^i = X^i.

    The paper's rows without fusion (CMSA-W in Table 2, all of Table 1) use Res5 alone. The sum keeps the three levels
    and all their parameters, so that only the gating of Eq. 6 is missing.
    """

    def __init__(self, level_channels: Sequence[int], channels: int) -> None:
        super().__init__()
        self.project = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in level_channels)
        self.score = nn.Conv2d(channels, 1, 3, padding=1)

    def fuse(self, levels: Sequence[Projectable]) -> Tensor:
        """Map the multimodal features of each level, D_i channels, to their sum [B * E, X, h, w]."""
        return torch.stack(project_levels(self.project, levels)).sum(0)

    def forward(self, levels: Sequence[Projectable]) -> Tensor:
        """Map the multimodal features of each level, D_i channels, to mask logits [B * E, 1, h, w]."""
        return cast(Tensor, self.score(self.fuse(levels)))
