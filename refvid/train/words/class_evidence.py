"""What ImageNet's classifier says for a noun: the classes that are kinds of what it names.

WordNet decides where it can: "dog" has all 118 breeds. A noun without classes of its own takes those of its near
relations, weighted by how near their names are.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from refvid.train.words.checked_classes import CHECKED, SILENT
from refvid.train.words.wordnet import ANIMAL, PERSON, WordNet

Weights = dict[int, float]  # of classes, 0 to 1

# What torchvision added to two names that ImageNet has twice.
_LEMMAS = {"crane bird": "crane", "maillot tank suit": "maillot"}
_MOST_CLASSES = 400  # "animal" has 398; a noun with more, as "object", says nothing
_NEAR = 2  # steps up to the meaning that a noun shares with its relations
_LEAST_DEPTH = 7  # steps of that meaning below the root: relations in "cattle", not in "device"
_SENSES = 3  # the commonest meanings of a noun that are asked
_SHARPNESS, _LEAST_COSINE, _SOFTNESS = 0.05, 0.55, 0.04
_LEAST_WEIGHT = 0.05


class ImageNetClasses:
    """The classes of the classifier in WordNet.

    Args:
        names: Of the classes in their order, which is that of their offsets in WordNet 3.0.
        wordnet: Has all of them.

    Raises:
        ValueError: A name is not in WordNet, or the order is another.
    """

    def __init__(self, names: Sequence[str], wordnet: WordNet) -> None:
        self.names, self.wordnet = tuple(names), wordnet
        lemmas = [_LEMMAS.get(name, name).lower() for name in names]
        self.offsets = place_in_order([wordnet.senses.get(lemma, ()) for lemma in lemmas])
        self._above = [wordnet.ancestors(offset) for offset in self.offsets]
        self._below: dict[int, set[int]] = {}
        for index, above in enumerate(self._above):
            for offset in above:
                self._below.setdefault(offset, set()).add(index)

    def kinds_of(self, noun: str) -> set[int]:
        """Return the classes that are kinds of the commonest meaning of a noun that has any."""
        for offset in self.wordnet.senses.get(noun, ())[:_SENSES]:
            found = self._below.get(offset, set())
            is_person = PERSON in self.wordnet.ancestors(offset)
            if found and len(found) <= _MOST_CLASSES and (not is_person or len(found) == 1):
                return found
        return set()

    def relations_of(self, noun: str) -> set[int]:
        """Return the classes that share a near and narrow meaning with the first meaning of a noun."""
        for offset in self.wordnet.senses.get(noun, ())[:1]:
            above = self.wordnet.ancestors(offset)
            if PERSON in above:
                return set()
            for shared, steps in sorted(above.items(), key=lambda item: item[1]):
                depth = max(self.wordnet.ancestors(shared).values())
                found = self._below.get(shared, set())
                if 0 < steps <= _NEAR and depth >= _LEAST_DEPTH and found:
                    return found
        return set()

    def weights_of(self, noun: str) -> Weights:
        """Return the weights of the classes that are kinds of what a word names, in any number."""
        lemma = self._speaking_lemma(noun)
        for word in (noun, lemma) if lemma else ():
            if word in CHECKED:
                return {self.names.index(name): 1.0 for name in CHECKED[word]}
        return dict.fromkeys(sorted(self.kinds_of(lemma)), 1.0) if lemma else {}

    def near_weights_of(self, noun: str, cosines: Tensor) -> Weights:
        """Return the weights of the near relations of what a word names.

        Args:
            noun: In any number.
            cosines: Of its vector with those of the names of the classes, [1000].
        """
        lemma = self._speaking_lemma(noun)
        relations = sorted(self.relations_of(lemma)) if lemma else []
        if not relations:
            return {}
        near = cosines[relations]
        sure = torch.sigmoid((near.amax() - _LEAST_COSINE) / _SOFTNESS)
        weights = (sure * torch.exp((near - near.amax()) / _SHARPNESS)).tolist()
        return {index: weight for index, weight in zip(relations, weights, strict=True) if weight >= _LEAST_WEIGHT}

    def _speaking_lemma(self, word: str) -> str | None:
        """Return the basic form of a word; None if classes say nothing of it: it is silent, or mostly no noun."""
        lemma = self.wordnet.lemma_of(word) or word
        if word in SILENT or lemma in SILENT:
            return None
        if word in CHECKED or lemma in CHECKED:
            return lemma
        first = next(iter(self.wordnet.senses.get(lemma, ())), None)
        is_animal = first is not None and self.wordnet.synsets[first].category == ANIMAL
        mostly_noun = self.wordnet.is_mostly_noun(word) and self.wordnet.is_mostly_noun(lemma)
        return lemma if is_animal or mostly_noun else None  # a bear and a duck are verbs too


def place_in_order(candidates: Sequence[Sequence[int]]) -> list[int]:
    """Return one of each place's candidates so that they rise from place to place.

    Raises:
        ValueError: There is no such choice.
    """
    ends: list[int] = []  # the least last candidate of a rising row of each length
    rows: list[tuple[int, int, int]] = []  # place, candidate, number of the row's part before it
    last: list[int] = []
    for place, offers in enumerate(candidates):
        for offset in sorted(offers, reverse=True):  # from above, so that a place is used once
            length = bisect_left(ends, offset)
            rows.append((place, offset, last[length - 1] if length else -1))
            ends[length : length + 1], last[length : length + 1] = [offset], [len(rows) - 1]
    chosen: dict[int, int] = {}
    number = last[-1] if last else -1
    while number >= 0:
        place, offset, number = rows[number]
        chosen[place] = offset
    if missing := [place for place in range(len(candidates)) if place not in chosen]:
        raise ValueError(f"{len(missing)} classes have no place in WordNet's order, the first is number {missing[0]}")
    return [chosen[place] for place in range(len(candidates))]


def pack_weights(rows: Sequence[Mapping[int, float]]) -> dict[str, Tensor]:
    """Return weights of classes as a sparse matrix: `class_starts`, `class_indices` and `class_shares` (n / 255)."""
    starts = torch.tensor([0, *(len(row) for row in rows)]).cumsum(0)
    indices = [index for row in rows for index in sorted(row)]
    weights = [round(255 * row[index]) for row in rows for index in sorted(row)]
    return {
        "class_starts": starts.int(),
        "class_indices": torch.tensor(indices, dtype=torch.int16),
        "class_shares": torch.tensor(weights, dtype=torch.uint8),
    }
