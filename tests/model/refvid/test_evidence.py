"""The truth of each word at each position, and the evidence it gives for an expression."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refvid.model.interface import FrameFeatures
from refvid.model.layers.language import UNKNOWN_ID, Vocabulary
from refvid.model.refvid.evidence import MIN_TRUTH, RARE, REACH, WordEvidence
from refvid.model.refvid.network import RefvidNetwork
from refvid.train.objective import Objective, ObjectiveSettings
from tests.conftest import WORDS, small_config
from tests.model.fast.test_folding import unsettle
from tests.model.miniature import (
    EXPRESSIONS,
    build,
    check_command_line,
    check_every_parameter_learns,
    check_mixed_precision,
    check_saving,
    parts_of_the_loss,
)

EVIDENCE = {"word_evidence": True}
WIDTHS = (3, 4, 5)


def module() -> WordEvidence:
    torch.manual_seed(3)
    found = unsettle(WordEvidence(WIDTHS, 6, 7)).double()
    assert isinstance(found, WordEvidence)
    return found


def inputs() -> tuple[FrameFeatures, Tensor, Tensor, Tensor]:
    levels = FrameFeatures(tuple(torch.randn(2, width, 3, 5, dtype=torch.float64) for width in WIDTHS))
    ids = torch.tensor([[[2, 3, 4], [5, 1, 0]], [[8, 0, 0], [3, 3, 2]]])
    return levels, torch.randn(2, 2, 3, 6, dtype=torch.float64), ids > 0, ids


@torch.no_grad()
def test_evidence_equals_the_literal_formula() -> None:
    evidence, (levels, words, mask, ids) = module(), inputs()
    found = evidence(levels, words, mask, ids)
    stated, denied = evidence.weights(words, mask, ids)
    for b in range(2):
        features = torch.cat([level[b].flatten(1) for level in levels.levels])  # [C, P]
        for e in range(2):
            expected = torch.zeros(15, dtype=torch.float64)
            for n, word in enumerate(ids[b, e].tolist()):
                if word:
                    truth = torch.sigmoid(evidence.table[word] @ features + evidence.bias[word])
                    expected += stated[b, e, n] * torch.log(truth + MIN_TRUTH)
                    expected += denied[b, e, n] * torch.log(1 - truth + MIN_TRUTH)
            torch.testing.assert_close(found[b, e].flatten(), expected)


def literal_weights(evidence: WordEvidence, words: Tensor, ids: list[int]) -> Tensor:
    """g_n and g'_n [L, 2] of one expression, word by word."""
    near, reach = evidence.around, REACH // 2
    places = range(len(ids))

    def around(convolution: nn.Conv1d, rows: list[Tensor], n: int) -> Tensor:
        assert convolution.bias is not None
        taps = range(-reach, reach + 1)
        return convolution.bias + sum(
            (convolution.weight[..., tap + reach] @ rows[n + tap] for tap in taps if n + tap in places),
            torch.zeros_like(convolution.bias),
        )

    hidden = [around(near, list(words), n).relu() for n in places]
    found = torch.stack([around(evidence.context_weight, hidden, n) + evidence.word_weight[ids[n]] for n in places])
    return F.softplus(found) * torch.tensor([word != UNKNOWN_ID for word in ids])[:, None]


@torch.no_grad()
def test_weights_are_those_of_words_among_words() -> None:
    evidence, (_, words, mask, ids) = module(), inputs()
    found = torch.stack(evidence.weights(words, mask, ids), -1)
    for b in range(2):
        for e in range(2):
            said = ids[b, e][mask[b, e]].tolist()
            torch.testing.assert_close(found[b, e, : len(said)], literal_weights(evidence, words[b, e], said))
            assert not found[b, e, len(said) :].any()
    alone = evidence.weights(words[:, 1:], mask[:, 1:], ids[:, 1:])
    for whole, part in zip(evidence.weights(words, mask, ids), alone, strict=True):
        torch.testing.assert_close(whole[:, 1:], part)
    longer = F.pad(words, (0, 0, 0, 4), value=9.0), F.pad(mask, (0, 4)), F.pad(ids, (0, 4))
    for short, padded in zip(evidence.weights(words, mask, ids), evidence.weights(*longer), strict=True):
        torch.testing.assert_close(short, padded[..., :3])
    other = words.clone()
    other[0, 0, 2] += 3.0  # the last word of the first expression: those before it weigh otherwise
    stated, changed = evidence.weights(words, mask, ids)[0], evidence.weights(other, mask, ids)[0]
    assert not torch.isclose(stated[0, 0, :2], changed[0, 0, :2]).any()
    assert torch.equal(stated[1], changed[1])


@torch.no_grad()
def test_one_word_that_is_not_true_outweighs_two_that_are() -> None:
    evidence = WordEvidence((2,), 4, 3)
    evidence.table.zero_()
    evidence.table[2:5] = torch.tensor([[8.0, 8.0], [8.0, 8.0], [-8.0, 8.0]])  # the third word is of the second place
    evidence.bias.zero_()
    level = torch.eye(2).view(1, 2, 1, 2)
    ids = torch.tensor([[[2, 3, 4]]])
    first, second = evidence(FrameFeatures((level,)), torch.zeros(1, 1, 3, 4), ids > 0, ids).flatten().tolist()
    weight = F.softplus(evidence.context_weight.bias[0]).item()
    assert first - second == pytest.approx(weight * torch.log(torch.tensor(MIN_TRUTH)).item(), rel=0.1)


@torch.no_grad()
def test_what_is_told_of_all_words_is_what_counts_of_those_that_are_said() -> None:
    evidence, (levels, words, mask, ids) = module(), inputs()
    truth = evidence.truth_logits(levels, torch.zeros(9, 6, dtype=torch.float64), torch.arange(9)).sigmoid()
    assert truth.shape == (2, 9, 3, 5)
    stated, denied = evidence.weights(words, mask, ids)
    for b, e in ((0, 0), (1, 1)):
        said = truth[b, ids[b, e]]
        expected = torch.einsum("l,lhw->hw", stated[b, e], (said + MIN_TRUTH).log())
        expected += torch.einsum("l,lhw->hw", denied[b, e], (1 - said + MIN_TRUTH).log())
        torch.testing.assert_close(evidence(levels, words, mask, ids)[b, e], expected)
    assert WordEvidence(WIDTHS, 6, 7).bias.tolist() == [RARE] * 9


def test_everything_learns() -> None:
    network = build(**EVIDENCE)
    unsettle(network)
    check_every_parameter_learns(network)


def test_the_loss_of_attributes_teaches_the_truth_of_words() -> None:
    network = build(**EVIDENCE)
    assert parts_of_the_loss(network) == {"entropy", "dice", "contrast", "words", "attributes"}
    assert not list(Objective(network, Vocabulary(WORDS, 20), ObjectiveSettings()).parameters())  # no head beside it


def test_it_works_in_mixed_precision_is_saved_and_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = small_config().replace(**EVIDENCE)
    check_mixed_precision(build(**EVIDENCE))
    check_saving(config, tmp_path / "saved")
    check_command_line(config, tmp_path, capsys)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"language": "sentence"}, "word_evidence needs language 'words', got 'sentence'"),
        ({"fusion": "deconvolution"}, "word_evidence needs logits on the grid of the levels"),
    ],
)
def test_evidence_needs_words_and_the_grid_of_the_levels(changes: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        small_config().replace(**EVIDENCE, **changes)


@pytest.mark.parametrize("actors", [0, 4])
@torch.no_grad()
def test_evidence_is_added_before_an_actor_is_chosen(actors: int) -> None:
    network = unsettle(build(**EVIDENCE, actor_channels=actors)).double()
    assert isinstance(network, RefvidNetwork)
    assert network.evidence is not None
    features = network.enhance(torch.rand(2, 1, 3, 24, 40, dtype=torch.float64), 0)
    before, logits = network.score(features, EXPRESSIONS).logits, network.training_logits(features, EXPRESSIONS)
    assert torch.equal(logits.final, network.segment(features, EXPRESSIONS)[0])
    assert (logits.choice is None) == (actors == 0)
    if logits.choice is not None:
        assert torch.equal(logits.choice, before.view(logits.choice.shape))
    words, mask = network.embedding(EXPRESSIONS)
    evidence = network.evidence(features, words, mask, EXPRESSIONS)
    network.evidence = None
    without = network.score(features, EXPRESSIONS).logits
    torch.testing.assert_close(without + evidence.flatten(0, 1)[:, None], before)
