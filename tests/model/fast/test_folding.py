"""The folded network against the network as trained: exact in float64, and up to rounding in float32."""

import copy
import dataclasses
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.resnet import BasicBlock, Bottleneck

from refvid.model.cmsa.position_attention import pool_positions_query_by_query
from refvid.model.fast import attention as folded_attention
from refvid.model.fast.attention import FoldedCrossFrame, FoldedCrossModal, MappedLevel
from refvid.model.fast.backbone import FoldedLightBackbone
from refvid.model.fast.convolution import PackedConvolution, pack_convolutions
from refvid.model.fast.folding import fold, fold_norms
from refvid.model.interface import ReferringNetwork
from refvid.model.layers.products import SMALL_PRODUCT
from refvid.model.refvid.network import RefvidNetwork
from refvid.weights import LoadedModel
from tests.model.miniature import EXPRESSIONS, build

T = TypeVar("T")
VARIANTS: dict[str, dict[str, Any]] = {
    "no actors": {},
    "refvid-tiny": {"actor_channels": 5, "bilateral_channels": 7, "word_evidence": True},
    "as printed": {"cross_frame_code": "none"},
    "actors": {"actor_channels": 5},
    "actors, no CFSA": {"actor_channels": 5, "cross_frame": False},
    "bilateral": {"bilateral_channels": 7},
    "word evidence": {"word_evidence": True},
    "no CFSA": {"cross_frame": False},
    "CFSA on all levels": {"cross_frame_levels": (3, 4, 5)},
    "no colours, no detail": {"colour_channels": 0, "detail_channels": 0},
    "wider and wider": {"backbone_channels": (4, 6, 8, 10, 12)},
    "sentence": {"language": "sentence"},
    "pixel attention": {"attention": "pixel"},
    "mean pooling": {"pooling": "mean"},
    "conv-lstm": {"fusion": "conv-lstm"},
    "self-gated": {"fusion": "self-gated"},
}


def unsettle(module: nn.Module) -> nn.Module:
    """Give norms statistics, and what begins at zero weights, so that everything counts."""
    generator = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for norm in module.modules():
            if isinstance(norm, nn.BatchNorm2d):
                for values, low, high in ((norm.running_mean, -0.5, 0.5), (norm.running_var, 0.3, 2.0),
                                          (norm.weight, -1.5, 1.5), (norm.bias, -0.5, 0.5)):  # fmt: skip
                    values.uniform_(low, high, generator=generator)
        for parameter in module.parameters():
            if parameter.dim() > 1 and not parameter.any():
                parameter.normal_(0, 0.3, generator=generator)
    return module


def miniature(dtype: torch.dtype = torch.float64, **changes: object) -> RefvidNetwork:
    network = unsettle(build(**changes)).to(dtype)
    assert isinstance(network, RefvidNetwork)
    return network


@torch.no_grad()
def run(network: RefvidNetwork, frames: Tensor, word_ids: Tensor) -> list[tuple[Tensor, list[Tensor]]]:
    """What a stream of frames [T, 3, H, W] gives for every frame: logits, and word attention of each level."""
    stream = network.stream()
    ready = [stream.push(network.encode(frame[None])) for frame in frames]
    levels = [one for one in ready if one is not None] + list(stream.flush())
    return [network.segment(one, word_ids) for one in levels]


def video(frames: int = 7, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(frames, 3, 24, 40, dtype=dtype, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("name", VARIANTS)
def test_a_folded_network_says_the_same_of_every_frame(name: str) -> None:
    network = miniature(**VARIANTS[name])
    words = EXPRESSIONS[:1]
    expected, found = run(network, video(), words), run(fold(network), video(), words)
    assert len(expected) == len(found) == 7
    for (logits, attention), (logits_found, attention_found) in zip(expected, found, strict=True):
        assert logits.std() > 0.01, "a constant would prove nothing"
        torch.testing.assert_close(logits_found, logits, rtol=1e-9, atol=1e-10)
        torch.testing.assert_close(attention_found, attention, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", ["refvid-tiny", "as printed"])
@pytest.mark.parametrize("small", [0, SMALL_PRODUCT])
def test_in_float32_only_rounding_differs(name: str, small: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With products by oneDNN and with products by MKL."""
    monkeypatch.setattr("refvid.model.layers.products.SMALL_PRODUCT", small)
    network = miniature(torch.float32, **VARIANTS[name], attention_channels=32, fusion_channels=32)
    frames = torch.rand(6, 3, 144, 192, generator=torch.Generator().manual_seed(3))
    exact = run(copy.deepcopy(network).double(), frames.double(), EXPRESSIONS[:1])
    plain, folded = (run(one, frames, EXPRESSIONS[:1]) for one in (network, fold(network)))
    for (truth, _), (usual, _), (fast, _) in zip(exact, plain, folded, strict=True):
        rounding = float((usual - truth).abs().max())
        assert float((fast - truth).abs().max()) < 5 * rounding + 1e-6 * float(truth.abs().max())


def test_logits_too_large_for_plain_exponentials_are_as_exact() -> None:
    network = miniature(attention_channels=16, fusion_channels=16)
    with torch.no_grad():
        for part in (*network.cross_modal, *network.cross_frame):
            part.query.weight.mul_(60)
    for (expected, _), (found, _) in zip(
        run(network, video(4), EXPRESSIONS[:1]), run(fold(network), video(4), EXPRESSIONS[:1]), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-8)


def test_opposed_positions_and_words_leave_the_products(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fall-backs to one softmax a query, of positions and of words."""
    network = miniature(cross_frame=False)
    with torch.no_grad():
        for part in network.cross_modal:
            part.query.weight.normal_(0, 40, generator=torch.Generator().manual_seed(1))
            part.key.weight.normal_(0, 5, generator=torch.Generator().manual_seed(2))
    folded = fold(network)
    seen = set()

    def noting(name: str, function: Callable[..., T]) -> Callable[..., T]:
        def call(*given: object) -> T:
            seen.add(name)
            return function(*given)

        return call

    monkeypatch.setattr(
        folded_attention, "pool_positions_query_by_query", noting("positions", pool_positions_query_by_query)
    )
    attentions: Any = folded.cross_modal
    for part in attentions:
        slow = noting("words", part.attention.attend_words_query_by_query)
        monkeypatch.setattr(part.attention, "attend_words_query_by_query", slow)
    for (expected, attention), (found, attention_found) in zip(
        run(network, video(2), EXPRESSIONS[:1]), run(folded, video(2), EXPRESSIONS[:1]), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-7)
        torch.testing.assert_close(attention_found, attention, rtol=1e-6, atol=1e-7)
    assert seen == {"positions", "words"}, "this case must really leave the fast path"


def test_other_words_and_sizes_are_noticed() -> None:
    """What is kept from frame to frame belongs to the words and to the grid it was made for."""
    network = miniature()
    folded = fold(network)
    wide = torch.rand(2, 3, 32, 56, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    for frames, words in ((video(2), EXPRESSIONS[:1]), (video(2), EXPRESSIONS[1:]), (wide, EXPRESSIONS[1:, :1]),
                          (video(2), EXPRESSIONS[:1])):  # fmt: skip
        for (expected, _), (found, _) in zip(run(network, frames, words), run(folded, frames, words), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-10)


def test_clips_and_batches_go_through_a_folded_network_too() -> None:
    network = miniature()
    clips = torch.rand(2, 3, 3, 24, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        expected, found = (one(clips, EXPRESSIONS, target=1) for one in (network, fold(network)))
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-10)


def test_bfloat16_only_rounds_and_leaves_nothing_behind() -> None:
    network = miniature(torch.float32, attention_channels=32, fusion_channels=32)
    folded, frames = fold(network), video(4, torch.float32)
    exact = run(network, frames, EXPRESSIONS[:1])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = run(folded, frames, EXPRESSIONS[:1])
    afterwards = run(folded, frames, EXPRESSIONS[:1])
    for (truth, _), (rough, _), (fine, _) in zip(exact, rounded, afterwards, strict=True):
        assert (rough.float() - truth).abs().max() > 1e-4, "this must really be bfloat16"
        torch.testing.assert_close(rough.float(), truth, rtol=0.1, atol=0.1 * float(truth.abs().max()))
        torch.testing.assert_close(fine, truth, rtol=1e-4, atol=1e-4)


def test_the_network_itself_stays_as_it_was() -> None:
    network = miniature(torch.float32)
    network.train().requires_grad_()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    folded = fold(network)
    run(folded, video(3, torch.float32), EXPRESSIONS[:1])
    assert network.training
    assert not folded.training
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert not any(parameter.requires_grad for parameter in folded.parameters())
    assert before.keys() == network.state_dict().keys()
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name
    table = network.embedding.table.weight
    assert folded.embedding.table.weight.data_ptr() == table.data_ptr(), "what is not changed is shared"


def test_everything_there_is_to_fold_is_folded() -> None:
    folded = fold(miniature(torch.float32))
    kinds = [type(part) for part in folded.modules()]
    assert nn.BatchNorm2d not in kinds
    assert FoldedLightBackbone in kinds
    assert kinds.count(FoldedCrossModal) == 3
    assert kinds.count(FoldedCrossFrame) == 1
    convolutions = [part for part in folded.modules() if type(part) is nn.Conv2d]
    assert all(part.kernel_size == (1, 1) and part.out_channels < 8 for part in convolutions), "gates alone are left"


@pytest.mark.parametrize("block", [BasicBlock, Bottleneck])
@torch.no_grad()
def test_the_blocks_of_resnet_are_folded(block: type[BasicBlock | Bottleneck]) -> None:
    torch.manual_seed(0)
    shortcut = nn.Sequential(nn.Conv2d(6, 4 * block.expansion, 1, 2, bias=False), nn.BatchNorm2d(4 * block.expansion))
    stem = [nn.Conv2d(3, 6, 7, 2, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    trunk = unsettle(nn.Sequential(*stem, block(6, 4, 2, shortcut)).double()).eval()
    folded = copy.deepcopy(trunk)
    fold_norms(folded)
    pack_convolutions(folded)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in folded.modules())
    assert any(isinstance(part, PackedConvolution) for part in folded.modules())
    pictures = torch.randn(2, 3, 40, 48, dtype=torch.float64)
    torch.testing.assert_close(folded(pictures), trunk(pictures), rtol=1e-11, atol=1e-11)


def test_norms_that_follow_no_convolution_stay() -> None:
    layers = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1)).eval()
    fold_norms(layers)
    assert isinstance(layers[2], nn.BatchNorm2d)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize(
    "shape",
    [
        {"kernel_size": 3, "padding": 1},
        {"kernel_size": 3, "stride": 2, "padding": 1, "bias": False},
        {"kernel_size": 3, "padding": 4, "dilation": 4},
        {"kernel_size": 1, "stride": 2},
        {"kernel_size": 3, "padding": 1, "groups": 4},
        {"kernel_size": 3, "padding": "same"},
        {"kernel_size": 3, "padding": 1, "padding_mode": "reflect"},
    ],
)
def test_a_packed_convolution_is_that_convolution(
    shape: dict[str, Any], relu: bool, layout: torch.memory_format
) -> None:
    torch.manual_seed(0)
    convolution = nn.Conv2d(8, 16, **shape)
    packed = PackedConvolution(convolution, relu=relu)
    with torch.no_grad():
        for size in ((10, 14), (12, 9)):
            features = torch.randn(2, 8, *size).contiguous(memory_format=layout)
            expected = convolution(features)
            other = torch.randn_like(expected)
            summed, kept = expected + other, other.clone()
            torch.testing.assert_close(packed(features), expected.relu() if relu else expected, rtol=1e-5, atol=1e-5)
            found = packed(features, other)
            torch.testing.assert_close(found, summed.relu() if relu else summed, rtol=1e-5, atol=1e-5)
            assert torch.equal(other, kept), "what is added is not touched"
    assert packed.state_dict().keys() == convolution.state_dict().keys()


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("activation", [{}, {"relu": True}, {"relu6": True}])
@pytest.mark.parametrize("bias", [False, True])
def test_a_pointwise_convolution_of_one_picture_is_a_product(
    bias: bool, activation: dict[str, bool], layout: torch.memory_format, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of a part of a picture, of which neither rows nor positions lie in a row."""
    torch.manual_seed(0)
    convolution = nn.Conv2d(8, 16, 1, bias=bias)
    packed = PackedConvolution(convolution, **activation)
    activate: Callable[[Tensor], Tensor] = {"relu": F.relu, "relu6": F.relu6}.get(
        next(iter(activation), ""), Tensor.clone
    )
    monkeypatch.setattr("refvid.model.layers.onednn.convolve", None)  # it must not be called
    with torch.no_grad():
        for size in ((10, 14), (1, 9)):
            features = 6 * torch.randn(1, 8, *size).contiguous(memory_format=layout)
            for given in (features, features[..., 1:]):
                truth = convolution(given)
                other = torch.randn(1, 16, *given.shape[2:]).contiguous(memory_format=layout)
                kept = other.clone()
                for added in (None, other):
                    expected = activate(truth if added is None else truth + added)
                    found = packed(given, added)
                    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
                    assert found.is_contiguous(memory_format=torch.channels_last)
                assert torch.equal(other, kept), "what is added is not touched"


def test_a_loaded_model_is_folded_once(model: LoadedModel) -> None:
    assert model.folded is model.folded
    assert model.folded is not model.network
    with torch.inference_mode():
        seen = [one.encode(video(1, torch.float32)).tensors for one in (model.network, model.folded)]
    torch.testing.assert_close(seen[1], seen[0], rtol=1e-4, atol=1e-5)


def test_threads_that_ask_first_at_the_same_time_get_one_folded_network(
    model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the stages of a pipeline do; a `cached_property` alone has no lock since Python 3.12."""
    made: list[ReferringNetwork] = []

    def slowly(network: ReferringNetwork) -> ReferringNetwork:
        time.sleep(0.05)  # time for the others to begin too
        made.append(fold(network))
        return made[-1]

    monkeypatch.setattr("refvid.weights.fold", slowly)
    fresh, together = dataclasses.replace(model), threading.Barrier(2)

    def ask(_: int) -> ReferringNetwork:
        together.wait()
        return fresh.folded

    with ThreadPoolExecutor(2) as threads:
        one, other = threads.map(ask, range(2))
    assert one is other
    assert len(made) == 1


def test_mapped_levels_are_what_they_are() -> None:
    features = torch.randn(1, 2, 3, 4)
    assert MappedLevel(features).project(torch.zeros(2, 5), torch.zeros(2)) is features
