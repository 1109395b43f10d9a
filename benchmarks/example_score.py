"""Score a model on the example clips, frame by frame against what was drawn.

    python benchmarks/example_score.py [--model refvid-small] [--only park street yard] [--refine] [--threshold 0.5]

The clips are those of examples/, decoded as a user's would be; the truth is drawn anew by examples/make_examples.py.
For each expression: mean IoU over the frames, the share of frames with an IoU above 0.5, and for one that means
nothing the share of frames in which next to nothing was found.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.command_line import errors_in_one_line
from benchmarks.score_tests import QUIET
from examples.make_examples import EXAMPLES
from refvid.inference.segmenter import Segmenter
from refvid.metrics.regions import iou, mean_iou, precision_at
from refvid.video.reader import open_reader
from refvid.weights import DEFAULT_MODEL, load_model
from refvid.world.scene import Scene

FOLDER = Path(__file__).resolve().parent.parent / "examples"

Masks = npt.NDArray[np.bool_]
# From frames uint8 [T, H, W, 3] and E expressions to masks bool [E, T, H, W].
Segment = Callable[[npt.NDArray[np.uint8], Sequence[str]], Masks]


@dataclass(frozen=True)
class Row:
    """The result for one expression.

    Attributes:
        clip: Name of the example.
        expression: The expression.
        ious: IoU of each frame; empty if the expression refers to nothing.
        quiet: Fraction of frames with a nearly empty mask; None if the expression refers to something.
    """

    clip: str
    expression: str
    ious: tuple[float, ...]
    quiet: float | None = None


def score_clip(name: str, frames: npt.NDArray[np.uint8], scene: Scene, segment: Segment) -> list[Row]:
    """Segment and score every expression of an example.

    Args:
        name: Name of the example.
        frames: Decoded frames, uint8 [T, H, W, 3].
        scene: Ground truth.
        segment: Model under test.
    """
    found = segment(frames, [reference.expression for reference in scene.references])
    rows = []
    for masks, reference in zip(found, scene.references, strict=True):
        if reference.actor is None:
            quiet = float(np.mean(masks.mean((1, 2)) < QUIET))
            rows.append(Row(name, reference.expression, (), quiet))
            continue
        ious = tuple(iou(mask, true) for mask, true in zip(masks, scene.mask(reference.actor), strict=True))
        rows.append(Row(name, reference.expression, ious))
    return rows


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table, with a row for all the frames together."""
    lines = ["| clip | expression | mean IoU | frames above 0.5 | nothing found |", "|---|---|---|---|---|"]
    for row in rows:
        figures = ("–", "–", f"{row.quiet:.2f}") if row.quiet is not None else (*_figures(row.ious), "–")
        lines.append(f"| {row.clip} | {row.expression} | {' | '.join(figures)} |")
    quiet = [row.quiet for row in rows if row.quiet is not None]
    everything = _figures([value for row in rows for value in row.ious])
    lines.append(f"| all | | {' | '.join(everything)} | {f'{np.mean(quiet):.2f}' if quiet else '–'} |")
    return "\n".join(lines)


def _figures(ious: Sequence[float]) -> tuple[str, str]:
    return f"{mean_iou(ious):.3f}", f"{precision_at(ious, 0.5):.2f}"


def read_frames(path: Path) -> npt.NDArray[np.uint8]:
    """Return all frames of a short clip, uint8 [T, H, W, 3].

    Raises:
        RefvidError: The clip cannot be read.
    """
    with open_reader(path) as reader:
        return np.stack([frame.pixels for frame in reader])


def main(arguments: Sequence[str] | None = None) -> None:
    """Load the model, score it, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-m", "--model", default=DEFAULT_MODEL, help="embedded name, folder or Hub id")
    parser.add_argument("--only", nargs="+", choices=tuple(EXAMPLES), default=tuple(EXAMPLES), metavar="NAME")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the clips are")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--refine", action="store_true")
    parser.add_argument("--threshold", type=float)
    options = parser.parse_args(arguments)
    with errors_in_one_line():
        model = load_model(options.model, device=options.device)
        segmenter = Segmenter(model, refine=options.refine or None, threshold=options.threshold)

        def segment(frames: npt.NDArray[np.uint8], expressions: Sequence[str]) -> Masks:
            return np.stack(list(segmenter.stream(frames, expressions)), axis=1)

        rows = []
        for name in options.only:
            rows += score_clip(name, read_frames(options.folder / f"{name}.mp4"), EXAMPLES[name](), segment)
        print(table(rows))


if __name__ == "__main__":
    main()
