"""Choice of one actor for each expression while logits are upsampled to the fine grid; a variant of our own."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.layers.products import widen
from refvid.model.layers.upsampling import DetailUpsampling
from refvid.model.refvid.actors import attend


class ActorDetailUpsampling(DetailUpsampling):
    """A `DetailUpsampling` that averages the logits of an expression over each actor and favours the best actor.

    The other actors are suppressed by how far their mean logit is below that of the best one, and by how far their
    codes are from its code: of two men in yellow, only one is meant, however much he resembles the other.
    """

    def __init__(self, detail_channels: int, fusion_channels: int) -> None:
        super().__init__(detail_channels, fusion_channels)
        self.choice = ActorChoice(detail_channels)

    def forward(self, logits: Tensor, fused: Tensor, fine: Tensor, codes: Sequence[Tensor] = ()) -> Tensor:
        """Refine the logits of E expressions for each picture.

        Args:
            logits: Coarse logits [B * E, 1, h, w].
            fused: Features from which the logits were computed, [B * E, X, h, w].
            fine: Fine features of the picture, [B, D, 2 h, 2 w].
            codes: Actor codes on the coarse and the fine grid, [B, G, h, w] and [B, G, 2 h, 2 w].

        Returns:
            Logits [B * E, 1, 2 h, 2 w].
        """
        upsampled = F.interpolate(logits, fine.shape[-2:], mode="bilinear")
        seen = fine.repeat_interleave(len(fused) // len(fine), 0)
        return self.correct(logits, fused, *self.choice(logits, upsampled, seen, *codes))


class ActorChoice(nn.Module):
    """Logits that favour one actor: l + k (m_a - max_a' m_a') + j (2 n_a - 1) + c at each position of an actor a.

    m_a is the mean logit of the actor, and l lies between the position's own logit and m_a. n_a = exp(-|e_a - e_b|^2)
    is the similarity of the position's code to the code of the position b with the largest mean. The mixture in l and
    the numbers k, j and c are learnt.
    """

    def __init__(self, detail_channels: int) -> None:
        super().__init__()
        self.mean_share = nn.Parameter(torch.tensor(1.0))  # before the logistic function
        self.rivalry = nn.Parameter(torch.tensor(1.0))
        self.decision = nn.Parameter(torch.tensor(0.5))
        self.offset = nn.Parameter(torch.tensor(0.5))
        self.told = nn.Conv2d(4, detail_channels, 1, bias=False)  # a weight name in shipped checkpoints, so not renamed
        nn.init.zeros_(self.told.weight)

    def forward(
        self, logits: Tensor, upsampled: Tensor, seen: Tensor, coarse: Tensor, fine: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Change the logits of E expressions for each picture in favour of one actor.

        Args:
            logits: Coarse logits [B * E, 1, h, w].
            upsampled: The same logits, upsampled, [B * E, 1, 2 h, 2 w].
            seen: Fine features for each expression, [B * E, D, 2 h, 2 w].
            coarse: Codes on the coarse grid, [B, G, h, w].
            fine: Codes on the fine grid, [B, G, 2 h, 2 w].

        Returns:
            The new logits, [B * E, 1, 2 h, 2 w], and the fine features with a description of the choice added.
        """
        keys, queries = coarse.flatten(2), fine.flatten(2)
        means = attend(keys, keys, logits.reshape(len(keys), -1, keys.shape[-1]))  # [B, E, P]
        best, chosen = means.max(-1)
        exact = attend(queries, keys, means).reshape(upsampled.shape)
        behind = exact - best.reshape(-1, 1, 1, 1)
        near = nearness(queries, keys.mT.gather(1, chosen[..., None].expand(-1, -1, keys.shape[1])))
        near = near.reshape(upsampled.shape)
        own = torch.lerp(upsampled.to(exact.dtype), exact, self.mean_share.sigmoid().to(exact.dtype))
        description = self.told(torch.cat([upsampled.to(exact.dtype), exact, behind, near], 1).to(seen.dtype))
        return own + self.rivalry * behind + self.decision * (2 * near - 1) + self.offset, seen + description


def nearness(codes: Tensor, chosen: Tensor) -> Tensor:
    """Return exp(-|e_p - e_b|^2) [B, E, P] for codes e_p [B, G, P] and e_b [B, E, G], in float32 or wider."""
    all_codes, best = widen(codes), widen(chosen)
    with torch.autocast(codes.device.type, enabled=False):
        distance = all_codes.square().sum(1)[:, None] - 2 * best @ all_codes + best.square().sum(-1)[..., None]
        return distance.clamp(min=0).neg().exp()
