"""One picture in, one picture out."""

from pathlib import Path
from typing import Any

from refvid.errors import VideoError
from refvid.video.folder_writer import picture_image, save_picture
from refvid.video.frame import Frame, Masks
from refvid.video.render import Painter

BEST_JPEG = 95  # Pillow advises against more: the file grows, the picture does not gain


class ImageSink:
    """Writes the single frame of an image in the format of the output's suffix."""

    def __init__(self, paint: Painter, *, quality: int | None) -> None:
        """`quality` counts for JPEG and WebP (1 to 100); None is visually lossless."""
        self.notes: list[str] = []
        self._paint, self._quality = paint, quality
        self._path = Path()
        self._written = False

    def open(self, temporary: Path) -> None:
        """`temporary` ends in the suffix that says the format."""
        self._path = temporary

    def add(self, frame: Frame, masks: Masks) -> None:
        """Writes the picture.

        Raises:
            VideoError: There was one already.
        """
        if self._written:
            raise VideoError("an image output holds one frame, and there is a second")
        save_picture(picture_image(self._paint(frame.pixels, masks)), self._path, **self._settings())
        self._written = True

    def _settings(self) -> dict[str, Any]:
        suffix = self._path.suffix.lower()
        if suffix in (".jpg", ".jpeg"):
            # Full colour resolution: thin coloured outlines suffer first from halving it.
            return {"quality": self._quality or BEST_JPEG, "subsampling": 0}
        if suffix == ".webp":
            return {"lossless": True} if self._quality is None else {"quality": self._quality}
        if suffix in (".tif", ".tiff"):
            return {"compression": "tiff_deflate"}
        return {}

    def finish(self) -> None:
        """The picture is complete already."""

    def abandon(self) -> None:
        """No file is open."""
