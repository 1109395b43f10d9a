"""One streamed frame through the network on the CPU, stage by stage: as trained and folded, side by side.

    python benchmarks/profile_stages.py [--threads 1 2] [--rounds 30] [--clock cpu] [--against FOLDER] [--json]

Prints what each stage takes of its own, what it computes, and how long that would take at the rate of a large
convolution here. With `--against` the whole frame is timed in turns with another copy of the package, as it stands in
a folder. The clock of the CPU (`--clock cpu`) does not count the time that other jobs have the core; it counts that
of all threads together.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from refvid.inference.segmenter import Segmenter
from refvid.model.fast.pretrained import FoldedPretrainedBackbone
from refvid.model.layers.pretrained import PretrainedBackbone
from refvid.weights import load_model

CLOCKS = {"cpu": time.process_time, "wall": time.perf_counter}
FRAMES_A_ROUND = 3


class Stages:
    """The seconds, or operations, that each stage takes without the stages inside it."""

    def __init__(self, read: Callable[[], float]) -> None:
        self.read = read
        self.own: dict[str, float] = defaultdict(float)
        self._inside: list[float] = []  # amounts counted inside each running stage

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what happens in a `with` block."""
        self._inside.append(0.0)
        began = self.read()
        try:
            yield
        finally:
            spent = self.read() - began
            self.own[name] += spent - self._inside.pop()
            if self._inside:
                self._inside[-1] += spent

    def watch(self, owner: Any, method: str, name: str) -> None:
        """Count every call of a method."""
        inner = getattr(owner, method)

        def call(*arguments: Any, **keywords: Any) -> Any:
            with self.stage(name):
                return inner(*arguments, **keywords)

        setattr(owner, method, call)


class Runner:
    """A network from `load_model` that gets the same frame over and over, with its stages instrumented."""

    def __init__(self, name: str, *, folded: bool, size: tuple[int, int], watched: bool = True) -> None:
        model = load_model(name, device="cpu")
        segmenter = Segmenter(model)
        self.network: Any = getattr(model, "folded", model.network) if folded else model.network
        width, height = size
        pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
        self.frame = torch.from_numpy(pixels).permute(2, 0, 1)[None]
        self.box = segmenter.letterbox(pixels)
        self.word_ids = segmenter.vocabulary.encode(["man in yellow shirt"])[None]
        self.stream: Any = self.network.stream()
        self.stages = Stages(time.perf_counter)
        if watched:
            self._watch()

    def _watch(self) -> None:
        network, watch = self.network, self.stages.watch
        watch(network, "normalise", "normalise")
        trunk = network.backbone
        bilateral = getattr(network, "bilateral", None)
        for part, name in (*_stages_of(trunk), (trunk.colours, "colour path"), (trunk.fine, "fine features"),
                           (network.fusion.score, "score"), (network.detail, "detail head"),
                           (getattr(network, "actors", None), "codes of actors"),
                           (getattr(network, "evidence", None), "word evidence"),
                           (bilateral, "bilateral upsampling")):  # fmt: skip
            if part is not None:
                watch(part, "forward", name)
        if bilateral is not None:
            watch(bilateral, "features", "bilateral upsampling")
        watch(network, "encode", "trunk, the rest")
        for cross_frame in self.stream._streams.values():
            watch(cross_frame, "_attend", "CFSA, blocks")
            watch(cross_frame, "_deliver", "CFSA, merging blocks")
            watch(cross_frame, "push", "CFSA, the rest")
        for attention in network.cross_frame:
            watch(attention, "project", "CFSA, linear maps")
            watch(attention, "update", "CFSA, linear maps")
        for attention, level in zip(network.cross_modal, ("Res3", "Res4", "Res5"), strict=True):
            watch(attention, "forward", f"CMSA of {level}")
        watch(network.fusion, "fuse", "gated fusion")
        watch(network, "segment", "heads, the rest")

    def step(self) -> None:
        """Push one frame; results come once the first clip is complete."""
        with self.stages.stage("letterbox"):
            images = self.box.apply(self.frame)
        ready = self.stream.push(self.network.encode(images))
        if ready is None:
            return
        logits = self.network.segment(ready, self.word_ids)[0][0]
        with self.stages.stage("logits to full size"):
            full = self.box.restore(self.box.crop(logits))
        with self.stages.stage("threshold"):
            (full > 0).numpy()

    def warm_up(self) -> None:
        """Fill the window and the caches that last from frame to frame."""
        for _ in range(4 * self.network.frame_radius + 4):
            self.step()

    def measure(self, clock: Callable[[], float]) -> dict[str, float]:
        """Return the milliseconds per frame of each stage and of the whole."""
        self.stages.read, began = clock, clock()
        self.stages.own.clear()
        for _ in range(FRAMES_A_ROUND):
            self.step()
        self.stages.own["whole frame"] = clock() - began
        return {name: seconds * 1e3 / FRAMES_A_ROUND for name, seconds in self.stages.own.items()}

    def count(self) -> dict[str, float]:
        """Return the billions of operations per frame of each stage; a multiplication and an addition count as two."""
        names = {"_linear_pointwise": _product_flop, "_convolution_pointwise": _convolution_flop}
        mapping = {getattr(torch.ops.mkldnn, name): flop for name, flop in names.items()}
        with FlopCounterMode(display=False, custom_mapping=mapping) as counter:
            self.stages.read = counter.get_total_flops
            self.stages.own.clear()
            self.step()
            self.stages.own["whole frame"] = counter.get_total_flops()
        return {name: operations / 1e9 for name, operations in self.stages.own.items()}


def _stages_of(backbone: Any) -> list[tuple[Any, str]]:
    """Return the stages of a light or a pretrained backbone with their names."""
    if isinstance(backbone, PretrainedBackbone | FoldedPretrainedBackbone):
        describe = (backbone.trunk.head, "head features"), (backbone.trunk.classifier, "classifier")
        return [(backbone.trunk, "pretrained trunk"), *describe, (backbone, "neck")]
    stages = getattr(backbone, "stages", None) or [backbone.res3, backbone.res4, backbone.res5]
    return [(backbone.stem, "stem"), (backbone.res2, "Res2"), *zip(stages, ("Res3", "Res4", "Res5"), strict=True)]


def _product_flop(rows: Any, columns: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    return int(2 * np.prod(rows) * columns[0])


def _convolution_flop(features: Any, *others: Any, out_shape: Any = None, **_: Any) -> int:
    adds = tuple(others[0]) == tuple(out_shape)  # then the addend comes before the weights
    return int(2 * np.prod(out_shape) * np.prod(others[1 if adds else 0][1:]))


def rates(clock: Callable[[], float]) -> dict[str, float]:
    """Return this machine's rates with one thread: billions of operations, or of exponentials, per second."""
    side, channels, grid = 1024, 128, 64
    square, picture = torch.randn(side, side), torch.randn(1, channels, grid, grid)
    weight, few = torch.randn(channels, channels, 3, 3), torch.randn(576, 576)
    product = 2 * side**3
    tasks: dict[str, tuple[Callable[[], Tensor], float]] = {
        "torch.matmul, 1024 x 1024": (lambda: square @ square, product),
        "oneDNN's product, 1024 x 1024": (
            lambda: torch.ops.mkldnn._linear_pointwise(square, square, None, "none", [], ""),
            product,
        ),
        "convolution, 128 channels, 64 x 64": (
            lambda: F.conv2d(picture, weight, padding=1),
            2 * channels**2 * 9 * grid**2,
        ),
        "torch.exp, 576 x 576": (lambda: torch.exp(few), few.numel()),
        "torch.exp2, 576 x 576": (lambda: torch.exp2(few), few.numel()),
    }
    found = {}
    for name, (task, operations) in tasks.items():
        times = []
        for _ in range(25):
            began = clock()
            task()
            times.append(clock() - began)
        found[name] = operations / statistics.median(times[5:]) / 1e9
    return found


def profile(options: argparse.Namespace, threads: int) -> dict[str, Any]:
    """Return the median of every stage of both forms, measured alternately."""
    torch.set_num_threads(threads)
    clock = CLOCKS[options.clock]
    runners = {form: Runner(options.model, folded=form == "folded", size=options.size) for form in ("plain", "folded")}
    samples: dict[str, list[dict[str, float]]] = {form: [] for form in runners}
    for runner in runners.values():
        runner.warm_up()
    for _ in range(options.rounds):
        for form, runner in runners.items():
            samples[form].append(runner.measure(clock))
    return {
        form: {
            "milliseconds": {
                name: statistics.median(turn[name] for turn in samples[form]) for name in samples[form][0]
            },
            "least": min(turn["whole frame"] for turn in samples[form]),
            "gflop": runner.count(),
        }
        for form, runner in runners.items()
    }


def against(options: argparse.Namespace, folder: str) -> dict[str, dict[str, float]]:
    """Time the whole frame with another copy of the package and with this one, alternately, each in its own process."""
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    size = "x".join(str(side) for side in options.size)
    command = [sys.executable, __file__, "--worker", "--model", options.model, "--size", size,
               "--clock", options.clock, "--threads", str(options.threads[0])]  # fmt: skip
    workers = {
        place: subprocess.Popen(
            command, env={**os.environ, "PYTHONPATH": place}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for place in (os.path.abspath(folder), here)
    }
    times: dict[str, list[float]] = {place: [] for place in workers}
    for turn in range(options.rounds + 1):
        for place, worker in workers.items():
            assert worker.stdin
            assert worker.stdout
            worker.stdin.write("\n")
            worker.stdin.flush()
            answer = worker.stdout.readline()
            if turn:
                times[place].append(float(answer))
    for worker in workers.values():
        worker.communicate()
    return {place: {"median": statistics.median(found), "least": min(found)} for place, found in times.items()}


def work(options: argparse.Namespace) -> None:
    """Answer each input line with the milliseconds that a whole frame takes."""
    torch.set_num_threads(options.threads[0])
    runner = Runner(options.model, folded=True, size=options.size, watched=False)
    with torch.inference_mode():
        runner.warm_up()
        for _ in sys.stdin:
            print(runner.measure(CLOCKS[options.clock])["whole frame"], flush=True)


def show(report: dict[str, Any]) -> None:
    """Print a report as tables."""
    print("| rate, one thread | 10^9 a second |\n|---|---|")
    for name, rate in report["rates"].items():
        print(f"| {name} | {rate:.1f} |")
    best = report["rates"]["convolution, 128 channels, 64 x 64"]
    for threads, forms in report["threads"].items():
        plain, folded = forms["plain"], forms["folded"]
        print(f"\n{threads} thread(s)\n\n| stage | as trained ms | folded ms | ratio | GFLOP | ms at the rate |")
        print("|---|---|---|---|---|---|")
        for name in {**plain["milliseconds"], **folded["milliseconds"]}:
            before, after = (form["milliseconds"].get(name, 0.0) for form in (plain, folded))
            gflop = folded["gflop"].get(name, 0.0)
            ratio = f"{before / after:.2f}" if after > 0 else ""
            print(f"| {name} | {before:.2f} | {after:.2f} | {ratio} | {gflop:.3f} | {gflop / best * 1e3:.2f} |")
        print(f"| whole frame, least | {plain['least']:.2f} | {folded['least']:.2f} | | | |")
    for place, found in report.get("against", {}).items():
        print(f"{place}: a frame in {found['median']:.2f} ms (least {found['least']:.2f})")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="refvid-tiny")
    parser.add_argument("--size", default="640x360", type=lambda text: tuple(int(side) for side in text.split("x")))
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--clock", choices=CLOCKS, default="cpu")
    parser.add_argument("--against", metavar="FOLDER", help="a folder with another copy of the package refvid")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options)
        return
    with torch.inference_mode():
        torch.set_num_threads(1)
        report: dict[str, Any] = {"clock": options.clock, "rates": rates(CLOCKS[options.clock])}
        report["threads"] = {threads: profile(options, threads) for threads in options.threads}
    if options.against:
        report["against"] = against(options, options.against)
    if options.json:
        print(json.dumps(report, indent=1))
    else:
        show(report)


if __name__ == "__main__":
    main()
