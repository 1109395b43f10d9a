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
from refvid.data.text import count_of
from refvid.errors import UsageError
from refvid.train.settings import DecayScope, TrainSettings

if TYPE_CHECKING:
    from refvid.train.monitor import OnStep
    from refvid.train.run import Outcome

Loss = Literal["paper", "refvid"]

_DEFAULTS = TrainSettings()
_DATA = "Data"
_LEARNING = "Learning"
_RUN = "Run"
_WHICH = "give world, or a2d, refcoco, refytvos and the like with --root"


def _setting(name: str, panel: str, help: str, metavar: str | None = None) -> Any:
    """Makes the option of a setting."""
    default = getattr(_DEFAULTS, name)
    flag = f"--{name.replace('_', '-')}"
    return typer.Option(
        f"{flag}/--no-{flag[2:]}" if isinstance(default, bool) else flag,
        rich_help_panel=panel,
        help=help,
        metavar=metavar,
        show_default=default != "",
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
        str,
        _setting(
            "protocol",
            _DATA,
            "Of the data set: which frames and sentences count (default: its first; all frames of jhmdb).",
            metavar="NAME",
        ),
    ] = _DEFAULTS.protocol,
    pseudo_video: Annotated[
        bool,
        _setting("pseudo_video", _DATA, "Make clips of data sets of pictures: crops that move over them."),
    ] = _DEFAULTS.pseudo_video,
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
            help="refvid-tiny, cmsa-tiny, cmsa-deeplab101 and so on, a config.json or a checkpoint folder, of which "
            "only the config is taken (default: as --start has it, else refvid-tiny).",
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
            help="First weights of the trunk. ResNet-101: a Hub id, a .safetensors or .pth file, or none (default: "
            "timm/resnet101.tv_in1k); EfficientNet-Lite: efficientnet-lite0, -lite1 or -lite2, a Hub id or a file; "
            "light: a model with the same trunk, as refvid-tiny, or none (default).",
        ),
    ] = None,
    language_weights: Annotated[
        str | None,
        typer.Option(
            metavar="WEIGHTS",
            rich_help_panel="Model",
            help="First weights of a model that reads with BERT: a Hub id or a folder (default: "
            "google-bert/bert-base-uncased).",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", rich_help_panel=_RUN, help="Go on with the run in RUNDIR from its last checkpoint."),
    ] = False,
    device: opt.Device = "auto",
    steps: Annotated[int, _setting("steps", _RUN, "Updates in all.")] = _DEFAULTS.steps,
    batch: Annotated[int, _setting("batch", _LEARNING, "Samples a step, over all processes.")] = _DEFAULTS.batch,
    frames: Annotated[
        int, _setting("frames", _LEARNING, "Frames of a clip, odd; 1: still pictures.")
    ] = _DEFAULTS.frames,
    frame_stride: Annotated[
        int, _setting("frame_stride", _LEARNING, "Frames of video between those of a clip.")
    ] = _DEFAULTS.frame_stride,
    loss: Annotated[
        Loss | None,
        typer.Option(
            rich_help_panel=_LEARNING,
            help="paper: what the paper of the system has, cross-entropy alone; refvid: with terms for small objects, "
            "for which actor is meant and for single words (default: refvid).",
        ),
    ] = None,
    learning_rate: Annotated[
        float, _setting("learning_rate", _LEARNING, "Highest rate of Adam.")
    ] = _DEFAULTS.learning_rate,
    trunk_rate: Annotated[
        float, _setting("trunk_rate", _LEARNING, "Share of it for the trunk; 0: frozen.")
    ] = _DEFAULTS.trunk_rate,
    weight_decay: Annotated[float, _setting("weight_decay", _LEARNING, "L2 coefficient.")] = _DEFAULTS.weight_decay,
    decay_scope: Annotated[
        DecayScope,
        _setting("decay_scope", _LEARNING, "What is decayed: kernels of the trunk, all kernels, or everything."),
    ] = _DEFAULTS.decay_scope,
    mask_every: Annotated[
        int, _setting("mask_every", _LEARNING, "Learn masks in every n-th step, in the others words alone.")
    ] = _DEFAULTS.mask_every,
    neighbour_gradients: Annotated[
        bool, _setting("neighbour_gradients", _LEARNING, "Teach the trunk by the frames around the target too.")
    ] = _DEFAULTS.neighbour_gradients,
    power: Annotated[float, _setting("power", _LEARNING, "Of the polynomial decay of the rate.")] = _DEFAULTS.power,
    warmup: Annotated[int, _setting("warmup", _LEARNING, "Steps in which the rate rises.")] = _DEFAULTS.warmup,
    gradient_norm: Annotated[
        float, _setting("gradient_norm", _LEARNING, "Longest gradient; 0: any length.")
    ] = _DEFAULTS.gradient_norm,
    average_decay: Annotated[
        float, _setting("average_decay", _LEARNING, "Of the moving average of the weights; 0: keep the last.")
    ] = _DEFAULTS.average_decay,
    precision: Annotated[
        opt.PrecisionName, _setting("precision", _LEARNING, "Numbers to compute with.")
    ] = _DEFAULTS.precision,
    freeze_norm: Annotated[
        bool, _setting("freeze_norm", _LEARNING, "Leave the trunk's norms as they are.")
    ] = _DEFAULTS.freeze_norm,
    channels_last: Annotated[
        bool, _setting("channels_last", _RUN, "Memory layout of pictures.")
    ] = _DEFAULTS.channels_last,
    bad_steps: Annotated[
        int, _setting("bad_steps", _LEARNING, "Steps without a finite gradient to leave out before it stops.")
    ] = _DEFAULTS.bad_steps,
    flip: Annotated[
        float, _setting("flip", _DATA, "Probability of mirroring, left and right as words too.")
    ] = _DEFAULTS.flip,
    colour: Annotated[
        float, _setting("colour", _DATA, "Probability of changing brightness and contrast.")
    ] = _DEFAULTS.colour,
    crop: Annotated[float, _setting("crop", _DATA, "Probability of cutting off the border.")] = _DEFAULTS.crop,
    seed: Annotated[int, _setting("seed", _RUN, "Of everything random.")] = _DEFAULTS.seed,
    workers: Annotated[int, _setting("workers", _RUN, "Processes that prepare batches ahead.")] = _DEFAULTS.workers,
    log_every: Annotated[int, _setting("log_every", _RUN, "Steps between lines of the log.")] = _DEFAULTS.log_every,
    checkpoint_every: Annotated[
        int, _setting("checkpoint_every", _RUN, "Steps between checkpoints.")
    ] = _DEFAULTS.checkpoint_every,
    sample_every: Annotated[
        int, _setting("sample_every", _RUN, "Steps between sample pictures; 0: none.")
    ] = _DEFAULTS.sample_every,
    validate_every: Annotated[
        int, _setting("validate_every", _RUN, "Steps between validations; 0: none.")
    ] = _DEFAULTS.validate_every,
    validation_samples: Annotated[
        int, _setting("validation_samples", _RUN, "Clips of a validation.")
    ] = _DEFAULTS.validation_samples,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
    log_file: opt.LogFile = None,
) -> None:
    """Teach a model from a data set.

    RUNDIR/model is the trained model, also while the run goes on. For several devices: torchrun --nproc-per-node N
    -m refvid train ... Example: refvid train --dataset world --out runs/world --steps 20000
    """
    # A resumed run keeps its settings but for those that are typed, even if they are the defaults.
    asked = {name: context.params[name] for name in opt.typed(context, _DEFAULTS.as_dict())}
    settings = None if resume else TrainSettings.from_dict(asked)
    folder = _run_folder(out, dataset)
    with Terminal(quiet=quiet or not _leads(), verbose=verbose, log_file=log_file if _leads() else None) as terminal:
        from refvid.train.run import resume as resume_run
        from refvid.train.run import train as begin_run
        from refvid.train.sources import DataChoice
        from refvid.train.start import ModelChoice

        data = None if dataset is None else DataChoice(dataset, root, photos, cache)
        chosen = ModelChoice(model, start, backbone_weights, language_weights)
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
    """Tells whether this is the process that speaks: under torchrun the first one."""
    return os.environ.get("RANK", "0") == "0"


def _summarise(outcome: "Outcome", terminal: Terminal) -> None:
    """Says where the model is and how well it did."""
    if outcome.bad_steps:
        terminal.warn(f"{count_of(outcome.bad_steps, 'step')} left out: the gradient was not finite")
    scores = ", ".join(f"{name} {outcome.scores[name]:.3f}" for name in ("mean_iou", "p@0.5") if name in outcome.scores)
    terminal.say(
        f"wrote {outcome.model}: {count_of(outcome.steps, 'step')} in {outcome.seconds:.0f} s"
        + (f", {scores}" if scores else "")
    )


@contextmanager
def _progress(terminal: Terminal, label: str, *, quiet: bool) -> "Iterator[OnStep | None]":
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
