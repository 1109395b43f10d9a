"""What a system that segments by expressions has to offer, whichever paper it comes from."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LEVELS = 3  # Res3, Res4 and Res5 on one grid; what a trunk gives beyond them is finer


def lay_channels_last(network: nn.Module) -> None:
    """Lay the kernels of convolutions over pictures out channels last; those over clips have another layout."""
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True, eq=False)
class FrameFeatures:
    """Features of frames before any expression is read; every tensor begins with the batch dimension B.

    Attributes:
        levels: Features [B, C_i, h_i, w_i] of each level of the trunk; with CMSA, Res3, Res4 and Res5 on one grid.
        fine: Features on a grid twice as fine as that of the levels, [B, D, 2 h, 2 w].
        stem: Features of the first layers, on a grid four times as fine, [B, S, 4 h, 4 w].
        codes: Codes of actors on the grid of the levels and on the fine one, [B, G, h, w] and [B, G, 2 h, 2 w].
        motion: The grey picture [B, 1, H, W] from which motion is measured and, once the stream has seen the frame
            before, the motion itself, [B, 3, H / 4, W / 4].
        classes: Probabilities of the classes of ImageNet at each position, [B, 1000, H / 32, W / 32].
    """

    levels: tuple[Tensor, ...]
    fine: Tensor | None = None
    stem: Tensor | None = None
    codes: tuple[Tensor, Tensor] | None = None
    motion: Tensor | None = None
    classes: Tensor | None = None

    @property
    def tensors(self) -> list[Tensor]:
        """All tensors, in the order of the attributes."""
        found: list[Tensor] = []
        for entry in fields(self):
            value = getattr(self, entry.name)
            found += list(value) if isinstance(value, tuple) else [] if value is None else [value]
        return found

    def map(self, change: Callable[[Tensor], Tensor]) -> Self:
        """Return the features with every tensor changed by a function."""
        return self.combine([self], lambda tensors: change(tensors[0]))

    @classmethod
    def combine(cls, parts: Sequence[Self], join: Callable[[list[Tensor]], Tensor]) -> Self:
        """Return the features whose every tensor is joined from those of several features of the same kinds."""
        joined: dict[str, Any] = {}
        for entry in fields(parts[0]):
            values = [getattr(part, entry.name) for part in parts]
            if isinstance(values[0], tuple):
                joined[entry.name] = tuple(join(list(tensors)) for tensors in zip(*values, strict=True))
            else:
                joined[entry.name] = None if values[0] is None else join(values)
        return cls(**joined)

    def frame(self, index: int) -> Self:
        """Return the features of one frame of clips, whose tensors are [B, T, ...]."""
        return self.map(lambda tensor: tensor[:, index])

    def with_level(self, index: int, level: Tensor) -> Self:
        """Return the features with one level replaced."""
        return replace(self, levels=(*self.levels[:index], level, *self.levels[index + 1 :]))


class FrameStream(Protocol):
    """Takes the features of each frame in order and returns those of frames whose neighbours have all been seen."""

    def push(self, features: FrameFeatures) -> FrameFeatures | None:
        """Take the features of the next frame, B = 1; return those of the next frame that is due, if one is."""
        ...

    def flush(self) -> Iterator[FrameFeatures]:
        """Yield the features of the frames still held back, at the end of the video."""
        ...


class SingleFrameStream:
    """The stream of a system that looks at single frames."""

    def push(self, features: FrameFeatures) -> FrameFeatures:
        """Return the features unchanged."""
        return features

    def flush(self) -> Iterator[FrameFeatures]:
        """Yield nothing."""
        yield from ()


@dataclass(frozen=True, eq=False)
class TrainingLogits:
    """Logits that training compares with the masks.

    Attributes:
        final: The logits of `segment`, [B, E, h, w].
        earlier: Those of coarser scales that learn from the masks too, [B, E, h_i, w_i].
        choice: The logits by which one of several actors is chosen, [B, E, h, w]; None where nothing is chosen.
    """

    final: Tensor
    earlier: tuple[Tensor, ...] = ()
    choice: Tensor | None = None


class ReferringNetwork(nn.Module, ABC):
    """Segments what expressions name in the target frame of a clip.

    Training calls `enhance` on whole clips and `training_logits` on the result. Inference calls `encode` once a frame,
    feeds the features through `stream()`, which returns what `enhance` returns for each frame's own clip, and calls
    `segment` with any number of expressions.

    Attributes:
        backbone: The trunk, which learns at a rate of its own; `backbone.channels` are the widths of its levels.
        embedding: Of the words, ids int64 [..., L] to vectors.
        frame_radius: How many frames before or after its own a frame's masks may depend on.
        trunk_name: Name of the submodule that is the trunk, which may be a part of the backbone.
    """

    pixel_mean: Tensor
    pixel_std: Tensor
    backbone: nn.Module
    embedding: nn.Module
    frame_radius: int = 0
    trunk_name: str = "backbone"

    def __init__(self, pixel_mean: Sequence[float], pixel_std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("pixel_mean", torch.tensor(pixel_mean)[:, None, None], persistent=False)
        self.register_buffer("pixel_std", torch.tensor(pixel_std)[:, None, None], persistent=False)

    @property
    def attribute_channels(self) -> tuple[int, ...]:
        """Widths of the levels that `attribute_levels` returns."""
        return tuple(cast(Any, self.backbone).channels[1:LEVELS])

    def attribute_levels(self, features: FrameFeatures) -> Sequence[Tensor]:
        """Return the levels of stride 8 at whose positions training asks which words are true."""
        return features.levels[1:LEVELS]

    @property
    def judges_words(self) -> bool:
        """Whether `word_truth_logits` returns logits."""
        return False

    def word_truth_logits(self, features: FrameFeatures, word_ids: Tensor) -> Tensor | None:
        """Return the logits [B, W, h, w] of words, int64 [W], being true at each position.

        None for a network that does not judge single words: training then gives it linear heads on `attribute_levels`.
        """
        return None

    def word_attention_logits(self, features: FrameFeatures, word_ids: Tensor) -> list[Tensor]:
        """Return the logits [B, E, L, P] by which each word of expressions, int64 [B, E, L], attends to positions.

        There is one tensor for each level that training supervises, and none where single words attend to nothing.
        """
        return []

    def normalise(self, images: Tensor) -> Tensor:
        """Return images [..., 3, H, W], values 0 to 1, as the trunk expects them."""
        return (images - self.pixel_mean) / self.pixel_std

    def encode(self, images: Tensor) -> FrameFeatures:
        """Map images [B, 3, H, W], values 0 to 1 with zero padding, to the features of the trunk."""
        return cast(FrameFeatures, self.backbone(self.normalise(images)))

    def stream(self) -> FrameStream:
        """Return what the frames of a video go through one after another; by default nothing joins them."""
        return SingleFrameStream()

    @abstractmethod
    def enhance(
        self,
        clips: Tensor,
        target: int,
        frame_mask: Tensor | None = None,
        times: Sequence[int] | None = None,
        *,
        neighbour_gradients: bool = True,
    ) -> FrameFeatures:
        """Encode clips and return the features of the target frame, enhanced by those of its neighbours.

        Args:
            clips: Images [B, T, 3, H, W], values 0 to 1.
            target: Index of the target frame.
            frame_mask: False for frames beyond the ends of the video, bool [B, T].
            times: Number of each frame in its video, from any start; None: they follow each other.
            neighbour_gradients: Whether the trunk learns from the other frames too.
        """

    @abstractmethod
    def segment(self, features: FrameFeatures, word_ids: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Segment every expression on the same visual features.

        Args:
            features: From `enhance` or the stream.
            word_ids: int64 [B, E, L], 0 for padding.

        Returns:
            Logits [B, E, h, w] on any grid that covers the input, and the attention over words [B, E, L] of as many
            levels as have one.
        """

    def training_logits(self, features: FrameFeatures, word_ids: Tensor) -> TrainingLogits:
        """Return all logits that training compares with the masks; arguments as for `segment`."""
        return TrainingLogits(self.segment(features, word_ids)[0])

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
