"""The alternatives to word attention-aware pooling in Table 1: the mean and the maximum over an expression's words."""

import torch
from torch import Tensor
from torch.nn import functional as F

from refvid.model.cmsa.cross_modal import CrossModalSelfAttention, different_words, unit_features
from refvid.model.cmsa.multimodal import DenseMultimodal
from refvid.model.cmsa.position_attention import attend_positions, pool_positions_query_by_query
from refvid.model.layers.spatial import SPATIAL_CHANNELS

CHUNK = 1 << 26  # elements of f^_pn that are built at a time: 256 MiB in float32


class MeanPooledAttention(CrossModalSelfAttention):
    """CMSA with equal weights of all words, a_n = 1 / L, so that Eq. 5 stays linear and factorises as before."""

    def __init__(self, visual_channels: int, embedding_channels: int, attention_channels: int) -> None:
        super().__init__(visual_channels, embedding_channels, attention_channels)
        del self.temperature  # belongs to the softmax of Eq. 4, which this pooling does not use

    def word_attention(self, received: Tensor, word_mask: Tensor) -> Tensor:
        """Return 1 / L for each of the L real words, whatever attention they receive: [B, E, L]."""
        return word_mask.to(received.dtype) / word_mask.sum(-1, keepdim=True)


class MaxPooledAttention(CrossModalSelfAttention):
    """CMSA with the maximum over the words, F^_p = max_n f^_pn in each channel.

    The maximum is not linear, so that every f^_pn must be built, which is done for some of the positions at a time.
    """

    def __init__(self, visual_channels: int, embedding_channels: int, attention_channels: int) -> None:
        super().__init__(visual_channels, embedding_channels, attention_channels)
        del self.temperature  # belongs to the softmax of Eq. 4, which this pooling does not use

    def forward(  # type: ignore[override]  # callers only project the result, which both kinds of features support
        self, visual: Tensor, words: Tensor, word_mask: Tensor, spatial: Tensor, shared: Tensor | None = None
    ) -> tuple[DenseMultimodal, Tensor]:
        """Fuse visual features with the words of each expression.

        Args:
            visual: Visual features [B, C, h, w].
            words: Word embeddings [B, E, L, C_l].
            word_mask: True for real words, bool [B, E, L].
            spatial: Spatial coordinates [8, h, w].
            shared: Number of each word among the different words of its picture, as in `CrossModalSelfAttention`.

        Returns:
            Multimodal features, and the share of their elements in which each word is the maximum, [B, E, L].
        """
        unit_visual, code, unit_words = unit_features(visual, words, spatial)
        a, b, c, d, g, h = self.queries_keys_values(torch.cat([unit_visual, code], dim=-1), unit_words)
        if shared is None:
            shared = torch.arange(words.shape[1] * words.shape[2], device=words.device).view(words.shape[1:3])
            shared = shared.expand(words.shape[:3])
        with torch.autocast(visual.device.type, enabled=False):
            seen = self._attend_positions(a, different_words(b, shared), c, g)  # [B, U, P, A]
            padding = ~word_mask[:, :, None]
            to_words = (a[:, None] @ d.transpose(2, 3)).masked_fill(padding, float("-inf"))  # [B, E, P, L']
            among_words = (b @ d.transpose(2, 3)).masked_fill(padding, float("-inf"))  # [B, E, L, L']
        # e / |e| at its place among the channels of f_pn; padding is -inf, so that it is never the maximum.
        own = F.pad(unit_words, (self.visual_channels, SPATIAL_CHANNELS)).masked_fill(
            ~word_mask[..., None], float("-inf")
        )
        largest, winners = [], []
        step = max(1, CHUNK // (own.numel() or 1))
        for first in range(0, a.shape[1], step):
            part = slice(first, first + step)
            value, winner = self._largest(to_words[:, :, part], among_words, h, seen[:, :, part], shared, own)
            largest.append(value)
            winners.append(winner)
        nothing = torch.zeros_like(code[..., :1]).expand(-1, -1, words.shape[-1])
        constant = torch.cat([unit_visual, nothing, code], dim=-1)  # the same for every word
        winner = torch.cat(winners, 2).flatten(2)  # [B, E, P D]
        shares = torch.zeros(word_mask.shape, device=words.device)
        shares.scatter_add_(2, winner, torch.full_like(winner, 1 / winner.shape[-1], dtype=shares.dtype))
        height, width = visual.shape[2:]
        return DenseMultimodal(torch.cat(largest, 2) + constant[:, None], (height, width)), shares

    def _largest(
        self, to_words: Tensor, among_words: Tensor, h: Tensor, seen: Tensor, shared: Tensor, own: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return max_n (W v^_pn + own_n) for p of the positions, and the index n of the maximum, both [B, E, p, D].

        Args:
            to_words: Logits a_p . d_n' [B, E, p, L].
            among_words: Logits b_n . d_n' [B, E, L, L].
            h: Word part of the values [B, E, L, A].
            seen: Visual values attended to from the positions, for each different word [B, U, p, A].
            shared: Number of each word among the different words of its picture, int64 [B, E, L].
            own: Part e / |e| of f_pn for each word, 0 in other channels and -inf for padding, [B, E, L, D].
        """
        picture = torch.arange(len(seen), device=seen.device)[:, None, None]
        with torch.autocast(seen.device.type, enabled=False):
            read = (to_words[:, :, None] + among_words[:, :, :, None]).softmax(-1) @ h[:, :, None]
            attended = seen[picture, shared] + read  # v^_pn [B, E, L, p, A]
        features = self.output(attended.to(own.dtype)) + own[:, :, :, None]
        values, winners = features.max(2)
        return values, winners

    @staticmethod
    def _attend_positions(a: Tensor, b: Tensor, c: Tensor, g: Tensor) -> Tensor:
        """Return the result of `attend_positions`, computed query by query if a normaliser underflows."""
        attended = attend_positions(a, b, c, g)
        if attended is not None:
            return attended
        word_logits = b @ c.transpose(1, 2)
        alone = torch.ones_like(b[..., :1])
        return pool_positions_query_by_query(a @ c.transpose(1, 2), word_logits[:, :, None], g, alone)
