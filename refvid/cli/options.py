"""The options that several commands share, and the functions that check and convert them."""

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from refvid.errors import UsageError

if TYPE_CHECKING:
    from refvid.inference.options import SegmentOptions

DEFAULT_MODEL = "refvid-small"
DEFAULT_TIMEOUT = 30.0  # seconds, as in refvid.video.incoming
# Written out so that --help need not import refvid.video; a test compares the names with OutputFormat.
FormatName = Literal["overlay", "cutout", "matte", "alpha", "png", "rgba", "rle"]
PrecisionName = Literal["auto", "float32", "bfloat16", "float16"]
ReaderName = Literal["auto", "decord", "pyav"]
MatrixName = Literal["auto", "bt601", "bt709", "bt2020"]
_UNDECODED = re.compile("[\ud800-\udfff]")

_MODEL = "Model"
_RANGE = "Range and reading"
_OUTPUT = "Output"
_LOGGING = "Logging"

Format = Annotated[
    FormatName | None,
    typer.Option(
        "-f",
        "--format",
        rich_help_panel=_OUTPUT,
        help="overlay: tinted object with outline; cutout: object on --background; matte: white on black; "
        "alpha: true transparency (.webm, .mov); png: folder of palette masks; rgba: folder of RGBA images; "
        "rle: one JSON file of COCO RLE masks (default: by the suffix of the output, else overlay).",
    ),
]
Start = Annotated[
    str | None,
    typer.Option(
        "-s",
        "--start",
        metavar="TIME",
        rich_help_panel=_RANGE,
        help="Start of the range: seconds (2.5), a timecode (00:00:02.500) or a frame number (75f).",
    ),
]
End = Annotated[
    str | None,
    typer.Option(
        "-e",
        "--end",
        metavar="TIME",
        rich_help_panel=_RANGE,
        help="End of the range, exclusive; written as for --start.",
    ),
]
Reader = Annotated[ReaderName, typer.Option("--reader", rich_help_panel=_RANGE, help="Decoder that reads the video.")]
ColourMatrix = Annotated[
    MatrixName,
    typer.Option(
        "--colour-matrix",
        "--color-matrix",
        rich_help_panel=_RANGE,
        help="Colours of the video: auto takes what it is tagged with; untagged, SD is bt601, HD and UHD bt709.",
    ),
]
Timeout = Annotated[
    float,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        min=0.1,
        rich_help_panel=_RANGE,
        help="Give up a URL that sends nothing for so long.",
    ),
]
Model = Annotated[
    str,
    typer.Option(
        "-m",
        "--model",
        metavar="MODEL",
        rich_help_panel=_MODEL,
        help="Name of a model (see `refvid models list`), its folder or file, or a Hub id owner/name.",
    ),
]
Revision = Annotated[
    str | None,
    typer.Option("--revision", metavar="REV", rich_help_panel=_MODEL, help="Branch, tag or commit of a Hub model."),
]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="DEVICE",
        rich_help_panel=_MODEL,
        help="auto, cpu, cuda, cuda:N or mps; fails if the device is missing.",
    ),
]
Precision = Annotated[
    PrecisionName, typer.Option("--precision", rich_help_panel=_MODEL, help="Precision of the model's arithmetic.")
]
Refine = Annotated[
    bool | None,
    typer.Option(
        "--refine/--no-refine",
        rich_help_panel=_MODEL,
        help="Sharpen the masks with DenseCRF (default: the model's own).",
    ),
]
Threshold = Annotated[
    float | None,
    typer.Option(
        "--threshold",
        metavar="P",
        rich_help_panel=_MODEL,
        help="Probability above which a pixel belongs to the object, between 0 and 1; for acga, as a share of the "
        "frame's largest probability (default: the model's own).",
    ),
]
Quality = Annotated[
    int | None,
    typer.Option(
        "--quality",
        metavar="N",
        min=0,
        rich_help_panel=_OUTPUT,
        help="Quality number of the encoder (CRF), lower is better (default: visually lossless).",
    ),
]
Codec = Annotated[
    str | None, typer.Option("--codec", metavar="NAME", rich_help_panel=_OUTPUT, help="Encoder, such as libx264.")
]
Background = Annotated[
    str | None,
    typer.Option(
        "--background",
        metavar="WHAT",
        rich_help_panel=_OUTPUT,
        help="Behind a cutout: a colour (a name or #rrggbb), an image, a video, blur, blur:N (pixels) or transparent; "
        "alone it asks for --format cutout (default: green, #00b140).",
    ),
]
Effect = Annotated[
    str | None,
    typer.Option(
        "--effect",
        metavar="EFFECT",
        rich_help_panel=_OUTPUT,
        help="Instead of the tint, change everything but the object: grey, blur, blur:N, pixelate or pixelate:N "
        "(pixels); with --invert, the object itself.",
    ),
]
Invert = Annotated[
    bool,
    typer.Option(
        "--invert",
        rich_help_panel=_OUTPUT,
        help="Swap the object and the rest, for --effect and the formats cutout, matte, alpha and rgba.",
    ),
]
NoAudio = Annotated[bool, typer.Option("--no-audio", rich_help_panel=_OUTPUT, help="Leave out the sound.")]
Overwrite = Annotated[
    bool, typer.Option("-y", "--overwrite", rich_help_panel=_OUTPUT, help="Replace an existing output.")
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", rich_help_panel=_LOGGING, help="Show errors only.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", rich_help_panel=_LOGGING, help="Show debug messages too.")]
LogFile = Annotated[
    Path | None,
    typer.Option("--log-file", metavar="PATH", rich_help_panel=_LOGGING, help="Also append all messages to a file."),
]


def check_expressions(expressions: Sequence[str]) -> list[str]:
    """Return the expressions without surrounding whitespace.

    Raises:
        UsageError: An expression is empty.
    """
    # Python keeps bytes that are not UTF-8 as lone surrogates; typed on an old terminal, they are Latin-1.
    readable = [os.fsencode(text).decode("latin-1") if _UNDECODED.search(text) else text for text in expressions]
    stripped = [expression.strip() for expression in readable]
    if not all(stripped):
        raise UsageError("an expression is empty; describe what to look for, such as 'man in yellow shirt'")
    return stripped


def check_threshold(threshold: float | None) -> None:
    """Check that a threshold is a probability.

    Raises:
        UsageError: The threshold is not between 0 and 1.
    """
    if threshold is not None and not 0 < threshold < 1:
        raise UsageError(f"--threshold is {threshold:g}; it is a probability and must lie between 0 and 1")


def typed(context: typer.Context, names: Iterable[str]) -> list[str]:
    """Return the names of the parameters that were typed, or set otherwise, rather than left at their defaults."""
    return [
        name
        for name in names
        if (source := context.get_parameter_source(name)) is not None and not source.name.startswith("DEFAULT")
    ]


def build_options(
    *,
    format: str | None,
    start: str | None,
    end: str | None,
    precision: PrecisionName,
    refine: bool | None,
    threshold: float | None,
    quality: int | None,
    codec: str | None,
    no_audio: bool,
    background: str | None,
    effect: str | None,
    invert: bool,
    overwrite: bool,
    reader: ReaderName,
    colour_matrix: MatrixName,
    timeout: float,
) -> "SegmentOptions":
    """Check the options as typed and convert them to `SegmentOptions`.

    Raises:
        UsageError: The threshold is not between 0 and 1, or a position cannot be read.
    """
    check_threshold(threshold)
    from refvid.inference.options import SegmentOptions
    from refvid.video.output_format import OutputFormat
    from refvid.video.position import parse_position

    return SegmentOptions(
        format=None if format is None else OutputFormat(format),
        start=None if start is None else parse_position(start),
        end=None if end is None else parse_position(end),
        precision=precision,
        refine=refine,
        threshold=threshold,
        quality=quality,
        codec=codec,
        audio=not no_audio,
        background=background,
        effect=effect,
        invert=invert,
        overwrite=overwrite,
        reader=reader,
        colour_matrix=colour_matrix,
        timeout=timeout,
    )
