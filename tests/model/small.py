"""The small models in miniature: a pretrained trunk with random weights, and a table of a few words."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from refvid.model.interface import ReferringNetwork
from refvid.model.layers.vector_embedding import VectorEmbedding
from refvid.model.layers.word_vectors import WORDS as WORDS_NAME
from refvid.model.layers.word_vectors import WordVectorTable, encode_words
from refvid.model.refvid.network import RefvidNetwork
from refvid.model.registry import CONFIGS, build_network

# "square" and "box" have the same vector; "dog" and "camel" name classes.
WORDS = ("the", "square", "red", "green", "left", "dog", "camel", "box", "blue")
TAUGHT = ("blue", "green", "left", "red", "square", "the")
EXPRESSIONS = torch.tensor([[[2, 4, 3], [7, 0, 0]]])  # "the red square" and "dog"
SIZES: dict[str, Any] = {
    "neck_channels": 8,
    "colour_channels": 4,
    "input_size": 64,
    "embedding_channels": 8,
    "vector_channels": 6,
    "class_entries": 3,
    "taught_words": TAUGHT,
}
OWN_SIZES: dict[str, dict[str, Any]] = {  # of each system
    "refvid-small": {
        "attention_channels": 8,
        "fusion_channels": 8,
        "frame_radius": 2,
        "detail_channels": 6,
        "actor_channels": 5,
        "bilateral_channels": 6,
    },
    "cmsa-small": {"attention_channels": 8, "fusion_channels": 8, "frame_radius": 2},
    "acga-small": {"window_stride": 1, "decoder_channels": (8, 6), "response_channels": (8, 6, 4)},
    "refvos-small": {"aspp_channels": 8, "detail_channels": 6},
    "hinet-small": {"fine_channels": 6, "interaction_channels": 8, "decoder_channels": 8, "motion_channels": 4},
}


def small_config(name: str, **changes: object) -> Any:
    """The config of one of the small models in miniature."""
    return CONFIGS[name](WORDS).replace(**SIZES | OWN_SIZES[name] | changes)


def table_tensors() -> dict[str, Tensor]:
    """The tensors of the table of `WORDS`: "dog" is two classes, "camel" one, the others none."""
    vectors = torch.randint(-127, 128, (len(WORDS), 6), generator=torch.Generator().manual_seed(5)).to(torch.int8)
    vectors[WORDS.index("box")] = vectors[WORDS.index("square")]
    return {
        "vectors": vectors,
        "class_starts": torch.tensor([0, 0, 0, 0, 0, 0, 2, 3, 3, 3], dtype=torch.int32),
        "class_indices": torch.tensor([151, 207, 354], dtype=torch.int32),
        "class_shares": torch.tensor([255, 204, 255], dtype=torch.uint8),
    }


def write_table(path: Path) -> Path:
    """Write the table as `python -m refvid.train.word_table` does."""
    save_file(table_tensors() | {WORDS_NAME: encode_words(WORDS)}, path)
    return path


def fill(network: nn.Module) -> None:
    """Put the table into a network, and something into the rows of words and the norms of the trunk."""
    generator = torch.Generator().manual_seed(6)
    for part in network.modules():
        if isinstance(part, VectorEmbedding):
            part.vectors.load_state_dict(WordVectorTable(**table_tensors()).state_dict())
            with torch.no_grad():
                part.own.weight[1:].normal_(generator=generator)
        if isinstance(part, nn.BatchNorm2d):
            assert part.running_mean is not None
            assert part.running_var is not None
            part.running_mean.uniform_(-0.3, 0.3, generator=generator)
            part.running_var.uniform_(0.1, 0.5, generator=generator)


def build(name: str = "refvid-small", **changes: object) -> ReferringNetwork:
    """A small model in miniature, in evaluation mode, whose zero weights are zero no more."""
    torch.manual_seed(3)
    network = build_network(small_config(name, **changes)).eval()
    fill(network)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() > 1 and not parameter.any():
                parameter.normal_(0, 0.3, generator=generator)
    return network


def build_refvid(**changes: object) -> RefvidNetwork:
    network = build("refvid-small", **changes)
    assert isinstance(network, RefvidNetwork)
    return network


def frames(count: int, height: int = 64, width: int = 96, dtype: torch.dtype = torch.float32) -> Tensor:
    """Smooth pictures [T, 3, H, W] of a scene under a camera that moves."""
    generator = torch.Generator().manual_seed(4)
    scene = torch.rand(1, 3, 10, 16, generator=generator, dtype=dtype)
    scene = nn.functional.interpolate(scene, (height, width + 3 * count), mode="bilinear")
    return torch.stack([scene[0, :, :, 3 * index : 3 * index + width] for index in range(count)])
