"""`refvid world make`: many scenes, written as a data set on disk."""

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
MAX_VIDEOS = 1_000_000  # six digits in a name
_MAX_DRAWS = 20
_MIN_PHOTO = 256

SceneMaker = Callable[[np.random.Generator, bool], Scene]


@dataclass(frozen=True)
class WorldPlan:
    """What to make.

    Attributes:
        layout: Whose files are written.
        videos: How many, at least 1.
        seed: Video i is drawn from (seed, i), whatever the number of videos.
        frames: In each video, at least five.
        size: Width and height in pixels; None is the layout's usual one.
        photos: Folder of real photos to cut figures out of; None draws everything.
    """

    layout: LayoutName = "a2d"
    videos: int = 100
    seed: int = 0
    frames: int = 32
    size: tuple[int, int] | None = None
    photos: Path | None = None


@dataclass(frozen=True)
class WorldReport:
    """What was made.

    Attributes:
        videos: Videos written.
        sentences: Sentences about actors in them.
        frames: Frames with masks.
    """

    videos: int
    sentences: int
    frames: int


class LayoutWriter(Protocol):
    """One way of storing scenes; `A2DWriter` and `JHMDBWriter`."""

    sentences: int
    frames: int

    def add(self, index: int, scene: Scene, rng: np.random.Generator) -> bool:
        """Write one video; False when the layout has no place for the scene."""
        ...

    def finish(self) -> None:
        """Write what is about all videos."""
        ...


def make_world(
    output: Path,
    plan: WorldPlan,
    *,
    overwrite: bool = False,
    progress: OnProgress = ignore_progress,
    draw: SceneMaker | None = None,
) -> WorldReport:
    """Draw scenes and write them as a data set; the folder appears when it is whole.

    Args:
        output: Folder to make; an empty one may be there.
        plan: What to make.
        overwrite: Replace a folder that was made by this function.
        progress: Takes frames done and frames in all.
        draw: Takes a video's random numbers and whether it is for testing; None draws the world.

    Raises:
        OutputExistsError: There is something in the folder already.
        UsageError: The plan cannot be carried out, or the output has no folder to be in.
        RefvidError: The photos cannot be used, or the files cannot be written.
        UnavailableError: A package that the layout needs is not installed.
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
    """Return the function that draws a plan's scenes; test videos are cut from photos that training never shows.

    Raises:
        RefvidError: The photos cannot be used.
    """
    width, height = plan.size or SIZES[plan.layout]
    if plan.photos is None:
        from refvid.world.scenes.sampler import draw_scene

        return lambda rng, test: draw_scene(rng, frames=plan.frames, width=width, height=height)
    from refvid.world.photos.scene import PhotoWorld

    worlds: dict[bool, PhotoWorld] = {}
    for test in (False, True) if plan.layout == "a2d" else (True,):  # J-HMDB Sentences is for testing alone
        # Hardly anybody is taller than the frame, so larger photos would only fill the memory.
        size = max(_MIN_PHOTO, height)
        worlds[test] = PhotoWorld(plan.photos, split="validation" if test else "train", size=size)
    return lambda rng, test: worlds[test].draw_scene(rng, frames=plan.frames, width=width, height=height)


def _check(plan: WorldPlan) -> None:
    if not 1 <= plan.videos <= MAX_VIDEOS:
        raise UsageError(f"{plan.videos} videos cannot be made; give a number from 1 to {MAX_VIDEOS}")
    if plan.frames < MIN_FRAMES:
        raise UsageError(f"a video of {plan.frames} frames is too short to annotate; give at least {MIN_FRAMES}")
    if plan.seed < 0:
        raise UsageError(f"the seed {plan.seed} is negative; give 0 or more")


def _write_videos(folder: Path, plan: WorldPlan, draw: SceneMaker, progress: OnProgress) -> WorldReport:
    writer: LayoutWriter = A2DWriter(folder) if plan.layout == "a2d" else JHMDBWriter(folder)
    for index in range(plan.videos):
        rng = np.random.default_rng((plan.seed, index))
        test = plan.layout == "jhmdb" or is_test(index)
        # A scene in which nothing can be told apart is rare, and the next one is as good.
        if not any(writer.add(index, draw(rng, test), rng) for _ in range(_MAX_DRAWS)):
            raise RefvidError(f"{_MAX_DRAWS} scenes for video {index} describe no actor; give another --seed or --size")
        progress((index + 1) * plan.frames, plan.videos * plan.frames)
    writer.finish()
    return WorldReport(plan.videos, writer.sentences, writer.frames)


def _write_record(path: Path, plan: WorldPlan) -> None:
    """Write how the folder was made, which also marks it as one that may be replaced."""
    width, height = plan.size or SIZES[plan.layout]
    made = {
        "schema": 1,
        "refvid": version("refvid"),
        "layout": plan.layout,
        "videos": plan.videos,
        "seed": plan.seed,
        "frames": plan.frames,
        "size": [width, height],
        "photos": plan.photos is not None,
    }
    path.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")


class _WorldStaging(Staging):
    """The temporary place of a data set; only a folder that was made here is replaced."""

    def _check_replaceable(self, output: Path) -> None:
        """A wrong name must not cost anybody the real data set."""
        if any(output.iterdir()) and not (output / RECORD).is_file():
            raise OutputExistsError(
                f"{output} was not made by `refvid world make` (it holds no {RECORD}), so it is not replaced; "
                "give another folder or empty this one"
            )
