"""CFSA over an endless video: a new frame costs 2 T - 1 blocks of attention instead of the T x T blocks of a clip.

Consecutive clips share all but one of their T = 2 tau + 1 frames, and the softmax over the keys of a clip can be
composed from the softmaxes over the keys of its single frames. So the stream keeps, for every pair of frames (t, t') in
the window,

    lse_tt'p = log sum_p' exp(q_tp . k_t'p')              [P]
    N_tt'p   = sum_p' 2^-s exp(q_tp . k_t'p') V_t'p'      [A, P]
    Z_tt'p   = sum_p' 2^-s exp(q_tp . k_t'p')             [P]

where s, which may differ for every query and block, keeps the exponentials within the range of their type. The result
of a clip is a weighted sum of what is stored. total_tp = logsumexp_t' lse_tt'p, and the frame weights w_t of Eq. 11
come from the same log-sum-exps:

    v^_p = sum_t w_t sum_t' exp(lse_tt'p - total_tp) N_tt'p / Z_tt'p

The P x P logits of a block are dropped as soon as the block is computed.
"""

from collections import deque
from collections.abc import Iterator

import torch
from torch import Tensor

from refvid.model.cmsa.cross_frame import CrossFrameSelfAttention
from refvid.model.layers.products import LOG2_E, exponentials, longest, multiply


def attend_block(queries: Tensor, keys: Tensor, values: Tensor, reach: float, sums: Tensor) -> Tensor | None:
    """Attend from the queries of one frame to the keys of one frame, with unscaled logits (no 1 / sqrt(A)).

    Args:
        queries: Queries times log2 e [P, A].
        keys: Keys [P, A].
        values: Values [A + 1, P], where the last row is ones.
        reach: Upper bound of all |q . k| log2 e.
        sums: Output tensor for N and, as its last row, Z, [A + 1, P].

    Returns:
        s [P]; None for s = 0.
    """
    terms, largest = exponentials(keys, queries, reach)
    # The row of ones makes the same product also sum the exponentials, which saves a pass over the P x P matrix.
    sums.copy_(multiply(values, terms.T))
    return largest


def attend_blocks(queries: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Attend as `attend_block` does, but in N blocks at once, which is faster on a GPU.

    Args:
        queries: Queries times log2 e [N, P, A].
        keys: Keys [N, P, A].
        values: Values [N, A + 1, P]; the last row is not used.

    Returns:
        softmax(q k^T) v [N, A, P] and log sum exp(q k^T) [N, P].
    """
    logits = (queries @ keys.transpose(1, 2)) / LOG2_E
    total = logits.logsumexp(-1)
    return values[:, :-1] @ torch.exp_(logits.sub_(total[..., None])).transpose(1, 2), total


class CrossFrameStream:
    """The cross-frame attention of one level, applied to one frame at a time.

    The result of a frame comes `radius` frames later. Up to rounding, it equals that of `CrossFrameSelfAttention` for
    the clip around the frame. At the ends of the video, a clip has only the frames that exist; none is repeated.
    """

    def __init__(self, attention: CrossFrameSelfAttention, radius: int) -> None:
        self.attention, self.radius = attention, radius
        self.window = 2 * radius + 1
        self.pushed = self.delivered = 0
        self._pending: deque[Tensor] = deque()  # features [1, C, h, w] of the frames not delivered yet
        # Ring buffers over the window: frame n is in slot n % T, where it overwrites the frame that left the window.
        # No clip depends on the order of the slots, except through the distances in time, which `_distances` returns.
        self._ring: dict[str, Tensor] = {}
        self._longest: dict[str, list[float]] = {}  # length of the longest query and key of each slot
        self._apart: dict[int, Tensor] = {}  # cache of `_distances`, by the slot of the newest frame
        self._one_by_one = False  # whether blocks are computed one at a time, which is faster on a CPU

    @torch.no_grad()
    def push(self, features: Tensor) -> Tensor | None:
        """Take the next frame's features [1, C, h, w]; return the enhanced features of the frame `radius` earlier.

        Return None until that frame exists.
        """
        queries, keys, values = (x[0] for x in self.attention.project(features))
        with torch.autocast(features.device.type, enabled=False):
            if not self._ring:
                self._allocate(queries)
            slot = self.pushed % self.window
            self._take(slot, queries, keys, values)
            self._pending.append(features)
            self.pushed += 1
            self._attend(slot, min(self.pushed, self.window))
            if self._steps is not None:
                self._add_time(slot)
        return self._deliver() if self.pushed - self.delivered > self.radius else None

    @torch.no_grad()
    def flush(self) -> Iterator[Tensor]:
        """Yield the enhanced features of the remaining frames at the end of the video."""
        while self.delivered < self.pushed:
            yield self._deliver()

    def _allocate(self, queries: Tensor) -> None:
        """Allocate the ring buffers for queries [P, A] of the first frame."""
        (positions, channels), window = queries.shape, self.window
        shapes = {
            "q": (window, positions, channels),
            "k": (window, positions, channels),
            "v": (window, channels + 1, positions),  # values, and below them a row of ones
            "time": (window, 2, positions),  # q . r for keys one frame later and one frame earlier
            "sums": (window, window, channels + 1, positions),  # N_tt' of all blocks, and below it Z_tt'
            "lse": (window, window, positions),  # log-sum-exps lse_tt' of all blocks
        }
        # Ones, so that Z is not 0 where there is no block yet.
        self._ring = {name: queries.new_ones(shape) for name, shape in shapes.items()}
        self._longest = {"q": [0.0] * window, "k": [0.0] * window}
        self._one_by_one = queries.device.type == "cpu"
        self._steps = self.attention.time_terms(torch.tensor([1, -1], device=queries.device))

    def _take(self, slot: int, queries: Tensor, keys: Tensor, values: Tensor) -> None:
        """Store the queries, keys and values [P, A] of a frame in its slot."""
        ring = self._ring
        ring["q"][slot], ring["k"][slot] = queries * LOG2_E, keys
        ring["v"][slot, :-1] = values.T
        if self._steps is not None:
            ring["time"][slot] = multiply(self._steps[0], queries)
        if self._one_by_one:
            # |q . k| <= |q| |k| (Cauchy-Schwarz): if this bound is small, exponentials need no maximum subtracted.
            self._longest["q"][slot], self._longest["k"][slot] = longest(ring["q"][slot]), longest(keys)

    def _attend(self, slot: int, held: int) -> None:
        """Compute the blocks of the frame in a slot with each of the frames in the first `held` slots.

        Its queries attend to the keys of all of them, its own among them, and all their queries to its keys. These are
        the 2 T - 1 pairs that contain the new frame, and only they are missing.
        """
        ring = self._ring
        pairs = [(slot, other) for other in range(held)] + [(other, slot) for other in range(held) if other != slot]
        if self._one_by_one:
            q, k, v = ring["q"].unbind(), ring["k"].unbind(), ring["v"].unbind()
            longest_query, longest_key = self._longest["q"], self._longest["k"]
            moved = [
                attend_block(q[t], k[s], v[s], longest_query[t] * longest_key[s], ring["sums"][t, s]) for t, s in pairs
            ]
            for t, s in ((slot, slice(held)), (slice(held), slot)):
                ring["lse"][t, s] = ring["sums"][t, s, -1].log()
            for (t, s), largest in zip(pairs, moved, strict=True):
                if largest is not None:
                    ring["lse"][t, s] += largest / LOG2_E
        else:
            for group in filter(None, (pairs[:held], pairs[held:])):
                queries, keys = map(list, zip(*group, strict=True))
                blocks = attend_blocks(ring["q"][queries], ring["k"][keys], ring["v"][keys])
                ring["sums"][queries, keys, :-1], ring["lse"][queries, keys] = blocks
                ring["sums"][queries, keys, -1] = 1

    def _add_time(self, slot: int) -> None:
        """Add q . r to the log-sum-exps of the blocks of the newest frame.

        r is the same for all keys of a block, so that it shifts all logits of a query by the same amount: the output of
        the block stays the same, and its log-sum-exp is shifted too.
        """
        ring, (later, earlier) = self._ring, self._distances()
        ring["lse"][slot] += torch.stack([later[slot], earlier[slot]], 1) @ ring["time"][slot]
        frames = torch.stack([later[:, slot], earlier[:, slot]], 1)  # [T, 2]
        ring["lse"][:, slot] += (frames[..., None] * ring["time"]).sum(1)

    def _distances(self) -> Tensor:
        """Return by how many frames the frame in slot t' is later, and by how many it is earlier, than that in slot t.

        The result is [2, T, T'], one of the two numbers being 0. r and u are linear in (delta, |delta|), and therefore
        in these two numbers, so that their values for distances of 1 and -1 suffice (`_steps`).
        """
        newest = (self.pushed - 1) % self.window
        if newest not in self._apart:
            slots = torch.arange(self.window, device=self._ring["q"].device)
            age = (newest - slots) % self.window
            later = (age[:, None] - age).to(self._ring["q"].dtype)
            self._apart[newest] = torch.stack([later.clamp(min=0), (-later).clamp(min=0)])
        return self._apart[newest]

    def _deliver(self) -> Tensor:
        """Return the enhanced features [1, C, h, w] of the oldest frame that is not delivered yet."""
        ring, target = self._ring, self.delivered
        first, last = max(0, target - self.radius), min(self.pushed, target + self.radius + 1)
        clip = sorted(index % self.window for index in range(first, last))
        with torch.autocast(ring["lse"].device.type, enabled=False):
            share = self._share(None if len(clip) == self.window else clip)
            weights = (share / ring["sums"][:, :, -1]).unsqueeze(2)  # [T, T', 1, P]
            pooled = torch.zeros_like(ring["sums"][0, :, :-1])  # [T', A, P]
            for t in clip:
                pooled.addcmul_(weights[t], ring["sums"][t, :, :-1])
            pooled = pooled.sum(0)
            if self._steps is not None:
                # u is the same for all keys of a block, whose weights sum to 1, so that it is added to the output.
                pooled += self._steps[1].T @ (self._distances().flatten(1) @ share.flatten(0, 1))
        self.delivered += 1
        return self.attention.update(self._pending.popleft(), pooled.T[None])

    def _share(self, clip: list[int] | None) -> Tensor:
        """Return the weights w_t exp(lse_tt'p - total_tp) of all blocks, [T, T', P].

        Args:
            clip: Slots of the frames of the clip, so that the weights of all others are 0; None for all slots.
        """
        logsumexp = self._ring["lse"]
        if clip is not None:
            logsumexp = logsumexp[clip][:, clip]
        share = torch.exp(logsumexp - logsumexp.logsumexp(1, keepdim=True))
        mass = share.mean(-1).mean(0)
        share *= (self.attention.temperature * len(mass) * mass).softmax(0)[:, None, None]
        if clip is None:
            return share
        everything = torch.zeros_like(self._ring["lse"])
        everything[torch.tensor(clip)[:, None], torch.tensor(clip)] = share
        return everything
