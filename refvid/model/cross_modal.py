"""Cross-modal self-attention with word attention-aware pooling (section 3.2), in its exact factorised form.

f_pn = [v_p / |v_p|, e_n / |e_n|, s_p] is a concatenation and the maps to query, key and value are linear, so

    q_pn = a_p + b_n,   k_pn = c_p + d_n,   v_pn = g_p + h_n

and Eq. 3, a softmax over all keys (p', n') for each query (p, n), is the product of a softmax over positions and one
over words. Nothing of size (L P) x (L P) is ever built; the pooled result of Eq. 5 needs one P x P matrix per
expression, whatever its number of words:

    A = exp(a c^T)  [P, P],   X = exp(b c^T)  [L, P],   Z = A X^T  [P, L]
    pooled position weights = A * ((w_n / Z) X)

with w_n the word attention of Eq. 4. Where A X^T underflows (strongly opposed logits) the softmax over positions is
taken query by query instead.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SPATIAL_CHANNELS = 8
# 1 / Z^2 appears in the gradient, so Z has to stay far from the smallest float32.
SMALLEST_NORMALISER = 1e-12


def pool_positions(a: Tensor, b: Tensor, c: Tensor, g: Tensor, word_weights: Tensor) -> Tensor:
    """Return sum_n w_n sum_p' softmax_p'((a_p + b_n) . c_p') g_p' by one P x P matrix for all words.

    Args:
        a: Visual part of the queries [B, P, A].
        b: Word part of the queries [B, E, L, A].
        c: Visual part of the keys [B, P, A].
        g: Visual part of the values [B, P, A].
        word_weights: w_n [B, E, L], zero for padding.

    Returns:
        [B, E, P, A], in float32 or wider.
    """
    position_logits = a @ c.transpose(1, 2)  # [B, P, P]
    word_logits = b @ c[:, None].transpose(2, 3)  # [B, E, L, P]
    position_terms = torch.exp(position_logits - position_logits.detach().amax(-1, keepdim=True))
    word_terms = torch.exp(word_logits - word_logits.detach().amax(-1, keepdim=True))
    normaliser = position_terms[:, None] @ word_terms.transpose(2, 3)  # [B, E, P, L]
    if bool(normaliser.detach().amin() < SMALLEST_NORMALISER):
        return pool_positions_query_by_query(position_logits, word_logits, g, word_weights)
    mixed = (word_weights[:, :, None] / normaliser) @ word_terms  # [B, E, P, P]
    return (mixed * position_terms[:, None]) @ g[:, None]


def pool_positions_query_by_query(
    position_logits: Tensor, word_logits: Tensor, g: Tensor, word_weights: Tensor
) -> Tensor:
    """Return what `pool_positions` returns by one softmax a query: slower, and safe for any logits.

    Args:
        position_logits: a c^T [B, P, P].
        word_logits: b c^T [B, E, L, P].
        g: Visual part of the values [B, P, A].
        word_weights: [B, E, L].
    """
    pooled = torch.zeros_like(position_logits[:, None]).repeat(1, word_logits.shape[1], 1, 1)
    for word in range(word_logits.shape[2]):
        logits = position_logits[:, None] + word_logits[:, :, word, None]
        pooled = pooled + word_weights[:, :, word, None, None] * logits.softmax(-1)
    return pooled @ g[:, None]


class CrossModalSelfAttention(nn.Module):
    """CMSA of one level: Eq. 1 to 5.

    Our reading of Eq. 4: the softmax of Eq. 3 runs over the keys of each query (each row of Fig. 4), and a word's
    mass is what it receives as a key, as a mean over the queries instead of a sum, because a sum grows with their
    number and makes the softmax one-hot: a_n = softmax(temperature * L * mass_n), the temperature learnt, from 1.
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
            # |f| is about 2, so that logits q . k start with a spread of about 1 instead of a flat softmax.
            nn.init.normal_(projection.weight, std=0.5 * attention_channels**-0.25)

    def split(self, projection: nn.Linear, positions: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
        """Apply a projection of f_pn to its visual-and-spatial and to its word part.

        Args:
            projection: Linear map of the D channels [visual, word, spatial].
            positions: [v / |v|, s], [B, P, C + 8].
            words: e / |e|, [B, E, L, C_l].

        Returns:
            [B, P, A] and [B, E, L, A], whose sum over (p, n) is the projection of f_pn.
        """
        sizes = [self.visual_channels, self.embedding_channels, SPATIAL_CHANNELS]
        visual, word, spatial = torch.split(projection.weight, sizes, dim=1)
        return F.linear(positions, torch.cat([visual, spatial], dim=1)), F.linear(words, word)

    def forward(self, visual: Tensor, words: Tensor, word_mask: Tensor, spatial: Tensor) -> tuple[Tensor, Tensor]:
        """Fuse visual features with the words of each expression.

        Args:
            visual: [B, C, h, w].
            words: Word embeddings [B, E, L, C_l].
            word_mask: True for real words, bool [B, E, L].
            spatial: [8, h, w].

        Returns:
            Multimodal features [B * E, D, h, w] (Eq. 5) and word attention [B, E, L] (Eq. 4; 0 for padding).
        """
        batch, _, height, width = visual.shape
        code = spatial.to(visual.dtype).flatten(1).T.expand(batch, -1, -1)  # 8 h w -> B P 8
        unit_visual = F.normalize(visual.flatten(2).transpose(1, 2), dim=-1)  # B C h w -> B P C
        unit_words = F.normalize(words, dim=-1)
        positions = torch.cat([unit_visual, code], dim=-1)
        a, b = self.split(self.query, positions, unit_words)
        c, d = self.split(self.key, positions, unit_words)
        g, h = self.split(self.value, positions, unit_words)
        with torch.autocast(visual.device.type, enabled=False):
            a, b, c, d, g, h = (x if x.dtype == torch.float64 else x.float() for x in (a, b, c, d, g, h))
            word_softmax = self.attend_words(a, b, d, word_mask)  # [B, E, P, L, L']
            attention = self.word_attention(word_softmax, word_mask)
            word_weights = torch.einsum("bepnm,ben->bepm", word_softmax, attention)
            pooled = pool_positions(a, b, c, g, attention) + word_weights @ h  # [B, E, P, A]
        residual = torch.cat(
            [
                unit_visual[:, None].expand(-1, words.shape[1], -1, -1),
                (attention.to(words.dtype)[..., None] * unit_words)
                .sum(2, keepdim=True)
                .expand(-1, -1, height * width, -1),
                code[:, None].expand(-1, words.shape[1], -1, -1),
            ],
            dim=-1,
        )
        fused = self.output(pooled.to(visual.dtype)) + residual  # [B, E, P, D]
        return fused.flatten(0, 1).transpose(1, 2).unflatten(2, (height, width)), attention

    @staticmethod
    def attend_words(a: Tensor, b: Tensor, d: Tensor, word_mask: Tensor) -> Tensor:
        """Return the word factor of Eq. 3: softmax over words n' of (a_p + b_n) . d_n', [B, E, P, L, L']."""
        logits = (a[:, None] @ d.transpose(2, 3))[:, :, :, None] + (b @ d.transpose(2, 3))[:, :, None]
        return logits.masked_fill(~word_mask[:, :, None, None], float("-inf")).softmax(-1)

    def word_attention(self, word_softmax: Tensor, word_mask: Tensor) -> Tensor:
        """Return a_n of Eq. 4 from the word factor [B, E, P, L, L']: [B, E, L]."""
        count = word_mask.sum(-1, keepdim=True).to(word_softmax.dtype)  # [B, E, 1]
        received = (word_softmax.mean(2) * word_mask[..., None]).sum(2) / count  # mean over the real queries
        logits = (self.temperature * count * received).masked_fill(~word_mask, float("-inf"))
        return logits.softmax(-1)
