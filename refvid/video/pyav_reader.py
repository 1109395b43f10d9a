"""The PyAV reader of videos: always installed, with bounded memory and the container's own timestamps."""

from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from fractions import Fraction
from types import TracebackType
from typing import Self

import av
import numpy as np
from av.container import InputContainer
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from refvid.errors import VideoError
from refvid.video.colour import UNSPECIFIED, shown_matrix, swscale_matrix
from refvid.video.frame import Frame, VideoInfo
from refvid.video.orientation import Orientation
from refvid.video.probe import open_container, picture_stream
from refvid.video.timeline import ProbedSource
from refvid.video.transparency import alpha_decoder, split_rgba

# Seconds before the wanted frame to try in turn when seeking a key frame, before decoding from the beginning.
_SEEK_BACK = (0, 1, 10)


class PyAVReader:
    """A reader that yields the frames `start <= index < stop` in order; every iteration opens the file anew.

    While reading, `damage` collects messages about frames that the decoder concealed or left out. A file that breaks
    off raises `VideoError` after its last good frame.

    Args:
        source: The probed file.
        start: Index of the first frame.
        stop: Index after the last frame.
    """

    name = "pyav"

    def __init__(self, source: ProbedSource, start: int, stop: int) -> None:
        self.info: VideoInfo = source.info
        self.frame_total = stop - start
        self.span = source.span(start, stop)
        self.damage: list[str] = []
        self._source = source
        self._start = start
        self._stop = stop
        self._orientation = Orientation(source.info.rotation // 90, source.info.mirrored)
        self._reformatter = VideoReformatter()  # shared by all frames, because it caches its conversion tables
        self._running: Generator[Frame, None, None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the container of the iteration in progress and stop the decoder's threads."""
        if self._running is not None:
            with suppress(ValueError):  # a generator cannot be closed from inside itself
                self._running.close()
            self._running = None

    def __iter__(self) -> Iterator[Frame]:
        self.close()
        self._running = self._read()
        return self._running

    def _read(self) -> Generator[Frame, None, None]:
        source, upcoming, concealed = self._source, self._start, False
        with closing(self._indexed()) as frames:
            for index, decoded in frames:
                if index > upcoming:
                    self._left_out(upcoming, min(index, self._stop))
                    upcoming = min(index, self._stop)
                if index >= self._stop:
                    return
                if decoded.is_corrupt and not concealed:
                    concealed = True
                    self.damage.append(f"{source.spoken(index)} is damaged; its picture may be wrong")
                upcoming = index + 1
                yield self._frame(index, decoded)
                if upcoming == self._stop < len(source.pts):
                    return
        promised = source.expected if self._stop == len(source.pts) else self._stop
        if upcoming < max(promised, self._stop):
            raise VideoError(self._breaks_off(upcoming))

    def _indexed(self) -> Generator[tuple[int, av.VideoFrame], None, None]:
        """Decode from the key frame before `start`; yield each frame from `start` on with its index.

        Seeking is possible only where the container's timestamps tell which frame comes out first. Elsewhere, or if no
        key frame is found, decoding starts at the beginning of the file.
        """
        if self._start > 0 and self._source.exact_times:
            with open_container(self.info.path) as container:
                stream = self._stream(container)
                packets = self._seek(container, stream)
                if packets is not None:
                    yield from self._numbered(self._decoded(packets, stream, sought=True), sought=True)
                    return
        with open_container(self.info.path) as container:
            stream = self._stream(container)
            yield from self._numbered(self._decoded(container.demux(stream), stream, sought=False), sought=False)

    def _stream(self, container: InputContainer) -> VideoStream:
        stream = picture_stream(self.info.path, container)
        # Frame threading would swallow the error of a broken packet together with the good frames around it.
        stream.thread_type = "SLICE"
        return stream

    def _numbered(self, frames: Iterator[av.VideoFrame], sought: bool) -> Iterator[tuple[int, av.VideoFrame]]:
        """Yield each frame with its index, found by its timestamp, or by its order if the timestamp is unknown.

        After a seek, frames are dropped until the first known timestamp: until then their order tells nothing.
        """
        upcoming = 0
        landed = not sought  # from the beginning of the file, the first frame is known to be number 0
        for decoded in frames:
            if self._source.exact_times:
                found = self._source.find(decoded.pts, upcoming)
                if found is None and not landed:
                    continue
                upcoming = upcoming if found is None else found
            landed = True
            if upcoming >= self._start:
                yield upcoming, decoded
            upcoming += 1

    def _decoded(
        self, packets: Iterator["av.Packet[VideoStream]"], stream: VideoStream, sought: bool
    ) -> Iterator[av.VideoFrame]:
        """Decode until the packets end or one is broken.

        At a broken packet the decoder still holds back good frames for reordering. Those that follow without a gap are
        yielded first. The caller then sees that frames are missing and reports the break.
        """
        last: int | None = None
        decoder = alpha_decoder(stream)
        try:
            for packet in packets:
                try:
                    frames = decoder.decode(packet)
                except av.FFmpegError:
                    if last is None and not sought:
                        continue  # a recording may start between two key frames: skip to the first one
                    yield from self._held_back(stream, last)
                    return
                for frame in frames:
                    last = frame.pts if frame.pts is not None else last or 0
                    yield frame
        except av.FFmpegError:
            yield from self._held_back(stream, last)

    def _held_back(self, stream: VideoStream, last: int | None) -> Iterator[av.VideoFrame]:
        source = self._source
        index = source.find(last, 0) if source.exact_times else None
        if index is None:
            return
        with suppress(av.FFmpegError):
            for frame in stream.codec_context.decode(None):
                index += 1
                if index >= len(source.pts) or frame.pts != source.pts[index] or frame.is_corrupt:
                    return
                yield frame

    def _seek(self, container: InputContainer, stream: VideoStream) -> Iterator["av.Packet[VideoStream]"] | None:
        """Return the packets from the last key frame at or before `start`; None if seeking finds none."""
        target = self._source.pts[self._start]
        for back in _SEEK_BACK:
            moment = target - round(Fraction(back) / self.info.time_base)
            with suppress(av.FFmpegError):
                container.seek(moment, stream=stream)
                packets = container.demux(stream)
                key = next((packet for packet in packets if packet.is_keyframe or packet.size == 0), None)
                if key is not None and key.size and key.pts is not None and key.pts <= target:
                    return _chain(key, packets)
        return None

    def _frame(self, index: int, decoded: av.VideoFrame) -> Frame:
        time, duration = self._source.time(index), self._source.duration(index)
        if not self.info.alpha:
            return Frame(index, time, duration, self._pixels(decoded, "rgb24"))
        pixels, alpha, colours = split_rgba(self._pixels(decoded, "rgba"))
        return Frame(index, time, duration, pixels, alpha=alpha, own_colours=colours)

    def _pixels(self, decoded: av.VideoFrame, pixel_format: str) -> NDArray[np.uint8]:
        """Return the upright frame, uint8 RGB or RGBA [H, W, C]; if the stream changes its size, scale to the first."""
        width, height = self.info.width, self.info.height
        if self._orientation.quarters % 2:
            width, height = height, width
        try:
            converted = self._reformatter.reformat(
                decoded, width=width, height=height, format=pixel_format, src_colorspace=self._matrix(decoded)
            )
        except av.FFmpegError as error:
            raise VideoError(
                f"{self.info.path}: the pixel format {decoded.format.name} cannot be converted to RGB"
            ) from error
        return self._orientation.apply(np.asarray(converted.to_ndarray(), dtype=np.uint8))

    def _matrix(self, decoded: av.VideoFrame) -> int | None:
        """Return swscale's number of the matrix to convert a frame with; None for the one that the frame names."""
        if self._source.matrix is not None:
            return swscale_matrix(self._source.matrix)
        return swscale_matrix(shown_matrix(self.info)) if decoded.colorspace == UNSPECIFIED else None

    def _left_out(self, first: int, stop: int) -> None:
        which = self._source.spoken(first)
        more = (
            f" and {stop - first - 1} after it cannot be decoded and are"
            if stop - first > 1
            else (" cannot be decoded and is")
        )
        self.damage.append(f"{which}{more} left out")

    def _breaks_off(self, index: int) -> str:
        return (
            f"{self.info.path} breaks off: {self._source.spoken(index)} of "
            f"{max(self._source.expected, self.info.frame_count)} cannot be decoded"
        )


def _chain(
    first: "av.Packet[VideoStream]", rest: Iterator["av.Packet[VideoStream]"]
) -> Iterator["av.Packet[VideoStream]"]:
    yield first
    yield from rest
