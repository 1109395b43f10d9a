"""Carry the tracks beside the picture, sound and subtitles, from the source into the output, in step with the picture.

The source is opened again for them, because the picture's reader may be decord, may seek, and drops their packets. They
are read no further than the picture has got: memory then stays bounded, and the output is interleaved, so that a player
finds sound and picture of the same moment close together in the file.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from typing import Any, Protocol

import av
from av.container import InputContainer, OutputContainer

from refvid.video.container_trial import AnyPacket
from refvid.video.frame import ClockJoin
from refvid.video.joined_clock import JoinedClock
from refvid.video.time_range import TimeRange, ticks

_LEAD = Fraction(1, 2)  # seconds that tracks are written ahead of the picture; players prefetch about as much
_MARGIN = 10  # seconds by which some streams lag behind others in a file


class Track(Protocol):
    """One track on its way from the source to the output."""

    def convert(self, packet: AnyPacket) -> Iterable[AnyPacket]:
        """Convert a packet of the source; return the packets of the output that are ready."""
        ...

    def flush(self) -> Iterable[AnyPacket]:
        """Return the packets that are still held back."""
        ...


class TrackFeed:
    """Some tracks of a source, written into the output's container as the picture proceeds.

    Sound and subtitles have a feed each: subtitles that are stored far from their time must not hold up the sound.

    Attributes:
        damaged: Number of packets that could not be carried.
        breaks_off: Whether reading stopped with an error.
    """

    def __init__(
        self,
        source: InputContainer,
        tracks: Mapping[int, Track],
        output: OutputContainer,
        times: TimeRange,
        joins: Sequence[ClockJoin] = (),
    ) -> None:
        """Read up to the first packet.

        Args:
            source: The source, opened for this feed alone.
            tracks: The tracks by the index of their stream in the source.
            output: The output, which has the tracks' streams.
            times: Range of the source to carry.
            joins: Where the source's clock starts anew.
        """
        self._joins = joins
        self.damaged, self.breaks_off = 0, False
        self._tracks, self._output, self._times = tracks, output, times
        self._packets = self._read(source)
        self._next: AnyPacket | None = next(self._packets, None)

    def mux_until(self, time: Fraction) -> None:
        """Write the packets up to a little after `time`, in seconds on the source's clock."""
        while self._next is not None and (_start(self._next) or 0) <= time + _LEAD:
            self._send(self._next)
            self._next = next(self._packets, None)

    def finish(self) -> None:
        """Write all remaining packets, including those after the last frame."""
        while self._next is not None:
            self._send(self._next)
            self._next = next(self._packets, None)
        for track in self._tracks.values():
            self._mux(track.flush())

    def _read(self, source: InputContainer) -> Iterator[AnyPacket]:
        """Yield the packets that lie in the range, in the order of the file."""
        for stream in source.streams:
            if stream.index not in self._tracks:
                stream.discard = av.stream.Discard.all
        if not self._tracks:
            return
        first, last = self._times.first, self._times.last
        if first is not None and first > _MARGIN and not self._joins:
            with suppress(av.FFmpegError):  # if seeking fails, the file is read from its beginning
                source.seek(int((first - _MARGIN) * av.time_base))
        ended: set[int] = set()
        try:
            for packet in self._on_one_clock(source.demux(*(source.streams[index] for index in self._tracks))):
                moment = _start(packet)
                if moment is None:
                    continue
                if last is not None and moment >= last:
                    ended.add(packet.stream.index)
                    # Tracks with few packets, such as subtitles, may have none after the range.
                    if len(ended) == len(self._tracks) or moment > last + _MARGIN:
                        return
                elif first is None or moment + (packet.duration or 0) * packet.time_base > first:
                    yield packet
        except av.FFmpegError:
            self.breaks_off = True

    def _on_one_clock(self, packets: Iterable[AnyPacket]) -> Iterator[AnyPacket]:
        """Yield packets with the times that the picture's were repaired to."""
        clock = JoinedClock(self._joins)
        for packet in packets:
            start, time_base = _start(packet), Fraction(packet.time_base or 1)
            if self._joins and start is not None:
                added = clock.place(packet.stream.index, start, (packet.duration or 0) * time_base)
                if added is None:
                    continue
                packet.pts = None if packet.pts is None else packet.pts + ticks(added, time_base)
                packet.dts = None if packet.dts is None else packet.dts + ticks(added, time_base)
            yield packet

    def _send(self, packet: AnyPacket) -> None:
        try:
            self._mux(self._tracks[packet.stream.index].convert(packet))
        except (ValueError, av.FFmpegError) as error:
            if isinstance(error, OSError):  # a failure of the output, such as a full disk, and not of this packet
                raise
            self.damaged += 1

    def _mux(self, packets: Iterable[AnyPacket]) -> None:
        for packet in packets:
            self._output.mux_one(packet)


class CopiedTrack:
    """A track whose packets are copied unchanged, except for their times and their stream."""

    def __init__(self, stream: Any, shift: Fraction, *, repeats: bool) -> None:
        """Remember the stream.

        Args:
            stream: Stream of the output.
            shift: Seconds to subtract from the times.
            repeats: Whether the container allows two packets with the same time, as Matroska does.
        """
        self._stream, self._shift = stream, shift
        self._step = 0 if repeats else 1
        self._last: int | None = None

    def convert(self, packet: AnyPacket) -> list[AnyPacket]:
        """Return the packet itself with the output's times, or nothing if its time cannot be written."""
        offset = ticks(self._shift, Fraction(packet.time_base))
        pts = packet.pts if packet.pts is not None else packet.dts
        dts = packet.dts if packet.dts is not None else pts
        # A packet without a time, or one that goes back in time, would make the muxer fail: it is dropped.
        if pts is None or dts is None or (self._last is not None and dts < self._last + self._step):
            return []
        self._last = dts
        packet.pts, packet.dts = pts - offset, dts - offset
        packet.stream = self._stream
        return [packet]

    def flush(self) -> list[AnyPacket]:
        """Return nothing: no packet is held back."""
        return []


def _start(packet: AnyPacket) -> Fraction | None:
    """Return a packet's time in seconds on the source's clock; None for the empty packet that ends a stream."""
    moment = packet.pts if packet.pts is not None else packet.dts
    return None if moment is None or packet.size == 0 else moment * Fraction(packet.time_base)
