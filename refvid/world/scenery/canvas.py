"""An antialiased canvas with subpixel coordinates, drawn with OpenCV for speed."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from refvid.world.scenery.tint import Colour

Points = Sequence[tuple[float, float]] | npt.NDArray[np.float64]
Field = npt.NDArray[np.float32]

# Number of fractional bits in OpenCV's fixed-point coordinates.
_SHIFT = 4
_UNIT = 1 << _SHIFT


def _fixed(points: Points) -> npt.NDArray[np.int32]:
    """Return points as OpenCV's fixed-point numbers, in which (0, 0) is the centre of the first pixel."""
    return (np.asarray(points, np.float64) * _UNIT - (_UNIT / 2 - 0.5)).astype(np.int32)


class Canvas:
    """An RGB or RGBA picture to paint shapes on; coordinates are pixels, and (0, 0) is the corner of the first pixel.

    An RGBA canvas starts transparent and stores colours premultiplied by alpha, so that painting over something is the
    same sum in all channels and one implementation serves both modes.

    Attributes:
        pixels: Picture, uint8 [H, W, 3 or 4].
        width: Width in pixels.
        height: Height in pixels.
    """

    def __init__(self, width: int, height: int, *, transparent: bool = False) -> None:
        """Start with a black canvas, or with an empty one if `transparent`."""
        self.width, self.height, self._transparent = width, height, transparent
        self.pixels: npt.NDArray[np.uint8] = np.zeros((height, width, 4 if transparent else 3), np.uint8)

    def _ink(self, colour: Colour) -> tuple[float, ...]:
        return (*colour, 255.0) if self._transparent else colour

    def _window(self, points: npt.NDArray[np.int32], reach: int) -> tuple[slice, slice] | None:
        """Return the rows and columns within `reach` pixels of fixed-point points, or None if there are none."""
        columns, rows = zip(*points.tolist(), strict=True)
        top, bottom = max(0, min(rows) // _UNIT - reach), min(self.height, max(rows) // _UNIT + reach + 2)
        left, right = max(0, min(columns) // _UNIT - reach), min(self.width, max(columns) // _UNIT + reach + 2)
        return None if top >= bottom or left >= right else (slice(top, bottom), slice(left, right))

    def polygon(self, points: Points, colour: Colour, opacity: float = 1.0) -> None:
        """Fill a polygon, which may be concave."""
        fixed = _fixed(points)
        if opacity >= 1:
            cv2.fillPoly(self.pixels, [fixed], self._ink(colour), cv2.LINE_AA, _SHIFT)
            return
        window = self._window(fixed, 1)
        if window is not None:
            before = self.pixels[window].copy()
            cv2.fillPoly(self.pixels, [fixed], self._ink(colour), cv2.LINE_AA, _SHIFT)
            self._fade(window, before, opacity)

    def _fade(self, window: tuple[slice, slice], before: npt.NDArray[np.uint8], opacity: float) -> None:
        self.pixels[window] = cv2.addWeighted(self.pixels[window], opacity, before, 1 - opacity, 0)

    def pieces(self, corners: npt.NDArray[np.float64], paints: Sequence[Colour]) -> None:
        """Fill N convex polygons with K corners each, [N, K, 2], each in its own colour."""
        for piece, colour in zip(_fixed(corners), paints, strict=True):
            cv2.fillConvexPoly(self.pixels, piece, self._ink(colour), cv2.LINE_AA, _SHIFT)

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour, opacity: float = 1.0) -> None:
        """Fill an upright rectangle."""
        if opacity < 1:
            self.polygon(((left, top), (right, top), (right, bottom), (left, bottom)), colour, opacity)
            return
        # Most shapes are boxes, which makes it worth avoiding arithmetic on small arrays.
        west, north, east, south = (int(value * _UNIT - _UNIT / 2 + 0.5) for value in (left, top, right, bottom))
        corners = np.array(((west, north), (east, north), (east, south), (west, south)), np.int32)
        cv2.fillConvexPoly(self.pixels, corners, self._ink(colour), cv2.LINE_AA, _SHIFT)

    def oval(
        self, x: float, y: float, across: float, down: float, colour: Colour, opacity: float = 1.0, angle: float = 0
    ) -> None:
        """Fill an ellipse with centre (x, y) and the given half-axes, turned by `angle` degrees."""
        middle = _fixed(((x, y),))
        axes = (max(1, round(across * _UNIT)), max(1, round(down * _UNIT)))
        window, before = None, None
        if opacity < 1:
            window = self._window(middle, int(max(across, down)) + 2)
            if window is None:
                return
            before = self.pixels[window].copy()
        centre = (int(middle[0, 0]), int(middle[0, 1]))
        cv2.ellipse(self.pixels, centre, axes, angle, 0, 360, self._ink(colour), cv2.FILLED, cv2.LINE_AA, _SHIFT)
        if window is not None and before is not None:
            self._fade(window, before, opacity)

    def blobs(self, circles: npt.NDArray[np.float64], colour: Colour) -> None:
        """Fill many circles, [N, 3]: x, y and radius in pixels."""
        ink = self._ink(colour)
        for x, y, radius in np.rint(circles * _UNIT).astype(int).tolist():
            cv2.circle(self.pixels, (x - _UNIT // 2, y - _UNIT // 2), max(8, radius), ink, -1, cv2.LINE_AA, _SHIFT)

    def line(self, points: Points, colour: Colour, thickness: float = 1.0, opacity: float = 1.0) -> None:
        """Draw an open line; instead of getting thinner than a pixel, it fades."""
        fixed = _fixed(points)
        opacity *= min(1.0, max(0.15, thickness))
        window = self._window(fixed, int(thickness) + 1) if opacity < 1 else None
        before = None if window is None else self.pixels[window].copy()
        wide = max(1, round(thickness))
        cv2.polylines(self.pixels, [fixed], False, self._ink(colour), wide, cv2.LINE_AA, _SHIFT)
        if window is not None and before is not None:
            self._fade(window, before, opacity)

    def gradient(self, top: float, bottom: float, upper: Colour, lower: Colour) -> None:
        """Fill the rows from `top` to `bottom` with a gradient from `upper` to `lower`."""
        first, last = max(0, round(top)), min(self.height, round(bottom))
        if first >= last:
            return
        share = ((np.arange(first, last) + 0.5 - top) / (bottom - top)).clip(0, 1)[:, None]
        rows = np.rint(np.array(upper) * (1 - share) + np.array(lower) * share).clip(0, 255).astype(np.uint8)
        # OpenCV repeats a column many times faster than NumPy, whose innermost loop would run over three channels only.
        self.pixels[first:last] = cv2.resize(rows[:, None], (self.width, last - first), interpolation=cv2.INTER_NEAREST)

    def modulate(self, left: int, top: int, gain: Field) -> None:
        """Multiply the window with its top left corner at (left, top) by `gain`, float32 [h, w]."""
        first_row, first_column = max(0, -top), max(0, -left)
        gain = gain[first_row : self.height - top, first_column : self.width - left]
        if not gain.size:
            return
        top, left = max(0, top), max(0, left)
        part = self.pixels[top : top + gain.shape[0], left : left + gain.shape[1], :3]
        part[:] = cv2.multiply(part, cv2.merge([gain, gain, gain]), dtype=cv2.CV_8U)

    def lay(self, left: int, top: int, colour: Colour, share: Field) -> None:
        """Blend a colour into the window with its top left corner at (left, top); opacity `share`, float32 [h, w]."""
        part = self.pixels[top : top + share.shape[0], left : left + share.shape[1], :3]
        paint = cv2.resize(np.array([[colour]], np.uint8), (share.shape[1], share.shape[0]))
        part[:] = cv2.blendLinear(np.ascontiguousarray(part), paint, 1 - share, share)

    def picture(self) -> Image.Image:
        """Return the finished picture: RGB, or RGBA with straight alpha."""
        if not self._transparent:
            return Image.fromarray(self.pixels)
        alpha = self.pixels[..., 3:].astype(np.float32)
        straight = np.rint(self.pixels[..., :3] * (255 / np.maximum(alpha, 1))).clip(0, 255)
        return Image.fromarray(np.concatenate([straight, alpha], -1).astype(np.uint8))

    def halved(self) -> "Canvas":
        """Return the canvas at half the size, which antialiases what was drawn at double size."""
        half = Canvas((self.width + 1) // 2, (self.height + 1) // 2, transparent=self._transparent)
        half.pixels[:] = cv2.resize(self.pixels, (half.width, half.height), interpolation=cv2.INTER_AREA)
        return half
