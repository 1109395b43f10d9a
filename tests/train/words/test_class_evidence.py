"""Which of ImageNet's classes speak for a noun."""

from pathlib import Path

import pytest
import torch
from torchvision.models._meta import _IMAGENET_CATEGORIES

from refvid.errors import UnavailableError
from refvid.train.words import class_evidence
from refvid.train.words.checked_classes import CHECKED
from refvid.train.words.class_evidence import ImageNetClasses, pack_weights, place_in_order
from refvid.train.words.wordnet import WordNet
from tests.train.words.small_wordnet import CLASSES, small_wordnet


@pytest.fixture
def classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImageNetClasses:
    monkeypatch.setattr(class_evidence, "CHECKED", {"boss": ("groom",)})
    return ImageNetClasses(CLASSES, small_wordnet(tmp_path))


def test_a_name_of_two_classes_is_told_by_their_order(classes: ImageNetClasses) -> None:
    assert classes.offsets == [20100, 20400, 20500, 20600, 30000, 30100, 40000]
    with pytest.raises(ValueError, match="1 classes do not fit WordNet's order"):
        place_in_order([[5], [3]])


def test_a_noun_has_its_kinds_in_any_number(classes: ImageNetClasses) -> None:
    for noun in ("dog", "dogs"):
        assert classes.weights_of(noun) == {1: 1.0, 2: 1.0}
    assert classes.weights_of("oxen") == {0: 1.0}
    assert classes.weights_of("animal") == {0: 1.0, 1: 1.0, 2: 1.0, 3: 1.0}
    assert classes.weights_of("boss") == {5: 1.0}, "checked by hand"


def test_people_and_words_of_other_kinds_have_nothing(classes: ImageNetClasses) -> None:
    assert classes.kinds_of("person") == set(), "a diver or a groom is no sign of any person"
    assert classes.kinds_of("diver") == {4}
    assert classes.weights_of("individual") == {}
    assert classes.weights_of("left") == {}
    assert classes.weights_of("groom") == {}, "it is met as a verb"
    assert classes.weights_of("crane") == {3: 1.0}, "so is this, but it is an animal first"
    far = torch.full((len(CLASSES),), 0.9)
    assert classes.near_weights_of("leash", far) == {}, "its relations are too far away"
    assert classes.near_weights_of("person", far) == {}


def test_a_noun_without_classes_has_those_of_near_relations(classes: ImageNetClasses) -> None:
    cosines = torch.tensor([0.7, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9])
    weight = classes.near_weights_of("cow", cosines)
    assert weight.keys() == {0}, "the ox alone, whatever the names say"
    assert weight[0] == pytest.approx(float(torch.sigmoid(torch.tensor(0.15 / 0.04))))
    assert classes.near_weights_of("cow", cosines - 0.4) == {}, "an ox is not near enough"
    near = classes.near_weights_of("giraffe", torch.tensor([0.7, 0.65, 0.4, 0.0, 0.9, 0.9, 0.9]))
    assert near.keys() == {0, 1}
    assert near[1] / near[0] == pytest.approx(float(torch.exp(torch.tensor(-1.0))), rel=1e-4)


def test_weights_are_packed_row_by_row() -> None:
    packed = pack_weights([{7: 1.0, 2: 0.2}, {}, {999: 0.5}])
    assert packed["class_starts"].tolist() == [0, 2, 2, 3]
    assert packed["class_indices"].tolist() == [2, 7, 999]
    assert packed["class_shares"].tolist() == [51, 255, 128]


def test_checked_nouns_name_real_classes() -> None:
    assert {name for names in CHECKED.values() for name in names} <= set(_IMAGENET_CATEGORIES)


def test_without_wordnet_the_sentence_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="apt-get install wordnet-base"):
        WordNet(tmp_path / "gone")
