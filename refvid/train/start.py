"""The network at the start of a training run: its config, and its random or given weights."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from refvid.closest import did_you_mean
from refvid.errors import UsageError, WeightsError
from refvid.model.config import PRETRAINED, ModelConfig
from refvid.model.interface import ReferringNetwork
from refvid.model.layers.language import FIRST_WORD_ID
from refvid.model.layers.vector_embedding import VectorEmbedding
from refvid.model.layers.word_vectors import WordVectorTable, load_table
from refvid.model.refvos.config import RefvosConfig
from refvid.model.registry import CONFIGS, FORMER_NAMES, build_network, read_config
from refvid.train.backbone_weights import DEFAULT_BACKBONE, load_backbone
from refvid.train.bert_weights import DEFAULT_BERT, load_bert, read_pieces
from refvid.weights import CONFIG_FILE, locate_checkpoint, read_checkpoint, read_checkpoint_config, run_hint

RANDOM = "none"
DEFAULT_TRAINED = "refvid-tiny"  # needs neither pretrained weights nor a table of words
# Parts that the weights to start from may lack: a network trained on pictures can be trained further on clips, one with
# logits of stride 4 with finer ones, and one made before words told the classifier's opinion with these parts.
_MAY_BE_NEW = ("cross_frame.", "bilateral.", "evidence.reliance.", "evidence.opinion.", "evidence.told.")
# Last parts of the names of weights that have one row for each word.
_BY_WORD = ("table.weight", "evidence.table", "evidence.bias", "evidence.word_weight")


@dataclass(frozen=True)
class ModelChoice:
    """The model that is to be trained, and the weights to start from.

    Attributes:
        model: Name in `CONFIGS`, config.json, or checkpoint folder with a config; None for the config of `start`, or
            else of the model that ships.
        start: Embedded name, folder, file or Hub id of the checkpoint with the weights to start from.
        backbone_weights: Weights of the trunk, as for `load_backbone`; "none" for random weights, None for the trunk's
            default.
        language_weights: For a network with BERT, its weights, as for `load_bert`; None for the default. For a network
            with word vectors, the path of their table, which is required.
    """

    model: str | None = None
    start: Path | str | None = None
    backbone_weights: str | None = None
    language_weights: str | None = None


def choose_config(choice: ModelChoice) -> ModelConfig:
    """Return the chosen config, which has no vocabulary yet if the model is chosen by its name.

    Raises:
        UnavailableError: There is no checkpoint to start from.
        UsageError: There is no such model.
        WeightsError: The file does not describe a model.
    """
    if choice.model is None and choice.start is not None:
        return read_checkpoint_config(locate_checkpoint(str(choice.start))[0])
    name = choice.model or DEFAULT_TRAINED
    name = FORMER_NAMES.get(name, name)
    if name in CONFIGS:
        return CONFIGS[name](())
    path = Path(name).expanduser()
    if path.is_dir() and not (path / CONFIG_FILE).is_file() and (hint := run_hint(path)):
        raise UsageError(f"the folder '{path}' holds no {CONFIG_FILE}; {hint}")
    path = path / CONFIG_FILE if path.is_dir() else path
    if not path.is_file():
        raise UsageError(
            f"there is no model '{name}' to train{did_you_mean(name, CONFIGS)}; expected {', '.join(CONFIGS)}, a "
            "config.json or a checkpoint folder"
        )
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return read_config({"name": path.stem, "vocabulary": []} | values)
    except (ValueError, TypeError) as error:
        raise WeightsError(f"'{path}' does not describe a model of this version: {error}") from error


def begin(choice: ModelChoice, config: ModelConfig, words: tuple[str, ...]) -> tuple[ReferringNetwork, ModelConfig]:
    """Build the network with its initial weights; random ones come from PyTorch's global generator.

    Args:
        choice: Chosen model and weights.
        config: Config from `choose_config`.
        words: Words of the data. Those missing from the config or checkpoint are appended to its vocabulary, unless the
            network reads word pieces or word vectors, whose table `language_weights` may replace by a larger one.

    Returns:
        The network, and its config with the final vocabulary.

    Raises:
        UsageError: The chosen weights do not fit the model.
        WeightsError: A checkpoint is damaged, or its weights do not fit the config.
        UnavailableError: The weights of the trunk cannot be fetched.
    """
    language = choice.language_weights
    larger_table = choice.start is not None and config.vector_channels > 0
    if language is not None and (
        not _takes_language_weights(config) or (choice.start is not None and not larger_table)
    ):
        raise UsageError(
            "--language-weights are for a new model that reads with BERT or with word vectors; leave them out"
        )
    if choice.backbone_weights is not None and choice.start is not None:
        raise UsageError("--backbone-weights and --start both give weights of the trunk; leave one of them out")
    if choice.start is not None:
        return _go_on(choice.start, config, words, language)
    if config.vector_channels:
        network, config = _read_vectors(config, language, words)
    elif _reads_pieces(config):
        config = config.replace(vocabulary=read_pieces(language or DEFAULT_BERT), training={})
        network = build_network(config)
        load_bert(network, language or DEFAULT_BERT)
    else:
        config = config.replace(vocabulary=_joined(config.vocabulary, words), training={})
        network = build_network(config)
    if (trunk := choice.backbone_weights or _usual_trunk(config)) != RANDOM:
        load_backbone(network.backbone, trunk)
    return network, config


def _reads_pieces(config: ModelConfig) -> bool:
    return isinstance(config, RefvosConfig) and config.language == "bert"


def _takes_language_weights(config: ModelConfig) -> bool:
    return _reads_pieces(config) or config.vector_channels > 0


def _usual_trunk(config: ModelConfig) -> str:
    """Return the default weights of a trunk, or "none" if it starts from random ones."""
    if config.backbone in PRETRAINED:
        return config.backbone
    return DEFAULT_BACKBONE if config.backbone == "resnet101" else RANDOM


def _read_vectors(
    config: ModelConfig, where: str | None, words: tuple[str, ...]
) -> tuple[ReferringNetwork, ModelConfig]:
    """Build a network with the words of a table of word vectors.

    Args:
        config: Config with `vector_channels`.
        where: Path of the table, from --language-weights.
        words: Words of the data; those in the table get a learnt row of their own.
    """
    if where is None:
        raise UsageError(
            f"the model '{config.name}' reads words by their vectors; give a table of them with --language-weights, "
            "which `python -m refvid.train.word_table --out table.safetensors` makes"
        )
    known, table = load_table(Path(where).expanduser())
    config = config.replace(**_described(known, table, sorted(set(words) & set(known))), training={})
    network = build_network(config)
    for part in _word_embeddings(network):
        part.vectors.load_state_dict(table.state_dict())
    return network, config


def _described(known: tuple[str, ...], table: WordVectorTable, taught: Sequence[str]) -> dict[str, Any]:
    """Return the settings of a config that follow from a table of word vectors and the words of the data."""
    return {
        "vocabulary": known,
        "vector_channels": table.channels,
        "class_entries": len(table.class_indices),
        "taught_words": tuple(taught),
    }


def _word_embeddings(network: ReferringNetwork) -> list[VectorEmbedding]:
    return [part for part in network.modules() if isinstance(part, VectorEmbedding)]


def lengthen(rows: Tensor, taught: int) -> Tensor:
    """Return the learnt rows of taught words [1 + N, C], the first for no word, with zeros for further words."""
    return torch.cat([rows, rows.new_zeros(1 + taught - len(rows), rows.shape[1])])


def widen_table(
    network: ReferringNetwork, config: ModelConfig, where: Path, words: tuple[str, ...]
) -> tuple[ReferringNetwork, ModelConfig]:
    """Return a network that reads with another table of word vectors, and its config.

    Learnt rows stay with their words; words of the data that had none get one, which is zero at first.

    Args:
        network: Network with word vectors.
        config: Its config.
        where: Path of the table, whose vectors must have as many channels as those of the network.
        words: Words of the data.

    Raises:
        UsageError: The table has other channels, or lacks words that have learnt rows.
        WeightsError: The file is not a table of word vectors.
    """
    known, table = load_table(where.expanduser())
    lost = sorted(set(config.taught_words) - set(known))
    if table.channels != config.vector_channels or lost:
        raise UsageError(
            f"the table '{where}' has {table.channels} channels and lacks {len(lost)} of the words that were taught; "
            f"expected {config.vector_channels} channels and all of these words"
        )
    taught = (*config.taught_words, *sorted((set(words) & set(known)) - set(config.taught_words)))
    config = config.replace(**_described(known, table, taught))
    wider = build_network(config)
    weights = network.state_dict()
    for name, part in wider.named_modules():
        if isinstance(part, VectorEmbedding):
            weights[f"{name}.own.weight"] = lengthen(weights[f"{name}.own.weight"], len(taught))
            weights |= {f"{name}.vectors.{key}": value for key, value in table.state_dict().items()}
    wider.load_state_dict(weights)
    return wider, config


def _go_on(
    start: Path | str, config: ModelConfig, words: tuple[str, ...], language: str | None = None
) -> tuple[ReferringNetwork, ModelConfig]:
    """Build a network with the weights of a checkpoint, and add new words to its vocabulary if it has no fixed one."""
    trained, known = read_checkpoint(locate_checkpoint(str(start))[0])
    if language is not None:
        trained, known = widen_table(trained, known, Path(language), words)
    changes: dict[str, Any] = {"vocabulary": known.vocabulary, "training": known.training}
    if known.vector_channels:
        for name in ("vector_channels", "class_entries", "taught_words"):
            changes[name] = getattr(known, name)
    elif not _reads_pieces(config):
        changes["vocabulary"] = _joined(known.vocabulary, words)
    try:
        config = config.replace(**changes)
    except ValueError as error:
        raise UsageError(
            f"the model that --model describes cannot start from '{start}': {error}; leave --model out to train the "
            "checkpoint's own model"
        ) from error
    network = build_network(config)
    _transplant(trained.state_dict(), network, start)
    return network, config


def _joined(known: tuple[str, ...], words: tuple[str, ...]) -> tuple[str, ...]:
    return known + tuple(sorted(set(words) - set(known)))


def _transplant(weights: dict[str, Tensor], network: ReferringNetwork, where: Path | str) -> None:
    """Copy weights into a network that may have more words than they, and parts that they lack (`_MAY_BE_NEW`)."""
    own = network.state_dict()
    tables = [
        name
        for name, value in weights.items()
        if name.endswith(_BY_WORD) and name in own and own[name].shape[1:] == value.shape[1:]
    ]
    with torch.no_grad():
        for table in tables:
            own[table][: len(weights[table])] = weights[table]
            assert len(own[table]) >= len(weights[table]) >= FIRST_WORD_ID
    taken = {name: value for name, value in weights.items() if name not in tables}
    misfit = [name for name, value in taken.items() if name not in own or own[name].shape != value.shape]
    misfit = [name for name in misfit if name in own or not name.startswith(_MAY_BE_NEW)]
    missing = [name for name in own if name not in weights and not name.startswith(_MAY_BE_NEW)]
    if misfit or missing:
        names = ", ".join((misfit + missing)[:3])
        raise WeightsError(
            f"the weights in '{where}' do not fit the model that --model describes ({names}, {len(misfit + missing)} "
            "in all); leave --model out to train the checkpoint's own model"
        )
    network.load_state_dict(own | {name: value for name, value in taken.items() if name in own})
