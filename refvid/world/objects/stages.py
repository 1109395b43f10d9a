"""The backgrounds of pasted objects: photos, photos without their animals, empty streets and drawn places."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from refvid.world.objects.cast import own_mask
from refvid.world.objects.folder import IGNORED, Listed, ObjectLibrary, ObjectPhoto, read_photo
from refvid.world.objects.lexicon import LEXICON
from refvid.world.objects.things import Thing, phantoms
from refvid.world.photos.folder import PhotoLibrary
from refvid.world.photos.stage import Stage, photo_stage, tone_of
from refvid.world.scenes.backdrop import draw_backdrop

_SHARES = {"photo": 0.4, "emptied": 0.2, "street": 0.1, "drawn": 0.3}
_MOST_OBJECTS = 10  # maximum number of objects in a photo that serves as a background

_INDOORS = frozenset({
    "chair", "couch", "bed", "dining table", "tv", "potted plant", "clock", "vase", "book", "refrigerator", "oven",
    "sink", "microwave", "toaster", "laptop", "bottle", "cup", "bowl", "teddy bear", "sports ball", "bench", "toilet",
    "handbag", "suitcase", "backpack", "umbrella", "kite", "person",
})  # fmt: skip
_OUTDOORS = frozenset({
    "bench", "car", "truck", "bus", "potted plant", "traffic light", "stop sign", "boat", "bicycle", "sports ball",
    "fire hydrant", "parking meter", "chair", "dining table", "umbrella", "bird", "kite", "airplane", "clock", "person",
})  # fmt: skip
_STREETS = _OUTDOORS | {
    "motorcycle", "handbag", "backpack", "suitcase", "dog", "cup", "bottle", "book", "cell phone", "vase", "train",
    "bowl", "wine glass", "skateboard", "teddy bear", "tv", "fire truck",
}  # fmt: skip


@dataclass(frozen=True)
class Place:
    """The background of a clip, and the objects in it.

    Attributes:
        stage: Picture of the background, with a margin for the camera.
        labels: Labels of the objects in the background, uint8, of the same size as the picture; None if there are none.
        photo: Photo that the labels refer to; None if there are no labels.
        unsure: Phantoms of objects that may be in the background unlabelled.
    """

    stage: Stage
    labels: npt.NDArray[np.uint8] | None = None
    photo: ObjectPhoto | None = None
    unsure: list[Thing] = field(default_factory=list)


class Places:
    """A source of random backgrounds of all kinds."""

    def __init__(self, libraries: Sequence[ObjectLibrary], people: Sequence[PhotoLibrary]) -> None:
        """Collect the photos in libraries that are suitable as backgrounds."""
        photos = [listed for library in libraries for listed in library.photos if listed.complete]
        self._whole = [listed for listed in photos if listed.source == "coco" and len(listed.kinds) <= _MOST_OBJECTS]
        self._emptied = [listed for listed in photos if listed.source == "pets" and 0.02 < _covered(listed) < 0.3]
        self._streets = people
        ready = {"photo": self._whole, "emptied": self._emptied, "street": self._streets, "drawn": True}
        shares = {name: share for name, share in _SHARES.items() if ready[name]}
        self._names, self._shares = tuple(shares), np.array(list(shares.values())) / sum(shares.values())

    def draw(self, rng: np.random.Generator, width: int, height: int) -> Place:
        """Return a random place for frames of the given size in pixels."""
        name = str(rng.choice(self._names, p=self._shares))
        if name == "drawn":
            backdrop = draw_backdrop(rng, width, height)
            image = np.asarray(backdrop.image)
            unsure = _INDOORS if backdrop.indoor else _OUTDOORS
            stage = Stage(image, backdrop.margin, backdrop.horizon, tone_of(image), False)
            return Place(stage, unsure=_phantoms(unsure))
        if name == "street":
            library = self._streets[int(rng.integers(len(self._streets)))]
            return Place(photo_stage(rng, library.pick(rng), width, height), unsure=_phantoms(_STREETS))
        listed = self._whole if name == "photo" else self._emptied
        photo = read_photo(listed[int(rng.integers(len(listed)))])
        return _place_in(rng, photo, width, height, emptied=name == "emptied")


def _covered(listed: Listed) -> float:
    return sum(listed.areas.values())


def _phantoms(kinds: frozenset[str]) -> list[Thing]:
    return [Thing(kind, phantom=True, seen=False) for kind in sorted(kinds & LEXICON.keys())]


def _place_in(rng: np.random.Generator, photo: ObjectPhoto, width: int, height: int, *, emptied: bool) -> Place:
    """Cut a place out of a photo, without its objects if `emptied`."""
    image, labels = photo.image, photo.labels
    crowded = not emptied and bool((labels == IGNORED).any())
    if emptied:
        hidden = labels > 0
        for index in photo.listed.kinds:
            hidden = hidden | own_mask(labels, index)
        image, labels = fill_smoothly(image, np.asarray(hidden, np.bool_)), np.zeros_like(labels)
    margin = max(4, round(0.08 * width))
    size = (width + 2 * margin, height + 2 * margin)
    tall, wide = labels.shape
    aspect = size[0] / size[1]
    share = float(rng.uniform(0.75, 1.0))
    crop = (max(8, int(min(wide, tall * aspect) * share)), max(8, int(min(tall, wide / aspect) * share)))
    left, top = int(rng.integers(wide - crop[0] + 1)), int(rng.integers(tall - crop[1] + 1))
    window = np.s_[top : top + crop[1], left : left + crop[0]]
    picture = cv2.resize(image[window], size, interpolation=cv2.INTER_LINEAR).astype(np.uint8)
    numbers = cv2.resize(labels[window], size, interpolation=cv2.INTER_NEAREST).astype(np.uint8)
    if rng.random() < 0.5:
        picture, numbers = np.ascontiguousarray(picture[:, ::-1]), np.ascontiguousarray(numbers[:, ::-1])
    stage = Stage(picture, margin, 0.4 * height, tone_of(picture), True)
    unsure = phantoms(photo.listed, crowded)
    return Place(stage, None if emptied else numbers, None if emptied else photo, unsure)


def fill_smoothly(image: npt.NDArray[np.uint8], hole: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """Fill a hole of any size smoothly from its surroundings.

    Known pixels are averaged on coarser and coarser grids until every cell has a value; these values then fill the
    holes of the next finer grid (push-pull of Gortler et al., The Lumigraph, 1996). No pixel of the hole is used.

    Args:
        image: Picture uint8 [H, W, 3], RGB.
        hole: Mask of the hole, bool [H, W].

    Returns:
        Filled picture uint8 [H, W, 3].
    """
    hole = cv2.dilate(hole.view(np.uint8), np.ones((7, 7), np.uint8)).view(np.bool_)
    if not hole.any() or hole.all():
        return image.copy()
    levels: list[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]] = [
        (image.astype(np.float32), (~hole).astype(np.float32))
    ]
    while min(levels[-1][1].shape) > 2 and not levels[-1][1].all():
        values, known = levels[-1]
        share = cv2.pyrDown(known)
        means = cv2.pyrDown(values * known[..., None]) / np.maximum(share, 1e-4)[..., None]
        levels.append((np.asarray(means, np.float32), (share > 1e-3).astype(np.float32)))
    filled, known = levels.pop()
    missing = known == 0
    if missing.any():
        filled[missing] = filled[~missing].mean(axis=0)
    for values, known in reversed(levels):
        wider = cv2.pyrUp(filled, dstsize=(known.shape[1], known.shape[0]))
        filled = np.asarray(np.where(known[..., None] > 0, values, wider), np.float32)
    return filled.clip(0, 255).round().astype(np.uint8)
