"""The options of `refvid segment` for callers of `segment_video`, checked as soon as they are given."""

from dataclasses import dataclass, fields, replace
from typing import TypedDict, get_args

from refvid.closest import misspelt
from refvid.errors import UsageError
from refvid.model.config import Precision
from refvid.video.colour import ColourMatrix
from refvid.video.frame import Position
from refvid.video.incoming import DEFAULT_TIMEOUT
from refvid.video.output_format import OutputFormat, implied_format
from refvid.video.position import to_position
from refvid.video.reader import ReaderName
from refvid.video.writer import WriterOptions

Place = Position | str | float


@dataclass(frozen=True)
class SegmentOptions:
    """The options of `refvid segment` besides input, expressions, output and model.

    None stands for the default of the model, the format or the encoder.

    Attributes:
        format: Output format or its name; None chooses by the suffix of the output.
        start: First position of the range: seconds, or text such as "2.5", "00:00:02.500" or "75f".
        end: Position at which the range ends, exclusive.
        precision: Precision of the network's arithmetic.
        refine: Whether to refine the masks with DenseCRF.
        threshold: Probability above which a pixel belongs to the object, between 0 and 1.
        quality: Quality number of the encoder.
        codec: FFmpeg's name of the encoder.
        audio: Whether to keep the sound.
        background: What lies behind a cutout: a colour, an image, a video, "blur", "blur:N" or "transparent"; None for
            green. Without a format it asks for a cutout.
        effect: Effect on everything but the object, in place of the tint: "grey", "blur", "blur:N", "pixelate" or
            "pixelate:N".
        invert: Whether to treat everything but the object as the object, and the other way round.
        overwrite: Whether to replace an existing output.
        reader: Decoder that reads the video.
        colour_matrix: Matrix between YUV and RGB; "auto" is the tagged one, or that which players assume.
        timeout: Seconds without data after which a URL is given up.

    Raises:
        UsageError: There is no such format, position, precision or reader, or the threshold is out of range.
    """

    format: OutputFormat | str | None = None
    start: Place | None = None
    end: Place | None = None
    precision: Precision = "auto"
    refine: bool | None = None
    threshold: float | None = None
    quality: int | None = None
    codec: str | None = None
    audio: bool = True
    background: str | None = None
    effect: str | None = None
    invert: bool = False
    overwrite: bool = False
    reader: ReaderName = "auto"
    colour_matrix: ColourMatrix = "auto"
    timeout: float = DEFAULT_TIMEOUT

    def __post_init__(self) -> None:
        if self.format is not None and self.format not in list(OutputFormat):
            raise UsageError(f"there is no format {misspelt(str(self.format), list(OutputFormat))}")
        if self.precision not in get_args(Precision):
            raise UsageError(f"there is no precision {misspelt(str(self.precision), get_args(Precision))}")
        if self.reader not in get_args(ReaderName):
            raise UsageError(f"there is no reader {misspelt(str(self.reader), get_args(ReaderName))}")
        if self.colour_matrix not in get_args(ColourMatrix):
            raise UsageError(f"there is no colour matrix {misspelt(str(self.colour_matrix), get_args(ColourMatrix))}")
        if self.threshold is not None and not 0 < self.threshold < 1:
            raise UsageError(f"the threshold is a probability between 0 and 1, got {self.threshold}")
        # A position as it was typed and the same one read are one option, for comparisons and records.
        object.__setattr__(self, "format", self.output_format)
        object.__setattr__(self, "start", to_position(self.start))
        object.__setattr__(self, "end", to_position(self.end))

    @property
    def output_format(self) -> OutputFormat | None:
        """The format that is asked for; None if the suffix of the output decides."""
        return implied_format(None if self.format is None else OutputFormat(self.format), self.background)

    @property
    def first(self) -> Position | None:
        """The first position of the range; None for the beginning."""
        return to_position(self.start)

    @property
    def stop(self) -> Position | None:
        """The position at which the range ends; None for the end."""
        return to_position(self.end)


class SegmentSettings(TypedDict, total=False):
    """The fields of `SegmentOptions` as keyword arguments."""

    format: OutputFormat | str | None
    start: Place | None
    end: Place | None
    precision: Precision
    refine: bool | None
    threshold: float | None
    quality: int | None
    codec: str | None
    audio: bool
    background: str | None
    effect: str | None
    invert: bool
    overwrite: bool
    reader: ReaderName
    colour_matrix: ColourMatrix
    timeout: float


def choose_options(options: SegmentOptions | None, settings: SegmentSettings) -> SegmentOptions:
    """Return the options with some of them replaced by settings.

    Raises:
        UsageError: There is no option of that name, or as for `SegmentOptions`.
    """
    names = [field.name for field in fields(SegmentOptions)]
    if unknown := [name for name in settings if name not in names]:
        raise UsageError(f"there is no option {misspelt(unknown[0], names)}")
    return replace(options or SegmentOptions(), **settings)


def writer_options(options: SegmentOptions) -> WriterOptions:
    """Return the options that concern the writing of the output."""
    return WriterOptions(
        quality=options.quality,
        codec=options.codec,
        audio=options.audio,
        background=options.background,
        effect=options.effect,
        invert=options.invert,
        overwrite=options.overwrite,
    )
