"""The common parts of the sections of `run.py`: rows of the table, goals, sizes, and the clock."""

import statistics
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

PARK = Path(__file__).resolve().parent.parent / "examples" / "park.mp4"
NO_GPU = "not measured: no GPU"
Work = Callable[[], object]


@dataclass(frozen=True)
class Goal:
    """The target of a figure.

    Attributes:
        limit: Limit in the figure's own unit.
    """

    relation: Literal["over", "under", "at most"]
    limit: float

    def reached(self, value: float) -> bool:
        """Return whether a value meets the target."""
        if self.relation == "at most":
            return value <= self.limit
        return value > self.limit if self.relation == "over" else value < self.limit

    def __str__(self) -> str:
        return f"{self.relation} {self.limit:g}"


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        value: The figure; None if it was not measured, for the reason given by `beside`.
        beside: The underlying figures, in words.
        details: The underlying figures, for programs.
    """

    what: str
    value: float | None
    unit: str = ""
    beside: str = ""
    goal: Goal | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None without a goal or a value."""
        return None if self.goal is None or self.value is None else self.goal.reached(self.value)

    def as_json(self) -> dict[str, Any]:
        """Return the object of the report."""
        goal = None if self.goal is None else f"{self.goal} {self.unit}".strip()
        plain = {"what": self.what, "value": self.value, "unit": self.unit, "beside": self.beside}
        return plain | {"goal": goal, "reached": self.reached, "details": dict(self.details)}


@dataclass
class Section:
    """The lines of one section, and the notes below them."""

    name: str
    title: str
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Sizes:
    """The extent of the measurements.

    Attributes:
        grid: Side of CMSA's grid of positions.
        channels: Width of CMSA's queries, keys and values, and of the visual features.
        words: Lengths of expressions for CMSA.
        cross_frame: (side of the grid, width of attention, width of features) for CFSA.
        budget: Seconds for the repetitions of one comparison of operations; each runs at least once.
        frames: Number of frames of the example, from file to file.
        rounds: Number of alternating rounds from file to file.
        network_frames: Number of frames in each round of the network alone.
        lengths: Lengths of videos in frames, for memory.
        counts: Numbers of expressions.
        word_counts: Numbers of words of an expression.
        longest_sides: Longest sides of the network's input in pixels.
        refined_frames: Numbers of frames of two runs with refinement.
        sam_side: Side of SAM 2's input in pixels.
        dino_sides: Shorter and longest side of Grounding DINO's input in pixels.
        sam_memory: Number of frames that SAM 2 has seen before it is timed; its memory is full after 7.
        peer_rounds: Number of alternating frames of each peer; if it is 1, Grounding DINO does not warm up.
    """

    grid: int = 40
    channels: int = 512
    words: tuple[int, ...] = (1, 4, 7, 12, 20)
    cross_frame: tuple[tuple[int, int, int], ...] = ((20, 64, 96), (40, 512, 512))
    budget: float = 10.0
    frames: int = 100
    rounds: int = 3
    network_frames: int = 15
    lengths: tuple[int, ...] = (500, 2_000, 10_000)
    counts: tuple[int, ...] = (1, 2, 4, 8)
    word_counts: tuple[int, ...] = (1, 5, 10, 20)
    longest_sides: tuple[int, ...] = (320, 480, 640)
    refined_frames: tuple[int, int] = (8, 40)
    sam_side: int = 1024
    dino_sides: tuple[int, int] = (800, 1333)
    sam_memory: int = 7
    peer_rounds: int = 3


QUICK = Sizes(
    words=(1, 7),
    cross_frame=((20, 64, 96),),
    budget=0.0,
    frames=40,
    rounds=1,
    network_frames=5,
    lengths=(100, 400),
    counts=(1, 8),
    word_counts=(1, 20),
    longest_sides=(320, 480),
    refined_frames=(4, 12),
    sam_memory=2,
    peer_rounds=1,
)


@dataclass(frozen=True)
class Settings:
    """The settings of all sections.

    Attributes:
        model: Name or folder of the model.
        full: Whether to measure the full-size network too.
        work: Folder for temporary files.
    """

    device: torch.device
    model: str
    work: Path
    threads: int
    full: bool = False
    sizes: Sizes = Sizes()


def seconds(work: Work, device: torch.device) -> float:
    """Return how long a call takes, by the GPU's own clock if it runs there."""
    if device.type != "cuda":
        began = time.perf_counter()
        work()
        return time.perf_counter() - began
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize(device)
    with torch.cuda.device(device):
        start.record()
        work()
        end.record()
    torch.cuda.synchronize(device)
    return float(start.elapsed_time(end)) / 1e3


def in_turns(
    works: Mapping[str, Work],
    rounds: int,
    device: torch.device,
    *,
    budget: float | None = None,
    cold: Collection[str] = (),
) -> dict[str, list[float]]:
    """Return the seconds of every call, in alternating order so that disturbances affect all works alike.

    Args:
        works: Functions to time, by name.
        rounds: Number of rounds with one call of each.
        device: Device whose clock is read.
        budget: Seconds after which no further round begins; None for no limit.
        cold: Names of works that take too long to be warmed up.
    """
    for name, work in works.items():
        if name not in cold:
            work()
    taken: dict[str, list[float]] = {name: [] for name in works}
    began = time.perf_counter()
    for turn in range(rounds):
        if turn and budget is not None and time.perf_counter() - began > budget:
            break
        for name, work in works.items():
            taken[name].append(seconds(work, device))
    return taken


def medians(taken: Mapping[str, list[float]]) -> dict[str, float]:
    """Return the median of each work's calls."""
    return {name: statistics.median(times) for name, times in taken.items()}


def plural(count: int, noun: str) -> str:
    """Return a count with its noun."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def duration(seconds: float) -> str:
    """Return a time with three significant figures."""
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"
