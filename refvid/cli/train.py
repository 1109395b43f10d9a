"""`refvid train`: train a model for `refvid segment -m` on a data set."""

import inspect
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import Field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from refvid.cli import options as opt
from refvid.cli.console import LOGGER, SECONDS_BETWEEN_LINES, Terminal
from refvid.data.text import count_of
from refvid.errors import UsageError
from refvid.train.settings import TrainSettings

if TYPE_CHECKING:
    from refvid.train.monitor import OnStep
    from refvid.train.run import Outcome

Loss = Literal["paper", "refvid"]

_WHICH = "give world, or a2d, refcoco, refytvos and the like with --root"


def _with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command one option for every field of `TrainSettings`, in place of its `**settings`.

    Typer builds options from a function's signature, so the signature is extended instead of writing out each setting
    a second time. The options come after those that the function declares.
    """
    signature = inspect.signature(command)
    declared = [value for value in signature.parameters.values() if value.kind is not value.VAR_KEYWORD]
    options = [
        inspect.Parameter(
            setting.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=setting.default,
            annotation=Annotated[setting.type, _option(setting)],
        )
        for setting in fields(TrainSettings)
    ]
    extended: Any = command
    extended.__signature__ = signature.replace(parameters=[*declared, *options])
    return command


def _option(setting: Field[Any]) -> Any:
    """Return the Typer option of a field of `TrainSettings`."""
    flag = f"--{setting.name.replace('_', '-')}"
    return typer.Option(
        f"{flag}/--no-{flag[2:]}" if isinstance(setting.default, bool) else flag,
        rich_help_panel=setting.metadata["panel"],
        help=setting.metadata["help"],
        metavar=setting.metadata["metavar"],
        show_default=setting.default != "",
    )


@_with_settings
def train(
    context: typer.Context,
    *,
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            rich_help_panel="Data",
            help="world: scenes drawn during training; or, with --root: a2d (also a world on disk), jhmdb, refcoco, "
            "refcoco+, refcocog, referit, davis16, davis17, refytvos.",
        ),
    ] = None,
    root: Annotated[
        Path | None, typer.Option(metavar="DIR", rich_help_panel="Data", help="Folder of the data set, as downloaded.")
    ] = None,
    photos: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR",
            rich_help_panel="Data",
            help="Folder of photos for the world, of people with their clothes (labels.json) or of objects "
            "(index.jsonl); may be given several times.",
        ),
    ] = None,
    photo_source: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            rich_help_panel="Data",
            help="Use these sources of the photos of objects alone, as coco, pets, feralcat, firetruck_via; may be "
            "given several times (default: these four).",
        ),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            rich_help_panel="Data",
            help="Folder that keeps the world's scenes, so that each is drawn once: 4,000 of each kind and size, at "
            "0.1 MB a frame.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="RUNDIR", rich_help_panel="Run", help="Run folder (default: runs/NAME)."),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", rich_help_panel="Run", help="Resume the run in RUNDIR from its last checkpoint."),
    ] = False,
    model: Annotated[
        str | None,
        typer.Option(
            "-m",
            "--model",
            metavar="CONFIG",
            rich_help_panel="Model",
            help="refvid-tiny, cmsa-tiny, cmsa-deeplab101 and so on, a config.json, or a checkpoint folder, of which "
            "only the config is used (default: the config of --start, else refvid-tiny).",
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--start",
            "--start-from",  # torchrun takes --start for the beginning of an option of its own
            metavar="CHECKPOINT",
            rich_help_panel="Model",
            help="Model with the initial weights: a name (see `refvid models list`), a folder or a Hub id; with "
            "torchrun, write --start-from.",
        ),
    ] = None,
    backbone_weights: Annotated[
        str | None,
        typer.Option(
            metavar="WEIGHTS",
            rich_help_panel="Model",
            help="Initial weights of the trunk. ResNet-101: a Hub id, a .safetensors or .pth file, or none (default: "
            "timm/resnet101.tv_in1k); EfficientNet-Lite: efficientnet-lite0, -lite1 or -lite2, a Hub id, a file or "
            "none (default: its own name); light: a model with the same trunk, such as refvid-tiny, or none (default).",
        ),
    ] = None,
    language_weights: Annotated[
        str | None,
        typer.Option(
            metavar="WEIGHTS",
            rich_help_panel="Model",
            help="For a model that reads with BERT, its initial weights: a Hub id or a folder (default: "
            "google-bert/bert-base-uncased). For a model that reads words by their vectors, such as refvid-small: the "
            "table made by python -m refvid.train.word_table (no default).",
        ),
    ] = None,
    device: opt.Device = "auto",
    loss: Annotated[
        Loss | None,
        typer.Option(
            rich_help_panel="Learning",
            help="paper: cross-entropy alone, as in the paper of the system; refvid: additional terms for small "
            "objects, for choosing the right actor and for single words (default: refvid).",
        ),
    ] = None,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
    log_file: opt.LogFile = None,
    **settings: Any,
) -> None:
    """Train a model on a data set.

    RUNDIR/model holds the trained model and is updated while the run goes on. For several devices: torchrun
    --nproc-per-node N -m refvid train ... Example: refvid train --dataset world --out runs/world --steps 20000
    """
    # A resumed run keeps its settings except for those that are typed, even where a typed value is the default.
    asked = {name: settings[name] for name in opt.typed(context, settings)}
    chosen_settings = None if resume else TrainSettings.from_dict(asked)
    folder = _run_folder(out, dataset)
    with Terminal(quiet=quiet or not _leads(), verbose=verbose, log_file=log_file if _leads() else None) as terminal:
        from refvid.train.run import resume as resume_run
        from refvid.train.run import train as begin_run
        from refvid.train.sources import DataChoice
        from refvid.train.start import ModelChoice

        data = (
            None
            if dataset is None
            else DataChoice(dataset, root, tuple(photos or ()), tuple(photo_source or ()), cache)
        )
        chosen = ModelChoice(model, start, backbone_weights, language_weights)
        if resume and (chosen != ModelChoice() or loss):
            raise UsageError("a resumed run keeps its model and loss; leave out --model, --start and the like")
        with _progress(terminal, folder.name, quiet=quiet or not _leads()) as show:
            if chosen_settings is None:
                outcome = resume_run(folder, asked=asked, data=data, device=device, show=show, say=terminal.say)
            else:
                if data is None:
                    raise UsageError(f"--dataset is missing; {_WHICH}")
                outcome = begin_run(
                    data,
                    chosen_settings,
                    folder,
                    model=chosen,
                    objective="paper" if loss == "paper" else None,
                    device=device,
                    show=show,
                    say=terminal.say,
                )
        _summarise(outcome, terminal)


def _run_folder(out: Path | None, dataset: str | None) -> Path:
    if out is not None:
        return out
    if dataset is None:
        raise UsageError(f"--dataset is missing; {_WHICH} (with --resume, --out RUNDIR will do)")
    return Path("runs") / dataset


def _leads() -> bool:
    """Return whether this process writes messages: under torchrun, only the first one does."""
    return os.environ.get("RANK", "0") == "0"


def _summarise(outcome: "Outcome", terminal: Terminal) -> None:
    """Print where the model is, how long training took, and the scores of the last validation."""
    if outcome.bad_steps:
        terminal.warn(f"{count_of(outcome.bad_steps, 'step')} skipped because the gradient was not finite")
    scores = ", ".join(f"{name} {outcome.scores[name]:.3f}" for name in ("mean_iou", "p@0.5") if name in outcome.scores)
    terminal.say(
        f"wrote {outcome.model}: {count_of(outcome.steps, 'step')} in {outcome.seconds:.0f} s"
        + (f", {scores}" if scores else "")
    )


@contextmanager
def _progress(terminal: Terminal, label: str, *, quiet: bool) -> "Iterator[OnStep | None]":
    """Yield a function that shows the steps done, the loss, the steps per second and the time left; None if quiet."""
    if quiet:
        yield None
    elif terminal.console.is_interactive and terminal.console.is_terminal:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.4f}  {task.fields[rate]:.2f} steps/s", markup=False),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=terminal.console, transient=True) as bar:
            task = bar.add_task(label, total=None, loss=float("nan"), rate=0.0)
            meter = _Meter()

            def show(done: int, total: int, scalars: dict[str, float]) -> None:
                loss, rate = meter.take(scalars["loss"])
                bar.update(task, completed=done, total=total, loss=loss, rate=rate)

            yield show
    else:
        yield _Lines(label)


class _Meter:
    """Running averages of the loss and of the steps per second."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._loss, self._rate, self._last = float("nan"), 0.0, clock()

    def take(self, loss: float) -> tuple[float, float]:
        """Record the loss of a step; return the smoothed loss and the steps per second."""
        now = self._clock()
        rate = 1 / max(now - self._last, 1e-6)
        first = self._loss != self._loss  # NaN until the first step
        self._loss = loss if first else 0.98 * self._loss + 0.02 * loss
        self._rate = rate if first else 0.95 * self._rate + 0.05 * rate
        self._last = now
        return self._loss, self._rate


class _Lines:
    """A progress display for output that is not a terminal: one plain line every few seconds."""

    def __init__(self, label: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._label, self._clock = label, clock
        self._meter, self._last = _Meter(clock), clock()

    def __call__(self, done: int, total: int, scalars: dict[str, float]) -> None:
        loss, rate = self._meter.take(scalars["loss"])
        now = self._clock()
        if now - self._last < SECONDS_BETWEEN_LINES:
            return
        self._last = now
        left = (total - done) / rate
        LOGGER.info(
            "%s: step %d of %d, loss %.4f, %.2f steps/s, %.0f s left", self._label, done, total, loss, rate, left
        )
