"""Write masks: `open_writer` returns a `MaskWriter` for any output format."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np

from refvid.errors import UsageError, VideoError
from refvid.files import Staging, writing
from refvid.video.backdrop import GREEN, TRANSPARENT, Backdrop, check_backdrop, open_backdrop
from refvid.video.effect import parse_effect
from refvid.video.encoder import WRITE_FAILURES
from refvid.video.folder_writer import FolderSink
from refvid.video.frame import Frame, Masks, VideoInfo
from refvid.video.image_writer import ImageSink
from refvid.video.output_format import (
    FOLDER_FORMATS,
    OPAQUE,
    RAW_SUFFIXES,
    Y4M,
    OutputFormat,
    is_folder_output,
    keeps_transparency,
)
from refvid.video.probe import open_container, picture_stream
from refvid.video.render import MAX_INDICES, Painter, painter
from refvid.video.rle_writer import RleSink
from refvid.video.stream_writer import StdoutWriter, StreamSink
from refvid.video.time_range import TimeRange
from refvid.video.video_writer import VideoSink, pixel_aspect

_INVERTED = frozenset({OutputFormat.CUTOUT, OutputFormat.MATTE, OutputFormat.ALPHA, OutputFormat.RGBA})


@dataclass(frozen=True)
class WriterOptions:
    """Options that apply to the writing of the output.

    Attributes:
        quality: Quality number of the encoder; None for visually lossless.
        codec: FFmpeg's name of the video encoder; None for the usual one of the container.
        audio: Whether to keep the source's sound.
        background: Background of a cutout, as for `open_backdrop`; None for green.
        effect: Effect in place of an overlay's tint, as for `parse_effect`.
        invert: Whether everything but the objects is treated as the object, and the other way round.
        overwrite: Whether to replace an existing output.
    """

    quality: int | None = None
    codec: str | None = None
    audio: bool = True
    background: str | None = None
    effect: str | None = None
    invert: bool = False
    overwrite: bool = False


class MaskWriter(Protocol):
    """A context manager to which frames and their masks are written in order.

    The output appears when the block ends without an exception; otherwise nothing is left behind.

    Attributes:
        path: The output.
        notes: Messages for the user about anything that could not be done as usual; complete after the block.
    """

    path: Path
    notes: list[str]

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def write(self, frame: Frame, masks: Masks) -> None:
        """Add one frame and its masks, bool [E, H, W] in the frame's size."""
        ...


class Sink(Protocol):
    """One way to store frames and masks: a `MaskWriter` without the handling of temporary files."""

    notes: list[str]

    def open(self, temporary: Path) -> None:
        """Start writing to a temporary file or folder."""
        ...

    def add(self, frame: Frame, masks: Masks) -> None:
        """Add one frame and its masks."""
        ...

    def finish(self) -> None:
        """Complete the output and close all files."""
        ...

    def abandon(self) -> None:
        """Close all files; never raise."""
        ...


class StagedWriter:
    """The `MaskWriter` of every format: a sink that writes to a temporary file or folder, which is then renamed."""

    def __init__(
        self,
        path: Path,
        sink: Sink,
        staging: Staging,
        expression_total: int,
        *,
        backdrop: Backdrop,
        on_black: bool = False,
    ) -> None:
        self.path, self.notes = path, sink.notes
        self._sink, self._staging, self._expression_total = sink, staging, expression_total
        self._backdrop = backdrop
        self._on_black = on_black  # whether transparency, if there is any, is lost
        self._written = 0

    def __enter__(self) -> Self:
        try:
            with writing(self.path, failures=WRITE_FAILURES):
                self._staging.open()
                self._sink.open(self._staging.temporary)
        except BaseException:
            self._backdrop.close()
            self._discard()
            raise
        return self

    def write(self, frame: Frame, masks: Masks) -> None:
        """Add one frame.

        Raises:
            VideoError: The frame cannot be written.
            ValueError: The masks are not bool [E, H, W] in the frame's size.
        """
        expected = (self._expression_total, *frame.pixels.shape[:2])
        if masks.shape != expected or masks.dtype != np.bool_:
            raise ValueError(f"masks must be bool {expected}, got {masks.dtype} {masks.shape}")
        with writing(self.path, failures=WRITE_FAILURES):
            self._sink.add(frame, masks)
        self._written += 1
        if self._on_black and frame.alpha is not None:
            self._on_black = False
            self.notes.append(f"what is transparent in the input lies on black in {self.path.name}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._backdrop.close()
        if error is not None:
            self._discard()
            return
        try:
            if not self._written:
                raise VideoError(f"there was no frame to write, so {self.path} is not created")
            with writing(self.path, failures=WRITE_FAILURES):
                self._sink.finish()
                self._staging.commit()
            self.notes.extend(self._backdrop.notes)
        except BaseException:  # including Ctrl-C
            self._discard()
            raise

    def _discard(self) -> None:
        # The file is removed before it is closed, because closing an MP4 rewrites the whole file unless its name is
        # gone; and once more afterwards, where an open file could not be removed.
        self._staging.discard()
        self._sink.abandon()
        self._staging.discard()


def open_writer(
    output: Path,
    format: OutputFormat,
    info: VideoInfo,
    expressions: Sequence[str],
    options: WriterOptions,
    *,
    first_time: Fraction | None = None,
    last_time: Fraction | None = None,
    stdout: bool = False,
) -> MaskWriter:
    """Return the writer for a format.

    Args:
        output: File or folder to write, from `resolve_output`.
        format: Format of the output.
        info: Description of the source.
        expressions: One expression for each mask.
        options: Options of the writer.
        first_time: Start of the range in seconds on the source's clock; it becomes time zero of a video output.
        last_time: End of the range, exclusive; later sound is left out.
        stdout: Whether to write to standard output what a file with the suffix of `output` would contain.

    Raises:
        OutputExistsError: The output exists and `options.overwrite` is off.
        UsageError: The options contradict each other or the output.
        UnavailableError: There is no such encoder.
    """
    if not expressions:
        raise UsageError("no expression given; give at least one")
    if format is OutputFormat.PNG and len(expressions) > MAX_INDICES:
        raise UsageError(
            f"the format png holds at most {MAX_INDICES} expressions, but {len(expressions)} were given; use rle"
        )
    if not stdout:
        _check_source_stays(output, info)
    # Image files with transparency are written losslessly and need no margin of true colours around the objects.
    drawn = OutputFormat.RGBA if info.kind == "image" and format is OutputFormat.ALPHA else format
    keeps_alpha = keeps_transparency(info, output, format)
    staging = None
    if not stdout:
        staging = Staging(output, folder=is_folder_output(output, format), overwrite=options.overwrite)
    backdrop = open_backdrop(options.background if options.background and format is OutputFormat.CUTOUT else GREEN)
    paint = painter(
        drawn,
        tuple(expressions),
        backdrop,
        keeps_alpha=keeps_alpha,
        effect=None if options.effect is None else parse_effect(options.effect),
        invert=options.invert,
    )
    try:
        if staging is None:
            sink = _sink(output, format, info, expressions, options, paint, TimeRange())
            return StdoutWriter(sink, output.suffix, backdrop)
        sink = _sink(output, format, info, expressions, options, paint, TimeRange(first_time, last_time))
    except BaseException:
        backdrop.close()
        raise
    on_black = format is OutputFormat.OVERLAY and not keeps_alpha
    return StagedWriter(output, sink, staging, len(expressions), on_black=on_black, backdrop=backdrop)


def check_options_apply(format: OutputFormat, info: VideoInfo, options: WriterOptions) -> None:
    """Check that every option that was given has an effect on such an output.

    Args:
        format: Format of the output.
        info: Description of the source.
        options: Options of the writer.

    Raises:
        UsageError: One would be ignored, or there is no such background or effect.
    """
    _check_background(format, options.background)
    if options.effect is not None:
        parse_effect(options.effect)
        if format is not OutputFormat.OVERLAY:
            raise UsageError(
                f"--effect changes the picture around the object, but the format of this output is {format}; leave "
                "--format or --effect out"
            )
    if options.invert and format not in _INVERTED and options.effect is None:
        raise UsageError(
            f"--invert swaps the object and the rest, which the format {format} does not show; add --effect, or one of "
            f"--format {', '.join(sorted(_INVERTED))}"
        )
    encoded = info.kind != "image" and format not in FOLDER_FORMATS and format is not OutputFormat.RLE
    made = f"an image in the format {format}" if info.kind == "image" else f"the format {format}"
    if options.codec is not None and not encoded:
        raise UsageError(f"--codec is the encoder of a video, but {made} needs none; leave --codec out")
    if options.quality is not None and not encoded and (info.kind != "image" or format not in OPAQUE):
        raise UsageError(f"--quality is for what loses quality, but {made} loses none; leave --quality out")


def _check_background(format: OutputFormat, background: str | None) -> None:
    if background is None:
        return
    check_backdrop(background)
    if background.strip().lower() == TRANSPARENT:
        if format not in (OutputFormat.ALPHA, OutputFormat.RGBA):
            raise UsageError(f"the format {format} has no transparent background; add --format alpha or rgba")
    elif format is not OutputFormat.CUTOUT:
        raise UsageError(
            f"--background lies behind a cutout, but the format of this output is {format}; add --format cutout, or "
            "leave --background out"
        )


def _sink(
    output: Path,
    format: OutputFormat,
    info: VideoInfo,
    expressions: Sequence[str],
    options: WriterOptions,
    paint: Painter,
    times: TimeRange,
) -> Sink:
    if format is OutputFormat.RLE:
        return RleSink(info, expressions)
    if is_folder_output(output, format):
        return FolderSink(paint)
    if info.kind == "image":
        return ImageSink(info, paint, quality=options.quality)
    if (suffix := output.suffix.lower()) in (Y4M, *RAW_SUFFIXES):
        if options.quality is not None or options.codec not in (None, suffix[1:], "rawvideo"):
            raise UsageError("frames are written as they are; leave out --quality and --codec")
        shape = replace(info, audio=()) if not options.audio else info
        return StreamSink(shape, paint, suffix, aspect=partial(_aspect_of, info))
    return VideoSink(
        info,
        paint,
        output.suffix.lower(),
        transparent=format is OutputFormat.ALPHA or keeps_transparency(info, output, format),
        codec=options.codec,
        quality=options.quality,
        audio=options.audio,
        times=times,
    )


def _aspect_of(info: VideoInfo) -> Fraction | None:
    if info.kind != "video":
        return None
    with open_container(info.path) as source:
        return pixel_aspect(info, picture_stream(info.path, source))


def _check_source_stays(output: Path, info: VideoInfo) -> None:
    if not output.exists():
        return
    source, target = info.path.resolve(), output.resolve()
    if source == target or source.is_relative_to(target) or (source.exists() and output.samefile(source)):
        raise UsageError(f"the output {output} would replace the input {info.path}; give another name")
