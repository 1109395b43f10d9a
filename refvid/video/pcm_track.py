"""Copy uncompressed sound into containers that number its samples instead of storing times.

MP4 and MOV store only how many samples there are. Where the source has a hole, as after a lost connection or a cut,
everything behind it would be heard too early. So holes are filled with silence; samples that the source has twice are
left out. The other samples are copied untouched.
"""

import re
from collections.abc import Iterator
from fractions import Fraction

import av
from av.audio.stream import AudioStream

from refvid.video.container_trial import AnyPacket
from refvid.video.time_range import ticks

_TOLERANCE = Fraction(2, 1000)  # seconds; containers that count in milliseconds round the time of each packet
# Names of FFmpeg's codecs of plain interleaved samples, such as pcm_s16le.
_PLAIN = re.compile(r"pcm_(?:(?P<kind>[suf])(?P<bits>8|16|24|32|64)(?P<order>le|be)?|(?P<law>alaw|mulaw))")
_SILENT_LAW = {"alaw": b"\xd5", "mulaw": b"\xff"}


def silent_sample(codec: str) -> bytes | None:
    """Return the bytes of one sample of silence; None if the codec does not store plain samples."""
    if (found := _PLAIN.fullmatch(codec)) is None:
        return None
    if found["law"]:
        return _SILENT_LAW[found["law"]]
    size = int(found["bits"]) // 8
    if found["kind"] != "u":
        return bytes(size)
    return (1 << (8 * size - 1)).to_bytes(size, "big" if found["order"] == "be" else "little")


class PcmTrack:
    """A stream of plain samples that is copied without holes; its times are the source's minus `shift` seconds."""

    def __init__(self, stream: AudioStream, silence: bytes, shift: Fraction, *, from_zero: bool) -> None:
        """Remember the stream.

        Args:
            stream: Stream of the output, made from the source's.
            silence: One sample of silence, from `silent_sample`.
            shift: Seconds to subtract.
            from_zero: Whether samples before time zero are left out.
        """
        context = stream.codec_context
        self._stream, self._shift, self._rate = stream, shift, context.sample_rate
        self._silence = silence * context.layout.nb_channels  # at one moment
        self._next: int | None = 0 if from_zero else None  # position in samples of the next one
        self._begun = not from_zero

    def convert(self, packet: AnyPacket) -> Iterator[AnyPacket]:
        """Yield the packets of the output; a hole becomes many of them, which are made one at a time."""
        moment = packet.pts if packet.pts is not None else packet.dts
        samples = bytes(packet)
        if moment is None or not samples:
            return
        start = ticks(moment * Fraction(packet.time_base) - self._shift, Fraction(1, self._rate))
        if self._next is None or (not self._begun and start > self._next):
            self._next = start
        gap = start - self._next
        if abs(gap) <= _TOLERANCE * self._rate and self._begun:
            gap = 0
        self._begun = True
        while gap > 0:
            part = min(gap, self._rate)
            yield self._make(self._silence * part)
            gap -= part
        samples = samples[-gap * len(self._silence) :]
        if samples:
            yield self._make(samples)

    def flush(self) -> list[AnyPacket]:
        """Return nothing: no packet is held back."""
        return []

    def _make(self, samples: bytes) -> AnyPacket:
        assert self._next is not None
        made: AnyPacket = av.Packet(samples)
        made.time_base = Fraction(1, self._rate)
        made.pts = made.dts = self._next
        made.duration = len(samples) // len(self._silence)
        made.is_keyframe = True
        made.stream = self._stream
        self._next += made.duration
        return made
