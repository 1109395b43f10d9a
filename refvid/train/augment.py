"""Augment samples in ways that keep their expressions true: mirroring (words too), brightness, and cropping."""

import re
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from refvid.data.place_words import MIRRORED_WORDS, POSITION_WORDS
from refvid.data.sample import Sample
from refvid.train.settings import TrainSettings

Value = TypeVar("Value", bound=np.generic)

_LETTERS = re.compile(r"[^\W\d_]+")
_MIN_CROP = 0.7  # least share of each side that is kept


@dataclass(frozen=True)
class Augmentation:
    """Probabilities of the augmentations.

    Attributes:
        flip: Probability of mirroring.
        colour: Probability of changing brightness and contrast.
        crop: Probability of cropping the border off.
    """

    flip: float = 0.0
    colour: float = 0.0
    crop: float = 0.0

    @classmethod
    def of(cls, settings: TrainSettings) -> "Augmentation":
        """Return the probabilities in the settings of a run."""
        return cls(settings.flip, settings.colour, settings.crop)


def augment(sample: Sample, rng: np.random.Generator, chances: Augmentation) -> Sample:
    """Return a randomly augmented sample; the generator advances equally, whatever the sample contains."""
    wanted = rng.random(3) < (chances.crop, chances.flip, chances.colour)
    numbers = rng.random(5)
    if wanted[0]:
        sample = narrow(sample, _MIN_CROP + (1 - _MIN_CROP) * numbers[0], numbers[1], numbers[2])
    if wanted[1]:
        sample = mirror(sample)
    if wanted[2]:
        sample = relight(sample, 0.75 + 0.5 * numbers[3], 0.75 + 0.5 * numbers[4])
    return sample


def mirror(sample: Sample) -> Sample:
    """Return the mirror image of a sample, with the words left and right swapped in its expressions."""
    words, unsure = sample.region_words, sample.region_unsure
    return replace(
        sample,
        frames=_mirrored(sample.frames, 2),
        expressions=tuple(mirror_words(expression) for expression in sample.expressions),
        masks=_mirrored(sample.masks, 2),
        regions=None if sample.regions is None else _mirrored(sample.regions, 2),
        region_words=None if words is None else tuple(frozenset(map(mirror_words, said)) for said in words),
        region_unsure=None if unsure is None else tuple(frozenset(map(mirror_words, said)) for said in unsure),
        ignore=None if sample.ignore is None else _mirrored(sample.ignore, 1),
    )


def mirror_words(expression: str) -> str:
    """Return an expression with left and right swapped: "Left of the bright car" becomes "Right of the bright car"."""
    return _LETTERS.sub(_mirror_word, expression)


def _mirror_word(found: re.Match[str]) -> str:
    word = found.group()
    other = MIRRORED_WORDS.get(word.lower())
    if other is None:
        return word
    return other.upper() if word.isupper() else other.capitalize() if word[0].isupper() else other


def relight(sample: Sample, brightness: float, contrast: float) -> Sample:
    """Return a sample whose brightness and contrast are changed equally in all frames.

    With factors between 0.7 and 1.3, colours keep their names.

    Args:
        sample: Sample to change.
        brightness: Factor of all values.
        contrast: Factor of the distance of all values from the mean of the middle frame.
    """
    mean = float(sample.frames[len(sample.frames) // 2].mean())
    levels = (np.arange(256) - mean) * contrast + mean
    table = np.clip(levels * brightness, 0, 255).round().astype(np.uint8)
    return replace(sample, frames=table[sample.frames])


def narrow(sample: Sample, share: float, across: float, down: float) -> Sample:
    """Return a sample with its border cropped off; unchanged if that would cut an object or falsify a position word.

    Args:
        sample: Sample to change.
        share: Share of each side to keep.
        across: Horizontal place of the view among those possible, 0 for leftmost, 1 for rightmost.
        down: Vertical place of the view among those possible, 0 for uppermost, 1 for lowest.
    """
    if any(POSITION_WORDS & set(_LETTERS.findall(expression.lower())) for expression in sample.expressions):
        return sample
    height, width = sample.frames.shape[1:3]
    seen = np.zeros((height, width), dtype=np.bool_)
    if len(sample.masks):
        seen |= np.asarray(sample.masks.any(0))
    if sample.regions is not None and len(sample.regions):
        seen = seen | np.asarray(sample.regions.any(0))
    rows = _window(np.asarray(seen.any(1)), max(1, round(height * share)), down)
    columns = _window(np.asarray(seen.any(0)), max(1, round(width * share)), across)
    if rows is None or columns is None:
        return sample
    view = (slice(None), rows, columns)
    return replace(
        sample,
        frames=np.ascontiguousarray(sample.frames[view]),
        masks=np.ascontiguousarray(sample.masks[view]),
        regions=None if sample.regions is None else np.ascontiguousarray(sample.regions[view]),
        ignore=None if sample.ignore is None else np.ascontiguousarray(sample.ignore[view[1:]]),
    )


def _window(needed: npt.NDArray[np.bool_], length: int, where: float) -> slice | None:
    """Return a window of this length that contains everything needed, or None if there is none.

    Args:
        needed: Rows or columns that the window must contain, bool [N].
        length: Length of the window.
        where: Place of the window among those possible, from 0 (first) to 1 (last).
    """
    places = np.flatnonzero(needed)
    first, last = 0, len(needed) - length
    if len(places):
        first, last = max(first, int(places[-1]) + 1 - length), min(last, int(places[0]))
    if first > last:
        return None
    start = first + round(where * (last - first))
    return slice(start, start + length)


def _mirrored(values: npt.NDArray[Value], axis: int) -> npt.NDArray[Value]:
    return np.ascontiguousarray(np.flip(values, axis))
