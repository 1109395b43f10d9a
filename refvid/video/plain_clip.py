"""Write frames as an H.264 file, for clips that are drawn rather than derived from a source."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from refvid.files import writing
from refvid.video.encoder import WRITE_FAILURES, FrameEncoder
from refvid.video.encoder_choice import choose_encoder
from refvid.video.frame import VideoInfo

_MAX_DENOMINATOR = 1001  # the denominator of NTSC's frame rates; no real frame rate has a larger one


def write_clip(path: Path, frames: NDArray[np.uint8], frames_per_second: float, *, quality: int | None = None) -> None:
    """Write frames as H.264 in an .mp4 file, without sound and without colour tags: BT.601, or BT.709 from HD on.

    Args:
        path: Ends in .mp4; replaced where it exists.
        frames: uint8 [T, H, W, 3], RGB, at least one.
        frames_per_second: Frame rate, more than 0.
        quality: CRF of x264; None for visually lossless.

    Raises:
        VideoError: The file cannot be written.
        UnavailableError: This FFmpeg has no H.264 encoder.
        ValueError: There is no frame, or the frames are not uint8 RGB.
    """
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8 or not len(frames):
        raise ValueError(f"frames must be uint8 [T, H, W, 3], got {frames.dtype} {frames.shape}")
    rate = Fraction(frames_per_second).limit_denominator(_MAX_DENOMINATOR)
    count, height, width = frames.shape[:3]
    info = VideoInfo(path, "video", width, height, count, rate, 1 / rate, Fraction(0), count / rate)
    settings = choose_encoder(info, ".mp4", codec=None, quality=quality, transparent=False)
    # The assembly code of x264's macroblock tree gives different bytes in every run; without it, equal frames give
    # equal files.
    settings = replace(settings, options={**settings.options, "mbtree": "0"})
    with writing(path, failures=WRITE_FAILURES), av.open(str(path.absolute()), "w", format="mp4") as container:
        encoder = FrameEncoder(container, settings, info, None)
        for index, pixels in enumerate(frames):
            for packet in encoder.encode(pixels, index, 1):
                container.mux(packet)
        for packet in encoder.flush():
            container.mux(packet)
