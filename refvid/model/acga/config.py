"""The config of ACGA: its window, its sizes, and the models of these sizes."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

from refvid.model.config import SMALL, TINY, ModelConfig, PretrainedName, ThresholdOf

VideoBackboneName = Literal["s3d", "light", PretrainedName]
STRIDE = 16  # stride of the grid on which the attentions work
# `acga-tiny` and `acga-small` share this window and these sizes. The window consists of the target and the frames five
# before and five after it. These are the frames of training clips with `--frames 3 --frame-stride 5`, and they lie
# within the radius of `refvid-tiny`.
COMPACT: dict[str, Any] = {
    "window_before": 1,
    "window_after": 1,
    "window_stride": 5,
    "decoder_channels": (64, 32),
    "response_channels": (96, 48, 24),
    "enlargement": 2,
}


@dataclass(frozen=True)
class AcgaConfig(ModelConfig):
    """The settings needed to build and feed ACGA; the defaults are those of the paper.

    Attributes:
        window_before: Number of frames of the window before the target frame.
        window_after: Number of frames of the window after the target frame.
        window_stride: Distance in frames of the video between consecutive frames of the window. Training clips should
            contain a frame for each: use the same `--frame-stride` and at least as many `--frames`.
        decoder_channels: Widths of the visual features at the second and third scale.
        response_channels: Widths of the hidden layers before the response of each scale.
        enlargement: Ratio of the resolutions of consecutive scales.
    """

    backbone: str = "s3d"
    input_size: int = 512
    embedding_channels: int = 300
    pixel_mean: tuple[float, float, float] = (0.43216, 0.394666, 0.37645)  # torchvision's, for Kinetics-400
    pixel_std: tuple[float, float, float] = (0.22803, 0.22145, 0.216989)
    threshold_of: ThresholdOf = "maximum"
    window_before: int = 8
    window_after: int = 7
    window_stride: int = 1
    decoder_channels: tuple[int, int] = (256, 128)
    response_channels: tuple[int, int, int] = (256, 128, 64)
    enlargement: int = 4
    architecture: str = "acga"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require("backbone", get_args(VideoBackboneName))
        self.require("architecture", ("acga",))
        if min(self.window_before, self.window_after) < 0 or self.window_stride < 1:
            raise ValueError(
                f"window_before and window_after must be at least 0 and window_stride at least 1, got "
                f"{self.window_before}, {self.window_after} and {self.window_stride}"
            )
        if self.enlargement < 2 or self.enlargement % 2:
            raise ValueError(f"enlargement must be even and at least 2, got {self.enlargement}")

    @property
    def stride(self) -> int:
        """Stride of the attentions' grid or of the backbone in pixels; the sides of the input are multiples of it."""
        return max(STRIDE, super().stride)


def acga_full_config(vocabulary: tuple[str, ...]) -> AcgaConfig:
    """Return `acga-s3d`: the network of the paper, on S3D."""
    return AcgaConfig(name="acga-s3d", vocabulary=vocabulary)


def acga_tiny_config(vocabulary: tuple[str, ...]) -> AcgaConfig:
    """Return `acga-tiny`: the paper's modules on the light trunk, at strides 16, 8 and 4, sized for two CPU cores."""
    return AcgaConfig(
        name="acga-tiny",
        vocabulary=vocabulary,
        **TINY,
        **COMPACT,
        pixel_mean=ModelConfig.pixel_mean,  # the values that the light trunk was trained with
        pixel_std=ModelConfig.pixel_std,
    )


def acga_small_config(vocabulary: tuple[str, ...]) -> AcgaConfig:
    """Return `acga-small`: `acga-tiny` on a trunk pretrained on ImageNet, with embeddings from word vectors."""
    return AcgaConfig(name="acga-small", vocabulary=vocabulary, **SMALL, **COMPACT)
