"""Whole training runs: started, stopped in every way, resumed, and continued by other programs."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from refvid.cli.app import main
from refvid.errors import OutputExistsError, RefvidError, UsageError, WeightsError
from refvid.model.refvid.evidence import RARE
from refvid.model.registry import build_network
from refvid.train.checkpoint import CHECKPOINTS, has_state, load_state
from refvid.train.run import resume, train
from refvid.train.settings import TrainSettings
from refvid.train.sources import DataChoice
from refvid.train.start import ModelChoice, begin
from refvid.weights import load_model, read_checkpoint, save_checkpoint
from tests.train.toy import WORDS, register, small_config

ROOT = Path(__file__).parents[2]
SQUARES = DataChoice("squares")
SETTINGS = TrainSettings(
    steps=6, batch=2, frames=1, warmup=2, learning_rate=1e-3, log_every=2, checkpoint_every=3, sample_every=0
)


@pytest.fixture(autouse=True)
def squares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refvid.train.sources.DATASETS", {})
    register()


@pytest.fixture
def model(tmp_path: Path) -> ModelChoice:
    path = tmp_path / "small.json"
    path.write_text(json.dumps(small_config().as_dict()))
    return ModelChoice(str(path))


def assert_same_state(one: Path, other: Path) -> None:
    left, right = load_state(one), load_state(other)
    assert left.step == right.step
    assert left.tensors.keys() == right.tensors.keys()
    for part, values in left.tensors.items():
        assert values.keys() == right.tensors[part].keys()
        differing = [name for name, value in values.items() if not torch.equal(value, right.tensors[part][name])]
        assert not differing, f"{part}: {differing}"
    for key in ("random", "scaler", "bad_steps"):
        assert left.rest[key] == right.rest[key]


class Killed(Exception):
    """Stands for a power cut."""


def stop_at(step: int) -> Callable[[int, int, dict[str, float]], object]:
    def show(done: int, total: int, scalars: dict[str, float]) -> None:
        if done == step:
            raise Killed

    return show


def test_a_resumed_run_equals_a_straight_one_to_the_bit(tmp_path: Path, model: ModelChoice) -> None:
    straight = train(SQUARES, SETTINGS, tmp_path / "straight", model=model, device="cpu")
    assert straight.steps == 6
    with pytest.raises(Killed):
        train(SQUARES, SETTINGS, tmp_path / "broken", model=model, device="cpu", show=stop_at(5))
    assert load_state(tmp_path / "broken").step == 3
    assert resume(tmp_path / "broken", device="cpu").steps == 6
    assert_same_state(tmp_path / "straight", tmp_path / "broken")
    one, other = (load_file(tmp_path / run / "model" / "model.safetensors") for run in ("straight", "broken"))
    assert one.keys() == other.keys()
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    lines = [
        [json.loads(line) for line in (tmp_path / run / "log.jsonl").read_text().splitlines()]
        for run in ("straight", "broken")
    ]
    assert [line["step"] for line in lines[0]] == [line["step"] for line in lines[1]] == [2, 4, 6]
    assert lines[0][2]["loss"] == lines[1][2]["loss"]


def test_a_resumed_run_may_become_longer_and_nothing_else(tmp_path: Path, model: ModelChoice) -> None:
    folder = tmp_path / "run"
    train(SQUARES, SETTINGS, folder, model=model, device="cpu")
    with pytest.raises(UsageError, match="--learning-rate"):
        resume(folder, asked={"learning_rate": 1.0}, device="cpu")
    with pytest.raises(UsageError, match="squares"):
        resume(folder, data=DataChoice("world"), device="cpu")
    assert resume(folder, asked={"steps": 7, "learning_rate": 1e-3}, device="cpu").steps == 7
    record = (folder / "run.json").read_text()
    with pytest.raises(UsageError, match=r"--steps is 5, but the run of 7 steps has already taken 7; .* more than 7"):
        resume(folder, asked={"steps": 5}, device="cpu")
    assert (folder / "run.json").read_text() == record
    assert resume(folder, asked={"steps": 7}, device="cpu").steps == 7
    assert json.loads((folder / "run.json").read_text())["settings"]["steps"] == 7


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path, model: ModelChoice) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    with pytest.raises(OutputExistsError, match="not empty"):
        train(SQUARES, SETTINGS, tmp_path / "run", model=model, device="cpu")
    with pytest.raises(RefvidError, match="no run to resume"):
        resume(tmp_path / "run", device="cpu")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["notes.txt"]


def test_the_run_folder_tells_all(tmp_path: Path, model: ModelChoice) -> None:
    settings = replace(SETTINGS, sample_every=3, validate_every=6, validation_samples=3, seed=9)
    outcome = train(SQUARES, settings, tmp_path / "run", model=model, device="cpu")
    assert set(outcome.scores) == {"mean_iou", "overall_iou", "p@0.5", "p@0.6", "p@0.7", "p@0.8", "p@0.9"}
    loaded = load_model(outcome.model, device="cpu")
    assert loaded.config.vocabulary == WORDS
    record = loaded.config.training
    assert record["data"] == {"dataset": "squares"}
    assert (record["steps"], record["samples"], record["seed"]) == (6, 12, 9)
    assert record["settings"] == settings.as_dict()
    assert record["seconds"] > 0
    assert sorted(path.name for path in (tmp_path / "run" / "samples").iterdir()) == [
        "step-000000003.png",
        "step-000000006.png",
    ]
    averaged = load_state(tmp_path / "run").tensors["average"]
    assert all(torch.equal(value, averaged[name]) for name, value in loaded.network.state_dict().items())


def test_weights_go_on_with_more_words_with_clips_and_with_finer_logits(tmp_path: Path, model: ModelChoice) -> None:
    less = {"cross_frame": False, "bilateral_channels": 0, "vocabulary": ["square", "zebra"]}
    still = json.loads(Path(str(model.model)).read_text()) | less
    pictures = tmp_path / "pictures.json"
    pictures.write_text(json.dumps(still))
    first = train(SQUARES, SETTINGS, tmp_path / "one", model=ModelChoice(str(pictures)), device="cpu")
    _, known = read_checkpoint(first.model)
    assert known.vocabulary[:2] == ("square", "zebra")
    assert set(known.vocabulary) == {*WORDS, "zebra"}
    clips = replace(SETTINGS, frames=3, steps=1, learning_rate=1e-12)
    second = train(
        SQUARES, clips, tmp_path / "two", model=ModelChoice(str(model.model), start=first.model), device="cpu"
    )
    network, config = read_checkpoint(second.model)
    assert config.vocabulary == known.vocabulary
    attentions: Any = network.cross_frame
    assert len(attentions) == 1
    assert network.bilateral is not None
    before = load_file(first.model / "model.safetensors")
    after = network.state_dict()
    assert torch.allclose(before["embedding.table.weight"], after["embedding.table.weight"], atol=1e-6)
    assert config.training["before"]["steps"] == 6
    assert config.training["origin"]["start"] == str(first.model)


def test_what_is_known_of_each_word_is_kept_where_words_are_added(tmp_path: Path) -> None:
    config = small_config(vocabulary=("red", "zebra"))
    torch.manual_seed(2)
    start = tmp_path / "few"
    save_checkpoint(build_network(config), config, start)
    torch.manual_seed(3)
    network, joined = begin(ModelChoice(start=start), config, WORDS)
    assert joined.vocabulary[:2] == ("red", "zebra")
    assert set(joined.vocabulary) == {*WORDS, "zebra"}
    rows = 2 + len(joined.vocabulary)
    before, after = load_file(start / "model.safetensors"), network.state_dict()
    for name in ("embedding.table.weight", "evidence.table", "evidence.bias", "evidence.word_weight"):
        assert len(after[name]) == rows
        assert torch.equal(after[name][:4], before[name])
    assert torch.equal(after["evidence.bias"][4:], torch.full((rows - 4,), RARE))


def test_weights_of_another_shape_are_refused(tmp_path: Path, model: ModelChoice) -> None:
    first = train(SQUARES, replace(SETTINGS, steps=1), tmp_path / "one", model=model, device="cpu")
    wide = tmp_path / "wide.json"
    wide.write_text(json.dumps(small_config().as_dict() | {"fusion_channels": 16}))
    with pytest.raises(WeightsError, match=r"fusion.*do not fit|do not fit.*fusion"):
        train(SQUARES, SETTINGS, tmp_path / "two", model=ModelChoice(str(wide), first.model), device="cpu")
    with pytest.raises(UsageError, match="no model"):
        train(SQUARES, SETTINGS, tmp_path / "three", model=ModelChoice("cmsa-huge"), device="cpu")


def kill_after_a_checkpoint(folder: Path, *arguments: object) -> None:
    """Run the program in its own process until there is a checkpoint, and gives it no time to say goodbye."""
    command = [sys.executable, "-m", "tests.train.program", "train", "-o", str(folder), *map(str, arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while not has_state(folder):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "no checkpoint in two minutes"
        time.sleep(0.02)
    process.kill()
    process.communicate()


def terminate_after(step: int, folder: Path) -> None:
    """Send this process a plain kill as soon as a step is saved."""
    deadline = time.monotonic() + 60
    while max(path.name for path in (folder / CHECKPOINTS).glob("step-*")) < f"step-{step:09d}":
        if time.monotonic() > deadline:
            return
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_killed_run_loses_the_steps_since_its_checkpoint_alone(
    tmp_path: Path, model: ModelChoice, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    options = ("--dataset", "squares", "-m", model.model, "--device", "cpu", "--frames", 1, "--sample-every", 0)
    kill_after_a_checkpoint(
        folder, *options, "--steps", 100_000, "--batch", 1, "--checkpoint-every", 2, "--log-every", 1
    )
    saved = load_state(folder).step
    logged = (folder / "log.jsonl").read_text().splitlines()
    assert saved >= 2
    assert saved <= len(logged) <= saved + 3, "the steps since the checkpoint, and one half written"
    stopper = threading.Thread(target=terminate_after, args=(saved + 4, folder), daemon=True)
    stopper.start()
    assert main(["train", "--resume", "-o", str(folder), "--device", "cpu"]) == 130
    stopper.join()
    said = capsys.readouterr()
    assert said.out == ""
    assert f"resuming {folder} after step {saved}" in said.err
    assert said.err.splitlines()[-1] == "refvid: interrupted"
    steps = [json.loads(line)["step"] for line in (folder / "log.jsonl").read_text().splitlines()]
    assert steps == list(range(1, load_state(folder).step + 1)), "saved on the way out, and no step logged twice"
