"""Write pictures without a container: YUV4MPEG2 or bare frames, into a file or through standard output."""

import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self

import av
import numpy as np
from numpy.typing import NDArray

from refvid.errors import UsageError, VideoError
from refvid.video.backdrop import Backdrop
from refvid.video.colour import RGB_PIXELS
from refvid.video.encoder import Conversion
from refvid.video.frame import ColourTags, Frame, Masks, VideoInfo
from refvid.video.output_format import FOLDER_FORMATS, RAW_SUFFIXES, OutputFormat
from refvid.video.render import Painter

_Y4M_NAMES = {"yuv420p": "420jpeg", "yuv422p": "422", "yuv444p": "444"}


class StreamSink:
    """A sink that writes one frame after the other: YUV4MPEG2, or the bare bytes of RGB or RGBA pictures.

    YUV4MPEG2 (mjpegtools, yuv4mpeg(5)) is a line of text for the stream, and for each frame a line `FRAME` and its
    planes of Y, Cb and Cr. Bare frames are uint8 [H, W, 3] or [H, W, 4], row by row, with nothing between them.
    """

    def __init__(self, info: VideoInfo, paint: Painter, suffix: str, *, aspect: Callable[[], Fraction | None]) -> None:
        """Store what the frames need; `aspect` returns the pixel aspect ratio if pixels are not square."""
        self.notes: list[str] = []
        self._info, self._paint, self._raw, self._aspect = info, paint, suffix in RAW_SUFFIXES, aspect
        self._pixel_format = _pixel_format(info)
        # The stream names no matrix: it must be the one that players assume for its size.
        self._conversion = Conversion(self._pixel_format, ColourTags(), replace(info, colour=ColourTags()))
        self._file: BinaryIO | None = None
        self._closes = False
        if info.audio:
            self.notes.append("the sound is left out: a stream of frames holds none")
        if info.variable_frame_rate:
            self.notes.append("a stream of frames has one frame rate: the times of the input's frames are lost")

    def open(self, temporary: Path) -> None:
        """Start writing to a file."""
        self.open_on(temporary.open("wb"))
        self._closes = True

    def open_on(self, file: BinaryIO) -> None:
        """Start writing to an open stream, which stays open at the end."""
        self._file = file
        if self._raw:
            return
        info, rate = self._info, self._info.frame_rate.limit_denominator(1_000_000)
        aspect = self._aspect() or Fraction(1)
        file.write(
            f"YUV4MPEG2 W{info.width} H{info.height} F{rate.numerator}:{rate.denominator} Ip "
            f"A{aspect.numerator}:{aspect.denominator} C{_Y4M_NAMES[self._pixel_format]} "
            "XCOLORRANGE=LIMITED\n".encode()
        )

    def add(self, frame: Frame, masks: Masks) -> None:
        """Write one frame.

        Raises:
            VideoError: The frame's size is not that of the video.
        """
        assert self._file is not None
        height, width = frame.pixels.shape[:2]
        if (width, height) != (self._info.width, self._info.height):
            raise VideoError(
                f"frame {frame.name or frame.index} is {width}x{height} pixels, but the stream is "
                f"{self._info.width}x{self._info.height}; a stream has one size, use --format png or rle for several"
            )
        pixels = np.ascontiguousarray(self._paint(frame, masks))
        if self._raw:
            self._file.write(pixels.data)
            return
        picture = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        picture.pts, picture.time_base = 0, self._info.time_base
        converted = self._conversion.convert(picture)
        self._file.write(b"FRAME\n")
        for plane in converted.planes:
            rows: NDArray[np.uint8] = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
            self._file.write(np.ascontiguousarray(rows[:, : plane.width]).data)

    def finish(self) -> None:
        """Write everything out, and close the file."""
        assert self._file is not None
        self._file.flush()
        if self._closes:
            self._file.close()

    def abandon(self) -> None:
        """Close the file; flushing its buffer may fail again on a full disk, which is ignored."""
        if self._file is not None and self._closes:
            with suppress(OSError):
                self._file.close()


class _Sink(Protocol):
    notes: list[str]

    def open(self, temporary: Path) -> None: ...

    def add(self, frame: Frame, masks: Masks) -> None: ...

    def finish(self) -> None: ...

    def abandon(self) -> None: ...


class StdoutWriter:
    """The `MaskWriter` of standard output: frames as they come, everything else when it is whole."""

    path = Path("-")

    def __init__(self, sink: _Sink, suffix: str, backdrop: Backdrop) -> None:
        """Check that something reads standard output.

        Raises:
            UsageError: Standard output is a terminal.
        """
        if sys.stdout.isatty():
            raise UsageError("standard output is a terminal; pipe it into a program or a file, or give a name with -o")
        self.notes = sink.notes
        self._sink, self._suffix, self._backdrop = sink, suffix, backdrop
        self._folder: Path | None = None

    def __enter__(self) -> Self:
        if isinstance(self._sink, StreamSink):
            self._sink.open_on(sys.stdout.buffer)
        else:
            self._folder = Path(tempfile.mkdtemp(prefix="refvid-"))
            self._sink.open(self._folder / f"whole{self._suffix}")
        return self

    def write(self, frame: Frame, masks: Masks) -> None:
        """Add one frame."""
        self._sink.add(frame, masks)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._backdrop.close()
        try:
            if error is not None:
                self._sink.abandon()
                return
            self._sink.finish()
            self.notes.extend(self._backdrop.notes)
            if self._folder is not None:
                with (self._folder / f"whole{self._suffix}").open("rb") as file:
                    shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        finally:
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)


def stdout_suffix(info: VideoInfo, format: OutputFormat, codec: str | None) -> str:
    """Return the suffix of a file with the content of standard output.

    Args:
        info: Description of the source.
        format: Format of the output.
        codec: None or "y4m" for YUV4MPEG2, "rawvideo" for bare frames.

    Raises:
        UsageError: Standard output cannot hold the format, or the codec is another one.
    """
    if format is OutputFormat.RLE:
        return ".json"
    if info.kind == "image":
        return ".png"
    if format in FOLDER_FORMATS:
        raise UsageError(
            f"standard output cannot hold the format {format}, which is a folder; give --format rle, or "
            "--format alpha --codec rawvideo for RGBA frames"
        )
    if codec not in (None, "y4m", "rawvideo"):
        raise UsageError(f"standard output takes y4m, or rawvideo with --codec rawvideo, but not {codec}")
    if codec == "rawvideo":
        return ".rgba" if format is OutputFormat.ALPHA else ".rgb"
    if format is OutputFormat.ALPHA:
        raise UsageError("y4m has no transparency; give --codec rawvideo for RGBA frames on standard output")
    return ".y4m"


def _pixel_format(info: VideoInfo) -> str:
    """Return the pixel format nearest to the source's; pictures keep their full colour resolution."""
    if info.kind != "video" or info.pixel_format.startswith(RGB_PIXELS) or "444" in info.pixel_format:
        return "yuv444p"
    return "yuv422p" if "422" in info.pixel_format else "yuv420p"
