"""Opening picture files with Pillow, whose errors become sentences."""

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
    """Opens a picture for a `with` block; whatever is wrong with it, then or while it is decoded, becomes a sentence.

    Args:
        path: Of the file.
        remedy: What to do about a bad one, the end of the sentence.
        kind: Of the error.
        formats: That are taken, as Pillow names them; None: all it knows.

    Raises:
        RefvidError: The picture cannot be read; it is of the kind asked for.
    """
    try:
        with Image.open(path, formats=formats) as image:
            yield image
    except PICTURE_ERRORS as error:
        raise kind(f"{path} cannot be read as a picture ({error}); {remedy}") from error
