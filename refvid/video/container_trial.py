"""Try out, in memory, whether a container holds a stream and keeps its times.

FFmpeg's list of a container's codecs is not enough, because some combinations fail only when the header or the first
packet is written. Failing in the real output would be too late: a stream cannot be removed once the header is written.
"""

from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from io import BytesIO
from typing import Any, TypeAlias

import av
from av.container import InputContainer
from av.stream import Stream

AnyPacket: TypeAlias = "av.Packet[Any]"

_SEARCHED_PACKETS = 2000  # packets within which each stream should appear for its trial
_GAP = 10  # seconds between the two packets of the trial


def first_packets(source: InputContainer, streams: Sequence[Stream]) -> dict[int, AnyPacket]:
    """Return the first packet of each stream by the stream's index; streams that begin late in the file have none."""
    found: dict[int, AnyPacket] = {}
    if not streams:
        return found
    with suppress(av.FFmpegError):
        for count, packet in enumerate(source.demux(*streams)):
            if packet.size:
                found.setdefault(packet.stream.index, packet)
            if len(found) == len(streams) or count > _SEARCHED_PACKETS:
                break
    return found


def is_held(stream: Stream, sample: "AnyPacket | None", container_name: str) -> bool:
    """Return whether a stream and its first packet can be written into a container of this format."""
    content = _written(stream, [] if sample is None else [_twin(sample)], container_name)
    if content is None or stream.type != "data":
        return content is not None
    with suppress(av.FFmpegError), av.open(BytesIO(content), "r") as copy:  # some containers drop data without a word
        return [each.type for each in copy.streams] == ["data"]
    return False


def keeps_gaps(stream: Stream, sample: AnyPacket, container_name: str) -> bool:
    """Return whether a time without packets stays as long as it is in a container of this format."""
    times = []
    for moment in (0, _GAP):
        twin = _twin(sample)
        twin.pts = twin.dts = round(Fraction(moment) / Fraction(sample.time_base))
        times.append(twin)
    content = _written(stream, times, container_name)
    if content is None:
        return True  # the repeated packet was refused, which says nothing about gaps
    with suppress(av.FFmpegError), av.open(BytesIO(content), "r") as copy:
        found = [packet.pts * packet.time_base for packet in copy.demux() if packet.pts is not None]
        return not found or max(found) > _GAP / 2
    return True


def _twin(sample: AnyPacket) -> AnyPacket:
    """Return a copy of a packet, because muxing gives a packet to its container."""
    twin: AnyPacket = av.Packet(bytes(sample))
    twin.time_base, twin.pts, twin.dts, twin.duration = sample.time_base, sample.pts, sample.dts, sample.duration
    twin.is_keyframe = sample.is_keyframe
    return twin


def _written(stream: Stream, packets: Sequence[AnyPacket], container_name: str) -> bytes | None:
    """Return a file of this format with the stream and its packets; None if it cannot be written."""
    content = BytesIO()
    trial: Any = av.open(content, "w", format=container_name)
    try:
        copied = trial.add_stream_from_template(stream)
        for packet in packets:
            packet.stream = copied
            trial.mux(packet)
        trial.close()
    except (ValueError, av.FFmpegError):
        with suppress(ValueError, av.FFmpegError):
            trial.close()
        return None
    return content.getvalue()
