"""The start of a training run, with and without BERT as language encoder."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from refvid.errors import UnavailableError, UsageError
from refvid.model.refvos.config import RefvosConfig
from refvid.train.start import ModelChoice, begin, choose_config
from refvid.weights import load_model, save_checkpoint
from tests.model.layers.test_bert import PIECES, bert_config, write_bert
from tests.train.toy import small_config


def bert_choice(folder: Path) -> ModelChoice:
    """A config.json of a small RefVOS without word pieces, and a random BERT of its sizes beside it."""
    write_bert(folder / "bert")
    values = bert_config().as_dict() | {"vocabulary": []}
    (folder / "small.json").write_text(json.dumps(values))
    return ModelChoice(str(folder / "small.json"), language_weights=str(folder / "bert"))


def test_a_network_with_bert_reads_its_pieces_and_not_the_words_of_the_data(tmp_path: Path) -> None:
    choice = bert_choice(tmp_path)
    network, config = begin(choice, choose_config(choice), ("zebra", "unicycle"))
    assert isinstance(config, RefvosConfig)
    assert config.vocabulary == PIECES
    given = write_bert(tmp_path / "again").embeddings.word_embeddings.weight
    embedding: Any = network.embedding
    assert torch.equal(embedding.bert.embeddings.word_embeddings.weight, given)


def test_it_goes_on_from_a_checkpoint_with_the_pieces_it_knows(tmp_path: Path) -> None:
    choice = bert_choice(tmp_path)
    network, config = begin(choice, choose_config(choice), ())
    save_checkpoint(network, config, tmp_path / "model")
    start = ModelChoice(start=tmp_path / "model")
    again, same = begin(start, choose_config(start), ("zebra",))
    assert same.vocabulary == PIECES
    for name, value in network.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name


def test_weights_of_bert_are_refused_where_there_is_none(tmp_path: Path) -> None:
    choice = ModelChoice(language_weights="google-bert/bert-base-uncased")
    with pytest.raises(
        UsageError, match="--language-weights are for a new model that reads with BERT or with word vectors"
    ):
        begin(choice, small_config(), ("dog",))


@pytest.mark.parametrize("name", ["refvid-tiny", "hinet"])
def test_a_run_starts_from_an_embedded_model_by_its_name(name: str) -> None:
    choice = ModelChoice(start=name)
    network, config = begin(choice, choose_config(choice), ("man", "unicycle"))
    shipped = load_model(name, device="cpu")
    assert config.vocabulary == (*shipped.config.vocabulary, "unicycle")
    given, taken = shipped.network.state_dict(), network.state_dict()
    assert given.keys() == taken.keys()
    for label, value in given.items():
        assert torch.equal(taken[label][: len(value)] if value.ndim else taken[label], value), label


def test_a_run_starts_from_a_checkpoint_named_by_its_file(tmp_path: Path) -> None:
    network, config = begin(ModelChoice(backbone_weights="none"), small_config(), ("dog",))
    save_checkpoint(network, config, tmp_path)
    for start in (tmp_path / "model.safetensors", str(tmp_path)):
        again, _ = begin(ModelChoice(start=start), choose_config(ModelChoice(start=start)), ("dog",))
        assert all(torch.equal(again.state_dict()[name], value) for name, value in network.state_dict().items())


@pytest.mark.parametrize(
    ("choice", "error", "sentence"),
    [
        (ModelChoice(start="refvid-tine"), UnavailableError, r"no model 'refvid-tine' \(did you mean 'refvid-tiny'"),
        (ModelChoice("refvid-smal"), UsageError, r"no model 'refvid-smal' to train \(did you mean 'refvid-small'"),
    ],
)
def test_a_misspelt_model_is_suggested(choice: ModelChoice, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        choose_config(choice)
