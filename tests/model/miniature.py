"""Checks in miniature that every alternative has to pass as part of a network: plain functions, no fixtures."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from refvid.cli.app import main
from refvid.data.sample import Batch
from refvid.model.interface import ReferringNetwork
from refvid.model.layers.language import Vocabulary
from refvid.model.refvid.config import RefvidConfig
from refvid.model.refvid.network import RefvidNetwork
from refvid.model.registry import build_network
from refvid.train.objective import Objective, ObjectiveSettings
from refvid.weights import load_model, save_checkpoint
from tests.clips import make_clip
from tests.conftest import WORDS, save_random, small_config

EXPRESSIONS = torch.tensor([[[2, 3, 0], [4, 0, 0]], [[5, 6, 2], [3, 0, 0]]])


def build(**changes: object) -> RefvidNetwork:
    """The small network with some fields of its config changed."""
    torch.manual_seed(3)
    network = build_network(small_config().replace(**changes)).eval()
    assert isinstance(network, RefvidNetwork)
    return network


def check_every_parameter_learns(network: RefvidNetwork) -> None:
    """Gradients reach everything, through expressions of several lengths, and are finite."""
    assert network.detail is not None
    torch.nn.init.normal_(network.detail.score.weight)  # at zero, nothing before it learns
    network(torch.rand(2, 3, 3, 24, 40), EXPRESSIONS, target=1).square().sum().backward()  # levels of 3 x 5
    for label, parameter in network.named_parameters():
        assert parameter.grad is not None, label
        assert parameter.grad.isfinite().all(), label


def check_mixed_precision(network: RefvidNetwork) -> None:
    """In bfloat16, with and without gradients, nothing changes but the rounding."""
    clip = torch.rand(2, 3, 3, 32, 48)
    exact = network(clip, EXPRESSIONS, target=1).detach()
    for grad in (True, False):
        with torch.set_grad_enabled(grad), torch.autocast("cpu", dtype=torch.bfloat16):
            rounded = network(clip, EXPRESSIONS, target=1).detach()
        torch.testing.assert_close(rounded.float(), exact, rtol=0.1, atol=0.05)


def overfit(word_ids: Tensor, **changes: object) -> tuple[float, float, float]:
    """Teach a miniature one picture with a red and a blue square, for two expressions int64 [1, 2, L], in 60 steps.

    Returns:
        The first loss, the last, and the smaller IoU of the two masks.
    """
    picture, masks = torch.full((1, 1, 3, 48, 48), 0.5), torch.zeros(1, 2, 48, 48)
    for word, (top, left, colour) in enumerate([(6, 4, (0.9, 0.1, 0.1)), (22, 26, (0.1, 0.2, 0.9))]):
        picture[0, 0, :, top : top + 20, left : left + 18] = torch.tensor(colour)[:, None, None]
        masks[0, word, top : top + 20, left : left + 18] = 1
    changes = {"cross_frame": False, "backbone_channels": (8, 8, 16, 16, 16), "fusion_channels": 16, **changes}
    network = build(**changes).train()
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    losses = []
    for _ in range(60):
        loss = F.binary_cross_entropy_with_logits(network(picture, word_ids), masks)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    with torch.no_grad():
        found, truth = network(picture, word_ids) > 0, masks > 0.5
    shares = (found & truth).sum((2, 3)) / (found | truth).sum((2, 3))
    return losses[0], losses[-1], float(shares.min())


def check_saving(config: RefvidConfig, folder: Path) -> None:
    """A checkpoint gives back the config and the very same masks."""
    torch.manual_seed(4)
    network = build_network(config).eval()
    save_checkpoint(network, config, folder)
    loaded = load_model(folder, device="cpu")
    assert loaded.config == config
    clip = torch.rand(2, 3, 3, 24, 40)
    with torch.no_grad():
        assert torch.equal(loaded.network(clip, EXPRESSIONS, target=1), network(clip, EXPRESSIONS, target=1))


def check_command_line(config: RefvidConfig, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`refvid segment` cuts out what a random model of this config finds, in every frame."""
    checkpoint = save_random(config, folder / "model")
    clip, output = make_clip(folder / "clip.mp4", frames=3, size=(80, 46)), folder / "out.mp4"
    arguments = ["segment", str(clip), "red dog", "-m", str(checkpoint), "-o", str(output), "--device", "cpu", "--json"]
    assert main(arguments) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["model"], report["input"]["frames"]) == (config.name, 3)
    assert report["expressions"][0]["frames_with_object"] == 3
    assert output.stat().st_size > 0


def parts_of_the_loss(network: ReferringNetwork) -> set[str]:
    """The names of what a network learns from, where a batch knows its regions and the words true of them."""
    masks = torch.zeros(1, 2, 32, 48)
    masks[0, 0, :, :24] = masks[0, 1, :, 24:] = 1
    batch = Batch(
        clips=torch.randint(0, 256, (1, 1, 3, 32, 48), dtype=torch.uint8),
        frame_mask=torch.ones(1, 1, dtype=torch.bool),
        word_ids=torch.tensor([[[2, 5], [3, 0]]]),
        masks=masks,
        known=torch.ones(1, 2, dtype=torch.bool),
        region_maps=F.avg_pool2d(masks, 8),
        region_words=torch.ones(1, 2, 2 + len(WORDS), dtype=torch.bool),
    )
    loss, parts = Objective(network, Vocabulary(WORDS, 20), ObjectiveSettings())(network, batch)
    loss.backward()
    assert loss.isfinite()
    return set(parts)
