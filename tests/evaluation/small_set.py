"""Data sets of a few small frames in memory, and sources of masks whose quality is known."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from refvid.data.referring import Expression, ReferringSet, ReferringVideo, Rules, Target
from refvid.evaluation.sources import FrameMasks
from tests.clips import frame_pixels

WIDTH, HEIGHT, FRAMES = 80, 46, 12
Masks = npt.NDArray[np.bool_]


def box(left: int, top: int, width: int = 12, height: int = 9) -> Masks:
    """A rectangle as a mask [H, W]."""
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    mask[top : top + height, left : left + width] = True
    return mask


@dataclass(frozen=True, eq=False)
class SmallVideo:
    """A video in memory.

    Attributes:
        truths: bool [E, T, H, W]; None where they are not public.
        left_out: bool [H, W], pixels that do not count.
        damaged: Frames that cannot be decoded.
        asked: The indices of each `read`.
    """

    name: str
    expressions: tuple[Expression, ...]
    targets: tuple[Target, ...]
    truths: Masks | None
    left_out: Masks | None = None
    frames: int = FRAMES
    damaged: tuple[int, ...] = ()
    asked: list[list[int]] = field(default_factory=list)

    def count_frames(self) -> int:
        return self.frames

    def read(self, indices: Sequence[int]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        self.asked.append(list(indices))
        there = [index for index in range(self.frames) if index not in self.damaged]
        nearest = [min((abs(other - index), other) for other in there)[1] for index in indices]
        pixels = np.stack([frame_pixels(index, (WIDTH, HEIGHT)) for index in nearest])
        return pixels, np.array([index in there for index in indices])

    def truth(self, target: Target) -> Masks | None:
        return None if self.truths is None else self.truths[list(target.counting), target.index]

    def void(self, target: Target) -> Masks | None:
        return self.left_out


def small_video(
    name: str = "clip",
    texts: Sequence[str] = ("man", "the dog"),
    at: Sequence[int] = (1, 5, 10),
    *,
    runs: Sequence[str] = ("",),
    public: bool = True,
    **settings: Any,
) -> SmallVideo:
    """A video whose objects are rectangles apart from each other that move to the right, one for each text."""
    expressions = tuple(
        Expression(str(number), text, number, run) for run in runs for number, text in enumerate(texts, 1)
    )
    counting = tuple(range(len(expressions)))
    objects = [
        [box(4 + 25 * number + frame, 5 + 6 * number) for frame in range(FRAMES)] for number in range(len(texts))
    ]
    return SmallVideo(
        name,
        expressions,
        tuple(Target(f"{index:05d}", index, counting) for index in at),
        np.array(objects * len(runs)) if public else None,
        **settings,
    )


def small_set(*videos: ReferringVideo, rules: Rules | None = None, **settings: Any) -> ReferringSet:
    """A split of these videos; of two if there are none."""
    made = videos or (small_video("first"), small_video("a/second", ("woman in red", "cat")))
    return ReferringSet("Small", "test", "usual", Rules() if rules is None else rules, made, **settings)


@dataclass
class Source:
    """Masks that are made of the truth.

    Attributes:
        change: Makes the masks of a frame out of the true ones, bool [n, H, W]; None leaves them.
        confidence: Of every mask.
        breaks_at: Name of the video where it fails.
        asked: The names of the videos whose masks were asked for.
    """

    change: Callable[[Masks], Masks] | None = None
    confidence: float = 0.75
    breaks_at: str | None = None
    asked: list[str] = field(default_factory=list)

    def masks(self, video: ReferringVideo) -> Iterator[tuple[Target, FrameMasks]]:
        self.asked.append(video.name)
        for number, target in enumerate(video.targets):
            if video.name == self.breaks_at and number == 1:
                raise KeyboardInterrupt
            yield target, self.masks_at(video, target)

    def masks_at(self, video: ReferringVideo, target: Target) -> FrameMasks:
        truth = video.truth(target)
        assert truth is not None
        masks = truth if self.change is None else self.change(truth)
        return FrameMasks(masks, np.where(masks.any(axis=(1, 2)), self.confidence, np.nan))


def one_pixel_right(masks: Masks) -> Masks:
    """Move masks by one pixel: 11/13 of a rectangle of 12 columns is hit."""
    return np.roll(masks, 1, axis=2)
