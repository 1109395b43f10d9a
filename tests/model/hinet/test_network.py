"""HINet: pixels interact with words at every level, and motion raises or lowers features."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from refvid.cli.app import main
from refvid.inference.segmenter import Segmenter
from refvid.model.hinet.config import HinetConfig, hinet_full_config, hinet_tiny_config
from refvid.model.hinet.motion import MotionEncoder, MotionGate
from refvid.model.hinet.network import HinetNetwork, build_hinet
from refvid.model.hinet.optical_flow import dis_flow, no_motion
from refvid.model.hinet.pixel_word import PixelWordInteraction, RecurrentWords
from refvid.model.layers.backbone import ResNetBackbone
from refvid.model.layers.pyramid import PyramidBackbone
from refvid.model.letterbox import Letterbox
from refvid.model.registry import build_network
from refvid.train.backbone_weights import load_backbone
from refvid.weights import load_model, read_weights, save_checkpoint
from tests.clips import frame_pixels, make_clip
from tests.conftest import WORDS
from tests.model.miniature import EXPRESSIONS, check_mixed_precision, check_saving, parts_of_the_loss

DOUBLE: dict[str, Any] = {"dtype": torch.float64}


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(4)


def small_config() -> HinetConfig:
    """The small model in miniature: every module, no training."""
    return hinet_tiny_config(WORDS).replace(
        name="small",
        backbone_channels=(4, 4, 8, 8, 8),
        fine_channels=6,
        input_size=64,
        embedding_channels=8,
        interaction_channels=8,
        decoder_channels=8,
        motion_channels=4,
    )


def build(**changes: object) -> HinetNetwork:
    """The miniature with some fields changed, and with gates that are open."""
    network = build_hinet(small_config().replace(**changes)).eval()
    gates: Any = network.gates
    for gate in gates:
        torch.nn.init.normal_(gate.gate.weight)
    return network


def moving_clip(frames: int = 4, size: tuple[int, int] = (48, 64)) -> Tensor:
    """A clip [1, T, 3, H, W] of a smooth picture under a camera that moves 2 pixels a frame."""
    picture = F.interpolate(torch.rand(1, 3, 12, 24), (size[0], size[1] + 2 * frames), mode="bicubic").clamp(0, 1)
    return torch.stack([picture[..., 2 * frame : 2 * frame + size[1]] for frame in range(frames)], 1)


def test_the_small_network_s_shapes() -> None:
    network = build()
    levels = network.enhance(moving_clip().expand(2, -1, -1, -1, -1), 1)
    assert [tuple(part.shape) for part in levels.tensors] == [
        *[(2, 8, 6, 8)] * 3,  # Res3, Res4, Res5
        (2, 6, 12, 16),  # of stride 4
        (2, 3, 12, 16),  # the motion
    ]
    logits, attentions = network.segment(levels, EXPRESSIONS)
    assert logits.shape == (2, 2, 12, 16)
    assert len(attentions) == 4
    for attention in attentions:
        torch.testing.assert_close(attention.sum(-1), torch.ones(2, 2))
        assert not attention[EXPRESSIONS == 0].any()
    assert network.attribute_channels == (8, 8)
    assert [level.shape[1:] for level in network.attribute_levels(levels)] == [(8, 6, 8)] * 2


def test_the_full_network_s_shapes() -> None:
    with torch.device("meta"):
        network = build_hinet(hinet_full_config(WORDS))
        image = torch.rand(1, 3, 320, 320)
        levels = replace(network.backbone(image), motion=no_motion(image[:, :1]))
    assert [tuple(part.shape[1:]) for part in levels.tensors] == [
        (256, 80, 80),
        (512, 40, 40),
        (1024, 20, 20),
        (2048, 10, 10),
        (3, 80, 80),
    ]
    assert network.attribute_channels == (512,)
    assert [tuple(level.shape[1:]) for level in network.attribute_levels(levels)] == [(512, 40, 40)]


def test_the_full_network_in_narrow_widths() -> None:
    """Four levels on four grids, also where a stride does not divide the input."""
    config = hinet_full_config(WORDS).replace(
        embedding_channels=8, interaction_channels=8, decoder_channels=8, motion_channels=4
    )
    network = build_hinet(config).eval()
    with torch.no_grad():
        levels = network.enhance(moving_clip(2, (40, 72)), 1)
        assert [tuple(part.shape[2:]) for part in levels.tensors] == [(10, 18), (5, 9), (3, 5), (2, 3), (10, 18)]
        logits, attentions = network.segment(levels, EXPRESSIONS[:1])
    assert logits.shape == (1, 2, 10, 18)
    assert len(attentions) == 4


def test_weights_of_a_resnet_fit_the_pyramid() -> None:
    with torch.device("meta"):
        given, own = ResNetBackbone().state_dict(), PyramidBackbone().state_dict()
    assert {name: value.shape for name, value in given.items()} == {name: value.shape for name, value in own.items()}


def test_the_light_trunk_takes_over_that_of_refvid_tiny() -> None:
    network = build_hinet(hinet_tiny_config(WORDS))
    load_backbone(network.backbone, "refvid-tiny")
    trained = read_weights(Path(__file__).parents[3] / "weights" / "refvid-tiny")
    for name, value in network.backbone.state_dict().items():
        torch.testing.assert_close(value, trained[f"backbone.{name}"])


def test_the_small_network_is_small() -> None:
    network = build_hinet(hinet_tiny_config(tuple(f"word{index}" for index in range(1500))))
    assert sum(parameter.numel() for parameter in network.parameters()) < 3e6


def test_the_interaction_equals_the_literal_formula() -> None:
    module = PixelWordInteraction(7, 5, 6).double()
    pixels, words = torch.randn(2, 7, 3, 4, **DOUBLE), torch.randn(2, 3, 4, 5, **DOUBLE)
    lengths = torch.tensor([[4, 1, 2], [3, 4, 2]])
    features, attention = module(pixels, words, torch.arange(4) < lengths[..., None])
    query, pixel, output = ((m.weight[:, :, 0, 0], m.bias) for m in (module.query, module.pixel, module.output))
    for b, e, y, x in np.ndindex(2, 3, 3, 4):
        v, real = pixels[b, :, y, x], words[b, e, : lengths[b, e]]
        scores = torch.stack([(query[0] @ v + query[1]) @ (module.key.weight @ word) for word in real]) / 6**0.5
        a = scores.exp() / scores.exp().sum()
        found = sum(a[n] * (module.word.weight @ word + module.word.bias) for n, word in enumerate(real))
        expected = (output[0] @ ((pixel[0] @ v + pixel[1]) * found) + output[1]).clamp(min=0)
        torch.testing.assert_close(features[b, e, :, y, x], expected, atol=1e-12, rtol=0)
    assert attention.shape == (2, 3, 4)
    torch.testing.assert_close(attention.sum(-1), torch.ones(2, 3, **DOUBLE))


def test_words_know_their_neighbours_but_no_padding() -> None:
    context, words = RecurrentWords(6), torch.randn(1, 2, 5, 6)
    lengths = (5, 3)
    known = context(words, torch.arange(5) < torch.tensor([lengths])[..., None])
    for row, length in enumerate(lengths):
        alone = words[:, row : row + 1, :length]
        states, _ = context.lstm(alone[0])
        torch.testing.assert_close(known[:, row : row + 1, :length], alone + states)
    turned = context(words.flip(2), torch.ones(1, 2, 5, dtype=torch.bool)).flip(2)
    assert (turned[0, 0] - known[0, 0]).abs().max() > 0.01


def test_padding_changes_nothing() -> None:
    network = build()
    levels = network.enhance(moving_clip(), 2)
    short = torch.tensor([[[2, 3], [4, 5]]])
    long = torch.tensor([[[2, 3, 0, 0, 0], [4, 5, 0, 0, 0], [6, 5, 4, 3, 2]]])
    alone, attentions = network.segment(levels, short)
    padded, longer = network.segment(levels, long)
    torch.testing.assert_close(padded[:, :2], alone)
    for some, more in zip(attentions, longer, strict=True):
        torch.testing.assert_close(more[:, :2, :2], some)


def test_the_gate_equals_the_literal_formula_and_is_1_without_flow() -> None:
    gate = MotionGate(3, 5)
    assert not gate.gate.weight.any()  # training begins with what the network makes of single frames
    torch.nn.init.normal_(gate.gate.weight)
    assert gate.gate.bias is not None
    torch.nn.init.normal_(gate.gate.bias)
    features, moving = torch.randn(2, 3, 5, 2, 4), torch.randn(2, 3, 4, 8)
    seen = torch.tensor([1.0, 0.0])[:, None, None, None].expand(2, 1, 4, 8)
    gated = gate(features, moving, seen)
    means = moving.view(2, 3, 2, 2, 4, 2).mean((3, 5))
    expected = features[0] * (2 * torch.sigmoid(2 * gate.gate(means[:1])))
    torch.testing.assert_close(gated[0], expected)
    assert (gated[0] - features[0]).abs().max() > 0.1
    assert torch.equal(gated[1], features[1])


def test_without_flow_the_network_is_that_of_single_frames() -> None:
    network = build()
    clip = moving_clip()
    motionless = build()
    motionless.load_state_dict(network.state_dict())
    gates: Any = motionless.gates
    for gate in gates:
        torch.nn.init.zeros_(gate.gate.weight)
    first, _ = network.segment(network.enhance(clip, 0), EXPRESSIONS[:1])
    assert torch.equal(first, motionless.segment(motionless.enhance(clip, 0), EXPRESSIONS[:1])[0])
    later, _ = network.segment(network.enhance(clip, 1), EXPRESSIONS[:1])
    assert not torch.equal(later, motionless.segment(motionless.enhance(clip, 1), EXPRESSIONS[:1])[0])


def test_the_motion_s_features_know_what_the_camera_does() -> None:
    encoder = MotionEncoder(4)
    motion = torch.zeros(1, 3, 16, 40)
    motion[..., :8] = 0.02
    elsewhere = motion.clone()
    elsewhere[..., 30:] = 0.02  # beyond the reach of the convolutions
    assert not torch.equal(encoder(motion)[..., :8], encoder(elsewhere)[..., :8])


def test_a_frame_beyond_the_video_s_end_gives_no_motion() -> None:
    network, clips = build(), moving_clip(3).expand(2, -1, -1, -1, -1)
    frame_mask = torch.tensor([[True, True, True], [False, True, True]])
    motion, alone = network.enhance(clips, 1, frame_mask).motion, network.enhance(clips[:1], 1).motion
    assert motion is not None
    assert alone is not None
    assert torch.equal(motion[:1], alone)
    assert motion[0, 2].all()
    assert not motion[1].any()
    third = network.enhance(clips, 1, frame_mask, times=[0, 3, 6]).motion
    torch.testing.assert_close(third[:, :2] * 3, motion[:, :2])


def test_a_stream_equals_the_clips() -> None:
    network, clip = build(), moving_clip(5)
    stream = network.stream()
    with torch.no_grad():
        for frame in range(5):
            levels = stream.push(network.encode(clip[:, frame]))
            assert levels is not None  # nothing is held back
            whole = network.enhance(clip, frame)
            for streamed, enhanced in zip(levels.tensors, whole.tensors, strict=True):
                torch.testing.assert_close(streamed, enhanced)
            assert bool(levels.motion[0, 2].all()) is (frame > 0)
    assert not list(stream.flush())


def test_masks_depend_on_their_frame_and_on_the_one_before_alone() -> None:
    network, clip = build(), moving_clip(5)
    before = network(clip, EXPRESSIONS[:1], target=2)
    for frame, matters in enumerate([False, True, True, False, False]):
        changed = clip.clone()
        changed[:, frame] = changed[:, frame].roll(3, -1)
        assert (not torch.equal(network(changed, EXPRESSIONS[:1], target=2), before)) is matters, frame


def test_every_parameter_learns() -> None:
    network = build()
    clips = moving_clip(3).expand(2, -1, -1, -1, -1)
    network(clips, EXPRESSIONS, target=1).square().sum().backward()
    for label, parameter in network.named_parameters():
        assert parameter.grad is not None, label
        assert parameter.grad.isfinite().all(), label
        silent = label.startswith("backbone.colours")  # until the tints, which begin at zero, have learnt
        assert bool(parameter.grad.any()) is not silent, label


def test_what_it_learns_from() -> None:
    assert parts_of_the_loss(build()) == {"entropy", "dice", "contrast", "attributes"}


def test_mixed_precision() -> None:
    check_mixed_precision(build())  # type: ignore[arg-type]


def two_squares() -> tuple[Tensor, Tensor]:
    """Two clips with the same last frame, of two equal squares, one of which has come from the right.

    Returns:
        Clips [2, 2, 3, 64, 64], and the masks [2, 2, 64, 64] of the square that moves and of the one that does not.
    """
    scene = F.interpolate(torch.rand(1, 3, 8, 8), (64, 64), mode="bicubic")[0].clamp(0, 1) * 0.5
    square = F.interpolate(torch.rand(1, 3, 5, 5), (20, 20), mode="bicubic")[0].clamp(0, 1) * 0.3 + 0.7
    places = ((6, 6), (36, 34))  # top, left
    clips, masks = scene.expand(2, 2, -1, -1, -1).clone(), torch.zeros(2, 2, 64, 64)
    for clip, moving in enumerate((0, 1)):
        for index, (top, left) in enumerate(places):
            masks[clip, int(index != moving), top : top + 20, left : left + 20] = 1
            for frame, start in enumerate((left + 3 * (index == moving), left)):
                clips[clip, frame, :, top : top + 20, start : start + 20] = square
    return clips, masks


def test_it_learns_to_tell_what_moves() -> None:
    """Nothing but the flow tells the two clips apart."""
    torch.manual_seed(5)
    clips, masks = two_squares()
    assert torch.equal(clips[0, 1], clips[1, 1])
    wide = {"backbone_channels": (8, 8, 16, 16, 16), "interaction_channels": 16, "decoder_channels": 16}
    network = build_hinet(small_config().replace(**wide)).train()
    word_ids = torch.tensor([[[2], [3]], [[2], [3]]])
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    losses = []
    for _ in range(80):
        loss = F.binary_cross_entropy_with_logits(network(clips, word_ids, target=1), masks)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    with torch.no_grad():
        found, truth = network(clips, word_ids, target=1) > 0, masks > 0.5
        still = network(clips[:, 1:], word_ids, target=0)
    shares = (found & truth).sum((2, 3)) / (found | truth).sum((2, 3))
    assert losses[-1] < losses[0] / 5
    assert float(shares.min()) > 0.8
    assert torch.equal(still[0], still[1])


def save_lively(folder: Path) -> Path:
    """Write the checkpoint of a random model whose masks are neither empty nor full."""
    network, config = build(), small_config()
    box = Letterbox(46, 80, config.canvas(46, 80))
    picture = box.apply(torch.from_numpy(frame_pixels(0, (80, 46))).permute(2, 0, 1)[None])
    with torch.no_grad():
        logits = network(picture[None], torch.tensor([[[2, 3]]]))
        network.decoder.score.weight.div_(logits.std())
        network.decoder.score.bias.sub_(logits.median()).div_(logits.std())
    save_checkpoint(network, config, folder)
    return folder


def test_saving(tmp_path: Path) -> None:
    check_saving(small_config(), tmp_path)  # type: ignore[arg-type]
    assert isinstance(build_network(small_config()), HinetNetwork)


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = save_lively(tmp_path / "model")
    clip, output = make_clip(tmp_path / "clip.mp4", frames=3, size=(80, 46)), tmp_path / "out.mp4"
    arguments = ["segment", str(clip), "red dog", "-m", str(checkpoint), "-o", str(output), "--device", "cpu", "--json"]
    assert main(arguments) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["model"], report["input"]["frames"]) == ("small", 3)
    assert report["expressions"][0]["frames_with_object"] == 3
    assert output.stat().st_size > 0


def test_single_targets_get_the_masks_of_the_whole_video(tmp_path: Path) -> None:
    segmenter = Segmenter(load_model(save_lively(tmp_path), device="cpu"))
    frames = np.stack([frame_pixels(index, (80, 46)) for index in range(6)])
    whole = list(segmenter.stream(frames, ["red dog"]))
    chosen = segmenter.segment_frames(lambda part: frames[part.start : part.stop], 6, {0: [0], 4: [0]}, ["red dog"])
    for segmented in chosen:
        assert np.array_equal(segmented.masks, whole[segmented.item])
        assert segmented.masks.any()


def test_the_flow_is_dis_unless_asked_otherwise() -> None:
    assert build_hinet(small_config()).flow is dis_flow
    assert hinet_full_config(WORDS).flow == "dis"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"flow": "farneback"}, "flow must be one of dis, raft, got 'farneback'"),
        ({"backbone": "vgg", "colour_channels": 0}, "backbone must be one of resnet101, light, .*, got 'vgg'"),
        ({"fine_channels": 0}, "and 0 for others, got 0 for 'light'"),
        ({"backbone": "resnet101", "colour_channels": 0}, "got 6 for 'resnet101'"),
        ({"embedding_channels": 7}, "must be even, .* got 7"),
        ({"architecture": "cmsa"}, "architecture must be 'hinet', got 'cmsa'"),
    ],
)
def test_settings_that_do_not_go_together(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        small_config().replace(**changes)
