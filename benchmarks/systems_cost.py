"""The cost of the networks of `systems.py`: parameters, GFLOP per frame, and frames per second relative to the base."""

import itertools
import math
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch._subclasses.fake_tensor import DynamicOutputShapeException, FakeTensorMode
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.systems_table import BASE, Result, Row
from refvid.errors import RefvidError
from refvid.inference.memory import keep_freed_memory
from refvid.model.config import ModelConfig
from refvid.model.interface import ReferringNetwork
from refvid.model.layers.bert import FIRST_PIECE, LAST_PIECE, PAD_PIECE, UNKNOWN_PIECE
from refvid.model.layers.language import FIRST_WORD_ID
from refvid.model.registry import CONFIGS, build_network
from refvid.weights import load_model, save_checkpoint
from refvid.world.source import VOCABULARY

FRAME = (720, 1280)  # frame size for which costs are counted; tiny networks scale it to 256 x 144
EXPRESSION_WORDS = 5
ROUNDS, ROUND_FRAMES = 9, 12
READ_BY_BERT = ("refvos-deeplab101",)
# As many as bert-base-uncased has; the choice of word pieces does not affect the cost.
WORD_PIECES = (PAD_PIECE, UNKNOWN_PIECE, FIRST_PIECE, LAST_PIECE, *(str(number) for number in range(30_522 - 4)))


class Running:
    """A network in the middle of a video, given one expression of five words per frame."""

    def __init__(self, network: ReferringNetwork, config: ModelConfig) -> None:
        self.network = network.eval()
        height, width = config.canvas(*FRAME)
        image = functional.interpolate(torch.rand(1, 3, height // 8, width // 8), (height, width), mode="bilinear")
        self.word_ids = FIRST_WORD_ID + torch.arange(EXPRESSION_WORDS)[None, None]
        self._images = itertools.cycle([image.roll(2 * shift, -1) for shift in range(4)])  # a moving picture
        self._stream = self.network.stream()
        for _ in range(2 * self.network.frame_radius + 2):  # until the window is full
            self.advance()

    @torch.no_grad()
    def advance(self) -> None:
        """Take the next frame and segment the frame that is due."""
        levels = self._stream.push(self.network.encode(next(self._images)))
        if levels is not None:
            self.network.segment(levels, self.word_ids)

    def seconds(self, frames: int) -> float:
        """Return the mean time per frame over the given number of frames."""
        began = time.perf_counter()
        for _ in range(frames):
            self.advance()
        return (time.perf_counter() - began) / frames


def linear_flops(rows: Sequence[int], columns: Sequence[int], *_: Any, **__: Any) -> int:
    """Return the FLOP of oneDNN's product of rows [..., K] and columns [N, K], which PyTorch does not count."""
    return 2 * math.prod(rows) * columns[0]


def count(config: ModelConfig) -> Result:
    """Return the parameters and the GFLOP per frame, counting a multiplication and an addition as two."""
    running = Running(build_network(config), config)
    mapping = {torch.ops.mkldnn._linear_pointwise: linear_flops}
    with FlopCounterMode(display=False, custom_mapping=mapping) as counter:
        running.advance()
    parameters = sum(value.numel() for value in running.network.parameters())
    return {"parameters": parameters, "gflop": counter.get_total_flops() / 1e9}


def loaded(config: ModelConfig) -> Running:
    """Return a running network loaded from a checkpoint as users load it; its weights are random."""
    keep_freed_memory()  # as a segmenter does
    with TemporaryDirectory() as folder:
        save_checkpoint(build_network(config), config, Path(folder))
        return Running(load_model(folder, device="cpu").folded, config)


def cost(row: Row, rounds: int = ROUNDS, frames: int = ROUND_FRAMES) -> Result:
    """Return the cost of a row at its own input size, and its frames per second, measured alternately with the base."""
    torch.manual_seed(0)
    config, base = (CONFIGS[one.model](VOCABULARY).replace(**one.changes) for one in (row, BASE))
    own, beside = loaded(config), loaded(base)
    times = [(own.seconds(frames), beside.seconds(frames)) for _ in range(rounds)]
    rate, of_base = 1 / statistics.median(a for a, _ in times), statistics.median(b / a for a, b in times)
    return count(config) | {"rate": rate, "of_base": of_base}


class Valueless(TorchDispatchMode):
    """A mode in which tensors without values answer every question about a value with 0 or False."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return 0 if func is torch.ops.aten._local_scalar_dense.default else func(*args, **(kwargs or {}))


def count_unseen(config: ModelConfig) -> Result:
    """Return the result of `count` without computing; a network that depends on values is computed after all."""
    try:
        with FakeTensorMode(), Valueless():
            return count(config)
    except DynamicOutputShapeException:
        return count(config)


def full_cost(name: str) -> Result:
    """Return the cost of a full-size configuration, or a note if it cannot be built."""
    config = CONFIGS[name](WORD_PIECES if name in READ_BY_BERT else VOCABULARY)
    height, width = config.canvas(*FRAME)
    try:
        return count_unseen(config) | {"input": f"{width} x {height}"}
    except RefvidError as error:
        return {"input": f"{width} x {height}", "note": f"not counted: {error}"}
