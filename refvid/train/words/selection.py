"""Which words the table holds, and in which order."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from refvid.errors import UnavailableError
from refvid.train.words.wordnet import WordNet

DEFAULT_DICTIONARY = Path("/usr/share/dict/american-english-small")
SAID_OFTEN = 3  # a word said as often is no slip if the model of sentences has a piece for it
NUMBERS = tuple(str(number) for number in range(21))
LETTERS = tuple("abcdefghijklmnopqrstuvwxyz")
# Said of pictures and in no list of words.
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
# Categories of WordNet's nouns that name what can be seen: animals, artifacts, bodies, food, objects, people, plants.
_VISIBLE = {5, 6, 8, 13, 17, 18, 20}
_ENDINGS = (("s", ""), ("es", ""), ("ies", "y"), ("ed", ""), ("ed", "e"), ("ing", ""), ("ing", "e"), ("er", ""))
_WORD = re.compile(r"[a-z]+")


def read_dictionary(path: Path = DEFAULT_DICTIONARY) -> frozenset[str]:
    """Return the lower-case words, of letters alone, of a file with a word a line.

    Raises:
        UnavailableError: There is no such file.
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
    """Return the words of the table, those said most first, then the commonest in English.

    Args:
        said: How often each word was said of pictures and videos.
        required: Words that the table must hold.
        pieces: Those of the model of sentences, the commonest first.
        dictionary: Words that are surely spelled rightly.
        wordnet: Tells its lemmas, and what they name.
        limit: How many words there are at most; what is required or said is never left out.
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
    """Return whether the commonest meaning of a word, as a noun, is of something that can be seen."""
    senses = wordnet.senses.get(word, ())
    return len(senses) > 0 and wordnet.synsets[senses[0]].category in _VISIBLE
