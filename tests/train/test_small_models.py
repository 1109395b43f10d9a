"""The small models, begun from a table of word vectors, trained on a frozen trunk and used: in miniature."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from refvid.cli.app import main
from refvid.data.sample import Sample
from refvid.errors import UsageError, WeightsError
from refvid.model.layers.open_vocabulary import OpenVocabulary
from refvid.model.layers.vector_embedding import VectorEmbedding
from refvid.model.layers.word_vectors import WORDS as WORDS_NAME
from refvid.model.layers.word_vectors import encode_words
from refvid.model.registry import build_vocabulary, read_config
from refvid.train import sources
from refvid.train.run import resume, train
from refvid.train.settings import TrainSettings
from refvid.train.sources import DataChoice, OpenData
from refvid.train.start import ModelChoice, begin, choose_config
from refvid.weights import load_model, read_checkpoint, save_checkpoint
from tests.clips import make_clip
from tests.model import small
from tests.train.toy import WORDS, Squares

SETTINGS = TrainSettings(
    steps=2, batch=2, frames=3, warmup=1, learning_rate=1e-3, log_every=1, checkpoint_every=2, sample_every=0,
    trunk_rate=0.0, flip=0.0, colour=0.0, crop=0.0, feature_cache=0.1,
)  # fmt: skip


@dataclass(frozen=True)
class KeptSquares:
    """Three scenes of coloured squares that are drawn again and again."""

    frames: int

    def draw(self, rng: np.random.Generator, proportions: float | None = None) -> Sample:
        scene = int(rng.integers(3))
        return replace(Squares(self.frames).draw(np.random.default_rng(scene)), key=f"scene/{scene}")


def open_kept(choice: DataChoice, settings: TrainSettings, size: int, split: str) -> OpenData:
    return OpenData(KeptSquares(settings.frames), WORDS)


@pytest.fixture(autouse=True)
def kept_squares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "DATASETS", {"kept-squares": open_kept})


def choice_of(name: str, folder: Path) -> ModelChoice:
    """A miniature with a random trunk, its table beside it."""
    config = small.small_config(name, vocabulary=(), taught_words=(), class_entries=0)
    (folder / "small.json").write_text(json.dumps(config.as_dict()))
    table = small.write_table(folder / "table.safetensors")
    return ModelChoice(str(folder / "small.json"), backbone_weights="none", language_weights=str(table))


def vectors_of(network: torch.nn.Module) -> VectorEmbedding:
    return next(part for part in network.modules() if isinstance(part, VectorEmbedding))


@pytest.mark.parametrize("name", small.OWN_SIZES)
def test_a_config_is_read_as_it_was_saved(name: str) -> None:
    config = small.small_config(name)
    assert read_config(json.loads(json.dumps(config.as_dict()))) == config
    vocabulary = build_vocabulary(config)
    assert isinstance(vocabulary, OpenVocabulary)
    assert vocabulary.unknown_words("the dogs and boxes") == ("and",)


@pytest.mark.parametrize("name", small.OWN_SIZES)
def test_words_come_from_the_table(name: str, tmp_path: Path) -> None:
    choice = choice_of(name, tmp_path)
    network, config = begin(choice, choose_config(choice), (*WORDS, "unicycle"))
    assert config.vocabulary == small.WORDS
    assert config.taught_words == tuple(sorted(set(WORDS) & set(small.WORDS)))
    assert "unicycle" not in config.taught_words
    assert (config.vector_channels, config.class_entries) == (6, 3)
    module = vectors_of(network)
    for key, value in module.vectors.state_dict().items():
        assert torch.equal(value, small.table_tensors()[key]), key
    assert len(module.own.weight) == 1 + len(config.taught_words)


def test_a_table_has_to_be_given_and_has_to_be_one(tmp_path: Path) -> None:
    choice = replace(choice_of("refvid-small", tmp_path), language_weights=None)
    with pytest.raises(
        UsageError, match="the model 'refvid-small' reads words by their vectors; give a table of them with"
    ) as told:
        begin(choice, choose_config(choice), WORDS)
    assert "`python -m refvid.train.word_table --out table.safetensors`" in str(told.value)
    missing = replace(choice, language_weights=str(tmp_path / "missing.safetensors"))
    with pytest.raises(WeightsError, match="is not a table of word vectors"):
        begin(missing, choose_config(missing), WORDS)


def test_a_start_keeps_its_table_and_its_taught_words(tmp_path: Path) -> None:
    torch.manual_seed(4)
    choice = choice_of("refvid-small", tmp_path)
    network, config = begin(choice, choose_config(choice), WORDS)
    save_checkpoint(network, config, tmp_path / "first")
    start = ModelChoice(start=tmp_path / "first")
    again, same = begin(start, choose_config(start), ("camel", "unicycle"))
    assert (same.vocabulary, same.taught_words) == (config.vocabulary, config.taught_words)
    for key, value in network.state_dict().items():
        assert torch.equal(again.state_dict()[key], value), key
    wide = config.replace(fusion_channels=12)
    with pytest.raises(WeightsError, match=r"do not fit the model that --model describes.*; leave --model out"):
        begin(start, wide, WORDS)
    with pytest.raises(UsageError, match=r"cannot start from .* leave --model out"):
        begin(start, choose_config(ModelChoice("refvos-deeplab101")), WORDS)


def test_a_start_may_go_on_with_a_larger_table(tmp_path: Path) -> None:
    choice = choice_of("refvid-small", tmp_path)
    network, config = begin(choice, choose_config(choice), WORDS)
    with torch.no_grad():
        vectors_of(network).own.weight[1:].normal_()
    save_checkpoint(network, config, tmp_path / "first")
    more, tensors = ("unicycle", *small.WORDS, "fire hydrant"), small.table_tensors()
    vectors = torch.cat([tensors["vectors"][:1], tensors["vectors"], tensors["vectors"][:1]])
    starts = torch.tensor([0, *tensors["class_starts"].tolist(), 3], dtype=torch.int32)
    table = {"vectors": vectors, "class_starts": starts, WORDS_NAME: encode_words(more)}
    save_file(tensors | table, tmp_path / "larger.safetensors")
    start = ModelChoice(start=tmp_path / "first", language_weights=str(tmp_path / "larger.safetensors"))
    wider, changed = begin(start, choose_config(start), (*WORDS, "fire hydrant"))
    assert changed.vocabulary == more
    assert changed.taught_words == (*config.taught_words, "fire hydrant")
    module, before = vectors_of(wider), vectors_of(network)
    assert torch.equal(module.vectors.vectors, vectors)
    for word, known in (("dog", build_vocabulary(config)), ("red", build_vocabulary(config))):
        asked = known.encode([word])
        torch.testing.assert_close(module(build_vocabulary(changed).encode([word]))[0], before(asked)[0])
    assert torch.equal(module.own.weight[-1], torch.zeros_like(module.own.weight[-1])), "not taught yet"
    save_file(
        tensors | {WORDS_NAME: encode_words(("nothing", *small.WORDS[1:-1], "else"))}, tmp_path / "other.safetensors"
    )
    other = replace(start, language_weights=str(tmp_path / "other.safetensors"))
    with pytest.raises(UsageError, match=r"lacks \d of the words that were taught"):
        begin(other, choose_config(other), WORDS)


@pytest.mark.parametrize("name", small.OWN_SIZES)
def test_a_miniature_trains_on_kept_features(name: str, tmp_path: Path) -> None:
    data = DataChoice("kept-squares", cache=tmp_path / "cache")
    choice = choice_of(name, tmp_path)
    outcome = train(data, SETTINGS, tmp_path / "run", model=choice, device="cpu")
    assert outcome.bad_steps == 0
    files = sorted((tmp_path / "cache" / "features").rglob("*.safetensors"))
    assert 1 <= len(files) <= 3
    assert files[0].parent.name == "scene"
    torch.manual_seed(SETTINGS.seed)
    before, _ = begin(choice, choose_config(choice), WORDS)
    trained, config = read_checkpoint(outcome.model)
    assert config.taught_words == tuple(sorted(set(WORDS) & set(small.WORDS)))
    after = trained.state_dict()
    same = {key for key, value in before.state_dict().items() if torch.equal(after[key], value)}
    assert {key for key in after if key.startswith("backbone.trunk.") or ".vectors." in key} <= same
    assert not any(key.startswith("backbone.blocks") and key.endswith("weight") for key in same)


def test_a_run_with_kept_features_goes_on(tmp_path: Path) -> None:
    data = DataChoice("kept-squares", cache=tmp_path / "cache")
    settings = replace(SETTINGS, frames=1)
    train(data, settings, tmp_path / "run", model=choice_of("refvid-small", tmp_path), device="cpu")
    assert resume(tmp_path / "run", asked={"steps": 3}, device="cpu").steps == 3
    network, config = read_checkpoint(tmp_path / "run" / "model")
    again, same = begin(ModelChoice(start=tmp_path / "run" / "model"), config, WORDS)
    assert same == config
    assert all(torch.equal(value, network.state_dict()[key]) for key, value in again.state_dict().items())


def test_half_precision_leaves_the_table_as_it_is(tmp_path: Path) -> None:
    network, config = small.build(), small.small_config("refvid-small")
    save_checkpoint(network, config, tmp_path / "half", half=True)
    loaded = load_model(tmp_path / "half", device="cpu")
    assert loaded.config == config
    for key, value in small.table_tensors().items():
        for one in (loaded.network, loaded.folded):
            found = vectors_of(one).vectors.state_dict()[key]
            assert (found.dtype, found.tolist()) == (value.dtype, value.tolist()), key
    before, after = network.state_dict(), loaded.network.state_dict()
    for key in ("backbone.blocks.0.conv1.weight", "embedding.own.weight"):
        assert torch.equal(after[key], before[key].half().float())


@pytest.mark.parametrize("name", ["refvid-small", "refvos-small"])
def test_segmenting_warns_of_words_that_say_nothing_alone(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_checkpoint(small.build(name), small.small_config(name), tmp_path / "model")
    clip, out = make_clip(tmp_path / "clip.mp4", frames=2, size=(64, 48)), tmp_path / "out.mp4"
    said = "the red boxes, the dog's camels; gryphon"
    assert main(["segment", str(clip), said, "-m", str(tmp_path / "model"), "-o", str(out), "--device", "cpu"]) == 0
    warnings = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
    assert len(warnings) == 1
    assert f"has never seen 'gryphon' in \"{said}\"" in warnings[0]


def test_the_feature_cache_needs_a_pretrained_trunk_and_a_folder(tmp_path: Path) -> None:
    choice = choice_of("cmsa-small", tmp_path)
    with pytest.raises(UsageError, match="--feature-cache is for a model with a pretrained trunk and needs --cache"):
        train(DataChoice("kept-squares"), SETTINGS, tmp_path / "run", model=choice, device="cpu")


def test_the_same_weights_are_learnt_with_and_without_the_cache(tmp_path: Path) -> None:
    """But for the rounding of features to half precision, so the losses are nearly equal."""
    losses = []
    for name, settings in (("kept", SETTINGS), ("computed", replace(SETTINGS, feature_cache=0.0))):
        data = DataChoice("kept-squares", cache=tmp_path / "cache")
        settings = replace(settings, frames=1)
        train(data, settings, tmp_path / name, model=choice_of("cmsa-small", tmp_path), device="cpu")
        lines = (tmp_path / name / "log.jsonl").read_text().splitlines()
        losses.append([json.loads(line)["loss"] for line in lines])
    assert losses[0] == pytest.approx(losses[1], rel=0.02)
    assert losses[0] != losses[1]
