"""The decoders that Table 2 compares with gated multi-level fusion: pyramid pooling, deconvolution and ConvLSTM.

Section 4.2.4 calls them "well-known network structures used for obtaining fine details of the segmentation mask", cites
a paper for each, and says that "we use our cross-modal self-attentive features as inputs". It does not say how they
were built; each class below says what comes from the cited paper, from released code, or from us. All start from X^i of
section 3.3 and end in the 3 x 3 convolution of Eq. 7, so that they differ from Eq. 6 only in between.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.cmsa.fusion import Projectable, project_levels

BINS = (1, 2, 3, 6)  # bins along each side of the four grids of pyramid pooling


def bin_weights(bins: int, like: Tensor, dim: int) -> Tensor:
    """Return the matrix [bins, n] that averages one side of a map, of length n, over bins.

    Bin i is the mean of the cells from floor(i n / bins) up to but not including ceil((i + 1) n / bins). No bin is
    empty: if a side is shorter than `bins`, its cells belong to several bins. `adaptive_avg_pool2d` has the same bins,
    but on MPS some supported PyTorch versions reject uneven ones (pytorch/pytorch#143864).

    Args:
        bins: Number of bins.
        like: Map to be pooled; the matrix has its type and device.
        dim: Dimension of the side to be pooled.
    """
    length = like.shape[dim]
    number, cell = torch.arange(bins, device=like.device)[:, None], torch.arange(length, device=like.device)
    first, end = number * length // bins, ((number + 1) * length + bins - 1) // bins
    inside = (first <= cell) & (cell < end)
    return inside.to(like.dtype) / inside.sum(1, keepdim=True)


class PyramidPoolingFusion(nn.Module):
    """ "CMSA + PPM": the sum of the levels, joined to its means over grids with 1, 2, 3 and 6 bins along each side.

    From the cited pyramid pooling module come the bins, the averages, a 1 x 1 convolution to a quarter of the channels
    for each grid, bilinear upsampling, concatenation with the input, and one 3 x 3 convolution of all. The input of the
    module is one map. The paper does not say whether this is Res5 or all three levels; because it lists the row among
    "multi-level feature fusion methods", we use their sum, as `SummedFusion` does. We also leave out batch
    normalisation, which no other fusion has and which is undefined for a single picture's grid of one bin.
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
    """ "CMSA + Deconv": transposed convolutions from Res5 back to Res4 and Res3, and on to twice the resolution.

    The cited network mirrors its trunk: unpooling and transposed convolutions with ReLU, from the deepest features to
    the resolution of the picture. Here all levels have stride 8, so that nothing is to be unpooled between them, and
    the steps from Res5 to Res4 and from Res4 to Res3 are transposed 3 x 3 convolutions of stride 1. A last one of
    stride 2 doubles the grid; it is 4 x 4, so that every position is a sum of equally many terms. These are our
    choices: X^4 and X^3 are added after the steps to them, because the row counts as "multi-level feature fusion",
    although the cited network has no such connections; there is no batch normalisation; and we stop at stride 4, like
    `DetailUpsampling`, and upsample the logits bilinearly from there, since X channels at every pixel would cost 16
    times as much.
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

    Section 2 says that the cited network (RRN) "progressively refines segmentation masks from high-level to low-level
    features sequentially", hence the order. Its released code (liruiyu/referseg_rrn) gives X units, 1 x 1 kernels, a
    forget gate with a bias of 1, and the 3 x 3 convolution of the last hidden state. We leave out its peephole weights,
    one per position and channel, which would fix the size of the grid, and its layer normalisation of the gates over
    the whole map, which would let padding influence every mask.
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
        """Return the hidden state and the memory after reading one level; all tensors are [B * E, X, h, w]."""
        taken, kept, shown, candidate = self.gates(torch.cat([level, hidden], 1)).chunk(4, dim=1)
        memory = torch.sigmoid(kept) * memory + torch.sigmoid(taken) * torch.tanh(candidate)
        return torch.sigmoid(shown) * torch.tanh(memory), memory

    def forward(self, levels: Sequence[Projectable]) -> Tensor:
        """Map the multimodal features of each level, D_i channels, to mask logits [B * E, 1, h, w]."""
        return cast(Tensor, self.score(self.fuse(levels)))
