"""`refvid world make`: writes many scenes as a data set."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from refvid.data.world_record import RECORD
from refvid.errors import OutputExistsError, RefvidError, UsageError
from refvid.files import Staging, writing
from refvid.progress import OnProgress, ignore_progress
from refvid.world.output.a2d_layout import MIN_FRAMES, A2DWriter, is_test
from refvid.world.output.jhmdb_layout import JHMDBWriter
from refvid.world.scene import Scene

LayoutName = Literal["a2d", "jhmdb"]
SIZES: dict[LayoutName, tuple[int, int]] = {"a2d": (568, 320), "jhmdb": (320, 240)}
MAX_VIDEOS = 1_000_000  # names have six digits
_MAX_DRAWS = 20
_MIN_PHOTO = 256

SceneMaker = Callable[[np.random.Generator, bool], Scene]


@dataclass(frozen=True)
class WorldPlan:
    """The specification of a world.

    Attributes:
        layout: Data set whose layout is used.
        videos: Number of videos, at least 1.
        seed: Seed; video i is drawn from (seed, i), whatever the number of videos.
        frames: Number of frames per video, at least 5.
        size: Width and height in pixels; None for the layout's usual size.
        photos: Folders of photos of people to cut figures from; none to draw everything.
    """

    layout: LayoutName = "a2d"
    videos: int = 100
    seed: int = 0
    frames: int = 32
    size: tuple[int, int] | None = None
    photos: tuple[Path, ...] = ()


@dataclass(frozen=True)
class WorldReport:
    """The contents of a finished world.

    Attributes:
        videos: Number of videos.
        sentences: Number of sentences about their actors.
        frames: Number of frames with masks.
    """

    videos: int
    sentences: int
    frames: int


class LayoutWriter(Protocol):
    """A way of storing scenes; implemented by `A2DWriter` and `JHMDBWriter`."""

    sentences: int
    frames: int

    def add(self, index: int, scene: Scene, rng: np.random.Generator) -> bool:
        """Write one video; return False if the scene does not fit into the layout."""
        ...

    def finish(self) -> None:
        """Write the files that concern all videos."""
        ...


def make_world(
    output: Path,
    plan: WorldPlan,
    *,
    overwrite: bool = False,
    progress: OnProgress = ignore_progress,
    draw: SceneMaker | None = None,
) -> WorldReport:
    """Draw scenes and write them as a data set; the folder appears only once it is complete.

    Args:
        output: Folder to create; it may exist if it is empty.
        plan: Specification of the world.
        overwrite: Whether to replace a folder that was made by this function.
        progress: Called with the number of frames done and the total.
        draw: Function of a video's generator and of whether the video is for testing; None to draw the world.

    Raises:
        OutputExistsError: The folder is not empty.
        UsageError: The plan is invalid, or the parent folder of the output does not exist.
        RefvidError: The photos cannot be used, or the files cannot be written.
        UnavailableError: A package needed for the layout is not installed.
    """
    _check(plan)
    staging = _WorldStaging(output, folder=True, overwrite=overwrite)
    draw = draw or scene_maker(plan)
    with writing(output):
        try:
            staging.open()
            report = _write_videos(staging.temporary, plan, draw, progress)
            _write_record(staging.temporary / RECORD, plan)
            staging.commit()
        except BaseException:  # Ctrl-C too
            staging.discard()
            raise
    return report


def scene_maker(plan: WorldPlan) -> SceneMaker:
    """Return the function that draws the scenes of a plan; test videos use photos that training never shows.

    Raises:
        RefvidError: The photos cannot be used.
    """
    width, height = plan.size or SIZES[plan.layout]
    if not plan.photos:
        from refvid.world.scenes.sampler import draw_scene

        return lambda rng, test: draw_scene(rng, frames=plan.frames, width=width, height=height)
    from refvid.world.photos.folder import Split, one_of
    from refvid.world.photos.scene import PhotoWorld

    worlds: dict[bool, list[PhotoWorld]] = {}
    for test in (False, True) if plan.layout == "a2d" else (True,):  # J-HMDB Sentences has a test split only
        # Figures are rarely taller than the frame, so larger photos would only waste memory.
        size = max(_MIN_PHOTO, height)
        split: Split = "validation" if test else "train"
        worlds[test] = [PhotoWorld(photos, split=split, size=size) for photos in plan.photos]
    return lambda rng, test: one_of(rng, worlds[test]).draw_scene(rng, frames=plan.frames, width=width, height=height)


def _check(plan: WorldPlan) -> None:
    if not 1 <= plan.videos <= MAX_VIDEOS:
        raise UsageError(f"{plan.videos} videos were requested; give a number from 1 to {MAX_VIDEOS}")
    if plan.frames < MIN_FRAMES:
        raise UsageError(f"a video of {plan.frames} frames is too short to annotate; give at least {MIN_FRAMES}")
    for photos in plan.photos:
        if (photos / "index.jsonl").is_file():
            raise UsageError(
                f"{photos} holds photos of objects, which the layouts of A2D and J-HMDB have no names for; give photos "
                "of people, with labels.json, or learn from it by `refvid train --dataset world --photos`"
            )
    if plan.seed < 0:
        raise UsageError(f"the seed {plan.seed} is negative; give 0 or more")


def _write_videos(folder: Path, plan: WorldPlan, draw: SceneMaker, progress: OnProgress) -> WorldReport:
    writer: LayoutWriter = A2DWriter(folder) if plan.layout == "a2d" else JHMDBWriter(folder)
    for index in range(plan.videos):
        rng = np.random.default_rng((plan.seed, index))
        test = plan.layout == "jhmdb" or is_test(index)
        # Scenes in which no actor can be told apart are rare; draw another one instead.
        if not any(writer.add(index, draw(rng, test), rng) for _ in range(_MAX_DRAWS)):
            raise RefvidError(f"{_MAX_DRAWS} scenes for video {index} describe no actor; give another --seed or --size")
        progress((index + 1) * plan.frames, plan.videos * plan.frames)
    writer.finish()
    return WorldReport(plan.videos, writer.sentences, writer.frames)


def _write_record(path: Path, plan: WorldPlan) -> None:
    """Write the record of how the folder was made, which also marks it as replaceable."""
    width, height = plan.size or SIZES[plan.layout]
    made = {
        "schema": 1,
        "refvid": version("refvid"),
        "layout": plan.layout,
        "videos": plan.videos,
        "seed": plan.seed,
        "frames": plan.frames,
        "size": [width, height],
        "photos": bool(plan.photos),
    }
    path.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")


class _WorldStaging(Staging):
    """The temporary location of a world; only a folder that contains a world is replaced."""

    def _check_replaceable(self, output: Path) -> None:
        """Raise an error unless the folder is a world, so that a mistyped name never destroys the real data set."""
        if any(output.iterdir()) and not (output / RECORD).is_file():
            raise OutputExistsError(
                f"{output} was not made by `refvid world make` (it holds no {RECORD}), so it is not replaced; "
                "give another folder or empty this one"
            )
