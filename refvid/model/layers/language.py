"""The words of an expression, their ids and their embedding (section 3.1)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor, nn

PADDING_ID, UNKNOWN_ID, FIRST_WORD_ID = 0, 1, 2
_WORD = re.compile(r"\w+(?:['’]\w+)*")


def split_words(expression: str) -> list[str]:
    """Split an expression into lower-case words without punctuation: "The man's dog." -> the, man's, dog."""
    return [word.replace("’", "'") for word in _WORD.findall(expression.lower())]


class Words(Protocol):
    """A vocabulary or tokenizer, which turns expressions into the ids of words or of word pieces."""

    @property
    def words(self) -> tuple[str, ...]:
        """All words or word pieces that the network knows, in the order of their ids."""
        ...

    @property
    def max_words(self) -> int:
        """Number of words or word pieces of an expression that the network reads."""
        ...

    @property
    def ids(self) -> Mapping[str, int]:
        """The id of each of `words`."""
        ...

    def encode(self, expressions: Sequence[str]) -> Tensor:
        """Return the ids int64 [E, L] of E expressions, padded with 0 at the end to the longest length L.

        Raises:
            ValueError: An expression has no words.
        """
        ...

    def read(self, expression: str) -> list[tuple[str, tuple[str, ...]]]:
        """Return each word of an expression with the known words that it is read as, none if it is unknown."""
        ...

    def unknown_words(self, expression: str) -> tuple[str, ...]:
        """Return the words of the expression that the network does not know, each once and in order."""
        ...

    def guessed_words(self, expression: str) -> dict[str, str]:
        """Return the words of the expression that are taken for misspelt ones, each with what it is read as."""
        ...

    def dropped_words(self, expression: str) -> tuple[str, ...]:
        """Return the words at the end of the expression that are cut off, beyond `max_words`."""
        ...


@dataclass(frozen=True)
class Vocabulary:
    """A closed vocabulary: the words that a model has seen.

    Attributes:
        words: All words in the order of their ids; the first has the id 2.
        max_words: Number of words of an expression that the network reads.
    """

    words: tuple[str, ...]
    max_words: int = 20

    @cached_property
    def ids(self) -> dict[str, int]:
        """The id of each word."""
        return {word: index for index, word in enumerate(self.words, FIRST_WORD_ID)}

    def encode(self, expressions: Sequence[str]) -> Tensor:
        """Return the word ids int64 [E, L] of E expressions, padded with 0 at the end to the longest length L.

        Words beyond `max_words` are cut off, as in section 4.1.1; unknown words get the id 1.

        Raises:
            ValueError: An expression has no words.
        """
        ids = self.ids
        rows = []
        for expression in expressions:
            words = split_words(expression)[: self.max_words]
            if not words:
                raise ValueError(
                    f"the expression {expression!r} has no words; name an object, as in 'man in yellow shirt'"
                )
            rows.append(torch.tensor([ids.get(word, UNKNOWN_ID) for word in words]))
        return nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PADDING_ID)

    def read(self, expression: str) -> list[tuple[str, tuple[str, ...]]]:
        """Return each word of an expression with itself as the word it is read as, or with none if it is unknown."""
        return [(word, (word,) if word in self.ids else ()) for word in split_words(expression)]

    def guessed_words(self, expression: str) -> dict[str, str]:
        """Return no words, because this vocabulary does not guess."""
        return {}

    def unknown_words(self, expression: str) -> tuple[str, ...]:
        """Return the words of the expression that the model has never seen, each once and in order."""
        known = set(self.words)
        return tuple(dict.fromkeys(word for word in split_words(expression) if word not in known))

    def dropped_words(self, expression: str) -> tuple[str, ...]:
        """Return the words at the end of the expression that are cut off, beyond `max_words`."""
        return tuple(split_words(expression)[self.max_words :])


class WordEmbedding(nn.Module):
    """The lookup table of word embeddings e_n of section 3.1; each word is embedded independently of the others."""

    def __init__(self, vocabulary_size: int, channels: int) -> None:
        super().__init__()
        self.table = nn.Embedding(FIRST_WORD_ID + vocabulary_size, channels, padding_idx=PADDING_ID)

    def forward(self, word_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Map ids int64 [..., L] to embeddings [..., L, C_l] and the mask of real words, bool [..., L]."""
        return self.table(word_ids), word_ids != PADDING_ID
