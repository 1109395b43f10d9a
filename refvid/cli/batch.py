"""`refvid batch`: segment many videos with one loaded model."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from refvid.cli import options as opt
from refvid.cli.console import Terminal
from refvid.data.text import count_of, name_some
from refvid.errors import BatchError, RefvidError, UsageError

if TYPE_CHECKING:
    from refvid.batch.plan import BatchJob
    from refvid.batch.run import BatchResult, SegmentFunction
    from refvid.inference.options import SegmentOptions
    from refvid.inference.report import SegmentReport
    from refvid.weights import LoadedModel

_NAMED = 5  # passed-over files that are named in one line; -v and the log file have them all


def batch(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER|MANIFEST.csv",
            help="A folder, searched with all below it for videos, pictures and folders of frames, or a CSV file "
            "with the columns input,expression[,output].",
        ),
    ],
    output_folder: Annotated[
        Path, typer.Option("-o", "--output", metavar="OUTDIR", rich_help_panel="Output", help="Folder for the outputs.")
    ],
    expressions: Annotated[
        list[str] | None, typer.Argument(metavar="EXPRESSION", help="What to look for in every video of a FOLDER.")
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
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per video on stdout.")] = False,
    reader: opt.Reader = "auto",
    colour_matrix: opt.ColourMatrix = "auto",
    timeout: opt.Timeout = opt.DEFAULT_TIMEOUT,
    workers: Annotated[
        int,
        typer.Option(
            "--workers",
            metavar="N",
            min=1,
            rich_help_panel="Model",
            help="Videos at a time, each in a process with a model of its own; fewer if memory is short.",
        ),
    ] = 1,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
    log_file: opt.LogFile = None,
) -> None:
    """Segment many videos with one loaded model; one failure does not stop the rest.

    A second run skips finished work, recognised by input, expressions, options and model, which are recorded in
    OUTDIR/.refvid-batch.jsonl; other outputs that exist are replaced with -y only.
    Example: refvid batch videos "the dog" -o masks -f png
    """
    options = opt.build_options(
        format=format, start=start, end=end, precision=precision, refine=refine, threshold=threshold, quality=quality,
        codec=codec, no_audio=no_audio, background=background, effect=effect, invert=invert,
        overwrite=overwrite, reader=reader, colour_matrix=colour_matrix, timeout=timeout)  # fmt: skip
    with Terminal(quiet=quiet, verbose=verbose, log_file=log_file) as terminal:
        left = _PassedOver()
        from refvid.video.output_format import OutputFormat, implied_format

        planned = implied_format(None if format is None else OutputFormat(format), background)
        jobs = _plan(source, expressions or [], output_folder, planned, left)
        left.tell(terminal)
        print_data = typer.echo if as_json else None
        if workers > 1:
            with _started(min(workers, len(jobs)), model, revision, device, terminal) as (segments, name, commit):
                run = _Run(jobs, options, output_folder, name, commit)
                _report(run.results(segments), len(jobs), left, terminal, print_data)
            return
        from refvid.weights import load_model

        loaded = load_model(model, device=device, revision=revision)
        run = _Run(jobs, options, output_folder, _identify(model), loaded.revision)
        segment = partial(_segment_one, model=loaded, terminal=terminal)
        _report(run.results(segment), len(jobs), left, terminal, print_data)


@dataclass(frozen=True)
class _Run:
    jobs: "list[BatchJob]"
    options: "SegmentOptions"
    output_folder: Path
    model: str
    revision: str | None

    def results(self, segment: "SegmentFunction | Sequence[SegmentFunction]") -> "Iterable[BatchResult]":
        from refvid.batch.run import run_batch

        return run_batch(
            self.jobs, segment=segment, options=self.options, model=self.model, revision=self.revision,
            output_folder=self.output_folder)  # fmt: skip


@contextmanager
def _started(
    total: int, model: str, revision: str | None, device: str, terminal: Terminal
) -> "Iterator[tuple[Sequence[SegmentFunction], str, str | None]]":
    """Yield worker processes, the name that identifies their model, and its commit; end them after the block."""
    from refvid.batch.worker import end_workers, start_workers
    from refvid.weights import locate_checkpoint

    _, commit = locate_checkpoint(model, revision)
    processes = start_workers(partial(_prepare, model, device, revision), total, terminal.warn)
    try:
        yield processes, _identify(model), commit
    finally:
        end_workers(processes)


def _prepare(
    model: str, device: str, revision: str | None, number: int, total: int, tell: Callable[[str], None]
) -> "SegmentFunction":
    """Load a worker's model, on one GPU after the other and with its share of the CPU; return what segments."""
    import torch

    from refvid.inference.video import segment_video
    from refvid.weights import load_model

    torch.set_num_threads(max(1, torch.get_num_threads() // total))
    if device == "auto" and (gpus := torch.cuda.device_count()) > 1:
        device = f"cuda:{number % gpus}"
    loaded = load_model(model, device=device, revision=revision)

    def segment(
        input: Path | str, expressions: Sequence[str], output: Path, *, options: "SegmentOptions"
    ) -> "SegmentReport":
        return segment_video(
            input, expressions, output, model=loaded, options=options,
            warn=lambda sentence: tell(f"{input}: {sentence}"))  # fmt: skip

    return segment


class _PassedOver:
    """The files and folders that are no input, by reason."""

    def __init__(self) -> None:
        self.paths: dict[str, list[Path]] = {}

    def __call__(self, path: Path, reason: str) -> None:
        self.paths.setdefault(reason, []).append(path)

    def __len__(self) -> int:
        return sum(map(len, self.paths.values()))

    def sentences(self) -> list[str]:
        """Return a sentence for each reason, with its number of files and the first of their names."""
        return [
            f"passed over, {reason}: {len(paths)} ({name_some([str(path) for path in paths], _NAMED)})"
            for reason, paths in self.paths.items()
        ]

    def tell(self, terminal: Terminal) -> None:
        """Show the sentences; with -v, every file."""
        for sentence in self.sentences():
            terminal.say(sentence)
        for reason, paths in self.paths.items():
            for path in paths[_NAMED:]:
                terminal.detail(f"passed over: {path} ({reason})")


def _plan(
    source: Path, expressions: Sequence[str], output_folder: Path, format: str | None, left: _PassedOver
) -> "list[BatchJob]":
    """Return the jobs of a folder or of a manifest.

    Raises:
        UsageError: The source is neither, a folder has no expressions, or expressions were typed beside a manifest.
        RefvidError: The source does not exist or contains no job.
    """
    from refvid.batch.manifest import MANIFEST_SUFFIXES
    from refvid.batch.plan import plan_folder, plan_manifest

    if not source.exists():
        raise RefvidError(f"{source} does not exist; give a folder of videos or a CSV file")
    if source.is_dir():
        if not expressions:
            raise UsageError("a folder needs an expression that describes what to look for, such as 'the dog'")
        try:
            return plan_folder(source, opt.check_expressions(expressions), output_folder, format, left)
        except RefvidError as error:
            seen = "; ".join(left.sentences())
            raise type(error)(f"{error}; {seen}" if seen else str(error)) from error
    if source.suffix.lower() in (".xlsx", ".xls", ".ods"):
        raise UsageError(f"{source} is a spreadsheet; save it there as 'CSV UTF-8' and give that file")
    if source.suffix.lower() not in MANIFEST_SUFFIXES:
        raise UsageError(f"{source} is neither a folder nor a .csv file; use `refvid segment` for one video")
    if expressions:
        raise UsageError(f"the expressions are read from {source}; leave them out of the command")
    return plan_manifest(source, output_folder, format)


def _identify(asked: str) -> str:
    """Return a name of the weights that changes when they do: after more training, or with another release."""
    from refvid import __version__
    from refvid.embedded import CONFIG_FILE, WEIGHTS_FILE, embedded_models

    if asked in embedded_models():
        return f"{asked} of refvid {__version__}"
    path = Path(asked).expanduser().resolve()
    if not path.exists():
        return asked  # a Hub model, which its revision identifies
    folder = path if path.is_dir() else path.parent
    states = [(folder / name).stat() for name in (CONFIG_FILE, WEIGHTS_FILE)]
    return f"{folder} {[(state.st_size, state.st_mtime_ns) for state in states]}"


def _segment_one(
    input: Path | str,
    expressions: Sequence[str],
    output: Path,
    *,
    options: "SegmentOptions",
    model: "LoadedModel",
    terminal: Terminal,
) -> "SegmentReport":
    """Segment one video of the batch with a progress display; put the video's name before its warnings."""
    from refvid.inference.video import segment_video

    with terminal.progress(str(input).rpartition("/")[2]) as progress:
        return segment_video(
            input,
            expressions,
            output,
            model=model,
            options=options,
            progress=progress,
            warn=lambda sentence: terminal.warn(f"{input}: {sentence}"),
        )


def _report(
    results: "Iterable[BatchResult]",
    total: int,
    left: _PassedOver,
    terminal: Terminal,
    print_data: Callable[[str], object] | None,
) -> None:
    """Print each result as it arrives, and all of them in a table at the end, even if the run is interrupted.

    Raises:
        BatchError: Some of the videos failed.
    """
    reported: list[BatchResult] = []
    if print_data is not None:
        for reason, paths in left.paths.items():
            for path in paths:
                print_data(json.dumps({"input": str(path), "output": None, "status": "passed over", "error": reason}))
    try:
        for result in results:
            reported.append(result)
            found = f" (found in {result.findings.spoken()} frames)" if result.findings else ""
            outcome = f"failed: {result.error}" if result.error else f"{result.status}: {result.output}{found}"
            terminal.say(f"[{len(reported)}/{total}] {result.input} {outcome}")
            if print_data is not None:
                print_data(json.dumps(result.as_json()))
    finally:
        if reported:
            terminal.table(["input", "output", "status", "found in frames", "seconds"], map(_row, reported))
    counts = Counter(result.status for result in reported)
    if counts["failed"]:
        first = next(f"{result.input}: {result.error}" for result in reported if result.error)
        raise BatchError(f"{counts['failed']} of {count_of(total, 'video')} failed; the first is {first}")
    passed = f", {len(left)} passed over" if left else ""
    terminal.say(
        f"{counts['done']} done, {counts['skipped']} skipped, {count_of(len(reported), 'video')} in total{passed}"
    )


def _row(result: "BatchResult") -> list[str]:
    """Return the cells of a result in the table."""
    found = result.findings.spoken() if result.findings else ""
    return [str(result.input), str(result.output), result.status, found, f"{result.seconds:.1f}"]
