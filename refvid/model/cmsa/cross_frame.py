"""Cross-frame self-attention (section 3.4, Eq. 9 to 11)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.layers.products import widen


def frame_weights(block_logsumexp: Tensor, temperature: Tensor, frame_mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return the frame attention of Eq. 11 from the log-sum-exp of each block of logits.

    Our reading: like the mass of a word in Eq. 4, the mass of a frame is the attention that it receives as a key, as a
    mean over the queries, and the softmax has a learnt temperature: w_t = softmax(temperature * T * mass_t).

    Args:
        block_logsumexp: log sum_p' exp(q_tp . k_t'p') [B, T, T', P], over the keys of frame t'.
        temperature: Learnt temperature, a scalar.
        frame_mask: True for the frames of the clip that exist, bool [B, T].

    Returns:
        w_t [B, T], 0 for missing frames, and the log-sum-exp over all keys of the clip [B, T, P].
    """
    blocks = block_logsumexp.masked_fill(~frame_mask[:, None, :, None], float("-inf"))
    total = blocks.logsumexp(2)  # [B, T, P]
    # Queries of missing frames do not count. Their rows are replaced by 0, not multiplied by it, because they may hold
    # NaN, which would stay.
    share = torch.exp(blocks - total[:, :, None]).mean(-1).masked_fill(~frame_mask[:, :, None], 0.0)  # [B, T, T']
    count = frame_mask.sum(-1, keepdim=True).to(share.dtype)
    mass = share.sum(1) / count  # [B, T']
    logits = (temperature * count * mass).masked_fill(~frame_mask, float("-inf"))
    return logits.softmax(-1), total


class CrossFrameSelfAttention(nn.Module):
    """CFSA of one level: V_T := V_T + W v^, where v^ attends to all positions of a clip and is pooled over its frames.

    Queries and keys are computed from features of unit length, as in Eq. 1, so that the logits do not grow with the
    features; values are computed from the features themselves. Eq. 9 leaves both open.

    As in the paper, the attention does not depend on where or when a feature was seen: a clip that is played backwards
    gives the same result (see `refvid.space_time` for a variant with both).

    Args:
        channels: Width C of the level.
        attention_channels: Width A of queries, keys and values.
        code_channels: Width of the code that a variant appends to every token; 0 in the paper.
    """

    def __init__(self, channels: int, attention_channels: int, *, code_channels: int = 0) -> None:
        super().__init__()
        width = channels + code_channels
        self.query = nn.Linear(width, attention_channels, bias=False)
        self.key = nn.Linear(width, attention_channels, bias=False)
        self.value = nn.Linear(width, attention_channels, bias=False)
        self.output = nn.Linear(attention_channels, channels, bias=False)
        self.temperature = nn.Parameter(torch.ones(()))
        for projection in (self.query, self.key):
            nn.init.normal_(projection.weight, std=attention_channels**-0.25)  # logits start with a deviation of 1

    def project(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map features [..., C, h, w] to queries, keys and values, each [..., P, A], in float32 or wider."""
        unit, tokens = self.tokens(features)
        q, k, v = map(widen, (self.query(unit), self.key(unit), self.value(tokens)))
        return q, k, v

    def tokens(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the tokens of features [..., C, h, w], once at unit length and once unscaled, each [..., P, C]."""
        tokens = features.flatten(-2).transpose(-1, -2)  # ... C h w -> ... P C
        return F.normalize(tokens, dim=-1), tokens

    def time_terms(self, distances: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return terms r and u, each [..., A], for keys that lie `distances` [...] frames after their queries.

        A variant with a code of time adds r to each key and u to each value. The paper has none: None.
        """
        return None

    def update(self, features: Tensor, pooled: Tensor) -> Tensor:
        """Return V_T + W v^ for features [B, C, h, w] and pooled values v^ [B, P, A]."""
        change: Tensor = self.output(pooled.to(features.dtype)).transpose(1, 2).unflatten(2, features.shape[-2:])
        return features + change

    def forward(
        self, clip: Tensor, target: int, frame_mask: Tensor | None = None, times: Sequence[int] | None = None
    ) -> Tensor:
        """Enhance the target frame of each clip by attention over the whole clip; training uses this form.

        Args:
            clip: Features [B, T, C, h, w].
            target: Index of the target frame in the clip.
            frame_mask: False for frames beyond the ends of the video, bool [B, T]; None if all frames exist.
            times: Number of each frame in its video, counted from any start; None for consecutive frames.

        Returns:
            Features [B, C, h, w] of the target frame.
        """
        batch, frames = clip.shape[:2]
        if frame_mask is None:
            frame_mask = torch.ones(batch, frames, dtype=torch.bool, device=clip.device)
        q, k, v = self.project(clip)
        with torch.autocast(clip.device.type, enabled=False):
            moments = torch.tensor(range(frames) if times is None else list(times), device=clip.device)
            terms = self.time_terms(moments[None] - moments[:, None])  # [T, T', A]
            logits = torch.einsum("btpc,bsqc->btspq", q, k)  # [B, T, T', P, P']
            if terms is not None:
                logits = logits + torch.einsum("btpc,tsc->btsp", q, terms[0])[..., None]
            weights, total = frame_weights(logits.logsumexp(-1), self.temperature, frame_mask)
            logits = logits.masked_fill(~frame_mask[:, None, :, None, None], float("-inf"))
            attention = torch.exp(logits - total[:, :, None, :, None])
            pooled = torch.einsum("bt,btspq,bsqc->bpc", weights, attention, v)
            if terms is not None:
                pooled = pooled + torch.einsum("bt,btspq,tsc->bpc", weights, attention, terms[1])
        return self.update(clip[:, target], pooled)
