"""The network in mid-stream, timed stage by stage, and models of other sizes than the one that ships."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.run_measure import PARK, seconds
from refvid.inference.segmenter import Segmenter
from refvid.model.cmsa.config import full_config
from refvid.model.config import Precision
from refvid.model.interface import FrameFeatures
from refvid.model.letterbox import Letterbox
from refvid.model.registry import build_network
from refvid.video.reader import open_reader
from refvid.weights import LoadedModel

EXPRESSION = "man in yellow shirt"
STAGES = ("trunk", "CFSA", "heads", "masks")
FRAMES = 12  # number of frames of the example, repeated cyclically
Pixels = NDArray[np.uint8]


def read_frames(count: int = FRAMES, path: Path = PARK) -> list[Pixels]:
    """Return the first frames of a video, uint8 RGB [H, W, 3] each."""
    with open_reader(path) as reader:
        return [frame.pixels for frame in islice(reader, count)]


def full_model(device: torch.device, size: int = 320) -> LoadedModel:
    """Return `cmsa-deeplab101` with random weights, for inputs of size x size pixels."""
    torch.manual_seed(0)
    config = full_config(tuple(EXPRESSION.split())).replace(input_size=size)
    return LoadedModel(config.name, build_network(config).to(device).eval(), config, device)


def with_longest_side(model: LoadedModel, side: int, height: int, width: int) -> LoadedModel:
    """Return a model for frames of this size that resizes them until the longest side is `side`, a multiple of 8."""
    square = side if model.config.input_shape == "square" else side * (min(height, width) / max(height, width)) ** 0.5
    return replace(model, config=model.config.replace(input_size=round(square / 8) * 8))


class FrameNetwork:
    """A model's network that gets one frame per step; every step yields a result once the window is full.

    Args:
        model: Model whose folded network runs, as in `refvid segment`.
        frames: RGB frames, uint8 [H, W, 3], repeated cyclically.
        expressions: Expressions segmented in each frame.
        fill: Whether to fill the window of cross-frame attention first; otherwise the first steps yield no result.
        precision: Precision, as `refvid segment` takes it.
    """

    def __init__(
        self,
        model: LoadedModel,
        frames: Sequence[Pixels],
        expressions: Sequence[str],
        *,
        fill: bool = True,
        precision: Precision = "auto",
    ) -> None:
        segmenter = Segmenter(model, refine=False, precision=precision)
        self.device, self.network, self.precision = model.device, model.folded, segmenter.precision
        self.box: Letterbox = segmenter.letterbox(frames[0])
        self.word_ids = segmenter.vocabulary.encode(expressions).to(self.device)[None]
        self._frames = cycle([self._prepare(pixels) for pixels in frames])
        self._stream = self.network.stream()
        self.last: FrameFeatures | None = None  # of the frame that came out
        for _ in range(2 * self.network.frame_radius + 2 if fill else 0):
            self.step()

    def _prepare(self, pixels: Pixels) -> Tensor:
        frame = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None]
        return self.box.apply(frame).to(self.device)

    def _autocast(self) -> AbstractContextManager[object]:
        if self.precision == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.precision)

    @torch.inference_mode()
    def encode(self) -> FrameFeatures:
        """Return the features of the next frame."""
        with self._autocast():
            return self.network.encode(next(self._frames))

    @torch.inference_mode()
    def push(self, features: FrameFeatures) -> None:
        """Take the features through cross-frame attention."""
        with self._autocast():
            self.last = self._stream.push(features) or self.last

    @torch.inference_mode()
    def segment(self) -> Tensor:
        """Return the logits [E, h, w] of the latest frame that left the window."""
        assert self.last is not None, "no frame has come out: the window is not full"
        with self._autocast():
            return self.network.segment(self.last, self.word_ids)[0][0].float()

    @torch.inference_mode()
    def masks(self, logits: Tensor) -> Tensor:
        """Return masks of the frame's own size on the CPU, bool [E, H, W]."""
        return (self.box.restore(self.box.crop(logits)) > 0).cpu()

    def step(self) -> None:
        """Pass a frame through all stages."""
        self.push(self.encode())
        if self.last is not None:
            self.masks(self.segment())

    def network_step(self) -> None:
        """Pass a frame through the network alone: trunk, cross-frame attention and heads."""
        self.push(self.encode())
        if self.last is not None:
            self.segment()

    def stage_seconds(self) -> dict[str, float]:
        """Take a frame through all stages; return the seconds of each, by STAGES."""
        held: list[Tensor | FrameFeatures] = []
        taken = {"trunk": seconds(lambda: held.append(self.encode()), self.device)}
        features = held.pop()
        assert isinstance(features, FrameFeatures)
        taken["CFSA"] = seconds(lambda: self.push(features), self.device)
        if self.last is None:
            return taken
        taken["heads"] = seconds(lambda: held.append(self.segment()), self.device)
        logits = held.pop()
        assert isinstance(logits, Tensor)
        taken["masks"] = seconds(lambda: self.masks(logits), self.device)
        return taken

    @torch.inference_mode()
    def flush(self) -> None:
        """Release the frames held back, for a stream that was not filled."""
        for levels in self._stream.flush():
            self.last = levels
