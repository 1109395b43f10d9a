"""Open picture files with Pillow and turn its errors into messages for the user."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from refvid.errors import RefvidError, VideoError

PICTURE_ERRORS = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)  # what Pillow raises on bad bytes


@contextmanager
def opened_picture(
    path: Path, remedy: str, *, kind: type[RefvidError] = VideoError, formats: tuple[str, ...] | None = None
) -> Iterator[Image.Image]:
    """Yield an open picture; anything wrong with it, now or while it is decoded, becomes a message for the user.

    Args:
        path: Path of the picture.
        remedy: What the user can do about a bad picture, as the end of the message.
        kind: Class of the error to raise.
        formats: Accepted formats, by Pillow's names; None for all that Pillow knows.

    Raises:
        RefvidError: The picture cannot be read; an error of class `kind`.
    """
    try:
        with Image.open(path, formats=formats) as image:
            yield image
    except PICTURE_ERRORS as error:
        raise kind(f"{path} cannot be read as a picture ({error}); {remedy}") from error
