"""Load the initial weights of BERT, and its word pieces, from the Hub or a folder."""

from pathlib import Path

import torch
from huggingface_hub import errors, hf_hub_download
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from refvid.errors import UnavailableError, UsageError, WeightsError
from refvid.model.interface import ReferringNetwork
from refvid.model.layers.bert import FIRST_PIECE, LAST_PIECE, PAD_PIECE, UNKNOWN_PIECE, BertSentence

DEFAULT_BERT = "google-bert/bert-base-uncased"
_WEIGHTS, _PIECES = "model.safetensors", "vocab.txt"
_PREFIX = "bert."  # prefix of the names of a BERT that was saved with its pre-training heads
_HEADS = ("cls.", "pooler.")  # prefixes of these heads and of the pooling layer before them
_COUNTER = "embeddings.position_ids"  # a buffer of 0, 1, 2 ... in files of older releases
_TABLE = "embeddings.word_embeddings.weight"
_OLDER = {"gamma": "weight", "beta": "bias"}  # names of LayerNorm parameters in the first release -> today's


def read_pieces(where: str) -> tuple[str, ...]:
    """Return BERT's word pieces in the order of their ids, the vocabulary of a config with `language` "bert".

    Args:
        where: A Hub id `owner/name`, or a folder, that has a `vocab.txt` with one piece per line.

    Raises:
        UsageError: The name is neither a folder nor a Hub id.
        UnavailableError: The Hub cannot be reached or has no such repository.
        WeightsError: The file is damaged or does not belong to a BERT.
    """
    path = _find(where, _PIECES)
    try:
        pieces = tuple(path.read_bytes().decode("utf-8").rstrip("\n").split("\n"))
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsError(f"'{path}' cannot be read as a list of word pieces ({error}); download it again") from error
    pieces = tuple(piece.rstrip("\r") for piece in pieces)
    if pieces[0] != PAD_PIECE or {UNKNOWN_PIECE, FIRST_PIECE, LAST_PIECE} - set(pieces):
        raise WeightsError(
            f"'{path}' does not contain the word pieces of a BERT; expected {PAD_PIECE} first, and {UNKNOWN_PIECE}, "
            f"{FIRST_PIECE} and {LAST_PIECE}"
        )
    if len(set(pieces)) != len(pieces):
        raise WeightsError(f"'{path}' lists a word piece twice; download it again")
    return pieces


def load_bert(network: ReferringNetwork, where: str) -> None:
    """Load trained weights into the BERT of a network.

    Args:
        network: Network with a BERT of the same sizes, whose vocabulary `read_pieces` has read from the same place.
        where: A Hub id `owner/name`, or a folder, that has a `model.safetensors`, as `transformers` saves a `BertModel`
            with or without its pre-training heads.

    Raises:
        UsageError: The network has no BERT, or the name is neither a folder nor a Hub id.
        UnavailableError: The Hub cannot be reached or has no such repository.
        WeightsError: The file is damaged or does not belong to a BERT of these sizes.
    """
    if not isinstance(network.embedding, BertSentence):
        raise UsageError(f"this model has no BERT to load the weights '{where}' into; choose language 'bert'")
    path = _find(where, _WEIGHTS)
    try:
        weights = load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"'{path}' is damaged ({error}); download it again") from error
    expected: dict[str, Tensor] = network.embedding.bert.state_dict()
    mapped = map_bert_weights(weights, {name: value.shape for name, value in expected.items()}, where)
    network.embedding.bert.load_state_dict(mapped)


def map_bert_weights(weights: dict[str, Tensor], shapes: dict[str, torch.Size], where: str) -> dict[str, Tensor]:
    """Return a BERT's weights under the names of a bare `BertModel` of `transformers`, without those of its heads.

    Args:
        weights: Tensors by their names in the file.
        shapes: Expected shapes by their new names.
        where: Place of the weights, for messages.

    Raises:
        WeightsError: A parameter is missing, unknown or of another shape.
    """
    mapped = {}
    for given, value in weights.items():
        name = given.removeprefix(_PREFIX)
        if name.startswith(_HEADS) or name == _COUNTER:
            continue
        layer, _, kind = name.rpartition(".")
        mapped[f"{layer}.{_OLDER.get(kind, kind)}"] = value.float() if value.is_floating_point() else value
    missing, unknown = sorted(set(shapes) - set(mapped)), sorted(set(mapped) - set(shapes))
    if missing or unknown:
        what = f"{len(missing)} parameters are missing ({', '.join(missing[:3])})" if missing else ""
        more = f"{len(unknown)} are unknown ({', '.join(unknown[:3])})" if unknown else ""
        reasons = " and ".join(part for part in (what, more) if part)
        raise WeightsError(f"'{where}' is not a BERT of {_layers(shapes)} layers: {reasons}")
    if len(mapped[_TABLE]) != shapes[_TABLE][0]:
        raise WeightsError(
            f"the BERT '{where}' has {len(mapped[_TABLE])} word pieces, but the model has {shapes[_TABLE][0]}; its "
            f"vocabulary must be the {_PIECES} that belongs to the weights"
        )
    for name, value in mapped.items():
        if value.shape != shapes[name]:
            raise WeightsError(
                f"'{where}' is a BERT of other sizes: {name} has the shape {tuple(value.shape)}; expected "
                f"{tuple(shapes[name])}"
            )
    return mapped


def _layers(shapes: dict[str, torch.Size]) -> int:
    return len({name.split(".")[2] for name in shapes if name.startswith("encoder.layer.")})


def _find(where: str, file: str) -> Path:
    """Return the path of a file of a BERT, in its folder or downloaded from the Hub."""
    folder = Path(where).expanduser()
    if folder.is_dir():
        if not (folder / file).is_file():
            raise WeightsError(f"the folder '{where}' contains no {file}; expected a BERT: {_WEIGHTS} and {_PIECES}")
        return folder / file
    if where.count("/") != 1 or where.startswith((".", "/", "~")):
        raise UsageError(f"there is no folder '{where}' with BERT's weights; give a folder or a Hub id owner/name")
    try:
        return Path(hf_hub_download(where, file))
    except errors.LocalEntryNotFoundError as error:
        raise UnavailableError(
            f"{file} of the BERT '{where}' is not in the cache and there is no connection to the Hub; download it once "
            f"online, or give a folder that contains {_WEIGHTS} and {_PIECES}"
        ) from error
    except (errors.HfHubHTTPError, errors.HFValidationError, OSError) as error:
        raise UnavailableError(
            f"{file} of the BERT '{where}' could not be downloaded: {str(error).splitlines()[0]}"
        ) from error
