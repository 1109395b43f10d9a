"""Draw masks: arrays in, arrays out, no files.

Where the masks of several expressions overlap, an overlay shows both tints, and `cutout`, `matte` and `rgba` use the
union of all masks. In index masks, the expression that was given first keeps the pixel.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from refvid.video.backdrop import Backdrop, Colour
from refvid.video.effect import Effect
from refvid.video.frame import Frame, Masks, Pixels
from refvid.video.legend import blend_legend
from refvid.video.output_format import OutputFormat
from refvid.video.transparency import over

Painter = Callable[[Frame, Masks], NDArray[np.uint8]]
Alpha = NDArray[np.uint8]  # opacity [H, W]

# After Okabe and Ito: distinguishable with every common kind of colour blindness. Brightened for dark footage, and
# ordered so that the first few differ most.
EXPRESSION_COLOURS: tuple[Colour, ...] = (
    (48, 178, 255),  # sky blue
    (255, 150, 20),  # orange
    (20, 205, 145),  # bluish green
    (240, 110, 190),  # reddish purple
    (250, 232, 60),  # yellow
    (232, 84, 24),  # vermilion
    (60, 100, 235),  # blue
)
TINT = 0.38
MAX_INDICES = 255  # most indices in a palette image, besides 0 for none
EDGE_MARGIN = 8  # pixels of true colour around the objects of a transparent video, or black would bleed into them
HALO = 0.45  # darkness of the rim that sets off the outline from a background of the same colour


def expression_colour(index: int) -> Colour:
    """Return the colour of expression `index` (from 0); the colours repeat after the seventh."""
    return EXPRESSION_COLOURS[index % len(EXPRESSION_COLOURS)]


def union(masks: Masks) -> NDArray[np.bool_]:
    """Return the pixels that any of the masks [E, H, W] marks, bool [H, W]."""
    return np.asarray(masks[0] if len(masks) == 1 else masks.any(axis=0))


def draw_overlay(pixels: Pixels, masks: Masks, expressions: Sequence[str]) -> Pixels:
    """Tint and outlines each expression's object; several expressions get a legend.

    Args:
        pixels: Frame, uint8 RGB [H, W, 3]; it is not changed.
        masks: Masks, bool [E, H, W].
        expressions: The E expressions.

    Returns:
        A new frame, uint8 RGB [H, W, 3].
    """
    picture = pixels.copy()
    edges = []
    for index, mask in enumerate(masks):
        found = _bounding_box(mask)
        if found is not None:
            box, soft, spread = _soften(mask, found)
            edges.append((index, box, soft, spread))
            _apply(picture[box], soft, _tint_table(expression_colour(index), spread))
    # All outlines are drawn after all tints, so that overlapping objects do not hide each other's edges.
    for index, box, soft, spread in edges:
        _apply(picture[box], soft, _outline_table(expression_colour(index), spread))
    if len(expressions) > 1:
        blend_legend(picture, tuple(expressions), EXPRESSION_COLOURS)
    return picture


def draw_transparent_overlay(frame: Frame, masks: Masks, expressions: Sequence[str]) -> NDArray[np.uint8]:
    """Tint and outline as `draw_overlay` does, and keep the frame's transparency, uint8 RGBA [H, W, 4].

    The overlay is drawn on black and on white: what differs between the two is what shines through. So an outline
    stays visible also where it runs beside the object, on what is transparent.
    """
    if frame.alpha is None:
        drawn = draw_overlay(frame.pixels, masks, expressions)
        return np.dstack([drawn, np.full(drawn.shape[:2], 255, np.uint8)])
    on_black, on_white = frame.pixels, over(frame.colours, frame.alpha, 255)
    dark, light = draw_overlay(on_black, masks, expressions), draw_overlay(on_white, masks, expressions)
    shining = (light.astype(np.int16) - dark).mean(axis=2)
    alpha = np.rint(255 - shining).clip(0, 255).astype(np.uint8)
    colours = np.rint(dark * (255 / np.maximum(alpha, 1))[..., None]).clip(0, 255).astype(np.uint8)
    untouched = ((dark == on_black) & (light == on_white)).all(axis=2)  # keeps its exact values
    return np.dstack([np.where(untouched[..., None], frame.colours, colours), np.where(untouched, frame.alpha, alpha)])


def draw_cutout(
    pixels: Pixels, masks: Masks, background: Colour | NDArray[np.uint8], alpha: Alpha | None = None
) -> Pixels:
    """Return the objects on a colour or a picture, uint8 RGB [H, W, 3]; what is transparent of them lets it through."""
    paint = np.asarray(background, np.uint8)
    if alpha is None:
        return np.where(union(masks)[..., None], pixels, paint)
    return over(pixels, alpha * union(masks), paint)


def draw_effect(frame: Frame, masks: Masks, effect: Effect, *, keeps_alpha: bool = False) -> NDArray[np.uint8]:
    """Return the frame with an effect on everything but the objects, uint8 RGB [H, W, 3], or RGBA [H, W, 4]."""
    area = ~union(masks)
    if not keeps_alpha:
        return effect.apply(frame.pixels, area)
    alpha = np.full(area.shape, 255, np.uint8) if frame.alpha is None else frame.alpha
    return np.dstack([effect.apply(frame.colours, area), alpha])


def draw_matte(masks: Masks) -> Pixels:
    """Return white objects on black, uint8 RGB [H, W, 3]."""
    grey = union(masks).astype(np.uint8) * np.uint8(255)
    return np.repeat(grey[..., None], 3, axis=2)


def draw_rgba(pixels: Pixels, masks: Masks, opacity: Alpha | None = None, *, margin: int = 0) -> NDArray[np.uint8]:
    """Return the objects with everything else transparent, uint8 RGBA [H, W, 4].

    Transparent pixels are black, so that they hide nothing of the original. A lossy codec needs a margin of true
    colours around the objects, because otherwise the black bleeds into their edges.

    Args:
        pixels: Frame, uint8 RGB [H, W, 3]; its own colours if it is transparent.
        masks: Masks, bool [E, H, W].
        opacity: Opacity of the frame, uint8 [H, W], which is that of the objects too; None for an opaque one.
        margin: Least width of the margin, in pixels; as it is made of whole blocks, it may be up to twice as wide.
    """
    mask = union(masks)
    alpha = mask.astype(np.uint8) * np.uint8(255)
    kept = alpha
    if margin:
        kept = np.asarray(Image.fromarray(alpha).resize(_reduced(mask, margin), Image.Resampling.BOX))
        spread = Image.fromarray((kept > 0).astype(np.uint8) * np.uint8(255)).filter(ImageFilter.MaxFilter(3))
        kept = np.asarray(spread.resize((mask.shape[1], mask.shape[0]), Image.Resampling.NEAREST))
        if opacity is not None:
            pixels = _spread_colours(pixels, opacity, margin)
    if opacity is not None:
        alpha = alpha & opacity  # alpha is 0 or 255 here
        kept = kept if margin else alpha
    return np.dstack([pixels * (kept > 0)[..., None], alpha])


def _spread_colours(colours: Pixels, opacity: Alpha, reach: int) -> Pixels:
    """Return the colours of a transparent frame with those beside each wholly transparent pixel continued into it."""
    height, width = opacity.shape
    small = _reduced(opacity, reach)[::-1]
    visible = Image.fromarray(opacity).resize(small, Image.Resampling.BOX)
    shown = Image.fromarray(over(colours, opacity, 0)).resize(small, Image.Resampling.BOX)
    amount = np.asarray(visible, np.float32)[..., None]
    mean = (np.asarray(shown, np.float32) * (255 / np.maximum(amount, 1))).clip(0, 255).astype(np.uint8)
    near = np.asarray(Image.fromarray(mean).resize((width, height), Image.Resampling.NEAREST))
    return np.where((opacity > 0)[..., None], colours, near)


def draw_indices(masks: Masks) -> NDArray[np.uint8]:
    """Return the 1-based index of each pixel's expression, uint8 [H, W], 0 for none; where masks overlap, the first."""
    indices = np.zeros(masks.shape[1:], np.uint8)
    for index in reversed(range(len(masks))):
        indices[masks[index]] = index + 1
    return indices


def davis_palette() -> list[int]:
    """Return the 256 colours of the index masks of DAVIS and Pascal VOC, flat: r, g, b, r, g, b, ...

    Bits 0, 1 and 2 of the index become the top bits of red, green and blue, the next three bits the bits below them,
    and so on.
    """
    palette = []
    for index in range(256):
        channels = [0, 0, 0]
        for bit in range(8):
            channels[bit % 3] |= (index >> bit & 1) << (7 - bit // 3)
        palette += channels
    return palette


def painter(
    format: OutputFormat,
    expressions: tuple[str, ...],
    backdrop: Backdrop,
    *,
    keeps_alpha: bool = False,
    effect: Effect | None = None,
    invert: bool = False,
) -> Painter:
    """Return the drawing function of a format: a frame and its masks to uint8 [H, W], [H, W, 3] or [H, W, 4].

    Args:
        format: Format of the output.
        expressions: One expression for each mask.
        backdrop: What lies behind a cutout.
        keeps_alpha: Whether overlays are RGBA, with the transparency of the frame, instead of lying on black.
        effect: Effect on everything but the objects, in place of an overlay's tint.
        invert: Whether everything but the objects is treated as the object, and the other way round.
    """
    if invert:
        paint = painter(format, expressions, backdrop, keeps_alpha=keeps_alpha, effect=effect)
        return lambda frame, masks: paint(frame, ~union(masks)[None])
    match format:
        case OutputFormat.OVERLAY if effect is not None:
            return lambda frame, masks: draw_effect(frame, masks, effect, keeps_alpha=keeps_alpha)
        case OutputFormat.OVERLAY if keeps_alpha:
            return lambda frame, masks: draw_transparent_overlay(frame, masks, expressions)
        case OutputFormat.OVERLAY:
            return lambda frame, masks: draw_overlay(frame.pixels, masks, expressions)
        case OutputFormat.CUTOUT:
            return lambda frame, masks: draw_cutout(
                frame.colours, masks, backdrop.behind(frame, union(masks)), frame.alpha
            )
        case OutputFormat.MATTE:
            return lambda frame, masks: draw_matte(masks)
        case OutputFormat.ALPHA:
            return lambda frame, masks: draw_rgba(frame.colours, masks, frame.alpha, margin=EDGE_MARGIN)
        case OutputFormat.RGBA:
            return lambda frame, masks: draw_rgba(frame.colours, masks, frame.alpha)
        case _:  # RLE stores the masks themselves; the closest picture of them are indices
            return lambda frame, masks: draw_indices(masks)


def _reduced(mask: NDArray[np.bool_] | Alpha, factor: int) -> tuple[int, int]:
    height, width = mask.shape
    return -(-width // factor), -(-height // factor)


Box = tuple[slice, slice]


def _bounding_box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int] | None:
    """Return (top, bottom, left, right) of the marked pixels, ends exclusive; None if there are none."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return None
    columns = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(axis=0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _soften(mask: NDArray[np.bool_], found: tuple[int, int, int, int]) -> tuple[Box, NDArray[np.uint8], float]:
    """Cut the object out with a margin and blur its edge into a ramp, whose value encodes the distance from the edge.

    Returns:
        The slices of the cut, the blurred mask uint8 [h, w], and the width of the ramp in pixels.
    """
    top, bottom, left, right = found
    height, width = mask.shape
    # 3 pixels at 720 lines; a small object gets a finer line, because the blur would swallow it otherwise.
    radius = min(max(1.5, height / 240), max(0.5, min(bottom - top, right - left) / 4))
    margin = int(radius) + 2
    box = (
        slice(max(0, top - margin), min(height, bottom + margin)),
        slice(max(0, left - margin), min(width, right + margin)),
    )
    hard = Image.fromarray(mask[box].astype(np.uint8) * np.uint8(255))
    return box, np.asarray(hard.filter(ImageFilter.BoxBlur(radius))), 2 * radius + 1


def _apply(picture: Pixels, soft: NDArray[np.uint8], table: NDArray[np.uint8]) -> None:
    """Replace each value by table[channel, blurred mask, value], in place; one look-up is faster than arithmetic."""
    base = soft.astype(np.uint16) << 8
    for channel in range(3):
        picture[..., channel] = table[channel][base | picture[..., channel]]


@lru_cache(maxsize=64)
def _tint_table(colour: Colour, spread: float) -> NDArray[np.uint8]:
    inside = np.clip(_distances(spread) + 0.5, 0, 1)
    return _table([(colour, TINT * inside)])


@lru_cache(maxsize=64)
def _outline_table(colour: Colour, spread: float) -> NDArray[np.uint8]:
    distance = _distances(spread)
    half_width = min(max(1.0, spread / 4.5), spread / 2 - 0.5)
    line = np.clip(half_width + 0.5 - np.abs(distance), 0, 1)
    rim = HALO * np.clip(1 + (distance + half_width) / (spread / 2 - half_width), 0, 1) * (distance < 0)
    rim[0] = 0  # nothing may change away from the object
    return _table([((0, 0, 0), rim), (colour, line)])


def _distances(spread: float) -> NDArray[np.float64]:
    """Return the distance in pixels inside the edge (negative: outside) for each value of the blurred mask, [256]."""
    distance = (np.arange(256) / 255 - 0.5) * spread
    distance[0], distance[255] = -1e6, 1e6
    return distance


def _table(layers: Sequence[tuple[Colour, NDArray[np.float64]]]) -> NDArray[np.uint8]:
    """Return a look-up table of layers (colour, opacity float [256]) painted over every value.

    Returns:
        uint8 [3, 65536], indexed by channel and `blurred mask << 8 | value`.
    """
    table = np.tile(np.arange(256, dtype=np.float64), (3, 256, 1))  # [channel, blurred mask, value]
    for colour, opacity in layers:
        paint = np.array(colour, np.float64)[:, None, None]
        table += (paint - table) * opacity[None, :, None]
    return np.rint(table).astype(np.uint8).reshape(3, 65536)
