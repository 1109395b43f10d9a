"""`refvid train`: a data set in, a model for `refvid segment -m` out."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from refvid.cli import options as opt
from refvid.cli.console import LOGGER, SECONDS_BETWEEN_LINES, Terminal
from refvid.errors import UsageError
from refvid.train.settings import DecayScope, TrainSettings

if TYPE_CHECKING:
    from refvid.train.monitor import Show
    from refvid.train.run import Outcome

Loss = Literal["paper", "refvid"]

_DEFAULTS = TrainSettings()
_DATA = "Data"
_LEARNING = "Learning"
_RUN = "Run"
_WHICH = "give world, or a2d, refcoco, refytvos and the like with --root"


def _setting(name: str, panel: str, help: str, metavar: str | None = None) -> Any:
    """Makes the option of a setting; not given it is None, so that a resumed run can tell what was asked for."""
    default = getattr(_DEFAULTS, name)
    flag = f"--{name.replace('_', '-')}"
    return typer.Option(
        f"{flag}/--no-{flag[2:]}" if isinstance(default, bool) else flag,
        rich_help_panel=panel,
        help=help,
        metavar=metavar,
        show_default=f"{default:g}" if isinstance(default, float) else str(default),
    )


def train(
    context: typer.Context,
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            rich_help_panel=_DATA,
            help="world: drawn as it goes; or with --root: a2d (a world on disk too), jhmdb, refcoco, refcoco+, "
            "refcocog, referit, davis16, davis17, refytvos.",
        ),
    ] = None,
    root: Annotated[
        Path | None, typer.Option(metavar="DIR", rich_help_panel=_DATA, help="Folder of the data set, as downloaded.")
    ] = None,
    protocol: Annotated[
        str | None,
        _setting(
            "protocol",
            _DATA,
            "Of the data set: which frames and sentences count (default: its first; all frames of jhmdb).",
            metavar="NAME",
        ),
    ] = None,
    pseudo_video: Annotated[
        bool | None,
        _setting("pseudo_video", _DATA, "Make clips of data sets of pictures: crops that move over them."),
    ] = None,
    photos: Annotated[
        Path | None, typer.Option(metavar="DIR", rich_help_panel=_DATA, help="Photos for the world to composite.")
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            rich_help_panel=_DATA,
            help="Keep the world's scenes here and draw each once: 4,000 of each kind and size, 0.1 MB a frame.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="RUNDIR", rich_help_panel=_RUN, help="Run folder (default: runs/NAME)."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "-m",
            "--model",
            metavar="CONFIG",
            rich_help_panel="Model",
            help="cmsa-tiny, cmsa-deeplab101, a config.json or a checkpoint folder, of which only the config is taken "
            "(default: as --start has it, else cmsa-tiny).",
        ),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option("--start", metavar="CHECKPOINT", rich_help_panel="Model", help="Checkpoint folder to begin from."),
    ] = None,
    backbone_weights: Annotated[
        str | None,
        typer.Option(
            metavar="WEIGHTS",
            rich_help_panel="Model",
            help="First weights of a ResNet-101 trunk: a Hub id, a .safetensors or .pth file, or none "
            "(default: timm/resnet101.tv_in1k).",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", rich_help_panel=_RUN, help="Go on with the run in RUNDIR from its last checkpoint."),
    ] = False,
    device: opt.Device = "auto",
    steps: Annotated[int | None, _setting("steps", _RUN, "Updates in all.")] = None,
    batch: Annotated[int | None, _setting("batch", _LEARNING, "Samples a step, over all processes.")] = None,
    frames: Annotated[int | None, _setting("frames", _LEARNING, "Frames of a clip, odd; 1: still pictures.")] = None,
    frame_stride: Annotated[
        int | None, _setting("frame_stride", _LEARNING, "Frames of video between those of a clip.")
    ] = None,
    loss: Annotated[
        Loss | None,
        typer.Option(
            rich_help_panel=_LEARNING,
            help="paper: binary cross-entropy alone; refvid: with terms for small objects, for which actor is meant "
            "and for single words (default: refvid).",
        ),
    ] = None,
    learning_rate: Annotated[float | None, _setting("learning_rate", _LEARNING, "Highest rate of Adam.")] = None,
    trunk_rate: Annotated[
        float | None, _setting("trunk_rate", _LEARNING, "Share of it for the trunk; 0: frozen.")
    ] = None,
    weight_decay: Annotated[float | None, _setting("weight_decay", _LEARNING, "L2 coefficient.")] = None,
    decay_scope: Annotated[
        DecayScope | None,
        _setting("decay_scope", _LEARNING, "What is decayed: kernels of the trunk, all kernels, or everything."),
    ] = None,
    mask_every: Annotated[
        int | None, _setting("mask_every", _LEARNING, "Learn masks in every n-th step, in the others words alone.")
    ] = None,
    power: Annotated[float | None, _setting("power", _LEARNING, "Of the polynomial decay of the rate.")] = None,
    warmup: Annotated[int | None, _setting("warmup", _LEARNING, "Steps in which the rate rises.")] = None,
    gradient_norm: Annotated[
        float | None, _setting("gradient_norm", _LEARNING, "Longest gradient; 0: any length.")
    ] = None,
    average_decay: Annotated[
        float | None, _setting("average_decay", _LEARNING, "Of the moving average of the weights; 0: keep the last.")
    ] = None,
    precision: Annotated[opt.PrecisionName | None, _setting("precision", _LEARNING, "Numbers to compute with.")] = None,
    freeze_norm: Annotated[
        bool | None, _setting("freeze_norm", _LEARNING, "Leave the trunk's norms as they are.")
    ] = None,
    channels_last: Annotated[bool | None, _setting("channels_last", _RUN, "Memory layout of pictures.")] = None,
    bad_steps: Annotated[
        int | None, _setting("bad_steps", _LEARNING, "Steps without a finite gradient to leave out before it stops.")
    ] = None,
    flip: Annotated[
        float | None, _setting("flip", _DATA, "Probability of mirroring, left and right as words too.")
    ] = None,
    colour: Annotated[
        float | None, _setting("colour", _DATA, "Probability of changing brightness and contrast.")
    ] = None,
    crop: Annotated[float | None, _setting("crop", _DATA, "Probability of cutting off the border.")] = None,
    seed: Annotated[int | None, _setting("seed", _RUN, "Of everything random.")] = None,
    workers: Annotated[int | None, _setting("workers", _RUN, "Processes that prepare batches ahead.")] = None,
    log_every: Annotated[int | None, _setting("log_every", _RUN, "Steps between lines of the log.")] = None,
    checkpoint_every: Annotated[int | None, _setting("checkpoint_every", _RUN, "Steps between checkpoints.")] = None,
    sample_every: Annotated[
        int | None, _setting("sample_every", _RUN, "Steps between sample pictures; 0: none.")
    ] = None,
    validate_every: Annotated[
        int | None, _setting("validate_every", _RUN, "Steps between validations; 0: none.")
    ] = None,
    validation_samples: Annotated[int | None, _setting("validation_samples", _RUN, "Clips of a validation.")] = None,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
    log_file: opt.LogFile = None,
) -> None:
    """Teach a model from a data set.

    RUNDIR/model is the trained model, also while the run goes on. For several devices: torchrun --nproc-per-node N
    -m refvid train ... Example: refvid train --dataset world --out runs/world --steps 20000
    """
    asked = {name: context.params[name] for name in _DEFAULTS.as_dict() if context.params.get(name) is not None}
    settings = None if resume else TrainSettings.from_dict(asked)
    folder = _run_folder(out, dataset)
    with Terminal(quiet=quiet or not _leads(), verbose=verbose, log_file=log_file if _leads() else None) as terminal:
        from refvid.train.objective import PAPER_OBJECTIVE, ObjectiveSettings
        from refvid.train.run import resume as resume_run
        from refvid.train.run import train as begin_run
        from refvid.train.sources import DataChoice
        from refvid.train.start import ModelChoice

        data = None if dataset is None else DataChoice(dataset, root, photos, cache)
        chosen = ModelChoice(model, start, backbone_weights)
        if resume and (chosen != ModelChoice() or loss):
            raise UsageError("a resumed run keeps its model and loss; leave --model, --start and the like out")
        with _progress(terminal, folder.name, quiet=quiet or not _leads()) as show:
            if settings is None:
                outcome = resume_run(folder, asked=asked, data=data, device=device, show=show, say=terminal.say)
            else:
                if data is None:
                    raise UsageError(f"--dataset is missing; {_WHICH}")
                outcome = begin_run(
                    data,
                    settings,
                    folder,
                    model=chosen,
                    objective=PAPER_OBJECTIVE if loss == "paper" else ObjectiveSettings(),
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
    """Tells whether this is the process that speaks: under torchrun the first one."""
    return os.environ.get("RANK", "0") == "0"


def _summarise(outcome: "Outcome", terminal: Terminal) -> None:
    """Says where the model is and how well it did."""
    if outcome.bad_steps:
        terminal.warn(f"{outcome.bad_steps} steps were left out because their gradient was not finite")
    scores = ", ".join(f"{name} {outcome.scores[name]:.3f}" for name in ("mean_iou", "p@0.5") if name in outcome.scores)
    terminal.say(
        f"wrote {outcome.model}: {outcome.steps} steps in {outcome.seconds:.0f} s" + (f", {scores}" if scores else "")
    )


@contextmanager
def _progress(terminal: Terminal, label: str, *, quiet: bool) -> "Iterator[Show | None]":
    """Gives a function that shows steps done, loss, steps a second and the time that remains."""
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
    """Smooths the loss and measures steps a second."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._loss, self._rate, self._last = float("nan"), 0.0, clock()

    def take(self, loss: float) -> tuple[float, float]:
        """Takes note of a step; returns the loss and the steps a second of the last steps."""
        now = self._clock()
        rate = 1 / max(now - self._last, 1e-6)
        first = self._loss != self._loss
        self._loss = loss if first else 0.98 * self._loss + 0.02 * loss
        self._rate = rate if first else 0.95 * self._rate + 0.05 * rate
        self._last = now
        return self._loss, self._rate


class _Lines:
    """Says how far the run is in plain lines, one every few seconds."""

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
