"""Backdrops and occluders: the same seed draws the same picture, supports lie where they claim, and pictures vary."""

import numpy as np
import pytest

from refvid.world.scenes.backdrop import VIEWS, draw_backdrop, draw_view
from refvid.world.scenes.occluder import OCCLUDERS, draw_occluder

WIDTH, HEIGHT = 96, 64


@pytest.mark.parametrize("name", sorted(VIEWS))
def test_view_keeps_its_promises(name: str) -> None:
    """Size, margin, horizon and supports of every kind of place, over a few seeds."""
    for seed in range(6):
        backdrop = draw_view(np.random.default_rng(seed), WIDTH, HEIGHT, name)
        assert backdrop.view == name
        assert backdrop.margin >= 0.08 * WIDTH
        assert backdrop.image.mode == "RGB"
        assert backdrop.image.size == (WIDTH + 2 * backdrop.margin, HEIGHT + 2 * backdrop.margin)
        assert 0.25 * HEIGHT <= backdrop.horizon <= 0.7 * HEIGHT
        for support in backdrop.supports:
            assert 0 <= support.x < WIDTH
            assert 0 <= support.top < support.bottom <= HEIGHT
            assert support.bottom >= backdrop.horizon


@pytest.mark.parametrize("name", sorted(VIEWS))
def test_view_is_painted_everywhere(name: str) -> None:
    """No part stays the black of an empty canvas, in the margin as little as in the frame."""
    for seed in range(3):
        pixels = np.asarray(draw_view(np.random.default_rng(seed), WIDTH, HEIGHT, name).image)
        assert (pixels.max(-1) == 0).mean() < 0.02


def test_same_seed_draws_the_same() -> None:
    """A backdrop and an occluder depend on the generator alone, not on what was drawn before."""
    first = draw_backdrop(np.random.default_rng(3), WIDTH, HEIGHT)
    draw_backdrop(np.random.default_rng(4), WIDTH + 7, HEIGHT)
    again = draw_backdrop(np.random.default_rng(3), WIDTH, HEIGHT)
    assert first.image.tobytes() == again.image.tobytes()
    assert (first.supports, first.horizon, first.view) == (again.supports, again.horizon, again.view)
    sprites = [draw_occluder(np.random.default_rng(5), 40) for _ in range(2)]
    assert sprites[0].image.tobytes() == sprites[1].image.tobytes()
    assert sprites[0].anchor == sprites[1].anchor


def test_backdrops_differ() -> None:
    """Mean colours spread over hue and light, many kinds of place turn up, and several offer something to climb."""
    drawn = [draw_backdrop(np.random.default_rng(seed), WIDTH, HEIGHT) for seed in range(60)]
    means = np.array([np.asarray(backdrop.image).reshape(-1, 3).mean(0) for backdrop in drawn])
    assert means.mean(-1).std() > 18
    assert (means[:, 0] - means[:, 2]).std() > 18
    assert len({backdrop.view for backdrop in drawn}) >= 14
    assert {backdrop.indoor for backdrop in drawn} == {False, True}
    assert sum(bool(backdrop.supports) for backdrop in drawn) >= 15
    assert len({support.name for backdrop in drawn for support in backdrop.supports}) >= 4


def test_surfaces_are_not_flat() -> None:
    """Even a plain backdrop has texture."""
    for seed in range(5):
        pixels = np.asarray(draw_view(np.random.default_rng(seed), WIDTH, HEIGHT, "plain").image, np.float64)
        assert pixels[2:30, 2:60].std((0, 1)).max() > 0.3


def test_large_and_tall_frames() -> None:
    """Frames larger than a sheet of noise and frames that stand upright are painted, too."""
    assert draw_backdrop(np.random.default_rng(0), 900, 600).image.size == (900 + 2 * 72, 600 + 2 * 72)
    for name in VIEWS:
        assert draw_view(np.random.default_rng(1), 64, 128, name).image.height == 128 + 2 * 6


def test_small_backdrop_is_refused() -> None:
    """A size at which nothing can be seen is an error that tells both sizes."""
    with pytest.raises(ValueError, match="16x64"):
        draw_backdrop(np.random.default_rng(0), 16, 64)


@pytest.mark.parametrize("name", sorted(OCCLUDERS))
def test_occluder_is_smooth_and_stands_on_its_foot(name: str) -> None:
    """Edges are antialiased, the inside hides, the size is as asked, and the anchor is the lower edge."""
    sprite = draw_occluder(np.random.default_rng(2), 60, name)
    alpha = np.asarray(sprite.image)[..., 3]
    assert sprite.image.mode == "RGBA"
    assert (alpha == 255).mean() > 0.05
    assert ((alpha > 20) & (alpha < 235)).any()
    assert 48 <= sprite.anchor[1] <= 75
    assert abs(sprite.image.height - sprite.anchor[1]) <= 6
    assert 0 <= sprite.anchor[0] <= sprite.image.width
    # Straight alpha: what is half transparent at the edge is no darker than what is beside it.
    half = np.asarray(sprite.image)[(alpha > 100) & (alpha < 156)][:, :3]
    full = np.asarray(sprite.image)[alpha == 255][:, :3]
    assert half.mean() > 0.5 * full.min()


def test_low_occluder_is_refused() -> None:
    """An occluder of less than 4 pixels is an error."""
    with pytest.raises(ValueError, match="at least 4"):
        draw_occluder(np.random.default_rng(0), 2)
