"""Read single images and folders of frames with Pillow."""

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from refvid.errors import VideoError
from refvid.video.frame import Frame, Pixels, VideoInfo
from refvid.video.picture import PICTURE_ERRORS
from refvid.video.still import IMAGE_NAMES, is_still, opened_still, page_note
from refvid.video.timeline import ProbedSource
from refvid.video.transparency import split_rgba

FRAME_RATE = Fraction(25)  # frames per second; images carry no times
_ORIENTATION = 0x0112  # EXIF tag; values 5 to 8 are turned by a quarter
# Where PNG files keep EXIF or XMP: the chunk of the standard, those of ImageMagick and Adobe.
_PNG_METADATA = frozenset({"exif", "Raw profile type exif", "XML:com.adobe.xmp"})
_PNG_METADATA_CHUNKS = frozenset({b"eXIf", b"iTXt", b"tEXt", b"zTXt"})
_PNG_SIGNATURE_BYTES = 8


def is_image(path: Path) -> bool:
    """Return whether `path` is a still image, judged by its suffix and its first bytes."""
    return path.suffix.lower() in IMAGE_NAMES and looks_still(path)


def looks_still(path: Path) -> bool:
    """Return whether `path` is a still image, judged by its first bytes."""
    try:
        return is_still(path)
    except PICTURE_ERRORS:
        return False


def scan_image(path: Path) -> ProbedSource:
    """Probe one image.

    Raises:
        VideoError: The image is damaged, or is an animated WebP, which FFmpeg cannot read as a video.
    """
    with opened_still(path) as image:
        if image.format == "WEBP" and getattr(image, "is_animated", False):
            raise VideoError(f"{path} is an animated WebP, which refvid cannot read; convert it to a video first")
    return _source(path, [path], "image")


def scan_folder(folder: Path) -> ProbedSource:
    """Probe a folder of frames, which are ordered naturally by name and must all have the same size.

    Raises:
        VideoError: There is no image, or an image cannot be read or differs in size.
    """
    paths = frame_paths(folder)
    if not paths:
        raise VideoError(f"the folder {folder} contains no images; expected frames such as 00001.jpg or 00001.png")
    return _source(folder, paths, "frames")


def frame_paths(folder: Path) -> list[Path]:
    """Return the images directly in `folder`, in natural order (`2.png` before `10.png`)."""
    entries = (entry for entry in folder.iterdir() if not entry.name.startswith("."))
    return sorted((entry for entry in entries if entry.suffix.lower() in IMAGE_NAMES and entry.is_file()), key=_natural)


class ImageReader:
    """A reader that yields an image or the frames of a folder, one in memory at a time."""

    name = "images"

    def __init__(self, source: ProbedSource, start: int, stop: int) -> None:
        self.info: VideoInfo = source.info
        self.frame_total = stop - start
        self.span = source.span(start, stop)
        self.damage: list[str] = []
        self._source = source
        self._range = range(start, stop)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Do nothing: no file stays open between frames."""

    def __iter__(self) -> Iterator[Frame]:
        path = self.info.path
        paths = [path] if self.info.kind == "image" else frame_paths(path)
        if len(paths) != self.info.frame_count:
            raise VideoError(f"the folder {path} changed while it was read; start again")
        if self.info.kind == "image" and (note := page_note(path)):
            self.damage.append(note)
        for index in self._range:
            try:
                pixels, alpha, colours = _load(paths[index])
            except PICTURE_ERRORS as error:
                raise VideoError(
                    f"{self._source.spoken(index)} cannot be decoded: {paths[index]} is damaged ({error})"
                ) from error
            if pixels.shape[:2] != (self.info.height, self.info.width):
                raise VideoError(f"{paths[index]} changed its size while the folder was read; start again")
            time, duration = self._source.time(index), self._source.duration(index)
            yield Frame(index, time, duration, pixels, paths[index].stem, alpha, colours)


def _source(path: Path, paths: list[Path], kind: str) -> ProbedSource:
    size, codec, mode, alpha = _measure(paths[0])
    for other in paths[1:]:
        found, _, _, transparent = _measure(other)
        alpha |= transparent
        if found != size:
            raise VideoError(
                f"the frames in {path} differ in size: {other.name} is {found[0]}x{found[1]}, "
                f"but {paths[0].name} is {size[0]}x{size[1]}; all must have the same size"
            )
    gap = 1 / FRAME_RATE
    info = VideoInfo(
        path=path,
        kind="image" if kind == "image" else "frames",
        width=size[0],
        height=size[1],
        frame_count=len(paths),
        frame_rate=FRAME_RATE,
        time_base=gap,
        start_time=Fraction(0),
        duration=len(paths) * gap,
        codec=codec,
        pixel_format=mode,
        alpha=alpha,
    )
    return ProbedSource(info, pts=range(len(paths)), last_duration=gap, expected=len(paths))


def _measure(path: Path) -> tuple[tuple[int, int], str, str, bool]:
    """Return the size as shown (width, height), the format, the pixel mode and whether there is transparency.

    All of it is in the header.
    """
    try:
        with opened_still(path) as image:
            width, height = image.size
            # Pillow turns a TIFF itself, and tells its size as displayed.
            sideways = image.format != "TIFF" and _orientation(path, image) in (5, 6, 7, 8)
            size = (height, width) if sideways else (width, height)
            return size, (image.format or "").lower(), image.mode.lower(), image.has_transparency_data
    except PICTURE_ERRORS as error:
        raise VideoError(f"{path} is not an image that can be read ({error})") from error


def _load(path: Path) -> tuple[Pixels, NDArray[np.uint8] | None, Pixels | None]:
    """Return one image, upright: on black, its opacity and its own colours, as `split_rgba` does."""
    with opened_still(path) as image:
        turned = image.format != "TIFF" and _orientation(path, image) > 1
        upright = ImageOps.exif_transpose(image) if turned else image
        if upright.mode == "I" or upright.mode.startswith("I;16"):
            # Pillow would clip 16-bit grey values at 255 instead of scaling them.
            grey = (np.asarray(upright).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
            return np.repeat(grey[..., None], 3, axis=2), None, None
        if upright.mode == "F":
            return _from_floats(path, upright), None, None
        if upright.has_transparency_data:
            return split_rgba(np.asarray(upright.convert("RGBA"), dtype=np.uint8))
        return np.array(upright.convert("RGB"), dtype=np.uint8), None, None


def _from_floats(path: Path, image: Image.Image) -> Pixels:
    """Return the picture of grey floating-point values from 0 to 1, which Pillow would clip at 255 instead."""
    values = np.asarray(image)
    if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
        raise VideoError(
            f"{path} has floating-point values from {values.min():g} to {values.max():g}; expected 0 to 1, so convert "
            "it to 8 or 16 bits"
        )
    return np.repeat(np.rint(255 * values).astype(np.uint8)[..., None], 3, axis=2)


def _orientation(path: Path, image: Image.Image) -> int:
    """Return the EXIF or XMP orientation, 1 for upright."""
    if image.format == "PNG" and not _PNG_METADATA & image.info.keys():
        if not _has_late_metadata(path):
            return 1  # Pillow would decode the whole picture to look for it
        image.load()
    orientation = image.getexif().get(_ORIENTATION, 1)
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def _has_late_metadata(path: Path) -> bool:
    """Return whether a PNG has metadata after its pixels, from the headers of its chunks alone."""
    with path.open("rb") as file:
        file.seek(_PNG_SIGNATURE_BYTES)
        pixels_began = False
        while len(header := file.read(8)) == 8:
            name = header[4:]
            if pixels_began and name in _PNG_METADATA_CHUNKS:
                return True
            pixels_began |= name == b"IDAT"
            file.seek(int.from_bytes(header[:4], "big") + 4, 1)  # 4 bytes of checksum
    return False


def _natural(path: Path) -> tuple[list[tuple[int, int, str]], str]:
    pieces = re.split(r"(\d+)", path.name.casefold(), flags=re.ASCII)
    # Digits sort as numbers and before words; the name itself decides between `1.png` and `01.png`.
    return [(0, int(piece), "") if piece.isdecimal() else (1, 0, piece) for piece in pieces if piece], path.name
