"""From the vectors of a model of sentences to small ones of 8 bits."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

# How far the axes are brought to one variance: 0 not, 1 wholly. With 0, 0.5 and 1 the 3,000 commonest words kept 62.7,
# 63.4 and 62.2 % of their ten nearest, and their cosines correlated with those before by 0.78, 0.77 and 0.74: little
# depends on it.
WHITENING = 0.5
_LARGEST = 127


def pull_together(vectors: Tensor, words: Sequence[str], plain: Mapping[str, str], share: float) -> Tensor:
    """Return unit vectors [V, C], those of some words pulled to that of a plainer one.

    Args:
        vectors: Unit vectors [V, C] of the words.
        words: In the order of the vectors.
        plain: The plainer word of some; pairs of which either is not in the table are left out.
        share: Of the plain word in the new vector.
    """
    places = {word: index for index, word in enumerate(words)}
    pairs = [(places[word], places[target]) for word, target in plain.items() if {word, target} <= places.keys()]
    pulled = vectors.clone()
    for index, target in pairs:
        pulled[index] = (1 - share) * vectors[index] + share * vectors[target]
    return F.normalize(pulled, dim=-1)


def spread_apart(vectors: Tensor, words: Sequence[str], groups: Sequence[str], share: float) -> Tensor:
    """Return unit vectors [V, C], those of contrary words further from each other.

    A model of sentences finds "black" and "white" as alike as synonyms: both are colours. What the words of a group
    have in common is taken away in part.

    Args:
        vectors: Unit vectors [V, C] of the words.
        words: In the order of the vectors.
        groups: Words of each group, separated by spaces; those that are not in the table are left out.
        share: Of the group's mean that is taken from each.
    """
    places = {word: index for index, word in enumerate(words)}
    spread = vectors.clone()
    for group in groups:
        members = [places[word] for word in group.split() if word in places]
        if len(members) > 1:
            spread[members] = vectors[members] - share * vectors[members].mean(0)
    return F.normalize(spread, dim=-1)


def reduce(vectors: Tensor, channels: int, whitening: float = WHITENING) -> Tensor:
    """Return unit vectors [V, channels] on the axes along which vectors [V, C] differ most from their mean."""
    centred = (vectors - vectors.mean(0)).double()
    variances, axes = torch.linalg.eigh(centred.T @ centred / len(centred))
    variances, axes = variances[-channels:].flip(0), axes[:, -channels:].flip(1)
    return F.normalize(centred @ axes / variances ** (whitening / 2), dim=-1).float()


def quantise(vectors: Tensor) -> Tensor:
    """Return vectors [V, C] as int8, the largest value of each at the end of the range; their lengths are lost."""
    return (_LARGEST * vectors / vectors.abs().amax(-1, keepdim=True).clamp(min=1e-12)).round().to(torch.int8)
