"""Evidence for words that are read by their vectors, with the opinion of an ImageNet classifier."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.interface import FrameFeatures
from refvid.model.layers.products import widen
from refvid.model.layers.vector_embedding import VectorEmbedding
from refvid.model.refvid.evidence import DENIED, HIDDEN_CHANNELS, RARE, REACH, STATED, WordEvidence

MIN_PROBABILITY = 1e-3  # of a class: what is below it says nothing


class VectorEvidence(WordEvidence):
    """Word evidence whose rows are functions of the embedding, with the opinion of the ImageNet classifier.

    A word n that names classes k with weights w_nk is true of a position p with the probability
    c_np = sum_k w_nk P_k(p) if the classifier is right. Its logit is raised by how far log c_np is above the least
    probability that says anything, at the position and at the best one of the picture, with learnt weights: so "the
    camel" is found although no mask of a camel was ever learnt.

    Args:
        level_channels: Widths of Res3, Res4 and Res5.
        embedding: The embedding of the words.
        channels: Width of its vectors.
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
        self._vectors = [embedding.vectors]  # in a list: the table belongs to the embedding

    def word_logits(self, features: FrameFeatures, words: Tensor, word_ids: Tensor) -> Tensor:
        """Return the logits [B, N, P] of N embedded words [B, N, C], ids [B, N], at every position."""
        levels = torch.cat([level.flatten(2) for level in features.levels], 1)
        logits = widen(self.row(words) @ levels + self.rarity(words))
        return logits + self._class_logits(features, word_ids, logits.dtype)

    def word_gains(self, words: Tensor, word_ids: Tensor) -> Tensor:
        """Return what each word [B, E, L, C] itself adds to its weights, stated and denied, [B, E, L, 2]."""
        gains: Tensor = self.own_weight(words)
        return gains

    def _class_logits(self, features: FrameFeatures, word_ids: Tensor, dtype: torch.dtype) -> Tensor | float:
        """Return what the classifier adds to the logits of words, [B, N, P]."""
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
