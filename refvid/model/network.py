"""The systems by name: the one place that knows them all."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from refvid.model.cmsa import build_cmsa
from refvid.model.cmsa_config import CmsaConfig, full_config, refvid_config, tiny_config
from refvid.model.config import ModelConfig
from refvid.model.language import Vocabulary
from refvid.model.system import ReferringNetwork


@dataclass(frozen=True)
class System:
    """How a system's configs are read and its networks built.

    Attributes:
        config: Class of its configs.
        build: Makes the network of a config, with random weights.
    """

    config: type[ModelConfig]
    build: Callable[[Any], ReferringNetwork]


SYSTEMS = {"cmsa": System(CmsaConfig, build_cmsa)}  # by ModelConfig.architecture
# Configs by the names that `refvid train --model` knows, each of a vocabulary.
CONFIGS: dict[str, Callable[[tuple[str, ...]], ModelConfig]] = {
    "refvid-tiny": refvid_config,
    "cmsa-tiny": tiny_config,
    "cmsa-deeplab101": full_config,
}


def read_config(values: dict[str, Any]) -> ModelConfig:
    """Build a config from the contents of `config.json`, of whichever system it is.

    Raises:
        ValueError: The system or a key is unknown, a key is missing, or a value is out of range.
    """
    architecture = values.get("architecture", "cmsa")
    if architecture not in SYSTEMS:
        raise ValueError(f"architecture must be one of {', '.join(SYSTEMS)}, got {architecture!r}")
    return SYSTEMS[architecture].config.from_dict(values)


def build_network(config: ModelConfig) -> ReferringNetwork:
    """Build the network a config describes, with random weights."""
    return SYSTEMS[config.architecture].build(config)


def build_vocabulary(config: ModelConfig) -> Vocabulary:
    """Return the vocabulary a config describes."""
    return Vocabulary(config.vocabulary, config.max_words)
