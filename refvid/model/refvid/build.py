"""Building refvid, our own variant of CMSA + CFSA, from a config."""

from refvid.model.cmsa.build import build_cross_frame, join_parts
from refvid.model.cmsa.cross_frame import CrossFrameSelfAttention
from refvid.model.cmsa.network import FIRST_LEVEL
from refvid.model.layers.language import WordEmbedding
from refvid.model.layers.pretrained import PretrainedBackbone
from refvid.model.layers.sentence import SentenceEmbedding
from refvid.model.layers.trunks import build_backbone
from refvid.model.layers.upsampling import DetailUpsampling
from refvid.model.layers.vector_embedding import VectorEmbedding
from refvid.model.refvid.actors import ActorCodes
from refvid.model.refvid.bilateral import BilateralUpsampling
from refvid.model.refvid.choice import ActorDetailUpsampling
from refvid.model.refvid.config import RefvidConfig
from refvid.model.refvid.evidence import WordEvidence
from refvid.model.refvid.network import RefvidNetwork
from refvid.model.refvid.space_time import SpaceTimeCrossFrame
from refvid.model.refvid.vectors import VectorEvidence


def build_refvid(config: RefvidConfig) -> RefvidNetwork:
    """Build the network described by a config, with random weights."""
    backbone = build_backbone(
        config,
        config.detail_channels,
        with_stem=bool(config.bilateral_channels),
        with_classes=bool(config.vector_channels and config.word_evidence),
    )
    channels = backbone.channels
    parts = join_parts(config, backbone, _build_cross_frame(config, channels))
    stem = backbone.stem_channels if isinstance(backbone, PretrainedBackbone) else config.backbone_channels[0]
    return RefvidNetwork(
        parts,
        detail=_build_detail(config),
        bilateral=BilateralUpsampling(stem, config.bilateral_channels) if config.bilateral_channels else None,
        actors=ActorCodes(channels, config.detail_channels, config.actor_channels) if config.actor_channels else None,
        evidence=_build_evidence(config, channels, parts.embedding),
    )


def _build_evidence(
    config: RefvidConfig, channels: tuple[int, ...], embedding: WordEmbedding | SentenceEmbedding
) -> WordEvidence | None:
    if not config.word_evidence:
        return None
    if isinstance(embedding, VectorEmbedding):
        return VectorEvidence(
            channels,
            embedding,
            config.embedding_channels,
            told_channels=config.fusion_channels if config.class_opinion else 0,
        )
    return WordEvidence(channels, config.embedding_channels, len(config.vocabulary))


def _build_cross_frame(config: RefvidConfig, channels: tuple[int, ...]) -> list[CrossFrameSelfAttention]:
    if config.cross_frame_code == "none":
        return build_cross_frame(config, channels)
    return [
        SpaceTimeCrossFrame(
            channels[level - FIRST_LEVEL], config.attention_channels, radius=max(1, config.frame_radius)
        )
        for level in config.cross_frame_levels
    ]


def _build_detail(config: RefvidConfig) -> DetailUpsampling | None:
    if not config.detail_channels:
        return None
    kind = ActorDetailUpsampling if config.actor_channels else DetailUpsampling
    return kind(config.detail_channels, config.fusion_channels)
