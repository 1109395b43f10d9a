"""What depends on the words alone, kept from frame to frame: embeddings and the terms of word evidence.

All frames of a video have the same words. Nothing here learns, so that equal ids have equal results.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from refvid.model.interface import FrameFeatures
from refvid.model.layers.vector_embedding import VectorEmbedding
from refvid.model.refvid.vectors import VectorEvidence, WordTerms

T = TypeVar("T")


class Kept(Generic[T]):
    """The last result of a function of word ids; threads may share it."""

    def __init__(self) -> None:
        self._last: tuple[Tensor, T] | None = None

    def get(self, word_ids: Tensor, make: Callable[[], T]) -> T:
        """Return what `make` returned for equal ids, or call it, in the full precision of the weights."""
        last = self._last
        if last is None or not (last[0] is word_ids or torch.equal(last[0], word_ids)):
            with torch.autocast(word_ids.device.type, enabled=False):
                last = self._last = word_ids, make()
        return last[1]


class KeptVectorEmbedding(VectorEmbedding):
    """A `VectorEmbedding` for inference, which embeds the words again only if they have changed."""

    def __init__(self, embedding: VectorEmbedding) -> None:
        nn.Module.__init__(self)
        for name, part in embedding.named_children():
            self.add_module(name, part)
        self.register_buffer("own_row", embedding.own_row, persistent=False)
        self._kept: Kept[tuple[Tensor, Tensor]] = Kept()

    def forward(self, word_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Map ids int64 [..., L] to embeddings [..., L, C_l] and the mask of real words, bool [..., L]."""
        return self._kept.get(word_ids, lambda: super(KeptVectorEmbedding, self).forward(word_ids))


class FoldedVectorEvidence(VectorEvidence):
    """A `VectorEvidence` for inference, which computes what depends on words, or on a frame, once."""

    def __init__(self, evidence: VectorEvidence) -> None:
        nn.Module.__init__(self)
        for name, part in evidence.named_children():
            self.add_module(name, part)
        for name, parameter in evidence.named_parameters(recurse=False):
            self.register_parameter(name, nn.Parameter(parameter, requires_grad=False))
        self.tells, self._vectors = evidence.tells, evidence._vectors
        self._terms: Kept[WordTerms] = Kept()
        self._weights: Kept[tuple[Tensor, Tensor]] = Kept()
        # Cache: the probabilities and terms of the last opinions, which `tell` and `word_logits` both need.
        self._opinion: tuple[Tensor, WordTerms, tuple[Tensor, Tensor]] | None = None

    def word_terms(self, words: Tensor, word_ids: Tensor) -> WordTerms:
        """Return the terms of N words, embeddings [B, N, C] and ids [B, N]."""
        return self._terms.get(word_ids, lambda: super(FoldedVectorEvidence, self).word_terms(words, word_ids))

    def weights(self, words: Tensor, word_mask: Tensor, word_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weights g_n and g'_n, each [B, E, L] (see `WordEvidence.weights`)."""
        inherited = super().weights
        return self._weights.get(word_ids, lambda: inherited(words, word_mask, word_ids))

    def opinions(self, features: FrameFeatures, terms: WordTerms) -> tuple[Tensor, Tensor]:
        """Return what the classifier says of words (see `VectorEvidence.opinions`)."""
        last, classes = self._opinion, features.classes
        if last is None or last[0] is not classes or last[1] is not terms:
            assert classes is not None
            with torch.autocast(classes.device.type, enabled=False):
                last = self._opinion = classes, terms, super().opinions(features, terms)
        return last[2]
