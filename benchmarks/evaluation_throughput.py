"""An evaluation that shares a video's features among its sentences, against one that goes sentence by sentence.

    python benchmarks/evaluation_throughput.py [--videos 15] [--frames 48] [--size 284x160] [--model refvid-small]

Draws a world in A2D Sentences' layout into a temporary folder, or takes the data set in DIR, and evaluates its test
split twice in one run, video by video in turn: all sentences of a video together, as `refvid eval` does, and each
sentence alone, with the video read and its features computed anew. Prints samples a second of both, their ratio, and
how far the scores are apart.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from refvid.data.referring import Expression, ReferringSet, ReferringVideo, Target
from refvid.data.sets import open_set
from refvid.evaluation.model_masks import ModelMasks
from refvid.evaluation.run import count, first_videos
from refvid.evaluation.scoring import SampleRow, score_video, summarise
from refvid.evaluation.sources import FrameMasks
from refvid.inference.segmenter import Segmenter
from refvid.metrics.regions import Mask
from refvid.weights import DEFAULT_MODEL, load_model
from refvid.world.output.make import WorldPlan, make_world

Way = Literal["together", "one by one"]
_TOLERANCE = 1e-3  # difference between scores; a border pixel may flip with the order of summation


@dataclass(frozen=True)
class Alone:
    """A video reduced to one of its sentences."""

    video: ReferringVideo
    number: int

    @property
    def name(self) -> str:
        return self.video.name

    @property
    def expressions(self) -> tuple[Expression, ...]:
        return (self.video.expressions[self.number],)

    @property
    def targets(self) -> tuple[Target, ...]:
        return tuple(replace(target, counting=(0,)) for target in self.video.targets if self.number in target.counting)

    def _of(self, target: Target) -> Target:
        return replace(target, counting=(self.number,))

    def count_frames(self) -> int:
        return self.video.count_frames()

    def read(self, indices: Sequence[int]) -> tuple[npt.NDArray[np.uint8], Mask]:
        return self.video.read(indices)

    def truth(self, target: Target) -> Mask | None:
        return self.video.truth(self._of(target))

    def void(self, target: Target) -> Mask | None:
        return self.video.void(target)


@dataclass
class Tally:
    """The totals of one way of evaluating.

    Attributes:
        seconds: Total time in seconds, without reading the ground truth and counting pixels.
        network: Part of that time spent in the network.
        rows: Rows of the samples.
    """

    seconds: float
    network: float
    rows: list[SampleRow]


def run(video: ReferringVideo, referring_set: ReferringSet, source: ModelMasks, way: Way, tally: Tally) -> None:
    """Evaluate one video and add its results to the tally."""
    parts: list[ReferringVideo] = [video]
    if way == "one by one":
        parts = [Alone(video, number) for number in range(len(video.expressions))]
    timings = source.segmenter.timings
    for part in parts:
        before, began = timings["network"], time.perf_counter()
        found: list[tuple[Target, FrameMasks]] = list(source.masks(part))
        tally.seconds += time.perf_counter() - began
        tally.network += timings["network"] - before
        tally.rows += score_video(part, referring_set.rules, found)


def compare(referring_set: ReferringSet, source: ModelMasks) -> dict[Way, Tally]:
    """Evaluate every video in both ways, alternating which comes first; one video warms up."""
    tallies: dict[Way, Tally] = {"together": Tally(0, 0, []), "one by one": Tally(0, 0, [])}
    for way in tallies:
        run(referring_set.videos[0], referring_set, source, way, Tally(0, 0, []))
    for index, video in enumerate(referring_set.videos):
        for way in tuple(tallies)[:: 1 if index % 2 else -1]:
            run(video, referring_set, source, way, tallies[way])
        print(f"  {index + 1} of {len(referring_set.videos)} videos", file=sys.stderr)
    return tallies


def largest_difference(tallies: dict[Way, Tally], referring_set: ReferringSet) -> float:
    """Return the largest difference between the scores.

    Raises:
        RuntimeError: The two ways have evaluated different samples.
    """
    samples = [sorted((row.video, row.key, row.frame, row.truth_area) for row in one.rows) for one in tallies.values()]
    if samples[0] != samples[1]:
        raise RuntimeError("the two ways have evaluated different samples")
    together, alone = (summarise(one.rows, referring_set.rules) for one in tallies.values())
    return max(abs(together[key] - alone[key]) for key in ("mean_iou", "overall_iou", "ap_mean_precision", "p@0.5"))


def show(tallies: dict[Way, Tally], referring_set: ReferringSet) -> float:
    """Print the table and return the largest difference between the scores."""
    print("| way | samples | s | samples/s | of these s in the network | mean IoU |\n|---|---|---|---|---|---|")
    for way, one in tallies.items():
        mean = summarise(one.rows, referring_set.rules)["mean_iou"]
        rate = len(one.rows) / one.seconds
        print(f"| {way} | {len(one.rows)} | {one.seconds:.2f} | {rate:.2f} | {one.network:.2f} | {mean:.6f} |")
    together, alone = tallies["together"], tallies["one by one"]
    apart = largest_difference(tallies, referring_set)
    print(
        f"\nratio {alone.seconds / together.seconds:.2f} (network alone {alone.network / together.network:.2f}); "
        f"scores at most {apart:.1e} apart"
    )
    return apart


def main() -> int:
    """Make the world, compare and print; return 1 if the scores differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--videos", type=int, default=15, help="number of videos in the world; one in five is for testing"
    )
    parser.add_argument("--frames", type=int, default=48, help="number of frames per video of the world")
    parser.add_argument("--size", default="284x160", help="size of the world's frames")
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--root", type=Path, help="folder of a data set in A2D Sentences' layout, instead of a world")
    parser.add_argument("--limit", type=int, help="maximum number of test videos")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as temporary:
        root = options.root
        if root is None:
            width, height = (int(side) for side in options.size.split("x"))
            root = Path(temporary) / "world"
            make_world(root, WorldPlan("a2d", options.videos, 0, options.frames, (width, height)))
        referring_set = open_set("a2d", root)
        if options.limit is not None:
            referring_set = first_videos(referring_set, options.limit)
        segmenter = Segmenter(load_model(options.model, device=options.device))
        counts = ", ".join(f"{number} {what}" for what, number in count(referring_set).items())
        print(f"{segmenter.model.name} on {segmenter.model.device}, {torch.get_num_threads()} threads; {counts}\n")
        with ModelMasks(segmenter) as source:
            apart = show(compare(referring_set, source), referring_set)
    return int(apart > _TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
