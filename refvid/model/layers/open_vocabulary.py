"""A vocabulary that understands more words than it lists, by mapping other spellings and forms to listed words."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import torch
from torch import Tensor, nn

from refvid.model.config import ModelConfig
from refvid.model.layers.language import FIRST_WORD_ID, PADDING_ID, UNKNOWN_ID, Vocabulary
from refvid.model.layers.spelling import LEAST_SLIP, compounds, inflections, other_spellings, slips

_SPOKEN = re.compile(r"\w+(?:['’\-‐‑]\w+)*")  # unlike in `split_words`, words keep their hyphens
_HYPHEN = re.compile(r"[-‐‑]")
_OWNER = re.compile(r"(?:n't|'(?:s|d|m|ll|re|ve)?)$")
COMMON = 10_000  # first words of a vocabulary, for which a short word may be a misspelling
LONG = 8  # letters of a word that may be a misspelling of any
_KEPT = 4096  # resolved words in the cache


@dataclass(frozen=True)
class OpenVocabulary(Vocabulary):
    """A vocabulary sorted by frequency, the commonest word first; ambiguous misspellings resolve to the commonest.

    The vocabulary may end with names of two or three words, "fire hydrant"; such a name, singular or plural, is read as
    one word. A word that is not listed is tried, in this order, without its hyphens, as the parts between the hyphens,
    without a possessive or contracted ending ("man's"), as another form of a listed word ("terriers"), and in British
    or American spelling. Last comes a guess: it is read as two words written as one or as a misspelling by one letter,
    whichever gives the commoner words. A short word is only taken for one of the commonest words, because among the
    rarer ones there is a similar one for many a foreign word or name.
    """

    @cached_property
    def _known(self) -> dict[str, tuple[str, ...]]:
        return {}  # cache: for each word that is not listed, the listed words that it resolves to

    def read(self, expression: str) -> list[tuple[str, tuple[str, ...]]]:
        """Return each word of an expression with the listed words that it resolves to, none if it is unknown."""
        spoken = split_spoken(expression)
        found: list[tuple[str, tuple[str, ...]]] = []
        while spoken:
            name, count = self._name_at_start(spoken)
            found.append((" ".join(spoken[:count]), (name,) if name else self.resolve(spoken[0])))
            spoken = spoken[count:]
        return found

    @cached_property
    def _begin_names(self) -> frozenset[str]:
        return frozenset(word.split(" ")[0] for word in self.words if " " in word)

    def _name_at_start(self, spoken: Sequence[str]) -> tuple[str, int]:
        """Return the longest listed name that words begin with and its number of words; an empty name and 1 if none."""
        if spoken[0] in self._begin_names:
            for count in (3, 2):
                *before, last = spoken[:count]
                for form in (last, *inflections(last)) if len(before) == count - 1 else ():
                    if (name := " ".join((*before, form))) in self.ids:
                        return name, count
        return "", 1

    def resolve(self, word: str) -> tuple[str, ...]:
        """Return the listed words that a lower-case word resolves to; none if it is unknown to the model."""
        if word in self.ids:
            return (word,)
        known = self._known
        if word not in known:
            if len(known) >= _KEPT:
                known.clear()
            known[word] = self._spell_back(word, guessing=True)
        return known[word]

    def guessed_words(self, expression: str) -> dict[str, str]:
        """Return the words of the expression that are taken for misspelt ones, each with what it is read as."""
        return {
            word: " ".join(found)
            for word, found in self.read(expression)
            if found and " " not in word and not self._spell_back(word, guessing=False)
        }

    def _spell_back(self, word: str, *, guessing: bool) -> tuple[str, ...]:
        if word in self.ids:
            return (word,)
        if _HYPHEN.search(word):
            joined = _HYPHEN.sub("", word)
            if found := self._first(chain((joined,), inflections(joined))):
                return (found,)
            if (name := _HYPHEN.sub(" ", word)) in self.ids:
                return (name,)
            parts = [self._spell_back(part, guessing=guessing) for part in _HYPHEN.split(word)]
            return tuple(found for part in parts for found in part) if all(parts) else ()
        owner = _OWNER.sub("", word)
        if owner != word:
            return self._spell_back(owner, guessing=guessing)
        if not word.isalpha() or not word.isascii():
            return ()
        for candidates in (inflections(word), other_spellings(word)):
            if found := self._first(candidates):
                return (found,)
        return self._guess(word) if guessing else ()

    def _guess(self, word: str) -> tuple[str, ...]:
        """Return the listed words that a word is probably a misspelling of; none if there are none."""
        pair = self._pair(word)
        if (name := " ".join(pair)) in self.ids:
            return (name,)
        slipped = self._commonest(slips(word), word) if len(word) >= LEAST_SLIP else None
        if slipped is not None and (not pair or self.ids[slipped] < max(self.ids[part] for part in pair)):
            return (slipped,)  # "bottome" is more likely "bottom" than "bot" and "tome"
        return pair

    def _first(self, candidates: Iterator[str]) -> str | None:
        return next((word for word in candidates if word in self.ids), None)

    def _pair(self, word: str) -> tuple[str, ...]:
        """Return the commonest pair of listed words whose concatenation is the word; none if there is no such pair."""
        pairs = [pair for pair in compounds(word) if all(part in self.ids for part in pair)]
        return min(pairs, key=lambda pair: max(self.ids[part] for part in pair), default=())

    def _commonest(self, candidates: Iterator[str], word: str) -> str | None:
        """Return the commonest candidate, preferring those with the same first letter as the word."""
        last = len(self.ids) if len(word) >= LONG else COMMON
        found = {
            candidate
            for candidate in candidates
            if self.ids.get(candidate, math.inf) < last + FIRST_WORD_ID and len(candidate) >= LEAST_SLIP - 1
        }
        return min(found, key=lambda one: (one[0] != word[0], self.ids[one]), default=None)

    def encode(self, expressions: Sequence[str]) -> Tensor:
        """Return the word ids int64 [E, L] of E expressions, padded with 0 at the end to the longest length L.

        Words beyond `max_words` are cut off; unknown words get the id 1. A word that resolves to two counts as two.

        Raises:
            ValueError: An expression has no words.
        """
        rows = []
        for expression in expressions:
            words = self.read(expression)
            if not words:
                raise ValueError(
                    f"the expression {expression!r} has no words; name an object, as in 'man in yellow shirt'"
                )
            ids = [self.ids[one] if one else UNKNOWN_ID for _, found in words for one in found or ("",)]
            rows.append(torch.tensor(ids[: self.max_words]))
        return nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PADDING_ID)

    def unknown_words(self, expression: str) -> tuple[str, ...]:
        """Return the words of the expression that are unknown to the model, each once and in order."""
        return tuple(dict.fromkeys(word for word, found in self.read(expression) if not found))

    def dropped_words(self, expression: str) -> tuple[str, ...]:
        """Return the words at the end of the expression that are cut off, at least in part, beyond `max_words`."""
        dropped, taken = [], 0
        for word, found in self.read(expression):
            taken += max(len(found), 1)
            if taken > self.max_words:
                dropped.append(word)
        return tuple(dropped)


def build_word_vocabulary(config: ModelConfig) -> Vocabulary:
    """Build the vocabulary of a network that reads words; it is open if the network has word vectors."""
    kind = OpenVocabulary if config.vector_channels else Vocabulary
    return kind(config.vocabulary, config.max_words)


def split_spoken(expression: str) -> list[str]:
    """Split an expression into lower-case words without punctuation: "The T-shirt." -> the, t-shirt."""
    return [word.replace("’", "'") for word in _SPOKEN.findall(expression.lower())]
