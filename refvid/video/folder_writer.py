"""A folder with one PNG a frame: palette masks or pictures with transparency."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from refvid.video.frame import Frame, Masks
from refvid.video.render import Painter, davis_palette


class FolderSink:
    """Writes `00042.png` for frame 42 of a video, or the source's own name for a folder of frames."""

    def __init__(self, paint: Painter) -> None:
        """`paint` gives index masks (uint8 [H, W]) or RGBA pictures (uint8 [H, W, 4])."""
        self.notes: list[str] = []
        self._paint = paint
        self._folder = Path()

    def open(self, temporary: Path) -> None:
        """`temporary` is an existing, empty folder."""
        self._folder = temporary

    def add(self, frame: Frame, masks: Masks) -> None:
        """Writes one PNG."""
        picture = picture_image(self._paint(frame.pixels, masks))
        path = self._folder / f"{f'{frame.index:05d}' if frame.name is None else frame.name}.png"
        if path.exists():  # a.jpg and a.png in one folder
            path = path.with_name(f"{frame.name}_{frame.index:05d}.png")
        save_picture(picture, path)

    def finish(self) -> None:
        """Every PNG is complete already."""

    def abandon(self) -> None:
        """No file is open between frames."""


def save_picture(image: Image.Image, path: Path, **settings: Any) -> None:
    """Writes a picture in the format of the path's suffix.

    Pillow hides what the system said about a failed write, so the file's content is made in memory first.
    """
    content = BytesIO()
    image.save(content, Image.registered_extensions()[path.suffix.lower()], **settings)
    path.write_bytes(content.getbuffer())


def picture_image(pixels: NDArray[np.uint8]) -> Image.Image:
    """Makes a picture of what a painter gives; [H, W] becomes a palette image with DAVIS's colours."""
    image = Image.fromarray(pixels)
    if pixels.ndim == 2:
        image.putpalette(davis_palette())  # turns mode L into P, the values stay
    return image
