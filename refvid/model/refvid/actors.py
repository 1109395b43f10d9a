"""Actor codes, which group the positions of each actor, and the motion of actors; a variant of our own.

CMSA classifies each position by itself, so that its mask of one of several look-alikes may contain parts of two. Here
each position p has a code e_p, which is the same for all positions of one actor (or of the background) and differs
between actors. The affinity of two positions is

    A_pq = softmax_q(-|e_p - e_q|^2)

Codes do not depend on the expression and are learnt from all actors of a frame at once. Mean shift (Fukunaga and
Hostetler, 1975) pulls them together: each code is replaced by the mean of the codes near it, a few times over, until
the codes of an actor are almost equal. With A, the logits of an expression are averaged over each actor, and the
displacement of an actor between frames is the difference of its mean positions.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.layers.products import LOG2_E, takes_onednn, widen
from refvid.model.layers.spatial import SPATIAL_CHANNELS, spatial_code

MOTION_CHANNELS = 4  # displacement to the right and down, since the earliest frame and until the latest frame
HIDDEN_CHANNELS = 48
SHIFTS = 2  # iterations of mean shift
PLACE_SCALE = 3.0  # initial codes are positions times this; their affinities reach over a sixth of the frame
MOTION_SCALE = 4.0  # brings displacements to the size of other features: a quarter of the frame becomes 2
MIN_LOGIT = -100.0  # to base 2; the exponentials of smaller logits would be denormal numbers, which are slow
MIN_SUM = 1e-20  # sum of exponentials above which the terms of logits clamped to MIN_LOGIT are lost in rounding


def attend(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Return sum_q A_pq v_q, the mean of the values over the positions of each position's actor, in float32 or wider.

    Args:
        queries: Codes e_p [B, G, P].
        keys: Codes e_q [B, G, Q].
        values: Values v_q [B, V, Q].

    Returns:
        [B, V, P].
    """
    q, k, v = map(widen, (queries, keys, values))
    with torch.autocast(queries.device.type, enabled=False):
        if takes_onednn(q):
            return torch.stack([_attend_in_inference(*picture) for picture in zip(q, k, v, strict=True)])
        # -|e_p - e_q|^2 = 2 e_p . e_q - |e_q|^2 - |e_p|^2. The softmax over q does not depend on the last term, and the
        # first two are one inner product of the vectors [e_p, 1] and [2 e_q, -|e_q|^2], as PyTorch's fused attention
        # needs it. Queries, keys and values are padded to one width, a multiple of 8, as its fast kernels need.
        rows = torch.cat([q, torch.ones_like(q[:, :1])], 1), torch.cat([2 * k, -_lengths(k)], 1), v
        width = -(-max(row.shape[1] for row in rows) // 8) * 8
        query, key, value = (F.pad(row.mT, (0, width - row.shape[1]))[:, None] for row in rows)
        return F.scaled_dot_product_attention(query, key, value, scale=1.0)[:, 0, :, : v.shape[1]].mT


def _lengths(codes: Tensor) -> Tensor:
    """Return |e|^2 [..., 1, P] of codes [..., G, P]."""
    return codes.square().sum(-2, keepdim=True)


def _attend_in_inference(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Do the same as `attend` for one picture, [G, P], [G, Q] and [V, Q] to [V, P], in few passes.

    As long as each position has a key near it, the softmax needs no second pass over the P x Q logits to find the
    maximum of each row.
    """
    # Here the term -|e_p|^2 is kept: every logit is then minus a squared distance, at most 0, and cannot overflow.
    far, near = -_lengths(keys), -_lengths(queries)
    rows = torch.cat([queries, torch.ones_like(near), near]).T
    columns = torch.cat([2 * keys, far, torch.ones_like(far)]).mul_(LOG2_E)
    ones = torch.cat([values, torch.ones_like(far)])
    # With so few channels, `torch.mm` is faster than oneDNN, and it takes matrices in any order.
    summed = torch.mm(ones, torch.mm(rows, columns).clamp_(min=MIN_LOGIT).exp2_().T)  # [V + 1, P]
    # The row of ones has summed the exponentials. A tiny sum belongs to a position with no key near it, whose terms
    # may all have been clamped; then the maximum of each row is subtracted after all.
    if float(summed[-1].amin()) < MIN_SUM:
        logits = torch.mm(rows, columns)
        summed = torch.mm(ones, logits.sub_(logits.amax(1, keepdim=True)).clamp_(min=MIN_LOGIT).exp2_().T)
    return summed[:-1] / summed[-1:]


class ActorCodes(nn.Module):
    """The actor codes of a frame after mean shift, on the grid of the levels and on a grid twice as fine.

    At the start of training, a code contains the coordinates of its position, so that near positions are grouped.

    Args:
        level_channels: Widths of Res3, Res4 and Res5.
        fine_channels: Width of the trunk's fine features.
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
            for axis, centre in enumerate((1, 4)):  # channels of `spatial_code` with the centres of cells
                self.place.weight[axis, centre] = PLACE_SCALE

    def forward(self, levels: Sequence[Tensor], fine: Tensor) -> tuple[Tensor, Tensor]:
        """Map levels [B, C_i, h, w] and fine features [B, D, 2 h, 2 w] to codes [B, G, h, w] and [B, G, 2 h, 2 w]."""
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
    """Apply mean shift to codes on two grids of the same pictures.

    Args:
        codes: Codes on the coarse grid, [B, G, h, w].
        fine: Codes on the fine grid, [B, G, 2 h, 2 w].

    Returns:
        The shifted codes on both grids, in float32 or wider.
    """
    # Fine positions move to the means of coarse ones, so that both grids end with the same code for an actor;
    # affinities among fine positions alone would be 16 times as many as those among coarse ones.
    before = codes.flatten(2)
    after = before
    for _ in range(SHIFTS):
        after = attend(after, after, after)
    return after.view(codes.shape), attend(fine.flatten(2), before, after).view(fine.shape)


class ActorMotion(nn.Module):
    """A residual layer that tells each position how its actor moves before and after the frame.

    Args:
        channels: Width of the level that it is added to.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inner = nn.Conv2d(MOTION_CHANNELS, HIDDEN_CHANNELS, 1)
        self.output = nn.Conv2d(HIDDEN_CHANNELS, channels, 1, bias=False)
        nn.init.zeros_(self.output.weight)

    def forward(self, level: Tensor, motion: Tensor) -> Tensor:
        """Add features of the motion [B, 4, h, w] from `displacements` to a level [B, C, h, w]."""
        return cast(Tensor, level + self.output(F.relu(self.inner(motion))))


def displacements(codes: Tensor, others: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Return the displacement of each position's actor between the target frame and other frames.

    The actor is found in another frame by its code: its place there is the mean position of the codes near its own.

    Args:
        codes: Codes of the target frame, [B, G, h, w].
        others: For the earliest and the latest frame of a clip, its codes [B, G, h, w] and the radius of the clip
            divided by the distance in frames from the target, [B]: negative for an earlier frame, 0 for no frame.

    Returns:
        [B, 4, h, w]: displacement to the right and down for each frame, extrapolated to one radius, in halves of the
        frame's sides times `MOTION_SCALE`.
    """
    height, width = codes.shape[-2:]
    queries = codes.flatten(2)
    code = spatial_code(height, width, dtype=queries.dtype, device=queries.device)
    places = code[1:5:3].flatten(1)  # channels 1 and 4, the centres of cells
    places = places.expand(len(queries), -1, -1)
    here = attend(queries, queries, places)
    moved = [
        (attend(queries, other.flatten(2), places) - here) * rate[:, None, None].to(here.dtype)
        for other, rate in others
    ]
    return torch.cat(moved, 1).view(len(codes), -1, height, width) * MOTION_SCALE
