"""Words in their context, and the interaction of pixels with words at one level of HINet.

HINet's abstract says that features of both kinds meet at several levels of the visual encoder; how is our choice. It
is close to the pixel-word attention of LAVT (Yang et al., CVPR 2022), which has the same first author.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class RecurrentWords(nn.Module):
    """Word vectors that know their neighbours: each plus the state of a bidirectional LSTM at its place.

    "Left of the red car" and "red, left of the car" have the same words.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(channels, channels // 2, batch_first=True, bidirectional=True)

    def forward(self, words: Tensor, word_mask: Tensor) -> Tensor:
        """Map word vectors [B, E, L, C] to [B, E, L, C].

        Args:
            words: Real ones first.
            word_mask: False for padding, bool [B, E, L]; the LSTM never meets it.
        """
        longest = words.shape[-2]
        lengths = word_mask.sum(-1).flatten().clamp(min=1).cpu()
        # In float32 under autocast too: a step's rounding would be carried on to the last one.
        with torch.autocast(words.device.type, enabled=False):
            rows = words.float().flatten(0, -3)  # [B * E, L, C]
            packed = nn.utils.rnn.pack_padded_sequence(rows, lengths, batch_first=True, enforce_sorted=False)
            states, _ = self.lstm(packed)
            unpacked, _ = nn.utils.rnn.pad_packed_sequence(states, batch_first=True, total_length=longest)
        return words + unpacked.view_as(words)


class PixelWordInteraction(nn.Module):
    """Each pixel attends to the words and is multiplied with what it finds.

        a_pn = softmax_n(q_p . k_n / sqrt(D)),  F_p = relu(W_o (v_p * sum_n a_pn u_n))

    q and v are linear maps of the pixel, k and u of the word. Linear maps of a weighted mean are weighted means of
    linear maps, so u has in it whatever is done to the attended words before they meet the pixel.
    """

    def __init__(self, pixel_channels: int, word_channels: int, channels: int) -> None:
        super().__init__()
        self.query = nn.Conv2d(pixel_channels, channels, 1)
        self.pixel = nn.Conv2d(pixel_channels, channels, 1)
        self.key = nn.Linear(word_channels, channels, bias=False)  # a bias would raise all words alike
        self.word = nn.Linear(word_channels, channels)
        self.output = nn.Conv2d(channels, channels, 1)

    def forward(self, pixels: Tensor, words: Tensor, word_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Join the pixels of a level to the words of E expressions a picture.

        Args:
            pixels: [B, C, h, w].
            words: [B, E, L, C_l].
            word_mask: False for padding, bool [B, E, L].

        Returns:
            Features F [B, E, D, h, w], and the attention to each word, [B, E, L], the mean over pixels.
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
