"""Carry subtitles: copied where the container holds them, else converted if they are text."""

from fractions import Fraction
from typing import Any

from av.container import OutputContainer
from av.subtitles.stream import SubtitleStream

from refvid.video.container_trial import AnyPacket
from refvid.video.time_range import ticks
from refvid.video.track_copy import CopiedTrack

# FFmpeg's name of a container -> the encoder of the text subtitles that it holds.
_TEXT_ENCODERS = {"mp4": "mov_text", "mov": "mov_text", "matroska": "subrip", "webm": "webvtt"}
_TEXT_CODECS = frozenset({"subrip", "srt", "ass", "ssa", "mov_text", "webvtt", "text"})


class CopiedSubtitles(CopiedTrack):
    """Subtitles whose packets are copied; those on display when the range begins are shown from time zero."""

    def convert(self, packet: AnyPacket) -> list[AnyPacket]:
        """Return the packet with the output's times."""
        _cut_start(packet, self._shift)
        return super().convert(packet)


class ConvertedSubtitles:
    """Text subtitles that are converted to the container's own kind of text; colours and places may get lost.

    Attributes:
        stream: Stream of the output.
    """

    def __init__(self, source: SubtitleStream, stream: Any, shift: Fraction) -> None:
        """Open the decoder, whose header the encoder needs before the output is begun."""
        source.codec_context.open()
        stream.codec_context.subtitle_header = source.codec_context.subtitle_header
        self._source, self.stream, self._shift = source, stream, shift

    def convert(self, packet: AnyPacket) -> list[AnyPacket]:
        """Return the converted packet with the output's times; nothing for an empty line."""
        _cut_start(packet, self._shift)
        decoded = self._source.decode2(packet)
        if decoded is None or packet.pts is None:
            return []
        converted = self.stream.codec_context.encode_subtitle(decoded)
        converted.time_base = packet.time_base
        converted.pts = converted.dts = packet.pts - ticks(self._shift, Fraction(packet.time_base))
        converted.duration, converted.stream = packet.duration, self.stream
        return [converted]

    def flush(self) -> list[AnyPacket]:
        """Return nothing: no packet is held back."""
        return []


def add_converted(source: SubtitleStream, output: OutputContainer, shift: Fraction) -> ConvertedSubtitles | None:
    """Add a stream of the text subtitles that the container holds; None if it holds none, or the source is no text."""
    if source.codec_context is None or source.codec_context.codec.canonical_name not in _TEXT_CODECS:
        return None
    encoder = _TEXT_ENCODERS.get(output.format.name)
    if encoder is None:
        return None
    try:
        stream: Any = output.add_stream(encoder)
    except ValueError:  # this FFmpeg has no such encoder
        return None
    return ConvertedSubtitles(source, stream, shift)


def _cut_start(packet: AnyPacket, shift: Fraction) -> None:
    """Let a packet that begins before the output's time zero begin there, if it is still shown then."""
    zero = ticks(shift, Fraction(packet.time_base))
    if packet.pts is not None and packet.pts < zero and packet.duration and packet.pts + packet.duration > zero:
        packet.duration -= zero - packet.pts
        packet.pts = packet.dts = zero
