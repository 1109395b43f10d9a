"""The measures of every sample, an expression in one frame, and their summary over a split."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import numpy.typing as npt

from refvid.data.referring import ReferringVideo, Rules, Target
from refvid.errors import RefvidError
from refvid.evaluation.sources import FrameMasks
from refvid.metrics.contours import best_matching, contour_accuracy, pairwise_contours, summarise_contours
from refvid.metrics.regions import Mask, iou_counts, summarise_regions

_COUNTED = ("samples", "empty")  # summed over runs; all other scores are averaged


@dataclass(frozen=True)
class SampleRow:
    """The result for one expression in one frame.

    Attributes:
        video: Name of the video.
        key: Key of the expression, unique within its video and run.
        run: Name of the run that the expression belongs to.
        frame: Name of the frame.
        text: Text of the expression.
        words: Number of words in the text.
        intersection: Number of valid pixels in both masks.
        union: Number of valid pixels in at least one mask.
        iou: Intersection over union; 1 if both masks are empty, whatever the protocol's rule for that case.
        confidence: Confidence of the predicted mask; None if the mask is empty.
        truth_area: Number of valid pixels in the ground-truth mask.
        predicted_area: Number of valid pixels in the predicted mask.
        j: Region similarity J; None if the protocol measures regions.
        f: Contour accuracy F; None if the protocol measures regions.
        instance: Number of the instance that the expression refers to.
    """

    video: str
    key: str
    run: str
    frame: str
    text: str
    words: int
    intersection: int
    union: int
    iou: float
    confidence: float | None
    truth_area: int
    predicted_area: int
    j: float | None = None
    f: float | None = None
    instance: int | None = None


def score_video(video: ReferringVideo, rules: Rules, found: Iterable[tuple[Target, FrameMasks]]) -> list[SampleRow]:
    """Compare the predicted masks of a video with the ground truth.

    Args:
        video: The video, whose ground truth must be public.
        rules: Rules of the protocol.
        found: Targets and masks as a `MaskSource` yields them for the video.

    Returns:
        A row for each expression evaluated in each frame, frame by frame. With `rules.inner`, the first and the last
        target have none. If the protocol matches objects, the row of an expression belongs to the prediction assigned
        to its object.

    Raises:
        RefvidError: The ground truth is missing or unreadable, or the masks differ from it in size.
    """
    matched = rules.measure == "contour" and rules.matching == "hungarian"
    return (_match_rows if matched else _own_rows)(
        video, rules, _inner(found, len(video.targets)) if rules.inner else found
    )


def summarise(rows: Sequence[SampleRow], rules: Rules) -> dict[str, float]:
    """Compute the scores of a split from its samples.

    Each run of expressions is summarised separately and the results are averaged; sample counts are added up.

    Returns:
        Fractions under the names that `refvid eval --json` prints; nan where a score is undefined.
    """
    by_run: defaultdict[str, list[SampleRow]] = defaultdict(list)
    for row in rows:
        by_run[row.run].append(row)
    runs = [_summarise_run(one, rules) for one in by_run.values()] or [_summarise_run([], rules)]
    return {
        key: sum(run[key] for run in runs) if key in _COUNTED else math.fsum(run[key] for run in runs) / len(runs)
        for key in runs[0]
    }


def _summarise_run(rows: Sequence[SampleRow], rules: Rules) -> dict[str, float]:
    if rules.measure == "region":
        return summarise_regions(rows, inclusive=rules.inclusive, empty=rules.empty)
    objects: defaultdict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for row in rows:
        if row.j is not None and row.f is not None:
            objects[row.video, row.key].append((row.j, row.f))
    # Frames that the protocol leaves out have no rows, so every row counts.
    return summarise_contours([[j for j, _ in one] for one in objects.values()],
                              [[f for _, f in one] for one in objects.values()])  # fmt: skip


def _inner(found: Iterable[tuple[Target, FrameMasks]], count: int) -> Iterator[tuple[Target, FrameMasks]]:
    """Yield all targets except the first and the last."""
    for position, pair in enumerate(found):
        if 0 < position < count - 1:
            yield pair


def _own_rows(video: ReferringVideo, rules: Rules, found: Iterable[tuple[Target, FrameMasks]]) -> list[SampleRow]:
    """Compare every object with the prediction made for its own expression."""
    rows = []
    for target, one in found:
        truth, void = _read_truth(video, target, one)
        for number, predicted, true, confidence in zip(target.counting, one.masks, truth, one.confidences, strict=True):
            row = _compare(video, number, target, predicted, true, void, float(confidence))
            if rules.measure == "contour":
                row = replace(row, j=row.iou, f=contour_accuracy(predicted, true, void))
            rows.append(row)
    return rows


def _match_rows(video: ReferringVideo, rules: Rules, found: Iterable[tuple[Target, FrameMasks]]) -> list[SampleRow]:
    """Match predictions to objects over the whole video, run by run, and compare each object with its match.

    An expression that refers to no object is a candidate prediction like any other.
    """
    runs: defaultdict[str, list[int]] = defaultdict(list)
    for number, expression in enumerate(video.expressions):
        runs[expression.run].append(number)
    frames: list[dict[tuple[int, int], SampleRow]] = []  # keys are (prediction, object)
    for target, one in found:
        if sorted(target.counting) != list(range(len(video.expressions))):
            raise ValueError(
                f"{video.name}: frame {target.name} evaluates some of the expressions, expected all expressions: "
                "objects are matched over whole videos"
            )
        truth, void = _read_truth(video, target, one)
        frames.append({})
        for numbers in runs.values():
            objects = _objects(video, numbers)
            at, true_at = ([target.counting.index(number) for number in some] for some in (numbers, objects))
            j, f = pairwise_contours(one.masks[at], truth[true_at], void)
            for (o, true_position), (p, position) in product(enumerate(true_at), enumerate(at)):
                row = _compare(
                    video, objects[o], target, one.masks[position], truth[true_position], void,
                    float(one.confidences[position]))  # fmt: skip
                frames[-1][numbers[p], objects[o]] = replace(row, j=float(j[p, o]), f=float(f[p, o]))
    chosen = {pair for numbers in runs.values() for pair in _pair(frames, numbers, _objects(video, numbers))}
    return [row for frame in frames for pair, row in frame.items() if pair in chosen]


def _objects(video: ReferringVideo, numbers: Sequence[int]) -> list[int]:
    """Return the expressions among `numbers` that refer to an object."""
    return [number for number in numbers if video.expressions[number].instance is not None]


def _pair(
    frames: Sequence[Mapping[tuple[int, int], SampleRow]], predictions: Sequence[int], objects: Sequence[int]
) -> list[tuple[int, int]]:
    """Assign a prediction to each object so that the sum of their mean J and F is as high as possible."""
    if not frames or not objects:
        return []
    merit = np.array([[_merit([frame[p, o] for frame in frames]) for o in objects] for p in predictions])
    return [(predictions[index], o) for index, o in zip(best_matching(merit), objects, strict=True)]


def _merit(rows: Sequence[SampleRow]) -> float:
    """Return the mean of J and F over the frames."""
    return math.fsum((row.j or 0.0) + (row.f or 0.0) for row in rows) / (2 * len(rows))


def _read_truth(
    video: ReferringVideo, target: Target, found: FrameMasks
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_] | None]:
    """Read the ground-truth masks of a frame, and its void pixels if the data set marks any.

    Raises:
        RefvidError: There is no ground truth, or its size differs from that of the predicted masks.
    """
    truth = video.truth(target)
    if truth is None:
        raise RefvidError(f"{video.name}, frame {target.name}: the ground truth is not public, so it cannot be scored")
    if truth.shape != found.masks.shape:
        (height, width), (wanted_height, wanted_width) = found.masks.shape[1:], truth.shape[1:]
        raise RefvidError(
            f"{video.name}, frame {target.name}: the masks are {width}x{height}, but the data set's are "
            f"{wanted_width}x{wanted_height}; give masks of the original size"
        )
    return truth, video.void(target)


def _compare(
    video: ReferringVideo,
    number: int,
    target: Target,
    predicted: Mask,
    truth: Mask,
    void: Mask | None,
    confidence: float,
) -> SampleRow:
    """Return the row of expression `number`, from the pixel counts of its predicted and ground-truth masks."""
    expression = video.expressions[number]
    intersection, union = iou_counts(predicted, truth, void)
    # A prediction that covers nothing but void pixels counts as empty.
    predicted_area = int(np.count_nonzero(predicted if void is None else predicted & ~void))
    return SampleRow(
        video=video.name,
        key=expression.key,
        run=expression.run,
        frame=target.name,
        text=expression.text,
        words=len(expression.text.split()),
        intersection=intersection,
        union=union,
        iou=intersection / union if union else 1.0,
        confidence=None if predicted_area == 0 or math.isnan(confidence) else confidence,
        truth_area=union + intersection - predicted_area,
        predicted_area=predicted_area,
        instance=expression.instance,
    )
