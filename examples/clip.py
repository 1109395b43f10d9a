"""Encode an example clip, with or without sound."""

from fractions import Fraction
from pathlib import Path

import av  # noqa: TID251 - refvid only copies sound, so this clip encodes its own
import numpy as np
import numpy.typing as npt

_RATE = 44100  # samples per second
# Notes of a soft melody, in hertz, half a second each.
_MELODY = (523.25, 659.26, 783.99, 659.26, 587.33, 698.46, 783.99, 523.25)
# The assembly code of x264's macroblock tree gives different bytes in every run; without it, equal frames give equal
# files.
_X264 = {"crf": "20", "preset": "slow", "mbtree": "0"}


def birdsong(seconds: float) -> npt.NDArray[np.float32]:
    """Return a soft melody with chirps over it, float32 [1, samples] in -1..1, at 44.1 kHz."""
    time = np.arange(round(seconds * _RATE)) / _RATE
    sound = np.zeros_like(time)
    for number, pitch in enumerate(_MELODY):
        since = time - number * 0.5
        ring = np.where(since >= 0, np.exp(-3.2 * since.clip(0)) * (1 - np.exp(-80 * since.clip(0))), 0)
        sound += 0.12 * ring * (np.sin(2 * np.pi * pitch * since) + 0.3 * np.sin(4 * np.pi * pitch * since))
    for start in (0.3, 0.48, 0.66, 1.7, 1.88, 2.6, 2.75, 2.9, 3.05):
        since = (time - start) / 0.12
        shape = np.where((since > 0) & (since < 1), np.sin(np.pi * since.clip(0, 1)) ** 2, 0)
        sound += 0.06 * shape * np.sin(2 * np.pi * 0.12 * (2800 * since + 700 * since**2))
    return sound[None].astype(np.float32)


def write_clip(path: Path, frames: npt.NDArray[np.uint8], frames_per_second: float, *, sound: bool) -> None:
    """Write frames as an H.264 MP4 file with BT.709 colour tags and, if wanted, the birdsong as AAC.

    Args:
        path: File to write; an existing one is replaced.
        frames: Frames of even width and height, uint8 RGB [T, H, W, 3].
        frames_per_second: Frame rate of the clip.
        sound: Whether to add the birdsong.
    """
    height, width = frames.shape[1:3]
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=Fraction(frames_per_second), options=dict(_X264))
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        context = video.codec_context
        context.color_primaries, context.color_trc, context.colorspace, context.color_range = 1, 1, 1, 1
        voice = container.add_stream("aac", rate=_RATE, layout="mono", bit_rate=64000) if sound else None
        for pixels in frames:
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame = frame.reformat(format="yuv420p", src_colorspace="ITU709", dst_colorspace="ITU709")
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if voice is None:
            return
        samples = birdsong(len(frames) / frames_per_second)
        for start in range(0, samples.shape[1], 1024):
            block = av.AudioFrame.from_ndarray(samples[:, start : start + 1024].copy(), format="fltp", layout="mono")
            block.sample_rate, block.pts, block.time_base = _RATE, start, Fraction(1, _RATE)
            container.mux(voice.encode(block))
        container.mux(voice.encode(None))
