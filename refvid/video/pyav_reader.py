"""The PyAV reader of videos: always installed, with bounded memory and the container's own timestamps."""

from bisect import bisect_right
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from fractions import Fraction
from itertools import chain, count
from types import TracebackType
from typing import Any, Self

import av
import numpy as np
from av.container import InputContainer
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from refvid.errors import VideoError
from refvid.video.colour import UNSPECIFIED, shown_matrix, swscale_matrix
from refvid.video.decoded_timeline import every_frame, prepare_stream
from refvid.video.frame import Frame, VideoInfo
from refvid.video.orientation import Orientation
from refvid.video.packet_table import VideoPacket, decodable, fingerprint
from refvid.video.probe import open_container, picture_stream
from refvid.video.timeline import ProbedSource
from refvid.video.transparency import alpha_decoder, split_rgba

# Seconds before an entry point to seek in turn, before decoding from the beginning.
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
        self.damage: list[str] = [source.repairs] if source.repairs else []
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
        missing: set[int] = set()
        with closing(self._indexed()) as frames:
            for found, decoded in frames:
                # A frame with a time that the packets did not promise, or one that comes too late, takes its turn.
                index = upcoming if found is None or found < upcoming else found
                missing.update(range(upcoming, min(index, self._stop)))
                if found is not None:
                    missing.discard(found)
                upcoming = max(upcoming, min(index, self._stop))
                if index >= self._stop < len(source.pts):
                    break
                if decoded.is_corrupt and not concealed:
                    concealed = True
                    self.damage.append(f"{source.spoken(index)} is damaged; its picture may be wrong")
                upcoming = index + 1
                yield self._frame(index, decoded)
                if upcoming == self._stop < len(source.pts):
                    break
        self.damage.extend(_left_out(source, missing))
        promised = source.expected if self._stop == len(source.pts) else self._stop
        if upcoming < max(promised, self._stop):
            raise VideoError(self._breaks_off(upcoming))

    def _indexed(self) -> Generator[tuple[int | None, av.VideoFrame], None, None]:
        """Yield each frame from `start` on with its index, None if unknown; decode from an entry point before it.

        Where a seek lands is checked twice: by the packet, which must be one of the entry points that the scan found,
        and by the frame that comes first, which must be the one asked for. If there is no entry point before it, or a
        check fails, decoding starts at the beginning of the file. So it does for the rest of the frames if decoding
        breaks off, because only then is it the file's fault.
        """
        upcoming = self._start
        if self._start > 0:
            for index, decoded in self._sought():
                if upcoming == self._start and index != upcoming:
                    break
                yield index, decoded
                upcoming = upcoming + 1 if index is None else max(upcoming, index + 1)
            if upcoming >= len(self._source.pts):
                return
        with open_container(self.info.path) as container:
            stream = self._stream(container)
            yield from self._numbered(self._decoded(container.demux(stream), stream, sought=False), upcoming)

    def _sought(self) -> Generator[tuple[int | None, av.VideoFrame], None, None]:
        """Yield frames from an entry point before `start` on; none if seeking finds none."""
        with open_container(self.info.path) as container:
            stream = self._stream(container)
            packets = self._seek(container, stream)
            if packets is not None:
                decoded = self._decoded(packets, stream, sought=True)
                yield from self._numbered(decoded, self._start, sought=True)

    def _stream(self, container: InputContainer) -> VideoStream:
        stream = picture_stream(self.info.path, container)
        prepare_stream(stream)
        return stream

    def _numbered(
        self, frames: Iterator[av.VideoFrame], start: int, *, sought: bool = False
    ) -> Generator[tuple[int | None, av.VideoFrame], None, None]:
        """Yield each frame from `start` on with its index, found by its timestamp, or by its order if there is none.

        After a seek, frames are dropped until the first known timestamp: until then their order tells nothing.
        """
        order = 0
        landed = not sought  # from the beginning of the file, the first frame is known to be number 0
        for decoded in frames:
            index = self._source.find(decoded.pts, 0) if self._source.exact_times else order
            if index is None and not landed:
                continue
            landed = True
            order = (order if index is None else max(order, index)) + 1
            if order > start and (index is None or index >= start):
                yield index, decoded

    def _decoded(
        self, packets: Iterator[VideoPacket], stream: VideoStream, sought: bool
    ) -> Generator[av.VideoFrame, None, None]:
        """Decode until the packets end or one is broken.

        At a broken packet the decoder still holds back good frames for reordering. Those that follow without a gap are
        yielded first. The caller then sees that frames are missing and reports the break. Where frames are known by
        their order alone, broken packets are passed over instead, as in the scan.
        """
        if not self._source.exact_times:
            yield from self._every_frame(stream, packets)
            return
        last: int | None = None
        decoder = alpha_decoder(stream)
        try:
            for packet in decodable(packets):
                try:
                    frames = decoder.decode(packet)
                except av.FFmpegError:
                    if last is None and not sought:
                        continue  # a recording may start between two key frames: skip to the first one
                    yield from self._held_back(decoder, last)
                    return
                for frame in frames:
                    last = frame.pts if frame.pts is not None else last or 0
                    yield frame
        except av.FFmpegError:
            yield from self._held_back(decoder, last)

    def _every_frame(self, stream: VideoStream, packets: Iterator[VideoPacket]) -> Iterator[av.VideoFrame]:
        passed_over: list[VideoPacket] = []
        yield from every_frame(stream, packets, passed_over)
        if passed_over:
            self.damage.append(f"{len(passed_over)} damaged packets cannot be decoded and are passed over")

    def _held_back(self, decoder: Any, last: int | None) -> Iterator[av.VideoFrame]:
        source = self._source
        index = source.find(last, 0) if source.exact_times else None
        if index is None:
            return
        with suppress(av.FFmpegError):
            for frame in decoder.decode(None):
                index += 1
                if index >= len(source.pts) or frame.pts != source.pts[index] or frame.is_corrupt:
                    return
                yield frame

    def _seek(self, container: InputContainer, stream: VideoStream) -> "Iterator[VideoPacket] | None":
        """Return the packets from the last entry point at or before `start`; None if seeking finds none."""
        source = self._source
        place = bisect_right(source.entries, self._start) - 1
        if place < 0 or source.entries[place] == 0:
            return None
        target = source.pts[source.entries[place]]
        for back in _SEEK_BACK:
            moment = target - round(Fraction(back) / self.info.time_base)
            with suppress(av.FFmpegError):
                container.seek(moment, stream=stream)
                packets = container.demux(stream)
                landed = self._entry(packets)
                if landed is not None:
                    return chain([landed], packets)
        return None

    def _entry(self, packets: Iterator[VideoPacket]) -> "VideoPacket | None":
        """Return the first packet that is an entry point; None if a later frame comes before it."""
        source = self._source
        for packet in packets:
            if packet.size and packet.is_keyframe:
                landed = source.entry_at(packet.pts, fingerprint(packet))
                if landed is not None:
                    return packet if landed <= self._start else None
            if packet.dts is None and packet.pts is None and packet.size == 0:
                return None
            if packet.dts is not None and packet.dts > source.pts[self._start]:
                return None
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

    def _breaks_off(self, index: int) -> str:
        return (
            f"{self.info.path} breaks off: {self._source.spoken(index)} of "
            f"{max(self._source.expected, self.info.frame_count)} cannot be decoded"
        )


def _left_out(source: ProbedSource, missing: set[int]) -> Iterator[str]:
    """Yield a message for each run of frames that the decoder did not give."""
    for first in sorted(index for index in missing if index - 1 not in missing):
        more = next(index for index in count(first) if index not in missing) - first - 1
        which = f"{source.spoken(first)} and {more} after it" if more else source.spoken(first)
        yield f"{which} cannot be decoded and {'are' if more else 'is'} left out"
