"""The world as a source of training samples, drawn anew for every step."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal, cast

import numpy as np

from refvid.data.sample import Sample
from refvid.errors import UsageError
from refvid.world.cache import SceneCache, TrainingScene
from refvid.world.language.grammar import VOCABULARY as GRAMMAR_WORDS
from refvid.world.language.part_grammar import WORDS as PART_WORDS
from refvid.world.objects.folder import DEFAULT_SOURCES, is_object_folder, open_objects
from refvid.world.objects.phrases import WORDS as OBJECT_WORDS
from refvid.world.photos.folder import one_of, open_library
from refvid.world.scene import Reference, Scene
from refvid.world.scenes.sampler import Mode, draw_scene

# Every word that samples can say without photos of objects.
VOCABULARY: tuple[str, ...] = tuple(sorted({*GRAMMAR_WORDS, *PART_WORDS}))

# Kinds of scenes: drawn ones of any kind, of people, of look-alikes told apart by what they do; people of photos in new
# places, photos of people as they are; photos of objects as they are, objects of photos in new places.
KINDS = ("mixed", "people", "motion", "composite", "photo", "object-photo", "object-composite")
OF_PEOPLE, OF_OBJECTS = ("composite", "photo"), ("object-photo", "object-composite")
SHARES = {"mixed": 0.36, "people": 0.09, "motion": 0.1, "composite": 0.28, "photo": 0.17}
SHARES_WITH_OBJECTS = {
    "mixed": 0.08, "motion": 0.07, "composite": 0.1, "photo": 0.1, "object-photo": 0.4, "object-composite": 0.25,
}  # fmt: skip
DRAWN_PROPORTIONS = (16 / 9, 4 / 3, 1.0, 9 / 16)  # width / height
DRAWN_PROPORTION_SHARES = (0.6, 0.2, 0.08, 0.12)
ABSENT_SHARE = 0.15  # of the expressions of a scene
ABSENT_SHARES = {"photo": 0.2, "object-photo": 0.34, "object-composite": 0.34}
_ABSENT_OF_PHOTOS = 3  # kept of a photo of a person


class WorldSource:
    """Draws scenes, composites of photos and photos, without end.

    Attributes:
        kinds: Of the scenes that are drawn, of `KINDS`.
        words: Every word that the samples can say, or tell to be true of a region; sorted.
    """

    def __init__(
        self,
        *,
        frames: int = 1,
        frame_stride: int = 1,
        size: int = 192,
        photos: Path | Sequence[Path] | None = None,
        sources: Sequence[str] | None = None,
        split: Literal["train", "validation"] = "train",
        shares: dict[str, float] | None = None,
        expressions: int = 5,
        cache: Path | None = None,
        cache_scenes: int = 4000,
    ) -> None:
        """Prepare to draw.

        Args:
            frames: Length T of the clips.
            frame_stride: Frames of the scene from one frame of a clip to the next.
            size: Samples have about this many pixels, squared.
            photos: Folders of labelled photos, of people (`refvid.world.photos.folder`) or of objects
                (`refvid.world.objects.folder`); None or none: everything is drawn.
            sources: Of the photos of objects, by name; None: `DEFAULT_SOURCES`.
            split: Of the photos; what is drawn depends on the generator alone.
            shares: Of `KINDS`; None: `SHARES` or, with photos of objects, `SHARES_WITH_OBJECTS`. Kinds that need photos
                that are not there are left out.
            expressions: At most this many a sample.
            cache: Folder where scenes are kept, so that each is drawn once; None: every sample is a new scene.
            cache_scenes: How many different scenes are kept of each kind and size.

        Raises:
            UsageError: A folder holds no usable photos, the cache holds other scenes, or a share is of no kind.
        """
        self.frames, self.frame_stride, self.size, self.expressions = frames, frame_stride, size, expressions
        folders = [] if photos is None else [photos] if isinstance(photos, Path) else list(photos)
        self.split, self.sources = split, tuple(sources or DEFAULT_SOURCES)
        objects = [folder for folder in folders if is_object_folder(folder)]
        people = [folder for folder in folders if folder not in objects]
        missing = (() if people else OF_PEOPLE) + (() if objects else OF_OBJECTS)
        asked = shares or (SHARES_WITH_OBJECTS if objects else SHARES)
        wanted = {name: share for name, share in asked.items() if name not in missing and share > 0}
        if not wanted or not asked.keys() <= set(KINDS):
            raise UsageError(
                f"the shares {asked} leave nothing to draw; expected some of {', '.join(KINDS)}, and --photos for "
                "those that are made of photos"
            )
        self.kinds = tuple(wanted)
        self._shares = np.array(list(wanted.values())) / sum(wanted.values())
        self._open_photos(people, objects)
        self.words = tuple(sorted({*VOCABULARY, *OBJECT_WORDS})) if objects else VOCABULARY
        # What nobody says of drawn scenes and of people is not false of them: a drawn car is an automobile, too.
        self._unsaid = frozenset(self.words) - set(VOCABULARY)
        origin = {"photos": "+".join(folder.resolve().name for folder in folders), "split": split}
        if objects:
            origin["sources"] = "+".join(self.sources)
        self._cache = SceneCache(cache, origin, cache_scenes) if cache else None

    def _open_photos(self, people: Sequence[Path], objects: Sequence[Path]) -> None:
        from refvid.world.objects.composite import ObjectWorld
        from refvid.world.objects.single import ObjectPhotos
        from refvid.world.photos.scene import PhotoWorld
        from refvid.world.photos.single import SinglePhotos

        self._composites = [PhotoWorld(folder, self.split) for folder in people]
        self._singles = [SinglePhotos(folder, self.split) for folder in people]
        if objects:
            libraries = [open_objects(folder, self.split, self.sources) for folder in objects]
            self._object_photos = ObjectPhotos(libraries)
            if "object-composite" in self.kinds:
                cast = [open_library(folder, self.split, 256) for folder in people]
                self._object_composites = ObjectWorld(libraries, cast)

    def draw(self, rng: np.random.Generator, proportions: float | None = None) -> Sample:
        """Draw one sample.

        Args:
            rng: Decides everything.
            proportions: In [0, 1): chooses width and height; samples of a batch share it, so that none is padded much.
        """
        chosen = str(rng.choice(self.kinds, p=self._shares))
        edges = np.cumsum(DRAWN_PROPORTION_SHARES)
        number = int(np.searchsorted(edges, rng.random() if proportions is None else proportions, side="right"))
        aspect = DRAWN_PROPORTIONS[min(number, len(edges) - 1)]
        width, height = round(self.size * aspect**0.5), round(self.size / aspect**0.5)
        draw = partial(self._draw_scene, chosen, width, height)
        if self._cache:
            told = self._cache.get(f"{chosen}-{width}x{height}-{self.frames}x{self.frame_stride}", rng, draw)
        else:
            told = draw(rng)
        if chosen not in OF_OBJECTS and self._unsaid:
            told = told.with_doubt(self._unsaid)
        absent = ABSENT_SHARES.get(chosen, ABSENT_SHARE)
        return replace(sample_of(told, rng, self.expressions, absent), frame_stride=self.frame_stride)

    def draw_scene(self, rng: np.random.Generator, kind: str, width: int, height: int) -> TrainingScene:
        """Draw a scene of one of the kinds that there are photos for."""
        return self._draw_scene(kind, width, height, rng)

    def _draw_scene(self, chosen: str, width: int, height: int, rng: np.random.Generator) -> TrainingScene:
        size = {"width": width, "height": height}
        if chosen == "photo":
            return one_of(rng, self._singles).draw_scene(
                rng, frames=self.frames, longer=max(width, height), count=2 * self.expressions, absent=_ABSENT_OF_PHOTOS
            )
        if chosen == "object-photo":
            return self._object_photos.draw_scene(rng, frames=self.frames, **size)
        if chosen == "object-composite":
            return self._object_composites.draw_scene(rng, frames=self.frames, stride=self.frame_stride, **size)
        if chosen == "composite":
            scene = one_of(rng, self._composites).draw_scene(rng, frames=self.frames, stride=self.frame_stride, **size)
        else:
            mode = cast(Mode, chosen)
            scene = draw_scene(rng, frames=self.frames, stride=self.frame_stride, mode=mode, **size)
        return TrainingScene.of(scene)


def sample_of(
    scene: Scene | TrainingScene, rng: np.random.Generator, expressions: int, absent: float = ABSENT_SHARE
) -> Sample:
    """Return a scene with some of its expressions, of which about a share means nothing, and with all its regions."""
    told = TrainingScene.of(scene) if isinstance(scene, Scene) else scene
    references = _choose(told.references, rng, expressions, absent)
    empty = np.zeros(told.frames.shape[1:3], np.bool_)
    masks = [empty if reference.actor is None else told.regions[reference.actor] for reference in references]
    shown = [index for index in range(len(told.words)) if told.regions[index].any()]
    return Sample(
        frames=told.frames,
        frame_mask=np.ones(len(told.frames), np.bool_),
        expressions=tuple(reference.expression for reference in references),
        masks=np.stack(masks) if masks else empty[None][:0],
        regions=told.regions[shown],
        region_words=tuple(told.words[index] for index in shown),
        region_unsure=tuple(told.unsure[index] for index in shown),
        ignore=told.ignore,
        key=told.key,
    )


def _choose(references: Sequence[Reference], rng: np.random.Generator, count: int, absent: float) -> list[Reference]:
    """Return some references, of which about the share `absent` mean nothing."""
    present = [reference for reference in references if reference.actor is not None]
    nothing = [reference for reference in references if reference.actor is None]
    present = [present[index] for index in rng.permutation(len(present))]
    spared = min(len(nothing), int(rng.binomial(count, absent)))
    kept = present[: count - spared] + nothing[: max(spared, min(len(nothing), 1) if not present else 0)]
    return [kept[index] for index in rng.permutation(len(kept))]
