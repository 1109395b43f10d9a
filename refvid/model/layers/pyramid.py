"""A ResNet-101 that returns its feature pyramid: Res2 to Res5 at their own strides 4, 8, 16 and 32."""

from torch import Tensor, nn

from refvid.model.interface import FrameFeatures


class PyramidBackbone(nn.Module):
    """torchvision's ResNet-101, without dilation.

    Its parameters have the same names and shapes as those of `ResNetBackbone`, so that the same weights fit both.
    """

    channels = (256, 512, 1024, 2048)

    def __init__(self) -> None:
        super().__init__()
        from torchvision.models import resnet101  # takes 1.5 s to import, which only this trunk should cost

        trunk = resnet101(weights=None)
        self.stem = nn.Sequential(trunk.conv1, trunk.bn1, trunk.relu, trunk.maxpool)
        self.res2, self.res3, self.res4, self.res5 = trunk.layer1, trunk.layer2, trunk.layer3, trunk.layer4

    def forward(self, images: Tensor) -> FrameFeatures:
        """Map normalised images [B, 3, H, W] to Res2 to Res5, [B, C_i, H / s, W / s] for s = 4, 8, 16 and 32.

        Sides that are not multiples of a stride are rounded up.
        """
        levels: tuple[Tensor, ...] = ()
        features = self.stem(images)
        for stage in (self.res2, self.res3, self.res4, self.res5):
            features = stage(features)
            levels += (features,)
        return FrameFeatures(levels)
