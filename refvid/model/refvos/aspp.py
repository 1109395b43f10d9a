"""Atrous spatial pyramid pooling as in DeepLabv3, and batch norms that can train on a single value per channel."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F


def atrous_pyramid(channels_in: int, channels: int, rates: Sequence[int], dropout: float) -> nn.Module:
    """Build torchvision's ASPP, which maps [B, C_in, h, w] to [B, C, h, w].

    A 1 x 1 convolution, a 3 x 3 convolution for each dilation in `rates`, and the mean over all positions, each with a
    batch norm and ReLU, are joined by another 1 x 1 convolution. It differs from torchvision's in two layers: the
    dropout rate is a parameter, and the batch norm after the mean, which has one value per picture and channel, can
    train on a batch of one.
    """
    # The import takes 1.5 s, which only this system should cost.
    from torchvision.models.segmentation.deeplabv3 import ASPP

    pyramid: nn.Module = ASPP(channels_in, rates, channels)
    for module in pyramid.modules():
        if isinstance(module, nn.Dropout):
            module.p = dropout
    branches = pyramid.get_submodule("convs")
    assert isinstance(branches, nn.ModuleList)
    pooling = branches[-1]
    assert isinstance(pooling, nn.Sequential)
    assert isinstance(pooling[2], nn.BatchNorm2d)
    pooling[2] = PatientBatchNorm2d(channels)
    return pyramid


class PatientBatchNorm1d(nn.BatchNorm1d):
    """A batch norm over rows [N, C] that uses its running statistics if a batch has only one row.

    A single value per channel has no variance: PyTorch rejects it in training, and normalising by it would leave only
    the bias. So such a batch is treated as in evaluation and does not change the running statistics (our choice; the
    released code of RefVOS fails).
    """

    def forward(self, input: Tensor) -> Tensor:
        """Map [N, C] to [N, C]."""
        return _normalise_as_in_evaluation(self, input) if _is_single(input) else super().forward(input)


class PatientBatchNorm2d(nn.BatchNorm2d):
    """A batch norm over maps [B, C, h, w] that uses its running statistics if B = h = w = 1."""

    def forward(self, input: Tensor) -> Tensor:
        """Map [B, C, h, w] to [B, C, h, w]."""
        return _normalise_as_in_evaluation(self, input) if _is_single(input) else super().forward(input)


def _is_single(values: Tensor) -> bool:
    """Return whether values [B, C, ...] contain only one value per channel."""
    return values.numel() == values.shape[1]


def _normalise_as_in_evaluation(norm: nn.BatchNorm1d | nn.BatchNorm2d, values: Tensor) -> Tensor:
    return F.batch_norm(values, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
