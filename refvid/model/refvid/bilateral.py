"""Upsampling of logits from stride 4 to stride 2 along the edges in the picture; a variant of our own."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.layers.products import widen

SIDE = 5  # side of the window of coarse positions that are averaged
FINER = 2  # ratio of the two strides
WITHIN = FINER**2  # positions of stride 2 in each position of stride 4
CODE_CHANNELS = 8


class BilateralUpsampling(nn.Module):
    """Upsampling in which each position p of stride 2 takes a weighted mean of the logits around it.

    The mean is over the 5 x 5 positions q of stride 4 around p, with the weights

        w_pq = softmax_q(-|e_p - e_q|^2 + d_p(q - p) + s(q - p))

    e_p is a code made from the stem features at p, and e_q is the mean code of the four positions in q, so that a
    position averages over those that look like it: joint bilateral upsampling (Kopf et al., 2007) with a learnt
    similarity. d_p is a preference of p for each offset, made from the stem features, as in the convex upsampling of
    RAFT (Teed and Deng, 2020), and s is a learnt parameter that favours small distances. The weights are positive and
    sum to one, so that no logit lies outside the range of those around it. They do not depend on the expression, so
    that all expressions of a picture share them.

    With an input of the area of 192 x 192 pixels, true masks of drawn scenes that are averaged over the cells and
    upsampled bilinearly reach a mean IoU of 0.92 at stride 4 and of 0.975 at stride 2 (benchmarks/trunk_probe.py).

    Args:
        stem_channels: Width of the stem features.
        channels: Width D of the features that are made from them.
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
        """Map stem features [B, S, 4 h, 4 w] to the features [B, D, 4 h, 4 w] that `forward` expects."""
        return F.relu(self.inner(stem), inplace=True)

    def forward(self, logits: Tensor, features: Tensor) -> Tensor:
        """Upsample the logits of E expressions for each picture.

        Args:
            logits: Logits [B * E, 1, 2 h, 2 w].
            features: Output of `features` for the pictures, [B, D, 4 h, 4 w].

        Returns:
            Logits [B * E, 1, 4 h, 4 w], in float32 or wider.
        """
        weights = self.weights(features)
        batch, _, _, _, height, width = weights.shape
        around = _around(logits.to(weights.dtype).view(batch, -1, height, width))
        # One expression at a time: each product is 100 times as large as the logits, and only one is held in memory.
        mixed = [(weights * answers[:, :, :, None]).flatten(1, 2).sum(1) for answers in around.unbind(1)]
        return F.pixel_shuffle(torch.stack(mixed, 1).flatten(0, 1), FINER)

    def weights(self, features: Tensor) -> Tensor:
        """Map features [B, D, 4 h, 4 w] to the weights w [B, 5, 5, 4, 2 h, 2 w].

        The dimensions after the batch are the rows and columns of the window of coarse positions, the four fine
        positions in the coarse position at its centre, and the rows and columns of that position.
        """
        codes, direction = _split(widen(self.code(features))), _split(widen(self.direction(features)))
        with torch.autocast(features.device.type, enabled=False):
            coarse = codes.mean(2)
            lengths = coarse.square().sum(1, keepdim=True)
            # -|e_p - e_q|^2 = 2 e_p . e_q - |e_q|^2 - |e_p|^2, where the last term is the same for all q and does not
            # change the softmax. Each p has keys of its own, only 25 of 8 channels, and for such small matrices a
            # batched product takes ten times as long as this sum, channel by channel, over whole maps.
            near = direction + self.nearness.view(-1, WITHIN, 1, 1)
            affinity = near.view(-1, SIDE, SIDE, *near.shape[2:]) - _around(lengths)[:, 0, :, :, None]
            own, others = (2 * codes)[:, :, None, None], _around(coarse)[:, :, :, :, None]
            for one, other in zip(own.unbind(1), others.unbind(1), strict=True):
                affinity.addcmul_(one, other)
            weights: Tensor = affinity.flatten(1, 2).softmax(1).view(affinity.shape)
            return weights


def _nearness() -> Tensor:
    """Return the initial s: minus the squared distance of each coarse position from each fine one, [25 * 4].

    Distances are in coarse positions, from the 25 coarse positions of the window to the four fine positions in its
    centre. The result is a flat vector because weight decay applies only to parameters of two or more dimensions, and s
    must not decay to 0.
    """
    steps = torch.arange(SIDE) - SIDE // 2
    within = torch.tensor([-0.25, 0.25])
    apart = (steps[:, None] - within).square()  # [5, 2]
    return -(apart[:, None, :, None] + apart[None, :, None, :]).flatten()


def _split(maps: Tensor) -> Tensor:
    """Group maps [B, C, H, W] by blocks of 2 x 2 positions, [B, C, 4, H / 2, W / 2]."""
    batch, channels, height, width = maps.shape
    split = F.pixel_unshuffle(maps, FINER)
    return split.reshape(batch, channels, WITHIN, height // FINER, width // FINER).contiguous()


def _around(maps: Tensor) -> Tensor:
    """Return the 5 x 5 window around each position of maps [B, C, H, W] as a view [B, C, 5, 5, H, W].

    Beyond the edges of the maps, the outermost positions are repeated.
    """
    height, width = maps.shape[2:]
    padded = F.pad(maps, (SIDE // 2,) * 4, mode="replicate")
    return padded.unfold(2, height, 1).unfold(3, width, 1)
