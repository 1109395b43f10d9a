"""Word evidence: whether each single word is true of each position; a variant of our own.

The attention of CMSA is distributed over the positions of a frame: the word "brown" attends to whatever is most brown,
even if it is hardly brown at all. Here every word n has a truth t_np = sigmoid(u_n . v_p + d_n) at every position p. It
is learnt from words that are known to be true of the actors of a frame. To the logits of an expression is added

    sum_n  g_n log(t_np + s) + g'_n log(1 - t_np + s),

so that one false word outweighs several true ones. The weights g_n of stated words, which must be true, and g'_n of
denied words ("not moving") depend on the word and on the words around it: in "dog to the left of the man", the last
word need not be true of the object that is meant. s is `MIN_TRUTH`.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.interface import FrameFeatures
from refvid.model.layers.language import FIRST_WORD_ID, UNKNOWN_ID
from refvid.model.layers.products import widen

HIDDEN_CHANNELS = 48
REACH = 5  # width in words of the two convolutions over an expression
MIN_TRUTH = 0.01
RARE = -4.0  # initial logit of every word: most words are false at most positions
STATED, DENIED = -1.5, -4.0  # initial weights g_n and g'_n of every word, before softplus


class WordEvidence(nn.Module):
    """A module that computes logits of expressions from the truth of their words.

    Args:
        level_channels: Widths of Res3, Res4 and Res5.
        embedding_channels: Width of a word embedding.
        vocabulary_size: Number of words, whose ids start at `FIRST_WORD_ID`.
    """

    def __init__(self, level_channels: Sequence[int], embedding_channels: int, vocabulary_size: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.empty(FIRST_WORD_ID + vocabulary_size, sum(level_channels)))
        self.bias = nn.Parameter(torch.full((FIRST_WORD_ID + vocabulary_size,), RARE))
        self.around = nn.Conv1d(embedding_channels, HIDDEN_CHANNELS, REACH, padding=REACH // 2)
        self.context_weight = nn.Conv1d(HIDDEN_CHANNELS, 2, REACH, padding=REACH // 2)
        self.word_weight = nn.Parameter(torch.zeros(FIRST_WORD_ID + vocabulary_size, 2))
        nn.init.normal_(self.table, std=0.02)
        nn.init.zeros_(self.context_weight.weight)
        with torch.no_grad():
            cast(Tensor, self.context_weight.bias).copy_(torch.tensor([STATED, DENIED]))

    def truth_logits(self, features: FrameFeatures, words: Tensor, word_ids: Tensor) -> Tensor:
        """Return the logits that each of W single words is true at each position.

        Args:
            features: Visual features of the pictures.
            words: Word embeddings [W, C].
            word_ids: Word ids int64 [W].

        Returns:
            [B, W, h, w].
        """
        batch, _, height, width = features.levels[0].shape
        logits = self.word_logits(features, words.expand(batch, -1, -1), word_ids.expand(batch, -1))
        return logits.view(batch, -1, height, width)

    def word_logits(self, features: FrameFeatures, words: Tensor, word_ids: Tensor) -> Tensor:
        """Return the logits [B, N, P] that N words, embeddings [B, N, C] and ids [B, N], are true at each position."""
        levels = torch.cat([level.flatten(2) for level in features.levels], 1)
        return widen(self.table[word_ids] @ levels + self.bias[word_ids][..., None])

    def word_gains(self, words: Tensor, word_ids: Tensor) -> Tensor:
        """Return the contribution of each word itself to its weights before softplus, stated and denied, [B, E, L, 2].

        Args:
            words: Word embeddings [B, E, L, C].
            word_ids: Word ids int64 [B, E, L].
        """
        return self.word_weight[word_ids]

    def tell(self, features: FrameFeatures, words: Tensor, word_mask: Tensor, word_ids: Tensor) -> Tensor | None:
        """Return what is added to the fused features of each expression, [B * E, X, h, w], or None for nothing.

        Args:
            features: Visual features of the pictures.
            words: Word embeddings [B, E, L, C].
            word_mask: True for real words, bool [B, E, L].
            word_ids: Word ids int64 [B, E, L].
        """
        return None

    def weights(self, words: Tensor, word_mask: Tensor, word_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weights g_n and g'_n, each [B, E, L] in float32 or wider; 0 for padding and for unknown words.

        Args:
            words: Word embeddings [B, E, L, C].
            word_mask: True for real words, bool [B, E, L].
            word_ids: Word ids int64 [B, E, L].
        """
        inside = word_mask.flatten(0, 1)[:, None].to(words.dtype)
        hidden = F.relu(self.around(words.flatten(0, 1).mT * inside)) * inside  # [B * E, X, L]
        context = widen(self.context_weight(hidden).mT.reshape(*word_ids.shape, 2))
        known = word_mask & (word_ids != UNKNOWN_ID)
        stated, denied = (F.softplus(context + self.word_gains(words, word_ids)) * known[..., None]).unbind(-1)
        return stated, denied

    def forward(self, features: FrameFeatures, words: Tensor, word_mask: Tensor, word_ids: Tensor) -> Tensor:
        """Return the evidence to be added to the logits of each expression, [B, E, h, w] in float32 or wider.

        Args:
            features: Visual features of the pictures.
            words: Word embeddings [B, E, L, C].
            word_mask: True for real words, bool [B, E, L].
            word_ids: Word ids int64 [B, E, L].
        """
        batch, _, height, width = features.levels[0].shape
        truth = self.word_logits(features, words.flatten(1, 2), word_ids.flatten(1)).view(*word_ids.shape, -1).sigmoid()
        stated, denied = self.weights(words, word_mask, word_ids)
        evidence = stated[..., None] * (truth + MIN_TRUTH).log() + denied[..., None] * (1 + MIN_TRUTH - truth).log()
        return evidence.sum(2).view(batch, -1, height, width)
