"""Small synthetic clips, made with PyAV, for every test that needs a video: plain functions, no fixtures.

The picture of frame `i` is `frame_pixels(i, size)`: a smooth ramp, a moving square and a grey level that tells
the frames apart after lossy coding.
"""

import os
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.stream import AudioStream
from av.video.stream import VideoStream
from numpy.typing import NDArray

os.environ.setdefault("SVT_LOG", "0")  # the AV1 encoder writes to stderr by itself

TIME_BASE = Fraction(1, 12_800)
QUIET_ENCODERS = {"libx265": {"x265-params": "log-level=none"}}
QUICK_ENCODERS = {
    "libx264": {"preset": "ultrafast", "crf": "10"},
    "libx265": {"preset": "ultrafast", "crf": "10"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "crf": "15", "b": "0"},
    "libsvtav1": {"preset": "12", "crf": "20"},
}


def frame_pixels(index: int, size: tuple[int, int] = (64, 48)) -> NDArray[np.uint8]:
    """The picture of frame `index`: uint8 RGB [H, W, 3] for `size` = (width, height)."""
    width, height = size
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[..., 0] = np.linspace(20, 200, width, dtype=np.uint8)[None, :]
    pixels[..., 1] = np.linspace(20, 200, height, dtype=np.uint8)[:, None]
    pixels[..., 2] = 40 + (index * 37) % 176
    side = max(4, min(width, height) // 4)
    left, top = (index * 3) % (width - side), (index * 2) % (height - side)
    pixels[top : top + side, left : left + side] = (230, 230, 30)
    return pixels


def variable_times(frames: int) -> list[Fraction]:
    """Presentation times with unequal gaps (40, 40, 120, 20 ms and again), in seconds from 0."""
    gaps = [Fraction(40, 1000), Fraction(40, 1000), Fraction(120, 1000), Fraction(20, 1000)]
    times = [Fraction(0)]
    for index in range(frames - 1):
        times.append(times[-1] + gaps[index % len(gaps)])
    return times


def make_clip(
    path: Path,
    *,
    frames: int = 30,
    codec: str = "libx264",
    size: tuple[int, int] = (64, 48),
    rate: int = 25,
    times: Sequence[Fraction] | None = None,
    start: Fraction | int = 0,
    audio: str | None = None,
    rotation: int = 0,
    pixel_format: str = "yuv420p",
    keyframe_every: int = 10,
    bt709: bool = False,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Write a clip; the container follows from the suffix of `path`.

    Args:
        path: File to write.
        frames: Number of frames.
        codec: FFmpeg's encoder name.
        size: (width, height) as coded, before rotation.
        rate: Frames a second when `times` is None.
        times: Presentation time of each frame in seconds, added to `start`.
        start: Presentation time of the first frame, in seconds.
        audio: Encoder of a sine tone that accompanies the picture ("aac", "libopus"), None for silence.
        rotation: Degrees counter-clockwise that a player turns the picture by (0, 90, 180, 270).
        pixel_format: FFmpeg's name of the coded pixel format.
        keyframe_every: Greatest distance between key frames.
        bt709: Tag and convert the colours as BT.709 instead of leaving them untagged.
        options: Further options of the encoder.
        container_options: Options of the muxer, such as {"movflags": "faststart"}.
    """
    moments = list(times) if times is not None else [Fraction(index, rate) for index in range(frames)]
    with av.open(str(path), "w", options=container_options or {}) as container:
        settings = {**QUICK_ENCODERS.get(codec, {}), **QUIET_ENCODERS.get(codec, {}), **(options or {})}
        stream = container.add_stream(codec, rate=rate, options=settings)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = pixel_format
        context = stream.codec_context
        context.time_base = TIME_BASE
        context.gop_size = keyframe_every
        if bt709:
            context.colorspace = context.color_primaries = context.color_trc = 1
            context.color_range = 1
        if rotation:
            stream.set_display_rotation(rotation)
        sound: Any = container.add_stream(audio, rate=48_000, layout="mono") if audio else None
        tone = _tone(moments[-1] + Fraction(1, rate), Fraction(start)) if sound else iter(())
        for index, moment in enumerate(moments):
            frame = av.VideoFrame.from_ndarray(frame_pixels(index, size), format="rgb24")
            extra: dict[str, Any] = {"dst_colorspace": 1, "dst_color_range": 1} if bt709 else {}
            frame = frame.reformat(format=pixel_format, **extra)
            frame.pts = round((moment + start) / TIME_BASE)
            frame.time_base = TIME_BASE
            container.mux(stream.encode(frame))
            if sound and index % 10 == 0:
                _mux_tone(container, sound, tone, limit=20)
        container.mux(stream.encode(None))
        if sound:
            _mux_tone(container, sound, tone, limit=None)
            container.mux(sound.encode(None))
    return path


def make_sound(path: Path, seconds: int = 1, codec: str = "aac") -> Path:
    """Write a file that holds a sine tone and no picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=48_000, layout="mono")
        assert isinstance(stream, AudioStream)
        _mux_tone(container, stream, _tone(Fraction(seconds), Fraction(0)), limit=None)
        container.mux(stream.encode(None))
    return path


def truncated(source: Path, path: Path, keep: float = 0.6) -> Path:
    """Copy the first part of a file; make `source` with faststart so that the index survives."""
    content = source.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    return path


def corrupted(source: Path, path: Path, at: float = 0.5, length: int = 0) -> Path:
    """Copy a file with `length` bytes (default: a fiftieth) around the fraction `at` overwritten by noise."""
    content = bytearray(source.read_bytes())
    length = length or max(64, len(content) // 50)
    begin = int(len(content) * at)
    content[begin : begin + length] = np.random.default_rng(0).bytes(length)
    path.write_bytes(content)
    return path


def _tone(seconds: Fraction, start: Fraction) -> Iterator[av.AudioFrame]:
    total, chunk = int(seconds * 48_000), 960
    for begin in range(0, total, chunk):
        samples = np.arange(begin, begin + chunk) / 48_000
        wave = (0.3 * np.sin(2 * np.pi * 440 * samples)).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
        frame.sample_rate = 48_000
        frame.pts = begin + int(start * 48_000)
        frame.time_base = Fraction(1, 48_000)
        yield frame


def _mux_tone(container: Any, stream: Any, tone: Iterator[av.AudioFrame], limit: int | None) -> None:
    for number, frame in enumerate(tone):
        container.mux(stream.encode(frame))
        if limit is not None and number + 1 >= limit:
            return
