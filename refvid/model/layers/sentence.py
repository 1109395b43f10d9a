"""CMSA-S of section 4.2.3: one vector for the whole sentence, where CMSA-W has one for each word."""

import torch
from torch import Tensor, nn

from refvid.model.layers.language import WordEmbedding


class SentenceEmbedding(nn.Module):
    """The sentence vector that takes the place of the words: an LSTM's state after the last of them.

    The paper says "encodes the whole sentence to one single language vector by LSTM" and, of others, "take the output
    hidden layer to encode the entire description sentence". What it leaves open we chose: one layer, read from left to
    right, over word vectors from a lookup table as in section 3.1, and as wide as these, so that everything after it
    keeps its size. Then Eq. 1 has N = 1, and word attention has nothing to choose from.
    """

    def __init__(self, vocabulary_size: int, channels: int) -> None:
        super().__init__()
        self.words = WordEmbedding(vocabulary_size, channels)
        self.lstm = nn.LSTM(channels, channels, batch_first=True)

    def forward(self, word_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Map ids int64 [..., L] to sentence vectors [..., 1, C_l] and their mask bool [..., 1], all True.

        Padding stands behind the words, so that an LSTM that reads to the right has not met it at the last word.
        """
        words, word_mask = self.words(word_ids)
        # In float32 under autocast too: a step's rounding would be carried on to the last one.
        with torch.autocast(word_ids.device.type, enabled=False):
            states, _ = self.lstm(words.flatten(0, -3))  # [N, L, C_l]
        last = (word_mask.sum(-1).flatten() - 1).clamp(min=0)
        sentences = states[torch.arange(len(states), device=states.device), last]
        return sentences.view(*word_ids.shape[:-1], 1, -1), torch.ones_like(word_mask[..., :1])


def number_sentences(word_ids: Tensor) -> Tensor:
    """Number the sentences of each picture from 0, each different: ids int64 [B, E, L] to numbers int64 [B, E, 1]."""
    batch, expressions, _ = word_ids.shape
    return torch.arange(expressions, device=word_ids.device)[None, :, None].expand(batch, -1, -1)
