"""Atrous spatial pyramid pooling as in DeepLabv3, and batch norms that bear a batch of one."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F


def atrous_pyramid(channels_in: int, channels: int, rates: Sequence[int], dropout: float) -> nn.Module:
    """Build torchvision's ASPP, which maps [B, C_in, h, w] to [B, C, h, w].

    A 1 x 1 convolution, a 3 x 3 convolution for each dilation of `rates`, and the mean over all positions, each with a
    batch norm and ReLU, are joined by another 1 x 1 convolution. Two layers are not torchvision's: dropout is a
    parameter, and the norm of the mean, which has one value a picture, bears a batch of one.
    """
    from torchvision.models.segmentation.deeplabv3 import (
        ASPP,  # takes a second and a half, which other systems need not wait for
    )

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
    """A batch norm over rows [N, C] that takes its running statistics where there is one row to learn from.

    One value a channel has no variance: torch refuses it in training, and to normalise by it would leave nothing but
    the bias. So a batch of one is treated as in evaluation, and does not move the running statistics (our choice; the
    released code of RefVOS fails there).
    """

    def forward(self, input: Tensor) -> Tensor:
        """Map [N, C] to [N, C]."""
        return _as_in_evaluation(self, input) if _alone(input) else super().forward(input)


class PatientBatchNorm2d(nn.BatchNorm2d):
    """The same of maps [B, C, h, w], where B = h = w = 1."""

    def forward(self, input: Tensor) -> Tensor:
        """Map [B, C, h, w] to [B, C, h, w]."""
        return _as_in_evaluation(self, input) if _alone(input) else super().forward(input)


def _alone(values: Tensor) -> bool:
    """Return whether values [B, C, ...] hold but one a channel."""
    return values.numel() == values.shape[1]


def _as_in_evaluation(norm: nn.BatchNorm1d | nn.BatchNorm2d, values: Tensor) -> Tensor:
    return F.batch_norm(values, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
