"""Read and write checkpoints, which consist of a `config.json` and a `model.safetensors`.

A checkpoint is found by the name of an embedded model, by its folder or file, or by the id of a Hub repository.
"""

import json
import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from huggingface_hub import constants, errors, snapshot_download
from safetensors import SafetensorError
from safetensors.torch import load, load_file, save_file

from refvid import embedded
from refvid.closest import did_you_mean
from refvid.embedded import EMBEDDED_FOLDERS, embedded_folder, embedded_models
from refvid.errors import UnavailableError, UsageError, WeightsError
from refvid.files import whole_file, write_whole
from refvid.model.config import ModelConfig
from refvid.model.fast.folding import fold
from refvid.model.interface import ReferringNetwork
from refvid.model.registry import CONFIGS, FORMER_NAMES, build_network, read_config

CONFIG_FILE, WEIGHTS_FILE, DEFAULT_MODEL = embedded.CONFIG_FILE, embedded.WEIGHTS_FILE, embedded.DEFAULT_MODEL
_EXPECTED = f"expected a checkpoint: {CONFIG_FILE} and {WEIGHTS_FILE}"
# `cached_property` has no lock of its own since Python 3.12. All models share this one, because a model that contains a
# lock could be neither copied nor sent to another process.
_folding = threading.Lock()


@dataclass(frozen=True)
class LoadedModel:
    """A network on its device, ready to segment.

    Attributes:
        name: Name of the model; for one trained further from another, its folder or Hub id.
        network: The network, in evaluation mode.
        config: Config of the network.
        device: Device of the network.
        revision: Commit of the Hub repository it came from; None for local weights.
    """

    name: str
    network: ReferringNetwork
    config: ModelConfig
    device: torch.device
    revision: str | None = None

    @property
    def folded(self) -> ReferringNetwork:
        """The network in its fastest form, computed once: later changes to the weights have no effect on it.

        Several threads may ask for it at the same time, as the stages of a pipeline do.
        """
        with _folding:
            return self._folded

    @cached_property
    def _folded(self) -> ReferringNetwork:
        return fold(self.network)


def load_model(
    name_or_path: str | Path = DEFAULT_MODEL, *, device: str = "auto", revision: str | None = None
) -> LoadedModel:
    """Load a model by embedded name, folder, weights file, or Hub id `owner/name`.

    Args:
        name_or_path: An embedded name (`refvid models list`), a checkpoint's folder or file, or a Hub id.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        revision: Branch, tag or commit of a Hub repository.

    Raises:
        UnavailableError: The weights or the device are not available.
        UsageError: The Hub id or the name of the device is invalid.
        WeightsError: The checkpoint is damaged or does not fit its config.
    """
    where = pick_device(device)
    folder, commit = locate_checkpoint(str(name_or_path), revision)
    network, config = read_checkpoint(folder)
    name = _own_name(config, folder, str(name_or_path))
    return LoadedModel(name, network.to(where).eval(), config, where, commit)


def _own_name(config: ModelConfig, folder: Path, asked: str) -> str:
    """Return the name of a loaded model: that of its config, or what was asked for if another model owns that name.

    The config of a model that was trained further, or from scratch by the name of its architecture, still has the name
    of the model that it began as.
    """
    taken = config.name in CONFIGS or config.name in embedded_models()
    if not taken or folder.parent in EMBEDDED_FOLDERS:
        return config.name
    return str(folder) if Path(asked).expanduser().is_file() else asked


def save_checkpoint(network: ReferringNetwork, config: ModelConfig, folder: Path, *, half: bool = False) -> None:
    """Write a checkpoint folder, each of its files atomically.

    Args:
        network: Network whose weights are saved.
        config: Config of the network.
        folder: Folder to write; created if necessary.
        half: Whether to store floating-point weights as float16; they are read as float32 again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    if half:
        weights = {name: value.half() if value.is_floating_point() else value for name, value in weights.items()}
    with whole_file(folder / WEIGHTS_FILE) as temporary:
        save_file(weights, temporary)
    write_whole(folder / CONFIG_FILE, json.dumps(config.as_dict(), indent=1) + "\n")


def read_checkpoint(folder: Path) -> tuple[ReferringNetwork, ModelConfig]:
    """Read a checkpoint folder strictly: no parameter may be missing, unknown or of the wrong shape.

    Raises:
        WeightsError: A file is missing or damaged, or config and weights disagree.
    """
    config = read_checkpoint_config(folder)
    weights = read_weights(folder)
    network = build_network(config)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise WeightsError(
            f"the weights in '{folder / WEIGHTS_FILE}' do not fit its {CONFIG_FILE}: {reason[:400]}"
        ) from error
    return network, config


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a checkpoint folder by name, with floating-point tensors converted to float32.

    Raises:
        WeightsError: The file is missing or damaged.
    """
    path = folder / WEIGHTS_FILE
    try:
        # safetensors opens only names that are valid UTF-8.
        weights = load_file(path) if _is_utf8(path) else load(path.read_bytes())
    except FileNotFoundError as error:
        raise WeightsError(f"'{folder}' has a {CONFIG_FILE} but no {WEIGHTS_FILE}; a checkpoint needs both") from error
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"'{path}' is damaged ({error}); download it again") from error
    return {name: value.float() if value.is_floating_point() else value for name, value in weights.items()}


def _is_utf8(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def read_checkpoint_config(folder: Path) -> ModelConfig:
    """Return the config of a checkpoint folder.

    Raises:
        WeightsError: The file is missing, or does not describe a model of this version.
    """
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise WeightsError(f"the folder '{folder}' contains no {CONFIG_FILE}; {run_hint(folder) or _EXPECTED}")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(values, dict):
            raise ValueError("expected a JSON object")
        return read_config(values)
    except (ValueError, TypeError) as error:
        raise WeightsError(f"'{path}' does not describe a model of this version: {error}") from error


def pick_device(name: str) -> torch.device:
    """Return the device of a name; `auto` prefers CUDA, then MPS, then the CPU.

    Raises:
        UnavailableError: The device was given by name but is not available.
        UsageError: There is no device of this name.
    """
    if name == "auto":
        best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device(best)
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"unknown device '{name}'; expected auto, cpu, cuda, cuda:N or mps") from error
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            raise UnavailableError(
                f"the device '{name}' is not available: PyTorch {torch.__version__} finds {count} CUDA "
                "devices; use --device cpu, or --device auto for the best available one"
            )
    elif device.type == "mps" and not torch.backends.mps.is_available():
        raise UnavailableError("the device 'mps' is not available: it needs an Apple GPU; use --device cpu or auto")
    elif device.type not in ("cpu", "mps"):
        raise UsageError(f"refvid does not run on the device '{name}'; expected auto, cpu, cuda, cuda:N or mps")
    return device


def locate_checkpoint(name: str, revision: str | None = None) -> tuple[Path, str | None]:
    """Return the folder of a checkpoint and, for one from the Hub, its commit.

    Args:
        name: An embedded name, a checkpoint's folder or file, or a Hub id.
        revision: Branch, tag or commit of a Hub repository.

    Raises:
        UnavailableError: There is no such checkpoint, or it cannot be downloaded.
        UsageError: The Hub id is invalid.
        WeightsError: The folder contains no checkpoint.
    """
    if (folder := embedded_folder(FORMER_NAMES.get(name, name))) is not None:
        return folder, None
    path = Path(name).expanduser()
    if path.is_file():
        path = path.parent
    if path.is_dir():
        if not (path / CONFIG_FILE).is_file():
            raise WeightsError(f"the folder '{path}' contains no {CONFIG_FILE}; {run_hint(path) or _EXPECTED}")
        return path, None
    if name.count("/") == 1 and not name.startswith((".", "/", "~")):
        return _download(name, revision)
    known = ", ".join(embedded_models()) or "none"
    raise UnavailableError(
        f"no model '{name}'{did_you_mean(name, embedded_models())}: it is neither an embedded model ({known}), nor a "
        "folder, nor a Hub id of the form owner/name"
    )


def run_hint(folder: Path) -> str | None:
    """Return a hint at the model inside the folder of a training run; None for any other folder."""
    inner = folder / "model"
    return f"it is a training run, whose model is '{inner}'; give that" if (inner / CONFIG_FILE).is_file() else None


def _download(repository: str, revision: str | None) -> tuple[Path, str | None]:
    """Download a checkpoint from the Hub, or find it in the cache when offline."""
    where = f"'{repository}'" + (f" at revision '{revision}'" if revision else "")
    try:
        folder = Path(snapshot_download(repository, revision=revision, allow_patterns=[CONFIG_FILE, WEIGHTS_FILE]))
    except errors.GatedRepoError as error:
        raise UnavailableError(
            f"the Hub repository {where} is gated: request access on its page, then log in with "
            "`hf auth login` or set HF_TOKEN"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise UnavailableError(f"the Hub repository '{repository}' has no revision '{revision}'") from error
    except errors.RepositoryNotFoundError as error:
        raise UnavailableError(
            f"the Hub has no repository {where}, or it is private and you are not logged in"
        ) from error
    except errors.HFValidationError as error:
        raise UsageError(f"'{repository}' is not a valid Hub id: {error}") from error
    except errors.LocalEntryNotFoundError as error:
        offline = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "there is no connection to the Hub"
        raise UnavailableError(
            f"the model {where} is not in the cache and {offline}; download it once online, or give a folder that "
            "contains it"
        ) from error
    except (errors.HfHubHTTPError, errors.OfflineModeIsEnabled, OSError) as error:
        raise UnavailableError(f"the model {where} could not be downloaded: {str(error).splitlines()[0]}") from error
    if not (folder / CONFIG_FILE).is_file():
        raise WeightsError(f"the Hub repository {where} contains no {CONFIG_FILE}, so it is not a refvid checkpoint")
    return folder, folder.name
