"""The spatial coordinates against the numbers that section 3.1 tells, cell by cell."""

import pytest
import torch

from refvid.model.layers.spatial import SPATIAL_CHANNELS, spatial_code


@pytest.mark.parametrize("size", [(3, 5), (5, 3), (1, 4), (1, 1)])
def test_every_cell_tells_its_edges_and_the_size_of_the_grid(size: tuple[int, int]) -> None:
    height, width = size
    expected = torch.empty(8, height, width, dtype=torch.float64)
    for row in range(height):
        for column in range(width):
            left, right = -1 + 2 * column / width, -1 + 2 * (column + 1) / width
            top, bottom = -1 + 2 * row / height, -1 + 2 * (row + 1) / height
            cell = [left, (left + right) / 2, right, top, (top + bottom) / 2, bottom, 1 / width, 1 / height]
            expected[:, row, column] = torch.tensor(cell, dtype=torch.float64)
    found = spatial_code(height, width, dtype=torch.float64, device=torch.device("cpu"))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-15)
    assert SPATIAL_CHANNELS == 8


def test_the_code_has_the_type_that_is_asked_for() -> None:
    assert spatial_code(2, 3, dtype=torch.float32, device=torch.device("cpu")).dtype == torch.float32
