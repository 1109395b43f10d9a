"""One video in, one output out: what is opened, carried through the stages and told afterwards."""

import time
from collections.abc import Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from refvid.errors import OutOfMemoryError, OutputExistsError, UsageError
from refvid.inference.report import ExpressionReport, SegmentReport, peak_memory
from refvid.inference.schedule import FramePipeline, Tally
from refvid.inference.segmenter import Segmenter
from refvid.model.config import Precision
from refvid.progress import OnProgress, Tell, tell_nobody
from refvid.video.frame import Position
from refvid.video.output_format import OutputFormat, resolve_output
from refvid.video.reader import ReaderName, VideoReader, open_reader
from refvid.video.writer import MaskWriter, WriterOptions, open_writer
from refvid.weights import DEFAULT_MODEL, LoadedModel, load_model


@dataclass(frozen=True)
class SegmentOptions:
    """What `refvid segment` may be told besides input, expressions, output and model; None: the default of the model,
    the format or the encoder.
    """

    format: OutputFormat | None = None
    start: Position | None = None
    end: Position | None = None
    precision: Precision = "auto"
    refine: bool | None = None
    threshold: float | None = None
    quality: int | None = None
    codec: str | None = None
    audio: bool = True
    background: str = "#00b140"
    overwrite: bool = False
    reader: ReaderName = "auto"


def segment_video(
    input: Path | str,
    expressions: Sequence[str],
    output: Path | str | None = None,
    *,
    model: LoadedModel | str | Path = DEFAULT_MODEL,
    revision: str | None = None,
    device: str = "auto",
    options: SegmentOptions | None = None,
    progress: OnProgress | None = None,
    warn: Tell | None = None,
) -> SegmentReport:
    """Segment what each expression names in a video, an image or a folder of frames, and write the result.

    Args:
        input: What to read.
        expressions: One or more; they share one pass over the video.
        output: File or folder; None: `<stem>.refvid.<ext>` in the working folder.
        model: A loaded model, or what `load_model` takes.
        revision: Of a Hub repository.
        device: As `load_model` takes it; ignored for a loaded model.
        options: The rest.
        progress: Called with the frames done and the frames in all, in the calling thread.
        warn: Called with each sentence the user should read.

    Raises:
        RefvidError: Its children say what went wrong; nothing is left of the output.
    """
    started = time.perf_counter()
    options = options or SegmentOptions()
    expressions = [expressions] if isinstance(expressions, str) else list(expressions)
    if not expressions:
        raise UsageError("no expression given; name at least one object, as in 'man in yellow shirt'")
    with open_reader(Path(input), reader=options.reader, start=options.start, end=options.end) as reader:
        path, format = resolve_output(reader.info, None if output is None else Path(output), options.format)
        if path.exists() and not options.overwrite:
            raise OutputExistsError(f"the output '{path}' exists already; pass --overwrite to replace it")
        tally = Tally(len(expressions))
        loading = time.perf_counter()
        loaded = model if isinstance(model, LoadedModel) else load_model(model, device=device, revision=revision)
        tally.timings["load"] = time.perf_counter() - loading
        segmenter = Segmenter(loaded, threshold=options.threshold, refine=options.refine, precision=options.precision)
        say = warn or tell_nobody
        _warn_of_words(segmenter, expressions, say)
        try:
            notes = _stream(reader, segmenter, expressions, path, format, options, tally, progress)
        except (torch.OutOfMemoryError, MemoryError) as error:
            raise OutOfMemoryError(
                f"out of memory on {loaded.device} after {tally.frames} frames; use a smaller model, "
                "fewer expressions, or --device cpu"
            ) from error
        for note in notes:
            say(note)
        return _report(reader, segmenter, expressions, path, tally, notes, time.perf_counter() - started)


def _stream(
    reader: VideoReader,
    segmenter: Segmenter,
    expressions: Sequence[str],
    path: Path,
    format: OutputFormat,
    options: SegmentOptions,
    tally: Tally,
    progress: OnProgress | None,
) -> tuple[str, ...]:
    """Carry every frame from the reader to the writer; return what the user should be told afterwards."""
    with open_output(reader, expressions, path, format, options) as writer:
        with (
            segmenter.refiner() if segmenter.refine else nullcontext() as refiner,
            closing(FramePipeline(reader, segmenter, writer, expressions, refiner, tally).carry()) as written,
        ):
            for confidence in written:
                tally.add(confidence)
                if progress:
                    progress(tally.frames, reader.frame_total)
        finishing = time.perf_counter()
    tally.timings["write"] += time.perf_counter() - finishing
    return (*reader.damage, *writer.notes)


def open_output(
    reader: VideoReader, expressions: Sequence[str], path: Path, format: OutputFormat, options: SegmentOptions
) -> MaskWriter:
    """Open the writer that the options ask for; the sound is cut to the range when one was given."""
    ranged = options.start is not None or options.end is not None
    first_time, last_time = reader.span if ranged else (None, None)
    settings = WriterOptions(
        quality=options.quality,
        codec=options.codec,
        audio=options.audio,
        background=options.background,
        overwrite=options.overwrite,
    )
    return open_writer(path, format, reader.info, expressions, settings, first_time=first_time, last_time=last_time)


def _warn_of_words(segmenter: Segmenter, expressions: Sequence[str], warn: Tell) -> None:
    for expression in expressions:
        if unknown := segmenter.vocabulary.unknown_words(expression):
            words = ", ".join(f"'{word}'" for word in unknown)
            warn(
                f'the model {segmenter.model.name} has never seen {words} of "{expression}"; it ignores what they mean'
            )
        if dropped := segmenter.vocabulary.dropped_words(expression):
            warn(
                f'"{expression}" is longer than the {segmenter.vocabulary.max_words} words the model reads; '
                f"'{' '.join(dropped)}' is left out"
            )


def _report(
    reader: VideoReader,
    segmenter: Segmenter,
    expressions: Sequence[str],
    path: Path,
    tally: Tally,
    notes: tuple[str, ...],
    seconds: float,
) -> SegmentReport:
    means = tally.confidence / np.maximum(tally.present, 1)
    working = seconds - tally.timings["load"]
    return SegmentReport(
        input=reader.info,
        frames=tally.frames,
        output=path,
        reader=reader.name,
        model=segmenter.model.name,
        revision=segmenter.model.revision,
        device=str(segmenter.model.device),
        precision=str(segmenter.precision).removeprefix("torch."),
        expressions=tuple(
            ExpressionReport(expression, int(present), float(mean), segmenter.vocabulary.unknown_words(expression))
            for expression, present, mean in zip(expressions, tally.present, means, strict=True)
        ),
        timings={**tally.timings, **segmenter.timings},
        seconds=seconds,
        frames_per_second=tally.frames / working if working > 0 else 0.0,
        peak_memory_bytes=peak_memory(segmenter.model.device),
        notes=notes,
    )
