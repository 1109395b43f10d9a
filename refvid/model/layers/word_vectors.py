"""A table of fixed word vectors from a sentence encoder, with the ImageNet classes that each word covers."""

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.errors import WeightsError
from refvid.model.layers.efficientnet import CLASSES
from refvid.model.layers.language import FIRST_WORD_ID

LARGEST_WEIGHT = 255  # stored value of the class weight 1
WORDS = "words"  # name of the tensor that holds the words of a file as UTF-8, one word a line


class WordVectorTable(nn.Module):
    """A fixed table of word vectors and class weights; word n has the id n + 2, as in a `Vocabulary`.

    Args:
        vectors: Vectors of the words, int8 [V, C]; only their directions matter.
        class_starts: Index of each word's first entry in the next two tensors, int32 [V + 1].
        class_indices: ImageNet classes of all words, int16 or int32 [N]; kept as int32, because processes cannot
            exchange int16.
        class_shares: Weight of each of these classes times 255, uint8 [N].

    Attributes:
        channels: Width C of the vectors.
    """

    vectors: Tensor
    class_starts: Tensor
    class_indices: Tensor
    class_shares: Tensor

    def __init__(self, vectors: Tensor, class_starts: Tensor, class_indices: Tensor, class_shares: Tensor) -> None:
        super().__init__()
        self.channels = vectors.shape[1]
        self.register_buffer("vectors", vectors)
        self.register_buffer("class_starts", class_starts)
        self.register_buffer("class_indices", class_indices.to(torch.int32))
        self.register_buffer("class_shares", class_shares)

    @classmethod
    def empty(cls, words: int, channels: int, class_entries: int) -> "WordVectorTable":
        """Return a table of zeros of the given sizes, to be filled from a checkpoint."""
        return cls(
            torch.zeros(words, channels, dtype=torch.int8),
            torch.zeros(words + 1, dtype=torch.int32),
            torch.zeros(class_entries, dtype=torch.int32),
            torch.zeros(class_entries, dtype=torch.uint8),
        )

    def forward(self, word_ids: Tensor) -> Tensor:
        """Map ids int64 [...] to unit vectors float32 [..., C], or zeros for padding and unknown words."""
        rows = self.vectors[(word_ids - FIRST_WORD_ID).clamp(min=0)].float()
        return F.normalize(rows, dim=-1) * (word_ids >= FIRST_WORD_ID)[..., None]

    def has_classes(self, word_ids: Tensor) -> Tensor:
        """Return whether the words with the ids int64 [...] cover any ImageNet class, bool [...]."""
        rows = (word_ids - FIRST_WORD_ID).clamp(min=0)
        return (self.class_starts[rows + 1] > self.class_starts[rows]) & (word_ids >= FIRST_WORD_ID)

    def class_weights(self, word_ids: Tensor) -> Tensor:
        """Map ids int64 [...] to weights of the ImageNet classes, float32 [..., 1000], each from 0 to 1.

        The sum of the class probabilities, weighted by these, is the probability that the word is true. The weights
        are zeros for a word that covers no class.
        """
        # Entries of word u are class_starts[u] to class_starts[u + 1]; `rows` and `within` number all entries at once.
        flat = word_ids.flatten() - FIRST_WORD_ID
        starts = self.class_starts[flat.clamp(min=0)].long()
        counts = (self.class_starts[flat.clamp(min=0) + 1].long() - starts) * (flat >= 0)
        rows = torch.repeat_interleave(torch.arange(len(flat), device=flat.device), counts)
        within = torch.arange(len(rows), device=flat.device) - (counts.cumsum(0) - counts)[rows]
        places = starts[rows] + within
        weights = torch.zeros(len(flat), CLASSES, device=flat.device)
        weights[rows, self.class_indices[places].long()] = self.class_shares[places].float() / LARGEST_WEIGHT
        return weights.view(*word_ids.shape, CLASSES)


def encode_words(words: tuple[str, ...]) -> Tensor:
    """Encode words as UTF-8, one word a line, uint8 [N]."""
    return torch.frombuffer(bytearray("\n".join(words).encode()), dtype=torch.uint8)


def load_table(path: Path) -> tuple[tuple[str, ...], WordVectorTable]:
    """Load a table that was written by `python -m refvid.train.word_table`.

    Returns:
        The words, the commonest first, and their table.

    Raises:
        WeightsError: The file is damaged or is not a table of word vectors.
    """
    names = (WORDS, "vectors", "class_starts", "class_indices", "class_shares")
    try:
        with safe_open(path, framework="pt") as file:
            text, *tensors = (file.get_tensor(name) for name in names)
        words = tuple(bytes(text.numpy()).decode().split("\n"))
    except (SafetensorError, OSError, UnicodeDecodeError) as error:
        raise WeightsError(f"'{path}' is not a table of word vectors ({error})") from error
    table = WordVectorTable(*tensors)
    if len(table.vectors) != len(words) or len(table.class_starts) != len(words) + 1:
        raise WeightsError(f"'{path}' is damaged: it holds {len(words)} words, but vectors of {len(table.vectors)}")
    return words, table
