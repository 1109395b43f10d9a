"""CFSA over an endless video: a new frame costs 2 T - 1 blocks of attention instead of the clip's T x T.

Consecutive clips share all but one of their T = 2 tau + 1 frames, and the softmax over a clip's keys can be put
together from softmaxes over the keys of its single frames. So for every pair of frames (t, t') in the window the
stream keeps

    lse_tt'p = log sum_p' exp(q_tp . k_t'p')              [P]
    out_tt'p = softmax_p'(q_tp . k_t'p') V_t'             [P, A]

and the result of a clip is a weighted sum of what is there, with total_tp = logsumexp_t' lse_tt'p and the frame
weights w_t of Eq. 11 from the same log-sum-exps:

    v^_p = sum_t w_t sum_t' exp(lse_tt'p - total_tp) out_tt'p

The P x P logits never leave the attention kernel.
"""

from collections import deque
from collections.abc import Iterator

import torch
from torch import Tensor

from refvid.model.cross_frame import CrossFrameSelfAttention, frame_weights


def attend_blocks(queries: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Attend from each block of queries to its block of keys, with logits as they are (no 1 / sqrt(A)).

    Args:
        queries: [N, P, A]; dimension N may be an expanded one, here and below.
        keys: [N, P, A].
        values: [N, P, A].

    Returns:
        softmax(q k^T) v [N, P, A] and log sum exp(q k^T) [N, P].
    """
    if queries.device.type == "cpu":
        blocks = (x[:, None] for x in (queries, keys, values))  # N P A -> N 1 P A, one head
        fused = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
        out, logsumexp = fused(*blocks, 0.0, False, scale=1.0)
        return out[:, 0], logsumexp[:, 0]
    logits = queries @ keys.transpose(1, 2)
    total = logits.logsumexp(-1)
    return torch.exp_(logits.sub_(total[..., None])) @ values, total


class CrossFrameStream:
    """The cross-frame attention of one level, fed one frame at a time.

    Results come `radius` frames after their frame, and equal those of `CrossFrameSelfAttention` on each frame's own
    clip (to rounding). At the ends of the video a clip has the frames that exist; none is repeated.
    """

    def __init__(self, attention: CrossFrameSelfAttention, radius: int) -> None:
        self.attention, self.radius = attention, radius
        self.window = 2 * radius + 1
        self.pushed = self.delivered = 0
        self._pending: deque[Tensor] = deque()  # features [1, C, h, w] of the frames not delivered yet
        self._ring: dict[str, Tensor] = {}  # frame n lives in slot n % T

    @torch.no_grad()
    def push(self, features: Tensor) -> Tensor | None:
        """Take the next frame's features [1, C, h, w]; return the enhanced features of the frame `radius` back.

        None while the first clip is not complete.
        """
        projected = {name: x[0] for name, x in zip("qkv", self.attention.project(features), strict=True)}
        if not self._ring:
            self._allocate(projected["q"])
        slot = self.pushed % self.window
        for name, rows in projected.items():
            self._ring[name][slot] = rows
        self._pending.append(features)
        self.pushed += 1
        self._attend(slot)
        return self._deliver() if self.pushed - self.delivered > self.radius else None

    @torch.no_grad()
    def flush(self) -> Iterator[Tensor]:
        """Yield the enhanced features of the frames still held back, at the end of the video."""
        while self.delivered < self.pushed:
            yield self._deliver()

    def _allocate(self, queries: Tensor) -> None:
        positions, channels = queries.shape
        window = self.window
        for name in "qkv":
            self._ring[name] = queries.new_zeros(window, positions, channels)
        self._ring["out"] = queries.new_zeros(window, window, positions, channels)  # [T, T', P, A]
        self._ring["lse"] = queries.new_zeros(window, window, positions)  # [T, T', P]

    def _attend(self, slot: int) -> None:
        """Compute the blocks of the newest frame: its queries on every frame, every frame's queries on its keys."""
        ring, filled = self._ring, min(self.pushed, self.window)
        held = {name: ring[name][:filled] for name in "qkv"}
        new = {name: ring[name][slot].expand(filled, -1, -1) for name in "qkv"}
        asked_out, asked_lse = attend_blocks(new["q"], held["k"], held["v"])
        asking_out, asking_lse = attend_blocks(held["q"], new["k"], new["v"])
        age = (slot - torch.arange(filled, device=ring["q"].device)) % self.window  # frames since each slot's
        earlier, later = self.attention.time_terms(-age), self.attention.time_terms(age)
        if earlier is not None and later is not None:
            # r(delta) is the same for all keys of a block: it moves the block's log-sum-exp, and u(delta) its mean.
            asked_lse = asked_lse + torch.einsum("tpa,ta->tp", new["q"], earlier[0])
            asking_lse = asking_lse + torch.einsum("tpa,ta->tp", held["q"], later[0])
            asked_out, asking_out = asked_out + earlier[1][:, None], asking_out + later[1][:, None]
        ring["out"][slot, :filled], ring["lse"][slot, :filled] = asked_out, asked_lse
        ring["out"][:filled, slot], ring["lse"][:filled, slot] = asking_out, asking_lse

    def _deliver(self) -> Tensor:
        ring, target = self._ring, self.delivered
        first, last = max(0, target - self.radius), min(self.pushed, target + self.radius + 1)
        exists = torch.zeros(self.window, dtype=torch.bool, device=ring["lse"].device)
        exists[[index % self.window for index in range(first, last)]] = True
        weights, total = frame_weights(ring["lse"][None], self.attention.temperature, exists[None])
        share = weights[0, :, None, None] * torch.exp(ring["lse"] - total[0, :, None])  # [T, T', P]
        share = share.masked_fill(~(exists[:, None] & exists)[:, :, None], 0.0)
        pooled = torch.einsum("tsp,tspa->pa", share, ring["out"])[None]
        self.delivered += 1
        return self.attention.update(self._pending.popleft(), pooled)
