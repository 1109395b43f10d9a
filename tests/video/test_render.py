"""Drawing: which pixels change, and how."""

from fractions import Fraction

import numpy as np
import pytest

from refvid.errors import UsageError
from refvid.video.backdrop import open_backdrop, parse_colour
from refvid.video.frame import Frame, Masks, Pixels
from refvid.video.output_format import OutputFormat
from refvid.video.render import (
    EXPRESSION_COLOURS,
    davis_palette,
    draw_cutout,
    draw_indices,
    draw_matte,
    draw_overlay,
    draw_rgba,
    expression_colour,
    painter,
)

HEIGHT, WIDTH = 180, 240


def picture() -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def two_blocks() -> Masks:
    masks = np.zeros((2, HEIGHT, WIDTH), bool)
    masks[0, 20:80, 30:120] = True
    masks[1, 50:110, 90:200] = True
    return masks


def distance(first: np.ndarray, second: np.ndarray | tuple[int, int, int]) -> float:
    return float(np.abs(first.astype(int) - np.array(second, int)).mean())


def test_overlay_tints_inside_outlines_the_edge_and_leaves_the_rest() -> None:
    pixels, masks = picture(), two_blocks()[:1]
    before = pixels.copy()
    drawn = draw_overlay(pixels, masks, ["a dog"])
    assert np.array_equal(pixels, before), "the source frame must not change"
    far = np.ones((HEIGHT, WIDTH), bool)
    far[15:85, 25:125] = False
    assert np.array_equal(drawn[far], pixels[far])
    colour = np.array(expression_colour(0))
    inside = (slice(30, 70), slice(40, 110))
    expected = pixels[inside] * 0.62 + colour * 0.38
    assert np.abs(drawn[inside] - expected).max() <= 1
    assert distance(drawn[20:79, 30], colour) < 12, "the edge has the expression's own colour"


def test_overlay_of_empty_masks_is_the_frame() -> None:
    pixels = picture()
    assert np.array_equal(draw_overlay(pixels, np.zeros((1, HEIGHT, WIDTH), bool), ["a dog"]), pixels)


def test_overlay_shows_both_expressions_where_they_overlap() -> None:
    pixels, masks = np.full((HEIGHT, WIDTH, 3), 128, np.uint8), two_blocks()
    drawn = draw_overlay(pixels, masks, ["a dog", "a cat"]).astype(int)
    only_first, both, only_second = drawn[35, 60], drawn[65, 105], drawn[90, 150]
    assert len({tuple(only_first), tuple(both), tuple(only_second)}) == 3
    # Neither object's edge is covered by the other's tint.
    assert distance(drawn[60:75, 119], expression_colour(0)) < 12
    assert distance(drawn[60:75, 90], expression_colour(1)) < 12


def test_outline_is_antialiased() -> None:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    disc = (rows - 90) ** 2 + (columns - 120) ** 2 < 60**2
    drawn = draw_overlay(np.zeros((HEIGHT, WIDTH, 3), np.uint8), disc[None], ["a ball"])
    assert len(np.unique(drawn[..., 2])) > 15, "a hard line on black would have three levels"


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 3)])
def test_small_objects_stay_visible(size: tuple[int, int]) -> None:
    mask = np.zeros((1, HEIGHT, WIDTH), bool)
    mask[0, 50 : 50 + size[0], 50 : 50 + size[1]] = True
    drawn = draw_overlay(np.full((HEIGHT, WIDTH, 3), 200, np.uint8), mask, ["a fly"])
    assert distance(drawn[mask[0]], np.full(3, 200)) > 25


def test_mask_at_the_frames_border_and_over_all_of_it() -> None:
    pixels = picture()
    full = np.ones((1, HEIGHT, WIDTH), bool)
    expected = pixels * 0.62 + np.array(expression_colour(0)) * 0.38
    assert np.abs(draw_overlay(pixels, full, ["all"]) - expected).max() <= 1


def test_legend_only_with_several_expressions_and_only_where_it_fits() -> None:
    empty = np.zeros((2, HEIGHT, WIDTH), bool)
    pixels = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    drawn = draw_overlay(pixels, empty, ["a dog", "a very long expression " * 9])
    changed = np.argwhere((drawn != pixels).any(axis=2))
    assert len(changed) > 100
    assert changed[:, 0].min() > HEIGHT / 2, "it stays in the lower corner"
    assert changed[:, 1].max() < WIDTH * 0.75
    for colour in EXPRESSION_COLOURS[:2]:
        assert np.abs(drawn.astype(int) - colour).sum(axis=2).min() < 12
    tiny = np.full((48, 64, 3), 255, np.uint8)
    assert np.array_equal(draw_overlay(tiny, np.zeros((2, 48, 64), bool), ["a dog", "a cat"]), tiny)


def test_legend_of_many_expressions_does_not_fill_the_frame() -> None:
    pixels = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    expressions = [f"object {number}" for number in range(30)]
    drawn = draw_overlay(pixels, np.zeros((30, HEIGHT, WIDTH), bool), expressions)
    changed = np.argwhere((drawn != pixels).any(axis=2))
    assert changed[:, 0].min() > HEIGHT * 0.45


def test_cutout_matte_and_rgba_take_the_union() -> None:
    pixels, masks = picture(), two_blocks()
    marked = masks[0] | masks[1]
    cutout = draw_cutout(pixels, masks, (0, 177, 64))
    assert np.array_equal(cutout[marked], pixels[marked])
    assert (cutout[~marked] == (0, 177, 64)).all()
    matte = draw_matte(masks)
    assert (matte[marked] == 255).all()
    assert (matte[~marked] == 0).all()
    rgba = draw_rgba(pixels, masks)
    assert np.array_equal(rgba[..., 3] == 255, marked)
    assert np.array_equal(rgba[marked][:, :3], pixels[marked])
    assert not rgba[~marked].any(), "a transparent pixel must hide nothing"


def test_rgba_with_a_margin_keeps_colours_near_the_object_only() -> None:
    pixels, masks = np.full((HEIGHT, WIDTH, 3), 90, np.uint8), two_blocks()[:1]
    rgba = draw_rgba(pixels, masks, margin=8)
    assert np.array_equal(rgba[..., 3] == 255, masks[0])
    assert (rgba[12:88, 22:128, :3] == 90).all()
    assert not rgba[110:, :, :3].any()


def test_masks_from_pillow_draw_like_others() -> None:
    # Pillow's arrays hold True as 255.
    masks = two_blocks()[:1]
    strange = (masks.astype(np.uint8) * 255).view(bool)
    assert np.array_equal(draw_matte(strange), draw_matte(masks))
    assert np.array_equal(draw_overlay(picture(), strange, ["a"]), draw_overlay(picture(), masks, ["a"]))


def test_indices_give_overlaps_to_the_first_expression() -> None:
    masks = two_blocks()
    indices = draw_indices(masks)
    assert indices[65, 105] == 1
    assert indices[90, 150] == 2
    assert indices[0, 0] == 0
    assert np.array_equal(indices == 1, masks[0])


def test_davis_palette_starts_as_pascal_voc_prints_it() -> None:
    palette = np.array(davis_palette()).reshape(256, 3)
    assert palette[:8].tolist() == [
        [0, 0, 0],
        [128, 0, 0],
        [0, 128, 0],
        [128, 128, 0],
        [0, 0, 128],
        [128, 0, 128],
        [0, 128, 128],
        [128, 128, 128],
    ]
    assert palette[255].tolist() == [224, 224, 192]
    assert len(np.unique(palette, axis=0)) == 256


def test_colours_by_name_and_code() -> None:
    assert parse_colour("#00b140") == (0, 177, 64)
    assert parse_colour("white") == (255, 255, 255)
    with pytest.raises(UsageError, match="'greenish' is not a colour"):
        parse_colour("greenish")


@pytest.mark.parametrize(
    ("format", "shape"),
    [("overlay", 3), ("cutout", 3), ("matte", 3), ("alpha", 4), ("rgba", 4), ("png", None)],
)
def test_painters_draw_in_the_formats_own_layout(format: str, shape: int | None) -> None:
    drawn = painter(OutputFormat(format), ("a", "b"), open_backdrop("#010203"))(
        Frame(0, Fraction(0), Fraction(1, 25), picture()), two_blocks()
    )
    assert drawn.shape == ((HEIGHT, WIDTH) if shape is None else (HEIGHT, WIDTH, shape))
    assert drawn.dtype == np.uint8
