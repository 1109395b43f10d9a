"""The parts of ACGA after its trunk: words in context, the two attentions, and the decoder (Wang et al., ICCV 2019).

The facts come from the paper and its released code (haowang1992/ACGA). The code initialises all linear maps with
N(0, 0.02), so that both attentions start as plain means, after a trunk pretrained on Kinetics. Ours must also train
from scratch. On drawn squares, a small network learnt fastest when the logits between positions started with a standard
deviation of 0.4: after 300 steps, its mean IoU was 0.74 and 0.78 in two runs, against 0.66 and 0.55 from plain means,
and 0.43 and 0.71 from deviations of 1.3 and 1.7. When positions first attended to those that looked like them, it was
0.23.
"""

from collections.abc import Sequence
from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.layers.products import widen
from refvid.model.layers.spatial import SPATIAL_CHANNELS, spatial_code

TOKEN_SQUARE = 3.0  # mean squared length of [v / |v|, s]
WORD_SPREAD = 0.5  # initial standard deviation of tanh(convolved vectors)
POSITION_SPREAD = 0.4  # initial standard deviation of the logits between positions


class ConvolvedWords(nn.Module):
    """Word vectors in context: tanh of a convolution over three words.

    Padding is set to zero, which is what the convolution itself pads with, so that the result does not depend on the
    amount of padding.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(channels, channels, 3, padding=1)

    def forward(self, words: Tensor, word_mask: Tensor) -> Tensor:
        """Map word vectors to word vectors in context, [B, E, L, C_l].

        Args:
            words: Word vectors [B, E, L, C_l].
            word_mask: True for real words, bool [B, E, L].
        """
        rows = words.masked_fill(~word_mask[..., None], 0.0).flatten(0, 1).transpose(1, 2)  # B E L C -> B*E C L
        convolved: Tensor = self.convolution(rows)
        return convolved.tanh().transpose(1, 2).reshape(words.shape)


class VisionGuidedLanguageAttention(nn.Module):
    """Attention from positions to words: sum_n softmax_n(u_p . t_n / sqrt(C_l)) t_n, where u is linear in [v, s].

    In the paper and the code, padding takes part in the softmax. Here it does not, because a mask must not depend on
    the length of the other expressions.
    """

    def __init__(self, token_channels: int, word_channels: int) -> None:
        super().__init__()
        self.reduce = nn.Linear(token_channels, word_channels)
        nn.init.normal_(self.reduce.weight, std=1 / (WORD_SPREAD * sqrt(TOKEN_SQUARE)))  # logits have a spread of 1
        nn.init.zeros_(self.reduce.bias)

    def forward(self, tokens: Tensor, words: Tensor, word_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Attend from positions to words.

        Args:
            tokens: Tokens [v_p / |v_p|, s_p], [B, P, C + 8].
            words: Words in context t_n, [B, E, L, C_l].
            word_mask: True for real words, bool [B, E, L].

        Returns:
            The mean of the words as weighted by each position, [B, E, P, C_l], and the weights, [B, E, P, L], 0 for
            padding.
        """
        queries = self.reduce(tokens)[:, None]  # B 1 P C_l
        logits = widen(queries @ words.transpose(2, 3)) / sqrt(words.shape[-1])
        weights = logits.masked_fill(~word_mask[:, :, None], float("-inf")).softmax(-1).to(words.dtype)
        return weights @ words, weights


class LanguageGuidedVisionAttention(nn.Module):
    """Attention from positions to positions, guided by the expression; its result replaces the features.

    With g = G max_n t_n, the logits are (g q_p) . (g k_p') / sqrt(C + 8), where q and k are linear in [v, s]. The
    values are linear in [v, s] too, but not multiplied by g. There is no residual, and only the C visual channels of
    the result are used, so that the other 8 are not computed.
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
            tokens: Tokens [v_p / |v_p|, s_p], [B, P, C + 8].
            words: Words in context t_n, [B, E, L, C_l].
            word_mask: True for real words, bool [B, E, L]; the maximum is over these.

        Returns:
            Attended features [B, E, P, C].
        """
        most = words.masked_fill(~word_mask[..., None], float("-inf")).amax(2)
        gate = self.gate(most)[:, :, None].square()  # B E 1 C+8, once for q and once for k
        queries = self.query(tokens)[:, None] * gate
        keys, values = (
            projection(tokens)[:, None].expand(-1, words.shape[1], -1, -1) for projection in (self.key, self.value)
        )
        return F.scaled_dot_product_attention(queries, keys.to(queries.dtype), values.to(queries.dtype))


class MultiResolutionDecoder(nn.Module):
    """A decoder with responses (logits) at three scales, whose final response is fused from all of them.

    Attended visual features are enlarged from scale to scale by a deconvolution and a 3 x 3 convolution, and the words
    attended to by each position by bilinear interpolation. At each scale, a small network maps both and the spatial
    code to a response. A 3 x 3 convolution of the three enlarged responses gives the final one.
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
        kernel, padding = 2 * enlargement, enlargement // 2  # each new position is a sum over 2 x 2 others
        self.magnification = enlargement**2  # from the smallest scale to the largest
        self.enlarge, self.responses = nn.ModuleList(), nn.ModuleList()
        for width, wider in zip(widths[1:], widths[:-1], strict=True):
            deconvolution = nn.ConvTranspose2d(wider, width, kernel, enlargement, padding)
            # PyTorch's default is scaled for the gradient of a deconvolution, not for its output.
            nn.init.normal_(deconvolution.weight, std=(4 * wider) ** -0.5)
            self.enlarge.append(nn.Sequential(deconvolution, nn.Conv2d(width, width, 3, padding=1)))
        for width, hidden in zip(widths, response_channels, strict=True):
            layers = [nn.Conv2d(width + word_channels + SPATIAL_CHANNELS, hidden, 3, padding=1), nn.ReLU(inplace=True)]
            layers += [nn.Conv2d(hidden, hidden, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(hidden, 1, 1)]
            self.responses.append(nn.Sequential(*layers))
        self.fuse = nn.Conv2d(len(widths), 1, 3, padding=1)
        nn.init.constant_(self.fuse.weight, 1 / self.fuse.weight[0].numel())  # starts as the mean of the responses

    def forward(self, visual: Tensor, words: Tensor) -> list[Tensor]:
        """Map attended features [N, C, h, w] and words [N, C_l, h, w] to logits [N, 1, ...], the coarsest first."""
        responses = []
        for scale, respond in enumerate(self.responses):
            visual = self.enlarge[scale - 1](visual) if scale else visual
            size = visual.shape[-2:]
            read = F.interpolate(words, size, mode="bilinear") if scale else words
            code = spatial_code(*size, dtype=visual.dtype, device=visual.device).expand(len(visual), -1, -1, -1)
            responses.append(respond(torch.cat([visual, read.to(visual.dtype), code], 1)))
        finest = responses[-1].shape[-2:]
        enlarged = [F.interpolate(response, finest, mode="bilinear") for response in responses[:-1]]
        return [*responses[:-1], self.fuse(torch.cat([*enlarged, responses[-1]], 1))]
