"""The light trunk's colour path."""

from typing import Any

import pytest
import torch

from refvid.model.layers.backbone import ColourPath, LightBackbone

WIDTHS = (4, 6, 8, 10, 12)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(3)


def test_a_trunk_is_what_it_was_until_its_colour_path_is_taught() -> None:
    plain, tinted = LightBackbone(WIDTHS).eval(), LightBackbone(WIDTHS, 5).eval()
    tinted.load_state_dict(plain.state_dict(), strict=False)
    images = torch.rand(2, 3, 24, 40)
    for with_path, without in zip(tinted(images).tensors, plain(images).tensors, strict=True):
        assert torch.equal(with_path, without)


def test_every_level_hears_of_colours_and_teaches_their_path() -> None:
    trunk = LightBackbone(WIDTHS, 5)
    tints: Any = trunk.tints
    for tint in tints:
        torch.nn.init.normal_(tint.weight)
    assert trunk.colours is not None
    for level, channels in zip(trunk(torch.rand(2, 3, 24, 40)).levels, WIDTHS[2:], strict=True):
        assert level.shape == (2, channels, 3, 5)
        (gradient,) = torch.autograd.grad(level.square().sum(), trunk.colours.inner.weight, retain_graph=True)
        assert gradient.abs().sum() > 0


def test_the_colours_of_a_cell_are_those_of_its_own_pixels_in_any_order() -> None:
    path = ColourPath(7).double().eval()
    images = torch.rand(1, 3, 16, 24, dtype=torch.float64)
    colours = path(images)
    assert colours.shape == (1, 7, 2, 3)
    elsewhere = images.clone()
    elsewhere[..., :8, :8] = torch.rand(1, 3, 8, 8, dtype=torch.float64)
    changed = (path(elsewhere) - colours).abs().sum(1)[0] > 1e-12
    assert changed.tolist() == [[True, False, False], [False, False, False]]
    turned = images.clone()
    turned[..., :8, :8] = images[..., :8, :8].flip(-1, -2)
    torch.testing.assert_close(path(turned), colours)
