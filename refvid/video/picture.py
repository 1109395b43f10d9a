"""Open picture files with Pillow, and turn its errors into messages for the user."""

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


def loop_count(path: Path, codec: str) -> int | None:
    """Return how often an animation is repeated, as FFmpeg's GIF muxer takes it: 0 for ever, -1 not at all.

    FFmpeg's readers of animations do not tell.

    Args:
        path: Path of the animation.
        codec: FFmpeg's name of its codec.

    Returns:
        The number of repetitions; None if the file is no GIF or APNG, or does not say.
    """
    if codec not in ("gif", "apng"):
        return None
    try:
        with Image.open(path, formats=("GIF", "PNG")) as image:
            times = image.info.get("loop")
            if image.format == "GIF":
                return -1 if times is None else int(times)
            # A PNG counts how often it is shown, a GIF how often it is shown again.
            return None if times is None else (int(times) - 1 or -1) if times else 0
    except PICTURE_ERRORS:
        return None
