"""The decoders of Table 2 against their formulas written out, in float64, and as parts of a network."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from refvid.model.cmsa.ablations.decoders import (
    BINS,
    ConvolutionalLSTMFusion,
    DeconvolutionFusion,
    PyramidPoolingFusion,
    bin_weights,
)
from refvid.model.cmsa.multimodal import DenseMultimodal
from tests.conftest import small_config
from tests.model.miniature import (
    EXPRESSIONS,
    build,
    check_command_line,
    check_every_parameter_learns,
    check_mixed_precision,
    check_saving,
    overfit,
    parts_of_the_loss,
)

DECODERS = {"ppm": PyramidPoolingFusion, "deconvolution": DeconvolutionFusion, "conv-lstm": ConvolutionalLSTMFusion}
FINER = {"ppm": 1, "deconvolution": 2, "conv-lstm": 1}  # than the levels
WIDTHS = (7, 8, 9)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(3)


def level_features(height: int, width: int) -> list[DenseMultimodal]:
    """Random features of two expressions on two pictures, at three levels."""
    sizes = [(2, 2, height * width, channels) for channels in WIDTHS]
    return [DenseMultimodal(torch.randn(size, dtype=torch.float64), (height, width)) for size in sizes]


def projected(module: Any, levels: Sequence[DenseMultimodal]) -> list[Tensor]:
    """The literal X^i."""
    return [convolution(level.dense()) for convolution, level in zip(module.project, levels, strict=True)]


def literal_pooling(features: Tensor, bins: int) -> Tensor:
    """Means over the cells from floor(i n / bins) to ceil((i + 1) n / bins), loop by loop."""
    height, width = features.shape[-2:]
    pooled = torch.zeros(*features.shape[:2], bins, bins, dtype=features.dtype)
    for y in range(bins):
        for x in range(bins):
            rows = [row for row in range(height) if y * height // bins <= row < -(-(y + 1) * height // bins)]
            columns = [column for column in range(width) if x * width // bins <= column < -(-(x + 1) * width // bins)]
            cells = [features[:, :, row, column] for row in rows for column in columns]
            pooled[:, :, y, x] = sum(cells) / len(cells)
    return pooled


def literal_ppm(module: PyramidPoolingFusion, levels: Sequence[DenseMultimodal]) -> Tensor:
    total = torch.stack(projected(module, levels)).sum(0)
    maps = [total]
    for bins, reduce in zip((1, 2, 3, 6), module.reduce, strict=True):
        pooled = torch.clamp(reduce(literal_pooling(total, bins)), min=0)
        maps.append(F.interpolate(pooled, total.shape[-2:], mode="bilinear", align_corners=False))
    return torch.clamp(module.merge(torch.cat(maps, 1)), min=0)


def literal_transposed(features: Tensor, convolution: Any) -> Tensor:
    """What each position adds around its place in the output, one weight of the kernel at a time."""
    stride, kernel = convolution.stride[0], convolution.kernel_size[0]
    padding = int(convolution.padding[0])
    batch, _, height, width = features.shape
    sides = [(side - 1) * stride + kernel for side in (height, width)]
    made = torch.zeros(batch, convolution.out_channels, *sides, dtype=features.dtype)
    for y in range(kernel):
        for x in range(kernel):
            added = torch.einsum("nchw,cd->ndhw", features, convolution.weight[:, :, y, x])
            made[:, :, y : y + stride * height : stride, x : x + stride * width : stride] += added
    made = made + convolution.bias[:, None, None]
    return made[:, :, padding : sides[0] - padding, padding : sides[1] - padding]


def literal_deconvolution(module: DeconvolutionFusion, levels: Sequence[DenseMultimodal]) -> Tensor:
    res3, res4, res5 = projected(module, levels)
    first, second = module.steps
    at_res4 = torch.clamp(literal_transposed(res5, first), min=0) + res4
    at_res3 = torch.clamp(literal_transposed(at_res4, second), min=0) + res3
    return torch.clamp(literal_transposed(at_res3, module.enlarge), min=0)


def literal_lstm(module: ConvolutionalLSTMFusion, levels: Sequence[DenseMultimodal]) -> Tensor:
    """An LSTM of vectors at each position by itself."""
    res3, res4, res5 = projected(module, levels)
    weight, bias = module.gates.weight[:, :, 0, 0], module.gates.bias
    last = torch.zeros_like(res3)
    for n in range(len(res3)):
        for y in range(res3.shape[2]):
            for x in range(res3.shape[3]):
                h = c = torch.zeros(res3.shape[1], dtype=res3.dtype)
                for level in (res5, res4, res3):
                    i, f, o, g = (weight @ torch.cat([level[n, :, y, x], h]) + bias).view(4, -1)
                    c = c / (1 + torch.exp(-f)) + torch.tanh(g) / (1 + torch.exp(-i))
                    h = torch.tanh(c) / (1 + torch.exp(-o))
                last[n, :, y, x] = h
    return last


LITERAL: dict[str, Callable[..., Tensor]] = {
    "ppm": literal_ppm,
    "deconvolution": literal_deconvolution,
    "conv-lstm": literal_lstm,
}


@pytest.mark.parametrize(("height", "width"), [(3, 5), (1, 1), (6, 2), (9, 7), (12, 6)])
def test_pooling_equals_loops_over_the_cells_on_any_grid(height: int, width: int) -> None:
    features = torch.randn(2, 3, height, width, dtype=torch.float64)
    for bins in BINS:
        pooled = bin_weights(bins, features, -2) @ features @ bin_weights(bins, features, -1).mT
        torch.testing.assert_close(pooled, literal_pooling(features, bins), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("height", "width"), [(3, 5), (7, 8), (1, 1)])
@pytest.mark.parametrize("name", DECODERS)
def test_it_equals_the_literal_formula_on_any_grid(name: str, height: int, width: int) -> None:
    module, levels = DECODERS[name](WIDTHS, 6).double(), level_features(height, width)
    fused, literal = module.fuse(levels), LITERAL[name](module, levels)
    assert fused.shape == (4, 6, FINER[name] * height, FINER[name] * width)
    torch.testing.assert_close(fused, literal, rtol=1e-10, atol=1e-12)
    logits = module(levels)
    assert logits.shape == (4, 1, *fused.shape[2:])
    score: Any = module.score
    torch.testing.assert_close(logits, F.conv2d(literal, score.weight, score.bias, padding=1))
    probe = torch.randn_like(fused)
    parameters = [parameter for label, parameter in module.named_parameters() if not label.startswith("score")]
    fast, slow = (torch.autograd.grad((made * probe).sum(), parameters) for made in (fused, literal))
    for one, other in zip(fast, slow, strict=True):
        assert one.isfinite().all()
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", DECODERS)
def test_fewer_channels_than_bins_and_one_level_will_do(name: str) -> None:
    module = DECODERS[name]((7,), 2).double()
    assert module.fuse(level_features(3, 5)[:1]).shape[:2] == (4, 2)


def test_the_lstm_begins_by_remembering_and_reads_the_deepest_level_first() -> None:
    module = ConvolutionalLSTMFusion(WIDTHS, 64)
    biases = module.gates.bias.detach().view(4, -1).mean(1)
    assert abs(biases[1] - 1) < 0.05
    assert biases[[0, 2, 3]].abs().max() < 0.05
    order: list[int] = []
    step = module.step
    x = dict(enumerate(projected(module.double(), levels := level_features(2, 2)), start=3))

    def note(level: Tensor, *state: Tensor) -> tuple[Tensor, Tensor]:
        order.extend(number for number, features in x.items() if torch.allclose(features, level))
        return step(level, *state)

    module.step = note  # type: ignore[method-assign, assignment]
    module.fuse(levels)
    assert order == [5, 4, 3]


@pytest.mark.parametrize("name", DECODERS)
def test_the_config_chooses_it_and_every_parameter_learns(name: str) -> None:
    network = build(fusion=name, fusion_channels=32)  # 8 units for each grid of the pyramid: not all of them at zero
    assert type(network.fusion) is DECODERS[name]
    check_every_parameter_learns(network)
    for label, parameter in network.fusion.named_parameters():
        assert parameter.grad.abs().sum() > 0, label


@pytest.mark.parametrize("name", DECODERS)
def test_detail_upsampling_goes_on_from_it(name: str) -> None:
    plain, fine = build(fusion=name, detail_channels=0), build(fusion=name)
    fine.load_state_dict(plain.state_dict(), strict=False)
    image = torch.rand(2, 3, 32, 48)
    with torch.no_grad():
        coarse, _ = plain.segment(plain.encode(image), EXPRESSIONS)
        logits, _ = fine.segment(fine.encode(image), EXPRESSIONS)
    assert coarse.shape == (2, 2, 4 * FINER[name], 6 * FINER[name])
    torch.testing.assert_close(logits, F.interpolate(coarse, (8, 12), mode="bilinear"))


@pytest.mark.parametrize("name", DECODERS)
def test_it_runs_in_mixed_precision(name: str) -> None:
    check_mixed_precision(build(fusion=name))


@pytest.mark.parametrize("name", DECODERS)
def test_the_whole_loss_reaches_it(name: str) -> None:
    network = build(fusion=name)
    assert parts_of_the_loss(network) == {"entropy", "dice", "contrast", "words", "attributes"}
    assert network.fusion.score.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("name", DECODERS)
def test_a_miniature_learns_one_picture(name: str) -> None:
    first, last, iou = overfit(torch.tensor([[[5], [3]]]), fusion=name)
    assert last < 0.1 * first
    assert iou > 0.8


@pytest.mark.parametrize("name", DECODERS)
def test_a_checkpoint_gives_the_same_masks(name: str, tmp_path: Path) -> None:
    check_saving(small_config().replace(fusion=name), tmp_path)


@pytest.mark.parametrize("name", DECODERS)
def test_the_command_line_segments_with_it(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check_command_line(small_config().replace(name=name, fusion=name), tmp_path, capsys)
