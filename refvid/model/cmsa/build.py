"""CMSA + CFSA and the paper's alternatives, built as a config describes them: alone, this file reads a `CmsaConfig`."""

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
from refvid.model.cmsa.network import FIRST_LEVEL, Attention, CmsaNetwork, Fusion
from refvid.model.layers.backbone import LightBackbone, ResNetBackbone
from refvid.model.layers.language import WordEmbedding
from refvid.model.layers.sentence import SentenceEmbedding
from refvid.model.layers.upsampling import DetailUpsampling
from refvid.model.refvid.actors import ActorCodes
from refvid.model.refvid.bilateral import BilateralUpsampling
from refvid.model.refvid.evidence import WordEvidence

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
    """Build what joins words and pixels on each level, with random weights."""
    if config.attention == "cvpr19":
        return cvpr19_attention(level_channels, config.embedding_channels, config.attention_channels)
    kind = POOLINGS[config.pooling] if config.attention == "cross-modal" else ATTENTIONS[config.attention]
    return [kind(channels, config.embedding_channels, config.attention_channels) for channels in level_channels]


def build_cmsa(config: CmsaConfig) -> CmsaNetwork:
    """Build the network a config describes, with random weights."""
    backbone: ResNetBackbone | LightBackbone = (
        ResNetBackbone()
        if config.backbone == "resnet101"
        else LightBackbone(
            config.backbone_channels,
            config.colour_channels,
            config.detail_channels,
            with_stem=bool(config.bilateral_channels),
        )
    )
    cross_modal = build_attention(config, backbone.channels)
    cross_frame = [
        CrossFrameSelfAttention(
            backbone.channels[level - FIRST_LEVEL],
            config.attention_channels,
            space_time=config.cross_frame_code == "space-time",
            radius=max(1, config.frame_radius),
        )
        for level in config.cross_frame_levels
    ]
    embedding = WordEmbedding if config.language == "words" else SentenceEmbedding
    return CmsaNetwork(
        backbone=backbone,
        embedding=embedding(len(config.vocabulary), config.embedding_channels),
        cross_frame=nn.ModuleList(cross_frame if config.cross_frame else []),
        cross_frame_levels=config.cross_frame_levels,
        cross_modal=nn.ModuleList(cross_modal),
        fusion=FUSIONS[config.fusion]([level.channels for level in cross_modal], config.fusion_channels),
        detail=DetailUpsampling(config.detail_channels, config.fusion_channels, actors=bool(config.actor_channels))
        if config.detail_channels
        else None,
        bilateral=BilateralUpsampling(config.backbone_channels[0], config.bilateral_channels)
        if config.bilateral_channels
        else None,
        actors=ActorCodes(backbone.channels, config.detail_channels, config.actor_channels)
        if config.actor_channels
        else None,
        evidence=WordEvidence(backbone.channels, config.embedding_channels, len(config.vocabulary))
        if config.word_evidence
        else None,
        frame_radius=config.frame_radius,
        pixel_mean=config.pixel_mean,
        pixel_std=config.pixel_std,
    )
