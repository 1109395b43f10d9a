"""How fast each embedded model is, as a ratio to the default one, and its size.

    python benchmarks/model_speed.py [--frames 24] [--rounds 5] [--json]

Every model segments the same frames of `examples/park.mp4` with one expression, frames in, masks out, in one thread.
The models take turns, so that whatever else the machine does troubles all alike, and each is timed by the processor's
clock; the ratio is of the medians.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch

from refvid.embedded import embedded_models
from refvid.inference.segmenter import Segmenter
from refvid.video.frame import Pixels
from refvid.video.reader import open_reader
from refvid.weights import DEFAULT_MODEL, WEIGHTS_FILE, load_model, locate_checkpoint

CLIP = Path(__file__).parent.parent / "examples" / "park.mp4"
EXPRESSION = "man in yellow shirt"


def first_frames(clip: Path, count: int) -> list[Pixels]:
    """Return the first frames of a video, uint8 RGB [H, W, 3] each."""
    with open_reader(clip) as reader:
        return [frame.pixels for frame, _ in zip(reader, range(count), strict=False)]


def processor_seconds(work: Callable[[], object]) -> float:
    """Return the processor time of a call, of all its threads."""
    began = time.process_time()
    work()
    return time.process_time() - began


@dataclass(frozen=True)
class ModelSpeed:
    """What a model costs.

    Attributes:
        parameters: Of its network.
        megabytes: Of its file of weights.
        milliseconds: Processor time of a frame, the median of the rounds.
        speed: How many times as fast as the first model it is.
        spread: Between the slowest and the quickest round, as a share of the median.
    """

    model: str
    parameters: int
    megabytes: float
    milliseconds: float
    speed: float
    spread: float

    def __str__(self) -> str:
        return (
            f"| {self.model} | {self.parameters:,} | {self.megabytes:.1f} | {self.milliseconds:.1f} | "
            f"{self.speed:.2f} | {self.spread:.0%} |"
        )


def compare(names: Sequence[str], frames: Sequence[Pixels], rounds: int) -> list[ModelSpeed]:
    """Return the cost of each model, the first of which is the measure of their speed."""
    models = {name: load_model(name, device="cpu") for name in names}
    segmenters = {name: Segmenter(model) for name, model in models.items()}
    taken: dict[str, list[float]] = {name: [] for name in names}
    for segmenter in segmenters.values():  # what is done once: folding, the first use of each operator
        segmenter(frames[:4], EXPRESSION)
    for _ in range(rounds):
        for name, segmenter in segmenters.items():
            taken[name].append(processor_seconds(partial(segmenter, frames, EXPRESSION)))
    medians = {name: statistics.median(times) for name, times in taken.items()}
    return [
        ModelSpeed(
            model=name,
            parameters=sum(each.numel() for each in models[name].network.parameters()),
            megabytes=(locate_checkpoint(name)[0] / WEIGHTS_FILE).stat().st_size / 1e6,
            milliseconds=medians[name] / len(frames) * 1e3,
            speed=medians[names[0]] / medians[name],
            spread=(max(taken[name]) - min(taken[name])) / medians[name],
        )
        for name in names
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=24, help="frames of the clip in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    names = [DEFAULT_MODEL, *(name for name in embedded_models() if name != DEFAULT_MODEL)]
    rows = compare(names, first_frames(CLIP, arguments.frames), arguments.rounds)
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
        return
    print(f"| model | parameters | MB | ms a frame | speed, {DEFAULT_MODEL} = 1 | spread of the rounds |")
    print("|---|---|---|---|---|---|")
    print("\n".join(map(str, rows)))


if __name__ == "__main__":
    main()
