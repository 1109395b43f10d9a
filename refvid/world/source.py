"""The world as a source of training samples, which are drawn anew for every step."""

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

# All words that samples without photos of objects can contain.
VOCABULARY: tuple[str, ...] = tuple(sorted({*GRAMMAR_WORDS, *PART_WORDS}))

# Kinds of scenes: drawn scenes of all sorts, of people, and of look-alikes that differ in what they do; people from
# photos in new places, and photos of people; photos of objects, and objects from photos in new places.
KINDS = ("mixed", "people", "motion", "composite", "photo", "object-photo", "object-composite")
OF_PEOPLE, OF_OBJECTS = ("composite", "photo"), ("object-photo", "object-composite")
SHARES = {"mixed": 0.36, "people": 0.09, "motion": 0.1, "composite": 0.28, "photo": 0.17}
SHARES_WITH_OBJECTS = {
    "mixed": 0.08, "motion": 0.07, "composite": 0.1, "photo": 0.1, "object-photo": 0.4, "object-composite": 0.25,
}  # fmt: skip
DRAWN_PROPORTIONS = (16 / 9, 4 / 3, 1.0, 9 / 16)  # width / height
DRAWN_PROPORTION_SHARES = (0.6, 0.2, 0.08, 0.12)
ABSENT_SHARE = 0.15  # share of a scene's expressions that mean nothing in it
ABSENT_SHARES = {"photo": 0.2, "object-photo": 0.34, "object-composite": 0.34}
_ABSENT_OF_PHOTOS = 3  # expressions that mean nothing, for each photo of a person


class WorldSource:
    """An endless source of drawn scenes, scenes composed from photos, and photos.

    Attributes:
        kinds: Kinds of scenes that are drawn, out of `KINDS`.
        words: All words that expressions of samples can contain or that samples can mark as true of a region; sorted.
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
            frame_stride: Distance in frames of the scene between consecutive frames of a clip.
            size: Square root of the area of the samples in pixels, approximately.
            photos: Folders with labelled photos of people (`refvid.world.photos.folder`) or of objects
                (`refvid.world.objects.folder`); None or empty for drawn scenes only.
            sources: Names of the sources of object photos to use; None for `DEFAULT_SOURCES`.
            split: Split of the photos; drawn scenes depend on the generator alone.
            shares: Shares of the kinds in `KINDS`; None for `SHARES` or, with photos of objects, `SHARES_WITH_OBJECTS`.
                Kinds that need missing photos are left out.
            expressions: Maximum number of expressions in a sample.
            cache: Folder of a scene cache, so that each scene is drawn once; None for a new scene for every sample.
            cache_scenes: Number of different scenes in the cache for each kind and size.

        Raises:
            UsageError: A folder contains no usable photos, the cache contains other scenes, or a share names no kind.
        """
        self.frames, self.frame_stride, self.size, self.expressions = frames, frame_stride, size, expressions
        folders = [] if photos is None else [photos] if isinstance(photos, Path) else list(photos)
        self.split, self.sources = split, tuple(sources or DEFAULT_SOURCES)
        objects = [folder for folder in folders if is_object_folder(folder)]
        people = [folder for folder in folders if folder not in objects]
        missing = (() if people else OF_PEOPLE) + (() if objects else OF_OBJECTS)
        given = shares or (SHARES_WITH_OBJECTS if objects else SHARES)
        wanted = {name: share for name, share in given.items() if name not in missing and share > 0}
        if not wanted or not given.keys() <= set(KINDS):
            raise UsageError(
                f"the shares {given} leave nothing to draw; expected some of {', '.join(KINDS)}, and --photos for "
                "those that are made of photos"
            )
        self.kinds = tuple(wanted)
        self._shares = np.array(list(wanted.values())) / sum(wanted.values())
        self._open_photos(people, objects)
        self.words = tuple(sorted({*VOCABULARY, *OBJECT_WORDS})) if objects else VOCABULARY
        # Words that are never used for drawn scenes and people need not be false: a drawn car is an automobile too.
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
            rng: Generator of all random choices.
            proportions: Number in [0, 1) that chooses the proportions; samples of a batch share it, so that they need
                little padding. None for a random choice.
        """
        chosen = str(rng.choice(self.kinds, p=self._shares))
        edges = np.cumsum(DRAWN_PROPORTION_SHARES)
        number = int(np.searchsorted(edges, rng.random() if proportions is None else proportions, side="right"))
        aspect = DRAWN_PROPORTIONS[min(number, len(edges) - 1)]
        width, height = round(self.size * aspect**0.5), round(self.size / aspect**0.5)
        draw = partial(self._draw_scene, chosen, width, height)
        if self._cache:
            scene = self._cache.get(f"{chosen}-{width}x{height}-{self.frames}x{self.frame_stride}", rng, draw)
        else:
            scene = draw(rng)
        if chosen not in OF_OBJECTS and self._unsaid:
            scene = scene.with_doubt(self._unsaid)
        absent = ABSENT_SHARES.get(chosen, ABSENT_SHARE)
        return replace(sample_of(scene, rng, self.expressions, absent), frame_stride=self.frame_stride)

    def draw_scene(self, rng: np.random.Generator, kind: str, width: int, height: int) -> TrainingScene:
        """Draw a scene of one of `kinds`, with frames of the given size in pixels."""
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
    """Make a sample of a scene, with all its visible regions and some of its expressions.

    Args:
        scene: Scene to make the sample of.
        rng: Generator that chooses the expressions.
        expressions: Maximum number of expressions.
        absent: Mean share of expressions that mean nothing in the scene.
    """
    whole = TrainingScene.of(scene) if isinstance(scene, Scene) else scene
    references = _choose(whole.references, rng, expressions, absent)
    empty = np.zeros(whole.frames.shape[1:3], np.bool_)
    masks = [empty if reference.actor is None else whole.regions[reference.actor] for reference in references]
    shown = [index for index in range(len(whole.words)) if whole.regions[index].any()]
    return Sample(
        frames=whole.frames,
        frame_mask=np.ones(len(whole.frames), np.bool_),
        expressions=tuple(reference.expression for reference in references),
        masks=np.stack(masks) if masks else empty[None][:0],
        regions=whole.regions[shown],
        region_words=tuple(whole.words[index] for index in shown),
        region_unsure=tuple(whole.unsure[index] for index in shown),
        ignore=whole.ignore,
        key=whole.key,
    )


def _choose(references: Sequence[Reference], rng: np.random.Generator, count: int, absent: float) -> list[Reference]:
    """Return `count` random references or fewer, of which a share of about `absent` mean nothing."""
    present = [reference for reference in references if reference.actor is not None]
    nothing = [reference for reference in references if reference.actor is None]
    present = [present[index] for index in rng.permutation(len(present))]
    spared = min(len(nothing), int(rng.binomial(count, absent)))
    kept = present[: count - spared] + nothing[: max(spared, min(len(nothing), 1) if not present else 0)]
    return [kept[index] for index in rng.permutation(len(kept))]
