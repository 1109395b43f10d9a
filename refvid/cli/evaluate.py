"""`refvid eval`: score a model, or masks on disk, on a data set and print the field's table."""

import json
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from refvid.cli import options as opt
from refvid.cli.console import Terminal
from refvid.cli.data_check import check_data, describe, has_phrases
from refvid.data.text import count_of
from refvid.errors import UsageError

if TYPE_CHECKING:
    from refvid.data.referring import ReferringSet
    from refvid.evaluation.opening import Plan
    from refvid.evaluation.run import Evaluation

EmptyName = Literal["one", "zero", "skip"]
MissingName = Literal["error", "empty"]

_DATA = "Data"
_COUNTING = "Counting"
_OUTPUT = "Output"
_WIDTH, _HEIGHT = 80, 25  # characters and lines, where stdout is not a terminal
_MIN_WIDTH = 60  # characters; a narrower terminal breaks the lines itself
_MODEL_OPTIONS = ("model", "revision", "device", "precision", "refine", "threshold")


def evaluate(
    context: typer.Context,
    dataset: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            rich_help_panel=_DATA,
            help="a2d, jhmdb, refcoco, refcoco+, refcocog, referit, davis16, davis17 or refytvos.",
        ),
    ],
    root: Annotated[
        Path, typer.Option(metavar="DIR", rich_help_panel=_DATA, help="Folder of the data set, as downloaded.")
    ],
    split: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", rich_help_panel=_DATA, help="Split of the data set (default: the one that papers report)."
        ),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            rich_help_panel=_DATA,
            help="Which frames and sentences count, and how; an unknown name lists them all (default: the usual one).",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", metavar="N", min=1, rich_help_panel=_DATA, help="Only the first N videos."),
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            rich_help_panel=_DATA,
            help="Only check that footage and masks are there: one frame of each video, or with -v all that count.",
        ),
    ] = False,
    model: opt.Model = opt.DEFAULT_MODEL,
    revision: opt.Revision = None,
    device: opt.Device = "auto",
    precision: opt.Precision = "auto",
    refine: opt.Refine = None,
    threshold: opt.Threshold = None,
    score: Annotated[
        Path | None,
        typer.Option(
            "--score",
            metavar="DIR",
            rich_help_panel=_DATA,
            help="Score the masks in DIR, laid out as --predictions writes them, instead of a model's.",
        ),
    ] = None,
    missing: Annotated[
        MissingName,
        typer.Option("--missing", rich_help_panel=_COUNTING, help="With --score: how a mask without a file counts."),
    ] = "error",
    inclusive: Annotated[
        bool | None,
        typer.Option(
            "--inclusive/--strict",
            rich_help_panel=_COUNTING,
            help="Whether an IoU of exactly K counts for P@K (default: the protocol's rule).",
        ),
    ] = None,
    empty: Annotated[
        EmptyName | None,
        typer.Option(
            "--empty",
            rich_help_panel=_COUNTING,
            help="IoU of a sample whose two masks are both empty; skip leaves it out (default: the protocol's rule).",
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="DIR", rich_help_panel=_OUTPUT, help="Write a report as an HTML page."),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            "--predictions",
            metavar="DIR",
            rich_help_panel=_OUTPUT,
            help="Keep the masks, laid out as the benchmark's server expects them.",
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option("-y", "--overwrite", rich_help_panel=_OUTPUT, help="Replace predictions that this command wrote."),
    ] = False,
    fresh: Annotated[
        bool,
        typer.Option(
            "--fresh",
            rich_help_panel=_OUTPUT,
            help="Discard what an interrupted run has finished; needed if footage or true masks have changed since.",
        ),
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option("--json", rich_help_panel=_OUTPUT, help="Print one JSON object on stdout instead of the table."),
    ] = False,
    seed: Annotated[
        int,
        typer.Option("--seed", metavar="S", min=0, rich_help_panel=_OUTPUT, help="Seed to record in the JSON object."),
    ] = 0,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
    log_file: opt.LogFile = None,
) -> None:
    """Score a model on a data set and print the paper's table.

    An interrupted evaluation resumes when the same command is run again.
    Example: refvid eval --dataset a2d --root A2D -m refvid-tiny --report report
    """
    opt.check_threshold(threshold)
    if score is not None:
        _check_score(context, predictions, check=check)
    with Terminal(quiet=quiet, verbose=verbose, log_file=log_file) as terminal:
        from refvid.data.sets import open_set
        from refvid.evaluation.opening import Plan
        from refvid.evaluation.run import first_videos, override_rules

        plan = Plan(
            dataset, root, model, revision, device, precision, threshold, refine, predictions, score, missing, limit,
            fresh, overwrite)  # fmt: skip
        referring_set = override_rules(open_set(dataset, root, split, protocol), inclusive, empty)
        if limit is not None:
            referring_set = first_videos(referring_set, limit)
        if check:
            check_data(dataset, referring_set, terminal, thorough=verbose, as_json=as_json)
            return
        _check_outputs(referring_set, plan, report)
        _run(referring_set, plan, terminal, report=report, as_json=as_json, seed=seed)


def _check_score(context: typer.Context, predictions: Path | None, *, check: bool) -> None:
    """Check that no other option contradicts --score.

    Raises:
        UsageError: An option contradicts it.
    """
    if predictions is not None:
        raise UsageError("--score reads masks and --predictions writes those of a model; give only one of them")
    if check:
        raise UsageError("--score reads masks and --check only checks that the data set is there; give only one")
    if model_options := opt.typed(context, _MODEL_OPTIONS):
        raise UsageError(
            f"--{model_options[0]} is for a model, but --score reads masks from disk; leave one of them out"
        )


def _check_outputs(referring_set: "ReferringSet", plan: "Plan", report: Path | None) -> None:
    """Check that the outputs can be made, before hours are spent on the masks.

    Raises:
        OutputExistsError: The folder of the report contains something else.
        UsageError: This split does not allow the outputs that were asked for.
    """
    if plan.stored is None and not has_phrases(referring_set):
        raise UsageError(
            f"the protocol {referring_set.protocol} of {referring_set.title} has no phrases, so a model has nothing to "
            "look for; score masks on disk with --score DIR"
        )
    if not referring_set.public:
        where = f"the masks of {referring_set.title}, {referring_set.split}, are not public: its server scores them"
        if plan.stored is not None or report is not None:
            raise UsageError(f"{where}; leave out {'--score' if plan.stored else '--report'}")
        if plan.predictions is None:
            raise UsageError(f"{where}; give --predictions DIR to write the masks to send there")
    if report is not None:
        from refvid.evaluation.report.page import check_report

        check_report(report)


def _run(
    referring_set: "ReferringSet",
    plan: "Plan",
    terminal: Terminal,
    *,
    report: Path | None,
    as_json: bool,
    seed: int,
) -> None:
    """Evaluate, then print the result and write the report."""
    from refvid.evaluation.opening import open_plan
    from refvid.evaluation.run import evaluate as run_evaluation

    terminal.say(describe(plan.dataset, referring_set))
    with open_plan(plan, referring_set, terminal.say) as opened:
        journal = opened.journal
        try:
            with terminal.progress(plan.dataset) as progress:
                evaluation = run_evaluation(
                    plan.dataset, referring_set, opened.source, opened.origin, journal=journal,
                    submission=opened.submission, notes=opened.notes, seed=seed, progress=progress)  # fmt: skip
        except BaseException:
            if journal is not None and journal.usable and journal.finished:
                done = f"{len(journal.finished):,} of {count_of(len(referring_set.videos), 'video')} are done"
                terminal.say(f"{done}; run the same command again to resume from there")
            raise
        _show(evaluation, referring_set, terminal, as_json=as_json)
        if opened.submission is not None:
            _say_where(opened.submission.folder, referring_set, terminal)
        if report is not None:
            from refvid.evaluation.report.page import write_report

            command = shlex.join(("refvid", *sys.argv[1:]))
            page = write_report(evaluation, referring_set, opened.source, report, command=command)
            terminal.say(f"wrote {page}")
        if journal is not None:
            journal.remove()


def _show(evaluation: "Evaluation", referring_set: "ReferringSet", terminal: Terminal, *, as_json: bool) -> None:
    """Print the result on stdout and the notes on stderr."""
    for note in evaluation.notes:
        if note not in terminal.said:
            terminal.say(note)
    if as_json:
        typer.echo(json.dumps(evaluation.as_json()))
    elif referring_set.public:
        from rich.console import Console

        from refvid.evaluation.tables import table_of

        size = shutil.get_terminal_size((_WIDTH, _HEIGHT))  # COLUMNS, else the size of the terminal, else these
        width = max(size.columns, _MIN_WIDTH)
        # Both are given, because rich ignores a width or height on its own where TERM is "dumb".
        console = Console(file=sys.stdout, highlight=False, width=width, height=size.lines)
        console.print(table_of(evaluation, width))
    videos = count_of(evaluation.counts["videos"], "video")
    terminal.say(f"{videos} in {evaluation.seconds:.1f} s ({evaluation.model})")


def _say_where(folder: Path, referring_set: "ReferringSet", terminal: Terminal) -> None:
    """Print where the predictions are and what to do with them."""
    if referring_set.public:
        terminal.say(f"wrote the masks to {folder}; score them again with --score {folder}")
    else:
        terminal.say(
            f"wrote the masks to {folder / referring_set.submission}; they cannot be scored here: pack that folder and "
            f"send it to the server of {referring_set.title}"
        )
