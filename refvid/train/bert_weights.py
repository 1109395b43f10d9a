"""First weights of BERT, and its word pieces, from the Hub or a folder."""

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
_PREFIX = "bert."  # before the names of a BERT that was saved with the heads of its pre-training
_HEADS = ("cls.", "pooler.")  # those heads, and the layer between
_COUNTER = "embeddings.position_ids"  # 0, 1, 2 ... in files of older releases
_TABLE = "embeddings.word_embeddings.weight"
_OLDER = {"gamma": "weight", "beta": "bias"}  # what the first release called the parameters of a LayerNorm


def read_pieces(where: str) -> tuple[str, ...]:
    """Reads BERT's word pieces in the order of their ids: the vocabulary of a config of language "bert".

    Args:
        where: A Hub id `owner/name`, or a folder, with `vocab.txt`, one piece a line.

    Raises:
        UsageError: The name is neither a folder nor a Hub id.
        UnavailableError: The Hub cannot be reached, or has no such repository.
        WeightsError: The file is damaged, or is not of a BERT.
    """
    path = _find(where, _PIECES)
    try:
        pieces = tuple(path.read_bytes().decode("utf-8").rstrip("\n").split("\n"))
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsError(f"'{path}' cannot be read as a list of word pieces ({error}); fetch it again") from error
    pieces = tuple(piece.rstrip("\r") for piece in pieces)
    if pieces[0] != PAD_PIECE or {UNKNOWN_PIECE, FIRST_PIECE, LAST_PIECE} - set(pieces):
        raise WeightsError(
            f"'{path}' holds no word pieces of a BERT; expected {PAD_PIECE} first, and {UNKNOWN_PIECE}, {FIRST_PIECE} "
            f"and {LAST_PIECE}"
        )
    if len(set(pieces)) != len(pieces):
        raise WeightsError(f"'{path}' names a word piece twice; fetch it again")
    return pieces


def load_bert(network: ReferringNetwork, where: str) -> None:
    """Puts trained weights into the BERT of a network.

    Args:
        network: That reads with a BERT of the sizes of the weights, by the pieces that `read_pieces` gives of the same
            place.
        where: A Hub id `owner/name`, or a folder, with `model.safetensors`, as `transformers` saves a `BertModel` or
            one with the heads of its pre-training.

    Raises:
        UsageError: The network has no BERT, or the name is neither a folder nor a Hub id.
        UnavailableError: The Hub cannot be reached, or has no such repository.
        WeightsError: The file is damaged, or is not of a BERT of these sizes.
    """
    if not isinstance(network.embedding, BertSentence):
        raise UsageError(f"there is no BERT in this model to put the weights '{where}' into; choose language 'bert'")
    path = _find(where, _WEIGHTS)
    try:
        weights = load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"'{path}' is damaged ({error}); fetch it again") from error
    expected: dict[str, Tensor] = network.embedding.bert.state_dict()
    mapped = map_bert_weights(weights, {name: value.shape for name, value in expected.items()}, where)
    network.embedding.bert.load_state_dict(mapped)


def map_bert_weights(weights: dict[str, Tensor], shapes: dict[str, torch.Size], where: str) -> dict[str, Tensor]:
    """Renames a BERT's weights as `transformers` calls them in a bare BertModel, and drops those of its heads.

    Args:
        weights: By the names of the file.
        shapes: Those that are expected, by their new names.
        where: Named in errors.

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
            f"the BERT '{where}' has {len(mapped[_TABLE])} word pieces, the model has {shapes[_TABLE][0]}; its "
            f"vocabulary must be the {_PIECES} that belongs to the weights"
        )
    for name, value in mapped.items():
        if value.shape != shapes[name]:
            raise WeightsError(
                f"'{where}' is a BERT of other sizes: {name} has the shape {tuple(value.shape)}, expected "
                f"{tuple(shapes[name])}"
            )
    return mapped


def _layers(shapes: dict[str, torch.Size]) -> int:
    return len({name.split(".")[2] for name in shapes if name.startswith("encoder.layer.")})


def _find(where: str, file: str) -> Path:
    """Returns the path of a file of a BERT."""
    folder = Path(where).expanduser()
    if folder.is_dir():
        if not (folder / file).is_file():
            raise WeightsError(f"the folder '{where}' holds no {file}; expected a BERT: {_WEIGHTS} and {_PIECES}")
        return folder / file
    if where.count("/") != 1 or where.startswith((".", "/", "~")):
        raise UsageError(f"there is no folder '{where}' of BERT's weights; give one, or a Hub id owner/name")
    try:
        return Path(hf_hub_download(where, file))
    except errors.LocalEntryNotFoundError as error:
        raise UnavailableError(
            f"{file} of the BERT '{where}' is not in the cache and there is no connection to the Hub; fetch it once "
            f"online, or give a folder that holds {_WEIGHTS} and {_PIECES}"
        ) from error
    except (errors.HfHubHTTPError, errors.HFValidationError, OSError) as error:
        raise UnavailableError(
            f"{file} of the BERT '{where}' could not be fetched: {str(error).splitlines()[0]}"
        ) from error
