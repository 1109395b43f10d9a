"""Synonyms in a finished checkpoint: they give the masks of their plainer word."""

from pathlib import Path

import pytest
import torch

from refvid.errors import UsageError
from refvid.model.layers.vector_embedding import VectorEmbedding
from refvid.model.registry import build_vocabulary
from refvid.train import share_words as module
from refvid.train.share_words import main, only_doubtful, share_words
from refvid.weights import read_checkpoint, save_checkpoint
from tests.model import small
from tests.train.toy import small_config


def embedded(network: torch.nn.Module, config: object, word: str) -> torch.Tensor:
    part = next(part for part in network.modules() if isinstance(part, VectorEmbedding))
    return part(build_vocabulary(config).encode([word]))[0][0, 0]  # type: ignore[arg-type]


@torch.no_grad()
def test_an_untaught_synonym_gets_the_embedding_of_its_plainer_word(monkeypatch: pytest.MonkeyPatch) -> None:
    network, config = small.build().eval(), small.small_config("refvid-small")
    known, taught = config.vocabulary, config.taught_words
    untaught = [word for word in known if word not in taught]
    plain, other = taught[0], taught[1]
    monkeypatch.setattr(module, "pulls", lambda: {untaught[0]: plain, other: plain, "unlisted": plain})
    monkeypatch.setattr(module, "only_doubtful", lambda: frozenset({taught[2]}))
    before = {word: embedded(network, config, word) for word in known}
    shared, wider = share_words(network, config)
    shared.eval()
    after = {word: embedded(shared, wider, word) for word in known}
    assert wider.taught_words == (*taught, untaught[0])
    assert not torch.allclose(before[untaught[0]], before[plain])
    assert torch.equal(after[untaught[0]], after[plain])
    assert torch.equal(after[plain], before[plain])
    assert torch.equal(after[other], before[other]), "it was taught itself"
    assert not torch.allclose(after[taught[2]], before[taught[2]]), "its row learnt only from false statements"
    for word in set(known) - {untaught[0], taught[2]}:
        assert torch.equal(after[word], before[word]), word


def test_a_checkpoint_is_rewritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, config = small.build(), small.small_config("refvid-small")
    untaught = next(word for word in config.vocabulary if word not in config.taught_words)
    monkeypatch.setattr(module, "pulls", lambda: {untaught: config.taught_words[0]})
    save_checkpoint(network, config, tmp_path / "in")
    assert main([str(tmp_path / "in"), str(tmp_path / "out")]) == 0
    _, wider = read_checkpoint(tmp_path / "out")
    assert wider.taught_words == (*config.taught_words, untaught)


def test_models_with_a_closed_vocabulary_are_refused() -> None:
    from refvid.model.registry import build_network

    config = small_config()
    with pytest.raises(UsageError, match="does not read words by their vectors; give a model that does"):
        share_words(build_network(config), config)


def test_doubtful_words_are_those_that_are_true_of_no_object() -> None:
    doubtful = only_doubtful()
    assert {"swan", "hound", "taxi"} <= doubtful
    assert not {"dog", "puppy", "man", "bike", "table", "red"} & doubtful
