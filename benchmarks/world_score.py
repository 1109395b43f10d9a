"""Score a model on what it was never trained on: drawn scenes, look-alikes, composites of photos, single photos.

    python benchmarks/world_score.py [--model refvid-small] [--photos DIR] [--clips 100] [--refine] [--json FILE]
                                     [--sheet DIR]

Clips are 11 frames of about 240 x 240 pixels, mostly 320x180; a single photo is one frame. Every expression of a clip
is scored on its middle frame, at the frame's own size and the model's own threshold, refined only with --refine. In
brackets: 95 % intervals by bootstrap over clips.
"""

import argparse
import itertools
import os
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.command_line import errors_in_one_line, interval, number, show_progress, write_json
from benchmarks.score_sheets import Page, write_sheet
from benchmarks.score_tests import (
    PHOTO_TESTS,
    SEED_BASE,
    TESTS,
    Clip,
    Clips,
    ClipScore,
    Masks,
    Predictor,
    difference,
    findings_of,
    is_quiet,
    score,
    share,
    summarise,
)
from refvid.errors import UsageError
from refvid.inference.segmenter import Segmenter
from refvid.masks.dense_crf import Refiner
from refvid.masks.finish import RefinedFinisher
from refvid.masks.threshold import plain_masks
from refvid.model.cmsa.config import CmsaConfig
from refvid.model.interface import FrameFeatures, FrameStream
from refvid.model.letterbox import Letterbox
from refvid.model.registry import build_network, build_vocabulary
from refvid.weights import DEFAULT_MODEL, LoadedModel, load_model

WITH, WITHOUT = "model", "without_cfsa"

# For each test: its name, and the goals for mean IoU, P@0.5 and gain by CFSA; 0 for no goal.
_GOALS = {
    "world": ("procedural world, mixed expressions", 0.70, 0.80, 0.0),
    "motion": ("look-alikes told apart by motion", 0.60, 0.0, 0.15),
    "composite": ("photo composites, mixed expressions", 0.60, 0.70, 0.0),
    "photo": ("single photos, person and garments", 0.50, 0.0, 0.0),
}
_SHARED = (
    ("follows", "changes", "another expression, the mask follows", 0.90, ("world", "composite")),
    ("quiet", "absent_expressions", "nothing there, nothing found", 0.80, ("world", "composite", "photo")),
)


def predictor(model: LoadedModel, refiner: Refiner | None = None) -> Predictor:
    """Return a function that segments the middle frame of a clip as `Segmenter.stream` does, and no other frame."""
    network, vocabulary, config = model.network, build_vocabulary(model.config), model.config

    @torch.inference_mode()
    def predict(clip: Clip) -> Masks:
        frames, middle = clip.sample.frames, len(clip.sample.frames) // 2
        first = max(0, middle - network.frame_radius)
        window = torch.from_numpy(frames[first : middle + network.frame_radius + 1]).permute(0, 3, 1, 2).contiguous()
        height, width = frames.shape[1:3]
        box = Letterbox(height, width, config.canvas(height, width))
        enhanced = _enhance(network.stream(), network.encode(box.apply(window).to(model.device)))
        features = next(itertools.islice(enhanced, middle - first, None))
        word_ids = vocabulary.encode(clip.sample.expressions).to(model.device)[None]
        logits, _ = network.segment(features, word_ids)
        resized = box.crop(logits[0].float())
        if refiner is not None:
            timings = {"refine": 0.0}
            finisher: RefinedFinisher[None] = RefinedFinisher(
                config.threshold, config.crf.longest_side, timings, refiner, config.threshold_of
            )
            (segmented,) = *finisher.push(None, frames[middle], resized), *finisher.flush()
            return segmented.masks
        found = plain_masks(
            resized,
            frames[middle],
            box,
            threshold=config.threshold,
            threshold_of=config.threshold_of,
            upsampling=config.upsampling,
        )
        return np.asarray(found.cpu().numpy(), np.bool_)

    return predict


def _enhance(stream: FrameStream, clip: FrameFeatures) -> Iterator[FrameFeatures]:
    """Yield the features of each frame of a clip after CFSA, B = 1; those of the clip are [T, C_i, h, w]."""
    for frame in range(len(clip.levels[0])):
        features = clip.map(lambda part, frame=frame: part[frame : frame + 1])  # type: ignore[misc]
        if (enhanced := stream.push(features)) is not None:
            yield enhanced
    yield from stream.flush()


def without_cross_frame(model: LoadedModel) -> LoadedModel:
    """Return a model with the same weights whose network sees one frame at a time."""
    config = model.config.replace(cross_frame=False)
    network = build_network(config)
    weights = model.network.state_dict()
    network.load_state_dict({name: value for name, value in weights.items() if not name.startswith("cross_frame.")})
    return replace(model, network=network.to(model.device).eval(), config=config)


def measure(
    clips: Clips, predictors: dict[str, Predictor], workers: int = 0, sheet: Path | None = None
) -> dict[str, list[ClipScore]]:
    """Run one test.

    Args:
        clips: Clips of the test.
        predictors: Predictors by name; the sheet shows the first.
        workers: Number of processes that draw clips ahead; 0 draws them in this process.
        sheet: Folder for the contact sheet.
    """
    pages: list[Page] = []
    first = next(iter(predictors))

    def keep(clip: Clip) -> Masks:
        masks = predictors[first](clip)
        pages.append(Page.of(clip, masks))
        return masks

    with warnings.catch_warnings():
        # Whether to use more workers than processors is the user's decision.
        warnings.filterwarnings("ignore", "This DataLoader will create")
        loader: DataLoader[Clip] = DataLoader(
            clips,
            batch_size=None,
            num_workers=workers,
            collate_fn=_as_it_is,
            multiprocessing_context="spawn" if workers else None,
        )
        drawn = show_progress(loader, clips.test, len(clips))
        scores = score(drawn, predictors if sheet is None else {**predictors, first: keep})
    if sheet is not None:
        write_sheet(sheet / f"{clips.test}.png", clips.test, scores[first], pages)
    return scores


def _as_it_is(clip: Any) -> Any:
    return clip


def report(scores: dict[str, dict[str, list[ClipScore]]]) -> dict[str, Any]:
    """Return all figures of the tests; `scores` are by test and by name of the predictor."""
    figures: dict[str, Any] = {test: summarise(by_name[WITH]) for test, by_name in scores.items()}
    if WITHOUT in scores.get("motion", {}):
        both = scores["motion"]
        figures["motion"] |= {
            "without_cfsa": summarise(both[WITHOUT]),
            "above_without_cfsa": difference(both[WITH], both[WITHOUT]),
        }
    switched = [clip for test in ("world", "composite") if test in scores for clip in scores[test][WITH]]
    asked = [clip for test in ("world", "composite", "photo") if test in scores for clip in scores[test][WITH]]
    figures["follows"] = share([done for clip in switched for done in clip.follows])
    figures["quiet"] = share([is_quiet(finding) for finding in findings_of(asked, present=False)])
    return figures


def table(figures: dict[str, Any]) -> str:
    """Return the figures beside their goals as a Markdown table."""
    rows = [_test_row(name, test, figures[test], goals) for test, (name, *goals) in _GOALS.items() if test in figures]
    each = {test: figures[test] for test in TESTS if test in figures}
    for key, count, name, goal, tests in _SHARED:
        if figures[key] is None:
            continue
        parts = "; ".join(f"{test} {number(each[test][key])}" for test in tests if test in each)
        total = sum(each[test][count] for test in tests if test in each)
        rows.append((name, f"{number(figures[key])} ({parts}) of {total}", f"{goal:.2f}", figures[key] >= goal))
    lines = [f"| {name} | {text} | {goal} | {'yes' if done else 'no'} |" for name, text, goal, done in rows]
    return "\n".join(["| test | measured | goal | reached |", "|---|---|---|---|", *lines])


def _test_row(name: str, test: str, found: dict[str, Any], goals: Sequence[float]) -> tuple[str, str, str, bool]:
    iou, precision, gain = goals
    texts = [f"mean IoU {number(found['mean_iou'])}{interval(found['interval'])}, P@0.5 {number(found['p@0.5'])}"]
    wanted, done = [f"IoU {iou:.2f}"], found["mean_iou"] >= iou
    if precision:
        wanted, done = [*wanted, f"P@0.5 {precision:.2f}"], done and found["p@0.5"] >= precision
    if gain and "without_cfsa" in found:
        off, above = found["without_cfsa"]["mean_iou"], found["above_without_cfsa"]
        texts.append(f"CFSA off {number(off)}, gain {number(above['mean'])}{interval(above['interval'])}")
        wanted, done = [*wanted, f"gain {gain:.2f}"], done and above["mean"] >= gain
    if test == "photo":
        texts += [f"{group} {number(values['mean_iou'])}" for group, values in reversed(found["groups"].items())]
    texts.append(f"{found['expressions']} expressions, {found['clips']} clips")
    return name, "; ".join(texts), ", ".join(wanted), done


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the tests, print the table and write the requested files."""
    options = _parser().parse_args(arguments)
    with errors_in_one_line():
        run(options)


def run(options: argparse.Namespace) -> None:
    """Run the tests selected by the options.

    Raises:
        RefvidError: The model or the photos cannot be used, or a number is too small.
    """
    for name, least in (("clips", 1), ("frames", 1), ("seed", 0), ("workers", 0)):
        if getattr(options, name) < least:
            raise UsageError(f"--{name} is {getattr(options, name)}; give at least {least}")
    tests = [test for test in TESTS if test in (options.only or TESTS) and (options.photos or test not in PHOTO_TESTS)]
    if not tests:
        raise UsageError(f"the tests {', '.join(PHOTO_TESTS)} need --photos, a folder of labelled photos")
    started = time.perf_counter()
    model = load_model(options.model, device=options.device)
    attends = isinstance(model.config, CmsaConfig) and model.config.cross_frame
    plain = without_cross_frame(model) if attends else model
    scores = {}
    with Segmenter(model, refine=True).refiner() if options.refine else nullcontext() as refiner:
        predictors = {WITH: predictor(plain if options.without_cfsa else model, refiner)}
        for test in tests:
            clips = Clips(test, options.clips, options.seed, options.frames, options.photos)
            compare = test == "motion" and attends and not options.without_cfsa
            both = predictors | {WITHOUT: predictor(plain, refiner)} if compare else predictors
            scores[test] = measure(clips, both, options.workers, options.sheet)
    figures = report(scores)
    seconds = time.perf_counter() - started
    how = f"{options.model}{' without CFSA' if options.without_cfsa else ''}{', refined' if options.refine else ''}"
    how += f", seed {options.seed} + {SEED_BASE}"
    print(f"{how}, {options.frames} frames a clip\n\n{table(figures)}\n")
    if missing := [test for test in options.only or TESTS if test not in tests]:
        print(f"left out for want of --photos: {', '.join(missing)}")
    threads = f"{torch.get_num_threads()} of {os.cpu_count()} threads"
    print(f"{seconds:.0f} s on {model.device}, {threads}, {options.workers} workers")
    if options.json:
        record = {
            name: getattr(options, name) for name in ("model", "clips", "seed", "frames", "without_cfsa", "refine")
        }
        write_json(options.json, record | {"seconds": round(seconds, 1), **figures})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-m", "--model", default=DEFAULT_MODEL, help="embedded name, folder or Hub id")
    parser.add_argument("--photos", type=Path, help="folder of labelled photos; else two tests are left out")
    parser.add_argument("--clips", type=int, default=100, help="of each test")
    parser.add_argument("--seed", type=int, default=0, help=f"is added to {SEED_BASE}, which no training uses")
    parser.add_argument("--frames", type=int, default=11, help="of a clip; 11 are the whole window of tau = 5")
    parser.add_argument("--workers", type=int, default=0, help="processes that draw clips ahead")
    parser.add_argument("--only", nargs="+", choices=TESTS, metavar="TEST", help=f"some of: {', '.join(TESTS)}")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure, also by way of telling apart")
    parser.add_argument("--sheet", type=Path, metavar="DIR", help="write a contact sheet for each test")
    parser.add_argument("--without-cfsa", action="store_true", help="switch cross-frame attention off in every test")
    parser.add_argument("--refine", action="store_true", help="refine the masks by DenseCRF")
    return parser


if __name__ == "__main__":
    main()
