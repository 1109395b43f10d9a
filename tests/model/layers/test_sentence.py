"""CMSA-S: the sentence vector against an LSTM written out, in float64, and as part of a network."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from refvid.model.layers.language import WordEmbedding
from refvid.model.layers.sentence import SentenceEmbedding, number_sentences
from tests.conftest import small_config
from tests.model import miniature


@pytest.fixture
def module() -> SentenceEmbedding:
    torch.manual_seed(0)
    return SentenceEmbedding(WordEmbedding(9, 6), 6).double()


def literal(module: SentenceEmbedding, ids: Tensor) -> Tensor:
    """The hidden state [C_l] after the words ids [L], none of them padding."""
    lstm, hidden, cell = module.lstm, torch.zeros(6).double(), torch.zeros(6).double()
    for word in ids:
        gates = lstm.weight_ih_l0 @ module.words.table.weight[word] + lstm.bias_ih_l0
        gates = gates + lstm.weight_hh_l0 @ hidden + lstm.bias_hh_l0
        entering, forgetting, offered, leaving = gates.chunk(4)
        cell = torch.sigmoid(forgetting) * cell + torch.sigmoid(entering) * torch.tanh(offered)
        hidden = torch.sigmoid(leaving) * torch.tanh(cell)
    return hidden


def test_equals_the_literal_lstm_and_reads_no_padding(module: SentenceEmbedding) -> None:
    ids = torch.tensor([[[2, 3, 4, 1], [5, 0, 0, 0]], [[10, 9, 0, 0], [4, 4, 2, 0]]])
    sentences, mask = module(ids)
    assert sentences.shape == (2, 2, 1, 6)
    assert mask.shape == (2, 2, 1)
    assert mask.all()
    for b in range(2):
        for e in range(2):
            expected = literal(module, ids[b, e][ids[b, e] != 0])
            torch.testing.assert_close(sentences[b, e, 0], expected, rtol=1e-12, atol=1e-12)
    longer, _ = module(torch.nn.functional.pad(ids, (0, 5)))
    torch.testing.assert_close(longer, sentences, rtol=1e-12, atol=1e-12)


def test_gradients_are_those_of_the_literal_lstm(module: SentenceEmbedding) -> None:
    ids = torch.tensor([[[2, 3, 4, 0]]])
    learnt = list(module.parameters())
    gradients = [
        torch.autograd.grad(made.square().sum(), learnt) for made in (module(ids)[0], literal(module, ids[0, 0, :3]))
    ]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)
    assert gradients[0][0][0].abs().max() == 0, "padding is not learnt"


def test_the_order_of_the_words_is_heard(module: SentenceEmbedding) -> None:
    sentences, _ = module(torch.tensor([[[2, 3, 4], [4, 3, 2]]]))
    assert (sentences[0, 0] - sentences[0, 1]).abs().max() > 1e-3


def test_each_sentence_is_attended_to_by_itself() -> None:
    """Equal first words do not make sentences equal; with and without gradients the result is the same."""
    assert number_sentences(torch.ones(2, 3, 4, dtype=torch.int64)).tolist() == [[[0], [1], [2]]] * 2
    network = miniature.build(language="sentence").double()
    features = network.encode(torch.rand(2, 3, 24, 40).double())
    logits, attention = network.segment(features, miniature.EXPRESSIONS)
    with torch.no_grad():
        apart, _ = network.segment(features, miniature.EXPRESSIONS)
        alone, _ = network.segment(features.map(lambda level: level[1:]), miniature.EXPRESSIONS[1:, 1:, :1])
    torch.testing.assert_close(apart, logits, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(apart[1:, 1:], alone, rtol=1e-10, atol=1e-12)
    assert all(torch.equal(weights, torch.ones(2, 2, 1).double()) for weights in attention)


@pytest.mark.parametrize("attention", ["cross-modal", "pixel", "word-pixel", "none", "cvpr19"])
def test_the_config_chooses_and_every_parameter_learns(attention: str) -> None:
    network = miniature.build(language="sentence", attention=attention)
    assert isinstance(network.embedding, SentenceEmbedding)
    miniature.check_every_parameter_learns(network)
    assert network.embedding.lstm.weight_hh_l0.grad.abs().sum() > 0


def test_it_runs_in_mixed_precision() -> None:
    miniature.check_mixed_precision(miniature.build(language="sentence"))


def test_a_miniature_learns_what_the_order_of_words_means() -> None:
    """ "red dog" and "dog red" are different squares, which only a sentence can tell."""
    words = torch.tensor([[[5, 2], [2, 5]]])
    first, last, share = miniature.overfit(words, language="sentence")
    assert last < first / 3
    assert share > 0.7
    _, unordered, _ = miniature.overfit(words, language="words")
    assert unordered > 2 * last


def test_checkpoint_and_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = small_config().replace(name="sentence", language="sentence")
    miniature.check_saving(config, tmp_path / "saved")
    miniature.check_command_line(config, tmp_path, capsys)


def test_words_are_not_taught_where_there_are_none() -> None:
    parts = miniature.parts_of_the_loss(miniature.build(language="sentence"))
    assert parts == {"entropy", "dice", "contrast", "attributes"}


def test_the_default_is_words_and_what_cannot_be_joined_is_refused() -> None:
    config = small_config()
    assert config.language == "words"
    assert isinstance(miniature.build().embedding, WordEmbedding)
    with pytest.raises(ValueError, match="language must be one of words, sentence, got 'letters'"):
        config.replace(language="letters")
    with pytest.raises(ValueError, match="pooling 'max' needs words; language 'sentence' leaves one vector"):
        config.replace(language="sentence", pooling="max")
    with pytest.raises(ValueError, match="attention 'word' is among words; language 'sentence' leaves one"):
        config.replace(language="sentence", attention="word")
