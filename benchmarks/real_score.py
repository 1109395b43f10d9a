"""Score models on real photos and videos that no training sees: one table, a column for each model.

    python benchmarks/real_score.py --photos DIR [--photos DIR] [--davis DIR] [--model NAME ...] [--held-out A,B]
                                    [--calibration] [--speed] [--json FILE] [--sheet DIR [--clips DIR]] [--quick]

Photos are segmented at their own size, alone, at the model's own threshold, as `refvid segment` would; void pixels
count in no score. In brackets: 95 % intervals by bootstrap over photos (over phrases for a video).
"""

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.command_line import errors_in_one_line, interval, number, show_progress, write_json
from benchmarks.real_photos import COMMON, find_photos
from benchmarks.real_rows import Answer, Judged, Predictor, calibration, score_photos, summarise
from benchmarks.real_videos import find_sequences, score_sequence, speed, write_clip_sheets
from benchmarks.score_sheets import Page, write_sheet
from benchmarks.score_tests import ClipScore
from refvid.errors import UsageError
from refvid.inference.segmenter import Segmenter
from refvid.masks.dense_crf import Refiner
from refvid.masks.guided_filter import upsample
from refvid.masks.threshold import GUIDED_RADIUS
from refvid.weights import DEFAULT_MODEL, LoadedModel, load_model

BASELINE = "refvid-tiny"
QUICK_PHOTOS, QUICK_FRAMES = 4, 12  # every fourth photo, the first twelve frames
SPEED_ROUNDS = 5

# Of each row: its name, and the goal; "" where there is none.
ROWS = {
    "lone": ("lone object of any class", "0.62 / 0.72"),
    "lone_coco": ("– in photos of COCO", ""),
    "common": ("people, dogs, cats, birds, cars alone", "0.75"),
    **{label: (f"– {label}", "") for label in COMMON},
    "two": ("of several of a class", "0.60"),
    "side": ("– the one on the left / right", ""),
    "bigger": ("– the bigger, the biggest", ""),
    "colour": ("– the one of a colour", ""),
    "absent": ("not there: nothing found", "0.93"),
    "look_alike": ("– a dog where the cat is, a cat where the dog is", ""),
    "held_out": ("lone object of a held-out class", "0.45"),
}
_DAVIS_GOALS = {"blackswan": "0.80", "car-shadow": "0.85"}


def predictor(segmenter: Segmenter, refiner: Refiner | None = None, *, with_maps: bool = False) -> Predictor:
    """Return what segments a single picture as `refvid segment` does.

    Args:
        segmenter: The model.
        refiner: As for `Segmenter.finish`.
        with_maps: Whether the maps that the threshold cuts are wanted, too; they are never refined.
    """

    def predict(pixels: npt.NDArray[np.uint8], expressions: Sequence[str]) -> Answer:
        (answer,) = segmenter.predict(segmenter.prepare([(None, pixels)]), expressions)
        (segmented,) = segmenter.finish([answer], refiner)
        maps = _maps(segmenter, pixels, answer.logits) if with_maps else None
        return Answer(segmented.masks, segmented.confidence, maps)

    return predict


@torch.inference_mode()
def _maps(segmenter: Segmenter, pixels: npt.NDArray[np.uint8], logits: torch.Tensor) -> npt.NDArray[np.float32]:
    """Return what the threshold cuts, float32 [E, H, W], in the picture's own size, upsampled as the masks are."""
    config, box = segmenter.model.config, segmenter.letterbox(pixels)
    height, width = logits.shape[1:]
    larger = box.height >= height and box.width >= width and (box.height, box.width) != (height, width)
    if config.upsampling == "guided" and larger:
        values = upsample(logits.sigmoid(), torch.from_numpy(np.ascontiguousarray(pixels)), radius=GUIDED_RADIUS)[0]
    else:
        values = box.restore(logits).sigmoid()
    if config.threshold_of == "maximum":
        values = values / values.amax((1, 2), keepdim=True).clamp(min=1e-12)
    return np.asarray(values.cpu().numpy(), np.float32)


def score_model(name: str, model: LoadedModel, options: argparse.Namespace) -> dict[str, Any]:
    """Return every figure of a model, but its speed, and write its sheets.

    Raises:
        RefvidError: The photos or videos cannot be used.
    """
    segmenter = Segmenter(model)
    photos = [photo for folder in options.photos for photo in find_photos(folder)]
    pages: list[Page] = []
    with ExitStack() as stack:
        refiner = stack.enter_context(segmenter.refiner()) if segmenter.refine else None
        chosen = photos[::QUICK_PHOTOS] if options.quick else photos
        findings = score_photos(
            show_progress(chosen, name, len(chosen)),
            predictor(segmenter, refiner, with_maps=bool(options.calibration or options.json)),
            seed=options.seed,
            held_out=options.held_out,
            keep=pages.append if options.sheet else None,
        )
    figures: dict[str, Any] = {"rows": summarise(findings), "calibration": calibration(findings)}
    if options.davis is not None:
        most = QUICK_FRAMES if options.quick else None
        for sequence in find_sequences(options.davis):
            figures["rows"][f"davis/{sequence.name}"] = score_sequence(sequence, segmenter.stream, most)
    if options.sheet is not None:
        folder = options.sheet / Path(name).name if len(options.model) > 1 else options.sheet
        write_sheets(folder, findings, pages)
        if options.clips is not None:
            write_clip_sheets(folder, options.clips, segmenter)
    return figures


def write_sheets(folder: Path, findings: Sequence[Judged], pages: Sequence[Page]) -> None:
    """Write a sheet of each row: its best, its middling and its worst samples."""
    for row in ROWS:
        if chosen := tuple(finding for finding in findings if row in finding.groups):
            title = ROWS[row][0].lstrip("– ")
            write_sheet(folder / f"{row}.png", title, [ClipScore(chosen, (), ())], pages, (280, 230))


def table(figures: dict[str, dict[str, Any]]) -> str:
    """Return the figures of models by name as a Markdown table, "–" where a row has no sample."""
    videos = sorted({row for each in figures.values() for row in each["rows"] if row.startswith("davis/")})
    names = ROWS | {row: (f"DAVIS {row[6:]}, J", _DAVIS_GOALS.get(row[6:], "")) for row in videos}
    lines = [f"| test | samples | goal | {' | '.join(figures)} |", "|---|---|---|" + "---|" * len(figures)]
    for row, (title, goal) in names.items():
        cells = [each["rows"].get(row) for each in figures.values()]
        if known := [cell for cell in cells if cell is not None]:
            lines.append(f"| {title} | {known[0]['samples']} | {goal} | {' | '.join(map(_cell, cells))} |")
    for key, title in (("there", "what is there"), ("all", "all masks")):
        each = [values["calibration"][key] for values in figures.values()]
        cells = [f"{number(one['error'])} of {one['masks']}" for one in each]
        lines.append(f"| expected calibration error, {title} | | | {' | '.join(cells)} |")
    if all("speed" in each for each in figures.values()):
        cells = [f"{each['speed']['fps']:.1f}, ×{each['speed']['ratio']:.2f}" for each in figures.values()]
        lines.append(f"| frames a second, against {BASELINE} | | ×1.5 | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return "–"
    if "quiet" in row:
        return number(row["quiet"]) + interval(row["interval"])
    return f"{number(row['mean_iou'])}{interval(row['interval'])} / {number(row['p@0.5'])}"


def calibration_tables(figures: dict[str, Any]) -> str:
    """Return the reliability and the sweep over thresholds of one model as two Markdown tables."""
    lines = ["| mean probability | masks of what is there | right | all masks | right |", "|---|---|---|---|---|"]
    for there, every in zip(figures["there"]["bins"], figures["all"]["bins"], strict=True):
        if every["masks"]:
            cells = [str(there["masks"]), number(there["right"]), str(every["masks"]), number(every["right"])]
            lines.append(f"| {every['from']:.1f} to {every['to']:.1f} | {' | '.join(cells)} |")
    keys = ("lone_iou", "lone_p@0.5", "two_iou", "quiet_where_absent", "quiet_where_lone")
    titles = ("lone, mean IoU", "lone, P@0.5", "of two, mean IoU", "not there: nothing found", "lone: nothing found")
    lines += ["", f"| threshold | {' | '.join(titles)} |", "|---|" + "---|" * len(titles)]
    for step in figures["sweep"]:
        lines.append(f"| {step['threshold']:.2f} | {' | '.join(number(step[key]) for key in keys)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Score the models, print the table, write what was asked for."""
    options = _parser().parse_args(arguments)
    with errors_in_one_line():
        run(options)


def run(options: argparse.Namespace) -> None:
    """Score the models that the options name.

    Raises:
        RefvidError: A model, the photos or the videos cannot be used.
    """
    if options.clips is not None and options.sheet is None:
        raise UsageError("--clips makes sheets of clips; say where with --sheet DIR")
    started = time.perf_counter()
    models = {name: load_model(name, device=options.device) for name in options.model}
    figures = {name: score_model(name, model, options) for name, model in models.items()}
    if options.speed:
        compared = models | ({} if BASELINE in models else {BASELINE: load_model(BASELINE, device=options.device)})
        taken = speed(compared, BASELINE, 1 if options.quick else SPEED_ROUNDS)
        for name, each in figures.items():
            each["speed"] = taken[name]
    print(f"seed {options.seed}{', quick' if options.quick else ''}; mean IoU [95 %] / P@0.5\n\n{table(figures)}")
    if options.calibration:
        for name, each in figures.items():
            print(f"\n{name}\n\n{calibration_tables(each['calibration'])}")
    print(f"\n{time.perf_counter() - started:.0f} s, {torch.get_num_threads()} threads")
    if options.json:
        record = {"seed": options.seed, "quick": options.quick, "held_out": options.held_out, "models": figures}
        write_json(options.json, record)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-m", "--model", nargs="+", default=[DEFAULT_MODEL], help="embedded names, folders or Hub ids")
    parser.add_argument("--photos", type=Path, action="append", required=True, help="folder of labelled photos")
    parser.add_argument("--davis", type=Path, help="DAVIS-16, with the phrases of DAVIS-17 in ../davis17")
    parser.add_argument("--held-out", type=_words, default=[], metavar="A,B", help="classes that no training had")
    parser.add_argument("--seed", type=int, default=0, help="decides which absent classes are asked for")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--calibration", action="store_true", help="print the reliability and a sweep of thresholds")
    parser.add_argument("--speed", action="store_true", help=f"time `refvid segment` against {BASELINE}")
    parser.add_argument("--json", type=Path, help="write every figure here")
    parser.add_argument("--sheet", type=Path, help="folder for contact sheets, one of each row")
    parser.add_argument("--clips", type=Path, help="folder of clips of which there will be sheets, too")
    parser.add_argument("--quick", action="store_true", help="every fourth photo, twelve frames of a video")
    return parser


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


if __name__ == "__main__":
    main()
