"""The public values of `refvid.video`: the description of a source, one frame of it, and a position in it."""

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
    """The colour description of a video stream, in the code numbers of ITU-T H.273 (2 means unspecified).

    Attributes:
        primaries: Colour primaries.
        transfer: Transfer characteristics.
        matrix: Matrix coefficients.
        full_range: Whether samples use the full range; None if the stream does not say.
    """

    primaries: int = 2
    transfer: int = 2
    matrix: int = 2
    full_range: bool | None = None


@dataclass(frozen=True)
class ClockJoin:
    """A place where the clock of a file starts anew, as in recordings that were joined.

    Attributes:
        start: Repaired time of the first frame after it, in seconds.
        added: Seconds that were added to the file's own times from there on.
    """

    start: Fraction
    added: Fraction


@dataclass(frozen=True)
class VideoInfo:
    """The description of a source, as a player would show it.

    Attributes:
        path: File or folder.
        kind: "video", "image" or "frames" (a folder of images).
        width: Width in pixels, after rotation.
        height: Height in pixels, after rotation.
        frame_count: Number of frames in the whole source, counted from its packets.
        frame_rate: Average number of frames per second.
        time_base: Unit of the presentation times, in seconds.
        start_time: Presentation time of the first frame, in seconds.
        duration: Seconds from the start of the first frame to the end of the last one.
        rotation: Counter-clockwise rotation of the pixels for display, in degrees (0, 90, 180 or 270).
        mirrored: Whether left and right of the pixels are swapped for display, before the rotation.
        variable_frame_rate: Whether the times between frames differ by more than the rounding to the time base.
        codec: FFmpeg's name of the video codec, or the format of an image.
        pixel_format: FFmpeg's name of the pixel format, or the mode of an image.
        joins: Where the clock of joined recordings starts anew.
        colour: Colour description of a video.
        alpha: Whether frames may be transparent.
        audio: Codec name of each sound stream; empty if there is none.
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
    mirrored: bool = False
    variable_frame_rate: bool = False
    joins: tuple[ClockJoin, ...] = ()
    codec: str = ""
    pixel_format: str = ""
    colour: ColourTags = ColourTags()
    audio: tuple[str, ...] = ()
    alpha: bool = False


@dataclass(frozen=True, eq=False)
class Frame:
    """One decoded frame.

    Attributes:
        index: Index in the whole source, from 0.
        time: Presentation time in seconds, on the source's clock.
        duration: Seconds for which the frame is shown.
        pixels: Pixels, upright as a player shows them, uint8 RGB [H, W, 3]; what is transparent lies on black.
        name: Stem of the file name, for an image or a folder of frames.
        alpha: Opacity, uint8 [H, W]; None for an opaque frame.
        own_colours: Colours of a transparent frame apart from any backdrop, uint8 RGB [H, W, 3]; black where the
            frame is wholly transparent. None for an opaque frame.
    """

    index: int
    time: Fraction
    duration: Fraction
    pixels: Pixels
    name: str | None = None
    alpha: NDArray[np.uint8] | None = None
    own_colours: Pixels | None = None

    @property
    def colours(self) -> Pixels:
        """The colours apart from any backdrop, uint8 RGB [H, W, 3]."""
        return self.pixels if self.own_colours is None else self.own_colours

    def __post_init__(self) -> None:
        if self.pixels.ndim != 3 or self.pixels.shape[2] != 3 or self.pixels.dtype != np.uint8:
            raise ValueError(f"pixels must be uint8 [H, W, 3], got {self.pixels.dtype} {self.pixels.shape}")

    def __repr__(self) -> str:
        return f"Frame(index={self.index}, time={float(self.time):.3f}, shape={self.pixels.shape})"


@dataclass(frozen=True)
class Position:
    """A position in a video: either seconds after its first frame or a frame number from 0."""

    seconds: Fraction | None = None
    frame: int | None = None

    def __post_init__(self) -> None:
        if (self.seconds is None) == (self.frame is None):
            raise ValueError("a Position has either seconds or a frame number")
