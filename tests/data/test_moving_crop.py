"""Clips made from pictures: where the window may go, how it moves, and that the masks follow it."""

import numpy as np
import pytest

from refvid.data.moving_crop import FASTEST, NARROWEST, in_view, moving_crop

WIDTH, HEIGHT = 200, 120


def surveyed(mask: np.ndarray) -> np.ndarray:
    """A picture whose red tells the column and whose green tells the row, both 0 to 250, and whose blue an object."""
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[..., 0] = np.linspace(0, 250, WIDTH).round()[None]
    picture[..., 1] = np.linspace(0, 250, HEIGHT).round()[:, None]
    picture[..., 2] = 255 * mask
    return picture


def box_mask(left: int, top: int, right: int, bottom: int) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    mask[top:bottom, left:right] = True
    return mask


def window_of(frame: np.ndarray) -> np.ndarray:
    """Left, top, right, bottom of the window, in pixels of the picture, as its colours tell, within a pixel or two."""
    columns, rows = frame[..., 0].astype(float).mean(0), frame[..., 1].astype(float).mean(1)
    edges = []
    for line, length in ((columns, WIDTH), (rows, HEIGHT)):
        slope, start = np.polyfit(np.arange(len(line)), line * (length - 1) / 250, 1)
        edges.append((start + 0.5 - slope / 2, start + 0.5 + slope * (len(line) - 0.5)))
    (left, right), (top, bottom) = edges
    return np.array([left, top, right, bottom])


@pytest.mark.parametrize("seed", range(12))
def test_the_window_moves_smoothly_within_the_picture(seed: int) -> None:
    mask = box_mask(60, 30, 100, 70)
    frames, masks = moving_crop(np.random.default_rng(seed), surveyed(mask), mask[None], 11)
    assert frames.dtype == np.uint8
    assert masks.dtype == np.bool_
    assert frames.shape[0] == 11
    assert frames.shape[1:3] == masks.shape[1:]
    windows = np.stack([window_of(frame) for frame in frames])
    sides = np.array([WIDTH, HEIGHT, WIDTH, HEIGHT])
    assert (windows[:, :2] > -2).all()
    assert (windows[:, 2:] < sides[2:] + 2).all()
    widths, heights = windows[:, 2] - windows[:, 0], windows[:, 3] - windows[:, 1]
    assert widths.min() >= NARROWEST * WIDTH - 2
    np.testing.assert_allclose(widths / WIDTH, heights / HEIGHT, atol=0.02)
    assert frames.shape[2] == pytest.approx(widths.min(), abs=2), "nothing is enlarged"
    steps = np.diff(windows, axis=0) / sides
    assert np.abs(steps).max() <= FASTEST + 0.01
    assert np.abs(np.diff(steps, axis=0)).max() < 0.012, "no jerks"


def test_windows_do_move_and_farther_where_frames_lie_farther_apart() -> None:
    mask = box_mask(90, 50, 110, 70)
    distances = []
    for frames, stride in ((3, 1), (11, 1), (11, 5)):
        clips = [
            moving_crop(np.random.default_rng(seed), surveyed(mask), mask[None], frames, stride)[0]
            for seed in range(12)
        ]
        distances.append(np.mean([np.abs(window_of(clip[0]) - window_of(clip[-1])).max() for clip in clips]))
    near, middling, far = distances
    assert 1 < near < middling < far


@pytest.mark.parametrize("seed", range(8))
def test_masks_lie_where_the_object_is_in_the_middle_frame(seed: int) -> None:
    mask = box_mask(20, 10, 70, 50) ^ box_mask(30, 20, 40, 50)
    frames, masks = moving_crop(np.random.default_rng(seed), surveyed(mask), np.stack([mask, ~mask]), 5, 5)
    shown = frames[2, ..., 2] > 127
    assert (masks[0] & shown).sum() / (masks[0] | shown).sum() > 0.97
    assert (masks[0] != masks[1]).mean() > 0.99
    assert (shown != (frames[0, ..., 2] > 127)).any(), "the middle frame is not the first"


@pytest.mark.parametrize(
    "box", [(0, 0, 12, 12), (150, 80, 200, 120), (0, 80, 40, 120), (0, 0, WIDTH, HEIGHT), (5, 60, 195, 64)]
)
def test_at_least_four_fifths_of_an_object_stay_in_view(box: tuple[int, int, int, int]) -> None:
    mask = box_mask(*box)
    worst = 1.0
    for seed in range(15):
        frames, _ = moving_crop(np.random.default_rng(seed), surveyed(mask), mask[None], 7, 4)
        for frame in frames:
            left, top, right, bottom = window_of(frame)
            across = max(0, min(right, box[2]) - max(left, box[0]))
            down = max(0, min(bottom, box[3]) - max(top, box[1]))
            worst = min(worst, across * down / ((box[2] - box[0]) * (box[3] - box[1])))
    # The object's edges are measured within a pixel, of an object that may be four pixels high.
    assert worst > (0.75 if box[3] - box[1] > 4 else 0.5)


def test_any_of_the_objects_may_be_the_one_that_stays() -> None:
    corners = np.stack([box_mask(0, 0, 20, 20), box_mask(180, 100, 200, 120), np.zeros((HEIGHT, WIDTH), np.bool_)])
    kept = [
        in_view(corners, moving_crop(np.random.default_rng(seed), surveyed(corners[0]), corners, 3)[1])
        for seed in range(30)
    ]
    assert all(one[:2].any() for one in kept)
    assert all(one[2] for one in kept), "what is not in the picture is not in the clip either"
    assert any(not one[0] for one in kept)
    assert any(not one[1] for one in kept)


def test_in_view_compares_with_the_object_that_is_cut_least() -> None:
    whole = np.stack([box_mask(0, 0, 40, 10), box_mask(0, 20, 40, 30), box_mask(0, 40, 40, 50)])
    kept = np.stack([box_mask(0, 0, 20, 10), box_mask(0, 20, 10, 30), box_mask(0, 40, 9, 50)])
    assert in_view(whole, kept).tolist() == [True, True, False]
    assert in_view(whole, np.zeros((3, 5, 4), np.bool_)).tolist() == [False] * 3
    assert in_view(whole[:0], kept[:0]).tolist() == []


def test_a_finer_pattern_than_the_clip_can_show_becomes_grey() -> None:
    board = np.indices((HEIGHT, WIDTH)).sum(0) % 2
    picture = np.repeat((255 * board).astype(np.uint8)[..., None], 3, axis=2)
    mask = box_mask(80, 40, 120, 80)
    softest = 255.0
    for seed in range(10):
        frames, _ = moving_crop(np.random.default_rng(seed), picture, mask[None], 11, 10)
        softest = min(softest, *(float(frame.std()) for frame in frames))
    assert softest < 20, "every second pixel left out would keep 127"


def test_the_generator_decides_everything() -> None:
    mask = box_mask(60, 30, 100, 70)
    one, same, other = (
        moving_crop(np.random.default_rng(seed), surveyed(mask), mask[None], 3, 20) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one[0], same[0])
    np.testing.assert_array_equal(one[1], same[1])
    assert one[0].shape != other[0].shape or (one[0] != other[0]).any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 2), (33, 5)])
def test_pictures_of_any_size(shape: tuple[int, int]) -> None:
    picture = np.full((*shape, 3), 77, np.uint8)
    for masks in (np.ones((2, *shape), np.bool_), np.zeros((1, *shape), np.bool_), np.zeros((0, *shape), np.bool_)):
        for frames in (1, 3):
            clip, kept = moving_crop(np.random.default_rng(0), picture, masks, frames)
            assert clip.shape[0] == frames
            assert (clip == 77).all()
            assert kept.shape == (len(masks), *clip.shape[1:3])
            assert kept.any() == masks.any()
