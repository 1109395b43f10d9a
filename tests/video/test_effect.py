"""Effects against literal references, and what they may not show."""

import numpy as np
import pytest
from numpy.typing import NDArray

from refvid.errors import UsageError
from refvid.video.effect import Effect, blocks, blurred, parse_effect


def picture(height: int = 37, width: int = 53) -> NDArray[np.uint8]:
    return np.random.default_rng(2).integers(0, 256, (height, width, 3), np.uint8)


def gaussian(pixels: NDArray[np.uint8], radius: float, seen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The normalised Gaussian by its definition, in float64, the frame continued by its outermost pixels."""
    reach = int(4 * radius)
    offsets = np.arange(-reach, reach + 1)
    kernel = np.exp(-(offsets**2) / (2 * radius**2))
    values = np.dstack([pixels * seen[..., None], seen]).astype(np.float64)
    for axis in (0, 1):
        filled = np.pad(values, [(reach, reach) if each == axis else (0, 0) for each in range(3)], mode="edge")
        length = values.shape[axis]
        shifted = (np.take(filled, range(k, k + length), axis) for k in range(2 * reach + 1))
        values = sum(weight * part for weight, part in zip(kernel, shifted, strict=True))
    spread: NDArray[np.float64] = values[..., :3] / np.maximum(values[..., 3:], 1e-9)
    return spread


@pytest.mark.parametrize(("radius", "tolerance"), [(2.0, 4.0), (3.5, 4.0), (9.0, 6.0)])
def test_a_blur_is_nearly_gaussian(radius: float, tolerance: float) -> None:
    rows, columns = np.mgrid[:60, :90]
    smooth = np.dstack([rows * 4, columns * 2, (rows > 30) * 255]).astype(np.uint8)
    seen = np.ones((60, 90), np.bool_)
    seen[20:40, 30:60] = False
    for area in (np.ones_like(seen), seen):
        found = blurred(smooth, radius, None if area.all() else area).astype(float)
        wrong = np.abs(found - gaussian(smooth, radius, area))[seen]
        assert wrong.mean() < tolerance / 2
        assert np.percentile(wrong, 95) < 2 * tolerance


def test_a_blur_spreads_only_what_is_seen() -> None:
    pixels = np.full((40, 60, 3), 50, np.uint8)
    objects = np.zeros((40, 60), np.bool_)
    objects[10:30, 20:40] = True
    pixels[objects] = 255
    changed = Effect("blur", 6).apply(pixels, ~objects)
    assert np.abs(changed[~objects].astype(int) - 50).max() <= 3, "no glow of the object around it"
    assert (changed[objects] == 255).all()
    inside = Effect("blur", 6).apply(pixels, objects)
    assert np.abs(inside.astype(int) - pixels).max() <= 3


def test_an_area_without_anything_near_is_blurred_as_a_whole() -> None:
    pixels = picture(200, 300)
    seen = np.zeros((200, 300), np.bool_)
    seen[:3, :3] = True
    found = blurred(pixels, 4, seen)
    np.testing.assert_array_equal(found[100:, 100:], blurred(pixels, 4)[100:, 100:])


@pytest.mark.parametrize("side", [1, 2, 7, 60])
def test_blocks_are_means(side: int) -> None:
    pixels = picture()
    found = blocks(pixels, side)
    for top in range(0, 37, side):
        for left in range(0, 53, side):
            cell = np.s_[top : top + side, left : left + side]
            mean = pixels[cell].reshape(-1, 3).astype(np.float64).mean(0)
            assert (np.abs(found[cell] - mean) <= 0.5 + 1e-9).all()


@pytest.mark.parametrize("effect", [Effect("grey"), Effect("blur"), Effect("blur", 5), Effect("pixelate", 8)])
def test_only_the_area_changes(effect: Effect) -> None:
    pixels = picture(90, 160)
    before = pixels.copy()
    area = np.zeros((90, 160), np.bool_)
    area[20:70, 30:120] = True
    found = effect.apply(pixels, area)
    assert found.dtype == np.uint8
    assert found.shape == pixels.shape
    np.testing.assert_array_equal(found[~area], pixels[~area])
    assert (found[area] != pixels[area]).mean() > 0.9
    np.testing.assert_array_equal(pixels, before)
    np.testing.assert_array_equal(effect.apply(pixels, np.zeros_like(area)), pixels)


def test_grey_is_the_luminance() -> None:
    pixels = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [7, 7, 7]]], np.uint8)
    assert Effect("grey").apply(pixels, np.ones((1, 4), np.bool_))[0, :, 0].tolist() == [76, 150, 29, 7]


def test_effects_by_name() -> None:
    assert parse_effect("blur:12.5") == Effect("blur", 12.5)
    assert parse_effect(" Pixelate ") == Effect("pixelate")
    assert parse_effect("gray") == parse_effect("grey") == Effect("grey")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("blurr", r"no effect 'blurr' \(did you mean 'blur'\?\); give grey, blur"),
        ("sepia", "no effect 'sepia'; give grey"),
        ("blur:", "no effect 'blur:'"),
        ("blur:-3", "no effect"),
        ("blur:0", "in pixels, from 1"),
        ("grey:3", "grey takes no number"),
        ("", "no effect ''"),
    ],
)
def test_another_effect_is_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        parse_effect(text)
