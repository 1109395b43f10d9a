"""What sees several frames at once: S3D on a clip, and temporal convolutions over the features of single frames."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.interface import FrameFeatures

S3D_LAYERS = 13  # of torchvision's S3D, from its stem to Mixed_4f; the 14th is the pooling before Mixed_5b
MIXED_4F_CHANNELS = 832


@dataclass(frozen=True)
class FrameWindow:
    """Which frames around a target are seen with it.

    Attributes:
        before: How many before it.
        after: How many after it.
        stride: Frames of the video from one of them to the next.
    """

    before: int
    after: int
    stride: int = 1

    @property
    def offsets(self) -> range:
        """Frames from the target to each slot of the window."""
        return range(-self.before * self.stride, self.after * self.stride + 1, self.stride)

    @property
    def radius(self) -> int:
        """Frames from the target to the farthest slot."""
        return max(self.before, self.after) * self.stride

    def exact(self, clip: Tensor, target: int, exists: Tensor, times: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Fill the window with the frames that stand exactly where its slots are.

        Args:
            clip: What is known of each frame, [B, T, ...].
            target: Index of the target frame.
            exists: False for frames beyond the ends of the video, bool [B, T].
            times: Number of each frame in its video, from any start.

        Returns:
            The window [B, S, ...], and which of its slots are filled, bool [B, S]; the others hold anything.
        """
        at = {time: index for index, time in enumerate(times)}
        places = [at.get(times[target] + offset) for offset in self.offsets]
        filled = torch.tensor([place is not None for place in places], device=clip.device)
        chosen = torch.tensor([target if place is None else place for place in places], device=clip.device)
        return clip[:, chosen], exists[:, chosen] & filled

    def nearest(self, clip: Tensor, target: int, exists: Tensor, times: Sequence[int]) -> Tensor:
        """Fill every slot of the window with the frame that is nearest to it: at the ends of a video, its last one.

        Of two that are equally near, it is the one nearer to the target. Arguments are those of `exact`.

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
    """Returns the features of frame `target` of a clip, tensors [B, T, ...], whose frames have these times."""

    def __call__(
        self, clip: FrameFeatures, target: int, frame_mask: Tensor | None, times: Sequence[int]
    ) -> FrameFeatures: ...


class WindowStream:
    """Keeps the frames that windows still need, and shows each frame's window as soon as it is complete.

    Args:
        window: Of each frame.
        show: Makes a frame's levels of the levels of the frames that are kept.
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
        """Yield the features of the frames still held back, at the end of the video."""
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
    """torchvision's S3D up to the pooling before its last two blocks, and the mean of that over time.

    ACGA takes I3D's features before `maxpool3d_5a`, which on 16 frames of 512 x 512 pixels are 832 x 4 x 32 x 32. S3D
    is I3D with its 3 x 3 x 3 convolutions made separable: its blocks have the same widths and strides, so that the same
    cut, after Mixed_4f, gives the same 832 channels at stride 16 and one time step for four frames. torchvision has
    S3D, and weights of it trained on Kinetics-400; it has no I3D. The layers keep torchvision's names.
    """

    channels = (MIXED_4F_CHANNELS,)

    def __init__(self) -> None:
        super().__init__()
        from torchvision.models.video import s3d  # takes a second and a half, which the small trunk need not wait for

        self.features = s3d(weights=None).features[:S3D_LAYERS]

    def forward(self, clips: Tensor) -> Tensor:
        """Map normalised frames [B, T, 3, H, W] to [B, 832, H / 16, W / 16], the mean over time."""
        return cast(Tensor, self.features(clips.transpose(1, 2))).mean(2)


class TemporalConvolutions(nn.Module):
    """Temporal convolutions on top of a trunk that sees single frames, and their mean over time.

    Of the S3D models those are the fastest whose lower layers see single frames and whose upper ones are separable
    ("top-heavy"), and in a stream the lower ones then see each frame once. As in S3D a convolution over time has the
    kernel 3 x 1 x 1 and zeros where the window ends. Our own: it stands behind its ReLU and is added to what it is
    taken from, and its weights begin at zero. So the window's frames pass unchanged at first, the negative features
    that a trunk with a colour path has among them, and still pictures teach the outer taps nothing.

    A frame that is missing is zero to its neighbours, and has no part in the mean.
    """

    def __init__(self, channels: int, layers: int = 2) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv1d(channels, channels, 3) for _ in range(layers))
        for parameter in self.convolutions.parameters():
            nn.init.zeros_(parameter)

    def forward(self, window: Tensor, exists: Tensor) -> Tensor:
        """Map a window of frames to one map.

        Args:
            window: Features [B, S, C, h, w].
            exists: False for slots without a frame, bool [B, S]; each window has a frame.

        Returns:
            [B, C, h, w].
        """
        height, width = window.shape[-2:]
        missing = ~exists[:, None, :, None]  # B 1 S 1
        frames = window.flatten(3).transpose(1, 2).masked_fill(missing, 0.0)  # B S C h w -> B C S P
        for convolution in self.convolutions:
            assert isinstance(convolution, nn.Conv1d)
            # With all positions in one dimension: a convolution of two is several times faster than one of three.
            change = F.conv2d(F.relu(frames), convolution.weight[..., None], convolution.bias, padding=(1, 0))
            frames = (frames + change).masked_fill(missing, 0.0)
        mean = frames.sum(2) / exists.sum(1).to(frames.dtype)[:, None, None]
        return mean.reshape(*mean.shape[:2], height, width)
