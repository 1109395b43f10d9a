"""Segment one video into one output: open both, carry the frames through the stages, and report the result."""

import time
from collections.abc import Sequence
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Unpack

import numpy as np
import torch

from refvid.errors import OutOfMemoryError, OutputExistsError
from refvid.inference.options import SegmentOptions, SegmentSettings, choose_options, writer_options
from refvid.inference.report import ExpressionReport, SegmentReport, peak_memory
from refvid.inference.requests import Expressions, list_expressions
from refvid.inference.schedule import FramePipeline, Tally
from refvid.inference.segmenter import Segmenter
from refvid.progress import OnProgress, Tell, tell_nobody
from refvid.video.incoming import STANDARD, local_source
from refvid.video.output_format import OutputFormat, resolve_output
from refvid.video.reader import VideoReader, open_reader
from refvid.video.stream_writer import stdout_suffix
from refvid.video.writer import MaskWriter, check_options_apply, open_writer
from refvid.weights import DEFAULT_MODEL, LoadedModel, load_model


def segment_video(
    input: Path | str,
    expressions: Expressions,
    output: Path | str | None = None,
    *,
    model: LoadedModel | str | Path = DEFAULT_MODEL,
    revision: str | None = None,
    device: str = "auto",
    options: SegmentOptions | None = None,
    progress: OnProgress | None = None,
    warn: Tell | None = None,
    **settings: Unpack[SegmentSettings],
) -> SegmentReport:
    """Segment the object of each expression in a video, an image or a folder of frames, and write the result.

    On the CPU this changes how the whole process keeps freed memory, as every `Segmenter` does.

    Args:
        input: Video, image or folder of frames to read; a URL, or "-" for standard input.
        expressions: One expression or a list of them, which share one pass over the video.
        output: File or folder to write; "-" for standard output; None for `<stem>.refvid.<ext>` in the working folder.
        model: A loaded model, or a name, folder, file or Hub id for `load_model`.
        revision: Branch, tag or commit of a Hub repository.
        device: Device as for `load_model`; ignored for a loaded model.
        options: All other options.
        settings: Options by their names, such as `format="png", end="2f"`; they take precedence over `options`.
        progress: Function called with the frames done and the total number of frames, in the calling thread.
        warn: Function called with each message for the user.

    Raises:
        RefvidError: Something failed, as the subclass says; no partial output is left.
    """
    started = time.perf_counter()
    options = choose_options(options, settings)
    expressions = list_expressions(expressions)
    with (
        local_source(input, timeout=options.timeout, end=options.stop) as source,
        open_reader(
            source.path,
            reader=options.reader,
            start=options.first,
            end=options.stop,
            colour_matrix=options.colour_matrix,
        ) as reader,
    ):
        stdout = output == STANDARD  # a Path of this name is a file
        path, format = _resolve(reader, output, options)
        writing = writer_options(options)
        check_options_apply(format, reader.info, writing)
        if path.exists() and not (stdout or options.overwrite):
            raise OutputExistsError(f"the output '{path}' already exists; give --overwrite to replace it")
        tally = Tally(len(expressions))
        loading = time.perf_counter()
        loaded = model if isinstance(model, LoadedModel) else load_model(model, device=device, revision=revision)
        tally.timings["load"] = time.perf_counter() - loading
        segmenter = Segmenter(loaded, threshold=options.threshold, refine=options.refine, precision=options.precision)
        say = warn or tell_nobody
        for remark in segmenter.remarks(expressions):
            say(remark)
        try:
            notes = _stream(reader, segmenter, expressions, path, format, options, tally, progress, stdout=stdout)
        except (torch.OutOfMemoryError, MemoryError) as error:
            raise OutOfMemoryError(
                f"out of memory on {loaded.device} after {tally.frames} frames; use a smaller model, "
                "fewer expressions, or --device cpu"
            ) from error
        notes = tuple(source.renamed(note) for note in notes)
        for note in notes:
            say(note)
        report = _report(reader, segmenter, expressions, path, tally, notes, time.perf_counter() - started)
        return replace(report, source=source.name, output=Path(STANDARD) if stdout else path)


def _resolve(reader: VideoReader, output: Path | str | None, options: SegmentOptions) -> tuple[Path, OutputFormat]:
    """Return the path and the format of the output; for standard output, the name of a file with its content."""
    wanted = options.output_format
    if output != STANDARD:
        path, format = resolve_output(reader.info, None if output is None else Path(output), wanted)
        if options.background is not None and wanted is None and format is OutputFormat.OVERLAY:
            format = OutputFormat.CUTOUT  # an overlay has no background
        return path, format
    format = wanted or (OutputFormat.OVERLAY if options.background is None else OutputFormat.CUTOUT)
    return Path(f"stdout{stdout_suffix(reader.info, format, options.codec)}"), format


def _stream(
    reader: VideoReader,
    segmenter: Segmenter,
    expressions: Sequence[str],
    path: Path,
    format: OutputFormat,
    options: SegmentOptions,
    tally: Tally,
    progress: OnProgress | None,
    *,
    stdout: bool,
) -> tuple[str, ...]:
    """Carry every frame from the reader to the writer; return the notes for the user."""
    with open_output(reader, expressions, path, format, options, stdout=stdout) as writer:
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
    reader: VideoReader,
    expressions: Sequence[str],
    path: Path,
    format: OutputFormat,
    options: SegmentOptions,
    *,
    stdout: bool = False,
) -> MaskWriter:
    """Open the writer for the options; the sound is cut to the range if one is given."""
    ranged = options.start is not None or options.end is not None
    first_time, last_time = reader.span if ranged else (None, None)
    writing = writer_options(options)
    return open_writer(
        path, format, reader.info, expressions, writing, first_time=first_time, last_time=last_time, stdout=stdout
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
        threshold=segmenter.threshold,
        expressions=tuple(
            ExpressionReport(
                expression, int(present), float(mean), segmenter.vocabulary.unknown_words(expression), float(highest)
            )
            for expression, present, mean, highest in zip(expressions, tally.present, means, tally.highest, strict=True)
        ),
        timings={**tally.timings, **segmenter.timings},
        seconds=seconds,
        frames_per_second=tally.frames / working if working > 0 else 0.0,
        peak_memory_bytes=peak_memory(segmenter.model.device),
        notes=notes,
    )
