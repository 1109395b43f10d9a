"""Logits of stride 4."""

import pytest
import torch
from torch.nn import functional as F

from refvid.model.cmsa.network import LevelStream
from refvid.model.layers.upsampling import DetailUpsampling
from refvid.model.refvid.config import RefvidConfig
from refvid.model.refvid.network import RefvidNetwork
from refvid.model.registry import build_network
from tests.conftest import small_config

WORDS = torch.tensor([[[2, 3, 0], [4, 0, 0]], [[5, 6, 2], [3, 0, 0]]])


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(4)


def build(**changes: object) -> RefvidNetwork:
    network = build_network(small_config().replace(**changes)).eval()
    assert isinstance(network, RefvidNetwork)
    return network


def test_it_begins_as_bilinear_upsampling() -> None:
    plain, fine = build(detail_channels=0), build(detail_channels=6)
    fine.load_state_dict(plain.state_dict(), strict=False)
    image = torch.rand(2, 3, 32, 48)
    with torch.no_grad():
        coarse, _ = plain.segment(plain.encode(image), WORDS)
        logits, _ = fine.segment(fine.encode(image), WORDS)
    assert coarse.shape == (2, 2, 4, 6)
    assert logits.shape == (2, 2, 8, 12)
    torch.testing.assert_close(logits, F.interpolate(coarse, (8, 12), mode="bilinear"))


def test_each_expression_is_refined_with_its_own_picture() -> None:
    module = DetailUpsampling(6, 5)
    torch.nn.init.normal_(module.score.weight)
    logits, fused, fine = torch.randn(4, 1, 3, 5), torch.randn(4, 5, 3, 5), torch.randn(2, 6, 6, 10)
    together = module(logits, fused, fine)
    for row in range(4):  # expressions 0 and 1 are of picture 0, 2 and 3 of picture 1
        picture = slice(row // 2, row // 2 + 1)
        alone = module(logits[row : row + 1], fused[row : row + 1], fine[picture])
        torch.testing.assert_close(together[row], alone[0])


def test_a_stream_keeps_the_fine_features_of_each_frame() -> None:
    network = build(detail_channels=6)
    torch.nn.init.normal_(network.detail.score.weight)
    clip = torch.rand(1, 5, 3, 32, 48)
    stream, found = LevelStream(network), []
    with torch.no_grad():
        for frame in range(5):
            levels = stream.push(network.encode(clip[:, frame]))
            found += [] if levels is None else [network.segment(levels, WORDS[:1])[0]]
        found += [network.segment(levels, WORDS[:1])[0] for levels in stream.flush()]
        whole = network.segment(network.enhance(clip, 2), WORDS[:1])[0]
    torch.testing.assert_close(found[2], whole, atol=1e-5, rtol=1e-4)


def test_the_paper_s_trunk_has_none() -> None:
    with pytest.raises(ValueError, match="detail_channels are for the light and the pretrained backbones"):
        RefvidConfig("mine", ("dog",), detail_channels=8)
    assert RefvidConfig("mine", ("dog",)).detail_channels == 0
