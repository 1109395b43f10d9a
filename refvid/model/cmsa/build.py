"""Building CMSA + CFSA and the alternatives of the paper's tables from a config."""

from collections.abc import Callable, Sequence

from torch import nn

from refvid.model.cmsa.ablations.attention import (
    AttentionAlternative,
    NoAttention,
    PixelAttention,
    WordAttention,
    WordPixelPairAttention,
)
from refvid.model.cmsa.ablations.cvpr19 import Cvpr19Fusion, cvpr19_attention
from refvid.model.cmsa.ablations.decoders import ConvolutionalLSTMFusion, DeconvolutionFusion, PyramidPoolingFusion
from refvid.model.cmsa.ablations.fusion import SelfGatedFusion, SummedFusion
from refvid.model.cmsa.ablations.pooling import MaxPooledAttention, MeanPooledAttention
from refvid.model.cmsa.config import AttentionName, CmsaConfig, FusionName, PoolingName
from refvid.model.cmsa.cross_frame import CrossFrameSelfAttention
from refvid.model.cmsa.cross_modal import CrossModalSelfAttention
from refvid.model.cmsa.fusion import GatedMultiLevelFusion
from refvid.model.cmsa.network import FIRST_LEVEL, Attention, CmsaNetwork, CmsaParts, Fusion
from refvid.model.layers.sentence import SentenceEmbedding
from refvid.model.layers.trunks import Backbone, build_backbone
from refvid.model.layers.vector_embedding import build_word_embedding

POOLINGS: dict[PoolingName, type[CrossModalSelfAttention]] = {
    "word-attention": CrossModalSelfAttention,
    "mean": MeanPooledAttention,
    "max": MaxPooledAttention,
}
ATTENTIONS: dict[AttentionName, type[AttentionAlternative]] = {
    "word": WordAttention,
    "pixel": PixelAttention,
    "word-pixel": WordPixelPairAttention,
    "none": NoAttention,
}
FUSIONS: dict[FusionName, Callable[[Sequence[int], int], Fusion]] = {
    "gmlf": GatedMultiLevelFusion,
    "self-gated": SelfGatedFusion,
    "conv-lstm": ConvolutionalLSTMFusion,
    "deconvolution": DeconvolutionFusion,
    "ppm": PyramidPoolingFusion,
    "cvpr19": Cvpr19Fusion,
    "none": SummedFusion,
}


def build_attention(config: CmsaConfig, level_channels: Sequence[int]) -> Sequence[Attention]:
    """Build the attention between words and pixels for each level, with random weights."""
    if config.attention == "cvpr19":
        return cvpr19_attention(level_channels, config.embedding_channels, config.attention_channels)
    kind = POOLINGS[config.pooling] if config.attention == "cross-modal" else ATTENTIONS[config.attention]
    return [kind(channels, config.embedding_channels, config.attention_channels) for channels in level_channels]


def build_cross_frame(config: CmsaConfig, level_channels: Sequence[int]) -> list[CrossFrameSelfAttention]:
    """Build CFSA for each level in `cross_frame_levels`, with random weights."""
    return [
        CrossFrameSelfAttention(level_channels[level - FIRST_LEVEL], config.attention_channels)
        for level in config.cross_frame_levels
    ]


def join_parts(config: CmsaConfig, backbone: Backbone, cross_frame: Sequence[CrossFrameSelfAttention]) -> CmsaParts:
    """Build the remaining parts around a given backbone and CFSA, and return all parts."""
    cross_modal = build_attention(config, backbone.channels)
    words = build_word_embedding(config)
    return CmsaParts(
        backbone=backbone,
        embedding=words if config.language == "words" else SentenceEmbedding(words, config.embedding_channels),
        cross_frame=nn.ModuleList(cross_frame if config.cross_frame else []),
        cross_frame_levels=config.cross_frame_levels,
        cross_modal=nn.ModuleList(cross_modal),
        fusion=FUSIONS[config.fusion]([level.channels for level in cross_modal], config.fusion_channels),
        frame_radius=config.frame_radius,
        pixel_mean=config.pixel_mean,
        pixel_std=config.pixel_std,
    )


def build_cmsa(config: CmsaConfig) -> CmsaNetwork:
    """Build the network described by a config, with random weights."""
    backbone = build_backbone(config)
    return CmsaNetwork(join_parts(config, backbone, build_cross_frame(config, backbone.channels)))
