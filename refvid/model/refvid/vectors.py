"""Word evidence for words that are read by their vectors, with the help of the ImageNet classifier."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.interface import FrameFeatures
from refvid.model.layers.products import widen
from refvid.model.layers.vector_embedding import VectorEmbedding
from refvid.model.refvid.evidence import DENIED, HIDDEN_CHANNELS, RARE, REACH, STATED, WordEvidence

MIN_PROBABILITY = 1e-3  # class probabilities below it carry no information


class VectorEvidence(WordEvidence):
    """Word evidence that is computed from word embeddings and from the probabilities of the ImageNet classifier.

    According to the classifier, a word n that covers classes k with weights w_nk is true of a position p with the
    probability c_np = sum_k w_nk P_k(p). The word's logit is raised by how far log c_np exceeds the logarithm of
    `MIN_PROBABILITY`, both at the position and at the best position of the picture, with learnt weights. So "the camel"
    is found although the network was never trained on a mask of a camel.

    Args:
        level_channels: Widths of Res3, Res4 and Res5.
        embedding: Embedding that holds the table of word vectors and classes.
        channels: Width of the word embeddings.
    """

    def __init__(self, level_channels: Sequence[int], embedding: VectorEmbedding, channels: int) -> None:
        nn.Module.__init__(self)
        self.row = nn.Linear(channels, sum(level_channels))
        self.rarity = nn.Linear(channels, 1)
        self.own_weight = nn.Linear(channels, 2)
        self.around = nn.Conv1d(channels, HIDDEN_CHANNELS, REACH, padding=REACH // 2)
        self.context_weight = nn.Conv1d(HIDDEN_CHANNELS, 2, REACH, padding=REACH // 2)
        self.class_gain = nn.Parameter(torch.tensor([0.3, 0.1]))  # at the position, and at the best one
        self.class_offset = nn.Parameter(torch.tensor(-1.0))
        nn.init.normal_(self.row.weight, std=0.02 / channels**0.5)
        for zeroed in (self.rarity, self.own_weight, self.context_weight):
            nn.init.zeros_(zeroed.weight)
            nn.init.zeros_(cast(Tensor, zeroed.bias))
        with torch.no_grad():
            self.rarity.bias.fill_(RARE)
            cast(Tensor, self.context_weight.bias).copy_(torch.tensor([STATED, DENIED]))
        self._vectors = [embedding.vectors]  # in a list, so that the table is not registered as a submodule twice

    def word_logits(self, features: FrameFeatures, words: Tensor, word_ids: Tensor) -> Tensor:
        """Return the logits [B, N, P] that N words, embeddings [B, N, C] and ids [B, N], are true at each position."""
        levels = torch.cat([level.flatten(2) for level in features.levels], 1)
        logits = widen(self.row(words) @ levels + self.rarity(words))
        return logits + self._class_logits(features, word_ids, logits.dtype)

    def word_gains(self, words: Tensor, word_ids: Tensor) -> Tensor:
        """Return the contribution of each word itself to its weights before softplus, stated and denied, [B, E, L, 2].

        Args:
            words: Word embeddings [B, E, L, C].
            word_ids: Not needed.
        """
        gains: Tensor = self.own_weight(words)
        return gains

    def _class_logits(self, features: FrameFeatures, word_ids: Tensor, dtype: torch.dtype) -> Tensor | float:
        """Return the terms [B, N, P] that the classifier adds to the logits of words; 0 for words without classes."""
        if features.classes is None:
            return 0.0
        weights = self._vectors[0].class_weights(word_ids).to(dtype)  # [B, N, 1000]
        named = (weights.sum(-1) > 0).to(dtype)[..., None]
        height, width = features.levels[0].shape[-2:]
        classes = features.classes.to(dtype)
        probability = torch.einsum("bnk,bkhw->bnhw", weights, classes).clamp(max=1)
        opinion = ((probability + MIN_PROBABILITY) / MIN_PROBABILITY).log()
        best = opinion.amax((-2, -1))[..., None]
        here = F.interpolate(opinion, (height, width), mode="bilinear").flatten(2)
        gain = self.class_gain.to(dtype)
        return named * (gain[0] * here + gain[1] * best + self.class_offset.to(dtype))
