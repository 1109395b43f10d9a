"""The language of CMSA-S (section 4.2.3): one vector for the whole sentence, where CMSA-W has one for each word."""

import torch
from torch import Tensor, nn

from refvid.model.layers.language import WordEmbedding


class SentenceEmbedding(nn.Module):
    """One vector for the whole sentence instead of one for each word: the state of an LSTM after the last word.

    The paper says "encodes the whole sentence to one single language vector by LSTM" and, about other methods, "take
    the output hidden layer to encode the entire description sentence". The rest is our choice: one layer that reads
    from left to right, over word embeddings from a lookup table as in section 3.1, and of the same width as these, so
    that the sizes of all later layers stay the same. Eq. 1 then has N = 1, and word attention has no effect.

    Args:
        words: Embedding of the words.
        channels: Width of the word embeddings and of the sentence vector.
    """

    def __init__(self, words: WordEmbedding, channels: int) -> None:
        super().__init__()
        self.words = words
        self.lstm = nn.LSTM(channels, channels, batch_first=True)

    def forward(self, word_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Map ids int64 [..., L] to sentence vectors [..., 1, C_l] and their mask bool [..., 1], all True."""
        words, word_mask = self.words(word_ids)
        # In float32 even under autocast, because rounding errors would accumulate from step to step.
        with torch.autocast(word_ids.device.type, enabled=False):
            states, _ = self.lstm(words.flatten(0, -3))  # [N, L, C_l]
        # Padding follows the words, so that the LSTM has not yet read any of it at the last word.
        last = (word_mask.sum(-1).flatten() - 1).clamp(min=0)
        sentences = states[torch.arange(len(states), device=states.device), last]
        return sentences.view(*word_ids.shape[:-1], 1, -1), torch.ones_like(word_mask[..., :1])


def number_sentences(word_ids: Tensor) -> Tensor:
    """Number the sentences of each picture from 0, int64 [B, E, 1], given word ids int64 [B, E, L].

    The counterpart of `number_words`: each sentence counts as a different word.
    """
    batch, expressions, _ = word_ids.shape
    return torch.arange(expressions, device=word_ids.device)[None, :, None].expand(batch, -1, -1)
