"""Fixtures that the whole suite shares: a small random model on disk."""

import os
import signal
from pathlib import Path

import pytest
import torch

from refvid.model.letterbox import Letterbox
from refvid.model.refvid.config import RefvidConfig, refvid_tiny_config
from refvid.model.registry import build_network
from refvid.weights import LoadedModel, load_model, save_checkpoint
from tests.clips import frame_pixels

# A shell that starts the tests in the background has SIGINT ignored, by them and by the programs that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Where several processes of pytest-xdist share the cores, each takes one thread, and so do the programs that it starts.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)

WORDS = ("dog", "in", "man", "red", "shirt", "the", "yellow")


def small_config() -> RefvidConfig:
    """refvid-tiny in miniature, untrained, without codes of actors, word evidence and bilateral and guided
    upsampling, which not all can have.
    """
    return refvid_tiny_config(WORDS).replace(
        name="small",
        actor_channels=0,
        bilateral_channels=0,
        upsampling="bilinear",
        word_evidence=False,
        backbone_channels=(4, 4, 8, 8, 8),
        input_size=64,
        embedding_channels=8,
        attention_channels=8,
        fusion_channels=8,
        frame_radius=2,
    )


def save_random(config: RefvidConfig, folder: Path) -> Path:
    """Write the checkpoint of a random model whose masks are neither empty nor full."""
    torch.manual_seed(8)
    network = build_network(config).eval()
    box = Letterbox(46, 80, config.canvas(46, 80))
    picture = box.apply(torch.from_numpy(frame_pixels(0, (80, 46))).permute(2, 0, 1)[None])
    word_ids = torch.tensor([[[2, 3]]])
    with torch.no_grad():
        for _ in range(2):  # what chooses among actors does not scale with the logits
            network.fusion.score.weight.div_(network(picture[None], word_ids).std())
            network.fusion.score.bias.sub_(network(picture[None], word_ids).median())
    save_checkpoint(network, config, folder)
    return folder


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random small model."""
    return save_random(small_config(), tmp_path_factory.mktemp("model") / "small")


@pytest.fixture(scope="session")
def model(checkpoint: Path) -> LoadedModel:
    return load_model(checkpoint, device="cpu")
