"""Clips made from pictures: a window pans and zooms over a picture as a hand-held camera would.

This lets image data sets train attention across frames before there are videos to learn from. The windows move along a
quadratic Bézier curve, so each one is a weighted mean of three control windows. As those lie in the picture, have its
proportions and contain the object, so does every weighted mean of them.
"""

import numpy as np
import numpy.typing as npt
from PIL import Image

Floats = npt.NDArray[np.float64]

NARROWEST = 0.6  # minimum window side as a fraction of the picture's, so that "left" and "right" tend to stay true
FASTEST = 0.03  # maximum shift of a window's edges per video frame, as a fraction of the picture's sides
_CUT = 0.05  # fraction of an object that may be cut off at each window edge, which leaves at least 0.8 in view
_ANYTHING = np.array([0.5, 0.5, 0.5, 0.5])


def moving_crop(
    rng: np.random.Generator,
    image: npt.NDArray[np.uint8],
    masks: npt.NDArray[np.bool_],
    frames: int,
    stride: int = 1,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Make a clip by moving a window over a picture.

    Every frame shows at least four fifths of one of the objects. Nothing is enlarged: the frames have the size of the
    narrowest window, and wider windows are scaled down with an antialiasing filter.

    Args:
        rng: Generator for all random choices.
        image: Picture, uint8 [H, W, 3].
        masks: Masks of the objects, bool [E, H, W]; empty for an absent object.
        frames: Length T of the clip.
        stride: Number of video frames from one frame of the clip to the next; the window moves proportionally farther.

    Returns:
        The frames, uint8 [T, h, w, 3], and the visible part of each object in frame T // 2, bool [E, h, w].
    """
    height, width = image.shape[:2]
    present = np.flatnonzero(masks.any((1, 2)))
    wanted = _core(masks[rng.choice(present)]) if len(present) else _ANYTHING
    windows = _windows(rng, wanted, frames, FASTEST * stride)
    share = float((windows[:, 2] - windows[:, 0]).min())
    size = max(1, round(width * share)), max(1, round(height * share))
    # Rounding can place an edge slightly outside the picture, which Pillow rejects.
    boxes = [tuple(box) for box in windows.clip(0, 1) * (width, height, width, height)]
    picture = Image.fromarray(image)
    taken = [np.asarray(picture.resize(size, Image.Resampling.BICUBIC, box)) for box in boxes]
    kept = np.zeros((len(masks), size[1], size[0]), np.bool_)
    for row, mask in enumerate(masks):
        whole = Image.fromarray(mask.astype(np.uint8) * 255)
        kept[row] = np.asarray(whole.resize(size, Image.Resampling.BILINEAR, boxes[frames // 2])) >= 128
    return np.stack(taken), kept


def in_view(whole: npt.NDArray[np.bool_], kept: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return which objects are sufficiently visible in a moving crop, bool [E].

    An object counts if the fraction of it in view is at least half that of the most complete object; an expression
    about any other object would refer to something that can hardly be seen. Masks that are empty in the picture count
    as visible.

    Args:
        whole: Masks in the picture, bool [E, H, W].
        kept: Masks in the clip, bool [E, h, w].
    """
    before, after = whole.sum((1, 2)), kept.sum((1, 2))
    shares = after / np.maximum(before, 1)
    return np.asarray((before == 0) | ((after > 0) & (shares >= shares.max(initial=0.0) / 2)))


def _core(mask: npt.NDArray[np.bool_]) -> Floats:
    """Return the box (left, top, right, bottom) of an object that windows must contain, as fractions of the picture."""
    edges = []
    for counts in (mask.sum(0), mask.sum(1)):
        reached = np.cumsum(counts) / counts.sum()
        first = int(np.searchsorted(reached, _CUT, side="right"))
        last = int(np.searchsorted(reached, 1 - _CUT))
        edges.append((first / len(counts), (last + 1) / len(counts)))
    (left, right), (top, bottom) = edges
    return np.array([left, top, right, bottom])


def _windows(rng: np.random.Generator, wanted: Floats, frames: int, fastest: float) -> Floats:
    """Return the window (left, top, right, bottom) of each frame, float [T, 4], as fractions of the picture's sides."""
    first, middle, last = (_window(rng, wanted) for _ in range(3))
    # A quadratic Bézier curve moves at most twice the distance between neighbouring control points per unit of its
    # parameter, and each of the T - 1 steps advances that by 1 / (T - 1). Hence this bound on the distance.
    reach = rng.random() * fastest * (frames - 1) / 2
    first, last = (_approach(middle, end, reach) for end in (first, last))
    along = np.linspace(0, 1, frames)[:, None] if frames > 1 else np.array([[0.5]])
    return np.asarray((1 - along) ** 2 * first + 2 * along * (1 - along) * middle + along**2 * last)


def _window(rng: np.random.Generator, wanted: Floats) -> Floats:
    """Draw a window that contains the wanted box, at a random position in the picture."""
    near, far = wanted[:2], wanted[2:]
    side = rng.uniform(max(NARROWEST, float((far - near).max())), 1)
    corner = rng.uniform(np.maximum(0, far - side), np.minimum(near, 1 - side))
    return np.concatenate([corner, corner + side])


def _approach(middle: Floats, end: Floats, reach: float) -> Floats:
    """Return the window nearest `end`, between it and `middle`, whose edges are within `reach` of those of `middle`."""
    distance = float(np.abs(end - middle).max())
    return end if distance <= reach else middle + (end - middle) * (reach / distance)
