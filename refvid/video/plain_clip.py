"""Frames to an H.264 file, for clips that are made and not transformed."""

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

_FINEST_RATE = 1001  # denominator of NTSC's rates; nothing finer is a frame rate


def write_clip(path: Path, frames: NDArray[np.uint8], frames_per_second: float, *, quality: int | None = None) -> None:
    """Write frames as H.264 in an .mp4 file, without sound and without colour tags (BT.601, as old web clips are).

    Args:
        path: Ends in .mp4; replaced where it exists.
        frames: uint8 [T, H, W, 3], RGB, at least one.
        frames_per_second: More than 0.
        quality: x264's CRF; None is visually lossless.

    Raises:
        VideoError: The file cannot be written.
        UnavailableError: This FFmpeg has no H.264 encoder.
        ValueError: There is no frame, or it is not uint8 RGB.
    """
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8 or not len(frames):
        raise ValueError(f"frames must be uint8 [T, H, W, 3], got {frames.dtype} {frames.shape}")
    rate = Fraction(frames_per_second).limit_denominator(_FINEST_RATE)
    count, height, width = frames.shape[:3]
    info = VideoInfo(path, "video", width, height, count, rate, 1 / rate, Fraction(0), count / rate)
    settings = choose_encoder(info, ".mp4", codec=None, quality=quality, transparent=False)
    # x264's macroblock tree, in assembly, gives other bytes at every run; without it the same frames give the same.
    settings = replace(settings, options={**settings.options, "mbtree": "0"})
    with writing(path, failures=WRITE_FAILURES), av.open(str(path.absolute()), "w", format="mp4") as container:
        encoder = FrameEncoder(container, settings, info, None)
        for index, pixels in enumerate(frames):
            for packet in encoder.encode(pixels, index, 1):
                container.mux(packet)
        for packet in encoder.flush():
            container.mux(packet)
