"""Other forms and spellings of an English word, under which a vocabulary may list it."""

from collections.abc import Iterator

LETTERS = "abcdefghijklmnopqrstuvwxyz"
LEAST_SLIP = 5  # minimum length of a word to be treated as misspelt; shorter words are too similar to each other
LEAST_PART = 3  # minimum length of each part of a compound, except for first parts like the "on" of "ontop"
_NEGATIONS = ("less", "free")  # "shirtless" is not a shirt
_SHORT_PARTS = ("at", "by", "in", "of", "on", "to", "up")
_IRREGULAR = {
    "aeroplane": "airplane", "cheque": "check", "grey": "gray", "kerb": "curb", "moustache": "mustache",
    "pyjamas": "pajamas", "plough": "plow", "programme": "program", "storey": "story", "tyre": "tire",
    "geese": "goose", "mice": "mouse", "oxen": "ox", "teeth": "tooth", "feet": "foot",
}  # fmt: skip
# British and American spellings of parts of words, applied in both directions.
_SPELLINGS = (
    ("our", "or"), ("ise", "ize"), ("isi", "izi"), ("yse", "yze"), ("tre", "ter"), ("ogue", "og"), ("lled", "led"),
    ("lling", "ling"), ("ller", "ler"), ("ae", "e"), ("oe", "e"), ("ence", "ense"), ("axe", "ax"), ("grey", "gray"),
)  # fmt: skip
_SUFFIXES = (
    ("ies", "y"), ("ves", "f"), ("ves", "fe"), ("es", ""), ("s", ""), ("ing", ""), ("ing", "e"), ("ying", "ie"),
    ("ied", "y"), ("ed", ""), ("ed", "e"), ("iest", "y"), ("ier", "y"), ("est", ""), ("est", "e"), ("er", ""),
    ("er", "e"), ("ily", "y"), ("ly", ""), ("ish", ""), ("ish", "e"), ("y", ""), ("wards", "ward"), ("ward", ""),
)  # fmt: skip


def inflections(word: str) -> Iterator[str]:
    """Yield words of which a word may be a form, and forms of the word itself: "runs" -> run; "scissor" -> scissors.

    Not all of them need to be real words.
    """
    if word in _IRREGULAR:
        yield _IRREGULAR[word]
    for end, more in _SUFFIXES:
        if word.endswith(end) and len(word) - len(end) >= LEAST_PART:
            stem = word[: -len(end)]
            yield stem + more
            if end[0] in "ie" and len(stem) > LEAST_PART and stem[-1] == stem[-2]:  # running -> run
                yield stem[:-1]
    if len(word) >= LEAST_PART:
        yield from (word + "s", word + "es")
        if word.endswith("y"):
            yield word[:-1] + "ies"


def other_spellings(word: str) -> Iterator[str]:
    """Yield a word in British instead of American spelling and vice versa, one part changed at a time."""
    for one, other in _SPELLINGS:
        for here, there in ((one, other), (other, one)):
            start = word.find(here)
            while start >= 0:
                yield word[:start] + there + word[start + len(here) :]
                start = word.find(here, start + 1)


def slips(word: str) -> Iterator[str]:
    """Yield all strings one typing error away: two letters swapped, or one letter missing, added or replaced."""
    cuts = [(word[:place], word[place:]) for place in range(len(word) + 1)]
    yield from (before + after[1] + after[0] + after[2:] for before, after in cuts if len(after) > 1)
    yield from (before + after[1:] for before, after in cuts if after)
    yield from (before + letter + after for before, after in cuts for letter in LETTERS)
    yield from (before + letter + after[1:] for before, after in cuts if after for letter in LETTERS)


def compounds(word: str) -> Iterator[tuple[str, str]]:
    """Yield every pair of parts that may make up a word: "blackshirt" -> black, shirt; "infront" -> in, front."""
    for place in range(2, len(word) - 1):
        first, second = word[:place], word[place:]
        if (
            second not in _NEGATIONS
            and len(second) >= LEAST_PART
            and (len(first) >= LEAST_PART or first in _SHORT_PARTS)
        ):
            yield first, second
