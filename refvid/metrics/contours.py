"""The DAVIS benchmark's measures: J of regions and F of contours, their statistics, and the matching of objects.

Source: Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation" (CVPR 2016),
and, where the paper leaves a choice, the benchmark's own scorer, davis2017-evaluation.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from refvid.metrics.regions import Floats, Mask, check_masks, iou_counts

# Contours match within this share of the picture's diagonal.
TOLERANCE = 0.008


def region_similarity(predicted: Mask, truth: Mask, void: Mask | None = None) -> float:
    """Return J of a frame, the IoU of the pixels that count; 1 where both masks are empty.

    Args:
        predicted: bool [H, W].
        truth: bool [H, W].
        void: bool [H, W], pixels that do not count.

    Raises:
        ValueError: The shapes differ or a mask is not boolean.
    """
    intersection, union = iou_counts(predicted, truth, void)
    return intersection / union if union else 1.0


def contour_accuracy(predicted: Mask, truth: Mask, void: Mask | None = None) -> float:
    """Return F of a frame, the harmonic mean of its contours' precision and recall.

    A contour pixel is right where the other contour comes within ceil(0.008 * the picture's diagonal) pixels. F is 0
    where one mask has a contour and the other has none, 1 where neither has. The picture's edge is no contour: a mask
    of the whole picture has none, like an empty one, and only J tells them apart.

    Args:
        predicted: bool [H, W].
        truth: bool [H, W].
        void: bool [H, W], pixels that are removed from both masks first.

    Raises:
        ValueError: The shapes differ, are not of one picture, or a mask is not boolean.
    """
    check_masks(predicted, truth, void)
    return _match(_Contour(predicted, void), _Contour(truth, void))


def contour(mask: Mask) -> Mask:
    """Return the pixels that differ from a neighbour to the east, south or south-east, bool [H, W].

    The pixels of the last row have only the eastern neighbour, those of the last column only the southern one.

    Raises:
        ValueError: The mask is not of one picture.
    """
    if mask.ndim != 2:
        raise ValueError(f"a contour is of a mask [H, W], not of one of shape {mask.shape}")
    edge = np.zeros(mask.shape, dtype=np.bool_)
    edge[:, :-1] = mask[:, :-1] ^ mask[:, 1:]
    edge[:-1, :] |= mask[:-1, :] ^ mask[1:, :]
    edge[:-1, :-1] |= mask[:-1, :-1] ^ mask[1:, 1:]
    return edge


def dilate(mask: Mask, radius: int) -> Mask:
    """Return the pixels of a picture within a distance of a mask's pixels, bool [H, W].

    The disk is the union of rows, longest in the middle: the mask spread sideways by a row's half-length, moved up
    and down to the row. Only the rectangle around the mask is worked on.

    Args:
        mask: bool [H, W].
        radius: In pixels, at least 0; a distance of exactly the radius is inside.
    """
    grown = np.zeros(mask.shape, dtype=np.bool_)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return grown
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    # With a blank margin, whole rows that are laid end to end can be moved at once: no pixel reaches another row.
    source = np.pad(mask[top:bottom, left:right], radius)
    stride = source.shape[1]
    flat, spread, disk = source.ravel(), source.flatten(), np.zeros(source.size, dtype=np.bool_)
    reach = 0
    for step in range(radius, -1, -1):
        while reach < math.isqrt(radius * radius - step * step):
            reach += 1
            spread[reach:] |= flat[:-reach]
            spread[:-reach] |= flat[reach:]
        shift = step * stride
        disk[shift:] |= spread[: disk.size - shift]
        disk[: disk.size - shift] |= spread[shift:]
    height, width = mask.shape
    up, back = max(0, top - radius), max(0, left - radius)
    grown[up : bottom + radius, back : right + radius] = disk.reshape(source.shape)[
        up - top + radius : height - top + radius, back - left + radius : width - left + radius
    ]
    return grown


class _Contour:
    """A mask's contour, ready to be compared with others: each is found and dilated once."""

    def __init__(self, mask: Mask, void: Mask | None) -> None:
        """Find the contour of what of a mask [H, W] is not void."""
        edge = contour(mask if void is None else mask & ~void)
        height, width = mask.shape
        radius = math.ceil(TOLERANCE * math.sqrt(height * height + width * width))
        self.points = np.flatnonzero(edge)
        self.near = dilate(edge, radius).ravel()


def _match(predicted: _Contour, truth: _Contour) -> float:
    """Return F of two contours."""
    if not predicted.points.size or not truth.points.size:
        # The scorer gives the missing contour a precision, or recall, of 1, and the other one of 0: F is 0.
        return 1.0 if predicted.points.size == truth.points.size else 0.0
    precision = np.count_nonzero(truth.near[predicted.points]) / predicted.points.size
    recall = np.count_nonzero(predicted.near[truth.points]) / truth.points.size
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def pairwise_contours(predicted: Mask, truth: Mask, void: Mask | None = None) -> tuple[Floats, Floats]:
    """Compare every prediction of a frame with every object's truth.

    Args:
        predicted: bool [N, H, W]. Where there are fewer than objects, empty ones are added, as in DAVIS's scorer.
        truth: bool [M, H, W].
        void: bool [H, W], pixels that do not count.

    Returns:
        J and F, float64 [max(N, M), M] each.

    Raises:
        ValueError: The shapes differ or a mask is not boolean.
    """
    if predicted.ndim != 3 or truth.ndim != 3:
        raise ValueError(f"objects are masks [N, H, W], not of shapes {predicted.shape} and {truth.shape}")
    missing = max(0, len(truth) - len(predicted))
    found = [*predicted, *np.zeros((missing, *truth.shape[1:]), dtype=np.bool_)]
    for mask in found:
        for true in truth:
            check_masks(mask, true, void)
    found_contours, true_contours = [_Contour(mask, void) for mask in found], [_Contour(mask, void) for mask in truth]
    shape = (len(found), len(truth))
    j = np.array([[region_similarity(mask, true, void) for true in truth] for mask in found], dtype=np.float64)
    f = np.array([[_match(one, other) for other in true_contours] for one in found_contours], dtype=np.float64)
    return j.reshape(shape), f.reshape(shape)


def best_matching(scores: Floats) -> npt.NDArray[np.intp]:
    """Assign predictions to objects one to one so that the sum of their scores is the highest possible.

    The Hungarian method with potentials (Kuhn 1955, Munkres 1957), exact, in O(min(N, M)^2 * max(N, M)).

    Args:
        scores: float [N, M] of N predictions and M objects, finite.

    Returns:
        Index of each object's prediction, intp [M]; -1 where N < M leaves it without one.

    Raises:
        ValueError: The scores are not a matrix, or not finite.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise ValueError(f"scores must be a finite matrix [N, M], not one of shape {values.shape}")
    if values.shape[0] < values.shape[1]:
        chosen = np.full(values.shape[1], -1, dtype=np.intp)
        objects = _assign(-values)
        chosen[objects] = np.arange(len(objects))
        return chosen
    return _assign(-values.T)


def _assign(costs: Floats) -> npt.NDArray[np.intp]:
    """Return a column for each row of costs [R, C], R <= C, all different, at the lowest sum."""
    rows, columns = costs.shape
    row_price, column_price = np.zeros(rows), np.zeros(columns + 1)
    owner = np.full(columns + 1, -1, dtype=np.intp)  # the last column is where a row that looks for one starts
    for row in range(rows):
        column, owner[columns] = columns, row
        slack, came_from = np.full(columns, np.inf), np.full(columns, columns, dtype=np.intp)
        visited = np.zeros(columns + 1, dtype=np.bool_)
        while owner[column] >= 0:
            visited[column] = True
            here = owner[column]
            reduced = costs[here] - row_price[here] - column_price[:columns]
            better = ~visited[:columns] & (reduced < slack)
            slack[better], came_from[better] = reduced[better], column
            open_slack = np.where(visited[:columns], np.inf, slack)
            column = int(open_slack.argmin())
            step = open_slack[column]
            row_price[owner[visited]] += step
            column_price[visited] -= step
            slack[~visited[:columns]] -= step
        while column != columns:  # each row on the way moves up to the column that it was cheapest to reach
            owner[column] = owner[came_from[column]]
            column = int(came_from[column])
    assigned = np.flatnonzero(owner[:columns] >= 0)
    chosen = np.empty(rows, dtype=np.intp)
    chosen[owner[assigned]] = assigned
    return chosen


def statistics(per_frame: Sequence[float] | Floats) -> tuple[float, float, float]:
    """Return mean, recall and decay of an object's J or F over its frames; nan of no frames.

    Recall is the share of frames above 0.5. Decay is the mean of the first quarter minus the mean of the last one;
    neighbouring quarters share a frame. nan frames are left out of means and count as misses of recall.

    DAVIS's scorer keeps the quarters' bounds as uint8, which wrap beyond 255 frames and give another, meaningless
    decay there; here they do not. Up to 255 frames, and so for all of DAVIS, the numbers are the same.

    Args:
        per_frame: [T], in the frames' order.
    """
    values = np.asarray(per_frame, dtype=np.float64)
    if not values.size:
        return float("nan"), float("nan"), float("nan")
    # The scorer's 1e-10 turns numpy's rounding of halves to even into rounding up.
    bounds = (np.round(np.linspace(1, len(values), 5) + 1e-10) - 1).astype(np.intp)
    first, last = values[bounds[0] : bounds[1] + 1], values[bounds[3] : bounds[4] + 1]
    return _mean(values), float(np.mean(values > 0.5)), _mean(first) - _mean(last)


def summarise_contours(
    j: Sequence[Sequence[float] | Floats], f: Sequence[Sequence[float] | Floats]
) -> dict[str, float]:
    """Summarise objects as DAVIS does: statistics of each object's frames, averaged over the objects.

    Args:
        j: J of each object's frames, [T] each; the objects of all videos.
        f: F of the same frames.

    Returns:
        As fractions, j, j_recall, j_decay, f, f_recall, f_decay and j&f, the mean of j and f; and samples, the
        number of (object, frame) pairs. Objects without a frame do not count; nan where there is no other.

    Raises:
        ValueError: The numbers of objects, or of an object's frames, differ.
    """
    columns: list[tuple[float, ...]] = []
    samples = 0
    for regions, contours in zip(j, f, strict=True):
        if len(regions) != len(contours):
            raise ValueError(f"an object has J of {len(regions)} frames and F of {len(contours)}")
        if len(regions):
            columns.append((*statistics(regions), *statistics(contours)))
            samples += len(regions)
    values = [_mean(np.array(column)) for column in zip(*columns, strict=True)] or [float("nan")] * 6
    names = ("j", "j_recall", "j_decay", "f", "f_recall", "f_decay")
    summary = dict(zip(names, values, strict=True))
    return {**summary, "j&f": (summary["j"] + summary["f"]) / 2, "samples": float(samples)}


def _mean(values: Floats) -> float:
    """Return the mean of the values that are numbers; nan where none is."""
    numbers = values[~np.isnan(values)]
    return float(np.mean(numbers)) if numbers.size else float("nan")
