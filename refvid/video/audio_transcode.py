"""Transcode sound that the output's container cannot hold as it is."""

from fractions import Fraction
from typing import Any, TypeAlias

import av
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer

from refvid.video.time_range import ticks

SoundPacket: TypeAlias = "av.Packet[Any]"  # a packet of a sound stream; PyAV types demuxed packets as Stream only

_BITS_PER_CHANNEL = 96_000  # bits per second; transparent to most ears with both encoders
_OPUS_RATE = 48_000


def transcode_stream(source: AudioStream, container: OutputContainer) -> AudioStream | None:
    """Add a stream that `source` can be transcoded into and return it: Opus for WebM, else AAC; None if none fits."""
    if source.codec_context is None:
        return None  # FFmpeg has no decoder for it
    codec = "libopus" if container.format.name == "webm" else "aac"
    if codec not in container.supported_codecs:
        return None
    # Opus always works at 48 kHz; AAC can keep the source's rate if it is one of its own.
    rate = _OPUS_RATE
    if codec == "aac" and source.codec_context.sample_rate in (av.Codec("aac", "w").audio_rates or []):
        rate = source.codec_context.sample_rate
    layout = _layout_that_opens(codec, rate, source)
    encoded: Any = container.add_stream(codec, rate=rate, layout=layout)
    encoded.bit_rate = _bit_rate(encoded.codec_context.layout.nb_channels)
    encoded.time_base = encoded.codec_context.time_base = Fraction(1, rate)
    encoded.codec_context.open()
    assert isinstance(encoded, AudioStream)
    return encoded


class TranscodedTrack:
    """One sound stream that is decoded, resampled and encoded; its times are the source's minus `shift` seconds."""

    def __init__(self, stream: AudioStream, shift: Fraction) -> None:
        self._stream, self._shift = stream, shift
        self._started = False  # a resampler that has seen no frame cannot be flushed
        context = stream.codec_context
        self._resampler = AudioResampler(
            format=context.format, layout=context.layout, rate=context.sample_rate, frame_size=context.frame_size
        )

    def convert(self, packet: SoundPacket) -> list[SoundPacket]:
        """Convert a packet of the source; return the packets of the output that are ready."""
        packets = []
        decoded: Any = packet.decode()
        for frame in decoded:
            if frame.pts is not None:
                frame.pts -= ticks(self._shift, Fraction(frame.time_base))
            packets += self._encode(self._resampler.resample(frame))
            self._started = True
        return packets

    def flush(self) -> list[SoundPacket]:
        """Return the packets that the resampler and the encoder still hold."""
        rest = self._resampler.resample(None) if self._started else []
        return self._encode(rest) + self._stream.encode(None)

    def _encode(self, frames: list[av.AudioFrame]) -> list[SoundPacket]:
        return [packet for frame in frames for packet in self._stream.encode(frame)]


def _layout_that_opens(codec: str, rate: int, source: AudioStream) -> str:
    """Return the source's channel layout if the encoder opens with it, else stereo."""
    channels = source.codec_context.layout.nb_channels
    usual = {1: "mono", 2: "stereo"}.get(channels, source.codec_context.layout.name)
    try:
        trial: Any = av.CodecContext.create(codec, "w")
        trial.layout, trial.sample_rate, trial.bit_rate = usual, rate, _bit_rate(channels)
        trial.format = next(iter(av.Codec(codec, "w").audio_formats or ()))
        trial.time_base = Fraction(1, rate)
        trial.open()
    except (ValueError, av.FFmpegError):
        return "stereo"
    return usual


def _bit_rate(channels: int) -> int:
    return _BITS_PER_CHANNEL * max(1, channels)
