"""Guided upsampling against its definition, window by window, and on an edge that the small picture blurs."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from refvid.masks.guided_filter import SMOOTHNESS, _axis, upsample


def literal(values: np.ndarray, picture: np.ndarray, radius: int) -> np.ndarray:
    """Every window's ridge regression, then for each pixel the mean line of the windows that hold it, and of what that
    leaves over as much as the windows are flat."""
    grey = picture.astype(np.float64).mean(2) / 255
    height, width = grey.shape
    lines, variances = {}, {}
    windows = {
        (y, x): (slice(max(0, y - radius), y + radius + 1), slice(max(0, x - radius), x + radius + 1))
        for y in range(height)
        for x in range(width)
    }
    for place, window in windows.items():
        inside, targets = grey[window].ravel(), values[window].ravel()
        slope = np.cov(inside, targets, bias=True)[0, 1] / (inside.var() + SMOOTHNESS)
        lines[place] = slope, targets.mean() - slope * inside.mean()
        variances[place] = inside.var()
    found = np.empty_like(grey)
    for place, (rows, columns) in windows.items():
        held = [lines[y, x] for y in range(height)[rows] for x in range(width)[columns]]
        slope, offset = np.mean(held, axis=0)
        found[place] = slope * grey[place] + offset
        variance = np.mean([variances[y, x] for y in range(height)[rows] for x in range(width)[columns]])
        found[place] += SMOOTHNESS / (SMOOTHNESS + variance) * (values[place] - found[place])
    return found.clip(values.min(), values.max())


@pytest.mark.parametrize("radius", [1, 2])
def test_each_window_is_a_ridge_regression_on_the_grey_values(radius: int) -> None:
    rng = np.random.default_rng(0)
    picture, values = rng.integers(0, 256, (6, 7, 3), np.uint8), rng.random((2, 6, 7), np.float32)
    picture[:, :4] //= 32  # nearly flat there
    for value in values:
        found, _ = upsample(torch.from_numpy(value[None]), torch.from_numpy(picture), radius=radius)
        np.testing.assert_allclose(found[0], literal(value.astype(np.float64), picture, radius), atol=2e-4)


def test_edges_are_the_frames() -> None:
    rows, columns = torch.meshgrid(torch.arange(90), torch.arange(130), indexing="ij")
    truth = (rows - 43) ** 2 + (columns - 61) ** 2 < 30**2
    frame = torch.where(truth[..., None], torch.tensor([200, 180, 40]), torch.tensor([60, 70, 90])).to(torch.uint8)
    values = F.interpolate(truth[None, None].float(), (18, 26), mode="bilinear", antialias=True)[0]
    bilinear = F.interpolate(values[None], (90, 130), mode="bilinear")[0, 0] > 0.5
    found = upsample(values, frame)[0][0] > 0.5
    assert (bilinear != truth).sum() > 20
    assert (found != truth).sum() == 0


def test_without_edges_it_is_bilinear_and_constants_stay() -> None:
    flat = torch.full((20, 35, 3), 77, dtype=torch.uint8)
    values = torch.rand(3, 9, 16)
    expected = F.interpolate(values[:, None], (20, 35), mode="bilinear")[:, 0]
    torch.testing.assert_close(upsample(values, flat)[0], expected, atol=1e-4, rtol=0)
    constant, _ = upsample(torch.full((1, 9, 16), 0.3), torch.randint(0, 256, (20, 35, 3), dtype=torch.uint8))
    torch.testing.assert_close(constant, torch.full((1, 20, 35), 0.3), atol=1e-4, rtol=0)


def test_autocast_changes_nothing() -> None:
    frame, values = torch.randint(0, 256, (40, 70, 3), dtype=torch.uint8), torch.rand(1, 18, 32)
    exact, _ = upsample(values, frame)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(upsample(values, frame)[0], exact)


@pytest.mark.parametrize("size", [(40, 70), (23, 37), (16, 28)])
@pytest.mark.parametrize("part", [(0, 16, 0, 28), (3, 9, 10, 21), (0, 2, 25, 28), (15, 40, 0, 1)])
def test_a_part_is_what_the_whole_has_there(size: tuple[int, int], part: tuple[int, int, int, int]) -> None:
    """Also where it ends at the picture's edges, or beyond them."""
    generator = torch.Generator().manual_seed(4)
    frame = torch.randint(0, 256, (*size, 3), dtype=torch.uint8, generator=generator)
    values = torch.rand(2, 16, 28, generator=generator)
    whole, (rows, columns) = upsample(values, frame, radius=2)
    assert (rows, columns) == (slice(0, size[0]), slice(0, size[1]))
    wanted = slice(*part[:2]), slice(*part[2:])
    found, place = upsample(values, frame, wanted, radius=2)
    centres = [(np.arange(full) + 0.5) * length / full for full, length in zip(size, (16, 28), strict=True)]
    inside = [(one >= side.start) & (one < side.stop) for one, side in zip(centres, wanted, strict=True)]
    for side, full in enumerate(size):
        assert np.arange(full)[place[side]].tolist() == np.flatnonzero(inside[side]).tolist()
    torch.testing.assert_close(found, whole[:, *place], atol=1e-5, rtol=0)


def test_the_small_picture_is_the_resized_frame() -> None:
    frame = torch.randint(0, 256, (36, 63, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    device = torch.device("cpu")
    rows, columns = (_axis(length, full, 0, length, 2, device) for length, full in ((9, 36), (16, 63)))
    grey = frame.float().mean(2) / 255
    found = rows.shrink @ grey @ columns.shrink.T
    expected = F.interpolate(grey[None, None], (9, 16), mode="bilinear", antialias=True)[0, 0]
    torch.testing.assert_close(found[1:-1, 1:-1], expected[1:-1, 1:-1])
    assert (found - expected).abs().max() < 0.1  # outermost pixels weigh all that lies beyond their centres fully
