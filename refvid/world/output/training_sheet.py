"""A contact sheet of what training sees: scenes with their sentences, in the colours of the regions they mean."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from refvid.errors import UsageError
from refvid.files import Staging, writing
from refvid.progress import OnProgress, ignore_progress
from refvid.video.folder_writer import save_picture
from refvid.world.cache import TrainingScene
from refvid.world.source import OF_OBJECTS, OF_PEOPLE, WorldSource

SIZE = (300, 225)  # width and height of a scene, pixels
FRAMES, FRAME_STRIDE = 5, 4  # of composites; photos are shown as one frame
_MARGIN, _LINE, _SENTENCES, _DENIALS, _REGIONS = 8, 18, 12, 8, 6
_PAGE, _QUIET = (20, 21, 25), (165, 170, 180)
_COLOURS = ((255, 96, 88), (90, 220, 110), (110, 165, 255), (255, 214, 70), (240, 120, 255), (80, 230, 230))


@dataclass(frozen=True)
class SheetPlan:
    """What to show.

    Attributes:
        photos: Folders of photos, of people or of objects.
        sources: Of the photos of objects, by name; none: the usual ones.
        kind: One of `refvid.world.source.KINDS`; empty: all that the photos give, in turn.
        seed: Scene i is drawn from (seed, i).
        columns: Scenes beside each other.
        rows: Scenes below each other.
    """

    photos: tuple[Path, ...]
    sources: tuple[str, ...] = ()
    kind: str = ""
    seed: int = 0
    columns: int = 3
    rows: int = 4


def write_training_sheet(
    output: Path, plan: SheetPlan, *, overwrite: bool = False, progress: OnProgress = ignore_progress
) -> None:
    """Draw the sheet and write it as PNG.

    Raises:
        OutputExistsError: The output is there and `overwrite` is off.
        UsageError: The output is no .png, or the photos do not give the kind.
        RefvidError: The photos cannot be used, or the file cannot be written.
    """
    if output.suffix.lower() != ".png":
        raise UsageError(f"{output} does not end in .png; the preview is a PNG picture")
    staging = Staging(output, folder=False, overwrite=overwrite)
    with writing(output):
        try:
            save_picture(draw_training_sheet(plan, progress), staging.temporary)
            staging.commit()
        except BaseException:  # Ctrl-C too
            staging.discard()
            raise


def draw_training_sheet(plan: SheetPlan, progress: OnProgress = ignore_progress) -> Image.Image:
    """Draw scenes side by side.

    Raises:
        UsageError: The photos do not give the kind, or cannot be used.
        RefvidError: A photo cannot be read.
    """
    usual = WorldSource(photos=plan.photos, sources=plan.sources)
    kinds = (plan.kind,) if plan.kind else tuple(name for name in usual.kinds if name in (*OF_OBJECTS, *OF_PEOPLE))
    if not set(kinds) <= set(usual.kinds) or not kinds:
        raise UsageError(f"these photos give no scenes of the kind {plan.kind or 'photo'}; give --photos others")
    clips = WorldSource(frames=FRAMES, frame_stride=FRAME_STRIDE, photos=plan.photos, sources=plan.sources)
    width, height = _tile_size()
    sheet = Image.new("RGB", (plan.columns * width, plan.rows * height), _PAGE)
    total = plan.columns * plan.rows
    for index in range(total):
        kind = kinds[index % len(kinds)]
        source = usual if "photo" in kind else clips
        scene = source.draw_scene(np.random.default_rng((plan.seed, index)), kind, *SIZE)
        row, column = divmod(index, plan.columns)
        sheet.paste(_draw_tile(scene), (column * width, row * height))
        progress(index + 1, total)
    return sheet


def _tile_size() -> tuple[int, int]:
    lines = _SENTENCES // 2 + _DENIALS // 2
    return 2 * SIZE[0] + 3 * _MARGIN, SIZE[1] + lines * _LINE + 4 * _MARGIN


def _draw_tile(scene: TrainingScene) -> Image.Image:
    """Draw a scene as it is and with its regions outlined; what is left out of the loss is pale."""
    frame = scene.frames[len(scene.frames) // 2]
    marked = frame.copy()
    if scene.ignore is not None:
        marked[scene.ignore] = marked[scene.ignore] // 2 + np.uint8(127)
    present = [reference for reference in scene.references if reference.actor is not None]
    denied = [reference for reference in scene.references if reference.actor is None]
    regions = list(dict.fromkeys(reference.actor for reference in present))[:_REGIONS]
    for region, colour in zip(regions, _COLOURS, strict=False):
        assert region is not None
        outline = scene.regions[region].astype(np.uint8)
        lines, _ = cv2.findContours(outline, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(marked, lines, -1, colour, 2)
    tile = Image.new("RGB", _tile_size(), _PAGE)
    for left, picture in ((_MARGIN, frame), (SIZE[0] + 2 * _MARGIN, marked)):
        shown = Image.fromarray(picture)
        shown.thumbnail(SIZE)
        tile.paste(shown, (left, _MARGIN))
    said = [(one.expression, _COLOURS[regions.index(one.actor)]) for one in present if one.actor in regions]
    top = SIZE[1] + 2 * _MARGIN
    _write(tile, said[:_SENTENCES], top)
    _write(tile, [(f"none: {one.expression}", _QUIET) for one in denied[:_DENIALS]], top + _SENTENCES // 2 * _LINE + 4)
    return tile


def _write(tile: Image.Image, lines: list[tuple[str, tuple[int, int, int]]], top: int) -> None:
    """Write sentences in two columns."""
    font = ImageFont.load_default(14)
    assert isinstance(font, ImageFont.FreeTypeFont)
    pen = ImageDraw.Draw(tile)
    for number, (text, colour) in enumerate(lines):
        row, column = divmod(number, 2)
        while font.getlength(text) > SIZE[0]:
            text = text[:-2].rstrip("…") + "…"
        pen.text((_MARGIN + column * (SIZE[0] + _MARGIN), top + row * _LINE), text, colour, font)
