"""Building a trunk by its name in a config."""

from refvid.model.config import PRETRAINED, ModelConfig
from refvid.model.layers.backbone import LightBackbone, ResNetBackbone
from refvid.model.layers.pretrained import PretrainedBackbone

Backbone = ResNetBackbone | LightBackbone | PretrainedBackbone


def build_backbone(
    config: ModelConfig, fine_channels: int = 0, *, with_stem: bool = False, with_classes: bool = False
) -> Backbone:
    """Build the backbone named by a config, with random weights and with its levels on one grid.

    Args:
        config: Config of any system.
        fine_channels: Width of the features on a grid twice as fine as that of the levels; 0 for none. A ResNet has
            none.
        with_stem: Whether the backbone returns features of its first layers; a ResNet never does.
        with_classes: Whether the backbone returns the probabilities of the ImageNet classes; only a pretrained one can.
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
