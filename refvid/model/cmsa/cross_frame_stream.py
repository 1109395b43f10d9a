"""CFSA over an endless video: a new frame costs 2 T - 1 blocks of attention instead of the clip's T x T.

Consecutive clips share all but one of their T = 2 tau + 1 frames, and the softmax over a clip's keys can be put
together from softmaxes over the keys of its single frames. So for every pair of frames (t, t') in the window the
stream keeps

    lse_tt'p = log sum_p' exp(q_tp . k_t'p')              [P]
    out_tt'p = softmax_p'(q_tp . k_t'p') V_t'             [A, P]

and the result of a clip is a weighted sum of what is there, with total_tp = logsumexp_t' lse_tt'p and the frame
weights w_t of Eq. 11 from the same log-sum-exps:

    v^_p = sum_t w_t sum_t' exp(lse_tt'p - total_tp) out_tt'p

The P x P logits of a block live no longer than the block.
"""

from collections import deque
from collections.abc import Iterator

import torch
from torch import Tensor

from refvid.model.cmsa.cross_frame import CrossFrameSelfAttention
from refvid.model.layers.products import LOG2_E, exponentials, longest, multiply


def attend_block(queries: Tensor, keys: Tensor, values: Tensor, reach: float | None, out: Tensor) -> Tensor:
    """Attend from one frame's queries to one frame's keys, with logits as they are (no 1 / sqrt(A)).

    Args:
        queries: q log2 e [P, A].
        keys: [P, A].
        values: [A + 1, P], the last row ones.
        reach: What no |q . k| log2 e exceeds; None: not known.
        out: Where softmax(q k^T) v is written, [A, P].

    Returns:
        log sum exp(q k^T) [P].
    """
    terms, largest = exponentials(keys, queries, reach)
    summed = multiply(values, terms.T)
    torch.div(summed[:-1], summed[-1], out=out)
    logsumexp = summed[-1].log()
    return logsumexp if largest is None else logsumexp + largest / LOG2_E


def attend_blocks(queries: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Attend as `attend_block` does in many blocks at once, which suits a GPU.

    Args:
        queries: q log2 e [N, P, A]; dimension N may be an expanded one, here and below.
        keys: [N, P, A].
        values: [N, A + 1, P], the last row not needed.

    Returns:
        softmax(q k^T) v [N, A, P] and log sum exp(q k^T) [N, P].
    """
    logits = (queries @ keys.transpose(1, 2)) / LOG2_E
    total = logits.logsumexp(-1)
    return values[:, :-1] @ torch.exp_(logits.sub_(total[..., None])).transpose(1, 2), total


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
        self._longest: dict[str, list[float]] = {}  # query and key of each slot
        self._apart: dict[int, Tensor] = {}  # by the newest frame's slot
        self._one_by_one = False  # the blocks, which suits a CPU

    @torch.no_grad()
    def push(self, features: Tensor) -> Tensor | None:
        """Take the next frame's features [1, C, h, w]; return the enhanced features of the frame `radius` back.

        None while the first clip is not complete.
        """
        queries, keys, values = (x[0] for x in self.attention.project(features))
        with torch.autocast(features.device.type, enabled=False):
            if not self._ring:
                self._allocate(queries)
            slot = self.pushed % self.window
            self._take(slot, queries, keys, values)
            self._pending.append(features)
            self.pushed += 1
            held = range(min(self.pushed, self.window))
            self._attend([slot] * len(held), list(held))
            self._attend([other for other in held if other != slot], [slot] * (len(held) - 1))
            if self._steps is not None:
                self._add_time(slot)
        return self._deliver() if self.pushed - self.delivered > self.radius else None

    @torch.no_grad()
    def flush(self) -> Iterator[Tensor]:
        """Yield the enhanced features of the frames still held back, at the end of the video."""
        while self.delivered < self.pushed:
            yield self._deliver()

    def _allocate(self, queries: Tensor) -> None:
        (positions, channels), window = queries.shape, self.window
        shapes = {
            "q": (window, positions, channels),
            "k": (window, positions, channels),
            "v": (window, channels + 1, positions),  # a row of ones below
            "time": (window, 2, positions),  # q . r of keys a frame later and a frame earlier
            "out": (window, window, channels, positions),  # [T, T', A, P]
            "lse": (window, window, positions),  # [T, T', P]
        }
        self._ring = {name: queries.new_zeros(shape) for name, shape in shapes.items()}
        self._longest = {"q": [0.0] * window, "k": [0.0] * window}
        self._one_by_one = queries.device.type == "cpu"
        self._steps = self.attention.time_terms(torch.tensor([1, -1], device=queries.device))

    def _take(self, slot: int, queries: Tensor, keys: Tensor, values: Tensor) -> None:
        """Put a frame's queries, keys and values [P, A] into its slot."""
        ring = self._ring
        ring["q"][slot], ring["k"][slot] = queries * LOG2_E, keys
        ring["v"][slot, :-1], ring["v"][slot, -1] = values.T, 1
        if self._steps is not None:
            ring["time"][slot] = multiply(self._steps[0], queries)
        if self._one_by_one:
            self._longest["q"][slot], self._longest["k"][slot] = longest(ring["q"][slot]), longest(keys)

    def _attend(self, asking: list[int], asked: list[int]) -> None:
        """Compute the blocks of some pairs of slots: the queries of one on the keys of the other."""
        ring = self._ring
        if self._one_by_one:
            for t, s in zip(asking, asked, strict=True):
                reach = self._longest["q"][t] * self._longest["k"][s]
                out = ring["out"][t, s]
                ring["lse"][t, s] = attend_block(ring["q"][t], ring["k"][s], ring["v"][s], reach, out)
        elif asking:
            blocks = attend_blocks(ring["q"][asking], ring["k"][asked], ring["v"][asked])
            ring["out"][asking, asked], ring["lse"][asking, asked] = blocks

    def _add_time(self, slot: int) -> None:
        """Add q . r to the log-sum-exps of the newest frame's blocks: r is the same for all keys of a block."""
        ring, (later, earlier) = self._ring, self._distances()
        ring["lse"][slot] += torch.stack([later[slot], earlier[slot]], 1) @ ring["time"][slot]
        asking = torch.stack([later[:, slot], earlier[:, slot]], 1)  # [T, 2]
        ring["lse"][:, slot] += (asking[..., None] * ring["time"]).sum(1)

    def _distances(self) -> Tensor:
        """Return how many frames later, and how many earlier, the frame of slot t' is than that of slot t: [2, T, T'].

        r and u are linear in both numbers.
        """
        newest = (self.pushed - 1) % self.window
        if newest not in self._apart:
            slots = torch.arange(self.window, device=self._ring["q"].device)
            age = (newest - slots) % self.window
            later = (age[:, None] - age).to(self._ring["q"].dtype)
            self._apart[newest] = torch.stack([later.clamp(min=0), (-later).clamp(min=0)])
        return self._apart[newest]

    def _deliver(self) -> Tensor:
        ring, target = self._ring, self.delivered
        first, last = max(0, target - self.radius), min(self.pushed, target + self.radius + 1)
        clip = sorted(index % self.window for index in range(first, last))
        with torch.autocast(ring["lse"].device.type, enabled=False):
            share = self._share(None if len(clip) == self.window else clip)
            pooled = torch.zeros_like(ring["out"][0])  # [T', A, P]
            for t in clip:
                pooled.addcmul_(share[t, :, None], ring["out"][t])
            pooled = pooled.sum(0)
            if self._steps is not None:
                # u is the same for all keys of a block: it moves the block's mean.
                pooled += self._steps[1].T @ (self._distances().flatten(1) @ share.flatten(0, 1))
        self.delivered += 1
        return self.attention.update(self._pending.popleft(), pooled.T[None])

    def _share(self, clip: list[int] | None) -> Tensor:
        """Return w_t exp(lse_tt'p - total_tp) [T, T', P] for the slots of a clip, 0 elsewhere; None: all slots."""
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
