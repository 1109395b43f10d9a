"""Our own variant of CMSA + CFSA, built from a config."""

from refvid.model.cmsa.build import build_cross_frame, join_parts
from refvid.model.cmsa.cross_frame import CrossFrameSelfAttention
from refvid.model.cmsa.network import FIRST_LEVEL
from refvid.model.layers.backbone import LightBackbone, ResNetBackbone
from refvid.model.layers.upsampling import DetailUpsampling
from refvid.model.refvid.actors import ActorCodes
from refvid.model.refvid.bilateral import BilateralUpsampling
from refvid.model.refvid.choice import ActorDetailUpsampling
from refvid.model.refvid.config import RefvidConfig
from refvid.model.refvid.evidence import WordEvidence
from refvid.model.refvid.network import RefvidNetwork
from refvid.model.refvid.space_time import SpaceTimeCrossFrame


def build_refvid(config: RefvidConfig) -> RefvidNetwork:
    """Build the network that a config describes, with random weights."""
    backbone = _build_backbone(config)
    channels = backbone.channels
    return RefvidNetwork(
        join_parts(config, backbone, _build_cross_frame(config, channels)),
        detail=_build_detail(config),
        bilateral=BilateralUpsampling(config.backbone_channels[0], config.bilateral_channels)
        if config.bilateral_channels
        else None,
        actors=ActorCodes(channels, config.detail_channels, config.actor_channels) if config.actor_channels else None,
        evidence=WordEvidence(channels, config.embedding_channels, len(config.vocabulary))
        if config.word_evidence
        else None,
    )


def _build_backbone(config: RefvidConfig) -> ResNetBackbone | LightBackbone:
    if config.backbone == "resnet101":
        return ResNetBackbone()
    return LightBackbone(
        config.backbone_channels,
        config.colour_channels,
        config.detail_channels,
        with_stem=bool(config.bilateral_channels),
    )


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
