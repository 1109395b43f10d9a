"""`refvid world preview`: a contact sheet of scenes, each with an expression and the actor it refers to."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from refvid.errors import RefvidError, UsageError
from refvid.files import Staging, writing
from refvid.progress import OnProgress, ignore_progress
from refvid.video.folder_writer import save_picture
from refvid.video.legend import Colour
from refvid.video.render import expression_colour
from refvid.world.scene import Reference, Scene

SceneMaker = Callable[[np.random.Generator], Scene]

if TYPE_CHECKING:
    from refvid.world.scenes.sampler import Mode

SCENE_FRAMES = 24  # about a second, enough for a step
PICTURE = (432, 270)  # width and height of a scene in pixels
_STRIP_GAP, _STRIP_FRAMES = 6, 3
_MARGIN, _GAP, _PADDING, _HEADER = 28, 20, 12, 64
_CAPTION_SIZE, _CAPTION_LINES, _LINE = 17, 2, 23
_LINE_WIDTH, _RIM = 2, 0.5  # pixels; darkness of the rim, which shows the line on a background of its own colour
_MAX_DRAWS = 20
_KINDS: "dict[Mode, str]" = {"mixed": "mixed expressions", "motion": "motion expressions", "people": "people"}

_PAGE: Colour = (14, 16, 20)
_CARD: Colour = (25, 28, 34)
_EDGE: Colour = (44, 48, 57)
_TEXT: Colour = (236, 238, 242)
_QUIET: Colour = (140, 147, 160)


@dataclass(frozen=True)
class PreviewPlan:
    """The specification of a preview.

    Attributes:
        seed: Seed; scene i is drawn from (seed, i), as by `refvid world make`.
        mode: Kind of scenes, see `draw_scene`.
        photos: Folders of photos of people to cut figures from; none to draw everything.
        columns: Number of columns of scenes.
        rows: Number of rows of scenes.
    """

    seed: int = 0
    mode: "Mode" = "mixed"
    photos: tuple[Path, ...] = ()
    columns: int = 3
    rows: int = 3


def write_preview(
    output: Path,
    plan: PreviewPlan,
    *,
    overwrite: bool = False,
    progress: OnProgress = ignore_progress,
    draw: SceneMaker | None = None,
) -> None:
    """Draw the contact sheet and write it as PNG.

    Args:
        output: Path ending in .png.
        plan: Specification of the preview.
        overwrite: Whether to replace an existing file.
        progress: Called with the number of frames done and the total.
        draw: Function that makes a scene from a generator; None to draw the world.

    Raises:
        OutputExistsError: The output exists and `overwrite` is False.
        UsageError: The output does not end in .png, or its folder does not exist.
        RefvidError: The photos cannot be used, or the file cannot be written.
    """
    if output.suffix.lower() != ".png":
        raise UsageError(f"{output} does not end in .png, but the preview is a PNG picture; give a name that does")
    staging = Staging(output, folder=False, overwrite=overwrite)
    draw = draw or _scene_maker(plan)
    with writing(output):
        try:
            save_picture(draw_sheet(plan, draw, progress), staging.temporary)
            staging.commit()
        except BaseException:  # Ctrl-C too
            staging.discard()
            raise


def draw_sheet(plan: PreviewPlan, draw: SceneMaker, progress: OnProgress = ignore_progress) -> Image.Image:
    """Draw a grid of scenes: the middle frame with the actor marked, three moments, and the expression.

    Raises:
        RefvidError: None of many scenes has an expression that refers to an actor.
    """
    width, height = tile_size()
    total = plan.columns * plan.rows
    sheet = Image.new(
        "RGB",
        (
            2 * _MARGIN + plan.columns * width + (plan.columns - 1) * _GAP,
            _HEADER + _MARGIN + plan.rows * height + (plan.rows - 1) * _GAP,
        ),
        _PAGE,
    )
    _draw_header(sheet, plan)
    for index in range(total):
        rng = np.random.default_rng((plan.seed, index))
        scene, reference = _described_scene(rng, draw)
        row, column = divmod(index, plan.columns)
        place = (_MARGIN + column * (width + _GAP), _HEADER + row * (height + _GAP))
        sheet.paste(draw_tile(scene, reference, expression_colour(index)), place)
        progress((index + 1) * SCENE_FRAMES, total * SCENE_FRAMES)
    return sheet


def tile_size() -> tuple[int, int]:
    """Return the width and height in pixels of a scene with its strip and expression."""
    strip = _strip_size()[1]
    caption = _CAPTION_LINES * _LINE
    return PICTURE[0] + 2 * _PADDING, PICTURE[1] + strip + caption + _STRIP_GAP + 3 * _PADDING


def draw_tile(scene: Scene, reference: Reference, colour: Colour) -> Image.Image:
    """Draw one scene.

    Args:
        scene: Scene with frames of any size, which are scaled.
        reference: Expression that refers to one of its actors.
        colour: Colour of the line around the actor, in every moment, and of the dot before the expression.
    """
    tile = Image.new("RGB", tile_size(), _PAGE)
    pen = ImageDraw.Draw(tile)
    pen.rounded_rectangle((0, 0, tile.width - 1, tile.height - 1), 10, fill=_CARD, outline=_EDGE)
    middle, last = len(scene.frames) // 2, len(scene.frames) - 1
    tile.paste(_moment(scene, reference.actor, middle, colour, PICTURE), (_PADDING, _PADDING))
    width, height = _strip_size()
    top = _PADDING + PICTURE[1] + _STRIP_GAP
    for position, index in enumerate((0, middle, last)):
        left = _PADDING + position * (width + _STRIP_GAP)
        tile.paste(_moment(scene, reference.actor, index, colour, (width, height)), (left, top))
    _draw_caption(pen, reference.expression, colour, top + height + _PADDING)
    return tile


def wrap(text: str, font: ImageFont.FreeTypeFont, width: float, lines: int) -> list[str]:
    """Break a text at blanks into at most `lines` lines of `width` pixels; an ellipsis replaces the rest."""
    wrapped: list[str] = []
    line = ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if not line or font.getlength(longer) <= width:
            line = longer
            continue
        wrapped.append(line)
        line = word
    wrapped.append(line)
    if len(wrapped) > lines:
        kept = wrapped[lines - 1]
        while kept and font.getlength(f"{kept}…") > width:
            kept = kept.rpartition(" ")[0]
        wrapped = [*wrapped[: lines - 1], f"{kept}…"]
    return wrapped


def _described_scene(rng: np.random.Generator, draw: SceneMaker) -> tuple[Scene, Reference]:
    """Draw scenes until one has an expression that refers to an actor, and pick such an expression at random."""
    for _ in range(_MAX_DRAWS):
        scene = draw(rng)
        naming = [reference for reference in scene.references if reference.actor is not None]
        if naming:
            return scene, naming[int(rng.integers(len(naming)))]
    raise RefvidError(f"{_MAX_DRAWS} scenes describe no actor; give another --seed")


def _scene_maker(plan: PreviewPlan) -> SceneMaker:
    width, height = PICTURE
    if not plan.photos:
        from refvid.world.scenes.sampler import draw_scene

        return lambda rng: draw_scene(rng, frames=SCENE_FRAMES, width=width, height=height, mode=plan.mode)
    from refvid.world.photos.folder import one_of
    from refvid.world.photos.scene import PhotoWorld

    worlds = [PhotoWorld(folder, split="train") for folder in plan.photos]
    return lambda rng: one_of(rng, worlds).draw_scene(rng, frames=SCENE_FRAMES, width=width, height=height)


def _strip_size() -> tuple[int, int]:
    width = (PICTURE[0] - (_STRIP_FRAMES - 1) * _STRIP_GAP) // _STRIP_FRAMES
    return width, round(width * PICTURE[1] / PICTURE[0])


def _moment(scene: Scene, actor: int | None, index: int, colour: Colour, size: tuple[int, int]) -> Image.Image:
    """Return one frame with a line around the actor, whose colours are left alone so that the expression stays true."""
    picture = Image.fromarray(scene.frames[index]).resize(size, Image.Resampling.LANCZOS)
    twice = (2 * size[0], 2 * size[1])  # the line is drawn at double size and scaled down for antialiasing
    mask = Image.fromarray(scene.mask(actor)[index].astype(np.uint8) * np.uint8(255)).resize(twice)
    shape = mask.point([255 * (value > 127) for value in range(256)])
    for width, paint, strength in ((_LINE_WIDTH + 1, (0, 0, 0), _RIM), (_LINE_WIDTH, colour, 1.0)):
        ring = ImageChops.subtract(shape.filter(ImageFilter.MaxFilter(4 * width + 1)), shape)
        soft = ring.resize(size, Image.Resampling.BOX).point([round(strength * value) for value in range(256)])
        picture.paste(paint, (0, 0), soft)
    return picture


def _draw_header(sheet: Image.Image, plan: PreviewPlan) -> None:
    pen = ImageDraw.Draw(sheet)
    pen.text((_MARGIN, _HEADER // 2), "refvid world", _TEXT, ImageFont.load_default(26), anchor="lm")
    kind = "photo composites" if plan.photos else _KINDS[plan.mode]
    label = f"{kind}  ·  seed {plan.seed}"
    pen.text((sheet.width - _MARGIN, _HEADER // 2), label, _QUIET, ImageFont.load_default(17), anchor="rm")


def _draw_caption(pen: ImageDraw.ImageDraw, expression: str, colour: Colour, top: int) -> None:
    """Draw the expression, centred in its space, after a dot in the actor's colour."""
    font = ImageFont.load_default(_CAPTION_SIZE)
    assert isinstance(font, ImageFont.FreeTypeFont)
    indent = _PADDING + 22
    lines = wrap(expression, font, PICTURE[0] + _PADDING - indent, _CAPTION_LINES)
    top += (_CAPTION_LINES - len(lines)) * _LINE // 2
    pen.ellipse((_PADDING + 2, top + 5, _PADDING + 13, top + 16), fill=colour)
    for number, line in enumerate(lines):
        pen.text((indent, top + number * _LINE), line, _TEXT, font)
