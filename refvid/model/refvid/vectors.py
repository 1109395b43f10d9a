"""Word evidence for words that are read by their vectors, with the help of the ImageNet classifier."""

from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.interface import FrameFeatures
from refvid.model.layers.products import widen
from refvid.model.layers.vector_embedding import VectorEmbedding
from refvid.model.refvid.evidence import DENIED, HIDDEN_CHANNELS, RARE, REACH, STATED, WordEvidence

MIN_PROBABILITY = 1e-3  # class probabilities below it carry no information
LEARNT_SHARE_KEPT = 0.6  # share of the words with classes that keep their learnt term in a training step
TOLD_CHANNELS = 32
OPINION_SCALE = 0.3  # brings opinions, which reach log(1 / MIN_PROBABILITY), to the size of other features
MIN_WEIGHT = 1e-4
RELIANCE_SCALE = 5.0  # so that the gains, which are larger numbers than weights, are learnt as fast


class WordTerms(NamedTuple):
    """The terms of N words that do not depend on the picture.

    Attributes:
        rows: Learnt map from the levels to the logit of each word, [B, N, C].
        rarity: Learnt bias of each word, [B, N, 1].
        gains: Weights of the classifier's opinion at a position and at the best one, and an offset, [B, N, 1, 3]; 0 for
            words without classes.
        weights: Weights of the ImageNet classes, [B, N, 1000].
        named: 1 for words with classes, 0 for others, [B, N, 1].
    """

    rows: Tensor
    rarity: Tensor
    gains: Tensor
    weights: Tensor
    named: Tensor


class VectorEvidence(WordEvidence):
    """Word evidence that is computed from word embeddings and from the probabilities of the ImageNet classifier.

    According to the classifier, a word n that covers classes k with weights w_nk is true of a position p with the
    probability c_np = sum_k w_nk P_k(p). The word's logit is raised by how far log c_np exceeds the logarithm of
    `MIN_PROBABILITY`, both at the position and at the best position of the picture, with weights that are learnt and
    differ between words. So "the camel" is found although the network was never trained on a mask of a camel. The mean
    opinion about the words of an expression is also added to its fused features, so that all that follows knows it.

    In training, the learnt term of some words with classes is left out, so that the classifier's opinion must do alone
    what it will have to do for words without any mask in the training data.

    Args:
        level_channels: Widths of Res3, Res4 and Res5.
        embedding: Embedding that holds the table of word vectors and classes.
        channels: Width of the word embeddings.
        told_channels: Width of the fused features; 0 if the opinion is not told and all words rely on it alike.
    """

    def __init__(
        self, level_channels: Sequence[int], embedding: VectorEmbedding, channels: int, *, told_channels: int = 0
    ) -> None:
        nn.Module.__init__(self)
        self.row = nn.Linear(channels, sum(level_channels))
        self.rarity = nn.Linear(channels, 1)
        self.own_weight = nn.Linear(channels, 2)
        self.around = nn.Conv1d(channels, HIDDEN_CHANNELS, REACH, padding=REACH // 2)
        self.context_weight = nn.Conv1d(HIDDEN_CHANNELS, 2, REACH, padding=REACH // 2)
        self.class_gain = nn.Parameter(torch.tensor([0.3, 0.1]))  # at the position, and at the best one
        self.class_offset = nn.Parameter(torch.tensor(-1.0))
        self.tells = told_channels > 0
        if self.tells:
            self.reliance = nn.Linear(channels, 3)  # what each word adds to the two gains and the offset
            self.opinion = nn.Conv2d(3, TOLD_CHANNELS, 1)
            self.told = nn.Conv2d(TOLD_CHANNELS, told_channels, 1, bias=False)
            for parameter in (self.reliance.weight, self.reliance.bias, self.told.weight):
                nn.init.zeros_(parameter)
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
        terms = self.word_terms(words, word_ids)
        # A sum over the levels: joining them would take longer than the products.
        widths = [level.shape[1] for level in features.levels]
        rows = torch.split(terms.rows, widths, dim=-1)
        learnt = widen(
            reduce(torch.add, [row @ level.flatten(2) for row, level in zip(rows, features.levels, strict=True)])
        )
        if features.classes is None:
            return learnt + terms.rarity
        here, best = self.opinions(features, terms)
        if self.training:
            learnt = learnt * self._kept(word_ids, terms.named)
        at_position, at_best, offset = terms.gains.unbind(-1)
        return learnt + terms.rarity + (at_position * here + (at_best * best + offset))

    def word_terms(self, words: Tensor, word_ids: Tensor) -> WordTerms:
        """Return the terms of N words, embeddings [B, N, C] and ids [B, N], that do not depend on the picture."""
        rarity = widen(self.rarity(words))
        weights = self._vectors[0].class_weights(word_ids).to(rarity.dtype)
        named = (weights.sum(-1) > 0).to(rarity.dtype)[..., None]
        gains = torch.cat([self.class_gain, self.class_offset[None]]).to(rarity.dtype)
        if self.tells:
            gains = gains + RELIANCE_SCALE * widen(self.reliance(words))  # [B, N, 3]
        return WordTerms(self.row(words), rarity, (named * gains)[:, :, None], weights, named)

    def word_gains(self, words: Tensor, word_ids: Tensor) -> Tensor:
        """Return the contribution of each word itself to its weights before softplus, stated and denied, [B, E, L, 2].

        Args:
            words: Word embeddings [B, E, L, C].
            word_ids: Not needed.
        """
        gains: Tensor = self.own_weight(words)
        return gains

    def tell(self, features: FrameFeatures, words: Tensor, word_mask: Tensor, word_ids: Tensor) -> Tensor | None:
        """Return what is added to the fused features [B * E, X, h, w] of each expression; None without a classifier.

        The opinions about the words of an expression are averaged with the weights of stated words.

        Args:
            features: Visual features of the pictures.
            words: Word embeddings [B, E, L, C].
            word_mask: True for real words, bool [B, E, L].
            word_ids: Word ids int64 [B, E, L].
        """
        if features.classes is None or not self.tells:
            return None
        height, width = features.levels[0].shape[-2:]
        stated, _ = self.weights(words, word_mask, word_ids)  # [B, E, L]
        terms = self.word_terms(words.flatten(1, 2), word_ids.flatten(1))
        here, best = self.opinions(features, terms)
        share = stated * terms.named.view(stated.shape)
        share = share / (share.sum(-1, keepdim=True) + MIN_WEIGHT)
        mean = (share[:, :, None] @ here.view(*stated.shape, -1))[:, :, 0]  # [B, E, P]
        most = (share * best.view(stated.shape)).sum(-1, keepdim=True).expand_as(mean)
        known = share.sum(-1, keepdim=True).expand_as(mean)
        opinion = torch.stack([mean * OPINION_SCALE, most * OPINION_SCALE, known], 2).to(words.dtype)
        return cast(Tensor, self.told(F.relu(self.opinion(opinion.view(-1, 3, height, width)))))

    def opinions(self, features: FrameFeatures, terms: WordTerms) -> tuple[Tensor, Tensor]:
        """Return what the classifier says of N words.

        Returns:
            How far the logarithm of the probability of each word exceeds that of `MIN_PROBABILITY` at each position,
            [B, N, P], and at the best one, [B, N, 1].
        """
        assert features.classes is not None
        height, width = features.levels[0].shape[-2:]
        probability = torch.einsum("bnk,bkhw->bnhw", terms.weights, features.classes.to(terms.weights.dtype))
        opinion = ((probability.clamp(max=1) + MIN_PROBABILITY) / MIN_PROBABILITY).log()
        best = opinion.amax((-2, -1))[..., None]
        return F.interpolate(opinion, (height, width), mode="bilinear").flatten(2), best

    @staticmethod
    def _kept(word_ids: Tensor, named: Tensor) -> Tensor:
        """Return 0 for a random part of the words with classes, the same for equal words, and 1 for all others."""
        chance = torch.rand(int(word_ids.max()) + 1, device=word_ids.device)[word_ids][..., None]
        return 1 - named * (chance >= LEARNT_SHARE_KEPT)
