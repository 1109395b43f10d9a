"""The systems by name: the one place that knows them all."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from refvid.model.acga.network import AcgaConfig, acga_full_config, acga_tiny_config, build_acga
from refvid.model.cmsa.build import build_cmsa
from refvid.model.cmsa.config import CmsaConfig, full_config, tiny_config
from refvid.model.config import ModelConfig
from refvid.model.hinet.network import HinetConfig, build_hinet, hinet_full_config, hinet_tiny_config
from refvid.model.interface import ReferringNetwork
from refvid.model.layers.language import Vocabulary, Words
from refvid.model.layers.open_vocabulary import OpenVocabulary
from refvid.model.refvid.build import build_refvid
from refvid.model.refvid.config import RefvidConfig, refvid_small_config, refvid_tiny_config
from refvid.model.refvos.network import (
    RefvosConfig,
    build_refvos,
    refvos_full_config,
    refvos_tiny_config,
    vocabulary_of,
)


def closed_vocabulary(config: ModelConfig) -> Vocabulary:
    """Return the vocabulary of a network that knows the words of its config alone."""
    return Vocabulary(config.vocabulary, config.max_words)


def refvid_vocabulary(config: RefvidConfig) -> Vocabulary:
    """Return the vocabulary of our variant, which is open where words are read by their vectors."""
    kind = OpenVocabulary if config.vector_channels else Vocabulary
    return kind(config.vocabulary, config.max_words)


@dataclass(frozen=True)
class System:
    """How a system's configs are read and its networks built.

    Attributes:
        config: Class of its configs.
        build: Builds the network of a config, with random weights.
        vocabulary: Returns what turns expressions into the ids that the network of a config reads.
    """

    config: type[ModelConfig]
    build: Callable[[Any], ReferringNetwork]
    vocabulary: Callable[[Any], Words] = closed_vocabulary


SYSTEMS = {  # by ModelConfig.architecture
    "refvid": System(RefvidConfig, build_refvid, refvid_vocabulary),
    "cmsa": System(CmsaConfig, build_cmsa),
    "acga": System(AcgaConfig, build_acga),
    "refvos": System(RefvosConfig, build_refvos, vocabulary_of),
    "hinet": System(HinetConfig, build_hinet),
}
# Configs by the names that `refvid train --model` knows, each of a vocabulary.
CONFIGS: dict[str, Callable[[tuple[str, ...]], ModelConfig]] = {
    "refvid-tiny": refvid_tiny_config,
    "refvid-small": refvid_small_config,
    "cmsa-tiny": tiny_config,
    "cmsa-deeplab101": full_config,
    "acga-tiny": acga_tiny_config,
    "acga-s3d": acga_full_config,
    "refvos-tiny": refvos_tiny_config,
    "refvos-deeplab101": refvos_full_config,
    "hinet-tiny": hinet_tiny_config,
    "hinet-resnet101": hinet_full_config,
}

# Names that models had in earlier versions, and their names today.
FORMER_NAMES = {"acga": "acga-tiny", "refvos": "refvos-tiny", "hinet": "hinet-tiny"}


def read_config(values: dict[str, Any]) -> ModelConfig:
    """Build a config from the contents of `config.json`, of whichever system it is.

    Raises:
        ValueError: The system or a key is unknown, a key is missing, or a value is out of range.
    """
    values = _of_today(values)
    architecture = values.get("architecture", "cmsa")
    if architecture not in SYSTEMS:
        raise ValueError(f"architecture must be one of {', '.join(SYSTEMS)}, got {architecture!r}")
    return SYSTEMS[architecture].config.from_dict(values)


def _of_today(values: dict[str, Any]) -> dict[str, Any]:
    """Return the contents of a `config.json` that named our variant "cmsa", as earlier versions did, as of today."""
    ours = {entry.name for entry in fields(RefvidConfig)} - {entry.name for entry in fields(CmsaConfig)}
    if values.get("architecture", "cmsa") != "cmsa" or not ours & values.keys():
        return values
    if any(values.get(name, "none") not in (0, False, "none") for name in ours):
        return values | {"architecture": "refvid"}
    return {name: value for name, value in values.items() if name not in ours}


def build_network(config: ModelConfig) -> ReferringNetwork:
    """Build the network a config describes, with random weights."""
    return SYSTEMS[config.architecture].build(config)


def build_vocabulary(config: ModelConfig) -> Words:
    """Return what turns expressions into the ids that a config's network reads."""
    return SYSTEMS[config.architecture].vocabulary(config)
