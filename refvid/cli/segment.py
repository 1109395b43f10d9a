"""`refvid segment`: segment one video into one output."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from refvid.cli import options as opt
from refvid.cli.console import Terminal
from refvid.errors import NothingFoundError, UsageError

if TYPE_CHECKING:
    from refvid.inference.report import SegmentReport


LEAST_THRESHOLD = 0.02  # a lower one would find almost anything, rightly or not


def segment(
    input: Annotated[
        str,
        typer.Argument(
            metavar="INPUT",
            help="A video, an image, a folder of frames in natural order, a URL, or - for standard input.",
        ),
    ],
    expressions: Annotated[
        list[str],
        typer.Argument(
            metavar="EXPRESSION",
            help="What to look for; several expressions share one pass. Put -- before one that begins with -.",
        ),
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="PATH",
            rich_help_panel="Output",
            help="File or folder to write, or - for standard output: y4m, or bare RGB frames with --codec rawvideo "
            "(default: <stem>.refvid.<ext> in the working folder).",
        ),
    ] = None,
    format: opt.Format = None,
    start: opt.Start = None,
    end: opt.End = None,
    model: opt.Model = opt.DEFAULT_MODEL,
    revision: opt.Revision = None,
    device: opt.Device = "auto",
    precision: opt.Precision = "auto",
    refine: opt.Refine = None,
    threshold: opt.Threshold = None,
    quality: opt.Quality = None,
    codec: opt.Codec = None,
    background: opt.Background = None,
    effect: opt.Effect = None,
    invert: opt.Invert = False,
    no_audio: opt.NoAudio = False,
    overwrite: opt.Overwrite = False,
    fail_if_empty: Annotated[
        bool, typer.Option("--fail-if-empty", help="Exit with code 5 if no frame contains the object.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object about the run on stdout.")] = False,
    reader: opt.Reader = "auto",
    colour_matrix: opt.ColourMatrix = "auto",
    timeout: opt.Timeout = opt.DEFAULT_TIMEOUT,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
    log_file: opt.LogFile = None,
) -> None:
    """Segment the object that EXPRESSION describes in INPUT and write the result.

    The output keeps the input's frames, timestamps, size and sound. Example:
    refvid segment park.mp4 "man in yellow shirt" -o out.mp4
    """
    expressions = opt.check_expressions(expressions)
    if as_json and output == "-":
        raise UsageError("--json and -o - both write to standard output; leave one of them out")
    options = opt.build_options(
        format=format, start=start, end=end, precision=precision, refine=refine, threshold=threshold, quality=quality,
        codec=codec, no_audio=no_audio, background=background, effect=effect, invert=invert,
        overwrite=overwrite, reader=reader, colour_matrix=colour_matrix, timeout=timeout)  # fmt: skip
    from refvid.inference.video import segment_video

    source, target = _path_or_stream(input), None if output is None else _path_or_stream(output)
    with Terminal(quiet=quiet, verbose=verbose, log_file=log_file) as terminal:
        with terminal.progress(_label(input)) as progress:
            report = segment_video(
                source, expressions, target, model=model, revision=revision, device=device, options=options,
                progress=progress, warn=terminal.warn)  # fmt: skip
        _summarise(report, terminal)
        if as_json:
            typer.echo(json.dumps(report.as_json()))
        if fail_if_empty:
            _require_something(report)


def _path_or_stream(name: str) -> Path | str:
    """Return a path; a URL and "-" stay text."""
    from refvid.video.incoming import STANDARD, is_url

    return name if name == STANDARD or is_url(name) else Path(name)


def _label(input: str) -> str:
    return "standard input" if input == "-" else Path(input).name


def _summarise(report: "SegmentReport", terminal: Terminal) -> None:
    """Print the notes that have not been shown yet, how often each object was found, and where the output is."""
    for note in report.notes:
        if note not in terminal.said:
            terminal.warn(note)
    for found in report.expressions:
        sure = (
            f"mean probability {found.mean_probability:.2f}"
            if found.frames_with_object
            else f"highest probability {found.highest_probability:.2f}, threshold {report.threshold:g}"
        )
        terminal.say(f"'{found.expression}' is in {found.frames_with_object} of {report.frames} frames, {sure}")
    place = "standard output" if str(report.output) == "-" else report.output
    terminal.say(
        f"wrote {place}: {report.frames} frames in {report.seconds:.1f} s "
        f"({report.frames_per_second:.1f} frames/s, {report.model} on {report.device}, {report.precision})"
    )


def _require_something(report: "SegmentReport") -> None:
    """Check that at least one object was found.

    Raises:
        NothingFoundError: No frame contains any of the objects.
    """
    if not any(found.frames_with_object for found in report.expressions):
        wanted = " or ".join(f"'{found.expression}'" for found in report.expressions)
        raise NothingFoundError(f"no frame of {report.input.path} contains {wanted}; {_advice(report)}")


def _advice(report: "SegmentReport") -> str:
    """Return what to try where nothing was found: a lower threshold only if one that makes sense would find more."""
    highest = max(found.highest_probability for found in report.expressions)
    if LEAST_THRESHOLD < highest <= report.threshold:
        lower = round(math.ceil(100 * highest) / 100 - 0.01, 2)  # the next smaller hundredth
        if lower >= LEAST_THRESHOLD:
            return (
                f"the highest probability is {highest:.2f} and the threshold {report.threshold:g}: try --threshold "
                f"{lower:g} or other words"
            )
    if highest <= report.threshold:
        return f"the highest probability is {highest:.2f}, so no lower --threshold finds it: try other words"
    return "try other words"
