"""The training loop: one network, one optimiser, batches in, and everything that may go wrong on the way."""

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
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

SMALLEST_SCALE = 1.0  # of float16's gradients: what overflows unscaled is wrong by itself


@dataclass(frozen=True)
class Step:
    """What happened in a step.

    Attributes:
        number: From 0.
        applied: False for a step that was left out because its gradient was not finite.
        scalars: "loss", its parts, "rate", "gradient" (its norm before it is shortened).
    """

    number: int
    applied: bool
    scalars: dict[str, float]


class Trainer:
    """Takes steps and can be saved and put back between any two of them.

    Attributes:
        network: What learns, on the team's device.
        average: The moving average of its parameters.
        step: Steps taken.
        bad_steps: Steps left out so far because their gradient was not finite.
    """

    def __init__(self, network: ReferringNetwork, objective: nn.Module, settings: TrainSettings, team: Team) -> None:
        """Moves the network and the objective to the device and makes their optimiser.

        Args:
            network: To train; it is changed in place.
            objective: Module that maps a network and a batch to the loss and a dictionary of its parts, scalars.
            settings: Of the run.
            team: The processes that train it.
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
        self._optimiser = build_optimiser(learner, settings)
        self._loss: nn.Module = learner
        if team.processes > 1:
            self._loss = DistributedDataParallel(learner, find_unused_parameters=True)
        self._scaler = torch.amp.GradScaler(team.device.type, enabled=self._dtype is torch.float16)
        self.average = MovingAverage(self.network, settings.average_decay)
        self.step = self.bad_steps = 0
        self._earlier, self._began = 0.0, time.monotonic()

    @property
    def seconds(self) -> float:
        """Time spent so far, that of earlier processes included."""
        return self._earlier + time.monotonic() - self._began

    def advance(self, batch: Batch) -> Step:
        """Takes one step.

        Raises:
            RefvidError: The gradient is not finite once more than the settings allow.
        """
        rate = learning_rate(self.step, self.settings)
        set_rate(self._optimiser, rate)
        self._optimiser.zero_grad(set_to_none=True)
        where = self.team.device
        with torch.autocast(where.type, dtype=self._dtype, enabled=self._dtype is not torch.float32):
            options: dict[str, bool] = {} if self.step % self.settings.mask_every == 0 else {"masks": False}
            if not self.settings.neighbour_gradients:
                options["neighbour_gradients"] = False
            loss, parts = self._loss(move(batch, where), options)
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
        elif math.isnan(scalars["loss"]) or self._scaler.get_scale() <= SMALLEST_SCALE:
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
                f"{self.bad_steps} such steps are more than --bad-steps allows; lower --learning-rate or train with "
                "--precision float32"
            )

    def state(self) -> RunState:
        """Returns all that the trainer needs to go on after this step."""
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
        """Puts back what `state` returned."""
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
        """Gives the network with its averaged parameters, ready to segment, and takes them out again."""
        learnt = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        self.network.load_state_dict(self.average.values)
        self.network.eval()
        try:
            yield self.network
        finally:
            self.network.load_state_dict(learnt)
            set_training(self.network, self.settings)


class _Learner(nn.Module):
    """Network and objective as one module that maps a batch to its loss, which DistributedDataParallel can wrap."""

    def __init__(self, network: ReferringNetwork, objective: nn.Module) -> None:
        super().__init__()
        self.network, self.objective = network, objective

    def forward(self, batch: Batch, options: Mapping[str, bool]) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss and its parts; the options are those of `nn.Module` that differ from its defaults."""
        return cast(tuple[Tensor, dict[str, Tensor]], self.objective(self.network, batch, **options))


def _computing_type(settings: TrainSettings, device: torch.device) -> torch.dtype:
    """Returns the numbers to compute with."""
    if settings.precision == "auto":
        fast = device.type == "cuda" and torch.cuda.is_bf16_supported()
        return torch.bfloat16 if fast else torch.float32
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[settings.precision]


class StopSign:
    """Up from the first Ctrl-C or kill on, so that a run ends after its step; a second Ctrl-C ends it at once."""

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
    """Takes the steps that are left; a checkpoint every few steps, at the end, and when the run is stopped.

    Args:
        trainer: Where the steps are taken.
        batches: From that of the trainer's step on.
        report: Called after each step, before its checkpoint, so that none that is saved goes unreported.
        save: Called after the step at which a checkpoint is due.
        look: Called last after each step with the number of steps done.

    Raises:
        KeyboardInterrupt: Ctrl-C or a kill came; what was learnt until then is saved.
        RefvidError: The gradient is not finite too often; nothing is saved, the last checkpoint stays.
    """
    settings = trainer.settings
    with StopSign() as stop:
        while trainer.step < settings.steps:
            done = trainer.advance(next(batches))
            report(done)
            stopped = trainer.team.any(stop.up)
            if stopped or trainer.step % settings.checkpoint_every == 0 or trainer.step == settings.steps:
                save()
            if stopped and trainer.step < settings.steps:
                raise KeyboardInterrupt
            look(trainer.step)
