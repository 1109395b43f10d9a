"""The network of the paper against its equations, put together one frame and one expression at a time, in float64."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from refvid.model.cmsa.config import CmsaConfig, tiny_config
from refvid.model.cmsa.network import CmsaNetwork, number_words
from refvid.model.interface import FrameFeatures
from refvid.model.layers.spatial import spatial_code
from refvid.model.registry import build_network
from tests.conftest import WORDS
from tests.model.cmsa import test_cross_frame, test_cross_modal

IDS = torch.tensor([[[2, 3, 0], [4, 0, 0]], [[5, 4, 2], [4, 2, 4]]])
MEAN, STD = (0.1, 0.2, 0.3), (0.6, 0.5, 0.4)


def build(**changes: object) -> CmsaNetwork:
    sizes = {"backbone_channels": (4, 4, 6, 7, 8), "colour_channels": 4, "input_size": 64, "embedding_channels": 8}
    own = {"attention_channels": 5, "fusion_channels": 9, "frame_radius": 1, "pixel_mean": MEAN, "pixel_std": STD}
    config: CmsaConfig = tiny_config(WORDS).replace(**{**sizes, **own, **changes})
    torch.manual_seed(4)
    network = build_network(config).double().eval()
    assert type(network) is CmsaNetwork, "not our variant of it"
    return network


def pictures(*shape: int) -> Tensor:
    """Pictures [*shape, 3, 24, 40] with values 0 to 1, whose levels are 3 x 5."""
    generator = torch.Generator().manual_seed(5)
    return torch.rand(*shape, 3, 24, 40, dtype=torch.float64, generator=generator)


def literal(network: Any, levels: tuple[Tensor, ...], ids: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Eq. 1 to 7 for the levels [C_i, h, w] of one picture and the ids of one expression, without padding."""
    height, width = levels[0].shape[1:]
    spatial = spatial_code(height, width, dtype=torch.float64, device=torch.device("cpu"))
    words, _ = network.embedding(ids)
    fused, attentions, maps = [], [], []
    for attend, level in zip(network.cross_modal, levels, strict=True):
        features, attention = test_cross_modal.literal(attend, level, words, spatial)
        fused.append(features)
        attentions.append(attention)
    fusion = network.fusion
    x = [F.conv2d(one, own.weight, own.bias) for one, own in zip(fused, fusion.project, strict=True)]
    memory, reset = (
        [F.conv2d(one, own.weight, own.bias).sigmoid()[row] for one, own in zip(x, fusion.gates, strict=True)]
        for row in (0, 1)
    )
    for i in range(3):
        g = (1 - memory[i]) * x[i] + sum(fusion.gamma[j] * memory[j] * x[j] for j in {0, 1, 2} - {i})
        maps.append(reset[i] * torch.tanh(g) + (1 - reset[i]) * x[i])
    return F.conv2d(maps[0] + maps[1] + maps[2], fusion.score.weight, fusion.score.bias, padding=1)[0], attentions


@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
@pytest.mark.parametrize("expressions", [1, 2])
def test_each_expression_is_segmented_by_the_equations(training: bool, expressions: int) -> None:
    """Padding, the other expression and the other picture change nothing."""
    network, ids = build(), IDS[:, :expressions]
    with torch.set_grad_enabled(training):
        features = network.encode(pictures(2))
        logits, attentions = network.segment(features, ids)
        assert logits.shape == (2, expressions, 3, 5)
        for b in range(2):
            for e in range(expressions):
                words = ids[b, e][ids[b, e] != 0]
                levels = tuple(level[b] for level in features.levels)
                expected, weights = literal(network, levels, words)
                torch.testing.assert_close(logits[b, e], expected, rtol=1e-9, atol=1e-9)
                for found, own in zip(attentions, weights, strict=True):
                    torch.testing.assert_close(found[b, e, : len(words)], own, rtol=1e-9, atol=1e-9)
                    assert found[b, e, len(words) :].abs().sum() == 0


def test_words_are_computed_once_in_training_where_expressions_share_them() -> None:
    network = build()
    features, seen = network.encode(pictures(2)), []
    for attend in network.cross_modal:
        attend.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[4]))
    network.segment(features, IDS)
    assert len(seen) == 3
    assert all(torch.equal(numbers, number_words(IDS)) for numbers in seen)
    network.segment(features, IDS[:, :1])
    with torch.no_grad():
        network.segment(features, IDS)
    assert seen[3:] == 6 * [None]


def test_words_are_numbered_anew_in_each_picture() -> None:
    assert number_words(IDS).tolist() == [[[1, 2, 0], [3, 0, 0]], [[2, 1, 0], [1, 0, 1]]]


def test_pixels_are_normalised_by_the_mean_and_deviation_of_the_trunk() -> None:
    mean, deviation = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    torch.testing.assert_close(build().normalise(pictures(2)), (pictures(2) - mean) / deviation)


def test_words_attend_to_positions_of_res4_and_res5() -> None:
    network = build()
    features = network.encode(pictures(2))
    words, _ = network.embedding(IDS)
    code = spatial_code(3, 5, dtype=torch.float64, device=torch.device("cpu")).flatten(1).T
    found = network.word_attention_logits(features, IDS)
    assert len(found) == 2
    for logits, level, attend in zip(found, features.levels[1:], list(network.cross_modal)[1:], strict=True):
        width = level.shape[1]
        assert logits.shape == (2, 2, 3, 15)
        for b, e, n in ((0, 0, 1), (1, 1, 2)):
            b_n = attend.query.weight[:, width : width + 8] @ F.normalize(words[b, e, n], dim=0)
            key = torch.cat([attend.key.weight[:, :width], attend.key.weight[:, width + 8 :]], 1)
            c_p = torch.cat([F.normalize(level[b].flatten(1).T, dim=-1), code], 1) @ key.T
            torch.testing.assert_close(logits[b, e, n], c_p @ b_n, rtol=1e-10, atol=1e-10)


def test_no_single_word_attends_where_a_sentence_is_one_vector() -> None:
    network = build(language="sentence")
    features = network.encode(pictures(2))
    assert network.word_attention_logits(features, IDS) == []
    logits, attentions = network.segment(features, IDS)
    assert logits.shape == (2, 2, 3, 5)
    assert [attention.shape for attention in attentions] == 3 * [(2, 2, 1)]
    seen: list[Tensor] = []
    network.cross_modal[0].register_forward_pre_hook(lambda _, arguments: seen.append(arguments[4]))
    network.segment(features, IDS)
    assert seen[0].tolist() == 2 * [[[0], [1]]]


@pytest.mark.parametrize("levels", [(5,), (3, 4), (3, 4, 5)])
@torch.no_grad()
def test_cfsa_enhances_its_levels_and_no_others(levels: tuple[int, ...]) -> None:
    """Both clips as a whole, and the first as a stream."""
    network = build(cross_frame_levels=levels)
    clips = pictures(2, 4)
    alone = [network.encode(clip).levels for clip in clips]
    assert network.frame_radius == 1
    stream = network.stream()
    streamed = [found for frame in clips[0] if (found := stream.push(network.encode(frame[None]))) is not None]
    assert (len(streamed), stream.pushed) == (3, 4)
    streamed += stream.flush()
    assert len(streamed) == 4
    for target in range(4):
        first, last = max(0, target - 1), min(4, target + 2)
        found = network.enhance(clips[:, first:last], target - first)
        for index in range(3):
            expected = torch.stack([each[index][target] for each in alone])
            if index + 3 in levels:
                attend: Any = network.cross_frame[levels.index(index + 3)]
                windows = [each[index][first:last] for each in alone]
                expected = torch.stack([test_cross_frame.literal(attend, one, target - first) for one in windows])
                assert not torch.allclose(expected, torch.stack([each[index][target] for each in alone]))
            torch.testing.assert_close(found.levels[index], expected, rtol=1e-9, atol=1e-9)
            torch.testing.assert_close(streamed[target].levels[index][0], expected[0], rtol=1e-9, atol=1e-9)


@torch.no_grad()
def test_the_image_model_sees_each_frame_by_itself() -> None:
    network = build(cross_frame=False)
    clip = pictures(1, 3)
    assert (network.frame_radius, network.cross_frame_at, len(network.cross_frame)) == (0, (), 0)
    stream = network.stream()
    for target in range(3):
        features = network.encode(clip[:, target])
        pushed = stream.push(features)
        assert isinstance(pushed, FrameFeatures)
        whole = network.enhance(clip, target)
        for own, one, other in zip(features.levels, pushed.levels, whole.levels, strict=True):
            assert torch.equal(one, own)
            torch.testing.assert_close(other, own, rtol=1e-12, atol=1e-12)
    assert list(stream.flush()) == []


def test_the_trunk_learns_from_the_neighbours_unless_told_otherwise() -> None:
    network, clips = build(), pictures(1, 3).requires_grad_()
    usual, alone = network.enhance(clips, 1), network.enhance(clips, 1, neighbour_gradients=False)
    for features, taught in ((usual, [True, True, True]), (alone, [False, True, False])):
        (gradient,) = torch.autograd.grad(torch.stack([one.square().sum() for one in features.levels]).sum(), clips)
        assert gradient[0].flatten(1).any(1).tolist() == taught
