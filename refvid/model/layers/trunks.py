"""The trunks by name, as the systems build them."""

from refvid.model.config import PRETRAINED, ModelConfig
from refvid.model.layers.backbone import LightBackbone, ResNetBackbone
from refvid.model.layers.pretrained import PretrainedBackbone

Backbone = ResNetBackbone | LightBackbone | PretrainedBackbone


def build_backbone(
    config: ModelConfig, fine_channels: int = 0, *, with_stem: bool = False, with_classes: bool = False
) -> Backbone:
    """Build the trunk that a config names, with random weights and its levels on one grid.

    Args:
        config: Of any system.
        fine_channels: Width of features on a grid twice as fine as that of the levels; 0: none. A ResNet has none.
        with_stem: Whether features of the first layers are wanted. A ResNet gives none.
        with_classes: Whether the probabilities of ImageNet's classes are wanted, which a pretrained trunk alone gives.
    """
    if config.backbone == "resnet101":
        return ResNetBackbone()
    if config.backbone in PRETRAINED:
        return PretrainedBackbone(
            config.backbone,
            config.neck_channels,
            config.colour_channels,
            fine_channels,
            with_stem=with_stem,
            with_classes=with_classes,
        )
    return LightBackbone(config.backbone_channels, config.colour_channels, fine_channels, with_stem=with_stem)
