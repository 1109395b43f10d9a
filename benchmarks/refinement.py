"""Refinement as it was, pydensecrf at full size, beside refinement as it is: speed, agreement, and what it is worth.

    python benchmarks/refinement.py [--model refvid-tiny] [--only park street yard] [--frames 60] [--every 5]
                                    [--rounds 2] [--json FILE]

Speed: `refvid segment` on the first expression of each example, plain, refined as before (the picture at 320 pixels of
the longer side, each expression with lattices of its own, one worker, bilinear upsampling) and refined as now, in turns
in one run; of each the quickest round counts. Masks: on every fifth frame with all expressions, the labels of both
refinements compared, and their mean IoU with what was drawn. "As before" is written anew here, with the threshold
treated as before and, so that the kernels alone are compared, as now.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from refvid.masks.dense_crf import add_kernels  # PyTorch is left to functions: the workers import this file
from refvid.model.config import CrfSettings

if TYPE_CHECKING:
    from refvid.inference.segmenter import Segmenter
    from refvid.weights import LoadedModel

ROOT = Path(__file__).resolve().parent.parent
FULL_SIDE = 320
PLAIN, BEFORE, NOW, NEUTRAL = "plain", "as before", "as now", "full size, threshold as now"

Maps = npt.NDArray[np.float32]
Masks = npt.NDArray[np.bool_]


def one_at_a_time(pixels: npt.NDArray[np.uint8], probabilities: Maps, parameters: CrfSettings) -> Maps:
    """Return what pydensecrf's own `inference` makes of each map [E, h, w]."""
    import pydensecrf.densecrf as dcrf

    (height, width), refined = pixels.shape[:2], np.empty_like(probabilities)
    for index, probability in enumerate(probabilities):
        foreground = np.clip(probability, 1e-5, 1 - 1e-5)
        unary = -np.log(np.stack([1 - foreground, foreground])).reshape(2, -1)
        field = dcrf.DenseCRF2D(width, height, 2)
        field.setUnaryEnergy(np.ascontiguousarray(unary, dtype=np.float32))
        add_kernels(field, pixels, parameters)
        refined[index] = np.array(field.inference(parameters.iterations))[1].reshape(height, width)
    return refined


class FullSizeFinisher:
    """A stand-in for `RefinedFinisher`: full size, whole picture, bilinear upsampling."""

    def __init__(self, segmenter: "Segmenter", submit: Callable[..., Callable[[], Maps]], *, neutral: bool) -> None:
        """Store the function that refines in the background; `neutral` makes the CRF indifferent at the threshold."""
        self.threshold, self.submit = segmenter.threshold, submit
        self.shift = float(np.log(self.threshold / (1 - self.threshold))) if neutral else 0.0
        crf = segmenter.model.config.crf
        scale = FULL_SIDE / crf.longest_side
        self.parameters = replace(
            crf, gaussian_sxy=scale * crf.gaussian_sxy, bilateral_sxy=scale * crf.bilateral_sxy, longest_side=FULL_SIDE
        )

    def push(self, pixels: npt.NDArray[np.uint8], logits: Any) -> Callable[[], Masks]:
        """Take a frame's logits [E, h', w'] on the resized picture; the result waits for its masks [E, H, W]."""
        import torch

        from refvid.model.letterbox import Letterbox

        box = Letterbox.square(pixels, FULL_SIDE)
        frame = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None]
        small = box.resize(frame)[0].permute(1, 2, 0).contiguous().numpy()
        probabilities = (Letterbox(*box.scaled, box.canvas).restore(logits) - self.shift).sigmoid().numpy()
        refined = self.submit(small, probabilities, self.parameters)

        def masks() -> Masks:
            cut = 0.5 if self.shift else self.threshold
            return np.asarray((box.restore(torch.from_numpy(refined())) > cut).numpy(), np.bool_)

        return masks


def segment_as_before(model: "LoadedModel", video: Path, expression: str, output: Path, frames: int) -> int:
    """Do what `refvid segment --refine` did, stage after stage, with one worker; return the number of frames."""
    from refvid.inference.options import SegmentOptions
    from refvid.inference.segmenter import Segmenter
    from refvid.inference.video import open_output
    from refvid.video.output_format import resolve_output
    from refvid.video.reader import open_reader

    segmenter, written = Segmenter(model, refine=False), 0
    with (
        open_reader(video, end=_end(video, frames)) as reader,
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
    ):
        path, format = resolve_output(reader.info, output, None)
        finisher = FullSizeFinisher(segmenter, lambda *of: pool.submit(one_at_a_time, *of).result, neutral=False)
        options = SegmentOptions(overwrite=True)
        with open_output(reader, [expression], path, format, options) as writer:
            waiting: list[tuple[Any, Callable[[], Masks]]] = []
            prepared = segmenter.prepare((frame, frame.pixels) for frame in reader)
            for answer in segmenter.predict(prepared, [expression]):
                waiting.append((answer.item, finisher.push(answer.pixels, answer.logits)))
                if len(waiting) > 3:
                    frame, masks = waiting.pop(0)
                    writer.write(frame, masks())
                written += 1
            for frame, masks in waiting:
                writer.write(frame, masks())
    return written


def _end(video: Path, frames: int) -> Any:
    from refvid.video.frame import Position
    from refvid.video.reader import open_reader

    with open_reader(video) as reader:
        return Position(frame=frames) if frames < reader.frame_total else None


def speeds(model: "LoadedModel", video: Path, expression: str, frames: int, rounds: int) -> dict[str, float]:
    """Return frames a second of each way, the best of some rounds in turns."""
    from refvid.inference.options import SegmentOptions
    from refvid.inference.video import segment_video

    best: dict[str, float] = defaultdict(float)
    options = {
        name: SegmentOptions(end=_end(video, frames), refine=name == NOW, overwrite=True) for name in (PLAIN, NOW)
    }
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "out.mp4"
        for _ in range(rounds):
            for name, option in options.items():
                report = segment_video(video, expression, output, model=model, options=option)
                best[name] = max(best[name], report.frames_per_second)
            started = time.perf_counter()
            done = segment_as_before(model, video, expression, output, frames)
            best[BEFORE] = max(best[BEFORE], done / (time.perf_counter() - started))
    return dict(best)


def compare(model: "LoadedModel", name: str, every: int) -> Iterator[dict[str, Any]]:
    """Yield for each frame and expression the IoU of each way with the truth, and what both refinements agree on."""
    from examples.make_examples import EXAMPLES
    from refvid.inference.segmenter import Segmenter
    from refvid.metrics.regions import iou
    from refvid.video.reader import open_reader

    scene, plain, refining = EXAMPLES[name](), Segmenter(model, refine=False), Segmenter(model, refine=True)
    expressions = [reference.expression for reference in scene.references]
    at_once: Callable[..., Callable[[], Maps]] = partial(partial, one_at_a_time)  # when its result is asked for
    before, neutral = (FullSizeFinisher(plain, at_once, neutral=kind) for kind in (False, True))
    with open_reader(ROOT / "examples" / f"{name}.mp4") as reader, refining.refiner() as refiner:
        prepared = plain.prepare((frame.index, frame.pixels) for frame in reader)
        with closing(plain.predict(prepared, expressions)) as answers:
            for answer in answers:
                if answer.item % every:
                    continue
                (now,), (cut,) = refining.finish([answer], refiner), plain.finish([answer])
                masks = {PLAIN: cut.masks, NOW: now.masks}
                masks |= {
                    kind: one.push(answer.pixels, answer.logits)()
                    for kind, one in ((BEFORE, before), (NEUTRAL, neutral))
                }
                for row, reference in enumerate(scene.references):
                    found = {kind: each[row] for kind, each in masks.items()}
                    truth = None if reference.actor is None else scene.mask(reference.actor)[answer.item]
                    yield {
                        "iou": {} if truth is None else {kind: iou(mask, truth) for kind, mask in found.items()},
                        "agreement": {kind: float((found[kind] == found[NOW]).mean()) for kind in (BEFORE, NEUTRAL)},
                    }


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run everything that the options ask for."""
    from examples.make_examples import EXAMPLES
    from refvid.weights import load_model

    model, figures = load_model(options.model, device="cpu"), {}
    for name in options.only or EXAMPLES:
        expression = EXAMPLES[name]().references[0].expression
        rows = list(compare(model, name, options.every)) if options.every else []
        video = ROOT / "examples" / f"{name}.mp4"
        agreement = {kind: [row["agreement"][kind] for row in rows] for kind in (BEFORE, NEUTRAL) if rows}
        ious = {
            kind: [row["iou"][kind] for row in rows if row["iou"]] for kind in (PLAIN, BEFORE, NEUTRAL, NOW) if rows
        }
        figures[name] = {
            "expression": expression,
            "frames_per_second": speeds(model, video, expression, options.frames, options.rounds),
            "mean_iou": {kind: float(np.mean(values)) for kind, values in ious.items()},
            "agreement": {kind: float(np.mean(values)) for kind, values in agreement.items()},
            "least_agreement": {kind: min(values) for kind, values in agreement.items()},
        }
    return figures


def table(figures: dict[str, Any]) -> str:
    """Return the figures as a Markdown table."""
    lines = ["| clip | | frames a second | mean IoU | labels as now | in the worst mask |", "|---|---|---|---|---|---|"]
    for name, found in figures.items():
        for kind in (PLAIN, BEFORE, NEUTRAL, NOW):
            speed, score = found["frames_per_second"].get(kind), found["mean_iou"].get(kind)
            agreement, least = (found[key].get(kind) for key in ("agreement", "least_agreement"))
            shares = ("–" if value is None else f"{100 * value:.2f} %" for value in (agreement, least))
            numbers = ("–" if speed is None else f"{speed:.1f}", "–" if score is None else f"{score:.3f}", *shares)
            lines.append(f"| {name} | {kind} | {' | '.join(numbers)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-m", "--model", default="refvid-tiny", help="embedded name, folder or Hub id")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=("park", "street", "yard"))
    parser.add_argument("--frames", type=int, default=60, help="number of frames of each clip, for speed")
    parser.add_argument("--every", type=int, default=5, help="step between compared frames; 0 compares none")
    parser.add_argument("--rounds", type=int, default=2, help="rounds of the speed measurement; 0 skips it")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    figures = measure(options)
    print(table(figures))
    if options.json:
        options.json.write_text(json.dumps({"schema": 1, "model": options.model, **figures}, indent=1) + "\n")


if __name__ == "__main__":
    main()
