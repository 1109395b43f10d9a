"""Words in their context, and the interaction of pixels with words at one level of HINet.

HINet's abstract says that visual and linguistic features interact at several levels of the visual encoder, but not how.
Our choice is close to the pixel-word attention of LAVT (Yang et al., CVPR 2022), which has the same first author.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.layers.products import widen


class RecurrentWords(nn.Module):
    """Word vectors in context: each word vector plus the state of a bidirectional LSTM at the word.

    The order of words matters: "left of the red car" and "red, left of the car" have the same words.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(channels, channels // 2, batch_first=True, bidirectional=True)

    def forward(self, words: Tensor, word_mask: Tensor) -> Tensor:
        """Map word vectors to word vectors in context, [B, E, L, C].

        Args:
            words: Word vectors [B, E, L, C], padding last.
            word_mask: False for padding, bool [B, E, L]; the LSTM does not read it.
        """
        longest = words.shape[-2]
        lengths = word_mask.sum(-1).flatten().clamp(min=1).cpu()
        # In float32 even under autocast, because rounding errors would accumulate from step to step.
        with torch.autocast(words.device.type, enabled=False):
            rows = widen(words).flatten(0, -3)  # [B * E, L, C]
            packed = nn.utils.rnn.pack_padded_sequence(rows, lengths, batch_first=True, enforce_sorted=False)
            states, _ = self.lstm(packed)
            unpacked, _ = nn.utils.rnn.pad_packed_sequence(states, batch_first=True, total_length=longest)
        return words + unpacked.view_as(words)


class PixelWordInteraction(nn.Module):
    """Attention from pixels to words, whose result multiplies the pixel's own features:

        a_pn = softmax_n(q_p . k_n / sqrt(D)),  F_p = relu(W_o (v_p * sum_n a_pn u_n))

    q and v are linear maps of the pixel, k and u of the word. A linear map after the attention is not needed: since the
    attention is a weighted mean, such a map can be merged into u.
    """

    def __init__(self, pixel_channels: int, word_channels: int, channels: int) -> None:
        super().__init__()
        self.query = nn.Conv2d(pixel_channels, channels, 1)
        self.pixel = nn.Conv2d(pixel_channels, channels, 1)
        self.key = nn.Linear(word_channels, channels, bias=False)  # a bias would not change the softmax
        self.word = nn.Linear(word_channels, channels)
        self.output = nn.Conv2d(channels, channels, 1)

    def forward(self, pixels: Tensor, words: Tensor, word_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Join the pixels of a level with the words of E expressions for each picture.

        Args:
            pixels: Visual features [B, C, h, w].
            words: Word vectors [B, E, L, C_l].
            word_mask: False for padding, bool [B, E, L].

        Returns:
            Features F [B, E, D, h, w], and the mean attention of the pixels to each word, [B, E, L].
        """
        batch, expressions, longest, _ = words.shape
        queries, seen = self.query(pixels).flatten(2), self.pixel(pixels).flatten(2)  # [B, D, P]
        logits = self.key(words).flatten(1, 2) @ queries / math.sqrt(queries.shape[1])
        logits = logits.view(batch, expressions, longest, -1)  # [B, E, L, P]
        logits = logits.masked_fill(~word_mask[..., None], torch.finfo(logits.dtype).min)
        attention = logits.softmax(2)
        attended = self.word(words).transpose(2, 3) @ attention  # [B, E, D, P]
        joined = (seen[:, None] * attended).reshape(batch * expressions, -1, *pixels.shape[-2:])
        features = F.relu(self.output(joined), inplace=True)
        return features.view(batch, expressions, *features.shape[1:]), attention.mean(-1)
