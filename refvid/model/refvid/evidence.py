"""How far each word is true of each position by itself, and what that says of an expression; a variant of our own.

The attention of CMSA is shared out among the positions of a frame: the word "brown" looks at whatever is most brown,
however little that is. Here every word n has a truth t_np = sigmoid(u_n . v_p + d_n) at every position p, learnt from
the words that are known to be true of the actors of a frame, and an expression's logits are raised by

    sum_n  g_n log(t_np + s) + g'_n log(1 - t_np + s),

so that one word that is not true outweighs others that are. The weights g_n and g'_n, of a word that is to be true and
of one that is denied ("not moving"), depend on the word and on those around it: of "dog to the left of the man" the
last word is not to be true of what is meant. s is `MIN_TRUTH`.
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
REACH = 5  # words, by each of two convolutions
MIN_TRUTH = 0.01
RARE = -4.0  # the logit of a word at first: most are true of nothing
STATED, DENIED = -1.5, -4.0  # before softplus: the weights g_n and g'_n of every word at first


class WordEvidence(nn.Module):
    """Logits of expressions by the truth of their words.

    Args:
        level_channels: Of Res3, Res4 and Res5.
        embedding_channels: Width of a word's embedding.
        vocabulary_size: Words that have ids from `FIRST_WORD_ID` on.
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
        """Return the logits of single words being true at every position.

        Args:
            features: Of the pictures.
            words: Embedded words [W, C].
            word_ids: int64 [W].

        Returns:
            [B, W, h, w].
        """
        batch, _, height, width = features.levels[0].shape
        logits = self.word_logits(features, words.expand(batch, -1, -1), word_ids.expand(batch, -1))
        return logits.view(batch, -1, height, width)

    def word_logits(self, features: FrameFeatures, words: Tensor, word_ids: Tensor) -> Tensor:
        """Return the logits [B, N, P] of N embedded words [B, N, C], ids [B, N], at every position."""
        levels = torch.cat([level.flatten(2) for level in features.levels], 1)
        return widen(self.table[word_ids] @ levels + self.bias[word_ids][..., None])

    def word_gains(self, words: Tensor, word_ids: Tensor) -> Tensor:
        """Return what each word [B, E, L, C] itself adds to its weights, stated and denied, [B, E, L, 2]."""
        return self.word_weight[word_ids]

    def weights(self, words: Tensor, word_mask: Tensor, word_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Return g_n and g'_n, each [B, E, L] in float32 or wider; 0 for padding and for words it does not know.

        Args:
            words: Embedded words [B, E, L, C].
            word_mask: Which of them are words, bool [B, E, L].
            word_ids: int64 [B, E, L].
        """
        inside = word_mask.flatten(0, 1)[:, None].to(words.dtype)
        hidden = F.relu(self.around(words.flatten(0, 1).mT * inside)) * inside  # [B * E, X, L]
        context = widen(self.context_weight(hidden).mT.reshape(*word_ids.shape, 2))
        known = word_mask & (word_ids != UNKNOWN_ID)
        stated, denied = (F.softplus(context + self.word_gains(words, word_ids)) * known[..., None]).unbind(-1)
        return stated, denied

    def forward(self, features: FrameFeatures, words: Tensor, word_mask: Tensor, word_ids: Tensor) -> Tensor:
        """Return the evidence that is added to the logits of each expression, [B, E, h, w] in float32 or wider.

        Args:
            features: Of the pictures.
            words: Embedded words [B, E, L, C].
            word_mask: Which of them are words, bool [B, E, L].
            word_ids: int64 [B, E, L].
        """
        batch, _, height, width = features.levels[0].shape
        truth = self.word_logits(features, words.flatten(1, 2), word_ids.flatten(1)).view(*word_ids.shape, -1).sigmoid()
        stated, denied = self.weights(words, word_mask, word_ids)
        evidence = stated[..., None] * (truth + MIN_TRUTH).log() + denied[..., None] * (1 + MIN_TRUTH - truth).log()
        return evidence.sum(2).view(batch, -1, height, width)
