"""Clips out of pictures: a window pans and zooms over a picture as a hand-held camera would.

Data sets of pictures thus serve attention across frames before there are videos to learn from. A window is that of
three others weighted, along a quadratic Bézier curve; as all three lie in the picture, have its proportions and hold
the object, so does every weighted mean of them.
"""

import numpy as np
import numpy.typing as npt
from PIL import Image

Floats = npt.NDArray[np.float64]

NARROWEST = 0.6  # share of the picture's sides that a window has at least: "left" and "right" should stay true
FASTEST = 0.03  # a window's edges move at most by this share of the picture's sides from one frame of video to the next
_CUT = 0.05  # share of an object that a window may lose at each of its edges, so that at least 0.8 of it is in view
_ANYTHING = np.array([0.5, 0.5, 0.5, 0.5])


def moving_crop(
    rng: np.random.Generator,
    image: npt.NDArray[np.uint8],
    masks: npt.NDArray[np.bool_],
    frames: int,
    stride: int = 1,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Film a picture.

    In every frame at least four fifths of one of the objects are in view. Nothing is enlarged: frames have the size of
    the narrowest window, and wider ones are scaled down with an antialiasing filter.

    Args:
        rng: Decides everything.
        image: uint8 [H, W, 3].
        masks: bool [E, H, W]; empty ones are of nothing.
        frames: Length T of the clip.
        stride: Frames of video from one frame of the clip to the next: the window moves the farther.

    Returns:
        uint8 [T, h, w, 3], and the masks of frame T // 2, bool [E, h, w]: what of each object is in view there.
    """
    height, width = image.shape[:2]
    present = np.flatnonzero(masks.any((1, 2)))
    wanted = _core(masks[rng.choice(present)]) if len(present) else _ANYTHING
    windows = _windows(rng, wanted, frames, FASTEST * stride)
    share = float((windows[:, 2] - windows[:, 0]).min())
    size = max(1, round(width * share)), max(1, round(height * share))
    # Rounding may put an edge a hair outside, which Pillow refuses.
    boxes = [tuple(box) for box in windows.clip(0, 1) * (width, height, width, height)]
    picture = Image.fromarray(image)
    taken = [np.asarray(picture.resize(size, Image.Resampling.BICUBIC, box)) for box in boxes]
    kept = np.zeros((len(masks), size[1], size[0]), np.bool_)
    for row, mask in enumerate(masks):
        whole = Image.fromarray(mask.astype(np.uint8) * 255)
        kept[row] = np.asarray(whole.resize(size, Image.Resampling.BILINEAR, boxes[frames // 2])) >= 128
    return np.stack(taken), kept


def in_view(whole: npt.NDArray[np.bool_], kept: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return which objects a moving crop has kept, bool [E].

    Those of which at least half as large a part is in view as of the one that is cut least; a sentence about another
    would be about what cannot be seen. Empty masks of the picture, of what is not there, count as kept.

    Args:
        whole: Masks in the picture, bool [E, H, W].
        kept: Masks in the clip, bool [E, h, w].
    """
    before, after = whole.sum((1, 2)), kept.sum((1, 2))
    shares = after / np.maximum(before, 1)
    return np.asarray((before == 0) | ((after > 0) & (shares >= shares.max(initial=0.0) / 2)))


def _core(mask: npt.NDArray[np.bool_]) -> Floats:
    """Return left, top, right, bottom of what a window must hold of an object, as shares of the picture's sides."""
    edges = []
    for counts in (mask.sum(0), mask.sum(1)):
        reached = np.cumsum(counts) / counts.sum()
        first = int(np.searchsorted(reached, _CUT, side="right"))
        last = int(np.searchsorted(reached, 1 - _CUT))
        edges.append((first / len(counts), (last + 1) / len(counts)))
    (left, right), (top, bottom) = edges
    return np.array([left, top, right, bottom])


def _windows(rng: np.random.Generator, wanted: Floats, frames: int, fastest: float) -> Floats:
    """Return left, top, right, bottom of the window in each frame, float [T, 4], as shares of the picture's sides."""
    first, middle, last = (_window(rng, wanted) for _ in range(3))
    # The curve's speed is at most twice the distance of neighbouring control windows, over T - 1 steps.
    reach = rng.random() * fastest * (frames - 1) / 2
    first, last = (_approach(middle, end, reach) for end in (first, last))
    along = np.linspace(0, 1, frames)[:, None] if frames > 1 else np.array([[0.5]])
    return np.asarray((1 - along) ** 2 * first + 2 * along * (1 - along) * middle + along**2 * last)


def _window(rng: np.random.Generator, wanted: Floats) -> Floats:
    """Return a window that holds what is wanted, anywhere in the picture where it does."""
    near, far = wanted[:2], wanted[2:]
    side = rng.uniform(max(NARROWEST, float((far - near).max())), 1)
    corner = rng.uniform(np.maximum(0, far - side), np.minimum(near, 1 - side))
    return np.concatenate([corner, corner + side])


def _approach(middle: Floats, end: Floats, reach: float) -> Floats:
    """Return the window on the way from the middle one to another, of which no edge is farther off than `reach`."""
    distance = float(np.abs(end - middle).max())
    return end if distance <= reach else middle + (end - middle) * (reach / distance)
