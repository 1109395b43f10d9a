"""Noise that roughens surfaces: endless sheets, generated once and read through random windows."""

from dataclasses import dataclass
from functools import cache
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from refvid.world.scenery.canvas import Canvas, Field

Grain = Literal["cloud", "grain", "blades", "streaks", "pebbles", "ripples"]

_SIDE = 512
_SEED = 20


@cache
def _sheet(kind: Grain) -> Field:
    """Return periodic noise, float32 [512, 512], with mean 0, deviation 1 and values from -2.5 to 2.5."""
    across, down = np.meshgrid(np.fft.fftfreq(_SIDE) * _SIDE, np.fft.fftfreq(_SIDE) * _SIDE)
    radius = np.hypot(across, down) + 1e-3
    weights = {
        "cloud": (radius + 2) ** -1.9,
        "grain": np.exp(-((radius / 220) ** 2)),
        # Only low frequencies along one axis pass: the noise is smooth along that axis and rough along the other.
        "blades": np.exp(-((down / 30) ** 2)) * np.exp(-((across / 170) ** 2)),
        "streaks": np.exp(-((across / 8) ** 2)) / (np.abs(down) + 6),
        "pebbles": np.exp(-(((radius - 70) / 26) ** 2)),
        "ripples": np.exp(-((across / 14) ** 2)) * np.exp(-(((np.abs(down) - 50) / 26) ** 2)),
    }[kind]
    weights[0, 0] = 0
    white = np.random.default_rng(_SEED).standard_normal((_SIDE, _SIDE))
    noise = np.fft.ifft2(np.fft.fft2(white) * weights).real
    sheet: Field = np.clip(noise / noise.std(), -2.5, 2.5).astype(np.float32)
    return sheet


@cache
def _doubled(kind: Grain) -> Field:
    """Return the sheet repeated two by two, float32 [1024, 1024]."""
    return np.tile(_sheet(kind), (2, 2))


def noise(
    rng: np.random.Generator, width: int, height: int, kind: Grain, scale: float = 1.0, stretch: float = 1.0
) -> Field:
    """Return a random window of noise, float32 [height, width], with mean about 0 and deviation about 1.

    Args:
        rng: Generator for the choice of the window.
        width: Width in pixels.
        height: Height in pixels.
        kind: Kind of noise.
        scale: Pixels of the result per pixel of the sheet.
        stretch: Factor by which the noise is widened horizontally.
    """
    across, down = scale * stretch, scale
    # The sheet is periodic, so in the doubled sheet a window of up to one period may start anywhere.
    columns, rows = min(_SIDE, int(width / across) + 2), min(_SIDE, int(height / down) + 2)
    left, top = rng.integers(_SIDE, size=2).tolist()
    part = _doubled(kind)[top : top + rows, left : left + columns]
    if across == down == 1 and part.shape[0] >= height and part.shape[1] >= width:
        return part[:height, :width]
    return np.asarray(cv2.resize(part, (width, height)), np.float32)


def roughen(
    canvas: Canvas,
    rng: np.random.Generator,
    box: tuple[float, float, float, float],
    kind: Grain,
    strength: float,
    scale: float = 1.0,
    stretch: float = 1.0,
) -> None:
    """Modulate the light of a rectangle (left, top, right, bottom) by noise of the given strength."""
    left, top = max(0, round(box[0])), max(0, round(box[1]))
    right, bottom = min(canvas.width, round(box[2])), min(canvas.height, round(box[3]))
    if left < right and top < bottom:
        canvas.modulate(left, top, 1 + strength * noise(rng, right - left, bottom - top, kind, scale, stretch))


@dataclass(frozen=True)
class Plane:
    """The ground in perspective.

    A point of the ground is given by its position across, in frame widths at the bottom row, and its depth in the same
    unit, which is 1 at the bottom row and grows with the distance.

    Attributes:
        middle: Column of the vanishing point.
        vanish: Row of the vanishing point.
        bottom: Row of depth 1.
        width: Width of the frame in pixels.
    """

    middle: float
    vanish: float
    bottom: float
    width: float

    def place(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the columns and rows, [..., 2], of ground points, [..., 2]: across and depth."""
        ground = np.asarray(points, np.float64)
        share = 1 / ground[..., 1]
        picture = np.empty(ground.shape)
        picture[..., 0] = self.middle + ground[..., 0] * share * self.width
        picture[..., 1] = self.vanish + (self.bottom - self.vanish) * share
        return picture

    def size(self, row: float) -> float:
        """Return the apparent size of a thing on a row relative to one at the bottom."""
        return (row - self.vanish) / (self.bottom - self.vanish)

    def depth(self, row: float) -> float:
        """Return the depth of a row."""
        return 1 / max(1e-3, self.size(row))

    def roughen(
        self, canvas: Canvas, rng: np.random.Generator, top: float, kind: Grain, strength: float, scale: float = 1.0
    ) -> None:
        """Roughen the ground from the row `top` to the bottom with noise that gets finer and fainter in the distance.

        Args:
            canvas: Canvas to paint on.
            rng: Generator for the choice of the noise.
            top: First row.
            kind: Kind of noise.
            strength: Variation of the light at the bottom row.
            scale: Pixels at the bottom row per pixel of the sheet.
        """
        first = max(0, round(top))
        rows = canvas.height - first
        if rows <= 0:
            return
        span, start = self.bottom - self.vanish, first + 0.5 - self.vanish
        # Both ground coordinates of a pixel are quotients with the same denominator. They are reduced modulo the period
        # here, because OpenCV's own wrapping is several times slower.
        below = np.arange(rows) + max(start, 1e-3 * span)
        near = (rng.uniform(0, _SIDE) + self.width / scale * span / below) % _SIDE
        inverse = (span / below / scale).astype(np.float32)
        columns = np.arange(canvas.width, dtype=np.float32) - np.float32(self.middle)
        # The far rows alias whatever is read there, so their reach is limited to one sheet on either side.
        reach = np.minimum(inverse, (_SIDE - 2) / canvas.width)
        across = columns * reach[:, None] + np.float32(rng.uniform(0.5, 1.5) * _SIDE)
        down = np.repeat(near.astype(np.float32)[:, None], canvas.width, 1)
        field = cv2.remap(_doubled(kind), across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        fade = (strength * (below / span).clip(0.12, 1)).astype(np.float32)
        canvas.modulate(0, first, 1 + np.asarray(field, np.float32) * fade[:, None])
