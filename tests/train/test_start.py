"""The start of a training run, with and without BERT as language encoder."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from refvid.errors import UsageError
from refvid.model.refvos.network import RefvosConfig
from refvid.train.start import ModelChoice, begin, choose_config
from refvid.weights import save_checkpoint
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
