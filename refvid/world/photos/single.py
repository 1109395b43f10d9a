"""Real photos of people, with expressions for the person and for what the person wears."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from refvid.data.sample import Sample
from refvid.world.cache import TrainingScene
from refvid.world.language.part_grammar import NAMES, describe, words_of_part, words_of_person
from refvid.world.photos.folder import Photo, Split, open_library
from refvid.world.scene import Reference

_MIN_PIXELS = 16  # minimum area in pixels of a part that expressions may mean


class SinglePhotos:
    """An endless source of photos that are cropped, scaled and mirrored at random."""

    def __init__(self, folder: Path | str, split: Split = "train", size: int = 256) -> None:
        """Read the photos; the arguments and errors are those of `PhotoLibrary`."""
        self.library = open_library(Path(folder), split, size)

    def draw(
        self, rng: np.random.Generator, *, frames: int = 1, longer: int = 192, count: int = 5, absent: int = 2
    ) -> Sample:
        """Draw one sample.

        Args:
            rng: Generator of all random choices.
            frames: Length T of the clip; in a longer clip than 1, the window moves slowly over the photo.
            longer: Longer side of the frames in pixels.
            count: Maximum number of expressions for the person and the parts.
            absent: Maximum number of expressions that mean nothing.

        Returns:
            A sample whose regions are the person and then each visible part.
        """
        scene = self.draw_scene(rng, frames=frames, longer=longer, count=count, absent=absent)
        nothing = np.zeros(scene.frames.shape[1:3], np.bool_)
        masks = [nothing if said.actor is None else scene.regions[said.actor] for said in scene.references]
        return Sample(
            frames=scene.frames,
            frame_mask=np.ones(len(scene.frames), np.bool_),
            expressions=tuple(said.expression for said in scene.references),
            masks=np.stack(masks) if masks else nothing[None][:0],
            regions=scene.regions,
            region_words=scene.words,
        )

    def draw_scene(
        self, rng: np.random.Generator, *, frames: int, longer: int, count: int, absent: int
    ) -> TrainingScene:
        """Draw a photo with expressions as a scene; the arguments and regions are those of `draw`."""
        photo = self.library.pick(rng)
        windows, scale = photo_windows(rng, photo, frames, longer)
        mirrored = bool(rng.random() < 0.5)
        labels = _cut(photo.labels, windows[frames // 2], scale, mirrored, cv2.INTER_NEAREST)
        smooth = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        clip = np.stack([_cut(photo.image, window, scale, mirrored, smooth) for window in windows])
        return _describe_clip(rng, photo, clip, labels, count, absent)


def photo_windows(
    rng: np.random.Generator, photo: Photo, frames: int, longer: int
) -> tuple[list[tuple[int, int, int, int]], float]:
    """Return a window (left, top, width, height) of the photo for each frame, and the scale from photo to frame."""
    height, width = photo.labels.shape
    share = 1.0 if rng.random() < 0.3 else float(rng.uniform(0.55, 1.0))
    wide = round(width * min(1.0, share * rng.uniform(1.0, 1.3)))
    tall = round(min(height * share, wide * 1.9))
    scale = longer / max(wide, tall)
    start = np.array([rng.integers(width - wide + 1), rng.integers(height - tall + 1)], np.float64)
    drift = rng.uniform(-2, 2, 2) * (rng.random() < 0.6)
    limits = (width - wide, height - tall)
    lefts_tops = [(start + drift * (t - frames // 2)).clip(0, limits).round().astype(int) for t in range(frames)]
    return [(int(left), int(top), wide, tall) for left, top in lefts_tops], scale


def _cut(
    picture: npt.NDArray[np.uint8], window: tuple[int, int, int, int], scale: float, mirrored: bool, how: int
) -> npt.NDArray[np.uint8]:
    left, top, width, height = window
    part = picture[top : top + height, left : left + width]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    resized = cv2.resize(part, size, interpolation=how)
    return np.ascontiguousarray(resized[:, ::-1] if mirrored else resized).astype(np.uint8)


def _describe_clip(
    rng: np.random.Generator, photo: Photo, clip: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8],
    count: int, absent: int,
) -> TrainingScene:  # fmt: skip
    person = labels > 0
    # Parts outside the window get no expressions.
    counts = np.bincount(labels.ravel(), minlength=256)
    parts = tuple(part for part in photo.facts.parts if counts[part.index] >= _MIN_PIXELS)
    facts = replace(photo.facts, parts=parts)
    named = [index for index, part in enumerate(parts) if part.label in NAMES]
    region: dict[int | None, int | None] = {
        None: None,
        -1: 0,
        **{index: number for number, index in enumerate(named, 1)},
    }
    words = (words_of_person(facts), *(words_of_part(parts[index]) for index in named))
    return TrainingScene(
        frames=clip,
        regions=np.stack([person, *(labels == parts[index].index for index in named)]),
        words=words,
        unsure=(frozenset(),) * len(words),
        references=tuple(
            Reference(said.expression, region[said.part], frozenset({"garment" if region[said.part] else "kind"}))
            for said in describe(rng, facts, count, absent)
        ),
    )
