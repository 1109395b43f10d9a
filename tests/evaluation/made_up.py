"""A small data set in memory, masks with a known error, and their scores."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from refvid.data.referring import Expression, ReferringSet, Rules, Target
from refvid.evaluation.run import Evaluation
from refvid.evaluation.scoring import SampleRow
from refvid.evaluation.sources import FrameMasks

WIDTH, HEIGHT = 60, 40
TOP, BOTTOM, LEFT, RIGHT = 8, 28, 10, 30  # of the object in every frame


@dataclass(frozen=True)
class GreyVideo:
    """A grey video of ten frames, of which one counts; an object of 20 x 20 pixels is in it."""

    name: str
    text: str
    public: bool = True

    @property
    def expressions(self) -> tuple[Expression, ...]:
        return Expression("9", "nobody asks"), Expression("0", self.text, 1)

    @property
    def targets(self) -> tuple[Target, ...]:
        return (Target("00004", 3, (1,)),)

    def count_frames(self) -> int:
        return 10

    def read(self, indices: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        return np.full((len(indices), HEIGHT, WIDTH, 3), 128, np.uint8), np.ones(len(indices), bool)

    def truth(self, target: Target) -> np.ndarray | None:
        mask = np.zeros((1, HEIGHT, WIDTH), bool)
        mask[0, TOP:BOTTOM, LEFT:RIGHT] = True
        return mask if self.public else None

    def void(self, target: Target) -> None:
        return None


class ShiftedMasks:
    """Masks that lie too far to the right, by a number of pixels for each video."""

    def __init__(self, shifts: dict[str, int]) -> None:
        self.shifts = shifts
        self.asked: list[str] = []

    def masks(self, video: Any) -> Iterator[tuple[Target, FrameMasks]]:
        yield from ((target, self.masks_at(video, target)) for target in video.targets)

    def masks_at(self, video: Any, target: Target) -> FrameMasks:
        self.asked.append(video.name)
        mask = np.zeros((1, HEIGHT, WIDTH), bool)
        shift = self.shifts[video.name]
        mask[0, TOP:BOTTOM, LEFT + shift : RIGHT + shift] = True
        return FrameMasks(mask, np.array([0.75]))


def row_of(video: str, text: str, shift: int, **changes: Any) -> SampleRow:
    """The measures of a mask that is `shift` columns off."""
    height, width = BOTTOM - TOP, RIGHT - LEFT
    intersection, area = height * max(width - shift, 0), height * width
    union = 2 * area - intersection
    values: dict[str, Any] = {
        "video": video,
        "key": "0",
        "run": "",
        "frame": "00004",
        "text": text,
        "words": len(text.split()),
        "intersection": intersection,
        "union": union,
        "iou": intersection / union,
        "confidence": 0.75,
        "truth_area": area,
        "predicted_area": area,
        "instance": 1,
    }
    return SampleRow(**{**values, **changes})


def evaluation_of(rows: Sequence[SampleRow], scores: dict[str, float], **changes: Any) -> Evaluation:
    """An evaluation of J-HMDB Sentences, or what the changes say."""
    values: dict[str, Any] = {
        "dataset": "J-HMDB Sentences",
        "name": "jhmdb",
        "split": "test",
        "protocol": "uniform3",
        "model": "cmsa-tiny",
        "revision": None,
        "version": "1.2.3",
        "device": "cpu",
        "precision": "float32",
        "threshold": 0.5,
        "refine": False,
        "seconds": 83.4,
        "scores": scores,
        "rows": tuple(rows),
        "notes": (),
    }
    return Evaluation(**{**values, **changes})


def set_of(videos: Sequence[GreyVideo], public: bool = True) -> ReferringSet:
    """The videos as a split."""
    return ReferringSet("J-HMDB Sentences", "test", "uniform3", Rules(), tuple(videos), public=public)
