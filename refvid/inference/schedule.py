"""Frames on their way from the reader to the writer: the stages run in turn, or at the same time in threads."""

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
AHEAD = Limit(items=3)  # between the parts of the network, whose steady pace needs little buffering


@dataclass
class Tally:
    """Running totals over the frames written so far.

    Attributes:
        expressions: Number of expressions E.
        frames: Number of frames.
        timings: Seconds spent, by stage.
        present: Number of frames in which each expression's mask is not empty, int64 [E].
        confidence: Sum of the confidence in each expression's masks over these frames, float64 [E].
        highest: Highest probability of each expression in any frame, float32 [E].
    """

    expressions: int
    frames: int = 0
    timings: dict[str, float] = field(default_factory=lambda: {"load": 0.0, "read": 0.0, "write": 0.0})

    def __post_init__(self) -> None:
        self.present = np.zeros(self.expressions, dtype=np.int64)
        self.confidence = np.zeros(self.expressions)
        self.highest = np.zeros(self.expressions, dtype=np.float32)

    def add(self, confidence: NDArray[np.float64]) -> None:
        """Add one frame with the confidence in its masks, float64 [E], NaN where a mask is empty."""
        self.frames += 1
        self.present += ~np.isnan(confidence)
        self.confidence += np.nan_to_num(confidence)


@dataclass(frozen=True)
class FramePipeline:
    """The stages that the frames of a video go through; the caller opens and closes the reader and the writer.

    Attributes:
        reader: Source of the frames.
        segmenter: Source of their masks.
        writer: Destination of the masks.
        expressions: What to segment.
        refiner: Pool that refines the masks; None if the segmenter does not refine.
        tally: Totals to which the seconds spent reading and writing and the highest probabilities are added.
    """

    reader: VideoReader
    segmenter: Segmenter
    writer: MaskWriter
    expressions: Sequence[str]
    refiner: Refiner | None
    tally: Tally

    def carry(self) -> Generator[NDArray[np.float64], None, None]:
        """Take every frame from the reader to the writer; once it is written, yield the confidence in its masks [E]."""
        device = self.segmenter.model.device
        match where_stages_overlap(device):
            case "none":
                yield from self._in_turn()
            case "io":
                yield from self._beside_the_network()
            case "network":
                yield from self._in_the_network()

    def _in_turn(self) -> Generator[NDArray[np.float64], None, None]:
        """Take each frame through all stages in the calling thread."""
        with closing(self._encode()) as encoded:
            answers = self.segmenter.decode(self.segmenter.enhance(encoded), self.expressions)
            yield from self._write(self.segmenter.finish(answers, self.refiner))

    def _beside_the_network(self) -> Generator[NDArray[np.float64], None, None]:
        """Read, make masks and write in one thread each, and run the network in the calling thread.

        No two threads use the same container at the same time, because FFmpeg's containers are not thread-safe: one
        thread alone reads the input and one alone writes the output, sound included.
        """
        segmenter = self.segmenter
        with pipeline() as stages:
            frames = stages.start("read", segmenter.prepare(self._read()), bytes_held)
            answers: Channel[FrameLogits[Frame]] = stages.channel(bytes_held)
            segmented = stages.start("masks", segmenter.finish(answers, self.refiner), _bytes_of_masks)
            written = stages.start("write", self._write(segmented), _bytes_of_confidence, limit=None)
            yield from stages.carry(segmenter.predict(frames, self.expressions), answers, written)

    def _in_the_network(self) -> Generator[NDArray[np.float64], None, None]:
        """Read and encode in one thread, enhance and decode in one each, and make masks and write in a fourth.

        The calling thread only waits, and its number of PyTorch threads stays as it is.
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
        """Yield each frame with the backbone's feature levels."""
        with closing(self._read()) as frames:
            yield from self.segmenter.encode(self.segmenter.prepare(frames))

    def _read(self) -> Generator[tuple[Frame, Pixels], None, None]:
        """Yield each frame with its pixels; time the reading, and close the reader at the end."""
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
        """Write each frame and time the writing; yield the confidence in its masks [E]."""
        for each in segmented:
            began = time.perf_counter()
            self.writer.write(each.item, each.masks)
            self.tally.timings["write"] += time.perf_counter() - began
            self.tally.highest = np.maximum(self.tally.highest, each.highest)
            yield each.confidence


def where_stages_overlap(device: torch.device) -> Overlap:
    """Return which stages run in threads of their own.

    Beside a network on a GPU, reading, masks and writing do ("io"). On a CPU that would be slow: PyTorch computes on
    every core and all its threads wait for the one whose core another stage keeps busy, so that on two cores the whole
    took 1.7 times as long as running the stages in turn. There the network itself is cut into three parts that share
    the cores ("network"; benchmarks/README.md).
    """
    if device.type != "cpu":
        return "io"
    return "network" if usable_cores() > 1 else "none"


def usable_cores() -> int:
    """Return how many cores this process may use, at most the PyTorch threads of the calling thread."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, torch.get_num_threads())


def share_cores(cores: int) -> tuple[int, int, int]:
    """Return the numbers of PyTorch threads for `encode`, `enhance` and `decode`, which has the least to do.

    Each gets at least one. With enough cores, one is left for reading and writing: a layer is done only when its last
    thread is, so that a single thread that has to share its core delays all the others.
    """
    return max(1, (cores + 1) // 3), max(1, cores // 3), max(1, (cores - 1) // 3)


def _computing(stage: Generator[Item, None, None], threads: int, callers: int) -> Generator[Item, None, None]:
    """Run a stage with a given number of PyTorch threads, in the thread that asks for its first item.

    PyTorch keeps this number per thread, plus one process-wide default that a thread adopts when it first computes.
    `set_num_threads` changes both. The default must not stay changed, because every thread started later would adopt
    it. It can be set back only by another thread, as this one would lose its own number again; a thread that ends at
    once does so.

    Args:
        stage: Generator to run.
        threads: PyTorch threads for the stage.
        callers: PyTorch threads of the calling thread, which become the default again.
    """
    torch.get_num_threads()  # makes this thread adopt the default now, so that it does not override the next line later
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
