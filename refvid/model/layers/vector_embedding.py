"""Words by vectors that a model of sentences made: how a network reads words that no training sentence holds."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.config import ModelConfig
from refvid.model.layers.language import FIRST_WORD_ID, PADDING_ID, WordEmbedding
from refvid.model.layers.word_vectors import WordVectorTable

INNER_CHANNELS = 192
OWN_SHARE_KEPT = 0.7  # of taught words in training that are read with their own row


class VectorEmbedding(WordEmbedding):
    """Embeddings learnt as a function of fixed word vectors, so that similar words get similar embeddings.

    Words of the training sentences have a learnt row of their own on top, for what the vectors do not tell apart. It
    is left out for some of them at random while training, so that the function alone learns to do without it: a word
    that was never taught, "puppy", is read by the function of its vector, and so must "dog" be. Wherever a word stands
    in a batch it is read the same way, as attention that is shared by equal words expects.

    Args:
        words: Number of words in the table.
        vector_channels: Width of their vectors.
        class_entries: Number of the ImageNet classes listed for all words together.
        taught_ids: Ids of the words that have a row of their own.
        channels: Width C_l of the embeddings.
    """

    own_row: Tensor

    def __init__(
        self, words: int, vector_channels: int, class_entries: int, taught_ids: Sequence[int], channels: int
    ) -> None:
        nn.Module.__init__(self)
        self.vectors = WordVectorTable.empty(words, vector_channels, class_entries)
        self.inner = nn.Linear(vector_channels, INNER_CHANNELS)
        self.outer = nn.Linear(INNER_CHANNELS, channels)
        self.direct = nn.Linear(vector_channels, channels, bias=False)
        self.own = nn.Embedding(len(taught_ids) + 1, channels, padding_idx=0)
        nn.init.zeros_(self.own.weight)
        rows = torch.zeros(FIRST_WORD_ID + words, dtype=torch.long)
        rows[list(taught_ids)] = torch.arange(1, len(taught_ids) + 1)
        self.register_buffer("own_row", rows, persistent=False)

    def forward(self, word_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Map ids int64 [..., L] to embeddings [..., L, C_l] and the mask of real words bool [..., L]."""
        vectors = self.vectors(word_ids).to(self.direct.weight.dtype) * self.vectors.channels**0.5
        embedded = self.outer(F.relu(self.inner(vectors))) + self.direct(vectors)
        rows = self.own_row[word_ids]
        if self.training:
            kept = torch.rand(self.own.num_embeddings, device=rows.device) < OWN_SHARE_KEPT
            rows = rows * kept[rows]
        return embedded + self.own(rows), word_ids != PADDING_ID


def build_word_embedding(config: ModelConfig) -> WordEmbedding:
    """Build the embedding of the words of a config: by their vectors or, without `vector_channels`, one of each."""
    if not config.vector_channels:
        return WordEmbedding(len(config.vocabulary), config.embedding_channels)
    ids = {word: index for index, word in enumerate(config.vocabulary, FIRST_WORD_ID)}
    return VectorEmbedding(
        len(config.vocabulary),
        config.vector_channels,
        config.class_entries,
        [ids[word] for word in config.taught_words],
        config.embedding_channels,
    )
