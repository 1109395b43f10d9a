"""One pass over the packets of a stream: the times that they promise, and where a decoder may begin."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any, TypeAlias
from zlib import crc32

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from refvid.video.entry_points import EntryTest, entry_test
from refvid.video.transparency import alpha_decoder

_TRIED_FRAMES = 12  # frames decoded to see whether the packets tell the truth; more than any reordering holds back
_MOST_REORDERED = 17  # frames looked back at; one more than H.264 and HEVC allow
_FINGERPRINT_BYTES = 4096
_VP8_SHOWN = 0x10  # bit in the first byte of a VP8 packet; packets without it are only references, never shown

VideoPacket: TypeAlias = "av.Packet[VideoStream]"


@dataclass
class PacketTable:
    """The findings of one pass over the packets.

    Attributes:
        pts: Presentation times of the packets that are shown, in the order of the file.
        dts: Their decoding times, where they have one.
        tried: Presentation times of the first frames that the decoder gave.
        damaged: Whether trying ended at damage, which the reader reports.
        first: First frame that could be decoded.
        counted: Number of packets, including those that an edit list hides.
        shown: Number of packets that are shown.
        exact: Whether every packet has a presentation time.
        ordered: Whether decoding times only grow, and presentation times never lie before them.
        goes_back: Whether decoding times go back, or are not there to tell.
        reordered: Greatest number of frames that come before a frame in the file and are shown after it.
        reordered_at: Number of frames before the last place where that grew.
        held_back: Number of frames that the decoder holds back to put them in order.
        trimmed: Whether an edit list hides packets after the first that is shown.
        corrupt: Whether the demuxer calls a packet corrupt.
        broken: Whether reading stopped with an error.
        interlaced: Whether a tried frame is interlaced.
        last: Presentation time and duration of the packet that is shown last.
        entry_pts: Presentation times of the entry points, in the order of the file.
        entry_fingerprints: A fingerprint of each entry point's packet.
        leading: Whether some frame is shown before the key frame that it follows in the file, or a key frame is no
            entry point.
    """

    pts: "array[int]" = field(default_factory=lambda: array("q"))
    dts: "array[int]" = field(default_factory=lambda: array("q"))
    tried: list[int | None] = field(default_factory=list)
    damaged: bool = False
    first: av.VideoFrame | None = None
    counted: int = 0
    shown: int = 0
    exact: bool = True
    ordered: bool = True
    goes_back: bool = False
    reordered: int = 0
    reordered_at: int = 0
    held_back: int = 0
    trimmed: bool = False
    corrupt: bool = False
    broken: bool = False
    interlaced: bool = False
    last: tuple[int, int] = (-(2**63), 0)
    entry_pts: "array[int]" = field(default_factory=lambda: array("q"))
    entry_fingerprints: "array[int]" = field(default_factory=lambda: array("q"))
    leading: bool = False

    def timeline(self, longest_pause: Fraction, *, lossy: bool) -> Sequence[int] | None:
        """Return the presentation times of all frames, ascending; None where only decoding tells them.

        The packets are believed if each has a time of its own, none goes back or far ahead, the decoder can put them
        in the order of their times, and the first frames that it gave are those that they promise.

        Args:
            longest_pause: Greatest step between two frames, in units of the time base.
            lossy: Whether packets of this format get lost and damaged on their way. Elsewhere, a corrupt packet is the
                one in which the file was cut off.
        """
        if not self.exact or not self.ordered or (self.corrupt and lossy) or not self.tried or self.tried[0] is None:
            return None
        if self.reordered > self.held_back:
            return None
        pts = array("q", sorted(self.pts))
        # A recording may start between two key frames: packets before the first picture are never shown.
        pts = pts[bisect_left(pts, self.tried[0]) :]
        if any(not 0 < after - before <= longest_pause for before, after in pairwise(pts)):
            return None
        if list(pts[: len(self.tried)]) != self.tried:
            return None
        return pts

    def to_confirm(self) -> int:
        """Return how many frames the decoder must give to show that it reorders them as their times say.

        Times that are wrong look like frames that are reordered for the first time. Only the decoder knows better.
        """
        return self.reordered_at + _TRIED_FRAMES if self.reordered_at >= len(self.tried) else 0

    def entries(self, pts: Sequence[int]) -> "tuple[array[int], array[int]]":
        """Return the index in `pts` and the fingerprint of each entry point, in the order of presentation."""
        indices, fingerprints = array("q"), array("q")
        if self.trimmed:  # a part of the file is shown twice or never: packets do not tell where a seek lands
            return indices, fingerprints
        for moment, mark in sorted(zip(self.entry_pts, self.entry_fingerprints, strict=True)):
            index = bisect_left(pts, moment)
            if index < len(pts) and pts[index] == moment:
                indices.append(index)
                fingerprints.append(mark)
        return indices, fingerprints


def read_packets(container: InputContainer, stream: VideoStream) -> PacketTable:
    """Read all packets, and decode until some frames have come out; keep nothing but the times."""
    table = PacketTable()
    stream.thread_type = "NONE"
    decoder, is_entry = alpha_decoder(stream), entry_test(stream.codec_context)
    hides_frames = stream.codec_context.codec.canonical_name == "vp8"
    try:
        for packet in container.demux(stream):
            if len(table.tried) < _TRIED_FRAMES and not table.damaged and not _is_blank(packet):
                _try(decoder, packet, table)
            table.counted += packet.size > 0 or _is_blank(packet)
            if packet.size and not (hides_frames and not bytes(memoryview(packet)[:1])[0] & _VP8_SHOWN):
                _note(packet, table, is_entry)
    except av.FFmpegError:
        table.broken = True  # the reader reports at which frame
    table.held_back = stream.codec_context.reorder_depth
    return table


def decodable(packets: Iterable[VideoPacket]) -> Iterable[VideoPacket]:
    """Yield the packets without the empty ones in the middle, which a decoder would take for the end of the stream."""
    return (packet for packet in packets if not _is_blank(packet))


def fingerprint(packet: VideoPacket) -> int:
    """Return a number that tells a packet from others of its file."""
    return crc32(memoryview(packet)[:_FINGERPRINT_BYTES]) << 24 ^ packet.size


def _is_blank(packet: VideoPacket) -> bool:
    """Return whether a packet stands for a frame that repeats the one before, unlike the packet that ends a stream."""
    return packet.size == 0 and (packet.pts is not None or packet.dts is not None)


def _try(decoder: Any, packet: VideoPacket, table: PacketTable) -> None:
    try:
        frames = decoder.decode(packet)
    except av.FFmpegError:
        table.damaged = bool(table.tried)  # at the beginning, a later packet may be decodable
        return
    for frame in frames:
        table.first = table.first or frame
        if table.damaged or (table.tried and frame.is_corrupt):
            table.damaged = True
            return
        table.interlaced |= frame.interlaced_frame
        table.tried.append(frame.pts)


def _note(packet: VideoPacket, table: PacketTable, is_entry: EntryTest | None) -> None:
    table.corrupt |= packet.is_corrupt
    if packet.is_discard:
        table.trimmed |= table.shown > 0
        return
    pts, dts = packet.pts, packet.dts
    table.shown += 1
    table.exact &= pts is not None
    table.goes_back |= dts is None or bool(table.dts and dts < table.dts[-1])
    if dts is not None:
        table.ordered &= (not table.dts or dts > table.dts[-1]) and (pts is None or pts >= dts)
        table.dts.append(dts)
    if pts is None:
        return
    if pts < table.last[0]:
        reordered = sum(earlier > pts for earlier in table.pts[-_MOST_REORDERED:])
        if reordered > table.reordered:
            table.reordered, table.reordered_at = reordered, len(table.pts)
    table.pts.append(pts)
    table.last = max(table.last, (pts, packet.duration or 0))
    if packet.is_keyframe:
        if is_entry is not None and is_entry(bytes(packet)):
            table.entry_pts.append(pts)
            table.entry_fingerprints.append(fingerprint(packet))
        else:
            table.leading = True
    elif table.entry_pts and pts < table.entry_pts[-1]:
        table.leading = True
