"""A writer of scenes in the layout of A2D Sentences, as downloaded.

    Release/videoset.csv                                        nine columns, no heading
    Release/clips320H/<video>.mp4
    Release/Annotations/col/<video>/<frame>.png                 the colour of each actor's class
    text_annotations/a2d_annotation.txt                         video_id,instance_id,query
    text_annotations/a2d_missed_videos.txt                      videos without a sentence
    text_annotations/a2d_annotation_with_instances/<video>/<frame>.h5

Frames are numbered from 1. Expressions without a referent have no place in this layout and are left out. The original
data set has one query per instance, a world may have several.
"""

import csv
import io
from collections.abc import Sequence
from colorsys import hsv_to_rgb
from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt
from PIL import Image

from refvid.data.packages import need_package
from refvid.video.plain_clip import write_clip
from refvid.world.scene import ACTIONS, KINDS, Facts, Scene

RELEASE, TEXTS = "Release", "text_annotations"
MIN_FRAMES = 5
TEST_EVERY = 5

# The original's colours: actors are 54 degrees of hue apart, and actions range from dark to pale.
_HUE_STEP = 0.15
_PURE_ACTION = 5


def is_test(index: int) -> bool:
    """Return whether a video belongs to the test split, as every fifth one does."""
    return index % TEST_EVERY == TEST_EVERY - 1


def class_code(facts: Facts) -> int:
    """Return the number of an actor's class in A2D: kind and action from 1, one digit each; an adult walking is 18."""
    return 10 * (KINDS.index(facts.look.kind) + 1) + ACTIONS.index(facts.action) + 1


def class_colour(code: int) -> tuple[int, int, int]:
    """Return the colour of a class in Annotations/col."""
    kind, action = divmod(code, 10)
    saturation = 1.0 if action <= _PURE_ACTION else 1 - (action - _PURE_ACTION) / 5
    red, green, blue = hsv_to_rgb(_HUE_STEP * (kind - 1), saturation, min(1.0, action / _PURE_ACTION))
    return min(255, int(1 + 255 * red)), min(255, int(1 + 255 * green)), min(255, int(1 + 255 * blue))


def annotated_indices(rng: np.random.Generator, scene: Scene) -> list[int]:
    """Choose three to five frame indices from 0: the middle one, for which the references hold, and others around it.

    Frames without an actor are never chosen, so there may be fewer, or none.
    """
    total = len(scene.frames)
    count = int(rng.integers(3, 6))
    spread = np.linspace(0, total - 1, count + 2)[1:-1] + rng.uniform(-0.3, 0.3, count) * total / (count + 1)
    spread[count // 2] = total // 2
    chosen = sorted({int(index) for index in spread.round().clip(0, total - 1)})
    return [index for index in chosen if scene.instances[index].any()]


class A2DWriter:
    """A writer that stores scenes one by one; `finish` writes the lists.

    Attributes:
        sentences: Number of rows of the text written so far.
        frames: Number of annotated frames written so far.
    """

    def __init__(self, folder: Path) -> None:
        """Create the subfolders of an existing folder.

        Raises:
            UnavailableError: h5py is not installed.
        """
        self._h5py = need_package("h5py", "writing A2D Sentences' layout")
        self._folder = folder
        self._videos: list[tuple[str, ...]] = []
        self._rows: list[tuple[str, int, str]] = []
        self._missed: list[str] = []
        self.sentences = self.frames = 0
        (folder / RELEASE / "clips320H").mkdir(parents=True)

    def add(self, index: int, scene: Scene, rng: np.random.Generator) -> bool:
        """Write one video.

        Args:
            index: Index of the video, from which its name and split follow.
            scene: Scene of at least `MIN_FRAMES` frames.
            rng: Generator for the choice of annotated frames.

        Returns:
            True, since every scene fits into this layout.

        Raises:
            VideoError: The clip cannot be written.
        """
        video = f"world{index:06d}"  # eleven characters, as in the original
        write_clip(self._folder / RELEASE / "clips320H" / f"{video}.mp4", scene.frames, scene.frames_per_second)
        annotated = annotated_indices(rng, scene)
        for frame in annotated:
            self._write_frame(video, frame, scene)
        rows = [(video, r.actor, r.expression) for r in scene.references if r.actor is not None]
        self._rows.extend(rows)
        if not rows:
            self._missed.append(video)
        self._videos.append(_describe(video, scene, len(annotated), test=is_test(index)))
        self.sentences, self.frames = self.sentences + len(rows), self.frames + len(annotated)
        return True

    def finish(self) -> None:
        """Write the lists of videos and sentences."""
        texts = self._folder / TEXTS
        texts.mkdir(exist_ok=True)
        _write_csv(self._folder / RELEASE / "videoset.csv", self._videos)
        _write_csv(texts / "a2d_annotation.txt", [("video_id", "instance_id", "query"), *self._rows])
        (texts / "a2d_missed_videos.txt").write_text("\n".join(self._missed), encoding="utf-8")

    def _write_frame(self, video: str, frame: int, scene: Scene) -> None:
        """Write the h5 file and the class map of one annotated frame."""
        labels = scene.instances[frame]
        visible = [actor for actor in range(len(scene.actors)) if (labels == actor + 1).any()]
        codes = [class_code(scene.actors[actor]) for actor in visible]
        table = np.zeros((256, 3), np.uint8)
        for actor, code in zip(visible, codes, strict=True):
            table[actor + 1] = class_colour(code)
        path = self._folder / TEXTS / "a2d_annotation_with_instances" / video / f"{frame + 1:05d}.h5"
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_h5(self._h5py, path, labels, visible, codes)
        picture = self._folder / RELEASE / "Annotations" / "col" / video / f"{frame + 1:05d}.png"
        picture.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(table[labels]).save(picture)


def _write_h5(
    h5py: ModuleType, path: Path, labels: npt.NDArray[np.uint8], visible: Sequence[int], codes: Sequence[int]
) -> None:
    """Write the masks of one frame as MATLAB would: axes reversed, singleton dimensions dropped, numbers as doubles."""
    masks = np.stack([labels == actor + 1 for actor in visible])
    by_code = np.zeros(256, np.uint8)
    by_code[[actor + 1 for actor in visible]] = codes
    content: dict[str, npt.NDArray[np.uint8 | np.float64]] = {
        "instance": np.array(visible, np.float64),
        "reMask": masks.transpose(0, 2, 1).astype(np.uint8),
        "reBBox": np.stack([_box(mask) for mask in masks], axis=1),
        "id": np.array([codes], np.float64),
        "reS_id": by_code[labels].T,
    }
    if len(visible) == 1:
        content |= {"reMask": content["reMask"][0], "reBBox": content["reBBox"][:, 0]}
    # Written in memory and without timestamps, so that the same scene gives the same bytes.
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", track_order=False) as file:
        for name, values in content.items():
            file.create_dataset(name, data=values, compression="gzip" if values.ndim > 1 else None, track_times=False)
    path.write_bytes(buffer.getvalue())


def _box(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Return left, top, right and bottom in MATLAB's convention: from 1, right and bottom inclusive."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([columns[0], rows[0], columns[-1], rows[-1]], np.float64) + 1


def _describe(video: str, scene: Scene, annotated: int, *, test: bool) -> tuple[str, ...]:
    """Return a row of videoset.csv; its label is the class of the actor with the most expressions."""
    mentioned = [reference.actor for reference in scene.references if reference.actor is not None]
    subject = max(mentioned, key=mentioned.count) if mentioned else 0
    label = class_code(scene.actors[subject]) if scene.actors else 0
    total, height, width = scene.instances.shape
    seconds = round(total / scene.frames_per_second)
    end = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    numbers = (label, "00:00:00", end, height, width, total, annotated, int(test))
    return (video, *(str(number) for number in numbers))


def _write_csv(path: Path, rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
