"""The world as a source of training samples, drawn anew for every step."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal, cast

import numpy as np

from refvid.data.sample import Sample
from refvid.world.cache import SceneCache, TrainingScene
from refvid.world.language.grammar import VOCABULARY as GRAMMAR_WORDS
from refvid.world.language.part_grammar import WORDS as PART_WORDS
from refvid.world.scene import Reference, Scene
from refvid.world.scenes.sampler import Mode, draw_scene

# Every word that samples can say.
VOCABULARY: tuple[str, ...] = tuple(sorted({*GRAMMAR_WORDS, *PART_WORDS}))

# Shares of what is drawn: scenes of any kind, look-alikes told apart by what they do, composites of photos, photos.
_OF_PHOTOS = ("composite", "photo")
SHARES = {"mixed": 0.36, "people": 0.09, "motion": 0.1, "composite": 0.28, "photo": 0.17}
DRAWN_PROPORTIONS = (16 / 9, 4 / 3, 1.0, 9 / 16)  # width / height
DRAWN_PROPORTION_SHARES = (0.6, 0.2, 0.08, 0.12)
ABSENT_SHARE = 0.15  # of the expressions of a scene


class WorldSource:
    """Draws scenes, composites of photos and photos, without end."""

    def __init__(
        self,
        *,
        frames: int = 1,
        frame_stride: int = 1,
        size: int = 192,
        photos: Path | None = None,
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
            photos: Folder of labelled photos; None: everything is drawn.
            split: Of the photos; what is drawn depends on the generator alone.
            shares: Of "mixed", "people", "motion", "composite" and "photo"; None: `SHARES`. The last two count only
                with photos.
            expressions: At most this many a sample.
            cache: Folder where scenes are kept, so that each is drawn once; None: every sample is a new scene.
            cache_scenes: How many different scenes are kept of each kind and size.

        Raises:
            UsageError: The folder holds no usable photos, or the cache holds other scenes.
        """
        self.frames, self.frame_stride, self.size, self.expressions = frames, frame_stride, size, expressions
        self.photos, self.split = photos, split
        wanted = {name: share for name, share in (shares or SHARES).items() if photos or name not in _OF_PHOTOS}
        self._names = tuple(wanted)
        self._shares = np.array(list(wanted.values())) / sum(wanted.values())
        if photos:
            self._open_photos()
        origin = {"photos": photos.resolve().name if photos else "", "split": split}
        self._cache = SceneCache(cache, origin, cache_scenes) if cache else None

    def _open_photos(self) -> None:
        from refvid.world.photos.scene import PhotoWorld
        from refvid.world.photos.single import SinglePhotos

        assert self.photos is not None
        self._composites = PhotoWorld(self.photos, self.split)
        self._singles = SinglePhotos(self.photos, self.split)

    def draw(self, rng: np.random.Generator, proportions: float | None = None) -> Sample:
        """Draw one sample.

        Args:
            rng: Decides everything.
            proportions: In [0, 1): chooses width and height; samples of a batch share it, so that none is padded much.
        """
        chosen = str(rng.choice(self._names, p=self._shares))
        edges = np.cumsum(DRAWN_PROPORTION_SHARES)
        number = int(np.searchsorted(edges, rng.random() if proportions is None else proportions, side="right"))
        aspect = DRAWN_PROPORTIONS[min(number, len(edges) - 1)]
        width, height = round(self.size * aspect**0.5), round(self.size / aspect**0.5)
        if chosen == "photo":
            sample = self._singles.draw(
                rng, frames=self.frames, longer=max(width, height), count=self.expressions - 1, absent=1
            )
            return replace(sample, frame_stride=self.frame_stride)
        draw = partial(self._draw_scene, chosen, width, height)
        if self._cache:
            name = f"{chosen}-{width}x{height}-{self.frames}x{self.frame_stride}"
            told = self._cache.get(name, rng, draw)
        else:
            told = TrainingScene.of(draw(rng))
        return replace(sample_of(told, rng, self.expressions), frame_stride=self.frame_stride)

    def _draw_scene(self, chosen: str, width: int, height: int, rng: np.random.Generator) -> Scene:
        if chosen == "composite":
            return self._composites.draw_scene(
                rng, frames=self.frames, stride=self.frame_stride, width=width, height=height
            )
        mode = cast(Mode, chosen)
        return draw_scene(rng, frames=self.frames, stride=self.frame_stride, width=width, height=height, mode=mode)


def sample_of(scene: Scene | TrainingScene, rng: np.random.Generator, expressions: int) -> Sample:
    """Return a scene with some of its expressions and with all its actors as regions."""
    told = TrainingScene.of(scene) if isinstance(scene, Scene) else scene
    references, middle = _choose(told.references, rng, expressions), told.middle
    empty = np.zeros(middle.shape, np.bool_)
    masks = [empty if reference.actor is None else middle == reference.actor + 1 for reference in references]
    shown = [index for index in range(len(told.words)) if (middle == index + 1).any()]
    return Sample(
        frames=told.frames,
        frame_mask=np.ones(len(told.frames), np.bool_),
        expressions=tuple(reference.expression for reference in references),
        masks=np.stack(masks) if masks else empty[None][:0],
        regions=np.stack([middle == index + 1 for index in shown]) if shown else empty[None][:0],
        region_words=tuple(told.words[index] for index in shown),
    )


def _choose(references: Sequence[Reference], rng: np.random.Generator, count: int) -> list[Reference]:
    """Return some references, of which about `ABSENT_SHARE` mean nothing."""
    present = [reference for reference in references if reference.actor is not None]
    nothing = [reference for reference in references if reference.actor is None]
    present = [present[index] for index in rng.permutation(len(present))]
    spared = min(len(nothing), int(rng.binomial(count, ABSENT_SHARE)))
    kept = present[: count - spared] + nothing[: max(spared, min(len(nothing), 1) if not present else 0)]
    return [kept[index] for index in rng.permutation(len(kept))]
