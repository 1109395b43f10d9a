"""Frames carried from the reader to the writer: one stage after another, or several at the same time in threads."""

import os
import threading
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from refvid.inference.segmenter import Segmenter
from refvid.inference.stages import Encoded, FrameLogits, bytes_held
from refvid.inference.threads import Channel, Limit, pipeline
from refvid.masks.dense_crf import Refiner
from refvid.masks.finish import Segmented
from refvid.video.frame import Frame, Pixels
from refvid.video.reader import VideoReader
from refvid.video.writer import MaskWriter

Item = TypeVar("Item")
Overlap = Literal["none", "io", "network"]
AHEAD = Limit(items=3)  # between the parts of the network, which have an even pace


@dataclass
class Tally:
    """Counts that grow with the frames.

    Attributes:
        timings: Seconds by stage.
        present: Frames that hold each expression's object [E].
        confidence: The sum over these frames [E].
    """

    expressions: int
    frames: int = 0
    timings: dict[str, float] = field(default_factory=lambda: {"load": 0.0, "read": 0.0, "write": 0.0})

    def __post_init__(self) -> None:
        self.present = np.zeros(self.expressions, dtype=np.int64)
        self.confidence = np.zeros(self.expressions)

    def add(self, confidence: NDArray[np.float64]) -> None:
        """Count one frame with the confidence in its masks [E], NaN where a mask is empty."""
        self.frames += 1
        self.present += ~np.isnan(confidence)
        self.confidence += np.nan_to_num(confidence)


@dataclass(frozen=True)
class FramePipeline:
    """The stages that a video's frames go through; reader and writer are opened before and closed after them.

    Attributes:
        refiner: For a segmenter that refines.
        tally: Gets the seconds that reading and writing take.
    """

    reader: VideoReader
    segmenter: Segmenter
    writer: MaskWriter
    expressions: Sequence[str]
    refiner: Refiner | None
    tally: Tally

    def carry(self) -> Generator[NDArray[np.float64], None, None]:
        """Take every frame from the reader to the writer; yield the confidence in its masks [E] when it is written."""
        device = self.segmenter.model.device
        match where_stages_overlap(device):
            case "none":
                yield from self._in_turn()
            case "io":
                yield from self._beside_the_network()
            case "network":
                yield from self._in_the_network()

    def _in_turn(self) -> Generator[NDArray[np.float64], None, None]:
        """Take each frame through all stages, one after another."""
        with closing(self._encode()) as encoded:
            answers = self.segmenter.decode(self.segmenter.enhance(encoded), self.expressions)
            yield from self._write(self.segmenter.finish(answers, self.refiner))

    def _beside_the_network(self) -> Generator[NDArray[np.float64], None, None]:
        """Read, make masks and write in a thread each beside the caller's, where the network is.

        No two threads ever use a container at the same time.
        """
        segmenter = self.segmenter
        with pipeline() as stages:
            frames = stages.start("read", segmenter.prepare(self._read()), bytes_held)
            answers: Channel[FrameLogits[Frame]] = stages.channel(bytes_held)
            segmented = stages.start("masks", segmenter.finish(answers, self.refiner), _bytes_of_masks)
            written = stages.start("write", self._write(segmented), _bytes_of_confidence, limit=None)
            yield from stages.carry(segmenter.predict(frames, self.expressions), answers, written)

    def _in_the_network(self) -> Generator[NDArray[np.float64], None, None]:
        """Read and encode in one thread, enhance and decode in one each, make masks and write in a fourth.

        The caller's thread waits for them, and PyTorch's setting for it stays as it is.
        """
        segmenter, own = self.segmenter, torch.get_num_threads()
        encode, enhance, decode = share_cores(usable_cores())
        with pipeline() as stages:
            encoding = _computing(self._encode(), encode, own)
            encoded: Channel[Encoded[Frame]] = stages.start("encode", encoding, bytes_held, AHEAD)
            enhancing = _computing(segmenter.enhance(encoded), enhance, own)
            enhanced: Channel[Encoded[Frame]] = stages.start("enhance", enhancing, bytes_held, AHEAD)
            decoding = _computing(segmenter.decode(enhanced, self.expressions), decode, own)
            answers: Channel[FrameLogits[Frame]] = stages.start("decode", decoding, bytes_held, AHEAD)
            writing = _computing(self._write(segmenter.finish(answers, self.refiner)), 1, own)
            yield from stages.start("write", writing, _bytes_of_confidence, limit=None)

    def _encode(self) -> Generator[Encoded[Frame], None, None]:
        """Yield each frame with the trunk's levels."""
        with closing(self._read()) as frames:
            yield from self.segmenter.encode(self.segmenter.prepare(frames))

    def _read(self) -> Generator[tuple[Frame, Pixels], None, None]:
        """Yield each frame with its pixels; count the seconds that reading takes, and close the reader afterwards."""
        timings = self.tally.timings
        try:
            frames = iter(self.reader)
            while True:
                began = time.perf_counter()
                frame = next(frames, None)
                timings["read"] += time.perf_counter() - began
                if frame is None:
                    return
                yield frame, frame.pixels
        finally:
            self.reader.close()

    def _write(self, segmented: Iterable[Segmented[Frame]]) -> Generator[NDArray[np.float64], None, None]:
        """Write each frame, and count the seconds that takes; yield the confidence in its masks [E]."""
        for each in segmented:
            began = time.perf_counter()
            self.writer.write(each.item, each.masks)
            self.tally.timings["write"] += time.perf_counter() - began
            yield each.confidence


def where_stages_overlap(device: torch.device) -> Overlap:
    """Return which stages get threads of their own.

    Beside a network on a GPU all have. On a CPU the network's own threads would have every core, and all wait for the
    one that another stage keeps busy: on two cores the whole took 1.7 times as long as one stage after another. There
    the network itself is cut into three parts, which share the cores out (benchmarks/README.md).
    """
    if device.type != "cpu":
        return "io"
    return "network" if usable_cores() > 1 else "none"


def usable_cores() -> int:
    """Return how many cores this process may use: no more than the caller's thread gives to PyTorch."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, torch.get_num_threads())


def share_cores(cores: int) -> tuple[int, int, int]:
    """Return the threads of PyTorch for `encode`, `enhance` and `decode`, which has the least to do.

    Each has one at least. Where there are enough, a core is left to reading and writing: threads that compute together
    all wait for the last.
    """
    return max(1, (cores + 1) // 3), max(1, cores // 3), max(1, (cores - 1) // 3)


def _computing(stage: Generator[Item, None, None], threads: int, callers: int) -> Generator[Item, None, None]:
    """Run a stage in the thread that asks for its first item, with so many of PyTorch's threads.

    PyTorch keeps this number for each thread, and one more that threads take over in which it has not computed yet.
    `set_num_threads` changes both; the second is given back by a thread that ends, so that nobody else notices.
    """
    torch.get_num_threads()  # has this thread take over what it is to lose
    torch.set_num_threads(threads)
    setter: Callable[[int], None] = torch.set_num_threads
    restoring = threading.Thread(target=setter, args=(callers,), name="refvid threads")
    restoring.start()
    restoring.join()
    yield from stage


def _bytes_of_masks(each: Segmented[Frame]) -> int:
    return each.item.pixels.nbytes + each.masks.nbytes


def _bytes_of_confidence(confidence: NDArray[np.float64]) -> int:
    return confidence.nbytes
