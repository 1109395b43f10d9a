"""Logits of stride 2, along the edges of the picture."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from refvid.model.refvid.bilateral import SIDE, BilateralUpsampling
from refvid.model.refvid.config import RefvidConfig
from refvid.model.refvid.network import RefvidNetwork
from refvid.train.objective import mask_losses
from tests.conftest import small_config
from tests.model.fast.test_folding import unsettle
from tests.model.miniature import (
    EXPRESSIONS,
    build,
    check_command_line,
    check_every_parameter_learns,
    check_mixed_precision,
    check_saving,
)

BILATERAL = {"bilateral_channels": 5}


def module(channels: int = 5) -> BilateralUpsampling:
    torch.manual_seed(6)
    found = unsettle(BilateralUpsampling(4, channels)).double()
    assert isinstance(found, BilateralUpsampling)
    return found


def literal(upsampling: BilateralUpsampling, logits: Tensor, features: Tensor) -> Tensor:
    """The formula for one expression and one picture, position by position: [h, w] to [2 h, 2 w]."""
    height, width = logits.shape
    codes, direction = upsampling.code(features[None])[0], upsampling.direction(features[None])[0]
    out, reach = torch.zeros(2 * height, 2 * width, dtype=logits.dtype), SIDE // 2
    for y in range(2 * height):
        for x in range(2 * width):
            likeness, answers = [], []
            for number in range(SIDE**2):
                down, across = y // 2 + number // SIDE - reach, x // 2 + number % SIDE - reach
                row, column = min(max(down, 0), height - 1), min(max(across, 0), width - 1)
                mean = codes[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2].mean((1, 2))
                near = upsampling.nearness[4 * number + 2 * (y % 2) + x % 2]
                likeness.append(direction[number, y, x] + near - (codes[:, y, x] - mean).square().sum())
                answers.append(logits[row, column])
            # |e_p|^2 is the same for all of them, and goes out in the softmax.
            out[y, x] = torch.stack(likeness).softmax(0) @ torch.stack(answers)
    return out


@torch.no_grad()
def test_it_equals_the_literal_formula_with_each_expression_s_own_picture() -> None:
    upsampling = module()
    logits, stem = torch.randn(4, 1, 4, 6, dtype=torch.float64), torch.randn(2, 4, 8, 12, dtype=torch.float64)
    features = upsampling.features(stem)
    found = upsampling(logits, features)
    assert found.shape == (4, 1, 8, 12)
    for row in range(4):  # expressions 0 and 1 are of picture 0, 2 and 3 of picture 1
        torch.testing.assert_close(found[row, 0], literal(upsampling, logits[row, 0], features[row // 2]))


@torch.no_grad()
def test_weights_are_a_mean() -> None:
    upsampling = module()
    features = upsampling.features(torch.randn(2, 4, 8, 12, dtype=torch.float64))
    weights = upsampling.weights(features)
    assert weights.shape == (2, SIDE, SIDE, 4, 4, 6)
    assert bool((weights > 0).all())
    torch.testing.assert_close(weights.sum((1, 2)), torch.ones_like(weights[:, 0, 0]))
    even = torch.full((2, 1, 4, 6), -1.5, dtype=torch.float64)
    torch.testing.assert_close(upsampling(even, features), torch.full((2, 1, 8, 12), -1.5, dtype=torch.float64))


@torch.no_grad()
def test_it_begins_by_taking_what_is_near() -> None:
    torch.manual_seed(1)
    upsampling = BilateralUpsampling(4, 5)
    flat = torch.zeros(1, 4, 16, 24)  # nothing to be seen: only nearness counts
    ramp = torch.linspace(-1, 1, 12).expand(1, 1, 8, 12)
    found = upsampling(ramp, upsampling.features(flat))[..., 5:-5]  # away from the ends
    expected = F.interpolate(ramp, scale_factor=2, mode="bilinear")[..., 5:-5]
    torch.testing.assert_close(found, expected, atol=0.04, rtol=0)


def test_it_learns_where_edges_are() -> None:
    """Taught on squares of any place and colour, it finds those of others in blurred logits better than bilinear
    upsampling does.
    """
    generator = torch.Generator().manual_seed(5)

    def scene() -> tuple[Tensor, Tensor]:
        mask, top, left = torch.zeros(1, 1, 48, 48), *(int(torch.randint(5, 24, (), generator=generator)) for _ in "yx")
        mask[..., top : top + 15, left : left + 17] = 1
        inside = torch.rand(3, 1, 1, generator=generator)
        outside = (inside + 0.5) % 1
        return torch.where(mask[0] > 0, inside, outside)[None], mask

    def blurred(mask: Tensor) -> Tensor:
        return 8 * (F.avg_pool2d(mask, 12, 4, 4) - 0.5)  # of stride 4, and over three positions

    torch.manual_seed(2)
    upsampling = BilateralUpsampling(3, 8)
    optimiser = torch.optim.Adam(upsampling.parameters(), lr=0.02)
    for _ in range(150):
        picture, mask = scene()
        logits = upsampling(blurred(mask), upsampling.features(F.avg_pool2d(picture, 2)))
        loss = F.binary_cross_entropy_with_logits(logits, F.avg_pool2d(mask, 2))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    wrong = {"bilateral": 0, "bilinear": 0}
    with torch.no_grad():
        for _ in range(20):
            picture, mask = scene()
            logits, truth = blurred(mask), F.avg_pool2d(mask, 2) > 0.5
            bilinear = F.interpolate(logits, scale_factor=2, mode="bilinear")
            cut = upsampling(logits, upsampling.features(F.avg_pool2d(picture, 2)))
            for name, found in (("bilateral", cut), ("bilinear", bilinear)):
                wrong[name] += int(((found > 0) != truth).sum())
    assert wrong["bilateral"] < 0.6 * wrong["bilinear"], wrong


def with_bilateral(**changes: object) -> RefvidNetwork:
    network = unsettle(build(**BILATERAL, **changes))
    assert isinstance(network, RefvidNetwork)
    return network


@pytest.mark.parametrize("changes", [{}, {"actor_channels": 4}], ids=["no actors", "actors"])
@torch.no_grad()
def test_a_stream_keeps_what_each_frame_needs(changes: dict[str, object]) -> None:
    network = with_bilateral(**changes).double()
    video = torch.rand(5, 3, 24, 40, dtype=torch.float64)
    stream = network.stream()
    ready = [stream.push(network.encode(frame[None])) for frame in video]
    levels = [one for one in ready if one is not None] + list(stream.flush())
    whole, _ = network.segment(network.enhance(video[None], 2), EXPRESSIONS[:1])
    assert whole.shape == (1, 2, 12, 20)  # stride 2
    torch.testing.assert_close(network.segment(levels[2], EXPRESSIONS[:1])[0], whole, rtol=1e-9, atol=1e-10)


def test_everything_learns() -> None:
    check_every_parameter_learns(with_bilateral())


def test_it_works_in_mixed_precision_is_saved_and_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = small_config().replace(**BILATERAL)
    check_mixed_precision(build(**BILATERAL))
    check_saving(config, tmp_path / "saved")
    check_command_line(config, tmp_path, capsys)


@pytest.mark.parametrize(("side", "stride"), [(2, 4), (4, 4), (8, 2), (16, 2)])
def test_masks_are_compared_on_the_grid_of_finer_logits_down_to_stride_2(side: int, stride: int) -> None:
    masks = torch.zeros(1, 1, 16, 16)
    masks[..., :7] = 1
    known = torch.ones(1, 1, dtype=torch.bool)
    logits = torch.randn(1, 1, side, side)
    on_grid = F.interpolate(logits, (16 // stride,) * 2, mode="bilinear")
    entropy, dice = mask_losses(logits, masks, known)
    truth = F.avg_pool2d(masks, stride)
    torch.testing.assert_close(entropy, F.binary_cross_entropy_with_logits(on_grid, truth))
    area, found = stride**2 / 16, on_grid.sigmoid()  # in cells of stride 4, of which one smooths
    expected = 1 - (2 * area * (found * truth).sum() + 1) / (area * (found.sum() + truth.sum()) + 1)
    torch.testing.assert_close(dice, expected)


@torch.no_grad()
def test_many_expressions_are_cut_out_as_each_by_itself() -> None:
    """More than the segmenter gives the network at once."""
    network = with_bilateral(actor_channels=4)
    levels = network.enhance(torch.rand(1, 3, 3, 24, 40), 1)
    ids = torch.randint(2, 6, (1, 40, 3), generator=torch.Generator().manual_seed(7))
    together, _ = network.segment(levels, ids)
    for row in (0, 17, 39):
        alone, _ = network.segment(levels, ids[:, row : row + 1])
        torch.testing.assert_close(together[:, row : row + 1], alone, rtol=1e-4, atol=1e-4)


def test_the_trunk_may_learn_from_the_target_alone() -> None:
    clip = torch.rand(2, 3, 3, 24, 40)
    found = {}
    for neighbours in (True, False):
        network = with_bilateral().eval()
        levels = network.enhance(clip, 1, neighbour_gradients=neighbours)
        network.segment(levels, EXPRESSIONS)[0].square().sum().backward()
        assert network.bilateral is not None
        gradient = network.bilateral.inner.weight.grad
        assert gradient is not None
        found[neighbours] = gradient
    torch.testing.assert_close(found[True], found[False])  # it sees the target frame alone


@pytest.mark.parametrize(("channels", "detail"), [(4, 0), (-1, 6)])
def test_it_needs_fine_logits(channels: int, detail: int) -> None:
    with pytest.raises(ValueError, match="bilateral_channels must be at least 0 and need detail_channels"):
        RefvidConfig("mine", ("dog",), backbone="light", bilateral_channels=channels, detail_channels=detail)
