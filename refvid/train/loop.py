"""The training loop: take the steps of a run, skip bad gradients, and stop cleanly when interrupted."""

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from types import FrameType
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from refvid.data.sample import Batch
from refvid.errors import RefvidError
from refvid.model.interface import ReferringNetwork, lay_channels_last
from refvid.train.average import MovingAverage
from refvid.train.checkpoint import RunState, random_state, restore_random_state
from refvid.train.distributed import Team
from refvid.train.feed import move
from refvid.train.frozen_features import FrozenFeatures
from refvid.train.optimiser import (
    build_optimiser,
    freeze,
    optimiser_tensors,
    restore_optimiser,
    set_rate,
    set_training,
)
from refvid.train.schedule import learning_rate
from refvid.train.settings import TrainSettings

# Least factor by which float16 gradients are scaled. A gradient that overflows even unscaled counts as a bad step;
# before that, the scaler only searches for a scale that fits.
MIN_SCALE = 1.0


@dataclass(frozen=True)
class Step:
    """The result of one training step.

    Attributes:
        number: Number of the step, from 0.
        applied: Whether the update was applied; False if the gradient was not finite.
        scalars: "loss", the parts of the loss, "rate" (learning rate) and "gradient" (norm before clipping).
    """

    number: int
    applied: bool
    scalars: dict[str, float]


class Trainer:
    """A network in training with its optimiser, whose state can be saved and restored between any two steps.

    Attributes:
        settings: Settings of the run.
        team: The processes that train together.
        network: The network in training, on the team's device.
        average: Moving average of its parameters.
        step: Number of steps taken.
        bad_steps: Number of steps skipped because their gradient was not finite.
        frozen: Source of the features of a frozen trunk; None: the network computes them.
    """

    def __init__(self, network: ReferringNetwork, objective: nn.Module, settings: TrainSettings, team: Team) -> None:
        """Move the network and the objective to the device and create the optimiser.

        Args:
            network: Network to train, in place.
            objective: Module that maps a network and a batch to the loss and a dictionary of its parts, all scalars.
            settings: Settings of the run.
            team: The processes that train together.
        """
        self.settings, self.team = settings, team
        self.network = network.to(team.device)
        if settings.channels_last:
            lay_channels_last(self.network)
        self._objective = objective.to(team.device)
        freeze(self.network, settings)
        set_training(self.network, settings)
        self._dtype = _computing_type(settings, team.device)
        learner = _Learner(self.network, self._objective)
        self._optimiser = build_optimiser(learner, settings, self.network.trunk_name)
        self._loss: nn.Module = learner
        if team.processes > 1:
            self._loss = DistributedDataParallel(learner, find_unused_parameters=True)
        self._scaler = torch.amp.GradScaler(team.device.type, enabled=self._dtype is torch.float16)
        self.average = MovingAverage(self.network, settings.average_decay)
        self.frozen: FrozenFeatures | None = None
        self.step = self.bad_steps = 0
        self._earlier, self._began = 0.0, time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds of training so far, including those before the run was resumed."""
        return self._earlier + time.monotonic() - self._began

    def advance(self, batch: Batch) -> Step:
        """Take one step.

        Raises:
            RefvidError: More gradients were not finite than the settings allow.
        """
        rate = learning_rate(self.step, self.settings)
        set_rate(self._optimiser, rate)
        self._optimiser.zero_grad(set_to_none=True)
        where = self.team.device
        with torch.autocast(where.type, dtype=self._dtype, enabled=self._dtype is not torch.float32):
            options: dict[str, bool] = {} if self.step % self.settings.mask_every == 0 else {"masks": False}
            if not self.settings.neighbour_gradients:
                options["neighbour_gradients"] = False
            batch = move(batch, where)
            with nullcontext() if self.frozen is None else self.frozen.given(batch):
                loss, parts = self._loss(batch, options)
        self._scaler.scale(loss).backward()
        self._scaler.unscale_(self._optimiser)
        parameters = [value for group in self._optimiser.param_groups for value in group["params"]]
        longest = self.settings.gradient_norm or math.inf
        norm = float(nn.utils.clip_grad_norm_(parameters, longest))
        scalars = {"loss": float(loss.detach()), **{name: float(value) for name, value in parts.items()}}
        scalars = dict(zip(scalars, self.team.mean(list(scalars.values())), strict=True))
        applied = math.isfinite(norm) and math.isfinite(scalars["loss"])
        if applied:
            self._scaler.step(self._optimiser)
            self.average.update(self.network, self.step)
        elif math.isnan(scalars["loss"]) or self._scaler.get_scale() <= MIN_SCALE:
            self._count_bad_step(scalars["loss"], norm)
        self._scaler.update()
        done = Step(self.step, applied, scalars | {"rate": rate, "gradient": norm})
        self.step += 1
        return done

    def _count_bad_step(self, loss: float, norm: float) -> None:
        self.bad_steps += 1
        if self.bad_steps > self.settings.bad_steps:
            raise RefvidError(
                f"step {self.step}: the gradient is not finite (loss {loss:g}, gradient {norm:g}), and "
                f"{self.bad_steps} such steps are more than --bad-steps allows; use a lower --learning-rate or "
                "--precision float32"
            )

    def state(self) -> RunState:
        """Return the state from which training can be resumed after this step."""
        generators, numbers = random_state(self.team.device)
        tensors = {
            "network": dict(self.network.state_dict()),
            "average": self.average.values,
            "objective": dict(self._objective.state_dict()),
            "optimiser": optimiser_tensors(self._optimiser),
            "random": generators,
        }
        rest: dict[str, Any] = {
            "random": numbers,
            "scaler": self._scaler.state_dict(),
            "bad_steps": self.bad_steps,
            "seconds": self.seconds,
        }
        return RunState(self.step, tensors, rest)

    def restore(self, state: RunState) -> None:
        """Restore a state that `state` returned."""
        self.network.load_state_dict(state.tensors["network"])
        self._objective.load_state_dict(state.tensors.get("objective", {}))
        self.average.restore(state.tensors["average"])
        restore_optimiser(self._optimiser, state.tensors.get("optimiser", {}))
        restore_random_state(state.tensors["random"], state.rest["random"], self.team.device)
        if state.rest["scaler"]:
            self._scaler.load_state_dict(state.rest["scaler"])
        self.step, self.bad_steps = state.step, int(state.rest["bad_steps"])
        self._earlier, self._began = float(state.rest["seconds"]), time.monotonic()

    @contextmanager
    def averaged(self) -> Iterator[ReferringNetwork]:
        """Yield the network with its averaged parameters, in evaluation mode; restore its own ones afterwards."""
        learnt = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        self.network.load_state_dict(self.average.values)
        self.network.eval()
        try:
            yield self.network
        finally:
            self.network.load_state_dict(learnt)
            set_training(self.network, self.settings)


class _Learner(nn.Module):
    """The network and the objective as one module that returns a loss, as DistributedDataParallel requires.

    DistributedDataParallel synchronises gradients only if the loss is computed inside its own `forward`.
    """

    def __init__(self, network: ReferringNetwork, objective: nn.Module) -> None:
        super().__init__()
        self.network, self.objective = network, objective

    def forward(self, batch: Batch, options: Mapping[str, bool]) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss and its parts; `options` are keyword arguments of the objective that are not defaults."""
        return cast(tuple[Tensor, dict[str, Tensor]], self.objective(self.network, batch, **options))


def _computing_type(settings: TrainSettings, device: torch.device) -> torch.dtype:
    """Return the dtype of the arithmetic in training."""
    if settings.precision == "auto":
        fast = device.type == "cuda" and torch.cuda.is_bf16_supported()
        return torch.bfloat16 if fast else torch.float32
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[settings.precision]


class StopSign:
    """A context manager that defers Ctrl-C and SIGTERM until the end of a step; a second Ctrl-C acts at once.

    Attributes:
        up: Whether a signal has arrived.
    """

    def __init__(self) -> None:
        self.up = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> "StopSign":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._raise)
        return self

    def __exit__(self, *_: object) -> Literal[False]:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        return False

    def _raise(self, number: int, frame: FrameType | None) -> None:
        if self.up and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.up = True


def run_steps(
    trainer: Trainer,
    batches: Iterator[Batch],
    *,
    report: Callable[[Step], object],
    save: Callable[[], object],
    look: Callable[[int], object] = lambda step: None,
) -> None:
    """Take the remaining steps, and save a checkpoint every few steps, at the end, and when the run is interrupted.

    Args:
        trainer: Trainer that takes the steps.
        batches: Batches, starting with that of the trainer's next step.
        report: Function called with each step, before its checkpoint, so that every saved step has been reported.
        save: Function called after each step at which a checkpoint is due.
        look: Function called last after each step, with the number of steps done.

    Raises:
        KeyboardInterrupt: Ctrl-C or SIGTERM arrived; the steps until then are saved.
        RefvidError: Too many gradients were not finite; nothing more is saved, and the last checkpoint remains.
    """
    settings = trainer.settings
    with StopSign() as stop:
        while trainer.step < settings.steps:
            done = trainer.advance(next(batches))
            report(done)
            stopped = trainer.team.any(
                stop.up
            )  # agreed on by all processes, since each may get the signal at another step
            if stopped or trainer.step % settings.checkpoint_every == 0 or trainer.step == settings.steps:
                save()
            if stopped and trainer.step < settings.steps:
                raise KeyboardInterrupt
            look(trainer.step)
