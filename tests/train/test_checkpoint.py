"""Checkpoints are whole or absent, the last two stay, and nothing in them is unpickled."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from refvid.errors import WeightsError
from refvid.train.checkpoint import (
    CHECKPOINTS,
    RunState,
    has_state,
    load_state,
    random_state,
    restore_random_state,
    save_state,
)

CPU = torch.device("cpu")


def state_of(step: int) -> RunState:
    tensors = {
        "network": {"a.weight": torch.full((2, 3), float(step)), "a.count": torch.tensor(step)},
        "optimiser": {"a.weight/exp_avg": torch.rand(2, 3).to(memory_format=torch.contiguous_format)},
    }
    return RunState(step, tensors, {"bad_steps": 1})


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    state = state_of(7)
    assert not has_state(tmp_path)
    save_state(tmp_path, state)
    assert has_state(tmp_path)
    loaded = load_state(tmp_path)
    assert (loaded.step, loaded.rest) == (7, {"bad_steps": 1})
    assert loaded.tensors.keys() == state.tensors.keys()
    for part, values in state.tensors.items():
        for name, value in values.items():
            assert torch.equal(loaded.tensors[part][name], value)
            assert loaded.tensors[part][name].dtype == value.dtype


def test_the_last_two_are_kept_and_nothing_else(tmp_path: Path) -> None:
    for step in (1, 2, 10, 10):
        save_state(tmp_path, state_of(step))
    assert sorted(path.name for path in (tmp_path / CHECKPOINTS).iterdir()) == ["step-000000002", "step-000000010"]
    files = sorted(path.name for path in (tmp_path / CHECKPOINTS / "step-000000010").iterdir())
    assert files == ["state.json", "state.safetensors"]
    json.loads((tmp_path / CHECKPOINTS / "step-000000010" / "state.json").read_text())


def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path: Path) -> None:
    save_state(tmp_path, state_of(1))
    last = save_state(tmp_path, state_of(2))
    (last / "state.safetensors").write_bytes(b"cut off")
    assert load_state(tmp_path).step == 1
    (tmp_path / CHECKPOINTS / "step-000000001" / "state.json").unlink()
    with pytest.raises(WeightsError, match="no checkpoint to resume from"):
        load_state(tmp_path)


def test_a_write_that_was_cut_off_is_no_checkpoint(tmp_path: Path) -> None:
    save_state(tmp_path, state_of(1))
    partial = tmp_path / CHECKPOINTS / ".step-000000002.part"
    partial.mkdir()
    (partial / "state.safetensors").write_bytes(b"")
    assert load_state(tmp_path).step == 1
    save_state(tmp_path, state_of(2))
    assert load_state(tmp_path).step == 2


def test_generators_go_on_where_they_were() -> None:
    random.random(), np.random.normal(), torch.rand(1)
    tensors, rest = random_state(CPU)
    rest = json.loads(json.dumps(rest))
    expected = random.random(), random.gauss(0, 1), np.random.normal(), torch.rand(1)
    restore_random_state(tensors, rest, CPU)
    assert (random.random(), random.gauss(0, 1), np.random.normal(), torch.rand(1)) == expected
