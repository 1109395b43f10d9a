"""People cut out of photos: soft edges without a rim of the old background, at several sizes, warped and blended."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

_SMALLEST = 24  # pixels of height at which the pyramid ends


@dataclass(frozen=True)
class Cutout:
    """A person without a background.

    Attributes:
        levels: RGBA uint8 [H, W, 4], straight alpha, each half as large as the one before.
        anchor: Column and row of the ground under the person, in pixels of the first level.
        stature: Height of the person, pixels of the first level.
        cut: The sides where the photo's edge cut the person off: any of "left", "top", "right", "bottom".
        tone: Mean of L, a and b and the deviation of L of the person, in 8-bit CIELAB.
    """

    levels: tuple[npt.NDArray[np.uint8], ...]
    anchor: tuple[float, float]
    stature: float
    cut: frozenset[str]
    tone: tuple[float, float, float, float]


def cut_out(image: npt.NDArray[np.uint8], person: npt.NDArray[np.bool_]) -> Cutout:
    """Cut a person out.

    Args:
        image: uint8 [H, W, 3], RGB.
        person: bool [H, W], at least one pixel.
    """
    rows, columns = np.flatnonzero(person.any(1)), np.flatnonzero(person.any(0))
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    height, width = person.shape
    reached = {"left": left == 0, "top": top == 0, "right": right == width, "bottom": bottom == height}
    border = 3
    padded = np.pad(person[top:bottom, left:right].astype(np.uint8), border)
    colours = np.pad(image[top:bottom, left:right], ((border, border), (border, border), (0, 0)), "edge")
    rgba = np.dstack([_spread(colours, padded), _soften(padded)]).astype(np.uint8)
    levels = [rgba]
    while levels[-1].shape[0] >= 2 * _SMALLEST:
        levels.append(cv2.resize(levels[-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA).astype(np.uint8))
    middle = float(np.median(np.nonzero(padded)[1])) + 0.5
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)[person].astype(np.float32)
    mean, deviation = lab.mean(0), lab.std(0)
    return Cutout(
        tuple(levels), (middle, float(bottom - top + border)), float(bottom - top),
        frozenset(side for side, touches in reached.items() if touches),
        (float(mean[0]), float(mean[1]), float(mean[2]), float(deviation[0])),
    )  # fmt: skip


def _soften(mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return alpha with an edge of 1 to 2 pixels inside the mask, where the colours are still the person's."""
    soft = cv2.GaussianBlur(mask.astype(np.float32), (5, 5), 0.9)
    return (((soft - 0.35) / 0.6).clip(0, 1) * 255).round().astype(np.uint8)


def _spread(image: npt.NDArray[np.uint8], mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Carry the person's colours outwards over the edge, which holds a mixture with the old background."""
    sure = cv2.erode(mask, np.ones((3, 3), np.uint8)).astype(np.float32)
    total = cv2.GaussianBlur(image.astype(np.float32) * sure[..., None], (9, 9), 2)
    weight = cv2.GaussianBlur(sure, (9, 9), 2)
    spread = total / np.maximum(weight, 1e-3)[..., None]
    keep = (sure > 0) | (weight < 0.02)
    return np.where(keep[..., None], image, spread.clip(0, 255)).astype(np.uint8)


def match_light(
    rgba: npt.NDArray[np.uint8], shift: tuple[float, float, float], contrast: float, middle: float
) -> npt.NDArray[np.uint8]:
    """Shift a cut-out's 8-bit CIELAB values and stretch its lightness about a middle; alpha stays."""
    lab = cv2.cvtColor(rgba[..., :3], cv2.COLOR_RGB2LAB)
    value = np.arange(256, dtype=np.float32)
    tables = [(value - middle) * contrast + middle + shift[0], value + shift[1], value + shift[2]]
    table = np.stack(tables, axis=-1).clip(0, 255).round().astype(np.uint8)
    return np.dstack([cv2.cvtColor(cv2.LUT(lab, table[None]), cv2.COLOR_LAB2RGB), rgba[..., 3]]).astype(np.uint8)


def pick_level(cutout: Cutout, stature: float) -> tuple[npt.NDArray[np.uint8], float]:
    """Return the smallest level that is large enough, and how many of its pixels make one of the first."""
    level, scale = cutout.levels[0], 1.0
    for smaller in cutout.levels[1:]:
        if cutout.stature * smaller.shape[0] / cutout.levels[0].shape[0] < stature:
            break
        level, scale = smaller, smaller.shape[0] / cutout.levels[0].shape[0]
    return level, scale


def blend(
    frame: npt.NDArray[np.uint8], rgba: npt.NDArray[np.uint8], transform: npt.NDArray[np.float64]
) -> tuple[tuple[slice, slice], npt.NDArray[np.bool_]] | None:
    """Draw a cut-out into a frame in place.

    Args:
        frame: uint8 [H, W, 3], RGB.
        rgba: uint8 [h, w, 4].
        transform: float64 [2, 3], from pixels of the cut-out to pixels of the frame.

    Returns:
        The window of the frame that was touched and where in it the cut-out is opaque; None outside the frame.
    """
    height, width = rgba.shape[:2]
    corners = np.array([[0, width, 0, width], [0, 0, height, height], [1, 1, 1, 1]], np.float64)
    xs, ys = transform @ corners
    left, right = max(0, int(xs.min())), min(frame.shape[1], int(xs.max()) + 2)
    top, bottom = max(0, int(ys.min())), min(frame.shape[0], int(ys.max()) + 2)
    if left >= right or top >= bottom:
        return None
    local = transform.copy()
    # Pixel centres are at half coordinates; OpenCV counts from the centre of the first pixel.
    local[:, 2] += transform[:, :2] @ (0.5, 0.5) - 0.5 - (left, top)
    warped = cv2.warpAffine(rgba, local, (right - left, bottom - top), flags=cv2.INTER_LINEAR)
    alpha = warped[..., 3]
    window = (slice(top, bottom), slice(left, right))
    target = frame[window]
    weight = alpha.astype(np.float32) * (1 / 255)
    target[:] = cv2.blendLinear(np.ascontiguousarray(warped[..., :3]), target.copy(), weight, 1 - weight)
    return window, alpha > 127
