"""Record a stream that FFmpeg reads, such as RTSP or HLS, packet by packet into a file."""

import time
from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer, OutputContainer

from refvid.errors import VideoError
from refvid.files import writing
from refvid.video.encoder import WRITE_FAILURES
from refvid.video.frame import Position

_AHEAD_SECONDS, _AHEAD_FRAMES = 2, 50  # recorded beyond the end, because packets come in decoding order
# Through most routers UDP finds no way back.
_OPTIONS = {"rtsp_flags": "prefer_tcp"}


def record(url: str, path: Path, *, name: str, timeout: float, end: Position | None) -> None:
    """Write the picture and the sound of a stream into a file, until it ends or `end` has passed.

    The file is a NUT file, which holds every codec and keeps the times of the packets to the tick.

    Args:
        url: URL of a protocol that FFmpeg reads.
        path: File to write.
        name: What messages call the stream.
        timeout: Seconds within which the server must answer, and then each packet come.
        end: End of the range; None records until the stream ends.

    Raises:
        VideoError: The stream cannot be opened in time, breaks off, or has no picture.
    """
    late = f"{name} sent nothing for {timeout:g} s; try again or give more time with --timeout"
    with ExitStack() as stack:
        began = time.monotonic()
        try:
            options = _OPTIONS if url.lower().startswith("rtsp") else {}
            source = stack.enter_context(av.open(url, timeout=timeout, options=options, metadata_errors="replace"))
        except (av.FFmpegError, OSError) as error:
            # Some protocols give another reason for having been interrupted.
            if isinstance(error, av.ExitError) or time.monotonic() - began > timeout:
                raise VideoError(late) from error
            raise VideoError(f"{name} cannot be read: {_reason(url, error)}") from error
        with writing(path, failures=WRITE_FAILURES):
            target = av.open(str(path), "w", format="nut")
        stack.callback(_close, target)
        _copy(source, target, path, name, late, end)


def _copy(
    source: InputContainer, target: OutputContainer, path: Path, name: str, late: str, end: Position | None
) -> None:
    kinds = ("video", "audio")
    streams = [stream for kind in kinds if (stream := source.streams.best(kind)) is not None]  # type: ignore[arg-type]
    if not streams or streams[0].type != "video":
        raise VideoError(f"{name} contains no picture")
    copies = {stream.index: target.add_stream_from_template(stream) for stream in streams}
    first, frames = None, 0
    packets = source.demux(streams)
    while True:
        try:
            packet: Any = next(packets, None)
        except av.ExitError as error:
            raise VideoError(late) from error
        except (av.FFmpegError, OSError) as error:
            raise VideoError(f"{name} breaks off after {frames} frames ({error.strerror}); try again") from error
        if packet is None:
            return
        if packet.size == 0 or packet.dts is None:
            continue
        if packet.stream.type == "video":
            frames += 1
            moment = packet.dts * packet.time_base
            first = moment if first is None else first
            if end is not None and _passed(end, frames, moment - first):
                return
        packet.stream = copies[packet.stream.index]
        with writing(path, failures=WRITE_FAILURES):
            target.mux(packet)


def _passed(end: Position, frames: int, seconds: Fraction) -> bool:
    if end.frame is not None:
        return frames > end.frame + _AHEAD_FRAMES
    return end.seconds is not None and seconds > end.seconds + _AHEAD_SECONDS


def _reason(url: str, error: Exception) -> str:
    if isinstance(error, av.ProtocolNotFoundError):
        return f"this FFmpeg reads no {url.partition(':')[0]} URLs"
    return (getattr(error, "strerror", None) or str(error)).lower()


def _close(container: OutputContainer) -> None:
    with suppress(OSError, ValueError, av.FFmpegError):
        container.close()
