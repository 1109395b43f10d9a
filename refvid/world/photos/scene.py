"""Clips composed of real people in front of real or drawn places, with exact masks and facts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from refvid.world.language.grammar import absent, refer
from refvid.world.language.part_grammar import NAMES, SEX_WORDS, may_be_called
from refvid.world.palette import COLOURS
from refvid.world.photos.actor import Actor, PhotoActor, place_figure, place_person
from refvid.world.photos.composition import compose, place_occluder
from refvid.world.photos.folder import Photo, Split, open_library
from refvid.world.photos.stage import Stage, drawn_stage, photo_stage
from refvid.world.scene import Facts, Reference, Scene
from refvid.world.scenes.camera import camera_path, expose
from refvid.world.scenes.sampler import FRAMES_PER_SECOND, MIN_AREA, MIN_SHOWN

EXPRESSIONS = 8
ABSENT = 2
_DRAWN_PLACES = 0.25
WITH_FIGURES = 0.3
_WITH_OCCLUDER = 0.15
_CLOSE_UPS = 0.1
_CARS = frozenset({"car", "vehicle"})
_PASSERS_BY = frozenset(noun for words in SEX_WORDS.values() for noun in words) | {"gentleman", "boy"}
_ALL_NAMES = frozenset(name for names in NAMES.values() for name in names)
_COLOUR_WORDS = {name: name for name in COLOURS} | {"gray": "grey", "violet": "purple"}


class PhotoWorld:
    """A source of scenes with one to four people cut out of photos, sometimes with drawn figures among them."""

    def __init__(self, folder: Path | str, split: Split = "train", size: int = 256) -> None:
        """Read the photos; the arguments and errors are those of `PhotoLibrary`."""
        self.library = open_library(Path(folder), split, size)
        # People whose side or head is cut off by the edge of the photo would look wrong in the middle of a frame.
        self._cast = tuple(photo for photo in self.library.photos if _is_whole(photo)) or self.library.photos

    def draw_scene(self, rng: np.random.Generator, *, frames: int, width: int, height: int, stride: int = 1) -> Scene:
        """Draw a clip.

        Args:
            rng: Generator of all random choices.
            frames: Length T, at least 1; facts and references describe frame T // 2. In a single frame, nobody walks.
            width: Width of the frames in pixels, at least 32.
            height: Height of the frames in pixels, at least 32.
            stride: Distance between the frames that are drawn, in frames at 25 a second.

        Raises:
            ValueError: A size, the length or the stride is too small.
        """
        if frames < 1 or stride < 1 or width < 32 or height < 32:
            raise ValueError(
                f"a scene of {frames} frames of {width}x{height}, stride {stride}: at least 1 frame of 32x32 and a "
                "stride of 1 are needed"
            )
        drawn = rng.random() < _DRAWN_PLACES
        stage = drawn_stage(rng, width, height) if drawn else photo_stage(rng, self.library.pick(rng), width, height)
        actors = self._actors(rng, stage, frames > 1, width, height)
        occluder = place_occluder(rng, actors, height, _WITH_OCCLUDER)
        path = camera_path(rng, (frames - 1) * stride + 1, stage.margin)[::stride]
        clip = np.empty((frames, height, width, 3), np.uint8)
        instances = np.zeros((frames, height, width), np.uint8)
        for t in range(frames):
            clip[t] = stage.window(path[t], width, height)
            areas = compose(actors, occluder, (t - frames // 2) * stride, path[t], clip[t], instances[t])
            if t == frames // 2:
                facts = _facts(actors, areas, instances[t])
        made = [*refer(rng, facts, width, height, EXPRESSIONS), *absent(rng, facts, width, height, ABSENT)]
        references = tuple(reference for reference in made if is_safe(reference, actors, stage.real))
        return Scene(expose(rng, clip), instances, facts, references, FRAMES_PER_SECOND / stride)

    def _actors(self, rng: np.random.Generator, stage: Stage, moving: bool, width: int, height: int) -> list[Actor]:
        """Return the actors, the farthest first."""
        people = min(int(rng.choice((1, 2, 3, 4), p=(0.2, 0.35, 0.3, 0.15))), len(self._cast))
        figures = int(rng.integers(1, 3)) if rng.random() < WITH_FIGURES else 0
        count = people + figures
        eyes = rng.uniform(0.8, 1.05)
        shared = rng.uniform(0.35, 0.95)
        statures = [height * (shared if rng.random() < 0.3 else rng.uniform(0.35, 0.95)) for _ in range(count)]
        if rng.random() < _CLOSE_UPS:
            statures[0] = height * rng.uniform(1.0, 1.7)
        columns = (rng.permutation(count) + rng.uniform(0.15, 0.85, count)) / count * width
        photos = [self._cast[int(index)] for index in rng.choice(len(self._cast), people, replace=False)]
        actors: list[Actor] = []
        for number, (stature, column) in enumerate(zip(statures, columns, strict=True)):
            row = stage.horizon + eyes * stature * rng.uniform(0.97, 1.03)
            row = float(np.clip(row, stature * rng.uniform(0.85, 1.03), stature + 0.2 * height))
            if number >= people:
                actors.append(place_figure(rng, stature, (float(column), min(row, 0.98 * height)), not stage.real))
                continue
            if "bottom" in photos[number].cutout.cut:
                row = max(row, height + stage.margin + 1.0)
            actors.append(place_person(rng, photos[number], stage.tone, stature, (float(column), row), moving))
        return sorted(actors, key=lambda actor: actor.ground[1])


def is_safe(reference: Reference, actors: Sequence[Actor], street: bool) -> bool:
    """Return whether an expression is still unambiguous given everything that the people from photos wear.

    The grammar knows only one garment for each slot: "red shirt" may mean somebody, while somebody else wears another
    red shirt under a coat. The grammar does not know the cars and passers-by in a photo of a street either.
    """
    if "pattern" in reference.ways and any(isinstance(actor, PhotoActor) for actor in actors):
        return False
    words = reference.expression.lower().split()
    if street and reference.actor is None:
        everybody = reference.ways <= {"kind"} and not _PASSERS_BY.isdisjoint(words)
        if everybody or not _CARS.isdisjoint(words):
            return False
    colours = {_COLOUR_WORDS[word] for word in words if word in _COLOUR_WORDS}
    names = _ALL_NAMES.intersection(words)
    for index, actor in enumerate(actors):
        if index == reference.actor and "negation" not in reference.ways:
            continue
        for part in actor.besides:
            named = any(may_be_called(part, name) for name in names)
            coloured = bool(colours & part.near)
            if (named and (coloured or not colours)) or (coloured and not names):
                return False
    return True


def _is_whole(photo: Photo) -> bool:
    columns = np.flatnonzero(photo.person.any(0))
    rows = np.flatnonzero(photo.person.any(1))
    return bool(columns[0] > 0 and columns[-1] < photo.person.shape[1] - 1 and rows[0] > 0)


def _facts(actors: Sequence[Actor], areas: Sequence[int], instances: npt.NDArray[np.uint8]) -> tuple[Facts, ...]:
    facts = []
    for index, (actor, whole) in enumerate(zip(actors, areas, strict=True)):
        mask = instances == index + 1
        area = int(mask.sum())
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1) if area else (0, 0, 0, 0)
        seen = area >= MIN_AREA * mask.size and area >= MIN_SHOWN * whole
        action, facing, direction, pace = actor.deed
        depth = len(actors) - 1 - index
        facts.append(Facts(actor.look, action, facing, direction, pace, box, area, depth, bool(seen)))
    return tuple(facts)
