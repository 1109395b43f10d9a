"""How decoded pixels are turned and mirrored for display."""

import struct
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import Type

from refvid.video.frame import Pixels

# Quarter turns counter-clockwise and mirroring, for (rows become columns, left and right swap, top and bottom swap).
_TURNS = {
    (False, False, False): (0, False),
    (True, False, True): (1, False),
    (False, True, True): (2, False),
    (True, True, False): (3, False),
    (False, True, False): (0, True),
    (True, False, False): (1, True),
    (False, False, True): (2, True),
    (True, True, True): (3, True),
}


@dataclass(frozen=True)
class Orientation:
    """One of the eight ways in which a rectangle of pixels can be displayed.

    Attributes:
        quarters: Quarter turns counter-clockwise, 0 to 3, made after the mirroring.
        mirrored: Whether left and right are swapped first.
    """

    quarters: int = 0
    mirrored: bool = False

    def apply(self, pixels: Pixels) -> Pixels:
        """Return decoded pixels [H, W, 3] as they are displayed: contiguous, and [W, H, 3] after an odd turn."""
        if self.mirrored:
            pixels = pixels[:, ::-1]
        return np.ascontiguousarray(np.rot90(pixels, k=self.quarters) if self.quarters else pixels)


def frame_orientation(frame: av.VideoFrame) -> Orientation:
    """Return the orientation that the container or the stream gives a decoded frame; upright if it gives none."""
    side_data: Any = frame.side_data  # PyAV's stubs give its keys the wrong type
    data = side_data.get(Type.DISPLAYMATRIX)
    return Orientation() if data is None else matrix_orientation(bytes(data))


def matrix_orientation(matrix: bytes) -> Orientation:
    """Return the orientation that is nearest to a display matrix, as players turn by whole quarters.

    Args:
        matrix: The nine numbers of ISO/IEC 14496-12, section 8.3.2, as FFmpeg hands them on: 32-bit integers in the
            byte order of this machine. The first four, a b u c d, send the pixel in column x and row y to column
            a x + c y and row b x + d y.
    """
    a, b, _, c, d, *_ = struct.unpack("=9i", matrix)
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(*_TURNS[False, a < 0, d < 0])
    return Orientation(*_TURNS[True, c < 0, b < 0])
