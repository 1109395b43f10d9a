"""The network that a run begins with: its config, and weights that are random or given."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from refvid.errors import UsageError, WeightsError
from refvid.model.config import PRETRAINED, ModelConfig
from refvid.model.interface import ReferringNetwork
from refvid.model.layers.language import FIRST_WORD_ID
from refvid.model.layers.vector_embedding import VectorEmbedding
from refvid.model.layers.word_vectors import load_table
from refvid.model.refvos.network import RefvosConfig
from refvid.model.registry import CONFIGS, FORMER_NAMES, build_network, read_config
from refvid.train.backbone_weights import DEFAULT_BACKBONE, load_backbone
from refvid.train.bert_weights import DEFAULT_BERT, load_bert, read_pieces
from refvid.weights import CONFIG_FILE, DEFAULT_MODEL, read_checkpoint, run_hint

RANDOM = "none"
# A network that learnt from pictures goes on with clips, and one with logits of stride 4 with finer ones.
_MAY_BE_NEW = ("cross_frame.", "bilateral.")
# Ends of the names of what has a row for every word.
_BY_WORD = ("table.weight", "evidence.table", "evidence.bias", "evidence.word_weight")


@dataclass(frozen=True)
class ModelChoice:
    """What to train.

    Attributes:
        model: A name of `CONFIGS`, a config.json, or a checkpoint folder whose config is taken; None: as `start` has
            it, else the model that ships.
        start: Checkpoint folder with the weights to begin with.
        backbone_weights: As for `load_backbone`; "none" for random ones; None for the usual ones of the trunk.
        language_weights: As for `load_bert`, where the network reads with BERT; None for the usual ones. For a network
            that reads words by their vectors, the file of their table, which it cannot do without.
    """

    model: str | None = None
    start: Path | None = None
    backbone_weights: str | None = None
    language_weights: str | None = None


def choose_config(choice: ModelChoice) -> ModelConfig:
    """Returns the config that was asked for; that of a name has no vocabulary yet.

    Raises:
        UsageError: There is no such model.
        WeightsError: The file does not describe a model.
    """
    name = choice.model if choice.model is not None else str(choice.start or DEFAULT_MODEL)
    name = FORMER_NAMES.get(name, name)
    if name in CONFIGS:
        return CONFIGS[name](())
    path = Path(name).expanduser()
    if path.is_dir() and not (path / CONFIG_FILE).is_file() and (hint := run_hint(path)):
        raise UsageError(f"the folder '{path}' holds no {CONFIG_FILE}; {hint}")
    path = path / CONFIG_FILE if path.is_dir() else path
    if not path.is_file():
        raise UsageError(
            f"there is no model '{name}' to train; expected {', '.join(CONFIGS)}, a config.json or a checkpoint folder"
        )
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return read_config({"name": path.stem, "vocabulary": []} | values)
    except (ValueError, TypeError) as error:
        raise WeightsError(f"'{path}' does not describe a model of this version: {error}") from error


def begin(choice: ModelChoice, config: ModelConfig, words: tuple[str, ...]) -> tuple[ReferringNetwork, ModelConfig]:
    """Builds the network with its first weights; random ones come from torch's generator.

    Args:
        choice: What was asked for.
        config: From `choose_config`.
        words: Of the data; those that the config or the weights do not know are added behind theirs, unless they are
            read in pieces.

    Raises:
        UsageError: The weights do not fit what was asked for.
        WeightsError: A checkpoint is damaged, or has not the shape of the config.
        UnavailableError: Weights of the trunk cannot be fetched.
    """
    language = choice.language_weights
    if language is not None and (choice.start is not None or not _takes_language_weights(config)):
        raise UsageError(
            "--language-weights are for a new model that reads with BERT or with word vectors; leave them out"
        )
    if choice.backbone_weights is not None and choice.start is not None:
        raise UsageError("--backbone-weights and --start both give weights of the trunk; leave one of them out")
    if choice.start is not None:
        return _go_on(choice.start, config, words)
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
    """Return the weights that a trunk begins with unless others are given."""
    if config.backbone in PRETRAINED:
        return config.backbone
    return DEFAULT_BACKBONE if config.backbone == "resnet101" else RANDOM


def _read_vectors(
    config: ModelConfig, where: str | None, words: tuple[str, ...]
) -> tuple[ReferringNetwork, ModelConfig]:
    """Build a network whose words are those of a table of vectors."""
    if where is None:
        raise UsageError(
            f"the model '{config.name}' reads words by their vectors: give their table with --language-weights, made "
            "by `python -m refvid.train.word_table --out table.safetensors`"
        )
    known, table = load_table(Path(where).expanduser())
    taught = tuple(sorted(set(words) & set(known)))
    config = config.replace(
        vocabulary=known,
        vector_channels=table.channels,
        class_entries=len(table.class_indices),
        taught_words=taught,
        training={},
    )
    network = build_network(config)
    for part in network.modules():
        if isinstance(part, VectorEmbedding):
            part.vectors.load_state_dict(table.state_dict())
    return network, config


def _go_on(start: Path, config: ModelConfig, words: tuple[str, ...]) -> tuple[ReferringNetwork, ModelConfig]:
    """Build a network with the weights of a checkpoint; its vocabulary grows by new words where it can."""
    trained, known = read_checkpoint(start)
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
            f"the model that --model describes cannot go on from '{start}': {error}; leave --model out to train the "
            "checkpoint's own"
        ) from error
    network = build_network(config)
    _transplant(trained.state_dict(), network, start)
    return network, config


def _joined(known: tuple[str, ...], words: tuple[str, ...]) -> tuple[str, ...]:
    return known + tuple(sorted(set(words) - set(known)))


def _transplant(weights: dict[str, Tensor], network: ReferringNetwork, where: Path) -> None:
    """Copies weights into a network that may have more words, and parts that they have not (`_MAY_BE_NEW`)."""
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
            "in all); leave --model out to train the checkpoint's own"
        )
    network.load_state_dict(own | {name: value for name, value in taken.items() if name in own})
