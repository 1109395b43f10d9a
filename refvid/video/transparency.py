"""The transparency of a source: which videos have it, how it is decoded, and what a frame looks like with it.

Below full transparency a file often still holds colours: a background that was painted over, a photo that was cut out.
Nobody who looks at the file sees them, so no output may show them. They are set to black as soon as a frame is decoded.
"""

from typing import Any

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

from refvid.errors import UnavailableError
from refvid.video.frame import Pixels

# FFmpeg's own decoders of these codecs leave out the second picture in which WebM and Matroska store the transparency.
_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
# Uncompressed pictures and old palettes have a fourth byte that most programs leave at zero without meaning anything.
_OFTEN_UNUSED = frozenset({"rawvideo"})


def alpha_decoder(stream: VideoStream) -> Any:
    """Return a decoder that gives the transparency of a stream where its own decoder does not; else its own one.

    Raises:
        UnavailableError: This FFmpeg lacks the decoder.
    """
    own = stream.codec_context
    name = _DECODERS.get(own.codec.canonical_name)
    tagged = {key.lower(): text for key, text in stream.metadata.items()}.get("alpha_mode") == "1"
    if name is None or not tagged:
        return own
    try:
        decoder: Any = av.CodecContext.create(name, "r")
    except ValueError as error:  # UnknownCodecError
        raise UnavailableError(
            f"the video is transparent, and this FFmpeg has no decoder {name} to read that; install PyAV from PyPI"
        ) from error
    decoder.extradata = own.extradata
    return decoder


def has_alpha(first: av.VideoFrame, codec: str) -> bool:
    """Return whether the frames of a video may be transparent, judged by the first one."""
    paletted = first.format.name == "pal8"  # its transparency lies in the palette
    if not paletted and not any(component.is_alpha for component in first.format.components):
        return False
    if paletted or codec in _OFTEN_UNUSED:
        return bool(first.to_ndarray(format="rgba")[..., 3].any())
    return True


def split_rgba(rgba: NDArray[np.uint8]) -> tuple[Pixels, NDArray[np.uint8] | None, Pixels | None]:
    """Return what a `Frame` holds of a picture with transparency, uint8 RGBA [H, W, 4].

    Returns:
        The picture on black, uint8 [H, W, 3]; its opacity, uint8 [H, W]; and its own colours, uint8 [H, W, 3], black
        where nothing of them is visible. The latter two are None for an opaque picture.
    """
    alpha = np.ascontiguousarray(rgba[..., 3])
    colours = np.ascontiguousarray(rgba[..., :3])
    if alpha.min(initial=255) == 255:
        return colours, None, None
    colours = colours * (alpha > 0)[..., None]
    return over(colours, alpha, 0), alpha, colours


def over(colours: Pixels, alpha: NDArray[np.uint8], backdrop: NDArray[np.uint8] | int) -> Pixels:
    """Return a transparent picture on a backdrop.

    Args:
        colours: The picture's own colours, uint8 [H, W, 3].
        alpha: Its opacity, uint8 [H, W].
        backdrop: One grey level, or colours that broadcast to [H, W, 3].
    """
    opacity = alpha[..., None].astype(np.uint16)
    # 255 * 255 fits 16 bits; adding half the divisor rounds to the nearest level.
    mixed = colours * opacity + np.asarray(backdrop, np.uint16) * (255 - opacity) + np.uint16(127)
    return (mixed // np.uint16(255)).astype(np.uint8)
