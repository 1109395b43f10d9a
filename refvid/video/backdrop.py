"""What lies behind a cutout: a colour, a picture, a video, or the frame itself, blurred."""

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageOps

from refvid.errors import UsageError
from refvid.video.effect import Effect, parse_effect
from refvid.video.frame import Frame, Pixels
from refvid.video.reader import VideoReader, open_reader

Colour = tuple[int, int, int]
GREEN = "#00b140"  # the usual colour behind a cutout, easy to replace
TRANSPARENT = "transparent"
_BLUR = re.compile(r"blur(:.*)?", re.IGNORECASE)


class Backdrop(Protocol):
    """A background.

    Attributes:
        notes: Messages for the user, complete once it is closed.
    """

    notes: list[str]

    def behind(self, frame: Frame, objects: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Return the background of a frame, uint8 RGB [H, W, 3] or one colour [3].

        Args:
            frame: Frame; its time says which frame of a video lies behind it.
            objects: Pixels in front of the background, bool [H, W].
        """
        ...

    def close(self) -> None:
        """Close what is open and add the notes."""
        ...


def parse_colour(text: str) -> Colour:
    """Return the colour that a name or `#rrggbb` stands for.

    Raises:
        UsageError: The text is not a colour.
    """
    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError as error:
        raise UsageError(f"{text!r} is not a colour; give a name such as green or a code such as #00b140") from error
    return red, green, blue


def check_backdrop(text: str) -> None:
    """Check that a background can be opened, without opening it.

    Raises:
        UsageError: It is neither a colour, a blur nor an existing file or folder.
    """
    if text.strip().lower() == TRANSPARENT:
        return
    if _BLUR.fullmatch(text.strip()):
        parse_effect(text)
    elif not _is_colour(text) and not Path(text).expanduser().exists():
        raise UsageError(
            f"the background {text!r} is no colour and no file; give a name such as green, a code such as {GREEN}, an "
            "image, a video, blur, blur:N or transparent"
        )


def open_backdrop(text: str) -> Backdrop:
    """Open a background as it was typed; a colour takes precedence over a file of the same name.

    Raises:
        UsageError: It is none.
        VideoError: It is a file that cannot be read.
    """
    check_backdrop(text)
    if _BLUR.fullmatch(text.strip()):
        return BlurredBackdrop(parse_effect(text))
    if _is_colour(text):
        return PlainBackdrop(parse_colour(text))
    return MovingBackdrop(Path(text).expanduser())


def _is_colour(text: str) -> bool:
    try:
        parse_colour(text)
    except UsageError:
        return False
    return True


class PlainBackdrop:
    """One colour."""

    def __init__(self, colour: Colour) -> None:
        self.notes: list[str] = []
        self._colour = np.array(colour, np.uint8)

    def behind(self, frame: Frame, objects: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Return the colour, uint8 [3]."""
        return self._colour

    def close(self) -> None:
        """Do nothing: nothing is open."""


class BlurredBackdrop:
    """The frame itself, blurred, without the colours of the objects."""

    def __init__(self, blur: Effect) -> None:
        self.notes: list[str] = []
        self._blur = blur

    def behind(self, frame: Frame, objects: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Return the blurred frame, uint8 RGB [H, W, 3]."""
        return self._blur.apply(frame.pixels, ~objects)

    def close(self) -> None:
        """Do nothing: nothing is open."""


class MovingBackdrop:
    """An image, a video or a folder of frames, scaled to fill the frame, with what stands out cut off on both sides.

    A video plays at its own speed from the first frame on. One that is too short begins again, one that is too long is
    cut; the notes say which.
    """

    def __init__(self, path: Path) -> None:
        """Open the file and read the first frame.

        Raises:
            VideoError: It cannot be read.
        """
        self.notes: list[str] = []
        self._path = path
        self._rounds, self._start = 0, Fraction(0)  # times it was begun, and when it was begun last
        self._first_time: Fraction | None = None
        self._shown: tuple[tuple[int, int], Frame, Pixels] | None = None  # the frame as it was fitted last
        self._reader: VideoReader = open_reader(path)
        self._still = self._reader.frame_total == 1
        self._begin()

    def _begin(self) -> None:
        if self._rounds:
            self._reader.close()
            self._reader = open_reader(self._path)
        self._rounds += 1
        self._frames: Iterator[Frame] = iter(self._reader)
        self._current = next(self._frames)
        self._next = next(self._frames, None)
        self._zero = self._current.time

    def behind(self, frame: Frame, objects: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Return the frame that is shown at the time of `frame`, uint8 RGB [H, W, 3]."""
        if self._first_time is None:
            self._first_time = frame.time
        if not self._still:
            self._advance(frame.time - self._first_time)
        height, width = frame.pixels.shape[:2]
        if self._shown is None or self._shown[0] != (width, height) or self._shown[1] is not self._current:
            fitted = ImageOps.fit(Image.fromarray(self._current.pixels), (width, height), Image.Resampling.LANCZOS)
            self._shown = (width, height), self._current, np.asarray(fitted)
        return self._shown[2]

    def _advance(self, time: Fraction) -> None:
        """Go on to the frame that is shown at a time, in seconds from the beginning of the output."""
        while True:
            now = time - self._start
            if self._next is not None and self._next.time - self._zero <= now:
                self._current, self._next = self._next, next(self._frames, None)
            elif self._next is None and (end := self._current.time + self._current.duration - self._zero) <= now:
                self._start += max(end, Fraction(1, 1000))
                self._begin()
            else:
                return

    def close(self) -> None:
        """Close the file, and note whether it was looped or cut."""
        if self._rounds > 1:
            seconds = float(self._start) / (self._rounds - 1)
            self.notes.append(
                f"the background {self._path} lasts {seconds:.1f} s and was looped: it began {self._rounds} times"
            )
        elif self._next is not None and self._first_time is not None:
            self.notes.append(f"the background {self._path} is longer than the output and was cut")
        self._reader.close()
