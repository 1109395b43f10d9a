"""Codes of actors: which pixels belong together, what an expression selects, and how far an actor has moved."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from refvid.model.interface import LEVELS
from refvid.model.layers.spatial import spatial_code
from refvid.model.refvid.actors import MOTION_SCALE, PLACE_SCALE, SHIFTS, ActorCodes, attend, displacements, shift
from refvid.model.refvid.choice import ActorChoice, nearness
from refvid.model.refvid.config import RefvidConfig
from refvid.model.refvid.network import RefvidNetwork
from refvid.train.actor_objective import actor_loss, edge_loss
from tests.conftest import small_config
from tests.model.fast.test_folding import unsettle
from tests.model.miniature import (
    build,
    check_command_line,
    check_every_parameter_learns,
    check_mixed_precision,
    check_saving,
    parts_of_the_loss,
)

ACTORS = {"actor_channels": 4}


def literal(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """sum_q A_pq v_q as the module's text has it."""
    distance = (queries[:, :, :, None] - keys[:, :, None]).square().sum(1)  # [B, P, Q]
    return torch.einsum("bpq,bvq->bvp", (-distance).softmax(-1), values)


@pytest.mark.parametrize(("codes", "values"), [(2, 1), (6, 3), (12, 9)])
def test_attention_of_actors_equals_the_literal_formula(codes: int, values: int) -> None:
    q, k = torch.randn(2, codes, 7, dtype=torch.float64), torch.randn(2, codes, 5, dtype=torch.float64)
    v = torch.randn(2, values, 5, dtype=torch.float64)
    expected = literal(q, k, v)
    torch.testing.assert_close(attend(q, k, v), expected)
    with torch.inference_mode():
        torch.testing.assert_close(attend(q.float(), k.float(), v.float()), expected.float(), rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_a_position_far_from_everything_takes_the_nearest() -> None:
    keys, values = torch.tensor([[[0.0, 3.0]]]), torch.tensor([[[-1.0, 1.0]]])
    found = attend(torch.tensor([[[0.0, 60.0, -40.0]]]), keys, values)
    torch.testing.assert_close(found, torch.tensor([[[-0.9997532, 1.0, -1.0]]]))


def test_codes_are_learnt_of_every_level_and_of_fine_features() -> None:
    module = unsettle(ActorCodes((3, 4, 5), 6, 4))
    levels = [torch.randn(2, width, 3, 5, requires_grad=True) for width in (3, 4, 5)]
    fine = torch.randn(2, 6, 6, 10, requires_grad=True)
    coarse, exact = module(levels, fine)
    assert coarse.shape == (2, 4, 3, 5)
    assert exact.shape == (2, 4, 6, 10)
    exact.square().sum().backward()
    assert all(x.grad is not None and bool(x.grad.any()) for x in (*levels, fine))


def test_mean_shift_draws_the_codes_of_an_actor_together() -> None:
    codes = torch.randn(2, 4, 3, 5, dtype=torch.float64)
    fine = torch.randn(2, 4, 6, 10, dtype=torch.float64)
    moved = codes.flatten(2)
    for _ in range(SHIFTS):
        moved = literal(moved, moved, moved)
    coarse, exact = shift(codes, fine)
    torch.testing.assert_close(coarse.flatten(2), moved)
    torch.testing.assert_close(exact.flatten(2), literal(fine.flatten(2), codes.flatten(2), moved))
    groups = torch.tensor([0.0, 6.0]).repeat_interleave(6).view(1, 1, 3, 4).expand(1, 2, 3, 4).double()
    scattered = groups + 0.4 * torch.randn(1, 2, 3, 4, dtype=torch.float64)
    gathered = shift(scattered, fine[:1, :2])[0]
    within = [x.flatten(2)[..., :6].std(-1).max().item() for x in (scattered, gathered)]
    assert within[1] < within[0] / 3
    assert (gathered.flatten(2)[..., 6:] - gathered.flatten(2)[..., :6]).mean().item() == pytest.approx(6, abs=1)


def squares(*columns: int) -> Tensor:
    """Codes [1, 2, 6, 12] of two squares of 2 x 2 cells that begin in these columns, rows 1 and 4 first."""
    codes = torch.zeros(1, 2, 6, 12, dtype=torch.float64)
    for number, (row, column) in enumerate(zip((0, 3), columns, strict=True)):
        codes[0, number, row : row + 2, column : column + 2] = 9.0
    return codes


def test_the_displacement_of_an_actor_is_that_of_its_mean_position() -> None:
    now, before, after = squares(5, 5), squares(3, 5), squares(6, 2)
    distances = [torch.tensor([rate], dtype=torch.float64) for rate in (-1.0, 2.0)]  # a radius back, half a one on
    motion = displacements(now, list(zip((before, after), distances, strict=True)))[0] / MOTION_SCALE
    column = 2 / 12  # of a frame whose sides are two long
    first, second = motion[:, 0, 5], motion[:, 3, 5]
    for found, across in ((first, (2, 2)), (second, (0, -6))):  # to the right; standing, then to the left and faster
        expected = torch.tensor([across[0] * column, 0, across[1] * column, 0], dtype=torch.float64)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)
    nowhere = displacements(now, [(now, torch.zeros(1))] * 2)
    assert not nowhere.any()


def test_what_is_chosen_is_the_actor_with_the_largest_mean() -> None:
    choice = ActorChoice(3).double()
    coarse = squares(2, 8)
    fine = coarse.repeat_interleave(2, 2).repeat_interleave(2, 3)
    logits = torch.full((2, 1, 6, 12), -3.0, dtype=torch.float64)
    logits[0, 0, 0:2, 2:4] = torch.tensor([[4.0, -2.0], [1.0, 1.0]])  # mean 1, the largest, but patchy
    logits[0, 0, 3:5, 8:10] = torch.tensor([[0.5, 0.5], [0.5, 0.5]])
    logits[1, 0, 3:5, 8:10] = -0.2
    seen = torch.randn(2, 3, 12, 24, dtype=torch.float64)
    own, told = choice(logits, logits.repeat_interleave(2, 2).repeat_interleave(2, 3), seen, coarse, fine)
    share = torch.sigmoid(choice.mean_share).item()
    for row, means in enumerate([(1.0, 0.5, 1.0), (-3.0, -0.2, -0.2)]):
        for (y, x), mean in zip(((0, 4), (6, 16)), means[:2], strict=True):
            single = logits[row, 0, y // 2, x // 2].item()
            near = 1 if mean == means[2] else -1
            expected = single + share * (mean - single) + (mean - means[2]) + 0.5 * near + 0.5
            assert own[row, 0, y, x].item() == pytest.approx(expected, abs=1e-9)
    assert torch.equal(told, seen)  # at first


def test_nearness_is_that_of_each_picture_to_each_code() -> None:
    codes, best = torch.randn(2, 3, 7, dtype=torch.float64), torch.randn(2, 4, 3, dtype=torch.float64)
    expected = (-(codes[:, None] - best[..., None]).square().sum(2)).exp()
    torch.testing.assert_close(nearness(codes, best), expected)


def network_with_actors(**changes: object) -> RefvidNetwork:
    network = unsettle(build(**ACTORS, **changes)).double()
    assert isinstance(network, RefvidNetwork)
    return network


@pytest.mark.parametrize("frames", [1, 3, 9])
@torch.no_grad()
def test_a_stream_equals_whole_clips_to_the_ends(frames: int) -> None:
    network = network_with_actors()
    radius = network.frame_radius
    video = torch.rand(1, frames, 3, 32, 48, dtype=torch.float64)
    stream, found = network.stream(), []
    for frame in range(frames):
        levels = stream.push(network.encode(video[:, frame]))
        found += [] if levels is None else [levels]
    found += list(stream.flush())
    assert len(found) == frames
    for frame, levels in enumerate(found):
        first = max(0, frame - radius)
        clip = video[:, first : frame + radius + 1]
        padded = torch.cat([torch.rand_like(clip[:, :1]), clip, torch.rand_like(clip[:, :1])], 1)  # beyond the ends
        mask = torch.tensor([[False, *[True] * clip.shape[1], False]])
        whole = network.enhance(padded, frame - first + 1, mask)
        for one, other in zip(levels.tensors, whole.tensors, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


@torch.no_grad()
def test_motion_counts_and_needs_other_frames() -> None:
    network = network_with_actors(cross_frame=False)
    clip = torch.rand(1, 3, 3, 32, 48, dtype=torch.float64)
    with_motion = network_with_actors()
    still = clip[:, [1, 1, 1]]
    assert torch.equal(network.enhance(clip, 1).levels[LEVELS - 1], network.enhance(still, 1).levels[LEVELS - 1])
    motionless = with_motion.enhance(still, 1)
    assert with_motion.motion is not None
    codes = motionless.codes[0]
    assert not displacements(codes, [(codes, torch.ones(1))] * 2).any()
    with_motion.motion.output.weight.zero_()
    moved = network_with_actors().enhance(clip, 1)
    assert not torch.equal(with_motion.enhance(clip, 1).levels[LEVELS - 1], moved.levels[LEVELS - 1])


def test_everything_learns() -> None:
    network = build(**ACTORS)
    unsettle(network)
    check_every_parameter_learns(network)


def test_it_works_in_mixed_precision_is_saved_and_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = small_config().replace(**ACTORS)
    check_mixed_precision(build(**ACTORS))
    check_saving(config, tmp_path / "saved")
    check_command_line(config, tmp_path, capsys)


def test_the_loss_of_actors_is_a_divergence_from_an_even_spread() -> None:
    maps = torch.zeros(1, 3, 6, 12, dtype=torch.float64)
    maps[0, 0, 0:2, 2:4] = maps[0, 1, 3:5, 8:10] = 1
    maps[0, 2, 3, 8:10] = 1  # a garment within the second: left out
    assert actor_loss(squares(2, 8), maps).item() == pytest.approx(0, abs=1e-9)
    # With codes that tell nobody apart every position attends to all 72 evenly.
    areas = torch.tensor([4.0, 4.0, 64.0])
    expected = torch.log(72 / areas).mean().item()
    assert actor_loss(torch.zeros(1, 2, 6, 12, dtype=torch.float64), maps).item() == pytest.approx(expected)


def test_the_loss_of_edges_is_dice_of_what_codes_find() -> None:
    coarse, maps = squares(2, 8), torch.zeros(1, 2, 6, 12, dtype=torch.float64)
    maps[0, 0, 0:2, 2:4] = maps[0, 1, 3:5, 8:10] = 1
    masks = torch.zeros(1, 3, 48, 96, dtype=torch.float64)
    masks[0, 0, 0:16, 16:32] = masks[0, 1, 24:40, 64:80] = 1
    masks[0, 2, 24:40, 64:70] = 1  # a garment: not an actor
    fine = coarse.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert edge_loss(coarse, fine, maps, masks).item() == pytest.approx(0, abs=1e-9)
    fine[0, :, 0:2, 4:8] = 0  # the upper half of the first is taken for background
    assert edge_loss(coarse, fine, maps, masks).item() == pytest.approx((1 - 2 * 8 / (8 + 16)) / 2)
    assert edge_loss(coarse, fine, maps, masks[:, 2:]).item() == 0


def test_codes_start_as_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refvid.model.refvid.actors.SHIFTS", 0)
    module = ActorCodes((3, 4, 5), 6, 4)
    with torch.no_grad():
        for parameter in (module.code.weight, module.code.bias):
            assert parameter is not None
            parameter.zero_()
        coarse, _ = module([torch.randn(1, width, 3, 5) for width in (3, 4, 5)], torch.randn(1, 6, 6, 10))
    places = spatial_code(3, 5, dtype=torch.float32, device=torch.device("cpu"))[[1, 4]]
    torch.testing.assert_close(coarse[0, :2], PLACE_SCALE * places)
    assert not coarse[0, 2:].any()


@pytest.mark.parametrize(("actors", "detail"), [(1, 6), (4, 0), (-3, 6)])
def test_codes_need_fine_features_and_two_channels(actors: int, detail: int) -> None:
    with pytest.raises(ValueError, match="actor_channels must be at least 2 and need detail_channels"):
        RefvidConfig("mine", ("dog",), backbone="light", actor_channels=actors, detail_channels=detail)


def test_codes_need_logits_on_the_grid_of_the_levels() -> None:
    with pytest.raises(ValueError, match="actor_channels needs logits on the grid of the levels"):
        small_config().replace(**ACTORS, fusion="deconvolution")
    assert build(**ACTORS, fusion="ppm").actors is not None


def test_the_whole_loss_teaches_codes() -> None:
    assert parts_of_the_loss(build(**ACTORS)) >= {
        "entropy",
        "dice",
        "contrast",
        "choice",
        "words",
        "attributes",
        "actors",
        "edges",
    }
