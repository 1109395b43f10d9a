"""Photos of objects, cropped, mirrored and in another light, with expressions for the objects in the crop."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from refvid.world.cache import TrainingScene
from refvid.world.objects.folder import IGNORED, Listed, ObjectLibrary, ObjectPhoto, read_photo
from refvid.world.objects.phrases import deny, refer
from refvid.world.objects.things import MIN_SHARE, Thing, measure, named_in, phantoms, rest_doubtful
from refvid.world.scene import Reference

EXPRESSIONS, ABSENT = 12, 6  # numbers of expressions made for a scene, of which a sample takes some
_SOURCE_SHARES = {"coco": 0.62, "pets": 0.14, "feralcat": 0.18, "firetruck_via": 0.06}
_OTHER_SHARE = 0.02
_EVENNESS = 0.7  # absent classes are drawn in proportion to their numbers of photos to this power
_KEPT = 0.75  # minimum share of each side of its main object that a crop keeps
_TRIES = 4  # maximum number of attempts to draw a scene with an expression for an object
_REGIONS = 24  # number of objects, the largest first, that always become regions


class ObjectPhotos:
    """An endless source of photos of objects."""

    def __init__(self, libraries: Sequence[ObjectLibrary]) -> None:
        """Collect the photos of libraries; sources are drawn by fixed shares, whatever their numbers of photos."""
        self._by_source: dict[str, list[Listed]] = {}
        for library in libraries:
            for listed in library.photos:
                self._by_source.setdefault(listed.source, []).append(listed)
        self._names = tuple(sorted(self._by_source))
        shares = np.array([_SOURCE_SHARES.get(name, _OTHER_SHARE) for name in self._names])
        self._shares = shares / shares.sum()
        self.kinds = kind_weights(libraries)

    def pick(self, rng: np.random.Generator) -> ObjectPhoto:
        """Return a random photo."""
        listed = self._by_source[str(rng.choice(self._names, p=self._shares))]
        return read_photo(listed[int(rng.integers(len(listed)))])

    def draw_scene(self, rng: np.random.Generator, *, frames: int = 1, width: int, height: int) -> TrainingScene:
        """Draw a crop of a photo with expressions for its objects.

        Args:
            rng: Generator of all random choices.
            frames: Length T of the clip; in a longer clip than 1, the window moves slowly over the photo.
            width: Width of the frames in pixels.
            height: Height of the frames in pixels.
        """
        for _ in range(_TRIES):
            scene = self._draw(rng, frames, width, height)
            if any(reference.actor is not None for reference in scene.references):
                break
        return scene

    def _draw(self, rng: np.random.Generator, frames: int, width: int, height: int) -> TrainingScene:
        photo = self.pick(rng)
        windows = _windows(rng, photo, width / height, frames)
        mirrored = bool(rng.random() < 0.5)
        clip = np.stack([cut(photo.image, window, (width, height), mirrored) for window in windows])
        labels = cut(photo.labels, windows[frames // 2], (width, height), mirrored, labels=True)
        return describe(rng, photo, relight(rng, clip), labels, self.kinds)


def kind_weights(libraries: Sequence[ObjectLibrary]) -> dict[str, float]:
    """Return a weight for each class, by the number of photos that it is in (see `deny`)."""
    photos = Counter(kind for library in libraries for listed in library.photos for kind in set(listed.kinds.values()))
    return {kind: photos[kind] ** _EVENNESS for kind in photos}


def describe(
    rng: np.random.Generator,
    photo: ObjectPhoto,
    clip: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.uint8],
    kinds: Mapping[str, float] | None = None,
) -> TrainingScene:
    """Make a scene of a crop of a photo, with expressions for its objects.

    Args:
        rng: Generator of all random choices.
        photo: The whole photo.
        clip: Frames uint8 [T, H, W, 3]; colours are measured in the middle one.
        labels: Labels of the middle frame, uint8 [H, W].
        kinds: Weights of the classes, as for `deny`.
    """
    listed, picture = photo.listed, clip[len(clip) // 2]
    things, masks = things_of(photo, picture, labels)
    unsure = phantoms(listed, crowded=listed.source == "coco" and bool((photo.labels == IGNORED).any()))
    known = [*things, *unsure]
    references = [*refer(rng, known, EXPRESSIONS), *deny(rng, known, ABSENT, kinds)]
    ignore = labels == IGNORED
    return with_rest(clip, things, masks, references, ignore if ignore.any() else None, rest_doubtful(unsure))


def things_of(
    photo: ObjectPhoto,
    picture: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.uint8],
    whole: npt.NDArray[np.int64] | None = None,
) -> tuple[list[Thing], list[npt.NDArray[np.bool_]]]:
    """Measure the visible objects in a crop of a photo, and return them with their masks, the largest first.

    Args:
        photo: The whole photo.
        picture: Crop uint8 [H, W, 3].
        labels: Labels of the visible pixels of the crop, uint8 [H, W].
        whole: Number of pixels that each label would have if nothing hid it; None if nothing is hidden.
    """
    counts = np.bincount(labels.ravel(), minlength=256)
    kinds = list(photo.listed.kinds.values())
    made = []
    for index, kind in photo.listed.kinds.items():
        if counts[index]:
            mask = np.asarray(labels == index, np.bool_)
            names = named_in(photo.listed.captions, kind, kinds.count(kind) == 1)
            thing = measure(picture, mask, kind, whole=0 if whole is None else int(whole[index]), names=names)
            assert thing is not None
            made.append((thing, mask))
    made.sort(key=lambda pair: -pair[0].area)
    return [thing for thing, _ in made], [mask for _, mask in made]


def with_rest(
    clip: npt.NDArray[np.uint8],
    things: Sequence[Thing],
    masks: Sequence[npt.NDArray[np.bool_]],
    references: Sequence[Reference],
    ignore: npt.NDArray[np.bool_] | None,
    doubtful: frozenset[str],
) -> TrainingScene:
    """Make a scene whose last region is the rest of the picture, of which no word is surely true.

    Args:
        clip: Frames uint8 [T, H, W, 3].
        things: Visible objects in the middle frame; the first ones, and those that expressions mean, become regions.
        masks: Mask of each object, bool [H, W].
        references: Expressions, whose actors are indices of `things`.
        ignore: Pixels whose content is unknown, bool [H, W]; None if there are none.
        doubtful: Words that may be true of the rest.
    """
    meant = {reference.actor for reference in references if reference.actor is not None}
    kept = [index for index in range(len(things)) if index < _REGIONS or index in meant]
    place = {index: number for number, index in enumerate(kept)}
    left_over = (things[index] for index in range(len(things)) if index not in place)
    doubtful = doubtful.union(*(thing.words() | thing.doubtful() for thing in left_over))
    rest = np.ones(clip.shape[1:3], np.bool_) if ignore is None else ~ignore
    for index in kept:
        rest &= ~masks[index]
    return TrainingScene(
        frames=clip,
        regions=np.stack([*(masks[index] for index in kept), rest]),
        words=(*(things[index].words() for index in kept), frozenset()),
        unsure=(*(things[index].doubtful() for index in kept), doubtful),
        references=tuple(
            reference if reference.actor is None else replace(reference, actor=place[reference.actor])
            for reference in references
        ),
        ignore=ignore,
    )


Rectangle = tuple[int, int, int, int]  # left, top, width, height


def _windows(rng: np.random.Generator, photo: ObjectPhoto, aspect: float, frames: int) -> list[Rectangle]:
    """Return a window of the photo for each frame, with the wanted proportions as far as the photo allows.

    Most windows are chosen so that they keep one object almost whole; the others lie anywhere in the photo.
    """
    height, width = photo.labels.shape
    full = (min(width, height * aspect), min(height, width / aspect))
    share = 1.0 if rng.random() < 0.35 else float(rng.uniform(0.5, 1.0))
    size = np.array(full) * share
    stretch = float(rng.uniform(0.87, 1.15))  # changes the proportions of the window a little
    size = np.minimum(size * (stretch, 1 / stretch), (width, height))
    numbers = [index for index, area in photo.listed.areas.items() if area >= MIN_SHARE]
    corner = rng.uniform(0, 1, 2) * (np.array((width, height)) - size)
    if numbers and rng.random() < 0.85:
        box = np.array(photo.listed.boxes[numbers[int(rng.integers(len(numbers)))]]) * (width, height, width, height)
        size = np.minimum(np.maximum(size, (box[2:] - box[:2]) * _KEPT), (width, height))
        low = np.minimum(box[:2], box[2:] - size)
        high = np.maximum(box[:2], box[2:] - size)
        slack = (size - (box[2:] - box[:2])).clip(0) * 0.02  # keeps the object a little away from the edge
        corner = rng.uniform(0, 1, 2) * (high - low - 2 * slack) + low + slack
    limit = np.array((width, height)) - size
    corner = corner.clip(0, limit)
    drift = rng.uniform(-2, 2, 2) * (rng.random() < 0.6)
    places = [(corner + drift * (t - frames // 2)).clip(0, limit).round().astype(int) for t in range(frames)]
    wide, tall = max(1, int(size[0])), max(1, int(size[1]))
    return [(int(left), int(top), wide, tall) for left, top in places]


def cut(
    picture: npt.NDArray[np.uint8], window: Rectangle, size: tuple[int, int], mirrored: bool, *, labels: bool = False
) -> npt.NDArray[np.uint8]:
    """Cut a window (left, top, width, height) out of a picture, scale it to (width, height) and perhaps mirror it."""
    left, top, width, height = window
    how = cv2.INTER_NEAREST if labels else cv2.INTER_AREA if width > size[0] else cv2.INTER_LINEAR
    resized = cv2.resize(picture[top : top + height, left : left + width], size, interpolation=how)
    return np.ascontiguousarray(resized[:, ::-1] if mirrored else resized).astype(np.uint8)


def relight(rng: np.random.Generator, clip: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Change the light and contrast of a clip a little, equally in all frames."""
    light, contrast = float(rng.uniform(0.82, 1.18)), float(rng.uniform(0.85, 1.15))
    levels = (np.arange(256) - 118.0) * contrast + 118.0
    table = (levels * light).clip(0, 255).round().astype(np.uint8)
    return np.asarray(table[clip], np.uint8) if rng.random() < 0.6 else clip
