"""ACGA: its attentions against ten literal lines each, its windows, and the whole of it in miniature."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from refvid.cli.app import main
from refvid.model.acga import network as acga
from refvid.model.acga.attention import (
    ConvolvedWords,
    LanguageGuidedVisionAttention,
    MultiResolutionDecoder,
    VisionGuidedLanguageAttention,
)
from refvid.model.acga.config import AcgaConfig, acga_full_config, acga_tiny_config
from refvid.model.acga.network import AcgaNetwork
from refvid.model.acga.video_backbone import FrameWindow, S3DTrunk, TemporalConvolutions
from refvid.model.config import ModelConfig
from refvid.model.interface import FrameFeatures
from refvid.model.registry import build_network, build_vocabulary
from refvid.train.backbone_weights import load_backbone
from refvid.train.objective import paper_objective
from refvid.weights import load_model, save_checkpoint
from tests.clips import make_clip
from tests.conftest import WORDS
from tests.model.miniature import EXPRESSIONS, parts_of_the_loss

SMALL_DECODER = {"decoder_channels": (8, 6), "response_channels": (8, 6, 6), "embedding_channels": 8}


def small_config(**changes: object) -> AcgaConfig:
    """`acga` in miniature: every module, no training."""
    sizes = {"name": "small", "backbone_channels": (4, 4, 8, 8, 8), "colour_channels": 4, "input_size": 64}
    return acga_tiny_config(WORDS).replace(**{**sizes, **SMALL_DECODER, **changes})


def small_s3d_config(**changes: object) -> AcgaConfig:
    """`acga-s3d` with its own trunk, on small pictures and with a small decoder."""
    return acga_full_config(WORDS).replace(**{"name": "small", "input_size": 32, **SMALL_DECODER, **changes})


def build(config: AcgaConfig) -> AcgaNetwork:
    """A random network in which nothing fades: convolutions over time begin at zero, and 24 random layers end there."""
    torch.manual_seed(5)
    network = build_network(config)
    assert isinstance(network, AcgaNetwork)
    if isinstance(network.backbone, S3DTrunk):
        settle(network.backbone)
    else:
        assert network.temporal is not None
        for parameter in [*network.temporal.parameters(), *network.backbone.tints.parameters()]:
            torch.nn.init.normal_(parameter, std=0.2)
    return network.eval()


@torch.no_grad()
def settle(trunk: S3DTrunk) -> None:
    """Give the norms of a random trunk the statistics of noise."""
    norms = [module for module in trunk.modules() if isinstance(module, torch.nn.BatchNorm3d)]
    for norm in norms:
        norm.momentum = 1.0
    trunk.train()(torch.randn(2, 8, 3, 48, 48))
    for norm in norms:
        norm.momentum = 0.001


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(6)


def some_tokens(channels: int) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens of two pictures of five positions, three words of two expressions each, and which of them are real."""
    mask = torch.tensor([[[True, True, True], [True, False, False]], [[True, True, False], [True, True, True]]])
    tokens = torch.randn(2, 5, channels + 8, dtype=torch.float64)
    return tokens, torch.randn(2, 2, 3, 4, dtype=torch.float64), mask


def test_vision_guided_language_attention_is_the_paper_s() -> None:
    module = VisionGuidedLanguageAttention(14, 4).double()
    tokens, words, mask = some_tokens(6)
    told, weights = module(tokens, words, mask)
    for b in range(2):
        for e in range(2):
            real = words[b, e, mask[b, e]]
            for p in range(5):
                asked = module.reduce.weight @ tokens[b, p] + module.reduce.bias
                logits = torch.stack([asked @ word for word in real]) / 4**0.5
                shares = logits.exp() / logits.exp().sum()
                torch.testing.assert_close(told[b, e, p], sum(s * w for s, w in zip(shares, real, strict=True)))
                torch.testing.assert_close(weights[b, e, p, mask[b, e]], shares)
    assert not weights.transpose(2, 3)[~mask].any()


def test_language_guided_vision_attention_is_the_paper_s() -> None:
    module = LanguageGuidedVisionAttention(6, 4).double()
    torch.nn.init.normal_(module.gate.weight)
    tokens, words, mask = some_tokens(6)
    seen = module(tokens, words, mask)
    assert seen.shape == (2, 2, 5, 6)
    for b in range(2):
        q, k, v = (projection(tokens[b]) for projection in (module.query, module.key, module.value))
        for e in range(2):
            gate = module.gate(torch.stack([words[b, e, n] for n in range(3) if mask[b, e, n]]).max(0).values)
            for p in range(5):
                logits = torch.stack([(gate * q[p]) @ (gate * k[other]) for other in range(5)]) / 14**0.5
                shares = logits.exp() / logits.exp().sum()
                torch.testing.assert_close(seen[b, e, p], sum(shares[other] * v[other] for other in range(5)))


def test_words_know_their_neighbours_and_no_padding() -> None:
    module = ConvolvedWords(4).double()
    words = torch.randn(1, 2, 3, 4, dtype=torch.float64)
    mask = torch.tensor([[[True, True, True], [True, True, False]]])
    found, kernel = module(words, mask), module.convolution
    nothing = torch.zeros(4, dtype=torch.float64)
    for e, length in enumerate((3, 2)):
        padded = [nothing, *words[0, e, :length], nothing]
        for n in range(length):
            heard = sum(kernel.weight[:, :, tap] @ padded[n + tap] for tap in range(3)) + kernel.bias
            torch.testing.assert_close(found[0, e, n], heard.tanh())


def test_a_window_takes_the_frames_that_stand_where_its_slots_are() -> None:
    window = FrameWindow(before=2, after=1, stride=5)
    assert list(window.offsets) == [-10, -5, 0, 5]
    assert window.radius == 10
    times, exists = [3, 8, 10, 13], torch.tensor([[True] * 4, [False, True, True, True]])
    clip = torch.tensor(times).expand(2, -1)
    frames, filled = window.exact(clip, 3, exists, times)
    assert filled.tolist() == [[True, True, True, False], [False, True, True, False]]
    assert frames[filled].tolist() == [3, 8, 13, 8, 13]


def test_a_window_repeats_the_nearest_frame_where_none_is() -> None:
    window = FrameWindow(before=3, after=2)
    times, exists = [0, 4, 6, 7], torch.tensor([[True] * 4, [False, True, True, True]])
    clip = torch.tensor(times).expand(2, -1)
    # Around frame 6 the slots are 3 to 8; frame 4 is as near to the slot 5 as frame 6, which is nearer to the target.
    assert window.nearest(clip, 2, exists, times).tolist() == [[4, 4, 6, 6, 7, 7]] * 2
    assert window.nearest(clip, 1, exists, times).tolist() == [[0, 4, 4, 4, 4, 6], [4, 4, 4, 4, 4, 6]]  # slots 1 to 6


def test_convolutions_over_time_begin_as_the_mean_of_the_frames_that_exist() -> None:
    module = TemporalConvolutions(3)
    window, exists = torch.randn(2, 3, 3, 4, 5), torch.tensor([[True, True, True], [False, True, False]])
    found = module(window, exists)
    torch.testing.assert_close(found[0], window[0].mean(0))
    torch.testing.assert_close(found[1], window[1, 1])


def test_convolutions_over_time_see_the_frames_beside_and_no_missing_ones() -> None:
    module = TemporalConvolutions(3).double()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    window = torch.randn(1, 4, 3, 1, 1, dtype=torch.float64)
    found = module(window, torch.tensor([[False, True, True, True]]))
    frames = [window[0, slot, :, 0, 0] for slot in (1, 2, 3)]
    for layer in module.convolutions:
        before, own, after = layer.weight.unbind(2)
        bright = [torch.zeros_like(frames[0]), *(frame.clamp(min=0) for frame in frames), torch.zeros_like(frames[0])]
        frames = [
            frame + before @ bright[i] + own @ bright[i + 1] + after @ bright[i + 2] + layer.bias
            for i, frame in enumerate(frames)
        ]
    torch.testing.assert_close(found[0, :, 0, 0], sum(frames) / 3)


@pytest.mark.parametrize("enlargement", [2, 4])
def test_the_decoder_responds_at_three_scales_and_ends_with_all_of_them(enlargement: int) -> None:
    decoder = MultiResolutionDecoder(
        5, 4, decoder_channels=(6, 3), response_channels=(7, 5, 4), enlargement=enlargement
    )
    visual, words = torch.randn(2, 5, 3, 2), torch.randn(2, 4, 3, 2)
    small, medium, large = decoder(visual, words)
    n = enlargement
    assert [r.shape[-2:] for r in (small, medium, large)] == [(3, 2), (3 * n, 2 * n), (3 * n * n, 2 * n * n)]
    with torch.no_grad():
        decoder.fuse.weight.zero_()
        decoder.fuse.weight[0, :, 1, 1] = torch.tensor([1.0, 10.0, 100.0])
        decoder.fuse.bias.zero_()
        decoder.responses[2][-1].weight.zero_()
        decoder.responses[2][-1].bias.fill_(0.5)
    whole = decoder(visual, words)[2]
    expected = sum(f * F.interpolate(r, whole.shape[-2:], mode="bilinear") for f, r in ((1, small), (10, medium)))
    torch.testing.assert_close(whole, expected + 50)


@pytest.mark.parametrize(("config", "strides"), [(small_config(), (16, 8, 4)), (small_s3d_config(), (16, 4, 1))])
def test_shapes(config: AcgaConfig, strides: tuple[int, ...]) -> None:
    network = build(config)
    levels = network.enhance(torch.rand(2, 3, 3, 32, 48), 1)
    trained = network.training_logits(levels, EXPRESSIONS)
    responses = [*trained.earlier, trained.final]
    assert [r.shape for r in responses] == [(2, 2, 32 // stride, 48 // stride) for stride in strides]
    logits, (attention,) = network.segment(levels, EXPRESSIONS)
    torch.testing.assert_close(logits, responses[-1])
    torch.testing.assert_close(attention.sum(-1), torch.ones(2, 2))
    assert not attention[EXPRESSIONS == 0].any()
    seen = network.attribute_levels(levels)
    assert [level.shape[1:] for level in seen] == [(width, 4, 6) for width in network.attribute_channels]
    assert network(torch.rand(1, 1, 3, 24, 40), EXPRESSIONS[:1]).shape == (1, 2, 24, 40)  # 16 divides neither side


@pytest.mark.parametrize("config", [small_config(), small_s3d_config()])
def test_padding_words_change_nothing(config: AcgaConfig) -> None:
    network, clip = build(config), torch.rand(1, 3, 3, 32, 48)
    with torch.no_grad():
        levels = network.enhance(clip, 1)
        alone, (attention,) = network.segment(levels, torch.tensor([[[4, 6]]]))
        padded, (longer,) = network.segment(levels, torch.tensor([[[2, 3, 5, 2, 8], [4, 6, 0, 0, 0]]]))
    torch.testing.assert_close(padded[:, 1:], alone, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(longer[:, 1:, :2], attention)
    assert (padded[:, 0] - padded[:, 1]).abs().max() > 1e-3


def test_expressions_decoded_one_by_one_are_those_decoded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    network, clip = build(small_config()), torch.rand(2, 1, 3, 32, 48)
    with torch.no_grad():
        together = network(clip, EXPRESSIONS)
        monkeypatch.setattr(acga, "POSITIONS_AT_ONCE", 1)
        torch.testing.assert_close(network(clip, EXPRESSIONS), together)


def stream(network: AcgaNetwork, clip: Tensor) -> list[FrameFeatures]:
    """The features of each frame of a clip [1, T, 3, H, W], fed one by one."""
    frames, found = network.stream(), []
    for frame in range(clip.shape[1]):
        levels = frames.push(network.encode(clip[:, frame]))
        found += [] if levels is None else [levels]
    return found + list(frames.flush())


@pytest.mark.parametrize(
    "config",
    [
        small_config(),
        small_config(window_before=2, window_after=1, window_stride=2),
        small_config(window_before=0, window_after=0),
        small_s3d_config(window_before=3, window_after=2),
        small_s3d_config(window_before=1, window_after=1, window_stride=2),
    ],
)
@pytest.mark.parametrize("frames", [1, 3, 12])
@torch.no_grad()
def test_the_stream_gives_what_enhance_gives_for_the_whole_video(config: AcgaConfig, frames: int) -> None:
    network, clip = build(config), torch.rand(1, frames, 3, 32, 48)
    found = stream(network, clip)
    assert len(found) == frames
    for target, levels in enumerate(found):
        radius = network.frame_radius
        first, last = max(0, target - radius), min(frames, target + radius + 1)
        for other in (network.enhance(clip, target), network.enhance(clip[:, first:last], target - first)):
            for one, expected in zip(levels.levels, other.levels, strict=True):
                torch.testing.assert_close(one, expected, atol=1e-5, rtol=1e-4)
    if frames == 12 and network.frame_radius:
        assert (found[5].levels[-1] - found[6].levels[-1]).abs().max() > 1e-3, (
            "a window that shows nothing proves nothing"
        )


@torch.no_grad()
def test_a_stream_delivers_as_soon_as_a_window_is_complete() -> None:
    network = build(small_config(window_before=3, window_after=1, window_stride=2))
    frames = network.stream()
    levels = [network.encode(torch.rand(1, 3, 16, 16)) for _ in range(5)]
    assert [frames.push(one) is not None for one in levels] == [False, False, True, True, True]
    assert len(list(frames.flush())) == 2


@torch.no_grad()
def test_clips_of_the_window_s_frames_alone_show_what_the_video_shows() -> None:
    network, clip = build(small_config()), torch.rand(2, 11, 3, 32, 48)
    dense, sparse = network.enhance(clip, 5), network.enhance(clip[:, ::5], 1, times=[0, 5, 10])
    alone = network.enhance(clip[:, 5:6], 0)
    for one, other in zip(dense.levels, sparse.levels, strict=True):
        torch.testing.assert_close(one, other)
    assert (dense.levels[-1] - alone.levels[-1]).abs().max() > 1e-3
    mask = torch.tensor([[False, True, False], [True, True, True]])
    partly = network.enhance(clip[:, ::5], 1, mask, [0, 5, 10])
    torch.testing.assert_close(partly.levels[-1][0], alone.levels[-1][0])
    torch.testing.assert_close(partly.levels[-1][1], dense.levels[-1][1])


@torch.no_grad()
def test_frames_beyond_the_ends_are_not_shown_to_s3d() -> None:
    network, clip = build(small_s3d_config(window_before=2, window_after=2)), torch.rand(1, 5, 3, 32, 32)
    mask = torch.tensor([[False, False, True, True, True]])
    shown = network.enhance(clip, 2, mask).levels[-1]
    torch.testing.assert_close(shown, network.enhance(clip[:, 2:], 0).levels[-1])
    assert (shown - network.enhance(clip, 2).levels[-1]).abs().max() > 1e-4


def test_neighbours_can_be_kept_from_teaching_the_trunk() -> None:
    network, clip = build(small_config()), torch.rand(2, 3, 3, 32, 48)
    gradients = []
    for taught in (True, False):
        network.zero_grad()
        levels = network.enhance(clip, 1, times=[0, 5, 10], neighbour_gradients=taught)
        levels.levels[-1].square().sum().backward()
        gradients.append((levels.levels[-1].detach(), network.backbone.stem[0].weight.grad.clone()))
    torch.testing.assert_close(gradients[0][0], gradients[1][0])
    assert (gradients[0][1] - gradients[1][1]).abs().max() > 1e-3
    assert network.temporal is not None
    assert network.temporal.convolutions[0].weight.grad[:, :, 0].any(), "what joins the frames learns from them all"


@pytest.mark.parametrize("config", [small_config(), small_s3d_config()])
def test_every_parameter_learns(config: AcgaConfig) -> None:
    network = build(config)
    network.embedding.table.weight.data[1:] *= 0.3  # away from where tanh is flat
    clip = torch.rand(2, 3, 3, 32, 48)
    trained = network.training_logits(network.enhance(clip, 1, times=[0, 5, 10]), EXPRESSIONS)
    responses = [*trained.earlier, trained.final]
    torch.stack([response.square().mean() for response in responses]).sum().backward()
    for label, parameter in network.named_parameters():
        assert parameter.grad is not None, label
        assert parameter.grad.isfinite().all(), label
        if not label.endswith("key.bias"):  # adds the same to all keys' logits, which a softmax does not see
            assert parameter.grad.any(), label


def test_overfits_a_picture() -> None:
    picture, masks = torch.full((1, 1, 3, 48, 48), 0.5), torch.zeros(1, 2, 48, 48)
    for word, (top, left, colour) in enumerate([(6, 4, (0.9, 0.1, 0.1)), (22, 26, (0.1, 0.2, 0.9))]):
        picture[0, 0, :, top : top + 20, left : left + 18] = torch.tensor(colour)[:, None, None]
        masks[0, word, top : top + 20, left : left + 18] = 1
    torch.manual_seed(3)
    network = build_network(small_config(backbone_channels=(8, 8, 16, 16, 16))).train()
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    expressions, losses = torch.tensor([[[2, 5], [2, 3]]]), []
    for _ in range(60):
        trained = network.training_logits(network.enhance(picture, 0), expressions)
        responses = [*trained.earlier, trained.final]
        full = [F.interpolate(response, (48, 48), mode="bilinear") for response in responses]
        loss = torch.stack([F.binary_cross_entropy_with_logits(one, masks) for one in full]).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    with torch.no_grad():
        found, truth = network(picture, expressions) > 0, masks > 0.5
    shares = (found & truth).sum((2, 3)) / (found | truth).sum((2, 3))
    assert losses[-1] < losses[0] / 4
    assert shares.min() > 0.8


def test_mixed_precision_changes_nothing_but_the_rounding() -> None:
    network, clip = build(small_config()), torch.rand(2, 3, 3, 32, 48)
    exact = network(clip, EXPRESSIONS, target=1).detach()
    for grad in (True, False):
        with torch.set_grad_enabled(grad), torch.autocast("cpu", dtype=torch.bfloat16):
            rounded = network(clip, EXPRESSIONS, target=1).detach()
        torch.testing.assert_close(rounded.float(), exact, rtol=0.1, atol=0.05)


def test_a_checkpoint_gives_back_config_and_masks(tmp_path: Path) -> None:
    config = small_config()
    network = build(config)
    save_checkpoint(network, config, tmp_path)
    loaded = load_model(tmp_path, device="cpu")
    assert loaded.config == config
    clip = torch.rand(2, 3, 3, 32, 48)
    with torch.no_grad():
        assert torch.equal(loaded.network(clip, EXPRESSIONS, target=1), network(clip, EXPRESSIONS, target=1))


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Masks are above half of each frame's largest probability, so that even a random model finds something."""
    config = small_config()
    save_checkpoint(build(config), config, tmp_path / "model")
    clip, output = make_clip(tmp_path / "clip.mp4", frames=8, size=(80, 46)), tmp_path / "out.mp4"
    arguments = ["segment", str(clip), "red dog", "-m", str(tmp_path / "model"), "-o", str(output), "--device", "cpu"]
    assert main([*arguments, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["model"], report["input"]["frames"]) == ("small", 8)
    assert report["expressions"][0]["frames_with_object"] == 8
    assert output.stat().st_size > 0


def test_it_learns_from_masks_regions_and_attributes() -> None:
    assert parts_of_the_loss(build(small_config())) == {"entropy", "dice", "contrast", "attributes"}
    assert parts_of_the_loss(build(small_s3d_config())) == {"entropy", "dice", "contrast", "attributes"}
    settings = paper_objective("acga")
    assert (settings.entropy, settings.dice, settings.contrast, settings.foreground) == (1, 0, 0, 1.5)


def test_the_full_network_is_the_paper_s() -> None:
    config = acga_full_config(WORDS)
    assert (config.canvas(360, 640), config.threshold, config.threshold_of) == ((512, 512), 0.5, "maximum")
    network = build(config)
    assert list(network.window.offsets) == list(range(-8, 8))
    assert network.vision.query.weight.shape == (840, 840)
    assert network.language.reduce.weight.shape == (300, 840)
    with torch.no_grad():
        seen = network.backbone.features(torch.rand(1, 3, 16, 64, 64))
        assert seen.shape == (1, 832, 4, 4, 4)
        logits = network(torch.rand(1, 16, 3, 64, 64), torch.tensor([[[2, 3]]]), target=8)
    assert logits.shape == (1, 1, 64, 64)
    assert logits.isfinite().all()


def test_the_trunk_is_torchvision_s_s3d_up_to_mixed_4f() -> None:
    from torchvision.models.video import s3d

    whole, trunk, other = s3d(weights=None).eval(), S3DTrunk(), S3DTrunk().eval()
    settle(trunk)
    whole.load_state_dict(trunk.eval().state_dict(), strict=False)
    weights = whole.state_dict()
    other.load_state_dict({name: weights[name] for name in trunk.state_dict()})
    clip = torch.rand(1, 16, 3, 32, 32)
    with torch.no_grad():
        expected = whole.features[:13](clip.transpose(1, 2)).mean(2)
        torch.testing.assert_close(other(clip), expected)
    assert expected.std() > 0.01
    assert isinstance(whole.features[13], torch.nn.MaxPool3d)


def test_the_tiny_network_is_small_and_takes_over_the_trunk_that_ships(tmp_path: Path) -> None:
    words = tuple(f"word{number}" for number in range(400))
    config = acga_tiny_config(words)
    network = build_network(config)
    save_checkpoint(network, config, tmp_path, half=True)
    assert (tmp_path / "model.safetensors").stat().st_size <= 6 * 2**20
    load_backbone(network.backbone, "refvid-tiny")
    trained = load_model("refvid-tiny", device="cpu").network.backbone.state_dict()
    assert all(torch.equal(value, trained[name]) for name, value in network.backbone.state_dict().items())
    assert (config.pixel_mean, config.pixel_std) == (ModelConfig.pixel_mean, ModelConfig.pixel_std)
    assert build_vocabulary(config).encode(["word3"]).tolist() == [[5]]


@pytest.mark.parametrize(("height", "width"), [(144, 256), (240, 240), (100, 333), (720, 1280), (2000, 30)])
def test_the_input_is_a_grid_of_whole_cells(height: int, width: int) -> None:
    for config in (acga_tiny_config(WORDS), acga_full_config(WORDS)):
        assert all(side >= 16 and side % 16 == 0 for side in config.canvas(height, width))
    assert acga_tiny_config(WORDS).canvas(144, 256) == (144, 256)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"input_size": 200}, "multiple of 16, the backbone's stride, got 200"),
        ({"backbone": "resnet101", "colour_channels": 0}, "backbone must be one of s3d, light"),
        ({"architecture": "cmsa"}, "architecture must be 'acga'"),
        ({"window_stride": 0}, "window_stride at least 1, got 1, 1 and 0"),
        ({"window_after": -1}, "window_after must be at least 0"),
        ({"enlargement": 3}, "enlargement must be even"),
    ],
)
def test_what_cannot_be_built_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small_config(**change)
