"""Positions that belong to one actor find each other: one answer for an actor, and its motion; a variant of our own.

CMSA answers at each position by itself, so that a mask of one of several look-alikes is easily patched together from
two. Here each position has a code, the same for one actor (and for the background) and another for the next:

    A_pq = softmax_q(-|e_p - e_q|^2)

Codes know no expression and are learnt from all actors of a frame at once. Mean shift (Fukunaga and Hostetler, 1975)
draws them together: each code becomes the mean of those that are near it, a few times over, so that an actor ends with
nearly one code. With A, the logits of an expression are averaged over each actor, and the displacement of an actor
from frame to frame is that of its mean position.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.layers.products import LOG2_E, multiply, takes_onednn, widen
from refvid.model.layers.spatial import SPATIAL_CHANNELS, spatial_code

MOTION_CHANNELS = 4  # across and down, from the earliest frame and to the latest
HIDDEN_CHANNELS = 48
SHIFTS = 2  # times that codes move to the mean of those near them
PLACE_SCALE = 3.0  # codes begin as places, with affinities to the sixth part of a frame around
MOTION_SCALE = 4.0  # a quarter of the frame counts as 2
MIN_LOGIT = -100.0  # to base 2: smaller ones would be denormal numbers after the exponential, which take long
MIN_SUM = 1e-20  # of exponentials: what MIN_LOGIT adds is below float32's precision of it


def attend(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Return sum_q A_pq v_q, the mean value of what belongs together with each position, in float32 or wider.

    Args:
        queries: Codes e_p [B, G, P].
        keys: Codes e_q [B, G, Q].
        values: [B, V, Q].

    Returns:
        [B, V, P].
    """
    q, k, v = map(widen, (queries, keys, values))
    with torch.autocast(queries.device.type, enabled=False):
        if takes_onednn(q):
            return torch.stack([_attend_in_inference(*picture) for picture in zip(q, k, v, strict=True)])
        # -|e_p - e_q|^2 = 2 e_p . e_q - |e_q|^2 and what is the same for all q; the width of all three has to be one.
        rows = torch.cat([q, torch.ones_like(q[:, :1])], 1), torch.cat([2 * k, -_lengths(k)], 1), v
        width = -(-max(row.shape[1] for row in rows) // 8) * 8
        query, key, value = (F.pad(row.mT, (0, width - row.shape[1]))[:, None] for row in rows)
        return F.scaled_dot_product_attention(query, key, value, scale=1.0)[:, 0, :, : v.shape[1]].mT


def _lengths(codes: Tensor) -> Tensor:
    """Return |e|^2 [..., 1, P] of codes [..., G, P]."""
    return codes.square().sum(-2, keepdim=True)


def _attend_in_inference(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Do for one picture what `attend` does, by the products that suit a CPU: [G, P], [G, Q], [V, Q] to [V, P]."""
    # As |e_p| is taken away too, no logit is above 0, and none needs the largest one taken away.
    rows = torch.cat([queries, torch.ones_like(queries[:1]), -_lengths(queries)]).T.contiguous()
    columns = torch.cat([2 * keys, -_lengths(keys), torch.ones_like(keys[:1])]).mul_(LOG2_E).T.contiguous()
    ones = torch.cat([values, torch.ones_like(values[:1])])
    summed = multiply(multiply(rows, columns).clamp_(min=MIN_LOGIT).exp2_(), ones)
    if bool(summed[:, -1].amin() < MIN_SUM):  # a position that nothing is near to
        logits = multiply(rows, columns)  # [P, Q]
        summed = multiply(logits.sub_(logits.amax(1, keepdim=True)).clamp_(min=MIN_LOGIT).exp2_(), ones)
    return (summed[:, :-1] / summed[:, -1:]).T


class ActorCodes(nn.Module):
    """The codes of each position of a frame after mean shift, on the grid of the levels and on one twice as fine.

    Before it they begin as places.

    Args:
        level_channels: Of Res3, Res4 and Res5.
        fine_channels: Of the trunk's fine features.
        channels: Width G of a code, at least 2.
    """

    def __init__(self, level_channels: Sequence[int], fine_channels: int, channels: int) -> None:
        super().__init__()
        self.channels, self.level_channels = channels, tuple(level_channels)
        self.coarse = nn.Conv2d(sum(level_channels) + SPATIAL_CHANNELS, HIDDEN_CHANNELS, 1)
        self.around = nn.Conv2d(HIDDEN_CHANNELS, HIDDEN_CHANNELS, 3, padding=2, dilation=2)
        self.code = nn.Conv2d(HIDDEN_CHANNELS, channels, 1)
        self.place = nn.Conv2d(SPATIAL_CHANNELS, channels, 1, bias=False)
        self.rough = nn.Conv2d(HIDDEN_CHANNELS, fine_channels, 1)
        self.inner = nn.Conv2d(fine_channels, fine_channels, 3, padding=1)
        self.correction = nn.Conv2d(fine_channels, channels, 1)
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(cast(Tensor, self.correction.bias))
        nn.init.zeros_(self.place.weight)
        with torch.no_grad():
            for axis, centre in enumerate((1, 4)):  # of `spatial_code`
                self.place.weight[axis, centre] = PLACE_SCALE

    def forward(self, levels: Sequence[Tensor], fine: Tensor) -> tuple[Tensor, Tensor]:
        """Return codes [B, G, h, w] and [B, G, 2 h, 2 w] for levels [B, C_i, h, w] and fine features."""
        batch, _, height, width = levels[0].shape
        code = spatial_code(height, width, dtype=levels[0].dtype, device=levels[0].device)
        code = code.expand(batch, -1, -1, -1)
        hidden = F.relu(self.coarse(torch.cat([*levels, code], 1)))
        hidden = hidden + F.relu(self.around(hidden))
        codes = self.code(hidden) + self.place(code)
        size = fine.shape[-2:]
        rough = F.interpolate(self.rough(hidden), size, mode="bilinear")
        inner = F.relu(self.inner(F.relu(rough + fine)))
        return shift(codes, F.interpolate(codes, size, mode="bilinear") + self.correction(inner))


def shift(codes: Tensor, fine: Tensor) -> tuple[Tensor, Tensor]:
    """Return codes [B, G, h, w], and `fine` ones [B, G, 2 h, 2 w] of the same pictures, after mean shift.

    Both in float32 or wider.
    """
    before = codes.flatten(2)
    after = before
    for _ in range(SHIFTS):
        after = attend(after, after, after)
    return after.view(codes.shape), attend(fine.flatten(2), before, after).view(fine.shape)


class ActorMotion(nn.Module):
    """Adds to a level how far the actor of each position has come, and how far it will go.

    Args:
        channels: Of the level.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inner = nn.Conv2d(MOTION_CHANNELS, HIDDEN_CHANNELS, 1)
        self.output = nn.Conv2d(HIDDEN_CHANNELS, channels, 1, bias=False)
        nn.init.zeros_(self.output.weight)

    def forward(self, level: Tensor, motion: Tensor) -> Tensor:
        """Return the level [B, C, h, w] with motion [B, 4, h, w] of `displacements` taken in."""
        return cast(Tensor, level + self.output(F.relu(self.inner(motion))))


def displacements(codes: Tensor, others: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Return by how much the mean position of each position's actor differs in other frames, a step.

    Args:
        codes: Of the target frame [B, G, h, w].
        others: For the earliest and the latest frame of a clip: its codes [B, G, h, w], and the inverse of its
            distance in radii of the clip [B], with its sign: negative for earlier frames, 0 where there is no such
            frame.

    Returns:
        [B, 4, h, w], across and down for each frame, in units of half a frame's side a radius, times `MOTION_SCALE`.
    """
    height, width = codes.shape[-2:]
    queries = codes.flatten(2)
    places = spatial_code(height, width, dtype=queries.dtype, device=queries.device)[[1, 4]].flatten(1)
    places = places.expand(len(queries), -1, -1)
    here = attend(queries, queries, places)
    moved = [
        (attend(queries, other.flatten(2), places) - here) * rate[:, None, None].to(here.dtype)
        for other, rate in others
    ]
    return torch.cat(moved, 1).view(len(codes), -1, height, width) * MOTION_SCALE
