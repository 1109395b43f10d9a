"""The backgrounds of composed clips: photos of streets without their person, and drawn places."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from refvid.world.photos.folder import Photo
from refvid.world.scenes.backdrop import draw_backdrop


@dataclass(frozen=True)
class Stage:
    """The background of a clip.

    Attributes:
        image: Picture uint8 [height + 2 margin, width + 2 margin, 3], RGB.
        margin: Distance in pixels by which the camera can move.
        horizon: Row of the frame at the height of the eyes of people who stand on the ground.
        tone: Means of L, a and b and the standard deviation of L, in 8-bit CIELAB.
        real: Whether it is a photo, which may show unlabelled cars and passers-by.
    """

    image: npt.NDArray[np.uint8]
    margin: int
    horizon: float
    tone: tuple[float, float, float, float]
    real: bool

    def window(self, offset: npt.NDArray[np.float64], width: int, height: int) -> npt.NDArray[np.uint8]:
        """Return the frame that a camera at an offset sees, uint8 [height, width, 3]."""
        left, top = self.margin + offset
        if float(left).is_integer() and float(top).is_integer():
            return self.image[int(top) : int(top) + height, int(left) : int(left) + width]
        centre = (left + (width - 1) / 2, top + (height - 1) / 2)
        return cv2.getRectSubPix(self.image, (width, height), centre).astype(np.uint8)


def photo_stage(rng: np.random.Generator, photo: Photo, width: int, height: int) -> Stage:
    """Cut a stage for frames of a given size out of a street, stretched a little so that more of its height is seen."""
    street = photo.empty_street
    margin = max(4, round(0.08 * width))
    size = (width + 2 * margin, height + 2 * margin)
    aspect = size[0] / size[1] / rng.uniform(1.0, 1.7)
    tall, wide = street.shape[:2]
    crop_wide = max(8, round(min(wide, tall * aspect) * rng.uniform(0.7, 1.0)))
    crop_tall = max(8, min(tall, round(crop_wide / aspect)))
    left = int(rng.integers(wide - crop_wide + 1))
    # With the horizon in the upper part of the window, people placed at the right row stand on the ground.
    eye_row = np.flatnonzero(photo.person.any(1))[0] + 0.08 * photo.cutout.stature
    top = int(np.clip(round(eye_row - rng.uniform(0.05, 0.45) * crop_tall), 0, tall - crop_tall))
    window = street[top : top + crop_tall, left : left + crop_wide]
    if rng.random() < 0.5:
        window = window[:, ::-1]
    image = cv2.resize(window, size, interpolation=cv2.INTER_LINEAR).astype(np.uint8)
    horizon = (eye_row - top) / crop_tall * size[1] - margin
    return Stage(image, margin, float(horizon), tone_of(image), True)


def drawn_stage(rng: np.random.Generator, width: int, height: int) -> Stage:
    """Draw a stage for frames of a given size in pixels."""
    backdrop = draw_backdrop(rng, width, height)
    image = np.asarray(backdrop.image)
    # The eyes are above the row at which a drawn ground begins, and even more so if the ground is near.
    return Stage(image, backdrop.margin, backdrop.horizon - rng.uniform(0.0, 0.25) * height, tone_of(image), False)


def tone_of(image: npt.NDArray[np.uint8]) -> tuple[float, float, float, float]:
    """Return the tone of a picture uint8 [H, W, 3], as in `Stage.tone`."""
    small = cv2.cvtColor(cv2.resize(image, (16, 16), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2LAB)
    mean = small.reshape(-1, 3).mean(0)
    return float(mean[0]), float(mean[1]), float(mean[2]), float(image[..., 1].std())
