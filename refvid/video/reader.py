"""One interface to the frames of a video, an image or a folder, whichever decoder reads them."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self

from refvid.errors import UsageError, VideoError
from refvid.video.colour import ColourMatrix, assumption, is_bt601, is_untagged, matrix_code
from refvid.video.decord_reader import DecordReader, converts_alike, decord_installed, distrust
from refvid.video.frame import Frame, Position, VideoInfo
from refvid.video.image_folder import ImageReader
from refvid.video.position import frame_range
from refvid.video.probe import scan
from refvid.video.pyav_reader import PyAVReader
from refvid.video.timeline import ProbedSource

LOGGER = logging.getLogger(__name__)

ReaderName = Literal["auto", "decord", "pyav"]

# After a seek, decord may decode ahead of a slow consumer to the end of the file: all frames must fit in memory.
DECORD_AHEAD_BYTES = 512 * 2**20


class VideoReader(Protocol):
    """The frames of a source in order, one in memory at a time; a context manager that closes everything.

    Attributes:
        info: Description of the source.
        name: Name of the reader: "decord", "pyav" or "images".
        frame_total: Number of frames that an iteration yields if nothing is damaged.
        span: Start of the first of these frames and end of the last one, in seconds on the source's clock.
        damage: Messages for the user about damaged or missing frames, added while reading.
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
        """Yield the frames of the range.

        Raises:
            VideoError: The file breaks off; the message names the frame. All good frames before it have been yielded.
        """
        ...

    def close(self) -> None:
        """Close the files and end the threads."""
        ...


def open_reader(
    path: Path,
    *,
    reader: ReaderName = "auto",
    start: Position | None = None,
    end: Position | None = None,
    colour_matrix: ColourMatrix = "auto",
) -> VideoReader:
    """Open a video, an image or a folder of frames.

    Args:
        path: Video, image or folder to read.
        reader: Decoder for videos; "auto" chooses one. Images and folders are always read with Pillow.
        start: Start of the range, relative to the first frame.
        end: End of the range, exclusive.
        colour_matrix: Matrix between YUV and RGB of a video; "auto" is the tagged one, else what players assume.

    Raises:
        VideoError: The source cannot be read.
        UsageError: The range contains no frame, or decord was chosen for images.
        UnavailableError: decord was chosen but is not installed.
    """
    source = _with_matrix(scan(path), colour_matrix)
    first, stop = frame_range(source.pts, source.info.time_base, start, end)
    if source.info.kind != "video":
        if reader == "decord":
            raise UsageError(f"decord reads no images, and {path} holds nothing else; leave out --reader")
        return ImageReader(source, first, stop)
    if reader == "decord":
        return DecordReader(source, first, stop)
    if reader == "auto" and choose_reader(source.info) == "decord" and _decord_is_safe(source, first):
        try:
            return DecordReader(source, first, stop, hand_over=True)
        except VideoError:
            pass  # decord cannot open the file or finds other frames in it; PyAV reports what is really wrong
    return PyAVReader(source, first, stop)


def _with_matrix(source: ProbedSource, name: ColourMatrix) -> ProbedSource:
    """Return the source with the matrix that the user gives, which the output is then tagged with."""
    code = matrix_code(name)
    if code is not None and source.info.kind == "video":
        info = replace(source.info, colour=replace(source.info.colour, matrix=code))
        return replace(source, info=info, matrix=code)
    if is_untagged(source.info):
        LOGGER.debug("%s", assumption(source.info))
    return source


def choose_reader(info: VideoInfo) -> Literal["decord", "pyav"]:
    """Return the decoder that "auto" uses: decord where its weaknesses do no harm, else PyAV.

    decord needs memory for the frames that it decodes ahead, counts times from zero, has no AV1 decoder, turns mirrored
    pictures upside down, and differs from PyAV in how it converts odd sizes and more than 8 bits per channel. It takes
    untagged footage for BT.601, and shows what transparency hides.
    """
    # The whole file counts, not the range, because decord may decode ahead to its end.
    ahead = info.frame_count * info.width * info.height * 3
    suits = (
        info.kind == "video"
        and ahead <= DECORD_AHEAD_BYTES
        and info.start_time == 0
        and not info.mirrored
        and not (info.variable_frame_rate and info.audio)
        and info.codec not in ("av1", "gif")
        and not (is_untagged(info) and not is_bt601(info))
        and not info.alpha
        and converts_alike(info)
    )
    return "decord" if suits and decord_installed() else "pyav"


def _decord_is_safe(source: ProbedSource, start: int) -> bool:
    """Return whether decord reads the source correctly, judged by its damage and container.

    In MPEG-TS, for example, decord repeats neighbouring frames for those that it cannot place. It converts every frame
    with the matrix that the frame names.
    """
    undamaged = not source.damaged and source.expected == len(source.pts)
    contained = any(name in source.container for name in ("mp4", "matroska", "avi"))
    return undamaged and contained and not distrust(source, start) and source.matrix is None
