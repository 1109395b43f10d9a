"""The nouns of WordNet 3.0, from the files of Debian's package `wordnet-base` (WordNet's own licence)."""

from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from refvid.errors import UnavailableError

DEFAULT_FOLDER = Path("/usr/share/wordnet")
ANIMAL = 5  # category of nouns for animals
PERSON = 7846  # offset of "person, individual, someone"
_HYPERNYMS = ("@", "@i")


class Synset(NamedTuple):
    """One meaning: its category, its lemmas in lower case with spaces, and the offsets of its hypernyms."""

    category: int
    lemmas: tuple[str, ...]
    parents: tuple[int, ...]


class WordNet:
    """The meanings (synsets) of nouns and their hypernyms.

    Args:
        folder: Folder with `data.noun`, `noun.exc`, `cntlist.rev` and the indices of nouns, verbs, adjectives and
            adverbs.

    Raises:
        UnavailableError: The folder does not contain WordNet.
    """

    def __init__(self, folder: Path = DEFAULT_FOLDER) -> None:
        self.folder = folder
        if not (folder / "data.noun").is_file():
            raise UnavailableError(f"there is no WordNet in '{folder}'; type: apt-get install wordnet-base")

    @cached_property
    def synsets(self) -> dict[int, Synset]:
        """All meanings of nouns by their offsets."""
        return dict(_read_synsets(self.folder / "data.noun"))

    @cached_property
    def senses(self) -> dict[str, tuple[int, ...]]:
        """The offsets of the meanings of each lemma, the commonest first."""
        found = {}
        for line in _lines(self.folder / "index.noun"):
            fields = line.split()
            found[fields[0].replace("_", " ")] = tuple(int(field) for field in fields[-int(fields[2]) :])
        return found

    @cached_property
    def plurals(self) -> dict[str, str]:
        """The singular of each irregular plural."""
        rows = (line.split() for line in (self.folder / "noun.exc").read_text("utf-8").splitlines())
        return {row[0]: row[1] for row in rows}

    @cached_property
    def lemmas(self) -> frozenset[str]:
        """All lemmas of any part of speech that are single words."""
        return frozenset(
            line.split(" ", 1)[0]
            for part in ("noun", "verb", "adj", "adv")
            for line in _lines(self.folder / f"index.{part}")
            if "_" not in line.split(" ", 1)[0]
        )

    @cached_property
    def uses(self) -> dict[str, Counter[str]]:
        """Number of uses of each lemma as each part of speech: "1" noun, "2" verb, "3" adjective, "4" adverb."""
        found: dict[str, Counter[str]] = {}
        for line in (self.folder / "cntlist.rev").read_text("utf-8").splitlines():
            key, _, count = line.split()
            lemma, _, sense = key.partition("%")
            part = "3" if sense[0] == "5" else sense[0]  # 5 is an adjective satellite
            found.setdefault(lemma, Counter())[part] += int(count)
        return found

    def is_mostly_noun(self, lemma: str) -> bool:
        """Return whether a lemma is used as a noun at least as often as as any other part of speech."""
        uses = self.uses.get(lemma)
        return uses is None or uses["1"] >= max(uses.values())

    def lemma_of(self, noun: str) -> str | None:
        """Return the lemma of a noun in the singular or plural; None if WordNet has none."""
        candidates = [noun, self.plurals.get(noun, ""), noun.removesuffix("s"), noun.removesuffix("es")]
        if noun.endswith("ies"):
            candidates.append(noun.removesuffix("ies") + "y")
        return next((one for one in candidates if one in self.senses), None)

    def ancestors(self, offset: int) -> dict[int, int]:
        """Return the offsets of a meaning and all its hypernyms, each with its distance in steps."""
        found, level, steps = {offset: 0}, [offset], 0
        while level:
            steps += 1
            level = [up for one in level for up in self.synsets[one].parents if up not in found]
            found.update((up, steps) for up in level)
        return found


def _lines(path: Path) -> Iterator[str]:
    """Yield the lines of a file except for its licence, whose lines are indented."""
    with path.open(encoding="utf-8") as file:
        yield from (line for line in file if not line.startswith("  "))


def _read_synsets(path: Path) -> Iterator[tuple[int, Synset]]:
    """Yield the offset and the synset of each line, whose format `wndb(5WN)` describes; counts are hexadecimal."""
    for line in _lines(path):
        fields = line.split(" | ")[0].split()
        count = int(fields[3], 16)
        lemmas = tuple(fields[4 + 2 * n].replace("_", " ").lower() for n in range(count))
        pointers = fields[5 + 2 * count :]
        parents = tuple(int(pointers[n + 1]) for n in range(0, len(pointers) - 3, 4) if pointers[n] in _HYPERNYMS)
        yield int(fields[0]), Synset(int(fields[1]), lemmas, parents)
