"""Contact sheets for `world_score.py`: the best, middling and worst clips of a test, ground truth and prediction."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from benchmarks.score_tests import Clip, ClipScore, Finding, Masks, findings_of
from refvid.world.output.preview import wrap

_BAND, _COLUMNS = 12, 6
_GAP, _HEADER, _CAPTION, _LINE = 10, 34, 42, 18
_TILES = {"photo": (240, 320)}  # width and height of a picture in pixels
_TILE = (320, 200)
_TRUE, _FOUND, _PAGE, _TEXT = (40, 230, 80), (255, 0, 255), (20, 22, 26), (236, 238, 242)

Band = tuple[str, Sequence[Finding]]


@dataclass(frozen=True)
class Page:
    """What is kept of a clip until the shown ones are chosen: a hundredth of the clip.

    Attributes:
        frame: The middle frame, uint8 [H, W, 3].
        expressions: The clip's E expressions.
        truth: Ground-truth masks [E, H, W] as packed bits, uint8.
        found: Predicted masks [E, H, W] as packed bits, uint8.
    """

    frame: npt.NDArray[np.uint8]
    expressions: tuple[str, ...]
    truth: npt.NDArray[np.uint8]
    found: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, clip: Clip, found: Masks) -> "Page":
        """Return the page of a clip and its predicted masks."""
        frame = clip.sample.frames[len(clip.sample.frames) // 2].copy()  # a view would keep the whole clip in memory
        return cls(frame, clip.sample.expressions, np.packbits(clip.sample.masks), np.packbits(found))

    def mask(self, packed: npt.NDArray[np.uint8], row: int) -> Masks:
        """Return the mask of one expression."""
        shape = (len(self.expressions), *self.frame.shape[:2])
        mask: Masks = np.unpackbits(packed, count=math.prod(shape)).reshape(shape)[row].astype(np.bool_)
        return mask


def write_sheet(
    path: Path, test: str, scores: Sequence[ClipScore], pages: Sequence[Page], tile: tuple[int, int] | None = None
) -> None:
    """Write one picture with the ground truth outlined in green and the prediction in magenta.

    Args:
        path: Path of the PNG, whose folder is created.
        test: Name of the test.
        scores: Scores of the clips of the test.
        pages: Page of each clip.
        tile: Width and height of a picture in pixels; None for those of the test.
    """
    bands = bands_of(scores)
    width, height = tile or _TILES.get(test, _TILE)
    heights = [_HEADER + -(-len(findings) // _COLUMNS) * (height + _CAPTION + _GAP) for _, findings in bands]
    sheet = Image.new("RGB", (_GAP + _COLUMNS * (width + _GAP), sum(heights) + _GAP), _PAGE)
    pen, top = ImageDraw.Draw(sheet), 0
    for (name, findings), below in zip(bands, heights, strict=True):
        pen.text((_GAP, top + _HEADER // 2), f"{test}: {name}", _TEXT, ImageFont.load_default(20), anchor="lm")
        for number, finding in enumerate(findings):
            row, column = divmod(number, _COLUMNS)
            place = (_GAP + column * (width + _GAP), top + _HEADER + row * (height + _CAPTION + _GAP))
            sheet.paste(_tile(pages[finding.clip], finding, (width, height)), place)
        top += below
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)


def bands_of(scores: Sequence[ClipScore]) -> list[Band]:
    """Return the rows to show: at most twelve findings each, one per clip, with false detections at the end."""
    present, absent = findings_of(scores, present=True), findings_of(scores, present=False)
    middle = float(np.median([finding.iou for finding in present])) if present else 0.0
    bands = [
        ("best", _first(present, lambda finding: -finding.iou)),
        (f"middling, around the median of {middle:.2f}", _first(present, lambda finding: abs(finding.iou - middle))),
        ("worst", _first(present, lambda finding: finding.iou)),
        ("nothing there, most found", _first(absent, lambda finding: -finding.area)),
    ]
    return [(name, findings) for name, findings in bands if findings]


def _first(findings: Sequence[Finding], key: Callable[[Finding], float]) -> list[Finding]:
    chosen: dict[int, Finding] = {}
    for finding in sorted(findings, key=key):
        if len(chosen) < _BAND:
            chosen.setdefault(finding.clip, finding)
    return list(chosen.values())


def _tile(page: Page, finding: Finding, size: tuple[int, int]) -> Image.Image:
    truth, found = page.mask(page.truth, finding.row), page.mask(page.found, finding.row)
    picture = marked(Image.fromarray(page.frame), truth, found)
    picture.thumbnail(size, Image.Resampling.LANCZOS)
    tile = Image.new("RGB", (size[0], size[1] + _CAPTION), _PAGE)
    tile.paste(picture, ((size[0] - picture.width) // 2, size[1] - picture.height))
    font = ImageFont.load_default(14)
    assert isinstance(font, ImageFont.FreeTypeFont)
    figure = f"{finding.iou:.2f}" if finding.present else f"{finding.area:.1%}"
    lines = wrap(f"{figure}  {page.expressions[finding.row]}", font, size[0], 2)
    for number, line in enumerate(lines):
        ImageDraw.Draw(tile).text((0, size[1] + 2 + number * _LINE), line, _TEXT, font)
    return tile


def marked(picture: Image.Image, truth: Masks, found: Masks) -> Image.Image:
    """Return a picture with the ground truth outlined in green and the prediction in magenta, both bool [H, W]."""
    tint = Image.blend(picture, Image.new("RGB", picture.size, _FOUND), 0.5)
    marked = Image.composite(tint, picture, _stencil(found))
    inside = _stencil(truth)
    marked.paste(_TRUE, (0, 0), ImageChops.subtract(inside.filter(ImageFilter.MaxFilter(5)), inside))
    return marked


def _stencil(mask: Masks) -> Image.Image:
    return Image.fromarray(mask.astype(np.uint8) * np.uint8(255))
