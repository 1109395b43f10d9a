"""The attention and the fusion released in 2019 against loops, in float64, and as parts of a network."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from refvid.model.cmsa.ablations import cvpr19
from refvid.model.cmsa.ablations.cvpr19 import Cvpr19Attention, Cvpr19Fusion, cvpr19_attention, pool_by_two
from refvid.model.cmsa.multimodal import DenseMultimodal
from refvid.model.layers.spatial import spatial_code
from tests.conftest import small_config
from tests.model import miniature

WIDTHS = {"mapped": {"visual_width": 7}, "reduced": {"reduced_width": 9}}
SETTINGS: dict[str, dict[str, Any]] = {
    "attention": {"attention": "cvpr19"},
    "fusion": {"fusion": "cvpr19"},
    "both": {"attention": "cvpr19", "fusion": "cvpr19", "cross_frame": False},
}
DOUBLE: dict[str, Any] = {"dtype": torch.float64}


def windows(values: Tensor) -> Tensor:
    """The maxima of [L, h, w, A] over windows of 2 x 2 x 2, the last ones smaller: [K, A]."""
    length, height, width, _ = values.shape
    return torch.stack([
        values[n : n + 2, y : y + 2, x : x + 2].amax((0, 1, 2))
        for n in range(0, length, 2) for y in range(0, height, 2) for x in range(0, width, 2)
    ])  # fmt: skip


def literal(module: Cvpr19Attention, visual: Tensor, words: Tensor, spatial: Tensor) -> Tensor:
    """The features [R, h, w] of one image [C, h, w] and one expression of L real words [L, C_l]."""
    v, s = visual.permute(1, 2, 0), spatial.permute(1, 2, 0)
    v = F.normalize(v if module.visual_map is None else module.visual_map(v), dim=-1)
    f = torch.stack([torch.cat([v, F.normalize(e, dim=0).expand(*v.shape[:2], -1), s], -1) for e in words])
    f = f if module.reduce is None else F.relu(module.reduce(f))  # [L, h, w, R]
    theta, phi, g = (F.relu(layer(f)) for layer in (module.query, module.key, module.value))
    attended = (theta.flatten(0, 2) @ windows(phi).T).softmax(-1) @ windows(g)
    return (F.relu(module.output(attended)).view_as(f) + f).mean(0).permute(2, 0, 1)


@pytest.fixture(params=list(WIDTHS))
def module(request: pytest.FixtureRequest) -> Cvpr19Attention:
    torch.manual_seed(0)
    module = Cvpr19Attention(12, 10, 16, **WIDTHS[request.param]).double()
    with torch.no_grad():
        for layer in (module.query, module.key, module.value, module.output):
            layer.weight.mul_(2)  # away from a flat softmax
            layer.bias.normal_(std=0.3)
    return module


def inputs(batch: int, expressions: int, length: int, size: tuple[int, int] = (3, 5)) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    visual = torch.randn(batch, 12, *size, generator=generator, **DOUBLE)
    words = torch.randn(batch, expressions, length, 10, generator=generator, **DOUBLE)
    return visual, words, spatial_code(*size, dtype=torch.float64, device=torch.device("cpu"))


@pytest.mark.parametrize(("length", "size"), [(1, (3, 5)), (2, (4, 2)), (7, (3, 4)), (4, (1, 5))])
def test_equals_the_literal_formula(module: Cvpr19Attention, length: int, size: tuple[int, int]) -> None:
    visual, words, spatial = inputs(2, 3, length, size)
    multimodal, attention = module(visual, words, torch.ones(2, 3, length, dtype=torch.bool), spatial)
    dense = multimodal.dense()
    assert dense.shape == (6, module.channels, *size)
    torch.testing.assert_close(attention, torch.full((2, 3, length), 1 / length, **DOUBLE))
    for b in range(2):
        for e in range(3):
            expected = literal(module, visual[b], words[b, e], spatial)
            torch.testing.assert_close(dense[b * 3 + e], expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("chunk", [1 << 26, 700])
def test_gradients_equal_those_of_the_literal_formula(
    module: Cvpr19Attention, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one piece, and in pieces that are computed again for the gradient."""
    monkeypatch.setattr(cvpr19, "CHUNK", chunk)
    visual, words, spatial = inputs(1, 1, 4)
    learnt = [visual.requires_grad_(), words.requires_grad_(), *module.parameters()]
    probe = torch.randn(module.channels, 3, 5, generator=torch.Generator().manual_seed(2), **DOUBLE)
    made = module(visual, words, torch.ones(1, 1, 4, dtype=torch.bool), spatial)[0].dense()[0]
    expected = literal(module, visual[0], words[0, 0], spatial)
    gradients = [torch.autograd.grad((features * probe).sum(), learnt) for features in (made, expected)]
    for one, other in zip(*gradients, strict=True):
        assert one.abs().sum() > 0
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("real", [1, 3, 4])
def test_padding_words_change_nothing(module: Cvpr19Attention, real: int) -> None:
    """Also not where a real word and padding stand in one window."""
    visual, words, spatial = inputs(1, 2, 7)
    mask = torch.ones(1, 2, 7, dtype=torch.bool)
    mask[0, 0, real:] = False
    padded, attention = module(visual, words.requires_grad_(), mask, spatial)
    short, _ = module(visual, words[:, :1, :real], mask[:, :1, :real], spatial)
    torch.testing.assert_close(padded.dense()[:1], short.dense(), rtol=1e-12, atol=1e-12)
    assert attention[0, 0, real:].abs().max() == 0
    gradients = torch.autograd.grad(padded.dense().square().sum(), [words, *module.parameters()])
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert gradients[0][0, 0, real:].abs().max() == 0


def test_windows_are_in_the_order_of_words_rows_and_columns() -> None:
    values = torch.randn(1, 1, 3, 4 * 5, 2, generator=torch.Generator().manual_seed(3))
    pooled = pool_by_two(values, 4, 5)
    assert pooled.shape == (1, 1, 2 * 2 * 3, 2)
    assert torch.equal(pooled[0, 0], windows(values[0, 0].view(3, 4, 5, 2)))


def test_full_size_has_the_released_widths() -> None:
    with torch.device("meta"):
        levels = cvpr19_attention((512, 1024, 2048), 1000, 512)
    assert [level.channels for level in levels] == [128, 256, 2008]
    assert [level.query.out_features for level in levels] == [64, 128, 512]
    assert [level.reduce and level.reduce.in_features for level in levels] == [1520, 2032, None]
    assert levels[2].visual_map is not None
    assert levels[2].visual_map.out_features == 1000


def test_fusion_equals_the_literal_formula() -> None:
    torch.manual_seed(0)
    module = Cvpr19Fusion((7, 8, 9), 5).double()
    with torch.no_grad():
        module.share.copy_(torch.tensor([0.2, 0.5, 0.9]))
        for gate in module.gates:
            gate.bias.normal_()
    levels = [DenseMultimodal(torch.randn(2, 2, 6, width, **DOUBLE), (2, 3)) for width in (7, 8, 9)]
    res3, res4, res5 = (F.relu(layer(level.dense())) for layer, level in zip(module.project, levels, strict=True))
    total = torch.zeros_like(res3)
    gates: Any = module.gates
    for own, deeper, other, gate, a in (
        (res3, res5, res4, gates[0], 0.2),
        (res4, res5, res3, gates[1], 0.5),
        (res5, res4, res3, gates[2], 0.9),
    ):
        i, f, r = F.conv2d(own, gate.weight, gate.bias, padding=1).split(5, 1)
        f, r = 1 / (1 + torch.exp(-(f + 1))), 1 / (1 + torch.exp(-(r + 1)))
        c = a * f * deeper + (1 - a) * f * other + (1 - f) * i
        total = total + r * torch.tanh(c) + (1 - r) * own
    torch.testing.assert_close(module.fuse(levels), total)
    logits = module(levels)
    torch.testing.assert_close(logits, F.conv2d(total, module.score.weight, module.score.bias, padding=1))
    for label, parameter in module.named_parameters():
        (gradient,) = torch.autograd.grad(logits.square().sum(), parameter, retain_graph=True)
        assert gradient.isfinite().all(), label
        assert gradient.abs().sum() > 0, label


def test_fusion_starts_with_equal_shares_and_needs_three_levels() -> None:
    assert Cvpr19Fusion((7, 8, 9), 5).share.tolist() == [0.5, 0.5, 0.5]
    with pytest.raises(ValueError, match="joins three levels, got 2"):
        Cvpr19Fusion((7, 8), 5)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_config_chooses_and_every_parameter_learns(name: str) -> None:
    network = miniature.build(**SETTINGS[name])
    assert isinstance(network.fusion, Cvpr19Fusion) is (name != "attention")
    assert all(isinstance(attend, Cvpr19Attention) is (name != "fusion") for attend in network.cross_modal)
    miniature.check_every_parameter_learns(network)
    miniature.check_mixed_precision(network)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_miniature_learns_one_picture(name: str) -> None:
    first, last, share = miniature.overfit(torch.tensor([[[5, 2], [3, 2]]]), **SETTINGS[name])
    assert last < first / 3
    assert share > 0.7


@pytest.mark.parametrize("name", SETTINGS)
def test_checkpoint_and_command_line(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = small_config().replace(name=name, **SETTINGS[name])
    miniature.check_saving(config, tmp_path / "saved")
    miniature.check_command_line(config, tmp_path, capsys)


def test_words_are_taught_with_the_fusion_alone() -> None:
    parts = {"entropy", "dice", "contrast", "attributes"}
    assert miniature.parts_of_the_loss(miniature.build(attention="cvpr19")) == parts
    assert miniature.parts_of_the_loss(miniature.build(fusion="cvpr19")) == parts | {"words"}
