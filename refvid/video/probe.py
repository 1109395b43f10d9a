"""Probe a source: describe it and list the times of its frames.

The times are read from the packets, without decoding more than the first few frames. Where packets do not tell the
truth, everything is decoded once.
"""

import errno
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from refvid.errors import VideoError
from refvid.video.decoded_timeline import DecodedTimeline, confirms, decode_timeline, is_broadcast, longest_pause
from refvid.video.frame import ClockJoin, ColourTags, VideoInfo
from refvid.video.image_folder import is_image, looks_still, scan_folder, scan_image
from refvid.video.orientation import frame_orientation
from refvid.video.packet_table import PacketTable, read_packets
from refvid.video.timeline import ProbedSource, average_rate, has_variable_rate
from refvid.video.transparency import has_alpha
from refvid.video.truncation import is_cut_off

_FALLBACK_RATE = Fraction(25)  # frames per second
_FASTEST = 1000  # frames per second; a stream that states more states its clock
_NOT_VIDEO = frozenset({"tty"})  # FFmpeg reads any *.txt as a video of ANSI art


def probe(path: Path) -> VideoInfo:
    """Return the description of a video, an image or a folder of frames.

    Raises:
        VideoError: The source is missing, empty, or has no picture that can be read.
    """
    return scan(path).info


def scan(path: Path) -> ProbedSource:
    """Probe `path` and list the presentation times of its frames.

    All packets are read. Few frames are decoded if the packets tell when each frame is shown, else all.

    Raises:
        VideoError: The source is missing, empty, or has no picture that can be read.
    """
    try:
        if path.is_dir():
            return scan_folder(path)
        if not path.exists():
            raise VideoError(f"no such file or folder: {path}")
        if not path.is_file():
            raise VideoError(f"{path} is neither a file nor a folder")
        if path.stat().st_size == 0:
            raise VideoError(f"{path} is empty (0 bytes)")
        if is_image(path):
            return scan_image(path)
    except OSError as error:
        raise VideoError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error
    with open_container(path) as container:
        source = _scan_container(path, container)
    if source.container.endswith("_pipe") and len(source.pts) == 1 and looks_still(path):
        return scan_image(path)  # its name does not say that it is a picture
    return source


@contextmanager
def open_container(path: Path) -> Iterator[InputContainer]:
    """Yield an open media file, and close it after the block.

    Raises:
        VideoError: FFmpeg cannot open it.
    """
    try:
        # The path is absolute because FFmpeg would take "a:b.mp4" for a protocol. Titles may not be valid UTF-8.
        container = av.open(str(path.absolute()), metadata_errors="replace")
    except av.FFmpegError as error:
        raise VideoError(_opening_failed(path, error)) from error
    try:
        yield container
    finally:
        container.close()


def picture_stream(path: Path, container: InputContainer) -> VideoStream:
    """Return the video stream that a player would show, ignoring cover art.

    Raises:
        VideoError: There is no such stream, or FFmpeg has no decoder for it.
    """
    cover = av.stream.Disposition.attached_pic
    streams = [stream for stream in container.streams.video if not stream.disposition & cover]
    if container.format.name in _NOT_VIDEO or not (streams or container.streams.audio):
        raise VideoError(f"{path} is not a video or image that can be read")
    if not streams:
        raise VideoError(f"{path} contains sound but no picture")
    best = container.streams.best("video")
    stream = next((stream for stream in streams if best is not None and stream.index == best.index), streams[0])
    if stream.codec_context is None:
        raise VideoError(f"{path} contains video in a format that this FFmpeg has no decoder for")
    return stream


def _scan_container(path: Path, container: InputContainer) -> ProbedSource:
    stream = picture_stream(path, container)
    table = read_packets(container, stream)
    if table.first is None:
        raise VideoError(f"{path} contains video, but not a single frame of it can be decoded")
    time_base = Fraction(stream.time_base or Fraction(1, 1000))
    nominal = [
        Fraction(rate.numerator, rate.denominator) for rate in (stream.average_rate, stream.guessed_rate) if rate
    ]
    pts = table.timeline(longest_pause(container) / time_base, lossy=is_broadcast(container))
    if pts is not None and table.to_confirm() and not _confirmed(path, pts, table.to_confirm()):
        pts = None
    exact, repairs = pts is not None, ""
    joins: tuple[ClockJoin, ...] = ()
    if pts is None:
        decoded = _decode(path, table, [rate for rate in nominal if rate <= _FASTEST])
        pts, time_base, joins, repairs = decoded.pts, decoded.time_base, decoded.joins, decoded.repairs
    last = table.last[1] * Fraction(stream.time_base or Fraction(1, 1000))
    gap = (pts[-1] - pts[0]) * time_base / (len(pts) - 1) if len(pts) > 1 else Fraction(0)
    # Some containers lack the last duration, and AVI gives the last frame one unit.
    if last <= 0 or (last < gap / 2 and not has_variable_rate(pts)):
        last = gap or 1 / next(iter(nominal), _FALLBACK_RATE)
    rate = average_rate(pts, time_base, last, nominal)
    info = _describe(path, container, stream, table.first, pts, time_base, last, rate)
    info = replace(info, joins=joins)
    entries, fingerprints = table.entries(pts) if exact else ((), ())
    return ProbedSource(
        info,
        pts=pts,
        last_duration=last,
        stream_index=stream.index,
        exact_times=exact,
        expected=len(pts) + _missing(container, stream, table, info),
        damaged=table.corrupt or table.broken,
        container=container.format.name,
        entries=entries,
        fingerprints=fingerprints,
        closed=not table.leading and not table.trimmed,
        interlaced=table.interlaced,
        repairs=repairs,
    )


def _confirmed(path: Path, pts: Sequence[int], count: int) -> bool:
    with open_container(path) as container:
        return confirms(container, picture_stream(path, container), pts, count)


def _decode(path: Path, table: PacketTable, nominal: Sequence[Fraction]) -> DecodedTimeline:
    rate = next(iter(reversed(nominal)), _FALLBACK_RATE)
    with open_container(path) as container:
        return decode_timeline(container, picture_stream(path, container), table, rate)


def _missing(container: InputContainer, stream: VideoStream, found: PacketTable, info: VideoInfo) -> int:
    """Return how many frames the container's index or header promises beyond the packets that are there."""
    least = int(found.broken)
    if "mov" in container.format.name:
        return max(least, len(stream.index_entries) - found.counted)
    promised = None
    if container.format.name == "avi" and stream.frames:
        promised = stream.frames * info.time_base - info.start_time
    elif match := re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", "")):
        promised = int(match[1]) * 3600 + int(match[2]) * 60 + Fraction(match[3]) - info.start_time
    # A header may also promise more because the last frame is shown for long, or because the file was cut.
    if promised is None or not is_cut_off(info.path, container.format.name):
        return least
    missing = round((promised - info.duration) * info.frame_rate)
    # Headers round their durations, so that one frame more or less is no sign of damage.
    return missing if missing > max(1, info.frame_count // 100) else least


def _describe(
    path: Path,
    container: InputContainer,
    stream: VideoStream,
    first: av.VideoFrame,
    pts: Sequence[int],
    time_base: Fraction,
    last_duration: Fraction,
    rate: Fraction,
) -> VideoInfo:
    context = stream.codec_context
    orientation = frame_orientation(first)
    size = (first.height, first.width) if orientation.quarters % 2 else (first.width, first.height)
    return VideoInfo(
        path=path,
        kind="video",
        width=size[0],
        height=size[1],
        frame_count=len(pts),
        frame_rate=rate,
        time_base=time_base,
        start_time=pts[0] * time_base,
        duration=(pts[-1] - pts[0]) * time_base + last_duration,
        rotation=orientation.quarters * 90,
        mirrored=orientation.mirrored,
        variable_frame_rate=has_variable_rate(pts),
        codec=context.codec.canonical_name,
        pixel_format=context.pix_fmt or first.format.name,
        colour=_colour(context),
        audio=tuple(
            sound.codec_context.codec.canonical_name if sound.codec_context else "unknown"
            for sound in container.streams.audio
        ),
        alpha=has_alpha(first, context.codec.canonical_name),
    )


def _colour(context: Any) -> ColourTags:
    return ColourTags(
        primaries=int(context.color_primaries),
        transfer=int(context.color_trc),
        matrix=int(context.colorspace),
        full_range={1: False, 2: True}.get(int(context.color_range)),
    )


def _opening_failed(path: Path, error: av.FFmpegError) -> str:
    if error.errno == errno.ENOENT:
        return f"no such file or folder: {path}"
    if error.errno == errno.EACCES:
        return f"cannot read {path}: permission denied"
    return f"{path} is not a video or image that can be read, or it was cut off before its index was written"
