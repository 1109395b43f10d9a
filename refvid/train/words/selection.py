"""Selection and order of the words in the table of word vectors."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from refvid.errors import UnavailableError
from refvid.train.words.checked_classes import CHECKED, SILENT
from refvid.train.words.class_evidence import ImageNetClasses
from refvid.train.words.wordnet import WordNet

DEFAULT_DICTIONARY = Path("/usr/share/dict/american-english-small")
SAID_OFTEN = 3  # a word with as many uses is not taken for a typing error if the encoder has a piece for it
NUMBERS = tuple(str(number) for number in range(21))
LETTERS = tuple("abcdefghijklmnopqrstuvwxyz")
# Words that are used in descriptions of pictures, but missing in word lists.
INFORMAL = (
    "bbq",
    "bmx",
    "cant",
    "dont",
    "grp",
    "isnt",
    "lol",
    "mtg",
    "rv",
    "selfie",
    "shirtless",
    "thingie",
    "thingy",
    "yep",
    "yup",
)
# WordNet's categories of nouns for visible things: animals, artifacts, bodies, food, objects, people and plants.
_VISIBLE = {5, 6, 8, 13, 17, 18, 20}
_LONGEST = 3  # maximum number of words of a name
# First words by which people describe a thing rather than name it: "small boat", "eating apple".
_DESCRIBING = SILENT | {"small", "big", "large", "little", "tall", "long", "eating"}
_WIDEST = 40  # maximum number of classes that a name of several words covers
_ENDINGS = (("s", ""), ("es", ""), ("ies", "y"), ("ed", ""), ("ed", "e"), ("ing", ""), ("ing", "e"), ("er", ""))
_WORD = re.compile(r"[a-z]+")


def read_dictionary(path: Path = DEFAULT_DICTIONARY) -> frozenset[str]:
    """Return the lower-case words of a file with one word a line; words with characters other than letters are dropped.

    Raises:
        UnavailableError: The file does not exist.
    """
    if not path.is_file():
        raise UnavailableError(f"there is no list of words '{path}'; type: apt-get install wamerican-small")
    return frozenset(word for word in path.read_text("utf-8").split() if _WORD.fullmatch(word))


def select_words(
    said: Counter[str],
    required: Iterable[str],
    pieces: Sequence[str],
    dictionary: frozenset[str],
    wordnet: WordNet,
    limit: int,
) -> tuple[str, ...]:
    """Return the words of the table, first those used most in the sentences, then the commonest in English.

    Args:
        said: Number of uses of each word in sentences about pictures and videos.
        required: Words that the table must contain.
        pieces: Word pieces of the sentence encoder, the commonest first.
        dictionary: Correctly spelt words.
        wordnet: WordNet, which adds lemmas and their categories.
        limit: Maximum number of words; required and used words are never left out, even beyond it.
    """
    known = dictionary | wordnet.lemmas

    def is_word(word: str) -> bool:
        stems = (word.removesuffix(end) + more for end, more in _ENDINGS if word.endswith(end) and len(word) > 4)
        return word in known or any(stem in known and len(stem) > 2 for stem in stems)

    whole = {piece: rank for rank, piece in enumerate(pieces) if not piece.startswith(("#", "["))}
    must = {*required, *NUMBERS, *LETTERS, *INFORMAL}
    must |= {word for word, times in said.items() if is_word(word) or (times >= SAID_OFTEN and word in whole)}
    rank = {word: (-said[word], whole.get(word, len(whole)), word) for word in {*must, *whole, *known}}
    chosen = sorted(must, key=rank.__getitem__)
    common = sorted((word for word in whole if is_word(word) and word not in must), key=rank.__getitem__)
    seen = sorted(word for word in dictionary if word not in must and word not in whole and _is_visible(word, wordnet))
    return tuple([*chosen, *common, *seen][: max(limit, len(chosen))])


def _is_visible(word: str, wordnet: WordNet) -> bool:
    """Return whether the commonest meaning of a word as a noun is a visible thing."""
    senses = wordnet.senses.get(word, ())
    return len(senses) > 0 and wordnet.synsets[senses[0]].category in _VISIBLE


def select_names(required: Iterable[str], classes: ImageNetClasses) -> tuple[str, ...]:
    """Return the names of several words that the table lists besides single words, such as "fire hydrant".

    These are names of ImageNet classes and of the meanings in WordNet above them, if they mean something else than
    their words: "black swan" is left out, because it is a swan that is black.

    Args:
        required: Names that are listed anyway; single words among them are ignored.
        classes: ImageNet classes placed in WordNet.
    """
    offered = {name for name in (*classes.wordnet.senses, *map(str.lower, classes.names)) if is_name(name)}
    covering = {name for name in offered if 0 < len(classes.kinds_of(name)) <= _WIDEST}
    named = {name for name in CHECKED if " " in name}
    return tuple(sorted(covering | named | {name for name in required if " " in name}))


def is_name(text: str) -> bool:
    """Return whether a text is a name of two or three words that says more than its words do one by one."""
    words = text.split()
    return (
        1 < len(words) <= _LONGEST
        and all(_WORD.fullmatch(word) for word in words)
        and words[0] not in _DESCRIBING
        and "of" not in words
    )
