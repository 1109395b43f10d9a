"""Folding a trained network for inference: operations that only training needs to keep apart are merged.

All results stay the same up to rounding. Batch norms are merged into the convolutions before them on every device; the
other changes are for the CPU.
"""

import copy
from typing import TypeVar, cast

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from refvid.model.cmsa.cross_frame import CrossFrameSelfAttention
from refvid.model.cmsa.cross_modal import CrossModalSelfAttention
from refvid.model.cmsa.fusion import GatedMultiLevelFusion
from refvid.model.cmsa.network import CmsaNetwork
from refvid.model.fast.attention import FoldedCrossFrame, FoldedCrossModal
from refvid.model.fast.backbone import FoldedLightBackbone
from refvid.model.fast.convolution import pack_convolutions
from refvid.model.fast.efficientnet import pack_efficientnet
from refvid.model.fast.pretrained import FoldedPretrainedBackbone
from refvid.model.fast.words import FoldedVectorEvidence, KeptVectorEmbedding
from refvid.model.interface import ReferringNetwork, lay_channels_last
from refvid.model.layers.backbone import LightBackbone, ResidualBlock
from refvid.model.layers.efficientnet import EfficientNetLite
from refvid.model.layers.pretrained import PretrainedBackbone
from refvid.model.layers.vector_embedding import VectorEmbedding
from refvid.model.refvid.network import RefvidNetwork
from refvid.model.refvid.vectors import VectorEvidence

Network = TypeVar("Network", bound=ReferringNetwork)
# The pairs of convolution and following norm in blocks that are not sequences. Blocks are matched by name, because
# importing torchvision, which owns the last two, is slow.
FOLLOWING = {
    f"{ResidualBlock.__module__}.ResidualBlock": (("conv1", "bn1"), ("conv2", "bn2")),
    "torchvision.models.resnet.BasicBlock": (("conv1", "bn1"), ("conv2", "bn2")),
    "torchvision.models.resnet.Bottleneck": (("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3")),
}
FOLDABLE_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


@torch.no_grad()
def fold(network: Network) -> Network:
    """Return a folded copy of a network for inference, which shares all unchanged weights with the network.

    The copy cannot be trained, and its weights cannot be saved as a checkpoint of the network.
    """
    shared: dict[int, object] = {
        id(tensor): nn.Parameter(tensor.detach(), requires_grad=False) for tensor in network.parameters()
    }
    shared.update((id(tensor), tensor) for tensor in network.buffers())
    folded = copy.deepcopy(network, shared).eval()
    fold_norms(folded)
    if next(folded.parameters()).device.type == "cpu":
        _prepare_for_cpu(folded)
    return folded.eval()


def fold_norms(module: nn.Module) -> None:
    """Fold the batch norms of a module in evaluation mode into the convolutions before them; leave identities."""
    kind = type(module)
    for names in FOLLOWING.get(f"{kind.__module__}.{kind.__qualname__}", ()):
        _fold_pair(module, *names)
    if isinstance(module, nn.Sequential):
        for before, after in zip(list(module._modules), list(module._modules)[1:], strict=False):
            _fold_pair(module, before, after)
    for child in module.children():
        fold_norms(child)


def _fold_pair(parent: nn.Module, before: str, after: str) -> None:
    convolution, norm = getattr(parent, before), getattr(parent, after)
    if isinstance(convolution, CONVOLUTIONS) and isinstance(norm, FOLDABLE_NORMS) and norm.track_running_stats:
        setattr(parent, before, fuse_conv_bn_eval(convolution, norm))
        setattr(parent, after, nn.Identity())


def _prepare_for_cpu(network: ReferringNetwork) -> None:
    """Replace parts of a network whose norms are folded by versions that are fast on a CPU, and reorder its weights."""
    if isinstance(network.backbone, LightBackbone):
        network.backbone = FoldedLightBackbone(network.backbone)
    for part in list(network.modules()):
        if isinstance(part, EfficientNetLite):
            pack_efficientnet(part)
    if isinstance(network.backbone, PretrainedBackbone):
        network.backbone = FoldedPretrainedBackbone(network.backbone)
    embedding: object = network.embedding
    if isinstance(embedding, VectorEmbedding):
        network.embedding = KeptVectorEmbedding(embedding)
    if isinstance(network, RefvidNetwork) and isinstance(network.evidence, VectorEvidence):
        network.evidence = FoldedVectorEvidence(network.evidence)
    if isinstance(network, CmsaNetwork):
        for index, attention in enumerate(network.cross_frame):
            network.cross_frame[index] = FoldedCrossFrame(cast(CrossFrameSelfAttention, attention))
        if isinstance(network.fusion, GatedMultiLevelFusion):
            for index, mapping in enumerate(network.fusion.project):
                joint = network.cross_modal[index]
                if type(joint) is CrossModalSelfAttention:
                    network.cross_modal[index] = FoldedCrossModal(joint, cast(nn.Conv2d, mapping))
    lay_channels_last(network)
    pack_convolutions(network)
