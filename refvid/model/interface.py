"""What a system that segments by expressions has to offer, whichever paper it comes from."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LEVELS = 3  # Res3, Res4 and Res5 on one grid; what a trunk gives beyond them is finer


def lay_channels_last(network: nn.Module) -> None:
    """Lay the kernels of convolutions over pictures out channels last; those over clips have another layout."""
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


class FrameStream(Protocol):
    """Takes each frame's levels, in order, and gives back those of the frames whose neighbours have all been seen."""

    def push(self, levels: Sequence[Tensor]) -> list[Tensor] | None:
        """Take the next frame's levels [1, C_i, h, w]; return those of the next frame that is due, if one is."""
        ...

    def flush(self) -> Iterator[list[Tensor]]:
        """Yield the levels of the frames still held back, at the end of the video."""
        ...


class StraightStream:
    """The stream of a system that looks at single frames."""

    def push(self, levels: Sequence[Tensor]) -> list[Tensor] | None:
        """Return the levels as they came."""
        return list(levels)

    def flush(self) -> Iterator[list[Tensor]]:
        """Yield nothing."""
        yield from ()


class ReferringNetwork(nn.Module, ABC):
    """Segments what expressions name in the target frame of a clip.

    Training calls `enhance` on whole clips and `training_logits` on the result. Inference calls `encode` once a frame,
    feeds the levels through `stream()`, which gives what `enhance` gives for each frame's own clip, and calls `segment`
    with any number of expressions.

    Attributes:
        backbone: The trunk, which learns at a rate of its own; `backbone.channels` are the widths of its levels.
        embedding: Of the words, ids int64 [..., L] to vectors.
        frame_radius: How many frames before or after its own a frame's masks may depend on.
    """

    pixel_mean: Tensor
    pixel_std: Tensor
    backbone: nn.Module
    embedding: nn.Module
    frame_radius: int = 0

    def __init__(self, pixel_mean: Sequence[float], pixel_std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("pixel_mean", torch.tensor(pixel_mean)[:, None, None], persistent=False)
        self.register_buffer("pixel_std", torch.tensor(pixel_std)[:, None, None], persistent=False)

    @property
    def attribute_channels(self) -> tuple[int, ...]:
        """Widths of the levels that `attribute_levels` returns."""
        return tuple(cast(Any, self.backbone).channels[1:LEVELS])

    def attribute_levels(self, levels: Sequence[Tensor]) -> Sequence[Tensor]:
        """Return the levels, of stride 8, whose positions training asks which words are true of what they show."""
        return levels[1:LEVELS]

    def normalise(self, images: Tensor) -> Tensor:
        """Return images [..., 3, H, W], values 0 to 1, as the trunk expects them."""
        return (images - self.pixel_mean) / self.pixel_std

    def encode(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map images [B, 3, H, W], values 0 to 1 with zero padding, to the trunk's levels [B, C_i, h, w]."""
        return cast(tuple[Tensor, ...], self.backbone(self.normalise(images)))

    def stream(self) -> FrameStream:
        """Return what the frames of a video go through one after another; by default nothing joins them."""
        return StraightStream()

    @abstractmethod
    def enhance(
        self,
        clips: Tensor,
        target: int,
        frame_mask: Tensor | None = None,
        times: Sequence[int] | None = None,
        *,
        neighbour_gradients: bool = True,
    ) -> list[Tensor]:
        """Encode clips and return the levels of the target frame, with what its neighbours have to say.

        Args:
            clips: Images [B, T, 3, H, W], values 0 to 1.
            target: Index of the target frame.
            frame_mask: False for frames beyond the ends of the video, bool [B, T].
            times: Number of each frame in its video, from any start; None: they follow each other.
            neighbour_gradients: Whether the trunk learns from the other frames too.
        """

    @abstractmethod
    def segment(self, levels: Sequence[Tensor], word_ids: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Segment every expression on the same visual features.

        Args:
            levels: From `enhance` or the stream, [B, C_i, h, w] each.
            word_ids: int64 [B, E, L], 0 for padding.

        Returns:
            Logits [B, E, h, w] on any grid that covers the input, and the attention over words [B, E, L] of as many
            levels as have one.
        """

    def training_logits(self, levels: Sequence[Tensor], word_ids: Tensor) -> list[Tensor]:
        """Return all logits [B, E, h, w] that training compares with the masks; the last are those of `segment`."""
        return [self.segment(levels, word_ids)[0]]

    def forward(
        self,
        clips: Tensor,
        word_ids: Tensor,
        *,
        target: int = 0,
        frame_mask: Tensor | None = None,
        times: Sequence[int] | None = None,
    ) -> Tensor:
        """Segment the target frame of each clip.

        Args:
            clips: Images [B, T, 3, H, W], values 0 to 1.
            word_ids: int64 [B, E, L].
            target: Index of the target frame.
            frame_mask: False for frames beyond the ends of the video, bool [B, T].
            times: Number of each frame in its video, from any start; None: they follow each other.

        Returns:
            Logits [B, E, H, W].
        """
        logits, _ = self.segment(self.enhance(clips, target, frame_mask, times), word_ids)
        return F.interpolate(logits, clips.shape[-2:], mode="bilinear", align_corners=False)
