"""Cross-modal self-attention with word attention-aware pooling (section 3.2), in its exact factorised form.

f_pn = [v_p / |v_p|, e_n / |e_n|, s_p] is a concatenation, and the maps to query, key and value are linear, so

    q_pn = a_p + b_n,   k_pn = c_p + d_n,   v_pn = g_p + h_n

and the softmax of Eq. 3 over all keys (p', n') for each query (p, n) is the product of a softmax over positions and a
softmax over words. No matrix of size (L P) x (L P) is ever built; the pooled result of Eq. 5 needs one P x P matrix per
expression, whatever its number of words:

    A = exp(a c^T)  [P, P],   X = exp(b c^T)  [L, P],   Z = A X^T  [P, L]
    pooled position weights = A * ((w_n / Z) X)

where w_n is the word attention of Eq. 4. If A X^T underflows, because the logits of a position and a word are strongly
opposed, the softmax over positions is computed query by query instead.

In training, a picture has many expressions, which share most of their words. Then the products are reordered: for each
different word u of a picture,

    pooled_u = A (X_u * g) / Z_u  [P, A]

is one slice of a single product with A, and each expression is a weighted sum of the slices of its words.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.cmsa.multimodal import Multimodal
from refvid.model.cmsa.position_attention import (
    SMALLEST_NORMALISER,
    pool_positions,
    pool_positions_word_by_word,
)
from refvid.model.layers.products import widen
from refvid.model.layers.spatial import SPATIAL_CHANNELS


def unit_features(visual: Tensor, words: Tensor, spatial: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the three parts of f_pn: v / |v| [B, P, C], s [B, P, 8] and e / |e| [B, E, L, C_l].

    Args:
        visual: Visual features [B, C, h, w].
        words: Word embeddings [B, E, L, C_l].
        spatial: Spatial coordinates [8, h, w].
    """
    code = spatial.to(visual.dtype).flatten(1).T.expand(len(visual), -1, -1)  # 8 h w -> B P 8
    unit_visual = F.normalize(visual.flatten(2).transpose(1, 2), dim=-1)  # B C h w -> B P C
    return unit_visual, code, F.normalize(words, dim=-1)


def different_words(values: Tensor, shared: Tensor) -> Tensor:
    """Return the values of the different words of a picture, once for each of them.

    Args:
        values: Values of all words, [B, E, L, A], which are equal for equal words.
        shared: Number of each word among the U different words of its picture, int64 [B, E, L].

    Returns:
        [B, U, A]; the gradient flows to a single occurrence of each word.
    """
    count = int(shared.max()) + 1
    flat = shared.flatten(1)  # B E L -> B (E L)
    order = torch.arange(flat.shape[1], device=flat.device).expand_as(flat)
    # Index of the first occurrence of each word. Gathering from one occurrence gives the embedding, which all of them
    # share, the right gradient; a mean over all would give the same one more slowly, and a sum a multiple of it.
    first = torch.zeros_like(flat[:, :count]).scatter_reduce(1, flat, order, "amin", include_self=False)
    return values.flatten(1, 2).gather(1, first[..., None].expand(-1, -1, values.shape[-1]))


class CrossModalSelfAttention(nn.Module):
    """CMSA of one level: Eq. 1 to 5.

    Our reading of Eq. 4: the softmax of Eq. 3 runs over the keys of each query (each row of Fig. 4), and the mass of a
    word is the attention that it receives as a key. We take its mean over the queries instead of its sum, because the
    sum grows with the number of queries and makes the softmax one-hot: a_n = softmax(temperature * L * mass_n), with a
    learnt temperature that starts at 1.
    """

    def __init__(self, visual_channels: int, embedding_channels: int, attention_channels: int) -> None:
        super().__init__()
        self.visual_channels, self.embedding_channels = visual_channels, embedding_channels
        self.channels = visual_channels + embedding_channels + SPATIAL_CHANNELS
        self.query = nn.Linear(self.channels, attention_channels, bias=False)
        self.key = nn.Linear(self.channels, attention_channels, bias=False)
        self.value = nn.Linear(self.channels, attention_channels, bias=False)
        self.output = nn.Linear(attention_channels, self.channels, bias=False)
        self.temperature = nn.Parameter(torch.ones(()))
        for projection in (self.query, self.key):
            # |f| is about 2, so that the logits q . k start with a standard deviation of about 1, not a flat softmax.
            nn.init.normal_(projection.weight, std=0.5 * attention_channels**-0.25)

    def split(self, projection: nn.Linear, positions: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
        """Apply a projection of f_pn to its visual and spatial part and to its word part.

        Args:
            projection: Linear map of the D channels [visual, word, spatial].
            positions: Visual and spatial part [v / |v|, s], [B, P, C + 8].
            words: Word part e / |e|, [B, E, L, C_l].

        Returns:
            [B, P, A] and [B, E, L, A], whose sum over (p, n) is the projection of f_pn.
        """
        position_weight, word_weight = self.weights_of(projection)
        return F.linear(positions, position_weight), F.linear(words, word_weight)

    def weights_of(self, projection: nn.Linear) -> tuple[Tensor, Tensor]:
        """Return the columns of a projection for [visual, spatial], [A, C + 8], and for the word, [A, C_l]."""
        sizes = [self.visual_channels, self.embedding_channels, SPATIAL_CHANNELS]
        visual, word, spatial = torch.split(projection.weight, sizes, dim=1)
        return torch.cat([visual, spatial], dim=1), word

    def forward(
        self, visual: Tensor, words: Tensor, word_mask: Tensor, spatial: Tensor, shared: Tensor | None = None
    ) -> tuple["Multimodal", Tensor]:
        """Fuse visual features with the words of each expression.

        Args:
            visual: Visual features [B, C, h, w].
            words: Word embeddings [B, E, L, C_l].
            word_mask: True for real words, bool [B, E, L].
            spatial: Spatial coordinates [8, h, w].
            shared: Number of each word among the different words of its picture, 0 to U - 1, int64 [B, E, L], so that
                words shared by expressions are computed once; None to compute each expression by itself.

        Returns:
            Multimodal features (Eq. 5) and word attention [B, E, L] (Eq. 4; 0 for padding).
        """
        height, width = visual.shape[2:]
        unit_visual, code, unit_words = unit_features(visual, words, spatial)
        a, b, c, d, g, h = self.queries_keys_values(torch.cat([unit_visual, code], dim=-1), unit_words)
        device = visual.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else g.dtype
        with torch.autocast(device, enabled=False):
            attention, word_weights = self.attend_words(a, b, d, word_mask)
            pooled = None if shared is None else self._pool_shared(a, b, c, g, attention, shared, dtype)
            if pooled is None:
                pooled = pool_positions(a, b, c, g, attention)
            pooled = pooled + word_weights @ h  # [B, E, P, A]
        summed = (attention.to(words.dtype)[..., None] * unit_words).sum(2)
        return Multimodal(pooled.to(visual.dtype), self.output.weight, unit_visual, summed, code, (height, width)), (
            attention
        )

    def queries_keys_values(self, positions: Tensor, words: Tensor) -> tuple[Tensor, ...]:
        """Return both parts of the queries, keys and values, in the order a, b, c, d, g, h, in float32 or wider.

        Args:
            positions: Visual and spatial part [v / |v|, s], [B, P, C + 8].
            words: Word part e / |e|, [B, E, L, C_l].
        """
        projections = (self.query, self.key, self.value)
        parts = [part for projection in projections for part in self.split(projection, positions, words)]
        return tuple(map(widen, parts))

    @staticmethod
    def _pool_shared(
        a: Tensor, b: Tensor, c: Tensor, g: Tensor, attention: Tensor, shared: Tensor, dtype: torch.dtype
    ) -> Tensor | None:
        different = different_words(b, shared)
        weights = attention.new_zeros(*attention.shape[:2], different.shape[1]).scatter_add(2, shared, attention)
        return pool_positions_word_by_word(a, different, c, g, weights, dtype)

    def word_logits(self, visual: Tensor, words: Tensor, spatial: Tensor) -> Tensor:
        """Return the logits b_n . c_p with which each word attends to each position, [B, E, L, P].

        Args:
            visual: Visual features [B, C, h, w].
            words: Word embeddings [B, E, L, C_l].
            spatial: Spatial coordinates [8, h, w].
        """
        unit_visual, code, unit_words = unit_features(visual, words, spatial)
        b = F.linear(unit_words, self.weights_of(self.query)[1])
        c = F.linear(torch.cat([unit_visual, code], dim=-1), self.weights_of(self.key)[0])
        return b @ c.transpose(1, 2)[:, None]

    def attend_words(self, a: Tensor, b: Tensor, d: Tensor, word_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return the word attention a_n of Eq. 4, [B, E, L], and sum_n a_n T_pn, [B, E, P, L].

        T is the word factor of Eq. 3, a softmax over words n' of (a_p + b_n) . d_n'. Like the softmax over positions,
        it is never built:

            alpha = exp(a d^T) [P, L'],   beta = exp(b d^T) [L, L'],   Z = alpha beta^T [P, L]
            sum_n w_n T_pn = alpha_p * ((w / Z_p) beta)

        Args:
            a: Visual part of the queries [B, P, A].
            b: Word part of the queries [B, E, L, A].
            d: Word part of the keys [B, E, L, A].
            word_mask: True for real words, bool [B, E, L].
        """
        padding = ~word_mask[:, :, None]
        visual = (a[:, None] @ d.transpose(2, 3)).masked_fill(padding, float("-inf"))  # [B, E, P, L']
        word = (b @ d.transpose(2, 3)).masked_fill(padding, float("-inf"))  # [B, E, L, L']
        alpha = torch.exp(visual - visual.detach().amax(-1, keepdim=True))
        beta = torch.exp(word - word.detach().amax(-1, keepdim=True))
        normaliser = alpha @ beta.transpose(2, 3)  # [B, E, P, L]
        if bool(normaliser.detach().amin() < SMALLEST_NORMALISER):
            return self.attend_words_query_by_query(visual, word, word_mask)
        inverse = word_mask[:, :, None] / normaliser  # queries of padding count for nothing
        received = (alpha * (inverse @ beta)).mean(2)  # mass of each word n', summed over the words n of the queries
        attention = self.word_attention(received, word_mask)
        return attention, alpha * ((attention[:, :, None] * inverse) @ beta)

    def attend_words_query_by_query(self, visual: Tensor, word: Tensor, word_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return the result of `attend_words` with one softmax per query, which is slower but safe for any logits.

        Args:
            visual: a d^T [B, E, P, L'], -inf for padding.
            word: b d^T [B, E, L, L'], -inf for padding.
            word_mask: True for real words, bool [B, E, L].
        """
        softmax = (visual[:, :, :, None] + word[:, :, None]).softmax(-1)  # [B, E, P, L, L']
        attention = self.word_attention((softmax.mean(2) * word_mask[..., None]).sum(2), word_mask)
        return attention, torch.einsum("bepnm,ben->bepm", softmax, attention)

    def word_attention(self, received: Tensor, word_mask: Tensor) -> Tensor:
        """Return a_n of Eq. 4, [B, E, L].

        Args:
            received: Attention that each word receives, as a sum over the words and a mean over the positions of the
                queries, [B, E, L].
            word_mask: True for real words, bool [B, E, L].
        """
        # The mean over the L real queries is received / L, and the logits are temperature * L * mean.
        return (self.temperature * received).masked_fill(~word_mask, float("-inf")).softmax(-1)
