"""BERT as the encoder of expressions: its tokenizer, and its sentence vector (optional extra `bert`)."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from refvid.errors import UnavailableError
from refvid.model.layers.language import PADDING_ID, split_words

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PAD_PIECE, UNKNOWN_PIECE, FIRST_PIECE, LAST_PIECE = "[PAD]", "[UNK]", "[CLS]", "[SEP]"
FRAME = 2  # pieces that frame an expression: [CLS] before and [SEP] behind


@dataclass(frozen=True)
class WordPieces:
    """The tokenizer of a network with BERT: like `Vocabulary`, but with BERT's word pieces and their ids.

    An expression keeps its punctuation and is changed to lower case without accents, as for BERT's uncased models. It
    is preceded by [CLS] and followed by [SEP]. The released code of RefVOS truncates the framed sequence and so loses
    [SEP]; we truncate the expression and keep [SEP], because every sentence that BERT was trained on ended with it.

    Attributes:
        words: All word pieces in the order of their ids, as in BERT's `vocab.txt`; the first is padding.
        max_pieces: Length of the longest sequence, including [CLS] and [SEP].
    """

    words: tuple[str, ...]
    max_pieces: int = 20

    @property
    def max_words(self) -> int:
        """Number of word pieces of an expression that are read, without [CLS] and [SEP]."""
        return self.max_pieces - FRAME

    @cached_property
    def ids(self) -> dict[str, int]:
        """The id of each word piece."""
        return {piece: index for index, piece in enumerate(self.words)}

    def encode(self, expressions: Sequence[str]) -> Tensor:
        """Return the piece ids int64 [E, L] of E expressions, padded with 0 at the end to the longest length L.

        Raises:
            ValueError: An expression has no words.
            UnavailableError: The package `tokenizers`, which is installed with `transformers`, is missing.
        """
        tokenizer = _tokenizer(self.words)
        rows = []
        for expression in expressions:
            if not split_words(expression):
                raise ValueError(
                    f"the expression {expression!r} has no words; name an object, as in 'man in yellow shirt'"
                )
            # One by one: a batch would start threads, and the tokenizer warns when a process with threads forks.
            pieces = tokenizer.encode(expression, add_special_tokens=False).ids[: self.max_words]
            rows.append(torch.tensor([self.ids[FIRST_PIECE], *pieces, self.ids[LAST_PIECE]]))
        return nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PADDING_ID)

    def read(self, expression: str) -> list[tuple[str, tuple[str, ...]]]:
        """Return each word of an expression with itself as the word it is read as, or with none if it is unknown."""
        unknown = self.unknown_words(expression)
        return [(word, () if word in unknown else (word,)) for word in split_words(expression)]

    def guessed_words(self, expression: str) -> dict[str, str]:
        """Return no words, because word pieces need no guessing."""
        return {}

    def unknown_words(self, expression: str) -> tuple[str, ...]:
        """Return the words of the expression that cannot be split into known pieces, each once and in order."""
        tokenizer = _tokenizer(self.words)
        words = dict.fromkeys(split_words(expression))
        return tuple(word for word in words if UNKNOWN_PIECE in tokenizer.encode(word, add_special_tokens=False).tokens)

    def dropped_words(self, expression: str) -> tuple[str, ...]:
        """Return the words, in lower case, that are cut off entirely or in part."""
        encoding = _tokenizer(self.words).encode(expression, add_special_tokens=False)
        cut = dict.fromkeys(word for word in encoding.word_ids[self.max_words :] if word is not None)
        spans = [span for span in map(encoding.word_to_chars, cut) if span is not None]
        return tuple(word for start, end in spans for word in split_words(expression[start:end]))


@lru_cache(maxsize=4)
def _tokenizer(pieces: tuple[str, ...]) -> "Tokenizer":
    """Build the tokenizer of BERT's uncased models from its word pieces.

    It is cached, because 30,000 pieces take a noticeable time and every batch needs the tokenizer.
    """
    package = _require("tokenizers")
    tokenizer: Tokenizer = package.Tokenizer(
        package.models.WordPiece({piece: index for index, piece in enumerate(pieces)}, unk_token=UNKNOWN_PIECE)
    )
    tokenizer.normalizer = package.normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = package.pre_tokenizers.BertPreTokenizer()
    return tokenizer


class BertSentence(nn.Module):
    """One vector for the whole sentence instead of one for each word: BERT's last hidden state of [CLS].

    As in the released code of RefVOS, BERT has no pooler and stays in evaluation mode, without dropout, even in
    training. That code trains only layers 0 to 9 of BERT-base; the embedding tables and the last two layers stay
    frozen.

    Args:
        pieces: Number of word pieces.
        channels: Width of the hidden states and of the sentence vector.
        layers: Number of layers.
        heads: Number of attention heads in each layer.
        inner_channels: Width inside each layer's perceptron.
        positions: Length of the longest sequence.
        taught_layers: Number of layers that are trained, counted from the first.

    Raises:
        UnavailableError: `transformers` is not installed.
    """

    def __init__(
        self,
        *,
        pieces: int,
        channels: int,
        layers: int,
        heads: int,
        inner_channels: int,
        positions: int,
        taught_layers: int,
    ) -> None:
        super().__init__()
        package = _require("transformers")
        config = package.BertConfig(
            vocab_size=pieces,
            hidden_size=channels,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            intermediate_size=inner_channels,
            max_position_embeddings=positions,
        )
        self.bert: Any = package.BertModel(config, add_pooling_layer=False).requires_grad_(False)
        for layer in self.bert.encoder.layer[:taught_layers]:
            layer.requires_grad_(True)
        self.train()

    def train(self, mode: bool = True) -> Self:
        """Set the mode of this module, but keep BERT itself in evaluation mode."""
        super().train(mode)
        self.bert.eval()
        return self

    def forward(self, word_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Map ids int64 [..., L], [CLS] first, to sentence vectors [..., 1, C_l] and their mask [..., 1] (all True)."""
        rows = word_ids.flatten(0, -2)  # [N, L]
        states = self.bert(rows, attention_mask=(rows != PADDING_ID).long()).last_hidden_state
        sentences = states[:, 0].view(*word_ids.shape[:-1], 1, -1)
        return sentences, torch.ones_like(word_ids[..., :1], dtype=torch.bool)


def _require(name: str) -> ModuleType:
    """Import a package of the extra `bert`; this takes seconds, so that only networks with BERT do it.

    Raises:
        UnavailableError: The package is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UnavailableError(
            f'this model reads expressions with BERT, which needs the package {name}; pip install "refvid[bert]"'
        ) from error
