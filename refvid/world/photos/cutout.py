"""Cutting people and objects out of photos, with soft edges and no old background, and blending them into frames."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

_SMALLEST = 24  # minimum height in pixels of a level of the pyramid


@dataclass(frozen=True)
class Cutout:
    """A person or object without a background, at several sizes.

    Attributes:
        levels: RGBA pictures uint8 [H, W, 4] with straight alpha, each half as large as the one before.
        anchor: Column and row of the ground under the person, in pixels of the first level.
        stature: Height of the person in pixels of the first level.
        cut: Sides at which the edge of the photo cuts the person off, out of "left", "top", "right" and "bottom".
        tone: Means of L, a and b and the standard deviation of L over the person, in 8-bit CIELAB.
    """

    levels: tuple[npt.NDArray[np.uint8], ...]
    anchor: tuple[float, float]
    stature: float
    cut: frozenset[str]
    tone: tuple[float, float, float, float]


def cut_out(image: npt.NDArray[np.uint8], person: npt.NDArray[np.bool_]) -> Cutout:
    """Cut a person or an object out of a photo.

    Args:
        image: Photo uint8 [H, W, 3], RGB.
        person: Mask bool [H, W], with at least one pixel.
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
    """Return alpha with a soft edge of 1 to 2 pixels inside the mask, where the colours still belong to the person."""
    soft = cv2.GaussianBlur(mask.astype(np.float32), (5, 5), 0.9)
    return (((soft - 0.35) / 0.6).clip(0, 1) * 255).round().astype(np.uint8)


def _spread(image: npt.NDArray[np.uint8], mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Spread the colours of the person outwards over the edge, where they are mixed with the old background."""
    sure = cv2.erode(mask, np.ones((3, 3), np.uint8)).astype(np.float32)
    total = cv2.GaussianBlur(image.astype(np.float32) * sure[..., None], (9, 9), 2)
    weight = cv2.GaussianBlur(sure, (9, 9), 2)
    spread = total / np.maximum(weight, 1e-3)[..., None]
    keep = (sure > 0) | (weight < 0.02)
    return np.where(keep[..., None], image, spread.clip(0, 255)).astype(np.uint8)


def match_light(
    rgba: npt.NDArray[np.uint8], shift: tuple[float, float, float], contrast: float, middle: float
) -> npt.NDArray[np.uint8]:
    """Shift the 8-bit CIELAB values of a cut-out and scale its lightness around `middle`; alpha stays the same."""
    lab = cv2.cvtColor(rgba[..., :3], cv2.COLOR_RGB2LAB)
    value = np.arange(256, dtype=np.float32)
    tables = [(value - middle) * contrast + middle + shift[0], value + shift[1], value + shift[2]]
    table = np.stack(tables, axis=-1).clip(0, 255).round().astype(np.uint8)
    return np.dstack([cv2.cvtColor(cv2.LUT(lab, table[None]), cv2.COLOR_LAB2RGB), rgba[..., 3]]).astype(np.uint8)


def pick_level(cutout: Cutout, stature: float) -> tuple[npt.NDArray[np.uint8], float]:
    """Return the smallest level that is large enough for a stature, and its scale relative to the first level."""
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
        frame: Frame uint8 [H, W, 3], RGB.
        rgba: Cut-out uint8 [h, w, 4].
        transform: Affine map float64 [2, 3] from pixels of the cut-out to pixels of the frame.

    Returns:
        The window of the frame that was changed, and where in it the cut-out is opaque; None if it is outside.
    """
    height, width = rgba.shape[:2]
    corners = np.array([[0, width, 0, width], [0, 0, height, height], [1, 1, 1, 1]], np.float64)
    xs, ys = transform @ corners
    left, right = max(0, int(xs.min())), min(frame.shape[1], int(xs.max()) + 2)
    top, bottom = max(0, int(ys.min())), min(frame.shape[0], int(ys.max()) + 2)
    if left >= right or top >= bottom:
        return None
    local = transform.copy()
    # Here pixel centres have half-integer coordinates, while those of OpenCV have integer ones.
    local[:, 2] += transform[:, :2] @ (0.5, 0.5) - 0.5 - (left, top)
    warped = cv2.warpAffine(rgba, local, (right - left, bottom - top), flags=cv2.INTER_LINEAR)
    alpha = warped[..., 3]
    window = (slice(top, bottom), slice(left, right))
    target = frame[window]
    weight = alpha.astype(np.float32) * (1 / 255)
    target[:] = cv2.blendLinear(np.ascontiguousarray(warped[..., :3]), target.copy(), weight, 1 - weight)
    return window, alpha > 127
