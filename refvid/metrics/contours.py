"""The DAVIS measures: region similarity J and contour accuracy F, their statistics, and the matching of objects.

Source: Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation" (CVPR 2016),
and, where the paper leaves a choice open, the benchmark's own scorer, davis2017-evaluation.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from refvid.metrics.regions import Floats, Mask, check_masks, iou_counts

# Contour pixels match if they are at most this fraction of the picture's diagonal apart.
TOLERANCE = 0.008


def region_similarity(predicted: Mask, truth: Mask, void: Mask | None = None) -> float:
    """Return the region similarity J of a frame, the IoU over its valid pixels; 1 if both masks are empty.

    Args:
        predicted: Predicted mask, bool [H, W].
        truth: Ground-truth mask, bool [H, W].
        void: Pixels to ignore, bool [H, W].

    Raises:
        ValueError: The shapes differ or a mask is not boolean.
    """
    intersection, union = iou_counts(predicted, truth, void)
    return intersection / union if union else 1.0


def contour_accuracy(predicted: Mask, truth: Mask, void: Mask | None = None) -> float:
    """Return the contour accuracy F of a frame, the harmonic mean of precision and recall over contour pixels.

    A contour pixel counts as correct if the other contour comes within ceil(0.008 * diagonal of the picture) pixels of
    it. F is 0 if only one mask has a contour, and 1 if neither has. The border of the picture is not a contour: a mask
    that fills the picture has no contour, like an empty mask, and only J tells the two apart.

    Args:
        predicted: Predicted mask, bool [H, W].
        truth: Ground-truth mask, bool [H, W].
        void: Pixels to ignore, bool [H, W]; they are removed from both masks first.

    Raises:
        ValueError: The shapes differ, the arrays are not two-dimensional, or a mask is not boolean.
    """
    check_masks(predicted, truth, void)
    return _match(_Contour(predicted, void), _Contour(truth, void))


def contour(mask: Mask) -> Mask:
    """Return the pixels that differ from their neighbour to the east, south or south-east, bool [H, W].

    Pixels of the last row are compared with their eastern neighbour only, pixels of the last column with their southern
    one only.

    Raises:
        ValueError: The mask is not two-dimensional.
    """
    if mask.ndim != 2:
        raise ValueError(f"the mask has shape {mask.shape}, expected [H, W]")
    edge = np.zeros(mask.shape, dtype=np.bool_)
    edge[:, :-1] = mask[:, :-1] ^ mask[:, 1:]
    edge[:-1, :] |= mask[:-1, :] ^ mask[1:, :]
    edge[:-1, :-1] |= mask[:-1, :-1] ^ mask[1:, 1:]
    return edge


def dilate(mask: Mask, radius: int) -> Mask:
    """Return the pixels within a given distance of a mask, bool [H, W].

    The disk is built as a union of rows, the longest in the middle: the mask is spread sideways by half the length of a
    row and then shifted up and down to that row. Work is confined to the bounding box of the mask.

    Args:
        mask: bool [H, W].
        radius: Distance in pixels, at least 0; pixels at exactly this distance are included.
    """
    grown = np.zeros(mask.shape, dtype=np.bool_)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return grown
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    # The blank margin lets the flattened rows be shifted as one array: no pixel spills over into another row.
    source = np.pad(mask[top:bottom, left:right], radius)
    stride = source.shape[1]
    flat, spread, disk = source.ravel(), source.flatten(), np.zeros(source.size, dtype=np.bool_)
    reach = 0
    # From the outermost row inwards the half-length only grows, so `spread` is extended and never computed anew.
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
    """The contour of a mask, extracted and dilated once for comparison with any number of others.

    Attributes:
        points: Flat indices of the contour pixels.
        near: Pixels that count as matched by this contour, bool [H * W].
    """

    def __init__(self, mask: Mask, void: Mask | None) -> None:
        """Extract the contour of a mask [H, W] after removing its void pixels."""
        edge = contour(mask if void is None else mask & ~void)
        height, width = mask.shape
        radius = math.ceil(TOLERANCE * math.sqrt(height * height + width * width))
        self.points = np.flatnonzero(edge)
        self.near = dilate(edge, radius).ravel()


def _match(predicted: _Contour, truth: _Contour) -> float:
    """Return F of two contours."""
    if not predicted.points.size or not truth.points.size:
        # If one contour is missing, the scorer sets precision to 1 and recall to 0, or the reverse: F is 0.
        return 1.0 if predicted.points.size == truth.points.size else 0.0
    precision = np.count_nonzero(truth.near[predicted.points]) / predicted.points.size
    recall = np.count_nonzero(predicted.near[truth.points]) / truth.points.size
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def pairwise_contours(predicted: Mask, truth: Mask, void: Mask | None = None) -> tuple[Floats, Floats]:
    """Compare every prediction in a frame with the ground truth of every object.

    Args:
        predicted: Predicted masks, bool [N, H, W]. If N < M, empty masks are added, as in DAVIS's scorer.
        truth: Ground-truth masks, bool [M, H, W].
        void: Pixels to ignore, bool [H, W].

    Returns:
        J and F, each float64 [max(N, M), M].

    Raises:
        ValueError: The shapes differ or a mask is not boolean.
    """
    if predicted.ndim != 3 or truth.ndim != 3:
        raise ValueError(f"the masks have shapes {predicted.shape} and {truth.shape}, expected [N, H, W]")
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
    """Assign predictions to objects one to one so that the sum of their scores is as high as possible.

    This is the Hungarian method with potentials (Kuhn 1955, Munkres 1957): exact, in O(min(N, M)^2 * max(N, M)).

    Args:
        scores: Finite scores of N predictions and M objects, float [N, M].

    Returns:
        Index of the prediction assigned to each object, intp [M]; -1 for an object left without one because N < M.

    Raises:
        ValueError: The scores are not a matrix, or not finite.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise ValueError(f"the scores have shape {values.shape}, expected a matrix [N, M] of finite numbers")
    if values.shape[0] < values.shape[1]:
        chosen = np.full(values.shape[1], -1, dtype=np.intp)
        objects = _assign(-values)
        chosen[objects] = np.arange(len(objects))
        return chosen
    return _assign(-values.T)


def _assign(costs: Floats) -> npt.NDArray[np.intp]:
    """Return a distinct column for each row of costs [R, C], R <= C, such that the sum of the costs is lowest."""
    rows, columns = costs.shape
    row_price, column_price = np.zeros(rows), np.zeros(columns + 1)
    owner = np.full(columns + 1, -1, dtype=np.intp)  # the extra last column holds the row being assigned
    for row in range(rows):
        # Dijkstra's search over reduced costs for the cheapest alternating path from this row to a free column. The
        # prices keep all reduced costs non-negative, and those of assigned pairs at zero.
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
        while column != columns:  # flip the path: every row on it takes over the next column
            owner[column] = owner[came_from[column]]
            column = int(came_from[column])
    assigned = np.flatnonzero(owner[:columns] >= 0)
    chosen = np.empty(rows, dtype=np.intp)
    chosen[owner[assigned]] = assigned
    return chosen


def statistics(per_frame: Sequence[float] | Floats) -> tuple[float, float, float]:
    """Return the mean, recall and decay of J or F over the frames of an object; nan if there are no frames.

    Recall is the fraction of frames above 0.5. Decay is the mean of the first quarter minus the mean of the last one;
    neighbouring quarters share a frame. Frames with nan are left out of the means and count as misses in the recall.

    DAVIS's scorer stores the bounds of the quarters as uint8, which overflow beyond 255 frames and give a meaningless
    decay; here they do not. Up to 255 frames, hence on all of DAVIS, the numbers are identical.

    Args:
        per_frame: Scores in frame order, [T].
    """
    values = np.asarray(per_frame, dtype=np.float64)
    if not values.size:
        return float("nan"), float("nan"), float("nan")
    # The scorer adds 1e-10 so that halves are rounded up; numpy alone rounds them to the nearest even number.
    bounds = (np.round(np.linspace(1, len(values), 5) + 1e-10) - 1).astype(np.intp)
    first, last = values[bounds[0] : bounds[1] + 1], values[bounds[3] : bounds[4] + 1]
    return _mean(values), float(np.mean(values > 0.5)), _mean(first) - _mean(last)


def summarise_contours(
    j: Sequence[Sequence[float] | Floats], f: Sequence[Sequence[float] | Floats]
) -> dict[str, float]:
    """Summarise objects as DAVIS does: compute the statistics of each object, then average them over the objects.

    Args:
        j: J of the frames of each object, [T] each, over the objects of all videos.
        f: F of the same frames.

    Returns:
        The fractions j, j_recall, j_decay, f, f_recall, f_decay and j&f (the mean of j and f); and samples, the number
        of (object, frame) pairs. Objects without frames are ignored; the fractions are nan if no others exist.

    Raises:
        ValueError: J and F differ in the number of objects, or in the number of frames of an object.
    """
    columns: list[tuple[float, ...]] = []
    samples = 0
    for regions, contours in zip(j, f, strict=True):
        if len(regions) != len(contours):
            raise ValueError(
                f"an object has J of {len(regions)} frames but F of {len(contours)}, expected equally many"
            )
        if len(regions):
            columns.append((*statistics(regions), *statistics(contours)))
            samples += len(regions)
    values = [_mean(np.array(column)) for column in zip(*columns, strict=True)] or [float("nan")] * 6
    names = ("j", "j_recall", "j_decay", "f", "f_recall", "f_decay")
    summary = dict(zip(names, values, strict=True))
    return {**summary, "j&f": (summary["j"] + summary["f"]) / 2, "samples": float(samples)}


def _mean(values: Floats) -> float:
    """Return the mean of the values that are not nan; nan if all are."""
    numbers = values[~np.isnan(values)]
    return float(np.mean(numbers)) if numbers.size else float("nan")
