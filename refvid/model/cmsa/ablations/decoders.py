"""The decoders that Table 2 compares gated multi-level fusion with: pyramid pooling, deconvolution, ConvLSTM.

Section 4.2.4 names them "well-known network structures used for obtaining fine details of the segmentation mask", each
by a citation, and says of all that "we use our cross-modal self-attentive features as inputs". How they were built is
not told: what comes from the structures cited, what from released code and what is our own is said below. All take X^i
of Section 3.3 and end in the 3 x 3 convolution of Eq. 7, so that against Eq. 6 only what lies between differs.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.cmsa.fusion import Projectable, project_levels

BINS = (1, 2, 3, 6)  # a side, of the four grids of pyramid pooling


def bin_weights(bins: int, like: Tensor, dim: int) -> Tensor:
    """Return the averages that pool one side of a map to some bins, as a matrix [bins, n].

    Bin i is the mean of the cells from floor(i n / bins) up to, without, ceil((i + 1) n / bins): never none, so that a
    side shorter than `bins` is pooled too; its cells are in several bins then. These are the bins of
    `adaptive_avg_pool2d`, which on MPS refuses uneven ones in the older PyTorch we allow (pytorch/pytorch#143864).

    Args:
        bins: How many.
        like: The map; the matrix has its type and device.
        dim: The side of it to pool, of length n.
    """
    length = like.shape[dim]
    number, cell = torch.arange(bins, device=like.device)[:, None], torch.arange(length, device=like.device)
    first, end = number * length // bins, ((number + 1) * length + bins - 1) // bins
    inside = (first <= cell) & (cell < end)
    return inside.to(like.dtype) / inside.sum(1, keepdim=True)


class PyramidPoolingFusion(nn.Module):
    """ "CMSA + PPM": the sum of the levels, with its means over grids of 1, 2, 3 and 6 bins a side beside it.

    From the pyramid pooling module cited: the bins, averages, a 1 x 1 convolution to a quarter of the channels for each
    grid, bilinear upsampling, concatenation with what was pooled, and one 3 x 3 convolution of it all. The module has
    one map for its input. The paper does not say whether that is Res5 or the three levels; it lists the row among
    "multi-level feature fusion methods", so we take their sum, as `SummedFusion` does. Our own too: no batch
    normalisation, which no part of the fusions has and which a single picture's grid of one bin does not allow.
    """

    def __init__(self, level_channels: Sequence[int], channels: int) -> None:
        super().__init__()
        reduced = max(1, channels // len(BINS))
        self.project = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in level_channels)
        self.reduce = nn.ModuleList(nn.Conv2d(channels, reduced, 1) for _ in BINS)
        self.merge = nn.Conv2d(channels + len(BINS) * reduced, channels, 3, padding=1)
        self.score = nn.Conv2d(channels, 1, 3, padding=1)

    def fuse(self, levels: Sequence[Projectable]) -> Tensor:
        """Map the multimodal features of each level, D_i channels, to one map [B * E, X, h, w]."""
        total = torch.stack(project_levels(self.project, levels)).sum(0)
        pyramid = [total]
        for bins, reduce in zip(BINS, self.reduce, strict=True):
            pooled = bin_weights(bins, total, -2) @ total @ bin_weights(bins, total, -1).mT  # [B * E, X, bins, bins]
            pyramid.append(F.interpolate(F.relu(reduce(pooled)), total.shape[-2:], mode="bilinear"))
        return F.relu(self.merge(torch.cat(pyramid, 1)))

    def forward(self, levels: Sequence[Projectable]) -> Tensor:
        """Map the multimodal features of each level, D_i channels, to mask logits [B * E, 1, h, w]."""
        return cast(Tensor, self.score(self.fuse(levels)))


class DeconvolutionFusion(nn.Module):
    """ "CMSA + Deconv": transposed convolutions from Res5 back over Res4 and Res3, and to twice the resolution.

    The network cited mirrors its trunk: unpooling and transposed convolutions with ReLU, from the deepest features to
    the resolution of the picture. Here all levels have stride 8, with nothing to unpool between them, so the steps from
    Res5 to Res4 and from Res4 to Res3 are transposed convolutions of 3 x 3 and stride 1. Then one of stride 2 doubles
    the grid; it is 4 x 4, so that every position is made of equally many terms. Our own: X^4 and X^3 are added where
    they are reached (the network cited has no such ways across, but the row is one of "multi-level feature fusion"); no
    batch normalisation; and we stop at stride 4, where `DetailUpsampling` stops too, and upsample the logits from there
    bilinearly: X channels in every pixel would cost 16 times as much.
    """

    def __init__(self, level_channels: Sequence[int], channels: int) -> None:
        super().__init__()
        self.project = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in level_channels)
        self.steps = nn.ModuleList(nn.ConvTranspose2d(channels, channels, 3, padding=1) for _ in level_channels[1:])
        self.enlarge = nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1)
        self.score = nn.Conv2d(channels, 1, 3, padding=1)

    def fuse(self, levels: Sequence[Projectable]) -> Tensor:
        """Map the multimodal features of each level, D_i channels on h x w, to one map [B * E, X, 2 h, 2 w]."""
        *shallower, decoded = project_levels(self.project, levels)
        for step, level in zip(self.steps, reversed(shallower), strict=True):
            decoded = F.relu(step(decoded)) + level
        return F.relu(self.enlarge(decoded))

    def forward(self, levels: Sequence[Projectable]) -> Tensor:
        """Map the multimodal features of each level, D_i channels, to mask logits [B * E, 1, 2 h, 2 w]."""
        return cast(Tensor, self.score(self.fuse(levels)))


class ConvolutionalLSTMFusion(nn.Module):
    """ "CMSA + ConvLSTM": an LSTM at every position reads Res5, Res4 and Res3, and its last hidden state is the result.

    Section 2 says of the network cited (RRN) that it "progressively refines segmentation masks from high-level to
    low-level features sequentially": hence the order. From its released code (liruiyu/referseg_rrn): X units, kernels
    of 1 x 1, a forget gate that begins with 1 added, and the 3 x 3 convolution of the last hidden state. Left out: its
    peephole weights, one a position and channel, which fix the size of the grid, and its layer normalisation of the
    gates over the whole map, with which the padding would have a say in every mask.
    """

    def __init__(self, level_channels: Sequence[int], channels: int) -> None:
        super().__init__()
        self.project = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in level_channels)
        self.gates = nn.Conv2d(2 * channels, 4 * channels, 1)  # input, forget, output, candidate
        self.score = nn.Conv2d(channels, 1, 3, padding=1)
        with torch.no_grad():
            cast(Tensor, self.gates.bias)[channels : 2 * channels] += 1

    def fuse(self, levels: Sequence[Projectable]) -> Tensor:
        """Map the multimodal features of each level, D_i channels, to the last hidden state [B * E, X, h, w]."""
        x = project_levels(self.project, levels)
        hidden = memory = torch.zeros_like(x[-1])
        for level in reversed(x):
            hidden, memory = self.step(level, hidden, memory)
        return hidden

    def step(self, level: Tensor, hidden: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Read one level; it, the hidden state and the memory are [B * E, X, h, w], and so are the new two."""
        taken, kept, shown, candidate = self.gates(torch.cat([level, hidden], 1)).chunk(4, dim=1)
        memory = torch.sigmoid(kept) * memory + torch.sigmoid(taken) * torch.tanh(candidate)
        return torch.sigmoid(shown) * torch.tanh(memory), memory

    def forward(self, levels: Sequence[Projectable]) -> Tensor:
        """Map the multimodal features of each level, D_i channels, to mask logits [B * E, 1, h, w]."""
        return cast(Tensor, self.score(self.fuse(levels)))
