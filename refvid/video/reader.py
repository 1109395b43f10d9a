"""One way to the frames of a video, an image or a folder, whichever decoder reads them."""

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self

from refvid.errors import UsageError, VideoError
from refvid.video.decord_reader import DecordReader, decord_installed
from refvid.video.frame import Frame, Position, VideoInfo
from refvid.video.image_folder import ImageReader
from refvid.video.position import frame_range
from refvid.video.probe import scan
from refvid.video.pyav_reader import PyAVReader
from refvid.video.timeline import ProbedSource

ReaderName = Literal["auto", "decord", "pyav"]

# decord decodes ahead of a slow consumer, after a seek to the end of the file: all of its frames must fit.
DECORD_AHEAD_BYTES = 512 * 2**20
_DEEP_COLOUR = re.compile(r"(9|10|12|14|16)(le|be)$|^p0(10|12|16)")


class VideoReader(Protocol):
    """Frames of a source in order, one in memory at a time; a context manager that leaves nothing open.

    Attributes:
        info: What the source is.
        name: Who reads: "decord", "pyav" or "images".
        frame_total: Frames that an iteration yields when nothing is damaged.
        span: When the first of them is shown and when the last one ends, in seconds on the source's own clock.
        damage: Sentences for the user about damaged or missing frames; fills while reading.
    """

    info: VideoInfo
    name: str
    frame_total: int
    span: tuple[Fraction, Fraction]
    damage: list[str]

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def __iter__(self) -> Iterator[Frame]:
        """Yields the frames of the range.

        Raises:
            VideoError: The file breaks off: the message names the frame. All good frames were yielded before.
        """
        ...

    def close(self) -> None:
        """Closes files and ends threads."""
        ...


def open_reader(
    path: Path, *, reader: ReaderName = "auto", start: Position | None = None, end: Position | None = None
) -> VideoReader:
    """Opens a video, an image or a folder of frames.

    Args:
        path: What to read.
        reader: Decoder of videos; "auto" chooses. Images and folders are always read with Pillow.
        start: First place of the range, relative to the first frame.
        end: Place that the range ends before.

    Raises:
        VideoError: The source cannot be read.
        UsageError: The range holds no frame.
        UnavailableError: decord is asked for and not installed.
    """
    source = scan(path)
    first, stop = frame_range(source.pts, source.info.time_base, start, end)
    if source.info.kind != "video":
        if reader == "decord":
            raise UsageError(f"decord reads no images, and {path} holds nothing else: leave --reader out")
        return ImageReader(source, first, stop)
    if reader == "decord":
        return DecordReader(source, first, stop)
    if reader == "auto" and choose_reader(source.info) == "decord" and _decord_is_safe(source):
        try:
            return DecordReader(source, first, stop, hand_over=True)
        except VideoError:
            pass  # it does not open the file, or sees other frames in it; PyAV reports what is really wrong
    return PyAVReader(source, first, stop)


def choose_reader(info: VideoInfo) -> Literal["decord", "pyav"]:
    """Which decoder "auto" takes: decord where neither its read-ahead nor its gaps cost anything, else PyAV.

    decord needs memory for the frames it decodes ahead, counts times from zero, has no AV1 decoder, and converts
    more than 8 bits a channel, and odd sizes, unlike PyAV.
    """
    # The whole file counts, so that a long video never needs more memory than a short one.
    ahead = info.frame_count * info.width * info.height * 3
    suits = (
        info.kind == "video"
        and ahead <= DECORD_AHEAD_BYTES
        and info.start_time == 0
        and not (info.variable_frame_rate and info.audio)
        and info.codec not in ("av1", "gif")
        and info.width % 2 == info.height % 2 == 0
        and not _DEEP_COLOUR.search(info.pixel_format)
    )
    return "decord" if suits and decord_installed() else "pyav"


def _decord_is_safe(source: ProbedSource) -> bool:
    """What `VideoInfo` does not tell: damage and the container.

    In MPEG-TS decord repeats neighbours for frames it cannot place.
    """
    undamaged = source.exact_times and not source.damaged and source.expected == len(source.pts)
    contained = any(name in source.container for name in ("mp4", "matroska", "avi"))
    return undamaged and contained
