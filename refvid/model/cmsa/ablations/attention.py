"""What Table 2 compares cross-modal self-attention with: attention of words, of pixels, of word-pixel pairs, and none.

Section 4.2.2 says no more than that these are had "by zeroing out the respective components in Eq. 2". Section 3.2
names three components: self-attention over language, self-attention over the image, and attention between words and
positions. They are the terms of the logit of Eq. 3, whose maps are linear (a, b, c, d, g, h as in `cross_modal`),

    q_pn . k_p'n' = b_n . d_n'  +  a_p . c_p'  +  (b_n . c_p' + a_p . d_n')

so we read each row of the table as Eq. 2 with one of the three kept. A component takes part with its queries, its keys
and its values, or not at all, which is Eq. 2 and 3 on features f_pn some of whose parts are set to zero:

    word        queries, keys and values of [0, e_n, 0]:          v^_pn = sum_n' softmax_n'(b_n . d_n') h_n'
    pixel       queries, keys and values of [v_p, 0, s_p]:        v^_pn = sum_p' softmax_p'(a_p . c_p') g_p'
    word-pixel  queries of one, keys and values of the other:     v^_pn = sum_p' softmax_p'(b_n . c_p') g_p'
                                                                        + sum_n' softmax_n'(a_p . d_n') h_n'
    none        everything zero:                                  v^_pn = 0

(v and e stand for v / |v| and e / |e|.) The spatial code goes with the image. That word-pixel pairs are the third
component alone, and not all pairs, is told by the table: they score less than pixels do.

The residual f^_pn = W v^_pn + f_pn keeps the whole of f_pn in every row, and Eq. 5 pools the words. Where words are
keys (word, word-pixel) the weights are those of Eq. 4, in the reading of `CrossModalSelfAttention`; where they are not
(pixel, none) all words receive alike, which makes Eq. 4 the mean over the words.
"""

import torch
from torch import Tensor, nn

from refvid.model.cmsa.cross_modal import unit_features
from refvid.model.cmsa.multimodal import Multimodal
from refvid.model.layers.products import widen
from refvid.model.layers.spatial import SPATIAL_CHANNELS

WORD_SQUARE, POSITION_SQUARE = 1.0, 3.0  # |e / |e||^2, and |[v / |v|, s]|^2 on the average


def logit_map(channels: int, attention_channels: int, square: float) -> nn.Linear:
    """Return a map to queries or keys, with weights such that logits q . k start with a spread of about 1.

    Args:
        channels: Of what is mapped.
        attention_channels: Of queries and keys.
        square: Squared length of what is mapped.
    """
    projection = nn.Linear(channels, attention_channels, bias=False)
    nn.init.normal_(projection.weight, std=square**-0.5 * attention_channels**-0.25)
    return projection


def mean_over_words(word_mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Return 1 / L for each of the L real words, and 0 for padding: [B, E, L]."""
    return word_mask.to(dtype) / word_mask.sum(-1, keepdim=True)


def attend_received(received: Tensor, temperature: Tensor, word_mask: Tensor) -> Tensor:
    """Return a_n of Eq. 4 [B, E, L] from L times the mean over the queries of what each word receives [B, E, L]."""
    return (temperature * received).masked_fill(~word_mask, float("-inf")).softmax(-1)


class AttentionAlternative(nn.Module):
    """One level's attention of Table 2; a child says what v^ is and what the words weigh."""

    def __init__(self, visual_channels: int, embedding_channels: int, attention_channels: int) -> None:
        super().__init__()
        self.channels = visual_channels + embedding_channels + SPATIAL_CHANNELS
        self.position_channels = visual_channels + SPATIAL_CHANNELS

    def forward(
        self, visual: Tensor, words: Tensor, word_mask: Tensor, spatial: Tensor, shared: Tensor | None = None
    ) -> tuple[Multimodal, Tensor]:
        """Fuse visual features with the words of each expression.

        Args:
            visual: [B, C, h, w].
            words: Word embeddings [B, E, L, C_l].
            word_mask: True for real words, bool [B, E, L].
            spatial: [8, h, w].
            shared: Taken for the sake of `CrossModalSelfAttention`; nothing here gains by it.

        Returns:
            Multimodal features (Eq. 5) and the weight of each word in them [B, E, L] (0 for padding).
        """
        unit_visual, code, unit_words = unit_features(visual, words, spatial)
        pooled, output, weights = self.attend(torch.cat([unit_visual, code], dim=-1), unit_words, word_mask)
        pooled = pooled.to(visual.dtype).expand(*words.shape[:2], unit_visual.shape[1], -1)
        summed = (weights.to(words.dtype)[..., None] * unit_words).sum(2)
        height, width = visual.shape[2:]
        return Multimodal(pooled, output, unit_visual, summed, code, (height, width)), weights

    def attend(self, positions: Tensor, words: Tensor, word_mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return sum_n a_n v^_pn, the map W back to the channels of f, and a_n.

        Args:
            positions: [v / |v|, s], [B, P, C + 8].
            words: e / |e|, [B, E, L, C_l].
            word_mask: Bool [B, E, L].

        Returns:
            [B, E, P, A], with 1 for E or P where it is the same for all of them; [D, A]; and [B, E, L].
        """
        raise NotImplementedError


class NoAttention(AttentionAlternative):
    """ "No attention": v^ = 0, so that F^_p is the mean of f_pn over the words. Learns nothing."""

    def attend(self, positions: Tensor, words: Tensor, word_mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return nothing, by a map from no channels, and the mean over the words."""
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
        """Return what the words tell each other [B, E, 1, A], the same at every position, and Eq. 4."""
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
        """Return what the positions show each other [B, 1, P, A], the same for every expression, and the mean."""
        a, c, g = (widen(projection(positions)) for projection in (self.query, self.key, self.value))
        with torch.autocast(words.device.type, enabled=False):
            attended = (a @ c.transpose(1, 2)).softmax(-1) @ g
        return attended[:, None], self.output.weight, mean_over_words(word_mask, words.dtype)


class WordPixelPairAttention(AttentionAlternative):
    """ "Word-pixel pair attention": words attend to positions and positions to words, and neither to its own kind.

    v^_pn = sum_p' softmax_p'(b_n . c_p') g_p' + sum_n' softmax_n'(a_p . d_n') h_n'. The mass of Eq. 4 is what a word
    receives from the positions, the only queries that have words for keys.
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
        """Return what words see and positions are told [B, E, P, A], and Eq. 4."""
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
