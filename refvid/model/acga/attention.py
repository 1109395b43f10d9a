"""The parts of ACGA behind its trunk: words in context, the two attentions, the decoder (Wang et al., ICCV 2019).

Facts come from the paper and its released code (haowang1992/ACGA). The code begins all linear maps at N(0, 0.02), so
that both attentions begin as plain means, behind a trunk that knows Kinetics. Ours has to learn from nothing too. On
drawn squares a small network learnt soonest where the logits between positions began with a spread of 0.4: after 300
steps its mean IoU was 0.74 and 0.78 in two runs, against 0.66 and 0.55 from plain means, and 0.43 and 0.71 from spreads
of 1.3 and 1.7. Where positions began with those that look like them it was 0.23.
"""

from collections.abc import Sequence
from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.layers.products import widen
from refvid.model.layers.spatial import SPATIAL_CHANNELS, spatial_code

TOKEN_SQUARE = 3.0  # |[v / |v|, s]|^2 on the average
WORD_SPREAD = 0.5  # of tanh(convolved vectors), at first
POSITION_SPREAD = 0.4  # of the logits between positions, at first


class ConvolvedWords(nn.Module):
    """Word vectors that know the words beside them: tanh of a convolution over three words.

    Padding counts as nothing. It stands where the convolution of a shorter sentence has its own zeros, so that no word
    can tell them apart.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(channels, channels, 3, padding=1)

    def forward(self, words: Tensor, word_mask: Tensor) -> Tensor:
        """Map word vectors to [B, E, L, C_l].

        Args:
            words: [B, E, L, C_l].
            word_mask: True for real words, bool [B, E, L].
        """
        rows = words.masked_fill(~word_mask[..., None], 0.0).flatten(0, 1).transpose(1, 2)  # B E L C -> B*E C L
        convolved: Tensor = self.convolution(rows)
        return convolved.tanh().transpose(1, 2).reshape(words.shape)


class VisionGuidedLanguageAttention(nn.Module):
    """What each position makes of the expression: sum_n softmax_n(u_p . t_n / sqrt(C_l)) t_n, u linear in [v, s].

    In paper and code padding takes part in the softmax. Here it does not: a mask must not depend on how long the
    expressions beside its own are.
    """

    def __init__(self, token_channels: int, word_channels: int) -> None:
        super().__init__()
        self.reduce = nn.Linear(token_channels, word_channels)
        nn.init.normal_(self.reduce.weight, std=1 / (WORD_SPREAD * sqrt(TOKEN_SQUARE)))  # logits have a spread of 1
        nn.init.zeros_(self.reduce.bias)

    def forward(self, tokens: Tensor, words: Tensor, word_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Attend from positions to words.

        Args:
            tokens: [v_p / |v_p|, s_p], [B, P, C + 8].
            words: t, [B, E, L, C_l].
            word_mask: True for real words, bool [B, E, L].

        Returns:
            Words as each position weighs them [B, E, P, C_l], and the weights [B, E, P, L], 0 for padding.
        """
        asked = self.reduce(tokens)[:, None]  # B 1 P C_l
        logits = widen(asked @ words.transpose(2, 3)) / sqrt(words.shape[-1])
        weights = logits.masked_fill(~word_mask[:, :, None], float("-inf")).softmax(-1).to(words.dtype)
        return weights @ words, weights


class LanguageGuidedVisionAttention(nn.Module):
    """What each position sees elsewhere, in the light of the expression, in place of its own features.

    With g = G max_n t_n, the logits are (g q_p) . (g k_p') / sqrt(C + 8), for q and k linear in [v, s]; values are
    linear in it too, and not weighed by g. Of what comes out only the C visual channels are kept, and nothing is added
    to it. The other 8 are therefore not computed.
    """

    def __init__(self, visual_channels: int, word_channels: int) -> None:
        super().__init__()
        width = visual_channels + SPATIAL_CHANNELS
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.value = nn.Linear(width, visual_channels)
        self.gate = nn.Linear(word_channels, width)
        for projection in (self.query, self.key):
            nn.init.normal_(projection.weight, std=sqrt(POSITION_SPREAD / TOKEN_SQUARE))
        nn.init.normal_(self.value.weight, std=TOKEN_SQUARE**-0.5)  # values have a spread of 1
        nn.init.normal_(self.gate.weight, std=0.02)
        for projection in (self.query, self.key, self.value):
            nn.init.zeros_(projection.bias)
        nn.init.ones_(self.gate.bias)

    def forward(self, tokens: Tensor, words: Tensor, word_mask: Tensor) -> Tensor:
        """Attend from positions to positions.

        Args:
            tokens: [v_p / |v_p|, s_p], [B, P, C + 8].
            words: t, [B, E, L, C_l].
            word_mask: True for real words, bool [B, E, L]; the maximum is over these.

        Returns:
            [B, E, P, C].
        """
        most = words.masked_fill(~word_mask[..., None], float("-inf")).amax(2)
        gate = self.gate(most)[:, :, None].square()  # B E 1 C+8, once for q and once for k
        queries = self.query(tokens)[:, None] * gate
        keys, values = (
            projection(tokens)[:, None].expand(-1, words.shape[1], -1, -1) for projection in (self.key, self.value)
        )
        return F.scaled_dot_product_attention(queries, keys.to(queries.dtype), values.to(queries.dtype))


class MultiResolutionDecoder(nn.Module):
    """Responses at three scales, and the last of them made of all three.

    Attended visual features are brought from scale to scale by a deconvolution and a 3 x 3 convolution; the words that
    each position has chosen, by bilinear interpolation. At each scale a small network responds to these two and the
    spatial code, and a 3 x 3 convolution of the three responses, enlarged, is the last response.
    """

    def __init__(
        self,
        visual_channels: int,
        word_channels: int,
        *,
        decoder_channels: Sequence[int],
        response_channels: Sequence[int],
        enlargement: int,
    ) -> None:
        super().__init__()
        widths = (visual_channels, *decoder_channels)
        kernel, padding = 2 * enlargement, enlargement // 2  # each position is made of 2 x 2 others
        self.magnification = enlargement**2  # from the smallest scale to the largest
        self.enlarge, self.responses = nn.ModuleList(), nn.ModuleList()
        for width, wider in zip(widths[1:], widths[:-1], strict=True):
            deconvolution = nn.ConvTranspose2d(wider, width, kernel, enlargement, padding)
            nn.init.normal_(deconvolution.weight, std=(4 * wider) ** -0.5)  # torch's own is for the way back
            self.enlarge.append(nn.Sequential(deconvolution, nn.Conv2d(width, width, 3, padding=1)))
        for width, hidden in zip(widths, response_channels, strict=True):
            layers = [nn.Conv2d(width + word_channels + SPATIAL_CHANNELS, hidden, 3, padding=1), nn.ReLU(inplace=True)]
            layers += [nn.Conv2d(hidden, hidden, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(hidden, 1, 1)]
            self.responses.append(nn.Sequential(*layers))
        self.fuse = nn.Conv2d(len(widths), 1, 3, padding=1)
        nn.init.constant_(self.fuse.weight, 1 / self.fuse.weight[0].numel())  # begins as the mean of the responses

    def forward(self, visual: Tensor, words: Tensor) -> list[Tensor]:
        """Map attended features [N, C, h, w] and words [N, C_l, h, w] to logits [N, 1, ...], small, medium, large."""
        responses = []
        for scale, training_logits in enumerate(self.responses):
            visual = self.enlarge[scale - 1](visual) if scale else visual
            size = visual.shape[-2:]
            told = F.interpolate(words, size, mode="bilinear") if scale else words
            code = spatial_code(*size, dtype=visual.dtype, device=visual.device).expand(len(visual), -1, -1, -1)
            responses.append(training_logits(torch.cat([visual, told.to(visual.dtype), code], 1)))
        finest = responses[-1].shape[-2:]
        enlarged = [F.interpolate(response, finest, mode="bilinear") for response in responses[:-1]]
        return [*responses[:-1], self.fuse(torch.cat([*enlarged, responses[-1]], 1))]
