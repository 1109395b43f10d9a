"""Checkpoints: folders, embedded names and Hub repositories, each a `config.json` and a `model.safetensors`."""

import json
import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from huggingface_hub import constants, errors, snapshot_download
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from refvid.errors import UnavailableError, UsageError, WeightsError
from refvid.files import whole_file, write_whole
from refvid.model.config import ModelConfig
from refvid.model.fast.folding import fold
from refvid.model.interface import ReferringNetwork
from refvid.model.registry import FORMER_NAMES, build_network, read_config

CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
DEFAULT_MODEL = "refvid-tiny"
# Inside a wheel the weights lie in the package, in a checkout beside it.
_EMBEDDED = (Path(__file__).parent / "embedded_weights", Path(__file__).parent.parent / "weights")
# `cached_property` has no lock of its own since Python 3.12. One for all models, as a model with a lock in it could
# be neither copied nor sent to another process.
_folding = threading.Lock()


@dataclass(frozen=True)
class LoadedModel:
    """A network on its device, ready to segment.

    Attributes:
        revision: Commit of the Hub repository it came from; None for local weights.
    """

    name: str
    network: ReferringNetwork
    config: ModelConfig
    device: torch.device
    revision: str | None = None

    @property
    def folded(self) -> ReferringNetwork:
        """The network as it runs fastest; made once, so weights that change afterwards are not seen.

        Several threads may ask for it first, as the stages of a pipeline do.
        """
        with _folding:
            return self._folded

    @cached_property
    def _folded(self) -> ReferringNetwork:
        return fold(self.network)


def embedded_models() -> list[str]:
    """Return the names of the models that come with the program."""
    folders = (folder for root in _EMBEDDED if root.is_dir() for folder in root.iterdir())
    return sorted({folder.name for folder in folders if (folder / CONFIG_FILE).is_file()})


def load_model(
    name_or_path: str | Path = DEFAULT_MODEL, *, device: str = "auto", revision: str | None = None
) -> LoadedModel:
    """Load a model by embedded name, folder, weights file, or Hub id `owner/name`.

    Args:
        name_or_path: An embedded name (`refvid models list`), a checkpoint's folder or file, or a Hub id.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        revision: Branch, tag or commit of a Hub repository.

    Raises:
        UnavailableError: The weights or the device are not to be had.
        UsageError: The name is no name of a model, or a device of this name does not exist.
        WeightsError: The checkpoint is damaged or does not fit its config.
    """
    where = pick_device(device)
    folder, commit = locate_checkpoint(str(name_or_path), revision)
    network, config = read_checkpoint(folder)
    return LoadedModel(config.name, network.to(where).eval(), config, where, commit)


def save_checkpoint(network: ReferringNetwork, config: ModelConfig, folder: Path, *, half: bool = False) -> None:
    """Write a checkpoint folder; each file appears whole or not at all.

    Args:
        network: Whose weights are kept.
        config: Of the network.
        folder: Made if need be.
        half: Keep real numbers in half the bytes, as float16; they are read as float32 again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    if half:
        weights = {name: value.half() if value.is_floating_point() else value for name, value in weights.items()}
    with whole_file(folder / WEIGHTS_FILE) as temporary:
        save_file(weights, temporary)
    write_whole(folder / CONFIG_FILE, json.dumps(config.as_dict(), indent=1) + "\n")


def read_checkpoint(folder: Path) -> tuple[ReferringNetwork, ModelConfig]:
    """Read a checkpoint folder strictly: every parameter there, none too many, every shape right.

    Raises:
        WeightsError: A file is missing or damaged, or config and weights disagree.
    """
    if folder.is_dir() and not (folder / CONFIG_FILE).is_file() and (hint := run_hint(folder)):
        raise WeightsError(f"the folder '{folder}' holds no {CONFIG_FILE}; {hint}")
    config = _read_config(folder / CONFIG_FILE)
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
    """Read the tensors of a checkpoint folder by name; those of real numbers as float32, whatever they are kept in.

    Raises:
        WeightsError: The file is missing or damaged.
    """
    path = folder / WEIGHTS_FILE
    try:
        weights = load_file(path)
    except FileNotFoundError as error:
        raise WeightsError(f"'{folder}' has a {CONFIG_FILE} but no {WEIGHTS_FILE}; a checkpoint needs both") from error
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"'{path}' is damaged ({error}); fetch it again") from error
    return {name: value.float() if value.is_floating_point() else value for name, value in weights.items()}


def _read_config(path: Path) -> ModelConfig:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(values, dict):
            raise ValueError("expected a JSON object")
        return read_config(values)
    except (ValueError, TypeError) as error:
        raise WeightsError(f"'{path}' does not describe a model of this version: {error}") from error


def pick_device(name: str) -> torch.device:
    """Return the device of this name; `auto` takes CUDA, then MPS, then the CPU.

    Raises:
        UnavailableError: The device was asked for by name and is not there.
        UsageError: No device is called so.
    """
    if name == "auto":
        best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device(best)
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"no device is called '{name}'; expected auto, cpu, cuda, cuda:N or mps") from error
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            raise UnavailableError(
                f"the device '{name}' is not there: PyTorch {torch.__version__} sees {count} CUDA "
                "devices; use --device cpu, or --device auto for the best there is"
            )
    elif device.type == "mps" and not torch.backends.mps.is_available():
        raise UnavailableError("the device 'mps' is not there: it needs an Apple GPU; use --device cpu or auto")
    elif device.type not in ("cpu", "mps"):
        raise UsageError(f"the device '{name}' is not one refvid runs on; expected auto, cpu, cuda, cuda:N or mps")
    return device


def locate_checkpoint(name: str, revision: str | None = None) -> tuple[Path, str | None]:
    """Return a checkpoint's folder and, for one from the Hub, its commit; for names as those of `load_model`.

    Raises:
        UnavailableError: There is none, or it cannot be fetched.
        UsageError: The name is no name of a model.
        WeightsError: The folder holds no checkpoint.
    """
    embedded = FORMER_NAMES.get(name, name)
    for root in _EMBEDDED:
        if (root / embedded / CONFIG_FILE).is_file() and "/" not in embedded:
            return root / embedded, None
    path = Path(name).expanduser()
    if path.is_file():
        path = path.parent
    if path.is_dir():
        if not (path / CONFIG_FILE).is_file():
            expected = f"expected a checkpoint: {CONFIG_FILE} and {WEIGHTS_FILE}"
            raise WeightsError(f"the folder '{path}' holds no {CONFIG_FILE}; {run_hint(path) or expected}")
        return path, None
    if name.count("/") == 1 and not name.startswith((".", "/", "~")):
        return _download(name, revision)
    known = ", ".join(embedded_models()) or "none"
    raise UnavailableError(
        f"no model '{name}': it is neither an embedded model ({known}), nor a folder, nor a Hub id "
        "of the form owner/name"
    )


def run_hint(folder: Path) -> str | None:
    """Return what to give instead of the folder of a training run; None of any other folder."""
    inner = folder / "model"
    return f"it is a training run, whose model is '{inner}': give that" if (inner / CONFIG_FILE).is_file() else None


def _download(repository: str, revision: str | None) -> tuple[Path, str | None]:
    """Fetch a checkpoint from the Hub, or from its cache when offline."""
    where = f"'{repository}'" + (f" at revision '{revision}'" if revision else "")
    try:
        folder = Path(snapshot_download(repository, revision=revision, allow_patterns=[CONFIG_FILE, WEIGHTS_FILE]))
    except errors.GatedRepoError as error:
        raise UnavailableError(
            f"the Hub repository {where} is gated: ask for access on its page, then log in with "
            "`hf auth login` or set HF_TOKEN"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise UnavailableError(f"the Hub repository '{repository}' has no revision '{revision}'") from error
    except errors.RepositoryNotFoundError as error:
        raise UnavailableError(
            f"the Hub has no repository {where}, or it is private and you are not logged in"
        ) from error
    except errors.HFValidationError as error:
        raise UsageError(f"'{repository}' is not a Hub id: {error}") from error
    except errors.LocalEntryNotFoundError as error:
        offline = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "there is no connection to the Hub"
        raise UnavailableError(
            f"the model {where} is not in the cache and {offline}; fetch it once online, or pass a folder that holds it"
        ) from error
    except (errors.HfHubHTTPError, errors.OfflineModeIsEnabled, OSError) as error:
        raise UnavailableError(f"the model {where} could not be fetched: {str(error).splitlines()[0]}") from error
    if not (folder / CONFIG_FILE).is_file():
        raise WeightsError(f"the Hub repository {where} holds no {CONFIG_FILE}; it is no checkpoint of refvid")
    return folder, folder.name
