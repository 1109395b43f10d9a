"""A whole training run: data, network, loop and run folder, from the first step or from the last checkpoint."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from refvid.data.sample import Sample
from refvid.errors import OutputExistsError, UsageError, WeightsError
from refvid.model.interface import ReferringNetwork
from refvid.model.layers.pretrained import PretrainedBackbone
from refvid.model.registry import build_network, build_vocabulary
from refvid.progress import Tell, tell_nobody
from refvid.train.augment import Augmentation
from refvid.train.checkpoint import MODEL_FOLDER, RunState, has_state, load_state, save_state
from refvid.train.distributed import join_team
from refvid.train.feed import Feed, SampleSource
from refvid.train.frozen_features import FrozenFeatures
from refvid.train.loop import Trainer, run_steps
from refvid.train.monitor import Monitor, OnStep
from refvid.train.objective import Objective, ObjectiveSettings, paper_objective
from refvid.train.pictures import compare
from refvid.train.record import RUN_FILE, Run, read_run
from refvid.train.settings import TrainSettings, changed_settings
from refvid.train.sources import DataChoice, open_data
from refvid.train.start import ModelChoice, begin, choose_config
from refvid.train.validate import kept_back, predict, validate
from refvid.weights import save_checkpoint

PICTURED_SAMPLES = 4  # samples on each sheet of sample pictures


@dataclass(frozen=True)
class Outcome:
    """The result of a finished run.

    Attributes:
        model: Checkpoint folder for `refvid segment -m`.
        steps: Total number of steps.
        seconds: Total training time.
        bad_steps: Number of steps skipped because their gradient was not finite.
        scores: Scores of the last validation by name; empty if there was none.
    """

    model: Path
    steps: int
    seconds: float
    bad_steps: int
    scores: dict[str, float]


def train(
    data: DataChoice,
    settings: TrainSettings,
    folder: Path,
    *,
    model: ModelChoice | None = None,
    objective: ObjectiveSettings | Literal["paper"] | None = None,
    device: str = "auto",
    show: OnStep | None = None,
    say: Tell = tell_nobody,
) -> Outcome:
    """Begin a training run and complete it.

    Args:
        data: Data to train on.
        settings: Settings of the run.
        folder: Run folder; created if necessary.
        model: Model to train; None for a new refvid-tiny.
        objective: Weights of the loss; "paper" for those of the system's paper.
        device: Device as for `refvid.weights.pick_device`.
        show: Function called after each step with its scalars.
        say: Function called with each message for the user.

    Raises:
        OutputExistsError: The folder is not empty.
        KeyboardInterrupt: The run was interrupted; `resume` continues it.
        RefvidError: The data, the weights or the device are not available, or training failed.
    """
    with join_team(device) as team:
        if team.leads:
            _claim(folder)
        model = model or ModelChoice()
        torch.manual_seed(settings.seed)
        template = choose_config(model)
        team.share(settings.batch)
        opened = open_data(data, settings, template.input_size)
        network, config = begin(model, template, opened.words)
        origin = {key: str(value) for key, value in vars(model).items() if value is not None}
        if objective == "paper":
            objective = paper_objective(config.architecture)
        run = Run(data, settings, objective or ObjectiveSettings(balanced=config.vector_channels > 0), config, origin)
        trainer = Trainer(network, _objective(network, run), settings, team)
        if team.leads:
            folder.mkdir(parents=True, exist_ok=True)
            run.write(folder)
        return run_to_end(run, folder, trainer, opened.source, show, say)


def _objective(network: ReferringNetwork, run: Run) -> Objective:
    return Objective(network, build_vocabulary(run.config), run.objective)


def resume(
    folder: Path,
    *,
    asked: dict[str, Any] | None = None,
    data: DataChoice | None = None,
    device: str = "auto",
    show: OnStep | None = None,
    say: Tell = tell_nobody,
) -> Outcome:
    """Continue a run from its last checkpoint, as if it had never been interrupted.

    Args:
        folder: Run folder.
        asked: Settings to change, by name; only those in `CHANGEABLE` may change.
        data: New location of the data, if they were moved.
        device: Device as for `refvid.weights.pick_device`.
        show: Function called after each step with its scalars.
        say: Function called with each message for the user.

    Raises:
        UsageError: A setting cannot be changed any more, or the data set is a different one.
        KeyboardInterrupt: The run was interrupted again.
        RefvidError: The folder contains no run, or as for `train`.
    """
    with join_team(device) as team:
        saved = read_run(folder)
        run = replace(saved, settings=changed_settings(saved.settings, asked or {}), data=_moved(saved.data, data))
        state = load_state(folder)
        _check_length(state.step, saved.settings.steps, run.settings.steps)
        torch.manual_seed(run.settings.seed)
        network = build_network(run.config)
        source = open_data(run.data, run.settings, run.config.input_size).source
        trainer = Trainer(network, _objective(network, run), run.settings, team)
        _restore(trainer, state, folder)
        team.wait()  # no process may write to the run folder before all have read it
        if team.leads:
            run.write(folder)
            say(f"resuming {folder} after step {trainer.step} of {run.settings.steps}")
        return run_to_end(run, folder, trainer, source, show, say)


def _check_length(taken: int, saved: int, steps: int) -> None:
    """Check that a resumed run does not end before the steps that it has taken.

    Raises:
        UsageError: It would.
    """
    if taken > steps:
        raise UsageError(
            f"--steps is {steps}, but the run of {saved} steps has already taken {taken}; --steps is the total number, "
            f"so give more than {taken} to train on, or leave it out"
        )


def _restore(trainer: Trainer, state: RunState, folder: Path) -> None:
    try:
        trainer.restore(state)
    except (RuntimeError, KeyError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise WeightsError(f"the checkpoint in '{folder}' does not belong to its {RUN_FILE}: {reason}") from error


def _claim(folder: Path) -> None:
    """Check that the run folder is new or empty.

    Raises:
        OutputExistsError: It is a file, or it is not empty.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputExistsError(f"'{folder}' is a file; give another --out")
    if folder.is_dir() and any(folder.iterdir()):
        hint = "resume it with --resume" if has_state(folder) else "empty it"
        raise OutputExistsError(f"the run folder '{folder}' is not empty; {hint}, or give another --out")


def _moved(saved: DataChoice, asked: DataChoice | None) -> DataChoice:
    """Return the data of a run at their new location.

    Raises:
        UsageError: The data set is a different one.
    """
    if asked is None:
        return saved
    if asked.dataset != saved.dataset:
        raise UsageError(f"the run trains on {saved.dataset}, not {asked.dataset}; leave out --dataset to resume it")
    return replace(
        saved,
        root=asked.root or saved.root,
        photos=asked.photos or saved.photos,
        photo_sources=asked.photo_sources or saved.photo_sources,
        cache=asked.cache or saved.cache,
    )


def run_to_end(
    run: Run, folder: Path, trainer: Trainer, source: SampleSource, show: OnStep | None, say: Tell
) -> Outcome:
    """Take the remaining steps; the first process of the team also writes the run folder."""
    settings, team = run.settings, trainer.team
    trainer.frozen = _frozen_features(run, trainer.network, team.processes, say)
    feed = Feed(source, run.config, settings.batch, settings.seed, Augmentation.of(settings), team.rank, team.processes)
    if not team.leads:
        with closing(feed.batches(trainer.step, settings.steps, settings.workers)) as batches:
            run_steps(trainer, batches, report=_nothing, save=_nothing)
        team.wait()
        return Outcome(folder / MODEL_FOLDER, trainer.step, trainer.seconds, trainer.bad_steps, {})
    keeper = CheckpointWriter(run, folder, trainer)
    with closing(Monitor(folder, settings, first=trainer.step, show=show)) as monitor:
        looker = Validator(run, trainer, monitor, source)
        with closing(feed.batches(trainer.step, settings.steps, settings.workers)) as batches:
            run_steps(trainer, batches, report=monitor.step, save=keeper.save, look=looker.look)
        keeper.save_model()
    team.wait()
    return Outcome(folder / MODEL_FOLDER, trainer.step, trainer.seconds, trainer.bad_steps, looker.scores)


def _nothing(*_: object) -> None:
    """Do nothing: only the first process of the team writes files and messages."""


def _frozen_features(run: Run, network: ReferringNetwork, processes: int, say: Tell) -> FrozenFeatures | None:
    """Return the features kept on disk for a frozen trunk if the settings ask for them.

    Raises:
        UsageError: The network has no pretrained trunk, or there is no folder for them.
    """
    if not run.settings.feature_cache:
        return None
    if run.data.cache is None or not isinstance(network.backbone, PretrainedBackbone):
        raise UsageError(
            "--feature-cache is for a model with a pretrained trunk and needs --cache, the folder of the scenes"
        )
    limit = run.settings.feature_cache
    return FrozenFeatures(network, run.data.cache, limit, processes=processes, tell=say)


class CheckpointWriter:
    """A writer of checkpoints, each together with the averaged network."""

    def __init__(self, run: Run, folder: Path, trainer: Trainer) -> None:
        self._run, self._folder, self._trainer = run, folder, trainer

    def save(self) -> None:
        """Write a checkpoint and the model."""
        save_state(self._folder, self._trainer.state())
        self.save_model()

    def save_model(self) -> None:
        """Write the averaged network to RUNDIR/model."""
        trainer = self._trainer
        record = self._run.training_record(trainer.step, trainer.seconds, trainer.bad_steps)
        with trainer.averaged() as network:
            save_checkpoint(network, self._run.config.replace(training=record), self._folder / MODEL_FOLDER)


class Validator:
    """A periodic validation of the averaged network, with scores and sample pictures.

    A run that validates uses samples from the validation data, also for its pictures; one that does not takes its
    pictures from the training data.

    Attributes:
        scores: Scores of the last validation by name.
    """

    def __init__(self, run: Run, trainer: Trainer, monitor: Monitor, source: SampleSource) -> None:
        self._run, self._trainer, self._monitor, self._source = run, trainer, monitor, source
        if run.settings.validate_every:  # opened now, so that missing data are reported before the first step
            self._source = open_data(run.data, run.settings, run.config.input_size, "validation").source
        self._samples: list[Sample] = []
        self.scores: dict[str, float] = {}

    def look(self, step: int) -> None:
        """Write the pictures and the scores that are due after a step."""
        settings = self._run.settings
        pictured = settings.sample_every and step % settings.sample_every == 0
        validated = settings.validate_every and (step % settings.validate_every == 0 or step == settings.steps)
        if not (pictured or validated):
            return
        with self._trainer.averaged() as network:
            if pictured:
                samples = self._kept_back(PICTURED_SAMPLES)
                rows = [compare(sample, predict(network, self._run.config, sample)) for sample in samples]
                # Two expressions of the same sample show whether the mask follows the expression.
                self._monitor.pictures(step, [row for pair in rows for row in pair[:2]])
            if validated:
                samples = self._kept_back(settings.validation_samples)
                self.scores = validate(network, self._run.config, samples)
                self._monitor.scalars(step, {f"validation/{name}": value for name, value in self.scores.items()})

    def _kept_back(self, count: int) -> Sequence[Sample]:
        """Return the first `count` validation samples, which are drawn once."""
        if len(self._samples) < count:
            self._samples = kept_back(self._source, self._run.settings.seed, count)
        return self._samples[:count]
