"""`refvid world`: draw the procedural world as a data set on disk or as a contact sheet."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from refvid.cli import options as opt
from refvid.cli.console import Terminal
from refvid.data.text import count_of
from refvid.errors import UsageError

if TYPE_CHECKING:
    from refvid.world.scenes.sampler import Mode

LayoutName = Literal["a2d", "jhmdb"]
ModeName = Literal["mixed", "motion", "people", "photo", "object-photo", "object-composite"]
_MIN_SIDE, _MAX_SIDE = 32, 4096  # pixels

world_app = typer.Typer(name="world", help="Draw the procedural world, as a data set to train on or as a picture.")

Seed = Annotated[
    int, typer.Option("--seed", metavar="S", min=0, help="Random seed; the same seed draws the same world.")
]
Photos = Annotated[
    list[Path] | None,
    typer.Option(
        "--photos",
        metavar="DIR",
        help="Cut the figures out of real photos: photos/NNNN.jpg, labels/NNNN.png and labels.json in DIR; preview "
        "also shows photos of objects, with index.jsonl in DIR. May be given several times.",
    ),
]
PhotoSources = Annotated[
    list[str] | None,
    typer.Option(
        "--photo-source",
        metavar="NAME",
        help="Use these sources of the photos of objects alone; may be given several times.",
    ),
]


@world_app.callback()
def world() -> None:
    """Draw the procedural world, as a data set to train on or as a picture."""


@world_app.command("make")
def make(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder to create.")],
    videos: Annotated[int, typer.Option("--videos", metavar="N", min=1, help="Number of videos.")],
    seed: Seed = 0,
    layout: Annotated[
        LayoutName,
        typer.Option("--layout", help="a2d: A2D Sentences, with one video in five for testing; jhmdb: J-HMDB."),
    ] = "a2d",
    photos: Photos = None,
    frames: Annotated[int, typer.Option("--frames", metavar="T", min=5, help="Number of frames in each video.")] = 32,
    size: Annotated[
        str | None,
        typer.Option("--size", metavar="WxH", help="Size of the frames (default: 568x320 for a2d, 320x240 for jhmdb)."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("-y", "--overwrite", help="Replace a folder that this command created.")
    ] = False,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
    log_file: opt.LogFile = None,
) -> None:
    """Write videos of the world, with sentences and masks, in the layout of a real data set.

    `refvid train` and `refvid eval` read DIR like the real data set. The same seed gives the same annotations.
    Example: refvid world make --out world --videos 500 --seed 1
    """
    pixels = None if size is None else parse_size(size)
    with Terminal(quiet=quiet, verbose=verbose, log_file=log_file) as terminal:
        from refvid.world.output.make import WorldPlan, make_world

        plan = WorldPlan(layout, videos, seed, frames, pixels, tuple(photos or ()))
        with terminal.progress(out.name) as progress:
            report = make_world(out, plan, overwrite=overwrite, progress=progress)
        terminal.say(
            f"wrote {out}: {count_of(report.videos, 'video')}, {count_of(report.sentences, 'sentence')}, "
            f"{count_of(report.frames, 'frame')} with masks"
        )


@world_app.command("preview")
def preview(
    seed: Seed = 0,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="PNG", help="Picture to write.")] = Path(
        "refvid-world.png"
    ),
    photos: Photos = None,
    photo_source: PhotoSources = None,
    mode: Annotated[
        ModeName,
        typer.Option(
            "--mode",
            help="mixed: all kinds of actors; motion: look-alikes that differ in what they do; people: two or three "
            "large people.",
        ),
    ] = "mixed",
    columns: Annotated[
        int, typer.Option("--columns", metavar="N", min=1, max=12, help="Number of scenes per row.")
    ] = 3,
    rows: Annotated[int, typer.Option("--rows", metavar="N", min=1, max=12, help="Number of rows.")] = 3,
    overwrite: opt.Overwrite = False,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
    log_file: opt.LogFile = None,
) -> None:
    """Draw a contact sheet of the world: scenes in which the actor of an expression is marked.

    Example: refvid world preview --seed 7 --out sheet.png
    """
    folders = tuple(photos or ())
    if folders and mode in ("motion", "people"):
        raise UsageError(f"--mode {mode} is for drawn actors; leave out --mode or --photos")
    if not folders and mode not in ("mixed", "motion", "people"):
        raise UsageError(f"--mode {mode} shows photos; give --photos DIR, or leave --mode out")
    with Terminal(quiet=quiet, verbose=verbose, log_file=log_file) as terminal:
        from refvid.world.objects.folder import is_object_folder

        with terminal.progress(out.name) as progress:
            if mode in ("photo", "object-photo", "object-composite") or any(map(is_object_folder, folders)):
                from refvid.world.output.training_sheet import SheetPlan, write_training_sheet

                kind = "" if mode == "mixed" else mode
                sheet = SheetPlan(folders, tuple(photo_source or ()), kind, seed, columns, rows)
                write_training_sheet(out, sheet, overwrite=overwrite, progress=progress)
            else:
                from refvid.world.output.preview import PreviewPlan, write_preview

                plan = PreviewPlan(seed, cast("Mode", mode), folders, columns, rows)
                write_preview(out, plan, overwrite=overwrite, progress=progress)
        terminal.say(f"wrote {out}: {count_of(columns * rows, 'scene')}")


def parse_size(text: str) -> tuple[int, int]:
    """Return the width and height, in pixels, of a size such as `568x320`.

    Raises:
        UsageError: The text is not a size, or the size is out of range.
    """
    match = re.fullmatch(r"(\d+)[xX×](\d+)", text.strip(), re.ASCII)
    if match is None:
        raise UsageError(f"cannot read {text!r} as a size: give width and height, such as 568x320")
    width, height = int(match[1]), int(match[2])
    if not (_MIN_SIDE <= width <= _MAX_SIDE and _MIN_SIDE <= height <= _MAX_SIDE):
        raise UsageError(f"--size {text} is out of range: both sides must be {_MIN_SIDE} to {_MAX_SIDE} pixels")
    return width, height
