"""All systems by name; no other module knows them all."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from refvid.model.acga.config import AcgaConfig, acga_full_config, acga_small_config, acga_tiny_config
from refvid.model.acga.network import build_acga
from refvid.model.cmsa.build import build_cmsa
from refvid.model.cmsa.config import CmsaConfig, full_config, small_config, tiny_config
from refvid.model.config import ModelConfig
from refvid.model.hinet.config import HinetConfig, hinet_full_config, hinet_small_config, hinet_tiny_config
from refvid.model.hinet.network import build_hinet
from refvid.model.interface import ReferringNetwork
from refvid.model.layers.language import Words
from refvid.model.layers.open_vocabulary import build_word_vocabulary
from refvid.model.refvid.build import build_refvid
from refvid.model.refvid.config import RefvidConfig, refvid_small_config, refvid_tiny_config
from refvid.model.refvos.config import RefvosConfig, refvos_full_config, refvos_small_config, refvos_tiny_config
from refvid.model.refvos.network import build_refvos, vocabulary_of


@dataclass(frozen=True)
class System:
    """The class of a system's configs, and the functions that build its networks and vocabularies.

    Attributes:
        config: Class of the system's configs.
        build: Function that builds the network described by a config, with random weights.
        vocabulary: Function that builds the vocabulary or tokenizer of the network described by a config.
    """

    config: type[ModelConfig]
    build: Callable[[Any], ReferringNetwork]
    vocabulary: Callable[[Any], Words] = build_word_vocabulary


SYSTEMS = {  # by ModelConfig.architecture
    "refvid": System(RefvidConfig, build_refvid),
    "cmsa": System(CmsaConfig, build_cmsa),
    "acga": System(AcgaConfig, build_acga),
    "refvos": System(RefvosConfig, build_refvos, vocabulary_of),
    "hinet": System(HinetConfig, build_hinet),
}
# For each name that `refvid train --model` accepts, the function that makes its config from a vocabulary.
CONFIGS: dict[str, Callable[[tuple[str, ...]], ModelConfig]] = {
    "refvid-tiny": refvid_tiny_config,
    "refvid-small": refvid_small_config,
    "cmsa-tiny": tiny_config,
    "cmsa-small": small_config,
    "cmsa-deeplab101": full_config,
    "acga-tiny": acga_tiny_config,
    "acga-small": acga_small_config,
    "acga-s3d": acga_full_config,
    "refvos-tiny": refvos_tiny_config,
    "refvos-small": refvos_small_config,
    "refvos-deeplab101": refvos_full_config,
    "hinet-tiny": hinet_tiny_config,
    "hinet-small": hinet_small_config,
    "hinet-resnet101": hinet_full_config,
}

# Models that had other names in earlier versions: the old name, then the current one.
FORMER_NAMES = {"acga": "acga-tiny", "refvos": "refvos-tiny", "hinet": "hinet-tiny"}


def read_config(values: dict[str, Any]) -> ModelConfig:
    """Build the config of any system from the contents of `config.json`.

    Raises:
        ValueError: The system or a key is unknown, a key is missing, or a value is out of range.
    """
    values = _update_former_variant(values)
    architecture = values.get("architecture", "cmsa")
    if architecture not in SYSTEMS:
        raise ValueError(f"architecture must be one of {', '.join(SYSTEMS)}, got {architecture!r}")
    return SYSTEMS[architecture].config.from_dict(values)


def _update_former_variant(values: dict[str, Any]) -> dict[str, Any]:
    """Bring a `config.json` of an earlier version, in which our variant was named "cmsa", to the current form."""
    ours = {entry.name for entry in fields(RefvidConfig)} - {entry.name for entry in fields(CmsaConfig)}
    if values.get("architecture", "cmsa") != "cmsa" or not ours & values.keys():
        return values
    if any(values.get(name, "none") not in (0, False, "none") for name in ours):
        return values | {"architecture": "refvid"}
    return {name: value for name, value in values.items() if name not in ours}


def build_network(config: ModelConfig) -> ReferringNetwork:
    """Build the network described by a config, with random weights."""
    return SYSTEMS[config.architecture].build(config)


def build_vocabulary(config: ModelConfig) -> Words:
    """Build the vocabulary or tokenizer with which the network described by a config reads expressions."""
    return SYSTEMS[config.architecture].vocabulary(config)
