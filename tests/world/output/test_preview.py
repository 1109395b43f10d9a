"""The contact sheet: the right actor in the right colour, captions that fit, and no file lost."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont

from refvid.errors import OutputExistsError, RefvidError, UsageError
from refvid.world.output.preview import PICTURE, PreviewPlan, draw_sheet, draw_tile, tile_size, wrap, write_preview
from refvid.world.scene import Reference, Scene
from tests.world.drawn import HEIGHT, WIDTH, draw


def test_tile_puts_a_line_around_the_named_actor_alone() -> None:
    scene = draw(np.random.default_rng(1))
    grey = replace(scene, frames=np.full_like(scene.frames, 128))
    middle = scene.instances[len(scene.frames) // 2]
    for actor, colour in ((0, (48, 178, 255)), (1, (255, 150, 20))):
        tile = draw_tile(grey, Reference("the one", actor, frozenset()), colour)
        picture = np.asarray(tile.crop((12, 12, 12 + PICTURE[0], 12 + PICTURE[1])))
        changed = np.abs(picture.astype(int) - 128).max(axis=2) > 8
        mask = np.asarray(Image.fromarray(middle == actor + 1).resize(PICTURE, Image.Resampling.NEAREST))
        rows, columns = np.nonzero(mask)
        around = np.zeros_like(mask)
        around[rows.min() - 6 : rows.max() + 7, columns.min() - 6 : columns.max() + 7] = True
        inside = np.zeros_like(mask)
        inside[rows.min() + 4 : rows.max() - 3, columns.min() + 4 : columns.max() - 3] = True
        assert changed.any()
        assert not changed[~around].any()
        assert not changed[inside].any()  # its own colours stay
        assert (np.abs(picture.astype(int) - colour).max(axis=2) < 12).sum() > mask.sum() ** 0.5 * 4
    absent = draw_tile(grey, Reference("the one", 2, frozenset()), (255, 0, 0))
    first = np.asarray(absent)[12 + PICTURE[1] + 6 : 12 + PICTURE[1] + 6 + 80, 12:152]
    assert (first == 128).all()  # it is not there yet


def test_tile_shows_three_moments() -> None:
    scene = draw(np.random.default_rng(1))
    levels = np.linspace(30, 220, len(scene.frames)).astype(np.uint8)
    told = replace(scene, frames=np.broadcast_to(levels[:, None, None, None], scene.frames.shape).copy())
    tile = np.asarray(draw_tile(told, Reference("x", 2, frozenset()), (255, 0, 0)))
    strip = tile[12 + PICTURE[1] + 6 + 2]  # a row near the strip's top
    seen = [int(level) for level in dict.fromkeys(strip[:, 0].tolist()) if level in set(levels.tolist())]
    assert seen == [levels[0], levels[len(levels) // 2], levels[-1]]


def test_sheet_is_as_large_as_its_tiles_and_depends_on_the_seed() -> None:
    plan = PreviewPlan(seed=2, columns=2, rows=1)
    told: list[tuple[int, int]] = []
    sheet = draw_sheet(plan, draw, lambda done, total: told.append((done, total)))
    assert sheet.mode == "RGB"
    assert sheet.width > 2 * tile_size()[0]
    assert sheet.height > tile_size()[1]
    assert told == [(24, 48), (48, 48)]
    assert draw_sheet(plan, draw).tobytes() == sheet.tobytes()
    assert draw_sheet(replace(plan, seed=3), draw).tobytes() != sheet.tobytes()


def test_wrap_keeps_every_word_or_says_that_it_does_not() -> None:
    font = ImageFont.load_default(17)
    assert isinstance(font, ImageFont.FreeTypeFont)
    text = "the second woman from the left who wears a striped red shirt and is not walking towards the small brown dog"
    assert " ".join(wrap(text, font, 300, 9)) == text
    cut = wrap(text, font, 300, 2)
    assert len(cut) == 2
    assert cut[1].endswith("…")
    assert all(font.getlength(line) <= 300 for line in cut)
    assert wrap("dog", font, 300, 2) == ["dog"]


def test_output_is_a_png_and_is_not_replaced_unasked(tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    plan = PreviewPlan(columns=1, rows=1)
    write_preview(path, plan, draw=draw)
    with Image.open(path) as picture:
        assert picture.format == "PNG"
    with pytest.raises(OutputExistsError, match="--overwrite"):
        write_preview(path, plan, draw=draw)
    write_preview(path, plan, draw=draw, overwrite=True)
    with pytest.raises(UsageError, match=r"does not end in \.png"):
        write_preview(tmp_path / "sheet.jpg", plan, draw=draw)
    assert list(tmp_path.iterdir()) == [path]


def test_scenes_that_describe_nobody(tmp_path: Path) -> None:
    def shy(rng: np.random.Generator) -> Scene:
        return replace(draw(rng), references=())

    with pytest.raises(RefvidError, match="give another --seed"):
        write_preview(tmp_path / "sheet.png", PreviewPlan(columns=1, rows=1), draw=shy)
    assert not list(tmp_path.iterdir())


def test_scenes_of_any_shape_fill_the_picture() -> None:
    assert (WIDTH, HEIGHT) != PICTURE
    tile = np.asarray(draw_tile(draw(np.random.default_rng(0)), Reference("x", 0, frozenset()), (255, 0, 0)))
    corner = tile[12 + PICTURE[1] - 2, 12 + PICTURE[0] - 2]
    assert corner.tolist() == pytest.approx([150, 90, 90], abs=6)  # the scene's own bottom right
