"""The stages of `refvid segment` at work at the same time, against one after another, and against each stage alone.

    python benchmarks/pipeline.py VIDEO [--expression "man in yellow shirt"] [--frames 100] [--format overlay]
                                  [--model refvid-small] [--refine] [--threads N] [--rounds 3] [--json]

Each round runs, in one process: every stage alone on what the stage before it has made (kept in memory: 33 MB a frame
of 4K), with as many of PyTorch's threads as it has in the pipeline; then the whole with one stage after another for
each frame, the network with all of PyTorch's threads; then `segment_video`. Of each the quickest round counts. The
bound: the whole cannot be quicker than its slowest thread alone, nor than the processor time of all stages shared out
among the cores. The whole also opens the files and, with --refine, starts processes (seconds), which the stages do not:
give it a hundred frames or more, and cores that nobody else uses.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from refvid.inference.options import SegmentOptions
from refvid.inference.schedule import Overlap, share_cores, usable_cores, where_stages_overlap
from refvid.inference.segmenter import Segmenter
from refvid.inference.video import open_output, segment_video
from refvid.video.backdrop import GREEN, open_backdrop
from refvid.video.frame import Position
from refvid.video.output_format import OutputFormat, resolve_output
from refvid.video.reader import VideoReader, open_reader
from refvid.video.render import painter
from refvid.weights import DEFAULT_MODEL, load_model

# The threads of `segment_video` with their stages, on a CPU and with a GPU.
THREADS: dict[Overlap, dict[str, tuple[str, ...]]] = {
    "network": {
        "encode": ("decode", "resize", "trunk"),
        "enhance": ("CFSA",),
        "decode": ("CMSA and the rest",),
        "write": ("masks", "draw", "video encoder"),
    },
    "io": {
        "read": ("decode", "resize"),
        "network": ("trunk", "CFSA", "CMSA and the rest"),
        "masks": ("masks",),
        "write": ("draw", "video encoder"),
    },
}
THREADS["none"] = {"all": tuple(stage for stages in THREADS["network"].values() for stage in stages)}


@dataclass
class Clock:
    """Wall-clock and processor seconds of this process by name, the quickest of several rounds."""

    seconds: dict[str, float] = field(default_factory=dict)
    processor: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def time(self, name: str) -> Iterator[None]:
        """Time the block."""
        began, busy = time.perf_counter(), time.process_time()
        yield
        self.note(name, time.perf_counter() - began, time.process_time() - busy)

    def note(self, name: str, seconds: float, processor: float) -> None:
        """Keep the smaller values."""
        self.seconds[name] = min(seconds, self.seconds.get(name, seconds))
        self.processor[name] = min(processor, self.processor.get(name, processor))


@dataclass(frozen=True)
class Setting:
    """The configuration of the benchmark."""

    video: Path
    expressions: Sequence[str]
    options: SegmentOptions
    segmenter: Segmenter
    folder: Path

    def open(self) -> VideoReader:
        """Open the video, cut to the requested frames."""
        options = self.options
        return open_reader(self.video, reader=options.reader, start=options.first, end=options.stop)

    def output(self, reader: VideoReader, name: str) -> tuple[Path, OutputFormat]:
        """Return the path and format of an output."""
        path, format = resolve_output(reader.info, None, self.options.output_format)
        return self.folder / f"{name}{path.suffix}", format

    def threads(self) -> tuple[int, int, int, int]:
        """Return the numbers of PyTorch's threads for the network's three stages and for the others in the pipeline."""
        everywhere = torch.get_num_threads()
        if where_stages_overlap(self.segmenter.model.device) != "network":
            return everywhere, everywhere, everywhere, everywhere
        return *share_cores(usable_cores()), 1


@contextmanager
def computing(threads: int) -> Iterator[None]:
    """Run the block with the given number of PyTorch's threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def each_stage_alone(setting: Setting, clock: Clock) -> None:
    """Time every stage on stored input."""
    segmenter = setting.segmenter
    with setting.open() as reader:
        with clock.time("decode"):
            frames = list(reader)
        encode, enhance, decode, others = setting.threads()
        with clock.time("resize"), computing(encode):
            prepared = list(segmenter.prepare((frame, frame.pixels) for frame in frames))
        with clock.time("trunk"), computing(encode):
            encoded = list(segmenter.encode(prepared))
        with clock.time("CFSA"), computing(enhance):
            enhanced = list(segmenter.enhance(encoded))
        with clock.time("CMSA and the rest"), computing(decode):
            answers = list(segmenter.decode(enhanced, setting.expressions))
        # Its processes are started beforehand, because their start is negligible for a long video.
        with segmenter.refiner() if segmenter.refine else nullcontext() as refiner:
            if refiner is not None:
                list(segmenter.finish(answers[: refiner.workers], refiner))
            with clock.time("masks"), computing(others):
                segmented = list(segmenter.finish(answers, refiner))
        path, format = setting.output(reader, "alone")
        drawn = OutputFormat.OVERLAY if format is OutputFormat.RLE else format  # RLE draws nothing
        paint = painter(drawn, tuple(setting.expressions), open_backdrop(setting.options.background or GREEN))
        with clock.time("draw"):
            for each in segmented if format is not OutputFormat.RLE else []:
                paint(each.item, each.masks)
        with clock.time("write"), open_output(reader, setting.expressions, path, format, setting.options) as writer:
            for each in segmented:
                writer.write(each.item, each.masks)
    clock.note("video encoder", *(kind["write"] - kind["draw"] for kind in (clock.seconds, clock.processor)))


def one_after_another(setting: Setting) -> Path:
    """Run everything in one thread, as a program without a pipeline would."""
    with setting.open() as reader:
        path, format = setting.output(reader, "sequential")
        with open_output(reader, setting.expressions, path, format, setting.options) as writer:
            frames = ((frame, frame.pixels) for frame in reader)
            for each in setting.segmenter.run(frames, setting.expressions):
                writer.write(each.item, each.masks)
        return path


def together(setting: Setting, clock: Clock) -> Path:
    """Run everything as `refvid segment` does, and record how long each stage was busy."""
    with setting.open() as reader:
        path, _ = setting.output(reader, "pipelined")
    report = segment_video(
        setting.video, setting.expressions, path, model=setting.segmenter.model, options=setting.options
    )
    for stage, seconds in report.timings.items():
        clock.note(f"busy: {stage}", seconds, 0.0)
    return path


def measure(setting: Setting, rounds: int) -> dict[str, Any]:
    """Run all rounds and return the figures to print."""
    clock, ratios = Clock(), []
    with clock.time("warm-up"):
        one_after_another(setting)
    for _ in range(rounds):
        each_stage_alone(setting, clock)
        took = []
        for name, run in (("sequential", one_after_another), ("pipelined", lambda some: together(some, clock))):
            began = time.perf_counter()
            with clock.time(name):
                run(setting)
            took.append(time.perf_counter() - began)
        ratios.append(took[0] / took[1])
    with setting.open() as reader:
        outputs = [setting.output(reader, name)[0] for name in ("sequential", "pipelined")]
    same = content(outputs[0]) == content(outputs[1])
    return summarise(clock, ratios, same, where_stages_overlap(setting.segmenter.model.device))


def content(path: Path) -> list[bytes]:
    """Return the bytes of a file, or of the files in a folder."""
    return [each.read_bytes() for each in (sorted(path.iterdir()) if path.is_dir() else [path])]


def summarise(clock: Clock, ratios: Sequence[float], same: bool, way: Overlap) -> dict[str, Any]:
    """Return the figures, including the bound and how near the pipeline comes to it."""
    stages_of = THREADS[way]
    threads = {name: sum(clock.seconds[stage] for stage in stages) for name, stages in stages_of.items()}
    slowest = max(threads, key=lambda name: threads[name])
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    shared_out = sum(clock.processor[stage] for stages in stages_of.values() for stage in stages) / cores
    bound = max(threads[slowest], shared_out)
    pipelined = clock.seconds["pipelined"]
    busy = {name.removeprefix("busy: "): took for name, took in clock.seconds.items() if name.startswith("busy: ")}
    return {
        "stages": {
            stage: {"thread": name, "seconds": clock.seconds[stage], "processor_seconds": clock.processor[stage]}
            for name, stages in stages_of.items()
            for stage in stages
        },
        "stages_overlap": way,
        "threads": threads,
        "busy_in_pipeline": busy,
        "sequential": clock.seconds["sequential"],
        "pipelined": pipelined,
        "processor_seconds": {name: clock.processor[name] for name in ("sequential", "pipelined")},
        "speed_up": sorted(ratios)[len(ratios) // 2],
        "speed_up_of_each_round": list(ratios),
        "slowest_thread": slowest,
        "over_slowest_thread": pipelined / threads[slowest],
        "cores": cores,
        "processor_seconds_a_core": shared_out,
        "over_bound": pipelined / bound,
        "same_output": same,
    }


def show(found: dict[str, Any], frames: int) -> None:
    """Print the table and the bound."""
    print("| thread | stage | alone, ms a frame | processor, ms a frame |\n|---|---|---|---|")
    for stage, row in found["stages"].items():
        alone, processor = (1000 * row[key] / frames for key in ("seconds", "processor_seconds"))
        print(f"| {row['thread']} | {stage} | {alone:.2f} | {processor:.2f} |")
    slowest = found["slowest_thread"]
    rounds = " ".join(f"{ratio:.2f}" for ratio in found["speed_up_of_each_round"])
    sequential, pipelined = (found["processor_seconds"][name] for name in ("sequential", "pipelined"))
    print(f"\none after another   {found['sequential']:.2f} s ({sequential:.2f} s of processor)")
    print(f"at the same time    {found['pipelined']:.2f} s ({pipelined:.2f} s of processor)")
    print(f"times as quick      {found['speed_up']:.2f}, the median of the rounds' {rounds}")
    print(f"slowest thread      {found['threads'][slowest]:.2f} s ({slowest}, alone)")
    print(f"processor time      {found['processor_seconds_a_core']:.2f} s on each of {found['cores']} cores")
    print(f"over slowest thread {100 * (found['over_slowest_thread'] - 1):+.0f} %")
    print(f"over the bound      {100 * (found['over_bound'] - 1):+.0f} % (the larger of the two)")
    print(f"the same bytes      {'yes' if found['same_output'] else 'no'}")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("--expression", action="append", help="expression; give it several times for several")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--format", type=OutputFormat, default=None, choices=list(OutputFormat))
    parser.add_argument("--reader", default="auto")
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--refine", action="store_true")
    parser.add_argument("--threads", type=int, help="PyTorch's threads on the CPU")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    arguments = parse()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    model = load_model(arguments.model, device=arguments.device)
    with open_reader(arguments.video) as reader:
        frames = min(arguments.frames, reader.frame_total)
        end = Position(frame=frames) if frames < reader.frame_total else None
    options = SegmentOptions(
        format=arguments.format, end=end, refine=arguments.refine, overwrite=True, reader=arguments.reader
    )
    expressions = arguments.expression or ["man in yellow shirt"]
    with tempfile.TemporaryDirectory() as folder:
        segmenter = Segmenter(model, refine=arguments.refine)
        found = measure(Setting(arguments.video, expressions, options, segmenter, Path(folder)), arguments.rounds)
    if arguments.json:
        print(json.dumps({"schema": 1, "frames": frames, "threads_of_pytorch": torch.get_num_threads(), **found}))
    else:
        show(found, frames)


if __name__ == "__main__":
    main()
