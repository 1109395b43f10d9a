"""Guided upsampling against its definition, window by window, and on an edge that the small picture blurs."""

import numpy as np
import torch
from torch.nn import functional as F

from refvid.guided import RADIUS, SMOOTHNESS, upsample


def literal(values: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Every window's ridge regression, then for each pixel the mean line of the windows that hold it."""
    grey = picture.astype(np.float64).mean(2) / 255
    height, width = grey.shape
    lines = {}
    windows = {
        (y, x): (slice(max(0, y - RADIUS), y + RADIUS + 1), slice(max(0, x - RADIUS), x + RADIUS + 1))
        for y in range(height)
        for x in range(width)
    }
    for place, window in windows.items():
        inside, targets = grey[window].ravel(), values[window].ravel()
        slope = np.cov(inside, targets, bias=True)[0, 1] / (inside.var() + SMOOTHNESS)
        lines[place] = slope, targets.mean() - slope * inside.mean()
    found = np.empty_like(grey)
    for place, (rows, columns) in windows.items():
        held = [lines[y, x] for y in range(height)[rows] for x in range(width)[columns]]
        slope, offset = np.mean(held, axis=0)
        found[place] = slope * grey[place] + offset
    return found


def test_each_window_is_a_ridge_regression_on_the_grey_values() -> None:
    rng = np.random.default_rng(0)
    picture, values = rng.integers(0, 256, (6, 7, 3), np.uint8), rng.random((2, 6, 7), np.float32)
    found = upsample(torch.from_numpy(values), torch.from_numpy(picture), torch.from_numpy(picture))
    for one, value in zip(found.numpy(), values, strict=True):
        np.testing.assert_allclose(one, literal(value.astype(np.float64), picture), atol=2e-4)


def test_edges_are_the_frames() -> None:
    rows, columns = torch.meshgrid(torch.arange(90), torch.arange(130), indexing="ij")
    truth = (rows - 43) ** 2 + (columns - 61) ** 2 < 30**2
    frame = torch.where(truth[..., None], torch.tensor([200, 180, 40]), torch.tensor([60, 70, 90])).to(torch.uint8)
    small = F.interpolate(frame.permute(2, 0, 1)[None], (18, 26), mode="bilinear", antialias=True)[0].permute(1, 2, 0)
    values = F.interpolate(truth[None, None].float(), (18, 26), mode="bilinear", antialias=True)[0]
    bilinear = F.interpolate(values[None], (90, 130), mode="bilinear")[0, 0] > 0.5
    found = upsample(values, small.contiguous(), frame)[0] > 0.5
    assert (bilinear != truth).sum() > 20
    assert (found != truth).sum() == 0


def test_without_edges_it_is_smooth_and_constants_stay() -> None:
    flat, frame = torch.full((9, 16, 3), 77, dtype=torch.uint8), torch.full((20, 35, 3), 77, dtype=torch.uint8)
    values = torch.rand(3, 9, 16)
    twice = values[:, None]
    for _ in range(2):
        twice = F.avg_pool2d(twice, 3, 1, 1, count_include_pad=False)
    expected = F.interpolate(twice, (20, 35), mode="bilinear")[:, 0]
    torch.testing.assert_close(upsample(values, flat, frame), expected, atol=1e-5, rtol=0)
    constant = upsample(torch.full((1, 9, 16), 0.3), torch.randint(0, 256, (9, 16, 3), dtype=torch.uint8), frame)
    torch.testing.assert_close(constant, torch.full((1, 20, 35), 0.3), atol=1e-4, rtol=0)
