"""RefVOS: its fusion and head written out in float64, and as a network, with the LSTM and with BERT."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from refvid.cli.app import main
from refvid.errors import UsageError
from refvid.model.interface import SingleFrameStream
from refvid.model.layers.bert import BertSentence, WordPieces
from refvid.model.layers.language import Vocabulary
from refvid.model.letterbox import Letterbox
from refvid.model.refvid.config import refvid_tiny_config
from refvid.model.refvos.aspp import PatientBatchNorm1d, atrous_pyramid
from refvid.model.refvos.config import RefvosConfig, refvos_full_config, refvos_tiny_config
from refvid.model.refvos.network import MaskHead, RefvosNetwork, build_refvos, vocabulary_of
from refvid.model.registry import build_network
from refvid.train.objective import paper_objective
from refvid.weights import load_model, save_checkpoint
from tests.clips import frame_pixels, make_clip
from tests.conftest import WORDS
from tests.model import miniature
from tests.model.layers.test_bert import PIECES, bert_config

SMALL = dict(backbone_channels=(4, 4, 8, 8, 8), embedding_channels=8, aspp_channels=8, aspp_rates=(1, 2), input_size=64)


def small_config(**changes: object) -> RefvosConfig:
    return refvos_tiny_config(WORDS).replace(**{"name": "small", **SMALL, **changes})


def build(config: RefvosConfig) -> RefvosNetwork:
    """A network in evaluation mode whose every part has a say, its batch norms among them."""
    torch.manual_seed(3)
    network = build_refvos(config)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            norm: Any = module
            for values in (norm.running_mean, norm.bias):
                torch.nn.init.normal_(values, std=0.3)
            for values in (norm.running_var, norm.weight):
                torch.nn.init.uniform_(values, 0.5, 1.5)
    if network.detail is not None:
        torch.nn.init.normal_(network.detail.score.weight)
    if isinstance(network.embedding, BertSentence):  # BERT's own first weights make all sentences much the same
        for kernel in network.embedding.parameters():
            if kernel.ndim == 2:
                torch.nn.init.normal_(kernel, std=0.5)
    return network.eval()


def expressions_of(config: RefvosConfig) -> Tensor:
    """Ids int64 [2, 2, L] of expressions of several lengths."""
    return vocabulary_of(config).encode(["red dog", "man", "the man in yellow", "dog"]).view(2, 2, -1)


CONFIGS = {"sentence": small_config(), "bert": bert_config(), "stride 8": small_config(detail_channels=0)}


def literal_norm(norm: Any, values: Tensor) -> Tensor:
    """A batch norm in evaluation of values [..., C]."""
    return (values - norm.running_mean) / (norm.running_var + norm.eps).sqrt() * norm.weight + norm.bias


def literal_head(network: RefvosNetwork, visual: Tensor, sentence: Tensor) -> Tensor:
    """Scores of both classes [2, h, w], of one picture [C, h, w] and one expression [C_l], position by position."""
    parts: Any = network.projection
    linear, norm = parts
    vector = literal_norm(norm, linear.weight @ sentence + linear.bias)
    one, first, _, _, three, second, _ = network.head.features
    mixed = literal_norm(first, visual.permute(1, 2, 0) * vector @ one.weight[:, :, 0, 0].T).clamp(min=0)  # [h, w, C]
    height, width, _ = mixed.shape
    scores = torch.zeros(2, height, width, dtype=visual.dtype)
    for y in range(height):
        for x in range(width):
            around = [(y + v, x + u, three.weight[:, :, 1 + v, 1 + u]) for v in (-1, 0, 1) for u in (-1, 0, 1)]
            inside = [kernel @ mixed[j, i] for j, i, kernel in around if 0 <= j < height and 0 <= i < width]
            heard = torch.stack(inside).sum(0)
            feature = literal_norm(second, heard).clamp(min=0)
            scores[:, y, x] = network.head.score.weight[:, :, 0, 0] @ feature + network.head.score.bias
    return scores


def test_fusion_and_head_equal_the_literal_ones() -> None:
    network = build(small_config()).double()
    levels = network.encode(torch.rand(2, 3, 24, 40).double())
    ids = expressions_of(small_config())
    scores, features = network.scores(levels, ids)
    assert scores.shape == (4, 2, 3, 5)
    assert features.shape == (4, 8, 3, 5)
    visual, (sentences, _) = network.pyramid(levels.levels[2]), network.embedding(ids)
    for row in range(4):
        expected = literal_head(network, visual[row // 2], sentences[row // 2, row % 2, 0])
        torch.testing.assert_close(scores[row], expected, rtol=1e-9, atol=1e-10)


def test_the_pyramid_is_the_literal_one() -> None:
    torch.manual_seed(1)
    pyramid = atrous_pyramid(3, 4, (1, 2), dropout=0.25).double().eval()
    image = torch.rand(2, 3, 5, 6).double()
    branches = [F.conv2d(image, pyramid.convs[0][0].weight)]
    branches += [
        F.conv2d(image, pyramid.convs[index][0].weight, dilation=rate, padding=rate) for index, rate in ((1, 1), (2, 2))
    ]
    branches += [F.conv2d(image.mean((2, 3), keepdim=True), pyramid.convs[3][1].weight).expand(-1, -1, 5, 6)]
    scale = (1 + 1e-5) ** -0.5  # of a batch norm that has seen nothing
    joined = torch.cat([(scale * branch).relu() for branch in branches], 1)
    expected = (scale * F.conv2d(joined, pyramid.project[0].weight)).relu()
    torch.testing.assert_close(pyramid(image), expected, rtol=1e-10, atol=1e-12)
    assert [module.p for module in pyramid.modules() if isinstance(module, torch.nn.Dropout)] == [0.25]


def test_the_loss_of_two_classes_is_that_of_their_difference() -> None:
    network = build(small_config(detail_channels=0)).double()
    levels = network.encode(torch.rand(2, 3, 24, 40).double()).map(Tensor.detach)
    ids = expressions_of(small_config())
    scores, _ = network.scores(levels, ids)
    logits, attention = network.segment(levels, ids)
    assert attention == []
    truth = torch.randint(0, 2, (2, 2, 3, 5))
    of_classes = F.cross_entropy(scores, truth.flatten(0, 1))
    of_difference = F.binary_cross_entropy_with_logits(logits, truth.double())
    torch.testing.assert_close(of_difference, of_classes, rtol=1e-12, atol=1e-14)
    learnt = list(network.head.parameters())
    gradients = [torch.autograd.grad(loss, learnt, retain_graph=True) for loss in (of_classes, of_difference)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-14)
    assert torch.equal(logits.flatten(0, 1) > 0, scores.argmax(1).bool())
    assert paper_objective("refvos").entropy == 1
    assert paper_objective("refvos").foreground == 1


@pytest.mark.parametrize("name", CONFIGS)
def test_shapes_and_padding(name: str) -> None:
    config = CONFIGS[name]
    network, ids = build(config), expressions_of(config)
    levels = network.enhance(torch.rand(2, 1, 3, 32, 48), 0)
    with torch.no_grad():
        logits, _ = network.segment(levels, ids)
        longer, _ = network.segment(levels, F.pad(ids, (0, 4)))
        alone, _ = network.segment(levels.map(lambda part: part[1:]), ids[1:, :1])
    assert logits.shape == ((2, 2, 8, 12) if config.detail_channels else (2, 2, 4, 6))
    torch.testing.assert_close(longer, logits, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(alone[0, 0], logits[1, 0], rtol=1e-4, atol=1e-5)
    assert (logits[0, 0] - logits[0, 1]).abs().max() > 1e-3
    assert network.training_logits(levels, ids).earlier == ()
    assert network(torch.rand(2, 1, 3, 32, 48), ids).shape == (2, 2, 32, 48)
    assert [level.shape[1:] for level in network.attribute_levels(levels)] == [(8, 4, 6), (8, 4, 6)]
    assert network.attribute_channels == (8, 8)


def test_a_frame_is_looked_at_alone() -> None:
    network, ids = build(small_config()), expressions_of(small_config())[:1]
    clip = torch.rand(1, 3, 3, 32, 48)
    stream = network.stream()
    assert isinstance(stream, SingleFrameStream)
    assert network.frame_radius == 0
    with torch.no_grad():
        whole = network(clip, ids, target=1)
        levels = stream.push(network.encode(clip[:, 1]))
        assert levels is not None
        streamed, _ = network.segment(levels, ids)
        clip[:, [0, 2]] = 0
        assert torch.equal(network(clip, ids, target=1), whole)
    torch.testing.assert_close(F.interpolate(streamed, (32, 48), mode="bilinear"), whole)
    assert list(stream.flush()) == []


@pytest.mark.parametrize("name", CONFIGS)
def test_every_parameter_learns(name: str) -> None:
    config = CONFIGS[name]
    network = build(config).train()
    network(torch.rand(2, 1, 3, 24, 40), expressions_of(config)).square().sum().backward()
    kept = {label for label, parameter in network.named_parameters() if not parameter.requires_grad}
    assert all(label.startswith(("embedding.bert.embeddings.", "embedding.bert.encoder.layer.2.")) for label in kept)
    assert bool(kept) == (config.language == "bert")
    for label, parameter in network.named_parameters():
        if label not in kept:
            assert parameter.grad is not None, label
            assert parameter.grad.isfinite().all(), label


def test_the_first_parameters_feel_the_masks() -> None:
    """In evaluation mode, where no batch norm can hide one, the gradients of both ends are not nothing."""
    network = build(bert_config())
    network(torch.rand(2, 1, 3, 24, 40), expressions_of(bert_config())).square().sum().backward()
    first = network.embedding.bert.encoder.layer[0].attention.self.value.weight
    assert first.grad.abs().sum() > 0
    assert network.backbone.stem[0].weight.grad.abs().sum() > 0


@pytest.mark.parametrize("name", CONFIGS)
def test_one_picture_with_one_expression_is_learnt_from(name: str) -> None:
    config = CONFIGS[name]
    network = build(config).train()
    vector_norm = network.projection[1]
    before = {label: value.clone() for label, value in network.state_dict().items()}
    network(torch.rand(1, 1, 3, 24, 40), expressions_of(config)[:1, :1]).square().sum().backward()
    moved = {label for label, value in network.state_dict().items() if not torch.equal(value, before[label])}
    assert isinstance(vector_norm, PatientBatchNorm1d)
    assert vector_norm.weight.grad.abs().sum() > 0
    assert not any(label.startswith(("projection.", "pyramid.convs.3.")) for label in moved)
    assert "pyramid.convs.0.1.running_mean" in moved
    network(torch.rand(1, 1, 3, 24, 40), expressions_of(config)[:1])
    assert vector_norm.running_mean is not None
    assert not torch.equal(vector_norm.running_mean, before["projection.1.running_mean"]), "two are a batch"


def test_a_norm_of_several_rows_is_torch_s() -> None:
    rows = torch.randn(5, 4) * 3 + 1
    ours, theirs = PatientBatchNorm1d(4), torch.nn.BatchNorm1d(4)
    for _ in range(3):
        assert torch.equal(ours(rows), theirs(rows))
    assert torch.equal(ours(rows[:1]), theirs.eval()(rows[:1]))


@pytest.mark.parametrize("name", CONFIGS)
def test_it_runs_in_mixed_precision(name: str) -> None:
    config = CONFIGS[name]
    network, ids = build(config), expressions_of(config)
    clip = torch.rand(2, 1, 3, 32, 48)
    exact = network(clip, ids).detach()
    for grad in (True, False):
        with torch.set_grad_enabled(grad), torch.autocast("cpu", dtype=torch.bfloat16):
            rounded = network(clip, ids).detach()
        torch.testing.assert_close(rounded.float(), exact, rtol=0.1, atol=0.05 * float(exact.abs().max()))


@pytest.mark.parametrize("name", ["sentence", "bert"])
def test_a_miniature_learns_two_squares(name: str) -> None:
    """ "red" and "yellow" are different squares, found in evaluation mode too."""
    config = CONFIGS[name].replace(backbone_channels=(8, 8, 16, 16, 16), aspp_channels=16, dropout=0.1)
    torch.manual_seed(3)
    network = build_refvos(config).train()
    ids = vocabulary_of(config).encode(["red", "yellow"])[None]
    picture, masks = torch.full((1, 1, 3, 48, 48), 0.5), torch.zeros(1, 2, 48, 48)
    for index, (top, left, colour) in enumerate([(6, 4, (0.9, 0.1, 0.1)), (22, 26, (0.9, 0.9, 0.1))]):
        picture[0, 0, :, top : top + 20, left : left + 18] = torch.tensor(colour)[:, None, None]
        masks[0, index, top : top + 20, left : left + 18] = 1
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    losses = []
    for _ in range(100):
        loss = F.binary_cross_entropy_with_logits(network(picture, ids), masks)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    with torch.no_grad():
        found, truth = network.eval()(picture, ids) > 0, masks > 0.5
    shares = (found & truth).sum((2, 3)) / (found | truth).sum((2, 3))
    assert losses[-1] < losses[0] / 3
    assert shares.min() > 0.7


def test_it_learns_from_all_but_word_attention() -> None:
    parts = miniature.parts_of_the_loss(build(small_config()))
    assert parts == {"entropy", "dice", "contrast", "attributes"}


def save_random(config: RefvosConfig, folder: Path) -> Path:
    """Write the checkpoint of a random model whose masks are neither empty nor full."""
    torch.manual_seed(8)
    network = build_network(config).eval()
    assert isinstance(network, RefvosNetwork)
    box = Letterbox(46, 80, config.canvas(46, 80))
    picture = box.apply(torch.from_numpy(frame_pixels(0, (80, 46))).permute(2, 0, 1)[None])
    with torch.no_grad():
        logits = network(picture[None], vocabulary_of(config).encode(["red dog"])[None])
        network.head.score.weight.div_(logits.std())
        network.head.score.bias.div_(logits.std())
        network.head.score.bias[1].sub_(logits.median() / logits.std())
    save_checkpoint(network, config, folder)
    return folder


@pytest.mark.parametrize("name", CONFIGS)
def test_a_checkpoint_gives_back_the_very_same_masks(name: str, tmp_path: Path) -> None:
    config = CONFIGS[name]
    torch.manual_seed(4)
    network = build_network(config).eval()
    save_checkpoint(network, config, tmp_path)
    loaded = load_model(tmp_path, device="cpu")
    assert loaded.config == config
    clip, ids = torch.rand(2, 1, 3, 24, 40), expressions_of(config)
    with torch.no_grad():
        assert torch.equal(loaded.network(clip, ids), network(clip, ids))


@pytest.mark.parametrize("name", CONFIGS)
def test_command_line(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`refvid segment` cuts out what a random model finds, and says what it has not understood."""
    checkpoint = save_random(CONFIGS[name], tmp_path / "model")
    clip, output = make_clip(tmp_path / "clip.mp4", frames=3, size=(80, 46)), tmp_path / "out.mp4"
    arguments = ["segment", str(clip), "red dog zebra", "-m", str(checkpoint), "-o", str(output)]
    assert main([*arguments, "--device", "cpu", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["model"], report["input"]["frames"]) == (CONFIGS[name].name, 3)
    assert report["expressions"][0]["frames_with_object"] == 3
    assert report["expressions"][0]["unknown_words"] == ["zebra"]
    assert output.stat().st_size > 0
    assert main([*arguments[:2], "...", *arguments[3:], "--device", "cpu", "--overwrite"]) == 2
    assert "has no words" in capsys.readouterr().err


def test_the_small_one_has_the_trunk_of_refvid_tiny_and_is_small() -> None:
    words = tuple(f"word{index}" for index in range(500))
    with torch.device("meta"):
        network, other = build_refvos(refvos_tiny_config(words)), build_network(refvid_tiny_config(words))
    shapes = {name: value.shape for name, value in network.backbone.state_dict().items()}
    assert shapes == {name: value.shape for name, value in other.backbone.state_dict().items()}
    assert refvos_tiny_config(words).name == "refvos-tiny"
    assert sum(value.numel() for value in network.state_dict().values()) * 2 < 6 * 2**20, "bytes in half precision"


def test_the_full_one_has_the_sizes_of_the_paper_and_runs() -> None:
    config = refvos_full_config(PIECES)
    assert (config.name, config.backbone, config.language) == ("refvos-deeplab101", "resnet101", "bert")
    small_bert = dict(embedding_channels=16, bert_layers=1, bert_heads=2, bert_inner_channels=16)
    network = build(config.replace(**small_bert))
    assert isinstance(network.embedding, BertSentence)
    with torch.no_grad():
        logits = network(torch.rand(1, 1, 3, 48, 64), expressions_of(config)[:1])
    assert logits.shape == (1, 2, 48, 64)
    assert logits.isfinite().all()
    branches = network.pyramid.convs
    assert [branch[0].dilation for branch in branches[1:4]] == [(12, 12), (24, 24), (36, 36)]
    assert branches[0][0].weight.shape == (256, 2048, 1, 1)
    assert network.projection[0].weight.shape == (256, 16)
    assert network.head.features[3].p == 0.5
    assert isinstance(network.head, MaskHead)
    assert network.head.score.weight.shape == (2, 256, 1, 1)


@pytest.mark.slow
def test_the_full_one_at_its_real_size() -> None:
    pieces = (*PIECES, *(f"word{index}" for index in range(30522 - len(PIECES))))
    config = refvos_full_config(pieces)
    network = build_refvos(config).eval()
    count = sum(value.numel() for value in network.parameters())
    assert 165e6 < count < 175e6, "about 170 million, as the released code"
    bert: Any = network.embedding.bert
    assert len(bert.encoder.layer) == 12
    with torch.no_grad():
        logits = network(torch.rand(1, 1, 3, *config.canvas(320, 568)), expressions_of(config)[:1])
    assert logits.shape == (1, 2, 360, 640)
    assert logits.isfinite().all()


def test_the_vocabulary_follows_the_language() -> None:
    pieces = vocabulary_of(bert_config(max_words=10))
    assert isinstance(pieces, WordPieces)
    assert (pieces.words, pieces.max_pieces) == (PIECES, 10)
    words = vocabulary_of(small_config())
    assert isinstance(words, Vocabulary)
    assert (words.words, words.max_words) == (WORDS, 20)
    assert refvos_full_config(()).vocabulary == ()
    with pytest.raises(UsageError, match="reads with BERT and has no vocabulary"):
        build_refvos(refvos_full_config(()))


@pytest.mark.parametrize(
    ("config", "changes", "message"),
    [
        ("bert", {"vocabulary": WORDS}, r"BERT's word pieces and start with \[PAD\], but starts with 'dog'"),
        ("bert", {"vocabulary": ("[PAD]", "[UNK]", "dog")}, r"lacks \[CLS\], \[SEP\]"),
        ("bert", {"max_words": 2}, "at least one word piece"),
        ("bert", {"max_words": 25}, "at most bert_positions, 24; got 25"),
        ("bert", {"bert_heads": 3}, "must be a multiple of bert_heads, 3, got 8"),
        ("sentence", {"language": "letters"}, "language must be one of bert, sentence"),
        ("sentence", {"backbone": "vgg", "colour_channels": 0}, "backbone must be one of resnet101, light"),
        (
            "sentence",
            {"backbone": "resnet101", "colour_channels": 0},
            "detail_channels are for the light and the pretrained",
        ),
        ("sentence", {"dropout": 1.0}, "dropout must be at least 0 and below 1"),
        ("sentence", {"aspp_rates": (1, 0)}, "dilations of at least 1"),
        ("sentence", {"architecture": "cmsa"}, "architecture must be 'refvos'"),
    ],
)
def test_what_cannot_be_is_refused(config: str, changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CONFIGS[config].replace(**changes)
