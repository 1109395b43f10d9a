"""The interface that every system implements, whichever paper it comes from."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LEVELS = 3  # Res3, Res4 and Res5, on one grid


def lay_channels_last(network: nn.Module) -> None:
    """Store the weights of all 2-D convolutions in the memory format `channels_last`."""
    for parameter in network.parameters():
        if parameter.ndim == 4:  # weights of 3-D convolutions have five dimensions, which the format does not allow
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True, eq=False)
class FrameFeatures:
    """Visual features of frames, which do not depend on any expression; every tensor begins with the batch dimension B.

    Attributes:
        levels: Features [B, C_i, h_i, w_i] of each level of the trunk; in CMSA, Res3, Res4 and Res5 on one grid.
        fine: Features on a grid twice as fine as that of the levels, [B, D, 2 h, 2 w].
        stem: Features of the first layers, on a grid four times as fine as that of the levels, [B, S, 4 h, 4 w].
        codes: Actor codes on the grid of the levels and on the fine grid, [B, G, h, w] and [B, G, 2 h, 2 w].
        motion: The grey picture [B, 1, H, W] from which motion is measured; once the previous frame is known, the
            motion itself, [B, 3, H / 4, W / 4].
        classes: Probabilities of the ImageNet classes at each position, [B, 1000, H / 32, W / 32].
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
        """Apply a function to every tensor and return the resulting features."""
        return self.combine([self], lambda tensors: change(tensors[0]))

    @classmethod
    def combine(cls, parts: Sequence[Self], join: Callable[[list[Tensor]], Tensor]) -> Self:
        """Join several features tensor by tensor; all of them must hold the same kinds of tensors."""
        joined: dict[str, Any] = {}
        for entry in fields(parts[0]):
            values = [getattr(part, entry.name) for part in parts]
            if isinstance(values[0], tuple):
                joined[entry.name] = tuple(join(list(tensors)) for tensors in zip(*values, strict=True))
            else:
                joined[entry.name] = None if values[0] is None else join(values)
        return cls(**joined)

    def frame(self, index: int) -> Self:
        """Return the features [B, ...] of one frame, given the features [B, T, ...] of clips."""
        return self.map(lambda tensor: tensor[:, index])

    def with_level(self, index: int, level: Tensor) -> Self:
        """Return the features with one level replaced."""
        return replace(self, levels=(*self.levels[:index], level, *self.levels[index + 1 :]))


class FrameStream(Protocol):
    """A stream of frames: takes features in order and returns each frame's once all its neighbours have arrived."""

    def push(self, features: FrameFeatures) -> FrameFeatures | None:
        """Take the features of the next frame, B = 1; return those of the frame whose neighbours are complete, if any.

        That frame may be an earlier one.
        """
        ...

    def flush(self) -> Iterator[FrameFeatures]:
        """Yield the features of the remaining frames at the end of the video."""
        ...


class SingleFrameStream:
    """The stream of a system that segments each frame by itself."""

    def push(self, features: FrameFeatures) -> FrameFeatures:
        """Return the features unchanged."""
        return features

    def flush(self) -> Iterator[FrameFeatures]:
        """Yield nothing, since no frame is held back."""
        yield from ()


@dataclass(frozen=True, eq=False)
class TrainingLogits:
    """The logits that training compares with the masks.

    Attributes:
        final: The logits of `segment`, [B, E, h, w].
        earlier: The logits of coarser scales, [B, E, h_i, w_i], which are also trained on the masks.
        choice: The logits from which one of several actors is chosen, [B, E, h, w]; None for a network without choice.
    """

    final: Tensor
    earlier: tuple[Tensor, ...] = ()
    choice: Tensor | None = None


class ReferringNetwork(nn.Module, ABC):
    """A network that segments the objects named by expressions in the target frame of a clip.

    Training calls `enhance` on whole clips and `training_logits` on the result. Inference calls `encode` once per frame
    and feeds the features through `stream()`, which returns for each frame the same features as `enhance` for the clip
    around it; then it calls `segment` with any number of expressions.

    Attributes:
        backbone: Module that extracts the features of a frame, trained with a learning rate of its own;
            `backbone.channels` are the widths of its levels. In a backbone with a pretrained trunk, only the trunk,
            `backbone.trunk`, has this learning rate.
        embedding: Module that maps word ids, int64 [..., L], to vectors.
        frame_radius: Number of neighbouring frames on either side that a frame's masks may depend on.
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
    def trunk_name(self) -> str:
        """Name of the submodule that is the trunk."""
        return "backbone.trunk" if isinstance(getattr(self.backbone, "trunk", None), nn.Module) else "backbone"

    @property
    def attribute_channels(self) -> tuple[int, ...]:
        """Widths of the levels that `attribute_levels` returns, in the same order."""
        return tuple(cast(Any, self.backbone).channels[1:LEVELS])

    def attribute_levels(self, features: FrameFeatures) -> Sequence[Tensor]:
        """Return the levels, all on one grid, on which training supervises which words are true of each position."""
        return features.levels[1:LEVELS]

    @property
    def judges_words(self) -> bool:
        """Whether the network judges single words, so that `word_truth_logits` returns logits."""
        return False

    def word_truth_logits(self, features: FrameFeatures, word_ids: Tensor) -> Tensor | None:
        """Return the logits [B, W, h, w] that each word, ids int64 [W], is true of each position.

        Return None if the network does not judge single words; training then adds linear heads on `attribute_levels`.
        """
        return None

    def word_attention_logits(self, features: FrameFeatures, word_ids: Tensor) -> list[Tensor]:
        """Return the logits with which each word of the expressions attends to each position.

        Args:
            features: Features from `enhance`.
            word_ids: Word ids int64 [B, E, L], 0 for padding.

        Returns:
            One tensor [B, E, L, P] for each supervised level; an empty list if single words do not attend to positions.
        """
        return []

    def normalise(self, images: Tensor) -> Tensor:
        """Normalise images [..., 3, H, W], values 0 to 1, by the mean and standard deviation that the trunk expects."""
        return (images - self.pixel_mean) / self.pixel_std

    def encode(self, images: Tensor) -> FrameFeatures:
        """Map zero-padded images [B, 3, H, W], values 0 to 1, to the features of the backbone."""
        return cast(FrameFeatures, self.backbone(self.normalise(images)))

    def encode_clips(self, clips: Tensor, target: int, *, neighbour_gradients: bool = True) -> FrameFeatures:
        """Map clips [B, T, 3, H, W], values 0 to 1, to the features of all their frames, tensors [B, T, ...].

        Without `neighbour_gradients`, the frames other than the target are encoded separately and without a graph, so
        that the trunk learns from the target frame alone.
        """
        frames = clips.shape[1]
        if neighbour_gradients or frames == 1:
            return self._encode_frames(clips)
        others = [frame for frame in range(frames) if frame != target]
        with torch.no_grad():
            rest = self._encode_frames(clips[:, others])

        def join(parts: list[Tensor]) -> Tensor:
            own, neighbours = parts
            return torch.cat([neighbours[:, :target], own, neighbours[:, target:]], 1)

        return FrameFeatures.combine([self._encode_frames(clips[:, target, None]), rest], join)

    def _encode_frames(self, clips: Tensor) -> FrameFeatures:
        """Map clips [B, T, 3, H, W] to the features [B, T, ...] of their frames, all encoded in one batch."""
        batch, frames = clips.shape[:2]
        return self.encode(clips.flatten(0, 1)).map(lambda part: part.reshape(batch, frames, *part.shape[1:]))

    def stream(self) -> FrameStream:
        """Return a new stream for the frames of one video; by default it treats each frame by itself."""
        return SingleFrameStream()

    def encoded_frames(self, target: int, times: Sequence[int]) -> list[int]:
        """Return the indices, in order, of the frames of a clip that `enhance` encodes; by default all of them."""
        return list(range(len(times)))

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
            frame_mask: False for frames beyond the ends of the video, bool [B, T]; None if all frames exist.
            times: Number of each frame in its video, counted from any start; None for consecutive frames.
            neighbour_gradients: Whether gradients also reach the trunk through the other frames.
        """

    @abstractmethod
    def segment(self, features: FrameFeatures, word_ids: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Segment every expression on the same visual features.

        Args:
            features: Features from `enhance` or the stream.
            word_ids: Word ids int64 [B, E, L], 0 for padding.

        Returns:
            Logits [B, E, h, w] on any grid that covers the input, and the attention over words, [B, E, L], of each
            level that has one.
        """

    def training_logits(self, features: FrameFeatures, word_ids: Tensor) -> TrainingLogits:
        """Return all logits that training compares with the masks; the arguments are those of `segment`."""
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
            word_ids: Word ids int64 [B, E, L], 0 for padding.
            target: Index of the target frame.
            frame_mask: False for frames beyond the ends of the video, bool [B, T]; None if all frames exist.
            times: Number of each frame in its video, counted from any start; None for consecutive frames.

        Returns:
            Logits [B, E, H, W].
        """
        logits, _ = self.segment(self.enhance(clips, target, frame_mask, times), word_ids)
        return F.interpolate(logits, clips.shape[-2:], mode="bilinear", align_corners=False)
