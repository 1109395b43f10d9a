"""Save and load the state of a run: tensors as safetensors, the rest as JSON, written atomically; the last two stay.

RUNDIR/
    run.json                          data, model, settings
    log.jsonl                         one line of scalars every few steps
    checkpoints/step-000001000/       state.safetensors, state.json
    model/                            config.json, model.safetensors: the averaged network, for `refvid segment -m`
"""

import json
import random
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from refvid.errors import WeightsError
from refvid.files import whole_folder

CHECKPOINTS, MODEL_FOLDER = "checkpoints", "model"
_TENSORS, _REST, _SCHEMA = "state.safetensors", "state.json", 1


@dataclass(frozen=True)
class RunState:
    """The state from which a run can be resumed.

    Attributes:
        step: Number of steps done, which is also the number of the next step.
        tensors: Tensors by part ("network", "average", "objective", "optimiser", "random") and name.
        rest: All other state, as JSON values.
    """

    step: int
    tensors: dict[str, dict[str, Tensor]]
    rest: dict[str, Any] = field(default_factory=dict)


def save_state(folder: Path, state: RunState, *, keep: int = 2) -> Path:
    """Write a checkpoint, remove all but the last few, and return the folder of the new one.

    Args:
        folder: Run folder.
        state: State to save; its tensors are copied to the CPU.
        keep: Number of checkpoints to keep.
    """
    home = folder / CHECKPOINTS
    home.mkdir(parents=True, exist_ok=True)
    final = home / f"step-{state.step:09d}"
    flat = {f"{part}:{name}": value for part, values in state.tensors.items() for name, value in values.items()}
    rest = {"schema": _SCHEMA, "step": state.step, **state.rest}
    with whole_folder(final) as temporary:
        save_file({name: _plain(value) for name, value in flat.items()}, temporary / _TENSORS)
        (temporary / _REST).write_text(json.dumps(rest) + "\n", encoding="utf-8")
    for old in _steps_on_disk(folder)[:-keep]:
        shutil.rmtree(old)
    return final


def load_state(folder: Path) -> RunState:
    """Return the state in the last undamaged checkpoint of a run.

    Raises:
        WeightsError: There is no such checkpoint.
    """
    found = _steps_on_disk(folder)
    damage = ""
    for path in reversed(found):
        try:
            return _read(path)
        except (SafetensorError, OSError, ValueError, KeyError) as error:
            damage = f"; '{path}' is damaged ({' '.join(str(error).split())})"
    raise WeightsError(f"'{folder}' contains no checkpoint to resume from{damage}; begin a new run")


def has_state(folder: Path) -> bool:
    """Return whether a run has a checkpoint."""
    return bool(_steps_on_disk(folder))


def _read(path: Path) -> RunState:
    rest = json.loads((path / _REST).read_text(encoding="utf-8"))
    if rest.pop("schema") != _SCHEMA:
        raise ValueError("it was written by another version of refvid")
    tensors: dict[str, dict[str, Tensor]] = {}
    for name, value in load_file(path / _TENSORS).items():
        part, _, inner = name.partition(":")
        tensors.setdefault(part, {})[inner] = value
    return RunState(int(rest.pop("step")), tensors, rest)


def _steps_on_disk(folder: Path) -> list[Path]:
    return sorted((folder / CHECKPOINTS).glob("step-*"))


def _plain(value: Tensor) -> Tensor:
    return value.detach().cpu().contiguous().clone()


def random_state(device: torch.device) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the states of the random generators of torch, numpy and Python, as tensors and JSON values."""
    tensors = {"torch": torch.get_rng_state()}
    if device.type == "cuda":
        tensors["cuda"] = torch.cuda.get_rng_state(device)
    kind, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    version, numbers, spare = random.getstate()
    rest = {
        "numpy": [kind, np.asarray(keys).tolist(), position, has_gauss, gauss],
        "python": [version, list(numbers), spare],
    }
    return tensors, rest


def restore_random_state(tensors: dict[str, Tensor], rest: dict[str, Any], device: torch.device) -> None:
    """Restore the states that `random_state` returned."""
    torch.set_rng_state(tensors["torch"])
    if device.type == "cuda" and "cuda" in tensors:
        torch.cuda.set_rng_state(tensors["cuda"], device)
    kind, keys, position, has_gauss, gauss = rest["numpy"]
    np.random.set_state((kind, np.array(keys, dtype=np.uint32), position, has_gauss, gauss))
    version, numbers, spare = rest["python"]
    random.setstate((version, tuple(numbers), spare))
