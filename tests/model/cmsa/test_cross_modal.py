"""CMSA against the literal formulas, in float64."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from refvid.model.cmsa.cross_modal import CrossModalSelfAttention
from refvid.model.cmsa.network import number_words
from refvid.model.cmsa.position_attention import pool_positions, pool_positions_query_by_query
from refvid.model.layers.spatial import spatial_code


def literal(module: CrossModalSelfAttention, visual: Tensor, words: Tensor, spatial: Tensor) -> tuple[Tensor, Tensor]:
    """Eq. 1 to 5 for one image [C, h, w] and one expression of L real words [L, C_l], building F and all of A."""
    length = words.shape[0]
    v = F.normalize(visual.flatten(1).T, dim=-1)
    s = spatial.flatten(1).T
    f = torch.stack([torch.cat([v, F.normalize(e, dim=0).expand(len(v), -1), s], -1) for e in words])  # [L, P, D]
    q, k, value = (m(f).flatten(0, 1) for m in (module.query, module.key, module.value))  # [L P, A]
    attention = (q @ k.T).softmax(-1)
    f_hat = module.output(attention @ value).view_as(f) + f
    mass = attention.mean(0).view(length, -1).sum(-1)  # what each word receives as a key
    a = (module.temperature * length * mass).softmax(0)
    return torch.einsum("n,npd->pd", a, f_hat).T.unflatten(1, visual.shape[1:]), a


@pytest.fixture
def module() -> CrossModalSelfAttention:
    torch.manual_seed(0)
    module = CrossModalSelfAttention(12, 10, 16).double()
    with torch.no_grad():
        module.temperature.fill_(1.7)
        module.query.weight.mul_(2)  # away from a flat softmax
    return module


def inputs(batch: int, expressions: int, length: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    visual = torch.randn(batch, 12, 3, 5, generator=generator, dtype=torch.float64)
    words = torch.randn(batch, expressions, length, 10, generator=generator, dtype=torch.float64)
    return visual, words, spatial_code(3, 5, dtype=torch.float64, device=torch.device("cpu"))


@pytest.mark.parametrize("length", [1, 2, 7, 20])
def test_equals_the_literal_formula(module: CrossModalSelfAttention, length: int) -> None:
    visual, words, spatial = inputs(2, 3, length)
    mask = torch.ones(2, 3, length, dtype=torch.bool)
    multimodal, attention = module(visual, words, mask, spatial)
    fused = multimodal.dense()
    for b in range(2):
        for e in range(3):
            expected, weights = literal(module, visual[b], words[b, e], spatial)
            torch.testing.assert_close(fused[b * 3 + e], expected, rtol=1e-10, atol=1e-10)
            torch.testing.assert_close(attention[b, e], weights, rtol=1e-10, atol=1e-10)


def test_gradients_equal_those_of_the_literal_formula(module: CrossModalSelfAttention) -> None:
    visual, words, spatial = inputs(1, 1, 4)
    probe = torch.randn(30, 3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    gradients = []
    for fused in (
        module(visual, words, torch.ones(1, 1, 4, dtype=torch.bool), spatial)[0].dense()[0],
        literal(module, visual[0], words[0, 0], spatial)[0],
    ):
        gradients.append(torch.autograd.grad((fused * probe).sum(), list(module.parameters())))
    for fast, slow in zip(*gradients, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-9, atol=1e-10)


def test_padding_words_change_nothing(module: CrossModalSelfAttention) -> None:
    visual, words, spatial = inputs(1, 1, 6)
    mask = torch.tensor([[[True, True, True, True, False, False]]])
    padded, attention = module(visual, words, mask, spatial)
    short, short_attention = module(visual, words[:, :, :4], mask[:, :, :4], spatial)
    torch.testing.assert_close(padded.dense(), short.dense(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(attention[..., :4], short_attention)
    assert attention[..., 4:].abs().max() == 0


def test_one_word_has_all_the_weight_and_equal_words_share(module: CrossModalSelfAttention) -> None:
    visual, words, spatial = inputs(1, 1, 3)
    _, one = module(visual, words[:, :, :1], torch.ones(1, 1, 1, dtype=torch.bool), spatial)
    assert one.item() == 1
    same = words[:, :, :1].expand(-1, -1, 3, -1)
    _, shared = module(visual, same, torch.ones(1, 1, 3, dtype=torch.bool), spatial)
    torch.testing.assert_close(shared, torch.full_like(shared, 1 / 3))


def test_word_attention_is_not_uniform(module: CrossModalSelfAttention) -> None:
    """Normalising Eq. 3 over the queries of a key gives every word the same mass; over the keys it does not."""
    visual, words, spatial = inputs(1, 1, 5)
    _, attention = module(visual, words, torch.ones(1, 1, 5, dtype=torch.bool), spatial)
    assert attention.max() - attention.min() > 0.01
    v = F.normalize(visual[0].flatten(1).T, dim=-1)
    rows = [torch.cat([v, F.normalize(e, dim=0).expand(15, -1), spatial.flatten(1).T], -1) for e in words[0, 0]]
    f = torch.cat(rows)
    wrong_axis = (module.query(f) @ module.key(f).T).softmax(0).mean(0).view(5, -1).sum(-1)
    torch.testing.assert_close(wrong_axis, torch.full_like(wrong_axis, 0.2))


def test_batching_and_word_order_of_others_change_nothing(module: CrossModalSelfAttention) -> None:
    visual, words, spatial = inputs(3, 2, 4)
    mask = torch.ones(3, 2, 4, dtype=torch.bool)
    together, _ = module(visual, words, mask, spatial)
    alone, _ = module(visual[1:2], words[1:2, 1:], mask[1:2, 1:], spatial)
    torch.testing.assert_close(together.dense()[3:4], alone.dense(), rtol=1e-12, atol=1e-12)


def test_opposed_logits_fall_back_to_one_softmax_a_query() -> None:
    """Positions and words that pull to opposite ends underflow the product form; the result must not notice."""
    position = torch.tensor([[[40.0], [-40.0], [1.0]]])  # a = c up to sign: rows peak at the first key
    words = torch.tensor([[[[-80.0]]]])  # the word pulls to the other end
    keys = torch.tensor([[[1.0], [-1.0], [0.0]]])
    values = torch.randn(1, 3, 4, generator=torch.Generator().manual_seed(3))
    weights = torch.ones(1, 1, 1)
    pooled = pool_positions(position, words, keys, values, weights)
    expected = ((position + words[:, 0]).double() @ keys.double().transpose(1, 2)).softmax(-1) @ values.double()
    torch.testing.assert_close(pooled[:, 0].double(), expected, rtol=1e-6, atol=1e-6)
    product = torch.exp(position @ keys.transpose(1, 2) - 40) @ torch.exp(words[0] @ keys.transpose(1, 2) - 80).mT
    assert product.min() < 1e-12, "this case must really leave the fast path"


def test_shared_words_are_attended_to_once_with_the_same_result(module: CrossModalSelfAttention) -> None:
    visual, _, spatial = inputs(2, 3, 5)
    ids = torch.randint(1, 6, (2, 3, 5), generator=torch.Generator().manual_seed(5))
    ids[:, 0, 3:] = 0  # padding
    table = torch.randn(6, 10, generator=torch.Generator().manual_seed(6), dtype=torch.float64).requires_grad_()
    words, mask = table[ids], ids != 0
    results = []
    for shared in (None, number_words(ids)):
        fused, attention = module(visual, words, mask, spatial, shared)
        dense = fused.dense()
        gradients = torch.autograd.grad(dense.square().sum(), [table, *module.parameters()], retain_graph=True)
        results.append((dense, attention, *gradients))
    for apart, together in zip(*results, strict=True):
        torch.testing.assert_close(together, apart, rtol=1e-9, atol=1e-10)


def test_a_map_of_the_parts_equals_the_map_of_the_whole(module: CrossModalSelfAttention) -> None:
    visual, words, spatial = inputs(2, 3, 5)
    fused, _ = module(visual, words, torch.ones(2, 3, 5, dtype=torch.bool), spatial)
    generator = torch.Generator().manual_seed(7)
    weight = torch.randn(9, 30, generator=generator, dtype=torch.float64)
    bias = torch.randn(9, generator=generator, dtype=torch.float64)
    expected = F.conv2d(fused.dense(), weight[:, :, None, None], bias)
    torch.testing.assert_close(fused.project(weight, bias), expected, rtol=1e-11, atol=1e-11)


def test_opposed_words_fall_back_to_one_softmax_a_query(module: CrossModalSelfAttention) -> None:
    visual, words, spatial = inputs(1, 1, 3)
    with torch.no_grad():
        module.query.weight.mul_(60)
    fused, attention = module(visual, words, torch.ones(1, 1, 3, dtype=torch.bool), spatial)
    expected, weights = literal(module, visual[0], words[0, 0], spatial)
    torch.testing.assert_close(fused.dense()[0], expected, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(attention[0, 0], weights, rtol=1e-8, atol=1e-8)


def test_both_forms_agree() -> None:
    generator = torch.Generator().manual_seed(4)
    a, c, g = (torch.randn(2, 6, 8, generator=generator, dtype=torch.float64) for _ in range(3))
    b = torch.randn(2, 3, 4, 8, generator=generator, dtype=torch.float64)
    w = torch.rand(2, 3, 4, generator=generator, dtype=torch.float64)
    slow = pool_positions_query_by_query(a @ c.mT, b @ c[:, None].mT, g, w)
    torch.testing.assert_close(pool_positions(a, b, c, g, w), slow, rtol=1e-11, atol=1e-11)
