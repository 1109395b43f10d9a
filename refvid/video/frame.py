"""The values that cross the border of `refvid.video`: what a source is, one frame of it, a place in it."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]  # [H, W, 3] RGB
Masks = NDArray[np.bool_]  # [E, H, W], one mask for each of E expressions
SourceKind = Literal["video", "image", "frames"]


@dataclass(frozen=True)
class ColourTags:
    """Colour description of a video stream as the numbers of ITU-T H.273 (2 = unspecified).

    `full_range` is None where the stream does not say.
    """

    primaries: int = 2
    transfer: int = 2
    matrix: int = 2
    full_range: bool | None = None


@dataclass(frozen=True)
class VideoInfo:
    """What a source is, as a player would show it (width and height after rotation).

    Attributes:
        frame_count: Frames in the whole source, counted from its packets.
        frame_rate: Average frames a second.
        time_base: Unit of the presentation times, in seconds.
        start_time: Presentation time of the first frame, in seconds.
        duration: Seconds from the first frame's start to the last frame's end.
        rotation: Degrees counter-clockwise that the pixels are turned by for display (0, 90, 180, 270).
        variable_frame_rate: Whether the times between frames differ by more than the time base's rounding.
        audio: Codec name of each sound stream, empty when there is none.
    """

    path: Path
    kind: SourceKind
    width: int
    height: int
    frame_count: int
    frame_rate: Fraction
    time_base: Fraction
    start_time: Fraction
    duration: Fraction
    rotation: int = 0
    variable_frame_rate: bool = False
    codec: str = ""
    pixel_format: str = ""
    colour: ColourTags = ColourTags()
    audio: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Frame:
    """One decoded frame.

    Attributes:
        index: Position in the whole source, from 0.
        time: Presentation time in seconds, on the source's own clock.
        duration: Seconds the frame is shown.
        pixels: uint8 RGB [H, W, 3], upright as a player shows it.
        name: File stem, for a folder of frames or an image.
    """

    index: int
    time: Fraction
    duration: Fraction
    pixels: Pixels
    name: str | None = None

    def __post_init__(self) -> None:
        if self.pixels.ndim != 3 or self.pixels.shape[2] != 3 or self.pixels.dtype != np.uint8:
            raise ValueError(f"pixels must be uint8 [H, W, 3], got {self.pixels.dtype} {self.pixels.shape}")

    def __repr__(self) -> str:
        return f"Frame(index={self.index}, time={float(self.time):.3f}, shape={self.pixels.shape})"


@dataclass(frozen=True)
class Position:
    """A place in a video: a time in seconds after its first frame, or a frame number from 0; never both."""

    seconds: Fraction | None = None
    frame: int | None = None

    def __post_init__(self) -> None:
        if (self.seconds is None) == (self.frame is None):
            raise ValueError("a Position has either seconds or a frame number")
