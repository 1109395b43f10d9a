"""The ImageNet classes that a noun covers, which link it to the output of the classifier.

They come from WordNet where possible: "dog" covers all 118 breeds. A noun without classes of its own gets those of its
near relations in WordNet, weighted by the similarity of their names.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from refvid.train.words.checked_classes import CHECKED, SILENT
from refvid.train.words.wordnet import ANIMAL, PERSON, WordNet

Weights = dict[int, float]  # weights of classes by their numbers, 0 to 1

# Original names of two classes whose names torchvision has changed, because ImageNet has them twice.
_LEMMAS = {"crane bird": "crane", "maillot tank suit": "maillot"}
_MOST_CLASSES = 400  # maximum of a noun; "animal" has 398, and nouns with more are too vague ("object")
_NEAR = 2  # maximum number of steps up to the meaning that a noun shares with its relations
_LEAST_DEPTH = 7  # minimum depth of that meaning below the root, so that it is "cattle" rather than "device"
_SENSES = 3  # number of meanings of a noun that are considered, the commonest first
_SHARPNESS, _LEAST_COSINE, _SOFTNESS = 0.05, 0.55, 0.04
_LEAST_WEIGHT = 0.05


class ImageNetClasses:
    """The classes of the ImageNet classifier, placed in WordNet.

    Args:
        names: Names of the classes in the order of the classifier, which is that of their offsets in WordNet 3.0.
        wordnet: WordNet 3.0.

    Raises:
        ValueError: A name is missing in WordNet, or the names are in another order.
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
        """Return the classes below the commonest meaning of a noun that has any; persons only if it is a single one."""
        for offset in self.wordnet.senses.get(noun, ())[:_SENSES]:
            found = self._below.get(offset, set())
            is_person = PERSON in self.wordnet.ancestors(offset)
            if found and len(found) <= _MOST_CLASSES and (not is_person or len(found) == 1):
                return found
        return set()

    def relations_of(self, noun: str) -> set[int]:
        """Return the classes that share a near and narrow meaning above them with the first meaning of a noun."""
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
        """Return the weights of the classes that a noun, singular or plural, covers itself; empty if there are none."""
        lemma = self._speaking_lemma(noun)
        for word in (noun, lemma) if lemma else ():
            if word in CHECKED:
                return {self.names.index(name): 1.0 for name in CHECKED[word]}
        return dict.fromkeys(sorted(self.kinds_of(lemma)), 1.0) if lemma else {}

    def near_weights_of(self, noun: str, cosines: Tensor) -> Weights:
        """Return the weights of the classes that are near relations of a noun; empty if there are none.

        Args:
            noun: Noun in the singular or plural.
            cosines: Cosines of its vector with the vectors of the class names, [1000].
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
        """Return the base form of a word; None if it cannot have classes, because it is silent or mostly not a noun."""
        lemma = self.wordnet.lemma_of(word) or word
        if word in SILENT or lemma in SILENT:
            return None
        if word in CHECKED or lemma in CHECKED:
            return lemma
        first = next(iter(self.wordnet.senses.get(lemma, ())), None)
        is_animal = first is not None and self.wordnet.synsets[first].category == ANIMAL
        mostly_noun = self.wordnet.is_mostly_noun(word) and self.wordnet.is_mostly_noun(lemma)
        return lemma if is_animal or mostly_noun else None  # "bear" and "duck" are more often verbs


def place_in_order(candidates: Sequence[Sequence[int]]) -> list[int]:
    """Choose one candidate for each place so that the chosen numbers increase from place to place.

    Raises:
        ValueError: There is no such choice.
    """
    # A longest increasing subsequence by patience sorting: for each length, `ends` holds the smallest number that ends
    # an increasing sequence of that length, and `last` its index in `rows`.
    ends: list[int] = []
    rows: list[tuple[int, int, int]] = []  # place, candidate, and the index of the previous row of the sequence
    last: list[int] = []
    for place, offers in enumerate(candidates):
        for offset in sorted(offers, reverse=True):  # descending, so that no sequence uses a place twice
            length = bisect_left(ends, offset)
            rows.append((place, offset, last[length - 1] if length else -1))
            ends[length : length + 1], last[length : length + 1] = [offset], [len(rows) - 1]
    chosen: dict[int, int] = {}
    number = last[-1] if last else -1
    while number >= 0:
        place, offset, number = rows[number]
        chosen[place] = offset
    if missing := [place for place in range(len(candidates)) if place not in chosen]:
        raise ValueError(f"{len(missing)} classes do not fit WordNet's order; the first of them is number {missing[0]}")
    return [chosen[place] for place in range(len(candidates))]


def pack_weights(rows: Sequence[Mapping[int, float]]) -> dict[str, Tensor]:
    """Return the weights of classes of all words as the sparse tensors that `WordVectorTable` holds."""
    starts = torch.tensor([0, *(len(row) for row in rows)]).cumsum(0)
    indices = [index for row in rows for index in sorted(row)]
    weights = [round(255 * row[index]) for row in rows for index in sorted(row)]
    return {
        "class_starts": starts.int(),
        "class_indices": torch.tensor(indices, dtype=torch.int16),
        "class_shares": torch.tensor(weights, dtype=torch.uint8),
    }
