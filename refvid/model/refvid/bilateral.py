"""Logits brought from stride 4 to stride 2 along the edges of the picture; a variant of our own."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.layers.products import widen

SIDE = 5  # positions across, around each one, that answer for it
FINER = 2  # times
WITHIN = FINER**2  # positions of stride 2 within one of stride 4
CODE_CHANNELS = 8


class BilateralUpsampling(nn.Module):
    """Each position of stride 2 takes the mean logit of the 5 x 5 positions of stride 4 around it, weighed by likeness.

        w_pq = softmax_q(-|e_p - e_q|^2 + d_p(q - p) + s(q - p))

    e_p is a code of what the stem sees at p, and e_q the mean of those of the four positions within q, so that a
    position asks those that look like it: joint bilateral upsampling (Kopf et al., 2007) with learnt likeness. d is
    what the stem's features say of each direction, as in the convex upsampling of RAFT (Teed and Deng, 2020), and s, a
    parameter, what is near. Weights are positive and sum to one: no logit lies outside the range of those around it.
    They know no expression, and those of a call share them.

    On the area of 192 x 192 pixels, true masks averaged over cells and brought back bilinearly keep a mean IoU of 0.92
    on drawn scenes at stride 4, of 0.975 at stride 2 (benchmarks/trunk_probe.py).

    Args:
        stem_channels: Of the stem's features.
        channels: Width of the features that are kept of them.
    """

    def __init__(self, stem_channels: int, channels: int) -> None:
        super().__init__()
        self.inner = nn.Conv2d(stem_channels, channels, 3, padding=1)
        self.code = nn.Conv2d(channels, CODE_CHANNELS, 1)
        self.direction = nn.Conv2d(channels, SIDE**2, 1)
        self.nearness = nn.Parameter(_nearness())
        nn.init.zeros_(self.direction.weight)
        nn.init.zeros_(cast(Tensor, self.direction.bias))

    def features(self, stem: Tensor) -> Tensor:
        """Map the stem's features [B, C, 4 h, 4 w] to those that `forward` takes, [B, D, 4 h, 4 w]."""
        return F.relu(self.inner(stem), inplace=True)

    def forward(self, logits: Tensor, features: Tensor) -> Tensor:
        """Return the logits of E expressions a picture at twice the resolution.

        Args:
            logits: [B * E, 1, 2 h, 2 w].
            features: Of the pictures, [B, D, 4 h, 4 w].

        Returns:
            [B * E, 1, 4 h, 4 w], in float32 or wider.
        """
        weights = self.weights(features)
        batch, _, _, _, height, width = weights.shape
        around = _around(logits.to(weights.dtype).view(batch, -1, height, width))
        # One expression after another, so that few products are kept at a time.
        mixed = [(weights * answers[:, :, :, None]).flatten(1, 2).sum(1) for answers in around.unbind(1)]
        return F.pixel_shuffle(torch.stack(mixed, 1).flatten(0, 1), FINER)

    def weights(self, features: Tensor) -> Tensor:
        """Return w [B, 5, 5, 4, 2 h, 2 w], of each of the 5 x 5 positions of stride 4 around for each of the 4
        positions within, for features [B, D, 4 h, 4 w].
        """
        codes, direction = _split(widen(self.code(features))), _split(widen(self.direction(features)))
        with torch.autocast(features.device.type, enabled=False):
            coarse = codes.mean(2)
            lengths = coarse.square().sum(1, keepdim=True)
            # -|e_p - e_q|^2 = 2 e_p . e_q - |e_q|^2 and what is the same for all q, summed channel by channel: of so
            # few, a product of matrices takes ten times as long.
            near = direction + self.nearness.view(-1, WITHIN, 1, 1)
            affinity = near.view(-1, SIDE, SIDE, *near.shape[2:]) - _around(lengths)[:, 0, :, :, None]
            own, others = (2 * codes)[:, :, None, None], _around(coarse)[:, :, :, :, None]
            for one, other in zip(own.unbind(1), others.unbind(1), strict=True):
                affinity.addcmul_(one, other)
            weights: Tensor = affinity.flatten(1, 2).softmax(1).view(affinity.shape)
            return weights


def _nearness() -> Tensor:
    """Return minus the squared distance, in positions of stride 4, of each of the 25 from each of the four within the
    middle one, [25 * 4]: in one row, so that no decay of kernels draws it to 0.
    """
    steps = torch.arange(SIDE) - SIDE // 2
    within = torch.tensor([-0.25, 0.25])
    apart = (steps[:, None] - within).square()  # [5, 2]
    return -(apart[:, None, :, None] + apart[None, :, None, :]).flatten()


def _split(maps: Tensor) -> Tensor:
    """Return the four positions within each of a grid half as fine, of any size: [B, C, H, W] to
    [B, C, 4, H / 2, W / 2].
    """
    batch, channels, height, width = maps.shape
    split = F.pixel_unshuffle(maps, FINER)
    return split.reshape(batch, channels, WITHIN, height // FINER, width // FINER).contiguous()


def _around(maps: Tensor) -> Tensor:
    """Return the 5 x 5 positions around each one, the outermost repeated beyond the edges: of a grid of any size,
    [B, C, H, W] to a view [B, C, 5, 5, H, W].
    """
    height, width = maps.shape[2:]
    padded = F.pad(maps, (SIDE // 2,) * 4, mode="replicate")
    return padded.unfold(2, height, 1).unfold(3, width, 1)
