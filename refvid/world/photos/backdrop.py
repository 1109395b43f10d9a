"""Empty streets: photos in which the person is replaced by the surroundings."""

import cv2
import numpy as np
import numpy.typing as npt


def remove_person(image: npt.NDArray[np.uint8], person: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """Replace a person, row by row, by the pixels on both sides, mirrored at the outline.

    Args:
        image: Photo uint8 [H, W, 3], RGB.
        person: Mask of the person, bool [H, W].

    Returns:
        Photo without the person, uint8 [H, W, 3].
    """
    width = person.shape[1]
    hole = cv2.dilate(person.view(np.uint8), np.ones((9, 9), np.uint8)).view(np.bool_)
    rows = np.flatnonzero(hole.any(1))
    if not len(rows):
        return image.copy()
    left, right = _outline(hole, rows)
    columns = np.arange(width)[None]
    span = (right - left)[:, None]
    share = ((columns - left[:, None]) / np.maximum(span, 1)).clip(0, 1)
    share = share * share * (3 - 2 * share)
    from_left = np.abs(2 * left[:, None] - 1 - columns)
    from_right = 2 * right[:, None] - columns
    from_right = np.where(from_right >= width, 2 * width - 2 - from_right, from_right)
    # If one side is too narrow to be mirrored, only the other one is used.
    share = np.where(left[:, None] < 0.35 * span, 1.0, np.where(width - right[:, None] < 0.35 * span, 0.0, share))
    source = image[rows].astype(np.float32)
    take = np.arange(len(rows))[:, None]
    mixed = (
        source[take, from_left.clip(0, width - 1)] * (1 - share)[..., None]
        + source[take, from_right.clip(0, width - 1)] * share[..., None]
    )
    inside = (columns >= left[:, None]) & (columns < right[:, None])
    filled = image.copy()
    filled[rows] = np.where(inside[..., None], mixed, source).round().astype(np.uint8)
    soft = cv2.GaussianBlur(filled, (7, 7), 2)
    weight = cv2.GaussianBlur(hole.astype(np.float32), (9, 9), 2)[..., None]
    return (filled * (1 - weight) + soft * weight).round().astype(np.uint8)


def _outline(
    hole: npt.NDArray[np.bool_], rows: npt.NDArray[np.intp]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the first and last column of the hole in each row, smoothed so that the mirrored pixels are not torn."""
    left = hole[rows].argmax(1)
    right = hole.shape[1] - hole[rows][:, ::-1].argmax(1)
    reach = max(3, len(rows) // 8)
    kernel = np.ones((2 * reach + 1, 1), np.uint8)
    wide_left = cv2.erode(left.astype(np.float32)[:, None], kernel)
    wide_right = cv2.dilate(right.astype(np.float32)[:, None], kernel)
    size = (1, 2 * reach + 1)
    left = np.minimum(cv2.blur(wide_left, size)[:, 0].round().astype(np.int64), left)
    right = np.maximum(cv2.blur(wide_right, size)[:, 0].round().astype(np.int64), right)
    return left, right
