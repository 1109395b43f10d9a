"""Two processes learn what a single one would."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from refvid.errors import UsageError
from refvid.train.checkpoint import CHECKPOINTS
from refvid.train.distributed import Team, join_team
from refvid.train.run import train
from refvid.train.settings import TrainSettings
from refvid.train.sources import DataChoice
from refvid.train.start import ModelChoice
from tests.train.toy import register, small_config

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")
# Norms that learn take their statistics from a process's own share of the batch, which differ from those of the whole;
# only with frozen ones are the gradients of two processes those of one.
SETTINGS = TrainSettings(
    steps=2, batch=4, frames=3, warmup=0, learning_rate=1e-3, freeze_norm=True, gradient_norm=0, log_every=1,
    checkpoint_every=1, sample_every=2, validate_every=2, validation_samples=2,
)  # fmt: skip


def options_of(settings: TrainSettings) -> list[str]:
    """Spell settings that are not the default as options."""
    default, options = TrainSettings().as_dict(), []
    for name, value in settings.as_dict().items():
        if value != default[name]:
            flag = f"--{name.replace('_', '-')}"
            options += [flag] if value is True else [flag, str(value)]
    return options


def first_gradients(run: Path) -> dict[str, torch.Tensor]:
    """Return the gradients of the first step, of which Adam's first moments are then a tenth."""
    state = load_file(run / CHECKPOINTS / "step-000000001" / "state.safetensors")
    return {name: 10 * value for name, value in state.items() if name.endswith("/exp_avg")}


def log_of(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def test_two_processes_have_the_gradients_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tmp_path / "small.json"
    model.write_text(json.dumps(small_config().as_dict()))
    together, alone = tmp_path / "together", tmp_path / "alone"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["-m", "tests.train.program", "train", "--dataset", "squares", "--device", "cpu"]
    command += ["-o", str(together), "-m", str(model), *options_of(SETTINGS)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("wrote ") == 1, "one of the processes speaks"

    monkeypatch.setattr("refvid.train.sources.DATASETS", {})
    register()
    train(DataChoice("squares"), SETTINGS, alone, model=ModelChoice(str(model)), device="cpu")
    ours, expected = first_gradients(together), first_gradients(alone)
    assert ours.keys() == expected.keys()
    assert len(expected) > 50
    for name, gradient in expected.items():
        assert torch.allclose(ours[name], gradient, rtol=1e-3, atol=1e-6), name
    assert sum(float(gradient.abs().sum()) > 0 for gradient in expected.values()) > 50
    first, other = log_of(together)[0], log_of(alone)[0]
    assert first["step"] == other["step"] == 1
    for part in ("loss", "entropy", "words", "gradient"):
        assert first[part] == pytest.approx(other[part], rel=1e-3), part
    weights, others = (load_file(run / "model" / "model.safetensors") for run in (together, alone))
    assert all(torch.allclose(value, others[name], atol=1e-3) for name, value in weights.items())


def test_a_batch_is_shared_out_evenly_or_not_at_all() -> None:
    assert Team(0, 4, CPU).share(8) == 2
    with pytest.raises(UsageError, match="evenly"):
        Team(0, 4, CPU).share(replace(SETTINGS, batch=6).batch)


def test_without_torchrun_there_is_a_team_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    with join_team("cpu") as team:
        assert (team.rank, team.processes, team.leads, team.device) == (0, 1, True, CPU)
        assert team.any(True)
        assert not team.any(False)
        assert team.mean([3.0]) == [3.0]
        team.wait()
