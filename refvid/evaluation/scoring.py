"""The measures of every (sentence, frame) sample of a video, and what a split makes of them."""

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

_COUNTED = ("samples", "empty")  # these add up over runs; all other scores are averaged


@dataclass(frozen=True)
class SampleRow:
    """How well one expression was found in one frame.

    Attributes:
        video: Name of the video.
        key: Of the expression, among those of its video and run.
        run: Of the expression.
        frame: Name of the frame.
        text: What was said.
        words: How many words that is.
        intersection: Pixels that both masks have, without those that do not count.
        union: Pixels that at least one of them has, likewise.
        iou: Their ratio; 1 where both masks are empty, whatever the protocol makes of it.
        confidence: Of the mask; None where it is empty.
        truth_area: Pixels of the true mask.
        predicted_area: Pixels of the predicted mask.
        j: Region similarity; None where the protocol measures regions.
        f: Contour accuracy; None likewise.
        instance: Number of what is meant.
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
    """Compare the masks of a video with the truth.

    Args:
        video: Its truth must be public.
        rules: Of the protocol.
        found: What a `MaskSource` yields for the video.

    Returns:
        A row for each expression that counts in each frame, frame by frame; with `rules.inner`, not for the first and
        the last target. Where objects are matched, an expression's row is that of the prediction it was given.

    Raises:
        RefvidError: There is no truth, it cannot be read, or the masks differ from it in size.
    """
    matched = rules.measure == "contour" and rules.matching == "hungarian"
    return (_match_rows if matched else _own_rows)(
        video, rules, _inner(found, len(video.targets)) if rules.inner else found
    )


def summarise(rows: Sequence[SampleRow], rules: Rules) -> dict[str, float]:
    """Make the scores of a split out of its samples.

    Expressions of different runs are summarised apart, and the results are averaged; numbers of samples add up.

    Returns:
        Fractions by the names that `refvid eval --json` prints; nan where nothing can be said.
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
    # The frames that do not count have no rows.
    return summarise_contours([[j for j, _ in one] for one in objects.values()],
                              [[f for _, f in one] for one in objects.values()])  # fmt: skip


def _inner(found: Iterable[tuple[Target, FrameMasks]], count: int) -> Iterator[tuple[Target, FrameMasks]]:
    """Leave the first and the last target out."""
    for position, pair in enumerate(found):
        if 0 < position < count - 1:
            yield pair


def _own_rows(video: ReferringVideo, rules: Rules, found: Iterable[tuple[Target, FrameMasks]]) -> list[SampleRow]:
    """Compare every object with the prediction of its own expression."""
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
    """Compare every object with the prediction that suits it best over the video, run by run.

    An expression that means no object is a prediction like the others.
    """
    runs: defaultdict[str, list[int]] = defaultdict(list)
    for number, expression in enumerate(video.expressions):
        runs[expression.run].append(number)
    frames: list[dict[tuple[int, int], SampleRow]] = []  # by prediction and object
    for target, one in found:
        if sorted(target.counting) != list(range(len(video.expressions))):
            raise ValueError(f"{video.name}: objects are matched where all expressions count in every frame")
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
    """Return those of some expressions that mean an object."""
    return [number for number in numbers if video.expressions[number].instance is not None]


def _pair(
    frames: Sequence[Mapping[tuple[int, int], SampleRow]], predictions: Sequence[int], objects: Sequence[int]
) -> list[tuple[int, int]]:
    """Assign a prediction to each object so that the sum of their mean J and F is the highest possible."""
    if not frames or not objects:
        return []
    merit = np.array([[_merit([frame[p, o] for frame in frames]) for o in objects] for p in predictions])
    return [(predictions[index], o) for index, o in zip(best_matching(merit), objects, strict=True)]


def _merit(rows: Sequence[SampleRow]) -> float:
    """Return the mean of J and F over frames."""
    return math.fsum((row.j or 0.0) + (row.f or 0.0) for row in rows) / (2 * len(rows))


def _read_truth(
    video: ReferringVideo, target: Target, found: FrameMasks
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_] | None]:
    """Read the masks of a frame that are true, and which pixels do not count.

    Raises:
        RefvidError: There are none, or they differ in size from what was found.
    """
    truth = video.truth(target)
    if truth is None:
        raise RefvidError(f"{video.name}, frame {target.name}: the true masks are not public, so nothing is scored")
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
    """Count the pixels of a prediction and of the truth of expression `number`."""
    expression = video.expressions[number]
    intersection, union = iou_counts(predicted, truth, void)
    # A prediction that lies in the void alone is an empty one.
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
