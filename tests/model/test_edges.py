"""Logits of stride 2, along the edges of the picture."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from refvid.model.cmsa import CmsaNetwork
from refvid.model.cmsa_config import CmsaConfig
from refvid.model.edges import SIDE, EdgeUpsampling
from refvid.train.objective import mask_losses
from tests.conftest import small_config
from tests.model.miniature import (
    EXPRESSIONS,
    build,
    check_command_line,
    check_every_parameter_learns,
    check_mixed_precision,
    check_saving,
    parts_of_the_loss,
)
from tests.model.test_folding import unsettle

EDGES = {"edge_channels": 5}


def module(channels: int = 5) -> EdgeUpsampling:
    torch.manual_seed(6)
    found = unsettle(EdgeUpsampling(4, channels)).double()
    assert isinstance(found, EdgeUpsampling)
    return found


def literal(edges: EdgeUpsampling, logits: Tensor, features: Tensor) -> Tensor:
    """The formula for one expression and one picture, position by position: [h, w] to [2 h, 2 w]."""
    height, width = logits.shape
    codes, direction = edges.code(features[None])[0], edges.direction(features[None])[0]
    out, reach = torch.zeros(2 * height, 2 * width, dtype=logits.dtype), SIDE // 2
    for y in range(2 * height):
        for x in range(2 * width):
            likeness, answers = [], []
            for number in range(SIDE**2):
                down, across = y // 2 + number // SIDE - reach, x // 2 + number % SIDE - reach
                row, column = min(max(down, 0), height - 1), min(max(across, 0), width - 1)
                mean = codes[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2].mean((1, 2))
                near = edges.nearness[number, 2 * (y % 2) + x % 2]
                likeness.append(direction[number, y, x] + near - (codes[:, y, x] - mean).square().sum())
                answers.append(logits[row, column])
            # |e_p|^2 is the same for all of them, and goes out in the softmax.
            out[y, x] = torch.stack(likeness).softmax(0) @ torch.stack(answers)
    return out


@torch.no_grad()
def test_it_equals_the_literal_formula_with_each_expression_s_own_picture() -> None:
    edges = module()
    logits, stem = torch.randn(4, 1, 4, 6, dtype=torch.float64), torch.randn(2, 4, 8, 12, dtype=torch.float64)
    features = edges.features(stem)
    found = edges(logits, features)
    assert found.shape == (4, 1, 8, 12)
    for row in range(4):  # expressions 0 and 1 are of picture 0, 2 and 3 of picture 1
        torch.testing.assert_close(found[row, 0], literal(edges, logits[row, 0], features[row // 2]))


@torch.no_grad()
def test_weights_are_a_mean() -> None:
    edges = module()
    features = edges.features(torch.randn(2, 4, 8, 12, dtype=torch.float64))
    weights = edges.weights(features)
    assert weights.shape == (2, SIDE**2, 4, 4, 6)
    assert bool((weights > 0).all())
    torch.testing.assert_close(weights.sum(1), torch.ones_like(weights[:, 0]))
    even = torch.full((2, 1, 4, 6), -1.5, dtype=torch.float64)
    torch.testing.assert_close(edges(even, features), torch.full((2, 1, 8, 12), -1.5, dtype=torch.float64))


@torch.no_grad()
def test_it_begins_by_taking_what_is_near() -> None:
    torch.manual_seed(1)
    edges = EdgeUpsampling(4, 5)
    flat = torch.zeros(1, 4, 16, 24)  # nothing to be seen: only nearness counts
    ramp = torch.linspace(-1, 1, 12).expand(1, 1, 8, 12)
    found = edges(ramp, edges.features(flat))[..., 5:-5]  # away from the ends
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
    edges = EdgeUpsampling(3, 8)
    optimiser = torch.optim.Adam(edges.parameters(), lr=0.02)
    for _ in range(150):
        picture, mask = scene()
        logits = edges(blurred(mask), edges.features(F.avg_pool2d(picture, 2)))
        loss = F.binary_cross_entropy_with_logits(logits, F.avg_pool2d(mask, 2))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    wrong = {"edges": 0, "bilinear": 0}
    with torch.no_grad():
        for _ in range(20):
            picture, mask = scene()
            logits, truth = blurred(mask), F.avg_pool2d(mask, 2) > 0.5
            bilinear = F.interpolate(logits, scale_factor=2, mode="bilinear")
            cut = edges(logits, edges.features(F.avg_pool2d(picture, 2)))
            for name, found in (("edges", cut), ("bilinear", bilinear)):
                wrong[name] += int(((found > 0) != truth).sum())
    assert wrong["edges"] < 0.6 * wrong["bilinear"], wrong


def network_with_edges(**changes: object) -> CmsaNetwork:
    network = unsettle(build(**EDGES, **changes))
    assert isinstance(network, CmsaNetwork)
    return network


@pytest.mark.parametrize("changes", [{}, {"actor_channels": 4}], ids=["no actors", "actors"])
@torch.no_grad()
def test_a_stream_keeps_what_each_frame_needs(changes: dict[str, object]) -> None:
    network = network_with_edges(**changes).double()
    video = torch.rand(5, 3, 24, 40, dtype=torch.float64)
    stream = network.stream()
    ready = [stream.push(network.encode(frame[None])) for frame in video]
    levels = [one for one in ready if one is not None] + list(stream.flush())
    whole, _ = network.segment(network.enhance(video[None], 2), EXPRESSIONS[:1])
    assert whole.shape == (1, 2, 12, 20)  # stride 2
    torch.testing.assert_close(network.segment(levels[2], EXPRESSIONS[:1])[0], whole, rtol=1e-9, atol=1e-10)


def test_everything_learns() -> None:
    check_every_parameter_learns(network_with_edges())


def test_it_works_in_mixed_precision_is_saved_and_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = small_config().renamed(**EDGES)
    check_mixed_precision(build(**EDGES))
    check_saving(config, tmp_path / "saved")
    check_command_line(config, tmp_path, capsys)


def test_masks_are_compared_on_the_grid_of_finer_logits() -> None:
    masks = torch.zeros(1, 1, 16, 16)
    masks[..., :6] = 1  # an edge within a position of stride 4, between two of stride 2
    known = torch.ones(1, 1, dtype=torch.bool)
    exact, halves = 40 * (F.avg_pool2d(masks, 2) - 0.5), 40 * (F.avg_pool2d(masks, 4) - 0.5)
    assert mask_losses(exact, masks, known)[0].item() < 1e-6
    assert mask_losses(halves, masks, known)[0].item() > 0.1  # of stride 4, half a position is still half
    assert {"entropy", "dice"} <= parts_of_the_loss(network_with_edges())


@pytest.mark.parametrize(("edges", "detail"), [(4, 0), (-1, 6)])
def test_edges_need_fine_logits(edges: int, detail: int) -> None:
    with pytest.raises(ValueError, match="edge_channels are at least 0 and need detail_channels"):
        CmsaConfig("mine", ("dog",), backbone="light", edge_channels=edges, detail_channels=detail)
