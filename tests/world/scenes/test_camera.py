"""The camera: paths stay within the margin; exposure changes frames within bounds and depends only on the generator."""

import numpy as np
import pytest

from refvid.world.scenes.camera import camera_path, expose


def ramp(frames: int = 5) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Return frames with every level of grey from left to right, a different hue in the lower half."""
    picture = np.repeat(np.linspace(0, 255, 64).astype(np.uint8)[None, :, None], 48, 0).repeat(3, 2)
    picture[24:, :, 2] //= 2
    return np.repeat(picture[None], frames, 0)


def test_paths_stay_within_the_margin() -> None:
    """Shape, bounds, and that about half of the cameras stand still."""
    still = 0
    for seed in range(200):
        path = camera_path(np.random.default_rng(seed), 16, 12)
        assert path.shape == (16, 2)
        assert path.dtype == np.float64
        assert np.abs(path).max() <= 12
        still += bool((path == 0).all())
    assert 75 <= still <= 125


def test_moving_cameras_move_differently() -> None:
    """Some sweep across, some up and down, some tremble back and forth; none jumps."""
    paths = [camera_path(np.random.default_rng(seed), 24, 20) for seed in range(120)]
    moving = [path for path in paths if path.any()]
    spans = np.array([np.ptp(path, 0) for path in moving])
    assert (spans[:, 0] > 4 * spans[:, 1] + 1).any()
    assert (spans[:, 1] > 4 * spans[:, 0] + 1).any()
    turns = [int((np.diff(np.sign(np.diff(path[:, 0]))) != 0).sum()) for path in moving]
    assert min(turns) == 0
    assert max(turns) > 6
    assert max(np.abs(np.diff(path, axis=0)).max() for path in moving) <= 16


@pytest.mark.parametrize(("frames", "margin"), [(1, 5.0), (3, 0.0)])
def test_short_path_and_no_margin(frames: int, margin: float) -> None:
    """One frame, or no margin at all, is no special case for a caller."""
    for seed in range(20):
        path = camera_path(np.random.default_rng(seed), frames, margin)
        assert path.shape == (frames, 2)
        assert np.isfinite(path).all()
        assert np.abs(path).max() <= margin


def test_impossible_path_is_refused() -> None:
    """No frames or a negative margin is an error."""
    with pytest.raises(ValueError, match="0 frames"):
        camera_path(np.random.default_rng(0), 0, 5)


def test_exposure_keeps_shape_and_bounds() -> None:
    """Mean luminance changes, by a bounded factor; the frames that were given stay as they were."""
    frames = ramp()
    before, changes = frames.copy(), []
    for seed in range(60):
        seen = expose(np.random.default_rng(seed), frames)
        assert seen.shape == frames.shape
        assert seen.dtype == np.uint8
        changes.append(seen.mean() / frames.mean())
    assert (frames == before).all()
    assert min(changes) > 0.4
    assert max(changes) < 1.7
    assert np.std(changes) > 0.05


def test_exposure_is_the_clip_s() -> None:
    """Seeds repeat exactly; light is nearly the same in all frames of a clip; grain is new in each."""
    frames, grainy = ramp(6), 0
    for seed in range(40):
        seen = expose(np.random.default_rng(seed), frames)
        assert (seen == expose(np.random.default_rng(seed), frames)).all()
        light = seen.mean((1, 2, 3))
        assert np.ptp(light) < 0.2 * light.mean()
        grainy += bool((seen[0] != seen[1]).mean() > 0.3)
    assert 10 <= grainy <= 36


def test_jpeg_keeps_the_channels_in_order() -> None:
    """A red clip stays red whatever the camera does."""
    frames = np.zeros((2, 32, 40, 3), np.uint8)
    frames[..., 0] = 200
    for seed in range(40):
        red, green, blue = expose(np.random.default_rng(seed), frames).reshape(-1, 3).mean(0)
        assert red > 2 * max(green, blue)
