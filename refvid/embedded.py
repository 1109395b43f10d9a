"""The models that come with refvid: where their folders are, how large they are, and what each is good for.

This module imports no torch, so that `refvid models list` answers at once.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
DEFAULT_MODEL = "refvid-small"
# The weights lie inside the package in a wheel, and beside it in a checkout.
EMBEDDED_FOLDERS = (Path(__file__).parent / "embedded_weights", Path(__file__).parent.parent / "weights")
_SUMMARIES = {
    "refvid-small": "real footage: people, animals and common objects; reads 25,000 words",
    "refvid-tiny": "drawn scenes, and what only motion tells apart; reads 299 words",
    "cmsa-tiny": "CMSA + CFSA with nothing of our own, to compare with",
    "refvos-tiny": "RefVOS, to compare with; sees single frames and is the fastest",
    "hinet-tiny": 'HINet, to compare with; optical flow, needs pip install "refvid[flow]"',
    "acga-tiny": "ACGA, to compare with; its masks are never empty",
}


@dataclass(frozen=True)
class EmbeddedModel:
    """A model that comes with refvid.

    Attributes:
        name: Name for `--model`.
        parameters: Number of values in its weights.
        bytes: Size of its files.
        summary: What it is good for.
    """

    name: str
    parameters: int
    bytes: int
    summary: str


def embedded_models() -> list[str]:
    """Return the names of the models that come with refvid."""
    folders = (folder for root in EMBEDDED_FOLDERS if root.is_dir() for folder in root.iterdir())
    return sorted({folder.name for folder in folders if (folder / CONFIG_FILE).is_file()})


def embedded_folder(name: str) -> Path | None:
    """Return the folder of an embedded model; None if there is none of this name."""
    folders = (root / name for root in EMBEDDED_FOLDERS if name == Path(name).name)
    return next((folder for folder in folders if (folder / CONFIG_FILE).is_file()), None)


def describe_embedded() -> list[EmbeddedModel]:
    """Return the models that come with refvid, the default model first."""
    described = []
    for name in sorted(embedded_models(), key=lambda name: (name != DEFAULT_MODEL, name)):
        folder = embedded_folder(name)
        if folder is not None:
            size = sum((folder / file).stat().st_size for file in (CONFIG_FILE, WEIGHTS_FILE))
            described.append(EmbeddedModel(name, _parameters(folder / WEIGHTS_FILE), size, _SUMMARIES.get(name, "")))
    return described


def _parameters(path: Path) -> int:
    """Return the number of values in a safetensors file, of which only the header is read.

    The file begins with the length of the header, 8 bytes little-endian, and the header, a JSON object with the shape
    of each tensor (https://huggingface.co/docs/safetensors).
    """
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return sum(math.prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")
