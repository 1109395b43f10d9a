"""CFSA with codes of space and time; a variant of our own."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.cmsa.cross_frame import CrossFrameSelfAttention
from refvid.model.layers.products import widen
from refvid.model.layers.spatial import SPATIAL_CHANNELS, spatial_code


class SpaceTimeCrossFrame(CrossFrameSelfAttention):
    """CFSA with a code of space in every token and a code of time in every key and value.

    The paper's attention gives the same result for a clip that is played backwards or whose positions are rearranged,
    so that it cannot learn "rolling to the left". Here every token carries the spatial code of section 3.1, and the
    distance of delta frames from query to key is encoded too: r(delta) is added to the key and u(delta) to the value,
    both linear in (delta / radius, |delta| / radius).

    Args:
        channels: Width C of the level.
        attention_channels: Width A of queries, keys and values.
        radius: tau, the number of frames on either side of the target frame, at least 1.
    """

    def __init__(self, channels: int, attention_channels: int, *, radius: int) -> None:
        super().__init__(channels, attention_channels, code_channels=SPATIAL_CHANNELS)
        self.radius = radius
        self.time_key = nn.Linear(2, attention_channels, bias=False)
        self.time_value = nn.Linear(2, attention_channels, bias=False)
        for code in (self.time_key, self.time_value):
            nn.init.zeros_(code.weight)  # still pictures do not train them; they must not add noise

    def tokens(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the tokens of features [..., C, h, w], at unit length and unscaled, with the code, [..., P, C + 8]."""
        unit, tokens = super().tokens(features)
        code = spatial_code(*features.shape[-2:], dtype=tokens.dtype, device=tokens.device)
        code = code.flatten(1).T.expand(*tokens.shape[:-1], -1)
        return torch.cat([unit, code], dim=-1), torch.cat([tokens, code], dim=-1)

    def time_terms(self, distances: Tensor) -> tuple[Tensor, Tensor]:
        """Return r and u, each [..., A], for keys that lie `distances` [...] frames after their queries."""
        weight = self.time_key.weight
        share = distances.to(weight.dtype) / self.radius
        code = torch.stack([share, share.abs()], dim=-1)
        return widen(F.linear(code, weight)), widen(F.linear(code, self.time_value.weight))
