"""Word embeddings from fixed word vectors, with which a network reads words that it was never trained on."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.config import ModelConfig
from refvid.model.layers.language import FIRST_WORD_ID, PADDING_ID, WordEmbedding
from refvid.model.layers.word_vectors import WordVectorTable

INNER_CHANNELS = 192
OWN_SHARE_KEPT = 0.7  # share of the taught words that keep their own row in a training step
VECTOR_SHARE_KEPT = 0.8  # share of the words with ImageNet classes that keep their vector in a training step


class VectorEmbedding(WordEmbedding):
    """Embeddings computed by a learnt function of fixed word vectors, so that similar words get similar embeddings.

    Each word of the training sentences also has a learnt row of its own, which is added for distinctions that the
    vectors do not make. In training these rows are dropped at random, so that the function must do without them: a
    word that was never trained, "puppy", has only the function of its vector, which is therefore trained on "dog" too.
    A row is dropped for all occurrences of its word in a batch, because equal words share their attention. Some words
    that the ImageNet classifier knows lose their vector as well: then the network can only follow the classifier, as it
    has to for classes that it has seen no mask of.

    Args:
        words: Number of words in the table.
        vector_channels: Width of the word vectors.
        class_entries: Number of ImageNet classes that the table lists for all words together.
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
        """Map ids int64 [..., L] to embeddings [..., L, C_l] and the mask of real words, bool [..., L]."""
        vectors = self.vectors(word_ids).to(self.direct.weight.dtype) * self.vectors.channels**0.5
        read = torch.ones_like(word_ids)
        if self.training:
            chance = torch.rand(len(self.own_row), device=word_ids.device)[word_ids]
            read -= (self.vectors.has_classes(word_ids) & (chance >= VECTOR_SHARE_KEPT)).long()
            vectors = vectors * read[..., None]
        embedded = self.outer(F.relu(self.inner(vectors))) + self.direct(vectors)
        rows = self.own_row[word_ids]
        if self.training:
            kept = torch.rand(self.own.num_embeddings, device=rows.device) < OWN_SHARE_KEPT
            rows = rows * kept[rows] * read
        return embedded + self.own(rows), word_ids != PADDING_ID


def build_word_embedding(config: ModelConfig) -> WordEmbedding:
    """Build the word embedding described by a config: from word vectors if `vector_channels` is set, or a plain one."""
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
