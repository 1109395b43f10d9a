"""The alternatives to cross-modal self-attention in Table 2: attention of words, pixels or word-pixel pairs, and none.

Section 4.2.2 says only that they are obtained "by zeroing out the respective components in Eq. 2". Section 3.2 names
three components: self-attention over language, self-attention over the image, and attention between words and
positions. They are the terms of the logit of Eq. 3, whose maps are linear (a, b, c, d, g, h as in `cross_modal`),

    q_pn . k_p'n' = b_n . d_n'  +  a_p . c_p'  +  (b_n . c_p' + a_p . d_n')

so we read each row of the table as Eq. 2 with only one of the three. A component takes part with its queries, keys and
values, or not at all. This is Eq. 2 and 3 with some parts of the features f_pn set to zero:

    word        queries, keys and values of [0, e_n, 0]:          v^_pn = sum_n' softmax_n'(b_n . d_n') h_n'
    pixel       queries, keys and values of [v_p, 0, s_p]:        v^_pn = sum_p' softmax_p'(a_p . c_p') g_p'
    word-pixel  queries of one, keys and values of the other:     v^_pn = sum_p' softmax_p'(b_n . c_p') g_p'
                                                                        + sum_n' softmax_n'(a_p . d_n') h_n'
    none        everything zero:                                  v^_pn = 0

(v and e stand for v / |v| and e / |e|.) The spatial code goes with the image. We take word-pixel pairs to be the third
component alone, not all pairs, because in the table they score less than pixels.

In every row, the residual f^_pn = W v^_pn + f_pn keeps all of f_pn, and Eq. 5 pools the words. Where words are keys
(word, word-pixel), the weights are those of Eq. 4 as read by `CrossModalSelfAttention`; where they are not (pixel,
none), all words receive the same attention, so that Eq. 4 becomes the mean over the words.
"""

import torch
from torch import Tensor, nn

from refvid.model.cmsa.cross_modal import unit_features
from refvid.model.cmsa.multimodal import Multimodal
from refvid.model.layers.products import widen
from refvid.model.layers.spatial import SPATIAL_CHANNELS

WORD_SQUARE, POSITION_SQUARE = 1.0, 3.0  # squared length of e / |e|, and mean squared length of [v / |v|, s]


def logit_map(channels: int, attention_channels: int, square: float) -> nn.Linear:
    """Return a linear map to queries or keys, initialised so that the logits q . k have a deviation of about 1.

    Args:
        channels: Width of the input.
        attention_channels: Width of queries and keys.
        square: Mean squared length of the input.
    """
    projection = nn.Linear(channels, attention_channels, bias=False)
    nn.init.normal_(projection.weight, std=square**-0.5 * attention_channels**-0.25)
    return projection


def mean_over_words(word_mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Return 1 / L for each of the L real words, and 0 for padding: [B, E, L]."""
    return word_mask.to(dtype) / word_mask.sum(-1, keepdim=True)


def attend_received(received: Tensor, temperature: Tensor, word_mask: Tensor) -> Tensor:
    """Return a_n of Eq. 4, [B, E, L].

    Args:
        received: L times the mean over all queries of the attention that each word receives, [B, E, L].
        temperature: Learnt temperature, a scalar.
        word_mask: True for real words, bool [B, E, L].
    """
    return (temperature * received).masked_fill(~word_mask, float("-inf")).softmax(-1)


class AttentionAlternative(nn.Module):
    """The attention of one level for a row of Table 2; subclasses compute v^ and the weights of the words."""

    def __init__(self, visual_channels: int, embedding_channels: int, attention_channels: int) -> None:
        super().__init__()
        self.channels = visual_channels + embedding_channels + SPATIAL_CHANNELS
        self.position_channels = visual_channels + SPATIAL_CHANNELS

    def forward(
        self, visual: Tensor, words: Tensor, word_mask: Tensor, spatial: Tensor, shared: Tensor | None = None
    ) -> tuple[Multimodal, Tensor]:
        """Fuse visual features with the words of each expression.

        Args:
            visual: Visual features [B, C, h, w].
            words: Word embeddings [B, E, L, C_l].
            word_mask: True for real words, bool [B, E, L].
            spatial: Spatial coordinates [8, h, w].
            shared: Not needed; accepted for the same signature as `CrossModalSelfAttention`.

        Returns:
            Multimodal features (Eq. 5) and the weight of each word in them, [B, E, L] (0 for padding).
        """
        unit_visual, code, unit_words = unit_features(visual, words, spatial)
        pooled, output, weights = self.attend(torch.cat([unit_visual, code], dim=-1), unit_words, word_mask)
        pooled = pooled.to(visual.dtype).expand(*words.shape[:2], unit_visual.shape[1], -1)
        summed = (weights.to(words.dtype)[..., None] * unit_words).sum(2)
        height, width = visual.shape[2:]
        return Multimodal(pooled, output, unit_visual, summed, code, (height, width)), weights

    def attend(self, positions: Tensor, words: Tensor, word_mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return sum_n a_n v^_pn, the weight W of the map back to the channels of f, and a_n.

        Args:
            positions: Visual and spatial part [v / |v|, s], [B, P, C + 8].
            words: Word part e / |e|, [B, E, L, C_l].
            word_mask: True for real words, bool [B, E, L].

        Returns:
            Pooled values [B, E, P, A], where E or P is 1 if they are the same for all expressions or positions; W
            [D, A]; and a_n [B, E, L].
        """
        raise NotImplementedError


class NoAttention(AttentionAlternative):
    """ "No attention": v^ = 0, so that F^_p is the mean of f_pn over the words; it has no parameters."""

    def attend(self, positions: Tensor, words: Tensor, word_mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return pooled values with no channels, a map from no channels, and equal weights of the words."""
        weights = mean_over_words(word_mask, words.dtype)
        return words.new_zeros(len(words), 1, 1, 0), words.new_zeros(self.channels, 0), weights


class WordAttention(AttentionAlternative):
    """ "Word attention": words of an expression attend to each other, v^_pn = sum_n' softmax_n'(b_n . d_n') h_n'."""

    def __init__(self, visual_channels: int, embedding_channels: int, attention_channels: int) -> None:
        super().__init__(visual_channels, embedding_channels, attention_channels)
        self.query = logit_map(embedding_channels, attention_channels, WORD_SQUARE)
        self.key = logit_map(embedding_channels, attention_channels, WORD_SQUARE)
        self.value = nn.Linear(embedding_channels, attention_channels, bias=False)
        self.output = nn.Linear(attention_channels, self.channels, bias=False)
        self.temperature = nn.Parameter(torch.ones(()))

    def attend(self, positions: Tensor, words: Tensor, word_mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the attended word values [B, E, 1, A], which are the same at every position, W, and a_n of Eq. 4."""
        b, d, h = (widen(projection(words)) for projection in (self.query, self.key, self.value))
        with torch.autocast(words.device.type, enabled=False):
            logits = (b @ d.transpose(2, 3)).masked_fill(~word_mask[:, :, None], float("-inf"))  # [B, E, L, L']
            attended = logits.softmax(-1)
            received = (attended * word_mask[..., None]).sum(2)  # L times the mean over the L real words
            weights = attend_received(received, self.temperature, word_mask)
            return weights[:, :, None] @ (attended @ h), self.output.weight, weights


class PixelAttention(AttentionAlternative):
    """ "Pixel attention": positions attend to each other, v^_pn = sum_p' softmax_p'(a_p . c_p') g_p'."""

    def __init__(self, visual_channels: int, embedding_channels: int, attention_channels: int) -> None:
        super().__init__(visual_channels, embedding_channels, attention_channels)
        self.query = logit_map(self.position_channels, attention_channels, POSITION_SQUARE)
        self.key = logit_map(self.position_channels, attention_channels, POSITION_SQUARE)
        self.value = nn.Linear(self.position_channels, attention_channels, bias=False)
        self.output = nn.Linear(attention_channels, self.channels, bias=False)

    def attend(self, positions: Tensor, words: Tensor, word_mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the attended visual values [B, 1, P, A], the same for every expression, W, and equal word weights."""
        a, c, g = (widen(projection(positions)) for projection in (self.query, self.key, self.value))
        with torch.autocast(words.device.type, enabled=False):
            attended = (a @ c.transpose(1, 2)).softmax(-1) @ g
        return attended[:, None], self.output.weight, mean_over_words(word_mask, words.dtype)


class WordPixelPairAttention(AttentionAlternative):
    """ "Word-pixel pair attention": words attend to positions and positions to words, and neither to its own kind.

    v^_pn = sum_p' softmax_p'(b_n . c_p') g_p' + sum_n' softmax_n'(a_p . d_n') h_n'. The mass of a word in Eq. 4 is the
    attention that it receives from the positions, the only queries whose keys are words.
    """

    def __init__(self, visual_channels: int, embedding_channels: int, attention_channels: int) -> None:
        super().__init__(visual_channels, embedding_channels, attention_channels)
        self.word_query = logit_map(embedding_channels, attention_channels, WORD_SQUARE)
        self.word_key = logit_map(embedding_channels, attention_channels, WORD_SQUARE)
        self.word_value = nn.Linear(embedding_channels, attention_channels, bias=False)
        self.position_query = logit_map(self.position_channels, attention_channels, POSITION_SQUARE)
        self.position_key = logit_map(self.position_channels, attention_channels, POSITION_SQUARE)
        self.position_value = nn.Linear(self.position_channels, attention_channels, bias=False)
        self.output = nn.Linear(attention_channels, self.channels, bias=False)
        self.temperature = nn.Parameter(torch.ones(()))

    def attend(self, positions: Tensor, words: Tensor, word_mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the sum of the values that words and positions attend to [B, E, P, A], W, and a_n of Eq. 4."""
        b, d, h = (widen(projection(words)) for projection in (self.word_query, self.word_key, self.word_value))
        a, c, g = (
            widen(projection(positions)) for projection in (self.position_query, self.position_key, self.position_value)
        )
        with torch.autocast(words.device.type, enabled=False):
            padding = ~word_mask[:, :, None]
            to_words = (a[:, None] @ d.transpose(2, 3)).masked_fill(padding, float("-inf")).softmax(-1)  # [B, E, P, L]
            received = to_words.mean(2) * word_mask.sum(-1, keepdim=True)
            weights = attend_received(received, self.temperature, word_mask)
            to_positions = (b @ c[:, None].transpose(2, 3)).softmax(-1)  # [B, E, L, P]
            seen = weights[:, :, None] @ to_positions @ g[:, None]  # [B, E, 1, A]
            return seen + to_words @ h, self.output.weight, weights
