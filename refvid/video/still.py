"""Open still pictures: with Pillow, the frames of film work with FFmpeg, and HEIC where its library is installed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from refvid.errors import UnavailableError, VideoError

# GIF is left out on purpose: it is treated as a video and read by PyAV. Pillow raises KeyError for a format that it was
# built without, so only those that are there are named.
Image.init()
PILLOW_FORMATS = tuple(
    name for name in ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "PPM", "TGA", "AVIF", "JPEG2000") if name in Image.OPEN
)
_FFMPEG_NAMES = frozenset({".dpx", ".exr", ".pam", ".qoi", ".sgi"})
_HEIF_NAMES = frozenset({".heic", ".heif", ".hif"})
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1")
IMAGE_NAMES = frozenset(
    f".{suffix}"
    for suffix in (
        *("png", "jpg", "jpeg", "jpe", "jfif", "mpo", "webp", "bmp", "dib", "tif", "tiff"),
        *("ppm", "pgm", "pbm", "pnm", "tga", "avif", "jp2"),
    )
) | (_FFMPEG_NAMES | _HEIF_NAMES)


@contextmanager
def opened_still(path: Path) -> Iterator[Image.Image]:
    """Yield an open still picture; Pillow has not decoded its pixels yet.

    Raises:
        UnavailableError: It is an HEIC picture, and pillow-heif is not installed.
        VideoError: FFmpeg cannot decode it.
        OSError, ValueError, SyntaxError: Pillow cannot open it.
    """
    if path.suffix.lower() in _FFMPEG_NAMES:
        yield _decoded(path)
        return
    # Given a path, Pillow maps uncompressed grey TIFFs into memory, and scrambles those that it turns by a quarter.
    with path.open("rb") as file:
        formats: tuple[str, ...] = PILLOW_FORMATS
        if _is_heif(file.read(12)):
            _register_heif(path)
            formats = ("HEIF",)
        file.seek(0)
        with Image.open(file, formats=formats) as image:
            yield image


def is_still(path: Path) -> bool:
    """Return whether `path` is a still picture, judged by its first bytes; an animated PNG or AVIF is a video.

    Raises:
        OSError, ValueError, SyntaxError: Pillow cannot read it; an OSError also where it is not one of its formats.
    """
    if path.suffix.lower() in _FFMPEG_NAMES:
        return True
    with path.open("rb") as file:
        if _is_heif(file.read(12)):
            return True
        file.seek(0)
        with Image.open(file, formats=PILLOW_FORMATS) as image:
            # FFmpeg reads them as videos, but not an animated WebP, which `scan_image` rejects.
            return not (image.format in ("PNG", "AVIF") and getattr(image, "is_animated", False))


def page_note(path: Path) -> str | None:
    """Return a message for the user about the pages of a TIFF that are not used; None if there is only one."""
    if path.suffix.lower() not in (".tif", ".tiff"):
        return None
    with opened_still(path) as image:
        pages = getattr(image, "n_frames", 1)
    return None if pages == 1 else f"{path} has {pages} pages, of which only the first is used"


def _is_heif(start: bytes) -> bool:
    return start[4:8] == b"ftyp" and start[8:12] in _HEIF_BRANDS


def _register_heif(path: Path) -> None:
    try:
        import pillow_heif
    except ImportError as error:
        raise UnavailableError(
            f"{path} is an HEIC picture, and pillow-heif, which reads them, is not installed; "
            'type: pip install "refvid[heif]"'
        ) from error
    pillow_heif.register_heif_opener()


def _decoded(path: Path) -> Image.Image:
    """Return a picture that FFmpeg decodes, RGB or RGBA with straight alpha.

    Raises:
        VideoError: FFmpeg cannot decode it.
    """
    try:
        # An open file, because FFmpeg would take a % in a name for the number of a sequence.
        with path.open("rb") as file, av.open(file, "r") as container:
            frame = next(container.decode(video=0))
            image = Image.fromarray(_linear(frame) if path.suffix.lower() == ".exr" else _integers(frame))
    except (av.FFmpegError, StopIteration, IndexError) as error:
        raise VideoError(f"{path} is not an image that can be read ({error})") from error
    image.format = path.suffix[1:].upper()
    return image


def _integers(frame: av.VideoFrame) -> NDArray[np.uint8]:
    alpha = any(component.is_alpha for component in frame.format.components)
    return np.asarray(frame.to_ndarray(format="rgba" if alpha else "rgb24"), dtype=np.uint8)


def _linear(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """Return the picture of an OpenEXR file as a screen shows it.

    OpenEXR stores linear light with premultiplied alpha; screens expect the curve of IEC 61966-2-1 (sRGB).
    """
    alpha = any(component.is_alpha for component in frame.format.components)
    values: Any = frame.to_ndarray(format="gbrapf32le" if alpha else "gbrpf32le")
    colours = np.nan_to_num(values[..., :3].astype(np.float32), posinf=1.0)
    if alpha:
        opacity = np.nan_to_num(values[..., 3:].astype(np.float32)).clip(0, 1)
        colours = np.divide(colours, opacity, out=np.zeros_like(colours), where=opacity > 0)
    colours = colours.clip(0, 1)
    curved = np.where(colours <= 0.0031308, 12.92 * colours, 1.055 * colours ** (1 / 2.4) - 0.055)
    whole = np.concatenate([curved, opacity], axis=2) if alpha else curved
    return np.asarray(np.rint(255 * whole), dtype=np.uint8)
