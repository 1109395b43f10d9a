"""The alternatives of Tables 1 and 2 against the literal formulas, in float64."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.cmsa.ablations import pooling
from refvid.model.cmsa.ablations.fusion import SelfGatedFusion, SummedFusion
from refvid.model.cmsa.ablations.pooling import MaxPooledAttention, MeanPooledAttention
from refvid.model.cmsa.cross_modal import CrossModalSelfAttention
from refvid.model.cmsa.fusion import GatedMultiLevelFusion
from refvid.model.cmsa.multimodal import DenseMultimodal
from refvid.model.cmsa.network import number_words
from refvid.model.layers.spatial import spatial_code
from refvid.model.refvid.config import RefvidConfig, refvid_tiny_config
from refvid.model.registry import build_network

POOLINGS = {"mean": MeanPooledAttention, "max": MaxPooledAttention}
FUSIONS = {"self-gated": SelfGatedFusion, "none": SummedFusion}
DOUBLE: dict[str, Any] = {"dtype": torch.float64}


def literal(module: CrossModalSelfAttention, visual: Tensor, words: Tensor, spatial: Tensor) -> Tensor:
    """Every f^_pn of one image [C, h, w] and one expression of L real words [L, C_l], [L, D, h, w]."""
    v, s = F.normalize(visual.flatten(1).T, dim=-1), spatial.flatten(1).T
    f = torch.stack([torch.cat([v, F.normalize(e, dim=0).expand(len(v), -1), s], -1) for e in words])  # [L, P, D]
    q, k, value = (m(f).flatten(0, 1) for m in (module.query, module.key, module.value))  # [L P, A]
    f_hat = module.output((q @ k.T).softmax(-1) @ value).view_as(f) + f
    return f_hat.transpose(1, 2).unflatten(2, visual.shape[1:])


def pooled(module: CrossModalSelfAttention, visual: Tensor, words: Tensor, spatial: Tensor) -> Tensor:
    """The literal F^ [D, h, w]."""
    features = literal(module, visual, words, spatial)
    return features.mean(0) if isinstance(module, MeanPooledAttention) else features.amax(0)


@pytest.fixture(params=["mean", "max"])
def module(request: pytest.FixtureRequest) -> CrossModalSelfAttention:
    torch.manual_seed(0)
    module = POOLINGS[request.param](12, 10, 16).double()
    with torch.no_grad():
        module.query.weight.mul_(2)  # away from a flat softmax
    return module


def inputs(batch: int, expressions: int, length: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    visual = torch.randn(batch, 12, 3, 5, generator=generator, **DOUBLE)
    words = torch.randn(batch, expressions, length, 10, generator=generator, **DOUBLE)
    return visual, words, spatial_code(3, 5, dtype=torch.float64, device=torch.device("cpu"))


@pytest.mark.parametrize("length", [1, 2, 7])
def test_pooling_equals_the_literal_formula(module: CrossModalSelfAttention, length: int) -> None:
    visual, words, spatial = inputs(2, 3, length)
    multimodal, attention = module(visual, words, torch.ones(2, 3, length, dtype=torch.bool), spatial)
    dense = multimodal.dense()
    assert dense.shape == (6, 30, 3, 5)
    torch.testing.assert_close(attention.sum(-1), torch.ones(2, 3, **DOUBLE), check_dtype=False)
    for b in range(2):
        for e in range(3):
            expected = pooled(module, visual[b], words[b, e], spatial)
            torch.testing.assert_close(dense[b * 3 + e], expected, rtol=1e-10, atol=1e-10)


def test_gradients_equal_those_of_the_literal_formula(module: CrossModalSelfAttention) -> None:
    visual, words, spatial = inputs(1, 1, 4)
    probe = torch.randn(30, 3, 5, generator=torch.Generator().manual_seed(2), **DOUBLE)
    fast = module(visual, words, torch.ones(1, 1, 4, dtype=torch.bool), spatial)[0].dense()[0]
    slow = pooled(module, visual[0], words[0, 0], spatial)
    gradients = [torch.autograd.grad((made * probe).sum(), list(module.parameters())) for made in (fast, slow)]
    for one, other in zip(*gradients, strict=True):
        assert one.isfinite().all()
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-10)


def test_padding_words_change_nothing(module: CrossModalSelfAttention) -> None:
    visual, words, spatial = inputs(1, 2, 6)
    mask = torch.tensor([[[True, True, True, True, False, False], [True] * 6]])
    padded, attention = module(visual, words, mask, spatial)
    short, short_attention = module(visual, words[:, :1, :4], mask[:, :1, :4], spatial)
    torch.testing.assert_close(padded.dense()[:1], short.dense(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(attention[:, :1, :4], short_attention)
    assert attention[0, 0, 4:].abs().max() == 0
    gradients = torch.autograd.grad(padded.dense().sum(), list(module.parameters()))
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_shared_words_are_attended_to_once_with_the_same_result(module: CrossModalSelfAttention) -> None:
    visual, _, spatial = inputs(2, 3, 5)
    # No word twice in one expression: which of two equal words is the larger would be a matter of rounding.
    generator = torch.Generator().manual_seed(5)
    ids = torch.stack([1 + torch.randperm(7, generator=generator)[:5] for _ in range(6)]).view(2, 3, 5)
    ids[:, 0, 3:] = 0  # padding
    table = torch.randn(8, 10, generator=torch.Generator().manual_seed(6), **DOUBLE).requires_grad_()
    results = []
    for shared in (None, number_words(ids)):
        fused, attention = module(visual, table[ids], ids != 0, spatial, shared)
        dense = fused.dense()
        gradients = torch.autograd.grad(dense.square().sum(), [table, *module.parameters()])
        results.append((dense, attention, *gradients))
    for apart, together in zip(*results, strict=True):
        torch.testing.assert_close(together, apart, rtol=1e-9, atol=1e-10)


def test_opposed_logits_fall_back_to_one_softmax_a_query(module: CrossModalSelfAttention) -> None:
    visual, words, spatial = inputs(1, 1, 3)
    with torch.no_grad():
        module.query.weight.mul_(60)
    fused, _ = module(visual, words, torch.ones(1, 1, 3, dtype=torch.bool), spatial, torch.tensor([[[0, 1, 2]]]))
    expected = pooled(module, visual[0], words[0, 0], spatial)
    torch.testing.assert_close(fused.dense()[0], expected, rtol=1e-8, atol=1e-8)


def test_max_pooling_is_the_same_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    module = MaxPooledAttention(12, 10, 16).double()
    visual, words, spatial = inputs(2, 3, 4)
    mask = torch.ones(2, 3, 4, dtype=torch.bool)
    whole, shares = module(visual, words, mask, spatial)
    monkeypatch.setattr(pooling, "CHUNK", 2 * 3 * 4 * 30 * 4)  # four positions of fifteen
    parts, part_shares = module(visual, words, mask, spatial)
    torch.testing.assert_close(parts.dense(), whole.dense(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(part_shares, shares)


def test_mean_pooling_weighs_the_real_words_alike() -> None:
    module = MeanPooledAttention(12, 10, 16).double()
    visual, words, spatial = inputs(1, 1, 5)
    _, attention = module(visual, words, torch.tensor([[[True, True, True, True, False]]]), spatial)
    torch.testing.assert_close(attention[0, 0], torch.tensor([0.25, 0.25, 0.25, 0.25, 0.0], **DOUBLE))


def test_the_shares_of_max_pooling_are_those_of_the_largest_values() -> None:
    torch.manual_seed(0)
    module = MaxPooledAttention(12, 10, 16).double()
    visual, words, spatial = inputs(1, 1, 3)
    _, shares = module(visual, words, torch.ones(1, 1, 3, dtype=torch.bool), spatial)
    largest = literal(module, visual[0], words[0, 0], spatial).argmax(0)
    counts = torch.bincount(largest.flatten(), minlength=3)
    torch.testing.assert_close(shares[0, 0].double(), counts / counts.sum(), check_dtype=False)
    assert shares.max() < 0.9, "one word must not win everywhere, or this shows nothing"


def level_features(widths: tuple[int, ...]) -> list[DenseMultimodal]:
    generator = torch.Generator().manual_seed(3)
    return [DenseMultimodal(torch.randn(2, 2, 6, width, generator=generator, **DOUBLE), (2, 3)) for width in widths]


def literal_fusion(module: nn.Module, levels: list[DenseMultimodal]) -> Tensor:
    total: Tensor | float = 0.0
    for index, level in enumerate(levels):
        x = module.project[index](level.dense())
        if isinstance(module, SelfGatedFusion):
            gate = module.gates[index]
            memory = 1 / (1 + torch.exp(-(x * gate.weight).sum(1, keepdim=True) - gate.bias))
            x = memory * x
        total = total + x
    return module.score(total)


@pytest.mark.parametrize("name", FUSIONS)
def test_fusion_equals_the_literal_formula(name: str) -> None:
    torch.manual_seed(0)
    module = FUSIONS[name]((7, 8, 9), 5).double()
    levels = level_features((7, 8, 9))
    logits = module(levels)
    assert logits.shape == (4, 1, 2, 3)
    torch.testing.assert_close(logits, literal_fusion(module, levels), rtol=1e-12, atol=1e-12)
    for parameter, gradient in zip(
        module.parameters(), torch.autograd.grad(logits.square().sum(), list(module.parameters())), strict=True
    ):
        assert gradient.isfinite().all()
        assert gradient.shape == parameter.shape
        assert gradient.abs().sum() > 0


def test_self_gating_keeps_the_levels_apart_and_gmlf_does_not() -> None:
    """What one level adds depends on the others in Eq. 6 alone."""
    torch.manual_seed(0)
    levels = level_features((7, 8))
    other = [levels[0], DenseMultimodal(levels[1].features.flip(0), (2, 3))]
    changed = [DenseMultimodal(levels[0].features * 2, (2, 3)), levels[1]]
    both = [changed[0], other[1]]
    flows = {}
    for name, kind in {**FUSIONS, "gmlf": GatedMultiLevelFusion}.items():
        module = kind((7, 8), 5).double()
        flows[name] = float((module(changed) - module(levels) - module(both) + module(other)).abs().max().detach())
    assert flows["self-gated"] < 1e-12
    assert flows["none"] < 1e-12
    assert flows["gmlf"] > 1e-4


def small(**changes: object) -> RefvidConfig:
    return refvid_tiny_config(("dog", "red")).replace(
        backbone_channels=(8, 8, 8, 8, 8), embedding_channels=8, attention_channels=8, fusion_channels=8, **changes
    )


@pytest.mark.parametrize("pooled_by", ["word-attention", "mean", "max"])
@pytest.mark.parametrize("fusion", ["gmlf", "self-gated", "none"])
def test_the_config_chooses_and_every_parameter_learns(pooled_by: str, fusion: str) -> None:
    torch.manual_seed(0)
    network = build_network(small(pooling=pooled_by, fusion=fusion))
    kinds = {"word-attention": CrossModalSelfAttention, "gmlf": GatedMultiLevelFusion, **POOLINGS, **FUSIONS}
    assert all(type(attend) is kinds[pooled_by] for attend in network.cross_modal)
    assert type(network.fusion) is kinds[fusion]
    ids = torch.tensor([[[2, 3, 0], [3, 2, 2]]])
    network(torch.rand(1, 3, 3, 32, 48), ids, target=1).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_alternatives_run_in_mixed_precision_and_without_gradients() -> None:
    torch.manual_seed(0)
    network = build_network(small(pooling="max", fusion="self-gated")).eval()
    clip, ids = torch.rand(1, 3, 3, 32, 48), torch.tensor([[[2, 3, 0], [3, 2, 2]]])
    with torch.no_grad():
        exact = network(clip, ids, target=1)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rounded = network(clip, ids, target=1)
    torch.testing.assert_close(rounded.float(), exact, rtol=0.1, atol=0.1)


def test_the_defaults_are_the_papers_and_unknown_names_are_refused() -> None:
    config = refvid_tiny_config(())
    assert (config.pooling, config.fusion) == ("word-attention", "gmlf")
    with pytest.raises(ValueError, match="pooling must be one of word-attention, mean, max, got 'sum'"):
        config.replace(pooling="sum")
    with pytest.raises(ValueError, match=r"fusion must be one of gmlf, self-gated, .*, none, got 'sum'"):
        config.replace(fusion="sum")
