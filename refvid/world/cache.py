"""Scenes kept on disk, so that a long training draws each of them once."""

import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from refvid.errors import UsageError
from refvid.files import whole_file, write_whole
from refvid.world.language.grammar import words_of
from refvid.world.scene import Reference, Scene

_RECORD = "refvid-scenes.json"


@dataclass(frozen=True)
class TrainingScene:
    """What training needs of a scene.

    Attributes:
        frames: uint8 [T, H, W, 3], RGB.
        middle: Instances of frame T // 2, uint8 [H, W]: 0 for none, n + 1 for actor n.
        words: The words that are true of each actor.
        references: Sentences and whom they mean.
    """

    frames: npt.NDArray[np.uint8]
    middle: npt.NDArray[np.uint8]
    words: tuple[frozenset[str], ...]
    references: tuple[Reference, ...]

    @classmethod
    def of(cls, scene: Scene) -> "TrainingScene":
        """Return what training needs of a scene."""
        middle = scene.instances[len(scene.instances) // 2]
        return cls(scene.frames, middle, tuple(words_of(facts) for facts in scene.actors), scene.references)


class SceneCache:
    """A folder of scenes, each drawn when it is first asked for and kept for good.

    A scene depends on its name and number alone: one that is missing, or that a crash left damaged, is drawn again as
    it was, and several processes may share the folder.
    """

    def __init__(self, folder: Path, origin: dict[str, str], count: int) -> None:
        """Open or begin a folder.

        Args:
            folder: Where the scenes are kept.
            origin: What they depend on beside name and number, such as the photos.
            count: Different scenes of each name.

        Raises:
            UsageError: The folder holds other scenes, or something else.
        """
        self.folder, self.count = folder, count
        record = folder / _RECORD
        if not record.exists():
            if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
                raise UsageError(f"'{folder}' is no folder of scenes; give an empty or a new one to --cache")
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(record, json.dumps(origin))
        kept = json.loads(record.read_text(encoding="utf-8"))
        if kept != origin:
            raise UsageError(f"the scenes in '{folder}' were made with {kept}, not with {origin}; give another --cache")

    def get(self, name: str, rng: np.random.Generator, draw: Callable[[np.random.Generator], Scene]) -> TrainingScene:
        """Return a random one of the scenes of a name.

        Args:
            name: Of all that the scenes of it share: kind, size, length.
            rng: Chooses the number.
            draw: Draws a scene from a generator.
        """
        number = int(rng.integers(self.count))
        path = self.folder / name / f"{number:05d}.npz"
        told = _read(path)
        if told is None:
            told = TrainingScene.of(draw(np.random.default_rng([number, *name.encode()])))
            path.parent.mkdir(exist_ok=True)
            _write(path, told)
        return told


def _write(path: Path, told: TrainingScene) -> None:
    facts = {
        "words": [sorted(words) for words in told.words],
        "references": [[r.expression, r.actor, sorted(r.ways)] for r in told.references],
    }
    packed = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    with whole_file(path) as temporary:
        np.savez(temporary, frames=told.frames, middle=told.middle, facts=packed)


def _read(path: Path) -> TrainingScene | None:
    """Return a kept scene, None where there is none or it is damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            facts = json.loads(kept["facts"].tobytes())
            words = tuple(frozenset(words) for words in facts["words"])
            references = tuple(Reference(said, actor, frozenset(ways)) for said, actor, ways in facts["references"])
            return TrainingScene(kept["frames"], kept["middle"], words, references)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
