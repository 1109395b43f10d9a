"""A cache of scenes on disk, so that a long training run draws each of them only once."""

import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from refvid.errors import UsageError
from refvid.files import whole_file, write_whole
from refvid.world.language.grammar import words_of
from refvid.world.scene import Reference, Scene

_RECORD = "refvid-scenes.json"
_VERSION = "2"  # changes with the format of the files and with the way scenes are drawn


@dataclass(frozen=True)
class TrainingScene:
    """The part of a scene that training needs.

    Attributes:
        frames: Frames uint8 [T, H, W, 3], RGB.
        regions: Masks bool [R, H, W] in frame T // 2 of actors, things or garments, which may overlap.
        words: Words that are true of each region.
        unsure: Words of which it is unknown whether they are true of each region.
        references: Sentences with the regions that they mean.
        ignore: Pixels whose content is unknown, bool [H, W]; None if there are none.
        key: Name of the scene in its cache; None for a scene that is not cached.
    """

    frames: npt.NDArray[np.uint8]
    regions: npt.NDArray[np.bool_]
    words: tuple[frozenset[str], ...]
    unsure: tuple[frozenset[str], ...]
    references: tuple[Reference, ...]
    ignore: npt.NDArray[np.bool_] | None = None
    key: str | None = None

    @classmethod
    def of(cls, scene: Scene) -> "TrainingScene":
        """Return the part of a scene that training needs."""
        middle = scene.instances[len(scene.instances) // 2]
        regions = middle == np.arange(1, len(scene.actors) + 1, dtype=np.uint8)[:, None, None]
        words = tuple(words_of(facts) for facts in scene.actors)
        return cls(scene.frames, regions, words, (frozenset(),) * len(words), scene.references)

    def with_doubt(self, words: frozenset[str]) -> "TrainingScene":
        """Add words that may be true of anything in the scene, including one more region for the rest of the frame."""
        rest = np.asarray(~self.regions.any(axis=0))
        return replace(
            self,
            regions=np.concatenate([self.regions, rest[None]]),
            words=(*self.words, frozenset()),
            unsure=(*(doubt | words for doubt in self.unsure), words),
        )


class SceneCache:
    """A folder of scenes, each of which is drawn when it is first needed and then kept.

    A scene depends only on its name and number. So one that is missing, or was damaged by a crash, is drawn again
    identically, and several processes may share the folder.
    """

    def __init__(self, folder: Path, origin: dict[str, str], count: int) -> None:
        """Open a folder of scenes, or create it.

        Args:
            folder: Folder in which the scenes are kept.
            origin: Everything that the scenes depend on besides name and number, such as the photos.
            count: Number of different scenes for each name.

        Raises:
            UsageError: The folder contains scenes of another origin, or something else.
        """
        self.folder, self.count = folder, count
        origin = {"scenes": _VERSION, **origin}
        record = folder / _RECORD
        if not record.exists():
            if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
                raise UsageError(f"'{folder}' is not a folder of scenes; give --cache an empty or a new folder")
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(record, json.dumps(origin))
        kept = json.loads(record.read_text(encoding="utf-8"))
        if kept != origin:
            raise UsageError(f"the scenes in '{folder}' were made with {kept}, not with {origin}; give another --cache")

    def get(
        self, name: str, rng: np.random.Generator, draw: Callable[[np.random.Generator], Scene | TrainingScene]
    ) -> TrainingScene:
        """Return a random scene with a name.

        Args:
            name: Name for everything that its scenes have in common: kind, size and length.
            rng: Generator that chooses the number of the scene.
            draw: Function that draws a scene with a given generator.
        """
        number = int(rng.integers(self.count))
        path = self.folder / name / f"{number:05d}.npz"
        scene = _read(path)
        if scene is None:
            drawn = draw(np.random.default_rng([number, *name.encode()]))
            scene = TrainingScene.of(drawn) if isinstance(drawn, Scene) else drawn
            path.parent.mkdir(exist_ok=True)
            _write(path, scene)
        return replace(scene, key=f"{name}/{number:05d}")


def _write(path: Path, scene: TrainingScene) -> None:
    facts = {
        "words": [sorted(words) for words in scene.words],
        "unsure": [sorted(words) for words in scene.unsure],
        "references": [[r.expression, r.actor, sorted(r.ways)] for r in scene.references],
        "ignore": scene.ignore is not None,
    }
    packed = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    planes = scene.regions if scene.ignore is None else np.concatenate([scene.regions, scene.ignore[None]])
    with whole_file(path) as temporary:
        np.savez(temporary, frames=scene.frames, planes=np.packbits(planes, axis=-1), facts=packed)


def _read(path: Path) -> TrainingScene | None:
    """Read a cached scene; return None if the file is missing or damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            facts = json.loads(kept["facts"].tobytes())
            frames = kept["frames"]
            planes = np.unpackbits(kept["planes"], axis=-1, count=frames.shape[2]).view(np.bool_)
            regions = planes[: len(facts["words"])]
            words, unsure = (tuple(frozenset(said) for said in facts[name]) for name in ("words", "unsure"))
            references = tuple(Reference(said, actor, frozenset(ways)) for said, actor, ways in facts["references"])
            return TrainingScene(frames, regions, words, unsure, references, planes[-1] if facts["ignore"] else None)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
