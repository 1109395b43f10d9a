"""How networks begin: logits of attention with the spread that is meant, and what is to disturb nothing at zero."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from refvid.model.acga.attention import (
    LanguageGuidedVisionAttention,
    MultiResolutionDecoder,
    VisionGuidedLanguageAttention,
)
from refvid.model.cmsa.ablations.attention import logit_map
from refvid.model.cmsa.ablations.decoders import ConvolutionalLSTMFusion
from refvid.model.cmsa.cross_frame import CrossFrameSelfAttention
from refvid.model.cmsa.cross_modal import CrossModalSelfAttention
from refvid.model.layers.spatial import spatial_code
from refvid.model.refvid.space_time import SpaceTimeCrossFrame


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def tokens(channels: int) -> Tensor:
    """Unit vectors of 15 x 20 positions, joined to the spatial code, [1, 300, channels + 8]."""
    code = spatial_code(15, 20, dtype=torch.float32, device=torch.device("cpu")).flatten(1).T
    return torch.cat([F.normalize(torch.randn(300, channels), dim=-1), code], 1)[None]


def test_cross_modal_logits_begin_with_a_spread_of_one() -> None:
    module, words = CrossModalSelfAttention(32, 24, 256), F.normalize(torch.randn(300, 24), dim=-1)
    seen = tokens(32)[0]
    features = torch.cat([seen[:, :32], words, seen[:, 32:]], 1)
    assert (module.query(features) @ module.key(features).T).std().item() == pytest.approx(1, rel=0.3)


def test_cross_frame_logits_begin_with_a_spread_of_one_and_know_no_time() -> None:
    module = SpaceTimeCrossFrame(32, 256, radius=5)
    queries, keys, _ = module.project(torch.randn(1, 32, 15, 20))
    assert 0.7 < (queries @ keys.mT).std().item() < 4, "the code, of a length of up to 2.4, adds to it"
    terms = module.time_terms(torch.tensor([1, -3]))
    assert terms is not None
    assert not any(term.any() for term in terms)
    plain = CrossFrameSelfAttention(32, 256)
    queries, keys, _ = plain.project(torch.randn(1, 32, 15, 20))
    assert (queries @ keys.mT).std().item() == pytest.approx(1, rel=0.2)


@pytest.mark.parametrize("square", [1.0, 4.0])
def test_logits_of_two_maps_begin_with_a_spread_of_one(square: float) -> None:
    features = F.normalize(torch.randn(300, 40), dim=-1) * square**0.5
    query, key = logit_map(40, 256, square), logit_map(40, 256, square)
    assert (query(features) @ key(features).T).std().item() == pytest.approx(1, rel=0.2)


def test_acga_s_words_are_asked_with_a_spread_of_one() -> None:
    module = VisionGuidedLanguageAttention(40, 256)
    asked = module.reduce(tokens(32))[0]
    words = 0.5 * torch.randn(300, 256)
    assert (asked @ words.T / 16).std().item() == pytest.approx(1, rel=0.2)


def test_acga_s_positions_are_asked_with_the_spread_that_learns_soonest() -> None:
    module, seen = LanguageGuidedVisionAttention(248, 24), tokens(248)
    logits = module.query(seen)[0] @ module.key(seen)[0].T / 16
    assert logits.std().item() == pytest.approx(0.4, rel=0.25)
    assert module.value(seen).std().item() == pytest.approx(1, rel=0.2)
    gates = module.gate(0.5 * torch.randn(300, 24))
    assert gates.mean().item() == pytest.approx(1, abs=0.02)
    assert gates.std().item() == pytest.approx(0.02 * 0.5 * 24**0.5, rel=0.2)


def test_acga_s_decoder_begins_with_the_mean_of_its_responses_and_keeps_the_spread() -> None:
    decoder = MultiResolutionDecoder(64, 8, decoder_channels=(32, 16), response_channels=(8, 8, 8), enlargement=2)
    assert decoder.fuse.weight.flatten().tolist() == pytest.approx([1 / 27] * 27)
    deconvolution = decoder.enlarge[0][0]
    assert deconvolution(torch.randn(4, 64, 9, 9))[..., 3:-3, 3:-3].std().item() == pytest.approx(1, rel=0.2)


def test_the_lstm_over_levels_begins_by_forgetting_little() -> None:
    fusion = ConvolutionalLSTMFusion((4, 4, 4), 64)
    biases = fusion.gates.bias.view(4, 64).mean(1)
    torch.testing.assert_close(biases, torch.tensor([0.0, 1.0, 0.0, 0.0]), rtol=0, atol=0.05)
