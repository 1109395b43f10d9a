"""Where frames lie in the network's input, counted by hand."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from refvid.model.letterbox import Letterbox


@pytest.mark.parametrize(
    ("frame", "canvas", "scaled", "offset"),
    [
        ((240, 320), (320, 320), (240, 320), (40, 0)),
        ((320, 240), (320, 320), (320, 240), (0, 40)),
        ((100, 400), (32, 64), (16, 64), (8, 0)),  # the width decides
        ((400, 100), (32, 64), (32, 8), (0, 28)),  # the height does
        ((5, 10), (64, 64), (32, 64), (16, 0)),  # enlarged
        ((3, 64), (8, 64), (3, 64), (2, 0)),  # of five rows two come before the picture
        ((64, 3), (64, 8), (64, 3), (0, 2)),
        ((1, 1000), (64, 64), (1, 64), (31, 0)),  # no side vanishes
        ((1000, 1), (64, 64), (64, 1), (0, 31)),
    ],
)
def test_a_picture_fills_its_canvas_and_lies_in_the_middle(
    frame: tuple[int, int], canvas: tuple[int, int], scaled: tuple[int, int], offset: tuple[int, int]
) -> None:
    box = Letterbox(*frame, canvas)
    assert box.scaled == scaled
    assert box.offset == offset


def test_a_square_is_of_the_size_that_is_asked_for() -> None:
    assert Letterbox.square(np.zeros((6, 9, 3), np.uint8), 48) == Letterbox(6, 9, (48, 48))


def test_a_frame_that_fits_is_placed_as_it_is_with_zeros_around() -> None:
    frame = torch.randint(1, 256, (2, 3, 3, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    expected = torch.zeros(2, 3, 8, 8)
    expected[:, :, 2:5] = frame / 255
    assert torch.equal(Letterbox(3, 8, (8, 8)).apply(frame), expected)
    tall = Letterbox(8, 3, (8, 8)).apply(frame.mT)
    assert torch.equal(tall, expected.mT)


def test_shrinking_takes_every_pixel_into_account() -> None:
    frame = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    frame[..., ::4, ::4] = 240  # plain bilinear interpolation by eight would see none of them
    small = Letterbox(64, 64, (8, 8)).resize(frame)
    assert small.dtype == torch.uint8
    assert ((small > 5) & (small < 30)).all(), "a sixteenth of 240"


@pytest.mark.parametrize("frame", [(3, 8), (8, 3)])
def test_logits_are_cut_where_the_picture_lies(frame: tuple[int, int]) -> None:
    box = Letterbox(*frame, (8, 8))
    fine = torch.randn(2, 8, 8, generator=torch.Generator().manual_seed(1))
    (height, width), (top, left) = frame, box.offset
    assert torch.equal(box.crop(fine), fine[:, top : top + height, left : left + width])
    coarse = fine[:, ::4, ::4]
    enlarged = F.interpolate(coarse[:, None], (8, 8), mode="bilinear", align_corners=False)[:, 0]
    assert torch.equal(box.crop(coarse), enlarged[:, top : top + height, left : left + width])


def test_values_come_back_to_the_size_of_the_frame() -> None:
    values = torch.tensor([[[0.0, 4.0]]])
    assert torch.equal(Letterbox(1, 4, (2, 2)).restore(values), torch.tensor([[[0.0, 1.0, 3.0, 4.0]]]))
    assert Letterbox(6, 4, (2, 2)).restore(values).shape == (1, 6, 4)
