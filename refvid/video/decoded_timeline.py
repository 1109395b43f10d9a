"""The timeline of a file whose packets do not tell it: decode everything once, and keep the times of the frames."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from refvid.video.clock import Clock, repair_clock
from refvid.video.frame import ClockJoin
from refvid.video.packet_table import PacketTable, VideoPacket, decodable
from refvid.video.transparency import alpha_decoder

_DISCONTINUOUS = 0x0200  # AVFMT_TS_DISCONT
# Seconds above which a step forward is another clock rather than a pause: those of the ffmpeg program.
_LONGEST_PAUSE = {True: 10, False: 30 * 3600}
_FINE_GAP = 20  # units between two frames that are enough to round a repaired time to


@dataclass(frozen=True)
class DecodedTimeline:
    """When each frame is shown that a decoder gives, from the beginning of the file to its end.

    Attributes:
        pts: Presentation times, ascending.
        time_base: Seconds per unit of `pts`.
        joins: Where the clock starts anew.
        repairs: What was repaired, as one line for the user; empty if nothing.
    """

    pts: Sequence[int]
    time_base: Fraction
    joins: tuple[ClockJoin, ...]
    repairs: str


def is_broadcast(container: InputContainer) -> bool:
    """Return whether this is a format of broadcasting: its clock may jump, and its packets get lost."""
    return bool(container.format.flags & _DISCONTINUOUS)


def longest_pause(container: InputContainer) -> int:
    """Return the seconds above which a step forward in this format is no pause, but another clock."""
    return _LONGEST_PAUSE[is_broadcast(container)]


def prepare_stream(stream: VideoStream) -> None:
    """Make decoding repeatable.

    Frame threading would swallow the error of a broken packet together with the good frames around it.
    """
    stream.thread_type = "SLICE"


def every_frame(
    stream: VideoStream, packets: Iterable[VideoPacket], passed_over: list[VideoPacket]
) -> Iterator[av.VideoFrame]:
    """Decode packets in their order, and pass over those that cannot be decoded.

    Args:
        stream: Their stream.
        packets: Packets from the beginning of the file.
        passed_over: List to which the packets that follow the first frame and cannot be decoded are added.
    """
    decoder, begun = alpha_decoder(stream), False
    try:
        for packet in decodable(packets):
            try:
                frames = decoder.decode(packet)
            except av.FFmpegError:
                if begun:
                    passed_over.append(packet)
                continue  # a recording may start between two key frames
            begun |= bool(frames)
            yield from frames
    except av.FFmpegError:
        return  # the file breaks off; the scan of its packets has found that too


def confirms(container: InputContainer, stream: VideoStream, pts: Sequence[int], count: int) -> bool:
    """Return whether the first `count` frames of a stream come out at the times `pts`, or up to its first damage.

    Args:
        container: The file, opened anew.
        stream: Stream of the picture.
        pts: Expected presentation times.
        count: Number of frames to decode.
    """
    prepare_stream(stream)
    damaged: list[VideoPacket] = []
    for frame, expected in zip(every_frame(stream, container.demux(stream), damaged), pts[:count], strict=False):
        if damaged or frame.is_corrupt:
            return True  # the reader reports it
        if frame.pts != expected:
            return False
    return True


def decode_timeline(
    container: InputContainer, stream: VideoStream, table: PacketTable, rate: Fraction
) -> DecodedTimeline:
    """Decode a stream from its beginning and return when each frame is shown.

    Args:
        container: The file, opened anew.
        stream: Stream of the picture.
        table: Findings of the pass over the packets.
        rate: Frames per second, where the times do not tell it.
    """
    prepare_stream(stream)
    pts: list[int | None] = []
    delayed: list[int | None] = []
    for frame in every_frame(stream, container.demux(stream), []):
        pts.append(frame.pts)
        delayed.append(frame.dts)
    time_base = Fraction(stream.time_base or Fraction(1, 1000))
    remarks: list[str] = []
    if not any(moment is not None for moment in pts):
        if not table.dts:  # raw H.264, for example: count the frames out
            return DecodedTimeline(range(len(pts)), 1 / rate, (), "")
        remarks.append("the file has decoding times only")
        pts = list(sorted(table.dts)) if len(table.dts) == len(pts) else delayed
    gap = 1 / (rate * time_base)
    clock = repair_clock(pts, gap, longest_pause(container) / time_base, goes_back=table.goes_back)
    remarks += _remarks(clock, time_base)
    finer = 1 if gap >= _FINE_GAP else clock.refinement()
    joins = tuple(ClockJoin(clock.times[index] * time_base, offset * time_base) for index, offset in clock.joins)
    repairs = f"the times of the frames were repaired: {'; '.join(remarks)}" if remarks else ""
    return DecodedTimeline(_whole(clock.times, finer), time_base / finer, joins, repairs)


def _whole(times: Sequence[Fraction], finer: int) -> "array[int]":
    """Return times in whole units that only grow."""
    result = array("q")
    for time in times:
        rounded = round(time * finer)
        result.append(max(rounded, result[-1] + 1) if result else rounded)
    return result


def _remarks(clock: Clock, time_base: Fraction) -> list[str]:
    remarks = []
    if clock.joins:
        index = clock.joins[0][0]
        seconds = float((clock.times[index] - clock.times[0]) * time_base)
        count = len(clock.joins) - 1
        more = f" and {count} more {'time' if count == 1 else 'times'}" if count else ""
        remarks.append(f"the clock starts anew at frame {index} ({seconds:.3f} s){more}")
    for count, what in (
        (clock.missing, "missing"),
        (clock.disordered, "out of order"),
        (clock.repeated, "repeated"),
    ):
        if count:
            remarks.append(f"{count} {what}")
    return remarks
