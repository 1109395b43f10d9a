"""Expressions that name nothing to a model, and those that do."""

import pytest

from refvid.model.layers.language import Vocabulary, Words
from refvid.model.layers.named_things import doubtful_words, is_name, names_nothing
from refvid.model.layers.open_vocabulary import COMMON, OpenVocabulary
from refvid.model.registry import build_vocabulary
from refvid.weights import locate_checkpoint, read_checkpoint_config

WORDS = "the a man dog red on left of in shirt one walks running building family chin"


def shipped(name: str) -> Words:
    return build_vocabulary(read_checkpoint_config(locate_checkpoint(name)[0]))


@pytest.fixture(scope="module")
def small() -> Words:
    return shipped("refvid-small")


@pytest.fixture(scope="module")
def tiny() -> Words:
    return shipped("refvid-tiny")


@pytest.mark.parametrize(
    "expression",
    ["xyzzy", "el perro", "perro", "le chien", "la niña", "a bicicleta", "asdf jkl", "red xyzzy", "the", "of the",
     "the xyzzy on the left", "xyzzy running", "the two big xyzzys in the background", "犬", "собака", "12345 qwzx",
     "a mujer walking", "lo"],
)  # fmt: skip
def test_nothing_is_named(small: Words, tiny: Words, expression: str) -> None:
    assert names_nothing(small, expression)
    assert names_nothing(tiny, expression)


@pytest.mark.parametrize(
    "expression",
    ["dog", "man in yelow shirt", "red", "the left one", "walking", "the xyzzy next to the man", "dog 犬",
     "person in a qwerty jersey", "the 2", "he", "man's hat"],
)  # fmt: skip
def test_something_is_named(small: Words, expression: str) -> None:
    assert not names_nothing(small, expression)


def test_a_misspelling_alone_is_still_read(small: Words) -> None:
    assert not names_nothing(small, "armadilo")
    assert small.guessed_words("the armadilo, two fire hydrants") == {"armadilo": "armadillo"}
    assert doubtful_words(small, "the armadilo") == ()


def test_every_noun_that_a_small_vocabulary_lacks_is_doubtful(tiny: Words) -> None:
    assert names_nothing(tiny, "the giraffe on the left")
    assert "giraffe" in doubtful_words(tiny, "the giraffe next to the dog")
    assert not names_nothing(tiny, "the giraffe next to the dog")


def test_guesses_are_doubted_beside_other_unknown_or_foreign_words() -> None:
    vocabulary = OpenVocabulary(tuple(WORDS.split()))
    assert vocabulary.guessed_words("chien") == {"chien": "chin"}
    assert not names_nothing(vocabulary, "chien")
    assert names_nothing(vocabulary, "le chien")
    assert names_nothing(vocabulary, "chien qwzx")
    assert not names_nothing(vocabulary, "the red chien")


def test_a_short_word_is_no_misspelling_of_a_rare_one() -> None:
    filler = tuple(f"filler{number}" for number in range(COMMON))
    common, rare = OpenVocabulary(("perry", *filler)), OpenVocabulary((*filler, "perry", "armadillo"))
    assert common.resolve("perro") == ("perry",)
    assert rare.resolve("perro") == ()
    assert rare.resolve("armadilo") == ("armadillo",)


def test_a_closed_vocabulary_guesses_nothing() -> None:
    vocabulary = Vocabulary(tuple(WORDS.split()))
    assert vocabulary.guessed_words("dogg") == {}
    assert vocabulary.read("the dogg") == [("the", ("the",)), ("dogg", ())]
    assert doubtful_words(vocabulary, "the dogg, the dogg") == ("dogg",)


@pytest.mark.parametrize("word", ["dog", "man", "building", "family", "shirt", "glasses", "someone", "bus", "bed"])
def test_names(word: str) -> None:
    assert is_name(word)


@pytest.mark.parametrize(
    "word", ["the", "red", "left", "walks", "walking", "walked", "quickly", "flies", "7", "x", "el"]
)
def test_words_that_are_no_names(word: str) -> None:
    assert not is_name(word)
