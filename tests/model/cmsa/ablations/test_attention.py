"""The attention methods of Table 2 against Eq. 2 to 5 written out, in float64, and as parts of a network."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from refvid.model.cmsa.ablations.attention import (
    AttentionAlternative,
    NoAttention,
    PixelAttention,
    WordAttention,
    WordPixelPairAttention,
)
from refvid.model.cmsa.cross_modal import CrossModalSelfAttention
from refvid.model.layers.spatial import spatial_code
from tests.conftest import small_config
from tests.model import miniature

KINDS = {"word": WordAttention, "pixel": PixelAttention, "word-pixel": WordPixelPairAttention, "none": NoAttention}
C, C_L = 12, 10
DOUBLE: dict[str, Any] = {"dtype": torch.float64}


def spread(word: Tensor | None, position: Tensor | None, attention_channels: int) -> Tensor:
    """A map [A, D] of the whole f_pn from its columns for the word and for [visual, spatial]; missing ones are 0."""
    word = torch.zeros(attention_channels, C_L, **DOUBLE) if word is None else word
    position = torch.zeros(attention_channels, C + 8, **DOUBLE) if position is None else position
    return torch.cat([position[:, :C], word, position[:, C:]], 1)


def maps(module: AttentionAlternative) -> list[Tensor]:
    """W_q, W_k and W_v [A, D]."""
    names = ("query", "key", "value")
    if isinstance(module, WordPixelPairAttention):
        parts = [(getattr(module, f"word_{name}").weight, getattr(module, f"position_{name}").weight) for name in names]
    elif isinstance(module, WordAttention):
        parts = [(getattr(module, name).weight, None) for name in names]
    else:
        parts = [(None, getattr(module, name).weight) for name in names]
    return [spread(word, position, 16) for word, position in parts]


def literal(module: AttentionAlternative, visual: Tensor, words: Tensor, spatial: Tensor) -> tuple[Tensor, Tensor]:
    """Eq. 1 to 5 for one image [C, h, w] and one expression of L real words [L, C_l], with parts of f set to zero."""
    length, positions = len(words), visual[0].numel()
    v, s = F.normalize(visual.flatten(1).T, dim=-1), spatial.flatten(1).T
    seen = torch.cat([v, torch.zeros(positions, C_L, **DOUBLE), s], -1).repeat(length, 1)  # [v_p, 0, s_p], [(L P), D]
    told = F.pad(F.normalize(words, dim=-1), (C, 8)).repeat_interleave(positions, 0)  # [0, e_n, 0]
    both = {"word": [(told, told)], "pixel": [(seen, seen)], "word-pixel": [(told, seen), (seen, told)], "none": []}
    attended, mass = torch.zeros_like(seen), torch.zeros(length, **DOUBLE)
    for asking, asked in both[next(name for name, kind in KINDS.items() if type(module) is kind)]:
        query, key, value = maps(module)
        a = ((asking @ query.T) @ (asked @ key.T).T).softmax(-1)  # Eq. 3
        attended = attended + (a @ (asked @ value.T)) @ module.output.weight.T  # Eq. 2
        mass = mass + a.mean(0).view(length, positions).sum(1)
    weights = (getattr(module, "temperature", 1.0) * length * mass).softmax(0)  # Eq. 4
    f_hat = (attended + seen + told).view(length, positions, -1)
    return torch.einsum("n,npd->dp", weights, f_hat).unflatten(1, visual.shape[1:]), weights  # Eq. 5


@pytest.fixture(params=list(KINDS))
def module(request: pytest.FixtureRequest) -> AttentionAlternative:
    torch.manual_seed(0)
    module = KINDS[request.param](C, C_L, 16).double()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name == "temperature":
                parameter.fill_(1.7)
            elif "query" in name:
                parameter.mul_(3)  # away from a flat softmax
    return module


def inputs(batch: int, expressions: int, length: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    visual = torch.randn(batch, C, 3, 5, generator=generator, **DOUBLE)
    words = torch.randn(batch, expressions, length, C_L, generator=generator, **DOUBLE)
    return visual, words, spatial_code(3, 5, dtype=torch.float64, device=torch.device("cpu"))


@pytest.mark.parametrize("length", [1, 2, 7])
def test_equals_the_literal_formula(module: AttentionAlternative, length: int) -> None:
    visual, words, spatial = inputs(2, 3, length)
    multimodal, attention = module(visual, words, torch.ones(2, 3, length, dtype=torch.bool), spatial)
    dense = multimodal.dense()
    assert dense.shape == (6, module.channels, 3, 5)
    for b in range(2):
        for e in range(3):
            expected, weights = literal(module, visual[b], words[b, e], spatial)
            torch.testing.assert_close(dense[b * 3 + e], expected, rtol=1e-10, atol=1e-10)
            torch.testing.assert_close(attention[b, e], weights, rtol=1e-10, atol=1e-10)


def test_gradients_equal_those_of_the_literal_formula(module: AttentionAlternative) -> None:
    visual, words, spatial = inputs(1, 1, 4)
    learnt = [visual.requires_grad_(), words.requires_grad_(), *module.parameters()]
    probe = torch.randn(30, 3, 5, generator=torch.Generator().manual_seed(2), **DOUBLE)
    made = module(visual, words, torch.ones(1, 1, 4, dtype=torch.bool), spatial)[0].dense()[0]
    expected = literal(module, visual[0], words[0, 0], spatial)[0]
    gradients = [torch.autograd.grad((features * probe).sum(), learnt) for features in (made, expected)]
    for one, other in zip(*gradients, strict=True):
        assert one.abs().sum() > 0
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-10)


def test_padding_words_change_nothing(module: AttentionAlternative) -> None:
    visual, words, spatial = inputs(1, 2, 6)
    mask = torch.tensor([[[True, True, True, True, False, False], [True] * 6]])
    padded, attention = module(visual, words.requires_grad_(), mask, spatial)
    short, short_attention = module(visual, words[:, :1, :4], mask[:, :1, :4], spatial)
    torch.testing.assert_close(padded.dense()[:1], short.dense(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(attention[:, :1, :4], short_attention)
    assert attention[0, 0, 4:].abs().max() == 0
    gradients = torch.autograd.grad(padded.dense().square().sum(), [words, *module.parameters()])
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert gradients[0][0, 0, 4:].abs().max() == 0


def test_positions_and_words_may_come_in_any_order(module: AttentionAlternative) -> None:
    visual, words, spatial = inputs(1, 1, 5)
    mask = torch.ones(1, 1, 5, dtype=torch.bool)
    dense, attention = (
        made if torch.is_tensor(made) else made.dense() for made in module(visual, words, mask, spatial)
    )
    places = torch.randperm(15, generator=torch.Generator().manual_seed(3))
    order = torch.tensor([3, 0, 4, 1, 2])
    moved, code = (features.flatten(-2)[..., places].unflatten(-1, (3, 5)) for features in (visual, spatial))
    shuffled, weights = module(moved, words[:, :, order], mask, code)
    torch.testing.assert_close(shuffled.dense().flatten(-2), dense.flatten(-2)[..., places], rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(weights, attention[..., order])


def test_no_attention_has_nothing_to_learn() -> None:
    assert list(NoAttention(C, C_L, 16).parameters()) == []


@pytest.mark.parametrize("name", KINDS)
def test_the_config_chooses_and_every_parameter_learns(name: str) -> None:
    network = miniature.build(attention=name)
    assert all(type(attend) is KINDS[name] for attend in network.cross_modal)
    miniature.check_every_parameter_learns(network)
    miniature.check_mixed_precision(network)


@pytest.mark.parametrize("name", KINDS)
def test_a_miniature_learns_one_picture(name: str) -> None:
    first, last, share = miniature.overfit(torch.tensor([[[5, 2], [3, 2]]]), attention=name)
    assert last < first / 3
    assert share > 0.7


@pytest.mark.parametrize("name", KINDS)
def test_checkpoint_and_command_line(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = small_config().replace(name=name, attention=name)
    miniature.check_saving(config, tmp_path / "saved")
    miniature.check_command_line(config, tmp_path, capsys)


def test_words_alone_are_taught_where_words_attend_to_positions() -> None:
    parts = {"entropy", "dice", "contrast", "attributes"}
    assert miniature.parts_of_the_loss(miniature.build()) == parts | {"words"}
    assert miniature.parts_of_the_loss(miniature.build(pooling="mean")) == parts | {"words"}
    for name in KINDS:
        assert miniature.parts_of_the_loss(miniature.build(attention=name)) == parts, name


def test_the_default_is_the_papers_and_what_cannot_be_joined_is_refused() -> None:
    config = small_config()
    assert config.attention == "cross-modal"
    assert all(type(attend) is CrossModalSelfAttention for attend in miniature.build().cross_modal)
    with pytest.raises(ValueError, match=r"attention must be one of cross-modal, word, pixel, .*, got 'all'"):
        config.replace(attention="all")
    for name in (*KINDS, "cvpr19"):
        for pooling in ("mean", "max"):
            with pytest.raises(ValueError, match=f"pooling '{pooling}' is for attention 'cross-modal'; .* '{name}'"):
                config.replace(attention=name, pooling=pooling)
