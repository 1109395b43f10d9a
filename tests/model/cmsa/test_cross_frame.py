"""CFSA against the literal formulas, and the stream against every clip computed alone, in float64."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from refvid.model.cmsa import cross_frame_stream
from refvid.model.cmsa.cross_frame import CrossFrameSelfAttention
from refvid.model.cmsa.cross_frame_stream import CrossFrameStream, attend_block
from refvid.model.layers.spatial import spatial_code
from refvid.model.refvid.space_time import SpaceTimeCrossFrame


def literal(module: CrossFrameSelfAttention, clip: Tensor, target: int, stride: int = 1) -> Tensor:
    """Eq. 9 to 11 for the frames [T, C, h, w] of one clip, building all of A; key by key where time counts."""
    frames = len(clip)
    tokens = clip.flatten(2).transpose(1, 2).flatten(0, 1)  # [T P, C]
    unit = F.normalize(tokens, dim=-1)
    if not isinstance(module, SpaceTimeCrossFrame):
        attention = (module.query(unit) @ module.key(unit).T).softmax(-1)
        v_hat = (attention @ module.value(tokens)).unflatten(0, (frames, -1))
    else:
        code = spatial_code(*clip.shape[2:], dtype=clip.dtype, device=clip.device).flatten(1).T.repeat(frames, 1)
        query, key = (m(torch.cat([unit, code], -1)) for m in (module.query, module.key))
        value = module.value(torch.cat([tokens, code], -1))
        moments = torch.arange(frames).repeat_interleave(len(tokens) // frames) * stride
        rows = []
        for q, moment in zip(query, moments, strict=True):
            share = (moments - moment).double()[:, None] / module.radius
            time = torch.cat([share, share.abs()], -1)
            rows.append((((key + module.time_key(time)) @ q).softmax(0), value + module.time_value(time)))
        attention = torch.stack([row for row, _ in rows])
        v_hat = torch.stack([row @ timed for row, timed in rows]).unflatten(0, (frames, -1))
    mass = attention.mean(0).view(frames, -1).sum(-1)
    weights = (module.temperature * frames * mass).softmax(0)
    return clip[target] + module.output(torch.einsum("t,tpa->pa", weights, v_hat)).T.unflatten(1, clip.shape[2:])


@pytest.fixture(params=[False, True], ids=["as printed", "space-time"])
def module(request: pytest.FixtureRequest) -> CrossFrameSelfAttention:
    torch.manual_seed(0)
    module = SpaceTimeCrossFrame(6, 8, radius=2) if request.param else CrossFrameSelfAttention(6, 8)
    module = module.double()
    with torch.no_grad():
        module.temperature.fill_(2.3)
        module.query.weight.mul_(3)
        if isinstance(module, SpaceTimeCrossFrame):
            module.time_key.weight.normal_()
            module.time_value.weight.normal_()
    return module


def video(frames: int) -> Tensor:
    return torch.randn(frames, 6, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("target", [0, 2, 4])
def test_clip_equals_the_literal_formula(module: CrossFrameSelfAttention, target: int) -> None:
    clip = video(5)
    torch.testing.assert_close(module(clip[None], target)[0], literal(module, clip, target), rtol=1e-11, atol=1e-11)


def test_only_space_time_sees_which_way_a_clip_runs(module: CrossFrameSelfAttention) -> None:
    clip = video(5)
    forwards, backwards = module(clip[None], 2), module(clip.flip(0)[None], 2)
    assert torch.allclose(forwards, backwards, rtol=1e-9) != isinstance(module, SpaceTimeCrossFrame)


def test_frames_may_lie_apart(module: CrossFrameSelfAttention) -> None:
    clip = video(3)
    apart = module(clip[None], 1, times=[0, 2, 4])[0]
    torch.testing.assert_close(apart, literal(module, clip, 1, stride=2), rtol=1e-11, atol=1e-11)


def test_missing_frames_change_nothing(module: CrossFrameSelfAttention) -> None:
    clip = video(5)
    mask = torch.tensor([[False, True, True, True, False]])
    torch.testing.assert_close(module(clip[None], 2, mask)[0], literal(module, clip[1:4], 1), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("frames", [1, 2, 3, 5, 6, 7, 12])
@pytest.mark.parametrize("radius", [0, 1, 2])
@torch.no_grad()
def test_stream_equals_each_clip_alone(module: CrossFrameSelfAttention, frames: int, radius: int) -> None:
    sequence = video(frames)
    stream = CrossFrameStream(module, radius)
    results = []
    for index, frame in enumerate(sequence):
        result = stream.push(frame[None])
        assert (result is not None) == (index >= radius), "a frame leaves when its clip is complete"
        if result is not None:
            results.append(result)
    results.extend(stream.flush())
    assert len(results) == frames
    for index, result in enumerate(results):
        first, last = max(0, index - radius), min(frames, index + radius + 1)
        expected = literal(module, sequence[first:last], index - first)
        torch.testing.assert_close(result[0], expected, rtol=1e-10, atol=1e-10)


@torch.no_grad()
def test_blocks_together_are_the_blocks_one_by_one(module: CrossFrameSelfAttention) -> None:
    """What a GPU does against what a CPU does."""
    apart, together = CrossFrameStream(module, 2), CrossFrameStream(module, 2)
    for frame in video(7):
        expected = apart.push(frame[None])
        if not together.pushed:
            together._allocate(module.project(frame[None])[0][0])
        together._one_by_one = False
        found = together.push(frame[None])
        torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-11)
    for found, expected in zip(together.flush(), apart.flush(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-11)


@torch.no_grad()
def test_a_new_frame_costs_two_blocks_for_each_frame_of_its_window_but_one(
    module: CrossFrameSelfAttention, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = []

    def attend(*arguments: Any) -> Tensor | None:
        blocks.append(arguments)
        return attend_block(*arguments)

    monkeypatch.setattr(cross_frame_stream, "attend_block", attend)
    stream, costs = CrossFrameStream(module, 2), []
    for frame in video(9):
        blocks.clear()
        stream.push(frame[None])
        costs.append(len(blocks))
    assert costs == [1, 3, 5, 7, 9, 9, 9, 9, 9]


@pytest.mark.parametrize(("part", "scale"), [("query", 1), ("query", 20), ("query", 200), ("key", 200)])
@torch.no_grad()
def test_stream_in_float32_is_equal_to_rounding_for_large_logits(part: str, scale: float) -> None:
    torch.manual_seed(2)
    module = CrossFrameSelfAttention(6, 8)
    module.get_parameter(f"{part}.weight").mul_(scale)
    sequence = video(6).float()
    stream = CrossFrameStream(module, 1)
    results = [r for r in (stream.push(frame[None]) for frame in sequence) if r is not None]
    exact = module.double()
    for index, result in enumerate(results):
        first = max(0, index - 1)
        expected = literal(exact, sequence[first : index + 2].double(), index - first)
        torch.testing.assert_close(result[0].double(), expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_stream_that_sees_time_is_not_rounded_to_bfloat16() -> None:
    torch.manual_seed(2)
    module = SpaceTimeCrossFrame(6, 8, radius=1)
    module.time_value.weight.normal_()
    stream, sequence = CrossFrameStream(module, 1), video(4)
    results = [result for frame in sequence.float() if (result := stream.push(frame[None])) is not None]
    exact = module.double()
    for index, result in enumerate(results):
        first = max(0, index - 1)
        expected = literal(exact, sequence[first : index + 2], index - first)
        torch.testing.assert_close(result[0].double(), expected, rtol=1e-5, atol=1e-5)


def test_gradients_reach_every_parameter(module: CrossFrameSelfAttention) -> None:
    module(video(3)[None], 1).square().sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name
