"""The videos of `real_score.py`: sequences of DAVIS by their phrases, sheets of clips, and frames a second."""

import math
import statistics
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from benchmarks.run_measure import in_turns
from benchmarks.score_sheets import marked
from benchmarks.score_tests import Masks, interval
from refvid.data.davis_text import read_phrases
from refvid.errors import UsageError
from refvid.inference.options import SegmentOptions
from refvid.inference.segmenter import Segmenter
from refvid.inference.video import segment_video
from refvid.inference.windows import windows
from refvid.metrics.regions import iou
from refvid.video.frame import Position
from refvid.video.reader import open_reader
from refvid.weights import LoadedModel

PARK = Path(__file__).resolve().parent.parent / "examples" / "park.mp4"
SAID_OF_PARK = "man in yellow shirt"
TIMED_FRAMES = 40

# The clips of which a sheet is made, where they are found, and what is asked there.
CLIPS = {
    "dog.mp4": ("the dog", "woman in blue jeans"),
    "bedroom.mp4": ("the boy", "girl in blue skirt"),
    "cups.mp4": ("the yellow ball", "the red cup on the left"),
    "blackswan.mp4": ("the black swan",),
}
_SHOWN = 9
_TILE, _BAND = 400, 24  # width of a frame on a sheet and height of its caption, pixels

Pixels = npt.NDArray[np.uint8]
Streamer = Callable[[Iterable[Pixels], Sequence[str]], Iterator[Masks]]  # as `Segmenter.stream`


@dataclass(frozen=True)
class Sequence16:
    """A sequence of DAVIS-16.

    Attributes:
        name: As its folder is called.
        frames: Paths of the frames.
        masks: Paths of the masks, one of each frame.
        phrases: What is asked; one that is said twice counts twice.
    """

    name: str
    frames: tuple[Path, ...]
    masks: tuple[Path, ...]
    phrases: tuple[str, ...]


def find_sequences(root: Path) -> list[Sequence16]:
    """Return the sequences whose frames and masks are complete, with the phrases of DAVIS-17 in the folder beside.

    A sequence without phrases, or of which DAVIS-17 has several objects, is asked for by its name.

    Raises:
        UsageError: There is none, or the phrases cannot be read.
    """
    phrases = _phrases(root.resolve().parent / "davis17" / "derived_khoreva_format")
    sequences = []
    for folder in sorted((root / "JPEGImages" / "480p").glob("*")):
        frames = tuple(sorted(folder.glob("*.jpg")))
        masks = tuple(root / "Annotations" / "480p" / folder.name / f"{frame.stem}.png" for frame in frames)
        if frames and all(mask.is_file() for mask in masks):
            plain = (f"the {folder.name.replace('-', ' ')}",)
            sequences.append(Sequence16(folder.name, frames, masks, phrases.get(folder.name, plain)))
    if not sequences:
        raise UsageError(
            f"{root} has no complete sequence; give the folder with JPEGImages/480p/NAME and Annotations/480p/NAME"
        )
    return sequences


def _phrases(folder: Path) -> dict[str, tuple[str, ...]]:
    """Return the phrases of both annotators, first frame and full video, of every sequence with one object."""
    said: dict[str, list[str]] = {}
    several: set[str] = set()
    for ending in ("", "_full_video"):
        paths = {run: folder / f"Davis17_{run}{ending}.txt" for run in ("annot1", "annot2")}
        if not all(path.is_file() for path in paths.values()):
            continue
        for of_run in read_phrases(paths, "2017").texts.values():
            several |= {name for name, objects in of_run.items() if len(objects) > 1}
            for name, objects in of_run.items():
                said.setdefault(name, []).extend(objects.values())
    return {name: tuple(phrases) for name, phrases in said.items() if name not in several}


def score_sequence(sequence: Sequence16, stream: Streamer, most: int | None = None) -> dict[str, Any]:
    """Return the mean J of a sequence over all frames and phrases, with its interval over phrases, and J of each.

    Args:
        sequence: What is asked, and of what.
        stream: The model.
        most: Frames that are looked at, from the first; None: all.
    """
    frames, masks = sequence.frames[:most], sequence.masks[:most]
    scores: list[list[float]] = [[] for _ in sequence.phrases]
    for found, path in zip(stream(map(_picture, frames), sequence.phrases), masks, strict=True):
        with Image.open(path) as opened:
            truth = np.asarray(opened) > 0
        for mask, row in zip(found, scores, strict=True):
            row.append(iou(mask, truth))
    return {
        "samples": len(frames) * len(sequence.phrases),
        "photos": len(frames),
        "mean_iou": float(np.mean(scores)),
        "interval": interval(scores),
        "p@0.5": float(np.mean(np.array(scores) > 0.5)),
        "phrases": {phrase: float(np.mean(row)) for phrase, row in zip(sequence.phrases, scores, strict=True)},
    }


def _picture(path: Path) -> Pixels:
    with Image.open(path) as opened:
        return np.array(opened.convert("RGB"))  # a copy, as PyTorch wants to be able to write


def write_clip_sheets(folder: Path, clips: Path, segmenter: Segmenter) -> list[Path]:
    """Write a sheet of nine frames of each clip that is there, with what each expression found.

    Args:
        folder: Of the sheets; it is made.
        clips: Where the clips are; one that is not there is looked for in `real/video` beside it.
        segmenter: The model.

    Raises:
        UsageError: No clip is there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, expressions in CLIPS.items():
        places = (clips / name, clips.resolve().parent / "real" / "video" / name)
        if (path := next((place for place in places if place.is_file()), None)) is None:
            continue
        rows: list[list[Image.Image]] = [[] for _ in expressions]
        for pixels, masks in _shown(path, segmenter, expressions):
            picture = Image.fromarray(pixels)
            for row, mask in zip(rows, masks, strict=True):
                tinted = marked(picture, np.zeros_like(mask), mask)
                row.append(tinted.resize((_TILE, round(_TILE * picture.height / picture.width))))
        written.append(folder / f"clip-{path.stem}.png")
        _grid(expressions, rows).save(written[-1])
    if not written:
        raise UsageError(f"{clips} has none of the clips {', '.join(CLIPS)}; give the folder that has them")
    return written


def _shown(path: Path, segmenter: Segmenter, expressions: Sequence[str]) -> Iterator[tuple[Pixels, Masks]]:
    """Yield nine frames spread over a clip, and their masks as if the whole clip were segmented."""
    with open_reader(path) as reader:
        count = sum(1 for _ in reader)
    wanted = dict.fromkeys(np.linspace(0, count - 1, _SHOWN).round().astype(int).tolist(), range(len(expressions)))
    needed = {index for window in windows(wanted, segmenter.model.network.frame_radius, count) for index in window}
    with open_reader(path) as reader:
        frames = {index: frame.pixels for index, frame in enumerate(reader) if index in needed}

    def read(indices: range) -> Pixels:
        return np.stack([frames[index] for index in indices])

    for segmented in segmenter.segment_frames(read, count, wanted, expressions):
        yield frames[segmented.item], segmented.masks


def _grid(expressions: Sequence[str], rows: Sequence[Sequence[Image.Image]]) -> Image.Image:
    """Return three by three frames of each expression, under its caption."""
    height, across = rows[0][0].height, 3
    lines = math.ceil(len(rows[0]) / across)
    sheet = Image.new("RGB", (across * _TILE, len(rows) * (_BAND + lines * height)), (20, 22, 26))
    for number, (expression, pictures) in enumerate(zip(expressions, rows, strict=True)):
        top = number * (_BAND + lines * height)
        ImageDraw.Draw(sheet).text((4, top + 3), expression, (236, 238, 242), ImageFont.load_default(15))
        for index, picture in enumerate(pictures):
            line, column = divmod(index, across)
            sheet.paste(picture, (column * _TILE, top + _BAND + line * height))
    return sheet


def speed(models: Mapping[str, LoadedModel], baseline: str, rounds: int) -> dict[str, dict[str, float]]:
    """Time `refvid segment` on the park's first frames from file to file, all models in turns, loading left out.

    Args:
        models: By name.
        baseline: The name of the one the others are compared with.
        rounds: Of one video each; one before them is not counted.

    Returns:
        Of each model "fps", frames a second in the median, and "ratio", how many times as fast as the baseline, the
        median of the rounds' ratios.
    """
    with tempfile.TemporaryDirectory() as folder:

        def work_of(model: LoadedModel) -> Callable[[], object]:
            output, options = Path(folder) / "out.mp4", SegmentOptions(overwrite=True, end=Position(frame=TIMED_FRAMES))
            return lambda: segment_video(PARK, [SAID_OF_PARK], output, model=model, options=options)

        works = {name: work_of(model) for name, model in models.items()}
        taken = in_turns(works, rounds, models[baseline].device)
    return {
        name: {
            "fps": TIMED_FRAMES / statistics.median(seconds),
            "ratio": statistics.median(
                base / own for base, own in zip(taken[baseline], seconds, strict=True)
            ),
        }
        for name, seconds in taken.items()
    }  # fmt: skip
