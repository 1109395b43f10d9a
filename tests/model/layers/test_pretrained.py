"""The pretrained trunk and its neck: against the formula, with features that are given, frozen, and folded."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.fast.folding import fold
from refvid.model.interface import FrameFeatures, ReferringNetwork
from refvid.model.layers.backbone import ResidualBlock
from refvid.model.layers.pretrained import PretrainedBackbone
from refvid.train.optimiser import build_optimiser, freeze, set_training
from refvid.train.settings import TrainSettings
from tests.model import small


@pytest.fixture
def backbone() -> PretrainedBackbone:
    torch.manual_seed(1)
    made = PretrainedBackbone("efficientnet-lite0", 8, 4, 6, with_stem=True, with_classes=True).eval()
    small.fill(made)
    return made


def literal_norm(features: Tensor, norm: nn.Module) -> Tensor:
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    mean, variance, weight, bias = (
        value[:, None, None] for value in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    return (features - mean) / (variance + norm.eps).sqrt() * weight + bias


def literal_block(features: Tensor, block: nn.Module, dilation: int) -> Tensor:
    assert isinstance(block, ResidualBlock)
    inner = F.conv2d(features, block.conv1.weight, padding=dilation, dilation=dilation)
    inner = literal_norm(inner, block.bn1).clamp(min=0)
    inner = F.conv2d(inner, block.conv2.weight, padding=dilation, dilation=dilation)
    return (literal_norm(inner, block.bn2) + features).clamp(min=0)


def entry(features: Tensor, part: nn.Sequential, *, stride: int = 1) -> Tensor:
    convolution = part[0]
    assert isinstance(convolution, nn.Conv2d)
    padding = convolution.kernel_size[0] // 2
    return literal_norm(F.conv2d(features, convolution.weight, stride=stride, padding=padding), part[1])


def literal(backbone: PretrainedBackbone, images: Tensor) -> FrameFeatures:
    """What the neck makes of the trunk's features, written out."""
    quarter, eighth, sixteenth, last = backbone.trunk(images)
    head = backbone.trunk.describe(last)
    size = sixteenth.shape[-2:]
    cells = [F.interpolate(part, size, mode="bilinear") for part in (
        entry(last, backbone.from_last), entry(head, backbone.from_head)
    )]  # fmt: skip
    blocks = F.avg_pool2d(images, 2)
    path = backbone.colours
    named = F.conv2d(blocks, path.inner.weight, path.inner.bias).clamp(min=0)
    named = F.conv2d(named, path.outer.weight, path.outer.bias).clamp(min=0)
    colours = literal_norm(F.avg_pool2d(named, 4), path.norm)
    tint = [F.conv2d(F.avg_pool2d(colours, 2), part.weight) for part in backbone.tints if isinstance(part, nn.Conv2d)]
    first = entry(eighth, backbone.from_eighth, stride=2) + entry(sixteenth, backbone.from_sixteenth)
    levels = [literal_block(first.clamp(min=0), backbone.blocks[0], 1) + tint[0]]
    for index in (1, 2):
        seen = (levels[-1] + cells[index - 1]).clamp(min=0)
        levels.append(literal_block(seen, backbone.blocks[index], 2) + tint[index])
    assert backbone.fine is not None
    assert backbone.quarter_norm is not None
    context = F.interpolate(levels[-1], eighth.shape[-2:], mode="bilinear")
    fine = entry(torch.cat([eighth, context, colours], 1), backbone.fine).clamp(min=0)
    stem = torch.cat([literal_norm(quarter, backbone.quarter_norm), F.avg_pool2d(images, 4)], 1)
    classes = backbone.trunk.classify(last).softmax(1)
    return FrameFeatures(tuple(levels), literal_block(fine, backbone.fine[3], 1), stem, classes=classes)


@torch.no_grad()
def test_levels_of_a_wide_canvas_are_those_of_the_formula(backbone: PretrainedBackbone) -> None:
    images = torch.randn(2, 3, 64, 96, dtype=torch.float64)
    found, expected = backbone.double()(images), literal(backbone, images)
    assert [tuple(part.shape) for part in found.tensors] == [
        *[(2, 8, 4, 6)] * 3,
        (2, 6, 8, 12),
        (2, 24 + 3, 16, 24),
        (2, 1000, 2, 3),
    ]
    assert backbone.channels == (8, 8, 8)
    assert backbone.stem_channels == 24 + 3
    torch.testing.assert_close(found.classes.sum(1), torch.ones(2, 2, 3, dtype=torch.float64))
    for one, other in zip(found.tensors, expected.tensors, strict=True):
        assert one.shape[1] == 1000 or one.std() > 0.05, "a constant would prove nothing"
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


@torch.no_grad()
def test_what_is_not_wanted_is_not_there() -> None:
    with torch.device("meta"):
        plain = PretrainedBackbone("efficientnet-lite2", 8, 4).eval()
        found = plain(torch.zeros(1, 3, 32, 64))
    assert [tuple(part.shape) for part in found.tensors] == [(1, 8, 2, 4)] * 3
    assert (found.fine, found.stem, found.classes) == (None, None, None)


@torch.no_grad()
def test_features_that_are_given_are_taken_for_as_many_pictures(
    backbone: PretrainedBackbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = torch.randn(2, 3, 64, 32)
    computed = backbone(images)
    given = backbone.trunk(images)
    passes: list[int] = []
    compute = backbone.trunk.forward

    def count(batch: Tensor) -> tuple[Tensor, ...]:
        passes.append(len(batch))
        return compute(batch)

    monkeypatch.setattr(backbone.trunk, "forward", count)
    with backbone.given(given):
        taken = backbone(images)
        assert passes == []
        alone = backbone(images[:1])
        assert passes == [1], "features of other pictures are not taken"
        other = backbone(torch.zeros_like(images))
    for one, same in zip(taken.tensors, computed.tensors, strict=True):
        assert torch.equal(one, same)
    torch.testing.assert_close(alone.levels[2], computed.levels[2][:1])
    assert not torch.equal(other.fine, computed.fine), "colours come from the pictures"
    torch.testing.assert_close(other.classes, computed.classes)
    assert passes == [1]
    backbone(images)
    assert passes == [1, 2], "they are forgotten behind the block"
    with pytest.raises(RuntimeError, match="made up"), backbone.given(given):
        raise RuntimeError("made up")
    backbone(images)
    assert passes == [1, 2, 2]


@pytest.mark.parametrize("name", small.OWN_SIZES)
def test_a_frozen_trunk_stays_as_it_is_while_the_neck_learns(name: str) -> None:
    network = small.build(name)
    settings = TrainSettings(trunk_rate=0.0, learning_rate=1e-2)
    assert network.trunk_name == "backbone.trunk"
    freeze(network, settings)
    set_training(network, settings)
    learner = nn.ModuleDict({"network": network})
    before = {key: value.clone() for key, value in network.state_dict().items()}
    optimiser = build_optimiser(learner, settings, network.trunk_name)
    clip = small.frames(3)[None].expand(2, -1, -1, -1, -1)
    network(clip, small.EXPRESSIONS.expand(2, -1, -1), target=1).square().mean().backward()
    optimiser.step()
    trunk = dict(network.get_submodule("backbone.trunk").named_parameters(prefix="backbone.trunk"))
    assert all(value.grad is None and not value.requires_grad for value in trunk.values())
    after = network.state_dict()
    moved = {key for key, value in after.items() if not torch.equal(value, before[key])}
    assert not any(key.startswith("backbone.trunk.") for key in moved)
    assert {f"backbone.blocks.{index}.conv1.weight" for index in range(3)} <= moved
    assert "backbone.blocks.0.bn1.running_mean" in moved
    assert not any(".vectors." in key for key in moved), "the table is not learnt"


def test_a_trunk_that_learns_has_a_rate_of_its_own() -> None:
    network = small.build()
    learner = nn.ModuleDict({"network": network})
    optimiser = build_optimiser(learner, TrainSettings(trunk_rate=0.1), network.trunk_name)
    slow = {name for group in optimiser.param_groups if group["share"] == 0.1 for name in group["names"]}
    assert "network.backbone.trunk.stem.0.weight" in slow
    assert not any(name.startswith("network.backbone.blocks") for name in slow)


@torch.no_grad()
def run(network: ReferringNetwork, pictures: Tensor) -> list[Tensor]:
    """The logits of every frame of a stream [T, 3, H, W]."""
    stream = network.stream()
    ready = [stream.push(network.encode(picture[None])) for picture in pictures]
    features = [one for one in ready if one is not None] + list(stream.flush())
    return [network.segment(one, small.EXPRESSIONS)[0] for one in features]


@pytest.mark.parametrize("name", small.OWN_SIZES)
def test_a_folded_network_says_the_same_of_every_frame(name: str) -> None:
    network = small.build(name).double()
    pictures = small.frames(4, 32, 64, dtype=torch.float64)
    expected, found = run(network, pictures), run(fold(network), pictures)
    assert len(expected) == len(found) == 4
    for one, other in zip(found, expected, strict=True):
        assert other.std() > 1e-3, "a constant would prove nothing"
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-10)


def test_in_float32_only_rounding_differs() -> None:
    network = small.build()
    pictures = small.frames(3)
    exact = run(small.build().double(), pictures.double())
    for truth, plain, fast in zip(exact, run(network, pictures), run(fold(network), pictures), strict=True):
        rounding = float((plain - truth).abs().max())
        assert float((fast - truth).abs().max()) < 10 * rounding + 1e-5 * float(truth.abs().max())
