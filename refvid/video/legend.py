"""The legend of an overlay: a small box in the corner that shows the colour of each expression."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from refvid.video.frame import Pixels

Colour = tuple[int, int, int]

BOX = (16, 18, 22, 165)  # nearly black, translucent: readable on any footage
TEXT = (245, 245, 245, 255)
SUPERSAMPLING = 4  # Pillow draws hard edges; shapes drawn larger and then reduced are smooth
LARGEST_SHARE = 0.4  # largest share of the frame's height; a last line counts the expressions that do not fit


def blend_legend(picture: Pixels, expressions: tuple[str, ...], colours: tuple[Colour, ...]) -> None:
    """Draw the legend into the lower left corner, in place; leave a frame unchanged if it is too small for it."""
    height, width = picture.shape[:2]
    legend = _legend(expressions, colours, height, width)
    if legend is None:
        return
    paint, keep = legend
    margin = _text_size(height) * 2 // 3
    rows, columns = keep.shape[:2]
    corner = picture[height - margin - rows : height - margin, margin : margin + columns]
    corner[:] = (paint + corner * keep) >> 8


def _text_size(height: int) -> int:
    return max(11, round(height / 34))


@lru_cache(maxsize=8)
def _legend(
    expressions: tuple[str, ...], colours: tuple[Colour, ...], height: int, width: int
) -> tuple[NDArray[np.uint16], NDArray[np.uint16]] | None:
    """Return the colours to add, uint16 [h, w, 3], and the share of the frame to keep, in 256ths, uint16 [h, w, 1]."""
    size = _text_size(height)
    font = ImageFont.load_default(size)
    line = round(size * 1.5)
    lines = min(len(expressions), int(height * LARGEST_SHARE) // line)
    room = int(width * 0.6) - 4 * size
    if lines < 1 or room < 6 * size:
        return None
    shown = lines if lines == len(expressions) else lines - 1
    swatches = [colours[index % len(colours)] for index in range(shown)]
    texts = [_shortened(text, font, room) for text in expressions[:shown]]
    if shown < len(expressions):
        texts.append(f"and {len(expressions) - shown} more")
    box = _draw_box(texts, swatches, font, size, line)
    values = np.asarray(box).astype(np.uint32)
    opacity = values[..., 3:] * 256 // 255
    return (values[..., :3] * opacity).astype(np.uint16), (256 - opacity).astype(np.uint16)


def _shortened(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, room: int) -> str:
    if font.getlength(text) <= room:
        return text
    while text and font.getlength(text + "...") > room:
        text = text[:-1]
    return text.rstrip() + "..."


def _draw_box(
    texts: Sequence[str],
    swatches: Sequence[Colour],
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    size: int,
    line: int,
) -> Image.Image:
    padding, swatch = size // 2, round(size * 0.72)
    width = round(padding * 2.4 + swatch + size * 0.5 + max(font.getlength(text) for text in texts))
    height = padding * 2 + line * len(texts) - (line - size)
    scale = SUPERSAMPLING
    large = Image.new("RGBA", (width * scale, height * scale), (*BOX[:3], 0))
    shapes = ImageDraw.Draw(large)
    shapes.rounded_rectangle((0, 0, width * scale - 1, height * scale - 1), size * scale // 2, fill=BOX)
    for row, colour in enumerate(swatches):
        top = padding + row * line + (size - swatch) // 2
        corners = (padding * scale, top * scale, (padding + swatch) * scale - 1, (top + swatch) * scale - 1)
        shapes.rounded_rectangle(corners, swatch * scale // 4, fill=(*colour, 255))
    box = large.resize((width, height), Image.Resampling.BOX)
    writing = ImageDraw.Draw(box)
    for row, text in enumerate(texts):
        left = padding + (swatch + size * 0.5 if row < len(swatches) else 0)
        writing.text((left, padding + row * line + size / 2), text, font=font, fill=TEXT, anchor="lm")
    return box
