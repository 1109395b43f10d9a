"""Write the result for a single image."""

from pathlib import Path
from typing import Any

from refvid.errors import VideoError
from refvid.video.folder_writer import picture_image, save_picture
from refvid.video.frame import Frame, Masks, VideoInfo
from refvid.video.picture import carried_settings
from refvid.video.render import Painter

BEST_JPEG = 95  # Pillow advises against more, because the file grows but the picture does not improve


class ImageSink:
    """A sink that writes the single frame of an image, in the format of the output's suffix."""

    def __init__(self, info: VideoInfo, paint: Painter, *, quality: int | None) -> None:
        """Store the source, the painter and the quality of JPEG and WebP: 1 to 100, None for visually lossless."""
        self.notes: list[str] = []
        self._info, self._paint, self._quality = info, paint, quality
        self._path = Path()
        self._written = False

    def open(self, temporary: Path) -> None:
        """Remember the file to write, whose suffix gives the format."""
        self._path = temporary

    def add(self, frame: Frame, masks: Masks) -> None:
        """Write the picture.

        Raises:
            VideoError: A picture has been written already.
        """
        if self._written:
            raise VideoError("an image output holds one frame, but there is a second one")
        drawn = self._paint(frame, masks)
        # Index masks are no pictures of the source.
        carried = self._carried() if drawn.ndim == 3 else {}
        save_picture(picture_image(drawn), self._path, **carried, **self._settings())
        self._written = True

    def _carried(self) -> dict[str, Any]:
        suffix = self._path.suffix.lower()
        carried, left_out = carried_settings(self._info.path, suffix)
        if left_out:
            self.notes.append(f"left out, because {suffix} files do not hold it: {', '.join(left_out)}")
        return carried

    def _settings(self) -> dict[str, Any]:
        suffix = self._path.suffix.lower()
        if suffix in (".jpg", ".jpeg"):
            # Full colour resolution: halving it would blur thin coloured outlines first of all.
            return {"quality": self._quality or BEST_JPEG, "subsampling": 0}
        if suffix == ".webp":
            return {"lossless": True} if self._quality is None else {"quality": self._quality}
        if suffix in (".tif", ".tiff"):
            return {"compression": "tiff_deflate"}
        return {}

    def finish(self) -> None:
        """Do nothing: the picture is already complete."""

    def abandon(self) -> None:
        """Do nothing: no file is open."""
