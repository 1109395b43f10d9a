"""Words that a table does not list are spelled back to those it does, and to no others."""

import time

import pytest

from refvid.model.layers.language import FIRST_WORD_ID, UNKNOWN_ID, Vocabulary
from refvid.model.layers.open_vocabulary import OpenVocabulary, split_spoken

SPOKEN = """
the left right man shirt tshirt yellow center color run running dog terrier trees woman most small bottle black
horse house lady stripe scissors glass knife gray airplane leftmost bottom a 2nd mouse traveling walking t on top
do
"""  # the commonest first
WORDS = tuple(SPOKEN.split())


@pytest.fixture
def vocabulary() -> OpenVocabulary:
    return OpenVocabulary(WORDS)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Man", "man"), ("man's", "man"), ("man’s", "man"), ("ladies'", "lady"), ("terriers", "terrier"),
        ("glasses", "glass"), ("knives", "knife"), ("scissor", "scissors"), ("tree", "trees"), ("mice", "mouse"),
        ("runs", "run"), ("stripes", "stripe"), ("smaller", "small"), ("yellowish", "yellow"),
        ("t-shirt", "tshirt"), ("left-most", "leftmost"), ("black-yellow", "black yellow"), ("T-Shirts", "tshirt"),
        ("colour", "color"), ("centre", "center"), ("grey", "gray"), ("travelling", "traveling"),
        ("aeroplane", "airplane"), ("blackshirt", "black shirt"), ("yelow", "yellow"), ("bototm", "bottom"),
        ("botttom", "bottom"), ("bottam", "bottom"), ("2nd", "2nd"),
        ("ontop", "on top"), ("don't", "do"),
    ],
)  # fmt: skip
def test_a_word_is_spelled_back(vocabulary: OpenVocabulary, written: str, read: str) -> None:
    found = [word for _, words in vocabulary.read(written) for word in words]
    assert " ".join(found) == read
    assert vocabulary.unknown_words(written) == ()


def test_of_several_the_commonest_is_meant(vocabulary: OpenVocabulary) -> None:
    assert vocabulary.resolve("housse") == ("house",), "one letter from house alone"
    assert vocabulary.resolve("hoise") == ("horse",), "one letter from both"
    assert OpenVocabulary(("house", "horse")).resolve("hoise") == ("house",)
    assert OpenVocabulary(("house", "mouse")).resolve("mouze") == ("mouse",)
    assert OpenVocabulary(("bottle", "settle")).resolve("gettle") == ("settle",)
    assert OpenVocabulary(("mouse", "house")).resolve("hiuse") == ("house",)
    assert OpenVocabulary(("mouse", "horse")).resolve("hlouse") == (), "two letters from each"


def test_a_slip_of_a_common_word_is_no_compound_of_rarer_ones() -> None:
    words = ("bottom", "bot", "tome", "shirt", "less", "at")
    assert OpenVocabulary(words).resolve("bottome") == ("bottom",)
    assert OpenVocabulary(("bot", "tome", "bottom")).resolve("bottome") == ("bot", "tome")
    assert OpenVocabulary(words).resolve("shirtless") == (), "which is the opposite of a shirt"
    assert OpenVocabulary(words).resolve("ater") == (), "too little is left of it"
    assert OpenVocabulary(("skies",)).resolve("sk") == ()


@pytest.mark.parametrize("written", ["xylophone", "dag", "lefp", "42", "ähnlich", "black-xylophone", "can't"])
def test_what_is_no_word_of_it_stays_unknown(vocabulary: OpenVocabulary, written: str) -> None:
    assert vocabulary.unknown_words(f"the {written} dog {written}") == (written,)
    first = FIRST_WORD_ID
    assert vocabulary.encode([f"the {written} dog"]).tolist() == [[first, UNKNOWN_ID, first + WORDS.index("dog")]]


def test_ids_are_those_of_a_vocabulary(vocabulary: OpenVocabulary) -> None:
    expressions = ["the man", "a black dog left"]
    assert vocabulary.encode(expressions).equal(Vocabulary(WORDS).encode(expressions))
    with pytest.raises(ValueError, match="has no words"):
        vocabulary.encode(["..."])


def test_a_compound_counts_as_its_parts() -> None:
    vocabulary = OpenVocabulary(WORDS, max_words=3)
    assert vocabulary.encode(["the blackshirt man"]).shape == (1, 3)
    assert vocabulary.dropped_words("the blackshirt man left") == ("man", "left")
    assert vocabulary.dropped_words("the black shirt") == ()


def test_expressions_are_split_at_punctuation() -> None:
    assert split_spoken("The man’s T-shirt, left - of “it”.") == ["the", "man's", "t-shirt", "left", "of", "it"]


def test_a_slip_is_found_in_a_large_table_at_once() -> None:
    letters = "abcdefghijklmnopqrst"
    words = tuple(f"{a}{b}{c}{d}lentic" for a in letters for b in letters for c in letters for d in "abc")
    vocabulary = OpenVocabulary((*words, "misunderstanding"))
    assert len(vocabulary.ids) > 20_000
    began = time.process_time()
    assert vocabulary.resolve("misunderstamding") == ("misunderstanding",)
    assert time.process_time() - began < 0.1, "5 ms, and what a busy machine takes"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("the fire hydrant", "the|fire hydrant"), ("two fire hydrants", "?|fire hydrant"),
        ("the fire-hydrant", "the|fire hydrant"), ("the firehydrant", "the|fire hydrant"),
        ("a great white shark", "a|great white shark"), ("a great hydrant", "a|great|hydrant"),
        ("hydrant on fire", "hydrant|on|fire"), ("fire", "fire"), ("great white", "great|white"),
    ],
)  # fmt: skip
def test_a_name_of_several_words_is_read_as_one(written: str, read: str) -> None:
    words = ("the", "a", "on", "fire", "hydrant", "great", "white", "fire hydrant", "great white shark")
    vocabulary = OpenVocabulary(words)
    found = [" ".join(resolved) or "?" for _, resolved in vocabulary.read(written)]
    assert "|".join(found) == read
    ids = vocabulary.encode([written])[0].tolist()
    assert ids == [vocabulary.ids.get(word, UNKNOWN_ID) for word in read.split("|")]


def test_the_words_of_a_name_count_as_one_of_the_words_that_are_read() -> None:
    vocabulary = OpenVocabulary(("the", "fire", "hydrant", "fire hydrant"), max_words=2)
    assert vocabulary.dropped_words("the fire hydrant") == ()
    assert vocabulary.dropped_words("the fire hydrant fire") == ("fire",)
