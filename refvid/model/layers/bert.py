"""BERT as an encoder of expressions: its word pieces, and the vector of a whole sentence (optional extra `bert`)."""

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
FRAME = 2  # pieces that are put around an expression's own: the first and the last


@dataclass(frozen=True)
class WordPieces:
    """What a network with BERT reads: `Vocabulary` by pieces of words, whose ids are BERT's own.

    An expression goes in with its punctuation, in lower case and without accents, as BERT's uncased models were taught.
    [CLS] stands before it and [SEP] behind. The released code of RefVOS cuts the framed sequence, and with it [SEP];
    here the cut takes the expression's tail and leaves [SEP], with which every sentence BERT has read ended (our
    choice).

    Attributes:
        words: All pieces in the order of their ids, as in BERT's `vocab.txt`; the first is padding.
        max_pieces: Of the longest expression, [CLS] and [SEP] among them.
    """

    words: tuple[str, ...]
    max_pieces: int = 20

    @property
    def max_words(self) -> int:
        """How many pieces of an expression are read."""
        return self.max_pieces - FRAME

    @cached_property
    def ids(self) -> dict[str, int]:
        """The id of each piece."""
        return {piece: index for index, piece in enumerate(self.words)}

    def encode(self, expressions: Sequence[str]) -> Tensor:
        """Return piece ids int64 [E, L], L the longest expression's length, padded with 0 at the end.

        Raises:
            ValueError: An expression has no words.
            UnavailableError: `transformers`, with which the tokenizer comes, is not installed.
        """
        tokenizer = _tokenizer(self.words)
        rows = []
        for expression in expressions:
            if not split_words(expression):
                raise ValueError(
                    f"the expression {expression!r} has no words; name an object, as in 'man in yellow shirt'"
                )
            # One by one: a batch would start threads, and the tokenizer complains when a process with threads forks.
            pieces = tokenizer.encode(expression, add_special_tokens=False).ids[: self.max_words]
            rows.append(torch.tensor([self.ids[FIRST_PIECE], *pieces, self.ids[LAST_PIECE]]))
        return nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PADDING_ID)

    def unknown_words(self, expression: str) -> tuple[str, ...]:
        """Return the expression's words that no pieces make up, each once, in order."""
        tokenizer = _tokenizer(self.words)
        words = dict.fromkeys(split_words(expression))
        return tuple(word for word in words if UNKNOWN_PIECE in tokenizer.encode(word, add_special_tokens=False).tokens)

    def dropped_words(self, expression: str) -> tuple[str, ...]:
        """Return the words that are cut off or cut in two, in lower case."""
        encoding = _tokenizer(self.words).encode(expression, add_special_tokens=False)
        cut = dict.fromkeys(word for word in encoding.word_ids[self.max_words :] if word is not None)
        spans = [span for span in map(encoding.word_to_chars, cut) if span is not None]
        return tuple(word for start, end in spans for word in split_words(expression[start:end]))


@lru_cache(maxsize=4)
def _tokenizer(pieces: tuple[str, ...]) -> "Tokenizer":
    """Build the tokenizer of BERT's uncased models from its pieces; 30,000 take a moment, and every batch asks."""
    package = _require("tokenizers")
    tokenizer: Tokenizer = package.Tokenizer(
        package.models.WordPiece({piece: index for index, piece in enumerate(pieces)}, unk_token=UNKNOWN_PIECE)
    )
    tokenizer.normalizer = package.normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = package.pre_tokenizers.BertPreTokenizer()
    return tokenizer


class BertSentence(nn.Module):
    """The sentence vector that takes the place of the words: BERT's last state of [CLS].

    BERT is without its pooler, which this vector does not pass, and stays in evaluation mode, without dropout, in
    training too, as in the released code of RefVOS. That code teaches layers 0 to 9 of BERT-base alone: the tables and
    the last two layers stay as they were.

    Args:
        pieces: How many word pieces there are.
        channels: Width of the vector.
        layers: How many there are.
        heads: Of each layer's attention.
        inner_channels: Width inside each layer's perceptron.
        positions: The longest sequence.
        taught_layers: How many layers learn, from the first.

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
        """Leave BERT itself in evaluation mode."""
        super().train(mode)
        self.bert.eval()
        return self

    def forward(self, word_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Map ids int64 [..., L], [CLS] first, to sentence vectors [..., 1, C_l] and their mask [..., 1], all True."""
        rows = word_ids.flatten(0, -2)  # [N, L]
        states = self.bert(rows, attention_mask=(rows != PADDING_ID).long()).last_hidden_state
        sentences = states[:, 0].view(*word_ids.shape[:-1], 1, -1)
        return sentences, torch.ones_like(word_ids[..., :1], dtype=torch.bool)


def _require(name: str) -> ModuleType:
    """Import a package of the extra `bert`, which takes seconds and is done by those who read with BERT alone."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UnavailableError(
            f'this model reads expressions with BERT, which needs the package {name}; pip install "refvid[bert]"'
        ) from error
