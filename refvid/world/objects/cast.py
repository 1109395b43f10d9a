"""Objects cut out of photos, to be pasted into clips."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from refvid.world.language.part_grammar import SEX_WORDS
from refvid.world.objects.folder import IGNORED, Listed, ObjectLibrary, read_files
from refvid.world.objects.things import named_in
from refvid.world.photos.cutout import Cutout, cut_out
from refvid.world.photos.folder import PhotoLibrary

_MIN_AREA = 0.012  # minimum area of an object as a share of the photo
_MIN_SIDE = 36  # minimum longer side of an object in pixels of the photo in memory
_EDGE = 0.008  # distance from the edge, as a share of the photo, below which an object counts as cut off
_ONE_PIECE = 0.93  # minimum share of an object's pixels in its largest connected piece
_HIDDEN = 0.12  # maximum share of an object's outline that other objects touch
# Classes whose objects are too flat, too often hidden, or built into their surroundings.
_NOT_CUT_OUT = frozenset({"dining table", "sink", "oven", "refrigerator", "skis", "bed", "baseball glove", "tie"})
_EVENNESS = 0.45  # classes are drawn in proportion to their numbers of objects to this power


@dataclass(frozen=True)
class Player:
    """An object that can be pasted.

    Attributes:
        kind: Class of the object.
        cutout: The object without its background.
        names: Names that are surely true of the object, besides those of its class.
    """

    kind: str
    cutout: Cutout
    names: frozenset[str]


class Cast:
    """The objects in photos that are neither cut off nor hidden."""

    def __init__(self, libraries: Sequence[ObjectLibrary], people: Sequence[PhotoLibrary] = ()) -> None:
        """Collect the objects from libraries, and people from photos of people."""
        self._by_kind: dict[str, list[tuple[Listed, int]]] = {}
        for library in libraries:
            for listed in library.photos:
                for index in _whole(listed):
                    self._by_kind.setdefault(listed.kinds[index], []).append((listed, index))
        self._people = [photo for library in people for photo in library.photos]
        self.kinds = tuple(sorted(self._by_kind.keys() | ({"person"} if self._people else set())))
        counts = {kind: len(self._by_kind.get(kind, ())) + (20 if kind == "person" else 0) for kind in self.kinds}
        self.weights = {kind: counts[kind] ** _EVENNESS for kind in self.kinds}

    def pick(self, rng: np.random.Generator, kind: str) -> Player | None:
        """Return a random object of a class; None if it turns out that it cannot be cut out."""
        listed = self._by_kind.get(kind, [])
        if kind == "person" and self._people and rng.random() < (0.5 if listed else 1.0):
            photo = self._people[int(rng.integers(len(self._people)))]
            names = frozenset(SEX_WORDS[photo.facts.sex]) - {"person", "adult"}
            return None if photo.cutout.cut - {"bottom"} else Player(kind, photo.cutout, names)
        if not listed:
            return None
        chosen, index = listed[int(rng.integers(len(listed)))]
        cutout = _cut_out(chosen.image, chosen.mask, index)
        alone = list(chosen.kinds.values()).count(kind) == 1
        return None if cutout is None else Player(kind, cutout, named_in(chosen.captions, kind, alone))


def _whole(listed: Listed) -> list[int]:
    """Return the numbers of the objects in a photo that are large enough and not cut off by its edge."""
    found = []
    for index, (left, top, right, bottom) in listed.boxes.items():
        inside = left > _EDGE and top > _EDGE and right < 1 - _EDGE and bottom < 1 - _EDGE
        if inside and listed.areas[index] >= _MIN_AREA and listed.kinds[index] not in _NOT_CUT_OUT:
            found.append(index)
    return found


def own_mask(labels: npt.NDArray[np.uint8], index: int) -> npt.NDArray[np.bool_]:
    """Return the mask of an object, including the ignored pixels that are nearer to it than to anything else."""
    mask = labels == index
    if not (labels == IGNORED).any():
        return np.asarray(mask, np.bool_)
    outside = (labels != IGNORED) & ~mask
    to_it = cv2.distanceTransform((~mask).view(np.uint8), cv2.DIST_L2, 3)
    to_others = cv2.distanceTransform((~outside).view(np.uint8), cv2.DIST_L2, 3)
    return np.asarray(mask | ((labels == IGNORED) & (to_it < to_others)), np.bool_)


@lru_cache(160)
def _cut_out(image: Path, labels: Path, index: int) -> Cutout | None:
    """Cut an object out of the files of a photo; return None if it is in pieces, too small, or hidden by others."""
    picture, numbers = read_files(image, labels)
    mask = own_mask(numbers, index)
    area = int(mask.sum())
    if not area:
        return None
    pieces = cv2.connectedComponentsWithStats(mask.view(np.uint8))
    sizes = pieces[2][1:, cv2.CC_STAT_AREA]
    largest = int(sizes.argmax())
    if sizes[largest] < _ONE_PIECE * area:
        return None
    mask = np.asarray(pieces[1] == largest + 1, np.bool_)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if max(rows[-1] - rows[0], columns[-1] - columns[0]) < _MIN_SIDE:
        return None
    rim = cv2.dilate(mask.view(np.uint8), np.ones((5, 5), np.uint8)).view(np.bool_) & ~mask
    others = (numbers > 0) & (numbers != IGNORED) & rim
    if others.sum() > _HIDDEN * rim.sum():
        return None
    return cut_out(picture, mask)
