"""Training steps: they can be undone bit for bit, they learn, and they stop at non-finite numbers."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.data.sample import Batch
from refvid.errors import RefvidError
from refvid.model.config import Precision
from refvid.model.interface import ReferringNetwork
from refvid.model.layers.language import Vocabulary
from refvid.model.registry import build_network
from refvid.train.augment import Augmentation
from refvid.train.distributed import Team
from refvid.train.feed import Feed
from refvid.train.loop import StopSign, Trainer, run_steps
from refvid.train.objective import Objective, ObjectiveSettings
from refvid.train.optimiser import build_optimiser
from refvid.train.schedule import learning_rate
from refvid.train.settings import TrainSettings
from tests.train.toy import WORDS, Squares, small_config

ALONE = Team(0, 1, torch.device("cpu"))
CONFIG = small_config(vocabulary=WORDS)
SETTINGS = TrainSettings(steps=50, batch=2, frames=1, warmup=0, learning_rate=1e-3)


class Entropy(nn.Module):
    """Plain binary cross-entropy, with a factor that learns and one that breaks."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.ones(()))
        self.breakage = 1.0

    def forward(self, network: ReferringNetwork, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        logits = network(batch.clips.float() / 255, batch.word_ids, target=batch.clips.shape[1] // 2)
        entropy = F.binary_cross_entropy_with_logits(self.factor * logits, batch.masks)
        return entropy * self.breakage, {"entropy": entropy.detach()}


def make_trainer(settings: TrainSettings = SETTINGS, objective: nn.Module | None = None) -> Trainer:
    torch.manual_seed(0)
    return Trainer(build_network(CONFIG), objective or Entropy(), settings, ALONE)


def make_batches(first: int = 0, frames: int = 1) -> Iterator[Batch]:
    return Feed(Squares(frames), CONFIG, 2, 0, Augmentation(flip=0.5)).batches(first, 1000)


def parameters_of(trainer: Trainer) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in trainer.network.state_dict().items()}


def test_the_rate_rises_and_falls() -> None:
    settings = TrainSettings(steps=100, warmup=10, learning_rate=1.0)
    rates = [learning_rate(step, settings) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[50] == pytest.approx(0.5**0.9)
    assert rates[100] == 0
    assert max(range(101), key=rates.__getitem__) in (9, 10)
    assert learning_rate(0, replace(settings, warmup=0)) == 1


@pytest.mark.parametrize(("scope", "expected"), [("trunk", {"trunk"}), ("kernels", {"trunk", "matrix"}), ("all", None)])
def test_decay_reaches_what_its_scope_says(scope: Any, expected: set[str] | None) -> None:
    learner = nn.Module()
    learner.network, learner.objective = build_network(CONFIG), Entropy()
    optimiser = build_optimiser(learner, TrainSettings(decay_scope=scope, trunk_rate=0.5))
    named = dict(learner.named_parameters())
    seen = []
    for group in optimiser.param_groups:
        for name in group["names"]:
            seen.append(name)
            trunk, kernel = name.startswith("network.backbone."), named[name].ndim >= 2
            kind = "trunk" if trunk and kernel else "matrix" if kernel else "vector"
            assert group["weight_decay"] == (5e-4 if expected is None or kind in expected else 0), name
            assert group["share"] == (0.5 if trunk else 1.0)
    assert sorted(seen) == sorted(named)


def test_masks_are_learnt_in_every_nth_step() -> None:
    network = build_network(CONFIG)
    settings = replace(SETTINGS, mask_every=3)
    trainer = Trainer(network, Objective(network, Vocabulary(WORDS, 20), ObjectiveSettings()), settings, ALONE)
    batches = make_batches()
    learnt = ["dice" in trainer.advance(next(batches)).scalars for _ in range(5)]
    assert learnt == [True, False, False, True, False]


def test_the_trunk_can_learn_from_the_target_frame_alone() -> None:
    network = build_network(CONFIG).eval()
    clips = torch.rand(2, 3, 3, 32, 48)
    frames, alone = clips.clone().requires_grad_(), clips.clone().requires_grad_()
    wanted = network.enhance(frames, 1)
    found = network.enhance(alone, 1, neighbour_gradients=False)
    for one, other in zip(found.tensors, wanted.tensors, strict=True):
        torch.testing.assert_close(one, other)
    torch.stack([level.square().sum() for level in wanted.levels]).sum().backward()
    torch.stack([level.square().sum() for level in found.levels]).sum().backward()
    assert frames.grad is not None
    assert alone.grad is not None
    assert frames.grad[:, [0, 2]].abs().sum() > 0
    assert alone.grad[:, [0, 2]].abs().sum() == 0
    assert alone.grad[:, 1].abs().sum() > 0


def test_a_run_can_leave_the_gradients_of_neighbours_out() -> None:
    learnt = []
    for neighbours in (True, False):
        torch.manual_seed(1)
        network = build_network(CONFIG)
        settings = replace(SETTINGS, frames=3, neighbour_gradients=neighbours)
        trainer = Trainer(network, Objective(network, Vocabulary(WORDS, 20), ObjectiveSettings()), settings, ALONE)
        trainer.advance(next(make_batches(0, 3)))
        learnt.append(parameters_of(trainer)["backbone.stem.0.weight"])
    assert not torch.equal(learnt[0], learnt[1])


def test_the_loss_falls() -> None:
    trainer, batches = make_trainer(replace(SETTINGS, steps=1000, learning_rate=3e-3)), make_batches()
    losses = [trainer.advance(next(batches)).scalars["loss"] for _ in range(60)]
    assert sum(losses[-10:]) < 0.6 * sum(losses[:10])


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_every_precision_takes_finite_steps(precision: Precision, frames: int) -> None:
    trainer, batches = make_trainer(replace(SETTINGS, precision=precision, frames=frames)), make_batches(0, frames)
    before = parameters_of(trainer)
    steps = [trainer.advance(next(batches)) for _ in range(4)]
    assert any(step.applied for step in steps)
    assert trainer.bad_steps == 0
    after = parameters_of(trainer)
    assert all(torch.isfinite(value).all() for value in after.values())
    assert not torch.equal(before["fusion.score.weight"], after["fusion.score.weight"])
    assert after["fusion.score.weight"].dtype is torch.float32


def test_a_restored_trainer_goes_on_to_the_bit() -> None:
    straight, batches = make_trainer(), make_batches()
    for _ in range(2):
        straight.advance(next(batches))
    state = straight.state()
    saved = replace(
        state,
        tensors={
            part: {name: value.detach().clone().contiguous() for name, value in values.items()}
            for part, values in state.tensors.items()
        },
    )
    last = [straight.advance(next(batches)) for _ in range(2)]
    other, later = make_trainer(), make_batches(2)
    other.restore(saved)
    assert [other.advance(next(later)) for _ in range(2)] == last
    one, two = straight.state().tensors, other.state().tensors
    assert one.keys() == two.keys()
    for part, values in one.items():
        assert values.keys() == two[part].keys()
        assert all(torch.equal(value, two[part][name]) for name, value in values.items()), part


def test_the_average_follows_the_parameters_and_can_be_looked_at() -> None:
    trainer, batches = make_trainer(), make_batches()
    for _ in range(12):
        trainer.advance(next(batches))
    learnt = parameters_of(trainer)
    name = "fusion.score.weight"
    with trainer.averaged() as network:
        assert not network.training
        assert torch.equal(network.state_dict()[name], trainer.average.values[name])
        assert not torch.equal(network.state_dict()[name], learnt[name])
        running = "backbone.stem.1.running_mean"
        assert torch.equal(network.state_dict()[running], learnt[running]), "buffers are taken as they are"
    assert trainer.network.training
    assert all(torch.equal(value, learnt[key]) for key, value in trainer.network.state_dict().items())


def test_no_average_keeps_the_last_parameters() -> None:
    trainer, batches = make_trainer(replace(SETTINGS, average_decay=0.0)), make_batches()
    for _ in range(3):
        trainer.advance(next(batches))
    for name, value in trainer.network.state_dict().items():
        assert torch.allclose(value.float(), trainer.average.values[name].float(), atol=1e-7), name


def test_a_step_that_is_not_finite_changes_nothing_and_the_run_ends_when_there_are_many() -> None:
    objective = Entropy()
    trainer, batches = make_trainer(replace(SETTINGS, bad_steps=2), objective), make_batches()
    trainer.advance(next(batches))
    before = parameters_of(trainer)
    objective.breakage = math.nan
    for count in (1, 2):
        assert not trainer.advance(next(batches)).applied
        assert trainer.bad_steps == count
    after = parameters_of(trainer)
    learnt = {name for name, _ in trainer.network.named_parameters()}
    assert all(torch.equal(before[name], after[name]) for name in learnt)
    with pytest.raises(RefvidError, match=r"step 3: .*\(loss nan"):
        trainer.advance(next(batches))


def test_a_frozen_trunk_stays_and_frozen_norms_stay() -> None:
    for settings, kept in (
        (replace(SETTINGS, trunk_rate=0.0), ("backbone.",)),
        (replace(SETTINGS, freeze_norm=True), ("backbone.stem.1.", "backbone.res2.bn1.")),
    ):
        trainer, batches = make_trainer(settings), make_batches()
        before = parameters_of(trainer)
        for _ in range(2):
            trainer.advance(next(batches))
        after = parameters_of(trainer)
        for name in before:
            if name.startswith(kept):
                assert torch.equal(before[name], after[name]), name
        assert not torch.equal(before["fusion.score.weight"], after["fusion.score.weight"])
    assert not torch.equal(before["backbone.stem.0.weight"], after["backbone.stem.0.weight"])


def test_a_stopped_run_saves_after_its_step() -> None:
    trainer, batches, saved = make_trainer(), make_batches(), []

    def stop_after_two(step: object) -> None:
        if trainer.step == 2:
            import os
            import signal

            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        run_steps(trainer, batches, save=lambda: saved.append(trainer.step), report=stop_after_two)
    assert saved == [2]


def test_a_finished_run_is_saved_at_its_last_step() -> None:
    settings = replace(SETTINGS, steps=5, checkpoint_every=2)
    trainer, saved = make_trainer(settings), []
    run_steps(trainer, make_batches(), save=lambda: saved.append(trainer.step), report=lambda step: None)
    assert saved == [2, 4, 5]


def test_the_stop_sign_gives_the_handlers_back() -> None:
    import signal

    before = signal.getsignal(signal.SIGINT)
    with StopSign() as stop:
        assert signal.getsignal(signal.SIGINT) != before
        assert not stop.up
    assert signal.getsignal(signal.SIGINT) == before
