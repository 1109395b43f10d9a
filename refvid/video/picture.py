"""Open picture files with Pillow, and turn its errors into messages for the user."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from refvid.errors import RefvidError, VideoError

_ORIENTATION = 0x0112  # EXIF tag; 1 is upright
_HOLD_PROFILES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff"})  # and EXIF too
# Texts of a PNG that hold EXIF or XMP, which speak of the orientation, or the date of the file.
_TECHNICAL_TEXTS = frozenset({"raw profile type exif", "xml:com.adobe.xmp", "date:create", "date:modify"})
_RGB_PROFILE = b"RGB "  # at bytes 16 to 20 of an ICC profile
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


def carried_settings(path: Path, suffix: str) -> tuple[dict[str, Any], list[str]]:
    """Return what a picture made from another one takes over beside the pixels.

    That is the colour profile, EXIF, the resolution, and the texts of a PNG. The orientation is set to upright.
    Thumbnails are not taken over, because they show the picture before it was cut.

    Args:
        path: The source.
        suffix: Suffix of the file to be written.

    Returns:
        Settings for Pillow's `save`, and the names of what files with this suffix do not hold.
    """
    settings: dict[str, Any] = {}
    try:
        with Image.open(path) as image:
            profile, texts = image.info.get("icc_profile"), getattr(image, "text", {})
            if isinstance(profile, bytes) and profile[16:20] == _RGB_PROFILE:
                settings["icc_profile"] = profile
            exif = image.getexif() if image.format != "TIFF" else Image.Exif()  # a TIFF's layout is in the same place
            if len(exif):
                exif[_ORIENTATION] = 1
                settings["exif"] = exif.tobytes()
            if image.info.get("dpi"):
                settings["dpi"] = image.info["dpi"]
    except PICTURE_ERRORS:
        return {}, []  # what can be read of the picture's frame has been read; its extras are not worth an error
    texts = {key: text for key, text in texts.items() if key.lower() not in _TECHNICAL_TEXTS}
    left_out = []
    if suffix not in _HOLD_PROFILES:
        spoken = {"icc_profile": "colour profile", "exif": "EXIF"}
        left_out = [name for key, name in spoken.items() if settings.pop(key, None) is not None]
    if texts and suffix == ".png":
        settings["pnginfo"] = PngInfo()
        for key, text in texts.items():
            settings["pnginfo"].add_itxt(key, text)
    elif texts:
        left_out.append(f"metadata {', '.join(texts)}")
    return settings, left_out
