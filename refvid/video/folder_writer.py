"""Write a folder with one PNG per frame: palette masks or pictures with transparency."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from refvid.video.frame import Frame, Masks
from refvid.video.render import Painter, davis_palette


class FolderSink:
    """A sink that writes `00042.png` for frame 42 of a video, or keeps the frame's name for a folder of frames."""

    def __init__(self, paint: Painter) -> None:
        """Store the painter, which draws index masks (uint8 [H, W]) or RGBA pictures (uint8 [H, W, 4])."""
        self.notes: list[str] = []
        self._paint = paint
        self._folder = Path()

    def open(self, temporary: Path) -> None:
        """Start writing into `temporary`, an existing empty folder."""
        self._folder = temporary

    def add(self, frame: Frame, masks: Masks) -> None:
        """Write the PNG of one frame."""
        picture = picture_image(self._paint(frame, masks))
        path = self._folder / f"{f'{frame.index:05d}' if frame.name is None else frame.name}.png"
        if path.exists():  # the source has both a.jpg and a.png
            path = path.with_name(f"{frame.name}_{frame.index:05d}.png")
        save_picture(picture, path)

    def finish(self) -> None:
        """Do nothing: every PNG is already complete."""

    def abandon(self) -> None:
        """Do nothing: no file is open between frames."""


def save_picture(image: Image.Image, path: Path, **settings: Any) -> None:
    """Write a picture in the format of the path's suffix.

    Pillow hides the system's error for a failed write, so the content of the file is made in memory first.
    """
    content = BytesIO()
    image.save(content, Image.registered_extensions()[path.suffix.lower()], **settings)
    path.write_bytes(content.getbuffer())


def picture_image(pixels: NDArray[np.uint8]) -> Image.Image:
    """Return the Pillow image of an array from a painter; [H, W] becomes a palette image with DAVIS's colours."""
    image = Image.fromarray(pixels)
    if pixels.ndim == 2:
        image.putpalette(davis_palette())  # turns mode L into P and keeps the values
    return image
