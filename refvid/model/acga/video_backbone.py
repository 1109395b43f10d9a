"""Modules over several frames: S3D on a clip, and temporal convolutions over the features of single frames."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.interface import FrameFeatures

S3D_LAYERS = 13  # layers of torchvision's S3D from its stem to Mixed_4f; the 14th is the pooling before Mixed_5b
MIXED_4F_CHANNELS = 832


@dataclass(frozen=True)
class FrameWindow:
    """The frames around a target frame that the network sees together with it.

    Attributes:
        before: Number of frames before the target.
        after: Number of frames after the target.
        stride: Distance in frames of the video between consecutive frames of the window.
    """

    before: int
    after: int
    stride: int = 1

    @property
    def offsets(self) -> range:
        """Signed distance in frames from the target to each slot of the window."""
        return range(-self.before * self.stride, self.after * self.stride + 1, self.stride)

    @property
    def radius(self) -> int:
        """Distance in frames from the target to the farthest slot."""
        return max(self.before, self.after) * self.stride

    def exact(self, clip: Tensor, target: int, exists: Tensor, times: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Fill each slot of the window with the frame at exactly its time, if the clip contains it.

        Args:
            clip: Features or pixels of all frames, [B, T, ...].
            target: Index of the target frame.
            exists: False for frames beyond the ends of the video, bool [B, T].
            times: Number of each frame in its video, counted from any start.

        Returns:
            The window [B, S, ...], and a mask of its filled slots, bool [B, S]; other slots hold arbitrary values.
        """
        at = {time: index for index, time in enumerate(times)}
        places = [at.get(times[target] + offset) for offset in self.offsets]
        filled = torch.tensor([place is not None for place in places], device=clip.device)
        chosen = torch.tensor([target if place is None else place for place in places], device=clip.device)
        return clip[:, chosen], exists[:, chosen] & filled

    def nearest(self, clip: Tensor, target: int, exists: Tensor, times: Sequence[int]) -> Tensor:
        """Fill each slot of the window with the frame nearest to its time, which at the ends of a video is repeated.

        Of two equally near frames, the one nearer to the target is taken. The arguments are those of `exact`.

        Returns:
            The window [B, S, ...].
        """
        moments = torch.tensor(list(times), device=clip.device) - times[target]
        wanted = torch.tensor(list(self.offsets), device=clip.device)
        away = (moments[None] - wanted[:, None]).abs()  # [S, T]
        rank = away * (2 * int(moments.abs().max()) + 2) + moments.abs()
        rank = rank.expand(len(clip), -1, -1).masked_fill(~exists[:, None], torch.iinfo(rank.dtype).max)
        return clip[torch.arange(len(clip), device=clip.device)[:, None], rank.argmin(-1)]


class EnhanceWindow(Protocol):
    """A function that returns the features of a target frame made from its window, as `AcgaNetwork.show` does."""

    def __call__(
        self, clip: FrameFeatures, target: int, frame_mask: Tensor | None, times: Sequence[int]
    ) -> FrameFeatures: ...


class WindowStream:
    """A stream that keeps the frames that are still needed, and returns a frame as soon as its window is complete.

    Args:
        window: Window around each frame.
        show: Function that makes the features of a frame from those of the frames around it.
    """

    def __init__(self, window: FrameWindow, show: EnhanceWindow) -> None:
        self._show = show
        self._before, self._after = window.before * window.stride, window.after * window.stride
        self._kept: deque[FrameFeatures] = deque()
        self._first = self._delivered = 0  # number of the first frame kept, and of the next to deliver

    @torch.no_grad()
    def push(self, features: FrameFeatures) -> FrameFeatures | None:
        """Take the features of the next frame, B = 1; return those of the frame whose window is complete, if any."""
        self._kept.append(features)
        return self._deliver() if self._first + len(self._kept) > self._delivered + self._after else None

    @torch.no_grad()
    def flush(self) -> Iterator[FrameFeatures]:
        """Yield the features of the remaining frames at the end of the video."""
        while self._delivered < self._first + len(self._kept):
            yield self._deliver()

    def _deliver(self) -> FrameFeatures:
        clip = FrameFeatures.combine(self._kept, lambda parts: torch.stack(parts, 1))
        times = range(self._first, self._first + len(self._kept))
        shown = self._show(clip, self._delivered - self._first, None, times)
        self._delivered += 1
        while self._first < self._delivered - self._before:
            self._kept.popleft()
            self._first += 1
        return shown


class S3DTrunk(nn.Module):
    """torchvision's S3D up to the pooling before its last two blocks, followed by the mean over time.

    ACGA uses the features of I3D before `maxpool3d_5a`, which are 832 x 4 x 32 x 32 for 16 frames of 512 x 512 pixels.
    S3D is I3D with separable 3 x 3 x 3 convolutions. Its blocks have the same widths and strides, so that the same cut,
    after Mixed_4f, gives the same 832 channels at stride 16 and one time step for four frames. We use S3D because
    torchvision has it, with weights trained on Kinetics-400, but not I3D. The layers keep torchvision's names.
    """

    channels = (MIXED_4F_CHANNELS,)

    def __init__(self) -> None:
        super().__init__()
        from torchvision.models.video import s3d  # takes 1.5 s to import, which only this trunk should cost

        self.features = s3d(weights=None).features[:S3D_LAYERS]

    def forward(self, clips: Tensor) -> Tensor:
        """Map normalised frames [B, T, 3, H, W] to their mean features over time, [B, 832, H / 16, W / 16]."""
        return cast(Tensor, self.features(clips.transpose(1, 2))).mean(2)


class TemporalConvolutions(nn.Module):
    """Temporal convolutions on top of a trunk that sees single frames, followed by the mean over time.

    The fastest of the S3D models are "top-heavy": their lower layers see single frames, and only their upper ones are
    separable convolutions over time. In a stream, the lower layers then see each frame only once. As in S3D, a
    convolution over time has a 3 x 1 x 1 kernel and zero padding at the ends of the window. Our choices: it follows
    its ReLU, it is residual, and its weights start at zero. So at first all features pass unchanged, even the negative
    ones of a trunk with a colour path. Still pictures do not train the outer taps.

    A missing frame counts as zero for its neighbours and is left out of the mean.
    """

    def __init__(self, channels: int, layers: int = 2) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv1d(channels, channels, 3) for _ in range(layers))
        for parameter in self.convolutions.parameters():
            nn.init.zeros_(parameter)

    def forward(self, window: Tensor, exists: Tensor) -> Tensor:
        """Reduce the features of the frames of a window to one feature map.

        Args:
            window: Features [B, S, C, h, w].
            exists: False for slots without a frame, bool [B, S]; each window has at least one frame.

        Returns:
            Features [B, C, h, w].
        """
        height, width = window.shape[-2:]
        missing = ~exists[:, None, :, None]  # B 1 S 1
        frames = window.flatten(3).transpose(1, 2).masked_fill(missing, 0.0)  # B S C h w -> B C S P
        for convolution in self.convolutions:
            assert isinstance(convolution, nn.Conv1d)
            # All positions are put in one dimension, because a 2-D convolution is several times faster than a 3-D one.
            change = F.conv2d(F.relu(frames), convolution.weight[..., None], convolution.bias, padding=(1, 0))
            frames = (frames + change).masked_fill(missing, 0.0)
        mean = frames.sum(2) / exists.sum(1).to(frames.dtype)[:, None, None]
        return mean.reshape(*mean.shape[:2], height, width)
