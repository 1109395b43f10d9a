"""Scenes kept on disk, so that a long training draws each of them once."""

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
_VERSION = "2"  # of what is kept of a scene, and of how it is drawn


@dataclass(frozen=True)
class TrainingScene:
    """What training needs of a scene.

    Attributes:
        frames: uint8 [T, H, W, 3], RGB.
        regions: bool [R, H, W] of frame T // 2: the actors, things or garments, which may lie over each other.
        words: The words that are true of each region.
        unsure: The words that may be true of each region, or may not.
        references: Sentences and the regions that they mean.
        ignore: bool [H, W], pixels of which nobody knows what they show; None where there are none.
        key: Name of the scene in its cache; None of a scene that is not kept.
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
        """Return what training needs of a scene."""
        middle = scene.instances[len(scene.instances) // 2]
        regions = middle == np.arange(1, len(scene.actors) + 1, dtype=np.uint8)[:, None, None]
        words = tuple(words_of(facts) for facts in scene.actors)
        return cls(scene.frames, regions, words, (frozenset(),) * len(words), scene.references)

    def with_doubt(self, words: frozenset[str]) -> "TrainingScene":
        """Return the scene with words that may be true of anything in it, also of what is no region."""
        rest = np.asarray(~self.regions.any(axis=0))
        return replace(
            self,
            regions=np.concatenate([self.regions, rest[None]]),
            words=(*self.words, frozenset()),
            unsure=(*(doubt | words for doubt in self.unsure), words),
        )


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
        origin = {"scenes": _VERSION, **origin}
        record = folder / _RECORD
        if not record.exists():
            if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
                raise UsageError(f"'{folder}' is no folder of scenes; give an empty or a new one to --cache")
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(record, json.dumps(origin))
        kept = json.loads(record.read_text(encoding="utf-8"))
        if kept != origin:
            raise UsageError(f"the scenes in '{folder}' were made with {kept}, not with {origin}; give another --cache")

    def get(
        self, name: str, rng: np.random.Generator, draw: Callable[[np.random.Generator], Scene | TrainingScene]
    ) -> TrainingScene:
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
            drawn = draw(np.random.default_rng([number, *name.encode()]))
            told = TrainingScene.of(drawn) if isinstance(drawn, Scene) else drawn
            path.parent.mkdir(exist_ok=True)
            _write(path, told)
        return replace(told, key=f"{name}/{number:05d}")


def _write(path: Path, told: TrainingScene) -> None:
    facts = {
        "words": [sorted(words) for words in told.words],
        "unsure": [sorted(words) for words in told.unsure],
        "references": [[r.expression, r.actor, sorted(r.ways)] for r in told.references],
        "ignore": told.ignore is not None,
    }
    packed = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    planes = told.regions if told.ignore is None else np.concatenate([told.regions, told.ignore[None]])
    with whole_file(path) as temporary:
        np.savez(temporary, frames=told.frames, planes=np.packbits(planes, axis=-1), facts=packed)


def _read(path: Path) -> TrainingScene | None:
    """Return a kept scene, None where there is none or it is damaged."""
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
