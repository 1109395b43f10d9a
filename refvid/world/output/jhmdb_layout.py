"""A writer of scenes in the layout of J-HMDB Sentences, as downloaded.

    Rename_Images/<action>/<video>/00001.png                    one per frame
    puppet_mask/<action>/<video>/puppet_mask.mat                part_mask, uint8 [H, W, T]
    jhmdb_annotation.txt                                        video_id,query

A video has one query, about one actor.
"""

import csv
import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from refvid.data.packages import need_package
from refvid.world.scene import Scene

# MATLAB 5.0 files begin with 116 bytes of free text. The usual text contains the time of writing, this one does not.
_HEADER = b"MATLAB 5.0 MAT-file, Platform: refvid"
_HEADER_BYTES = 116


def best_reference(scene: Scene) -> tuple[int, str] | None:
    """Choose the actor that a video is about: preferably one that acts rather than stands, then the largest.

    Returns:
        The actor and an expression for it; None if no expression refers to an actor.
    """
    described = [
        (reference.actor, reference.expression) for reference in scene.references if reference.actor is not None
    ]
    if not described:
        return None

    def merit(choice: tuple[int, str]) -> tuple[bool, int]:
        facts = scene.actors[choice[0]]
        return facts.action != "none", facts.area

    return max(described, key=merit)  # among expressions for the same actor, max keeps the first


class JHMDBWriter:
    """A writer that stores scenes one by one; `finish` writes the text.

    Attributes:
        sentences: Number of rows of the text written so far.
        frames: Number of annotated frames written so far.
    """

    def __init__(self, folder: Path) -> None:
        """Set the folder, which must exist.

        Raises:
            UnavailableError: SciPy is not installed.
        """
        self._scipy_io = need_package("scipy.io", "writing J-HMDB Sentences' layout")
        self._folder = folder
        self._rows: list[tuple[str, str]] = []
        self.sentences = self.frames = 0

    def add(self, index: int, scene: Scene, rng: np.random.Generator) -> bool:
        """Write one video.

        Args:
            index: Index of the video, from which its name follows.
            scene: Scene to write.
            rng: Unused, since every frame is annotated.

        Returns:
            Whether an expression refers to an actor of the scene; otherwise nothing is written.
        """
        chosen = best_reference(scene)
        if chosen is None:
            return False
        actor, expression = chosen
        action = scene.actors[actor].action
        video = f"world{index:06d}_{action}"
        pictures = self._folder / "Rename_Images" / action / video
        pictures.mkdir(parents=True)
        for number, pixels in enumerate(scene.frames, 1):
            # Compression level 3 takes a third of the default's time and a tenth more space.
            Image.fromarray(pixels).save(pictures / f"{number:05d}.png", compress_level=3)
        masks = self._folder / "puppet_mask" / action / video / "puppet_mask.mat"
        masks.parent.mkdir(parents=True)
        masks.write_bytes(self._encode(scene.mask(actor)))
        self._rows.append((video, expression))
        self.sentences, self.frames = self.sentences + 1, self.frames + len(scene.frames)
        return True

    def finish(self) -> None:
        """Write the text."""
        with (self._folder / "jhmdb_annotation.txt").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([("video_id", "query"), *self._rows])

    def _encode(self, mask: npt.NDArray[np.bool_]) -> bytes:
        """Return the bytes of puppet_mask.mat for a mask [T, H, W]; the same mask gives the same bytes."""
        buffer = io.BytesIO()
        self._scipy_io.savemat(buffer, {"part_mask": mask.transpose(1, 2, 0).astype(np.uint8)}, do_compression=True)
        content = buffer.getvalue()
        return _HEADER.ljust(_HEADER_BYTES) + content[_HEADER_BYTES:]
