"""Copy the sound packet by packet from the source into the output, in step with the picture.

The source is opened a second time for its sound, because the picture's reader may be decord, may seek, and drops the
sound's packets. The sound is read no further than the picture has got: memory then stays bounded, and the output is
interleaved, so that a player finds sound and picture of the same moment close together in the file.
"""

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from fractions import Fraction
from io import BytesIO
from typing import Any, Protocol

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer

from refvid.video.audio_transcode import SoundPacket, TranscodedTrack, transcode_stream
from refvid.video.frame import VideoInfo
from refvid.video.probe import open_container
from refvid.video.time_range import TimeRange, ticks

_LEAD = Fraction(1, 2)  # seconds that the sound is written ahead of the picture; players prefetch about as much
_SEEK_MARGIN = 10  # seconds to seek before the range, because some streams lag behind others in the file
_SEARCHED_PACKETS = 2000  # packets within which each sound stream should appear for its trial


class Track(Protocol):
    """One sound stream on its way from the source to the output."""

    def convert(self, packet: SoundPacket) -> list[SoundPacket]:
        """Convert a packet of the source; return the packets of the output that are ready."""
        ...

    def flush(self) -> list[SoundPacket]:
        """Return the packets that are still held back."""
        ...


class SoundTracks:
    """All sound streams of a source, written into the output's container as the picture proceeds."""

    def __init__(
        self, info: VideoInfo, container: OutputContainer, suffix: str, times: TimeRange, notes: list[str]
    ) -> None:
        """Open the source and add a stream to the container for each of its sound streams.

        Args:
            info: Description of the source.
            container: The output, to which the encoder's stream has been added already.
            suffix: Suffix of the output, for messages.
            times: Range of the source to copy.
            notes: List to which messages about sound that could not be copied are added.
        """
        self._container, self._times, self._notes = container, times, notes
        self._shift = times.shift(info)
        self._stack = ExitStack()
        try:
            fitting = _streams_that_fit(info, container)
            source = self._stack.enter_context(open_container(info.path))
            self._tracks: dict[int, Track] = {}
            for stream in source.streams.audio:
                track = self._make_track(stream, suffix, stream.index in fitting)
                if track is not None:
                    self._tracks[stream.index] = track
            self._packets = self._read(source)
            self._next: SoundPacket | None = next(self._packets, None)
        except BaseException:
            self._stack.close()
            raise
        self._damaged = 0

    def _make_track(self, stream: AudioStream, suffix: str, fits: bool) -> Track | None:
        name = stream.codec_context.codec.canonical_name if stream.codec_context is not None else "an unknown format"
        if fits:
            copied = self._container.add_stream_from_template(stream)
            copied.metadata.update({key: value for key, value in stream.metadata.items() if key == "language"})
            return _CopiedTrack(copied, self._shift, repeats="matroska" in self._container.format.name)
        encoded = transcode_stream(stream, self._container)
        if encoded is None:
            self._notes.append(f"the sound in {name} was left out, because {suffix} files do not hold it")
            return None
        unknown = name not in self._container.supported_codecs
        self._notes.append(
            f"the sound was transcoded from {name} to {encoded.codec_context.codec.canonical_name}, "
            f"because {suffix} files do not hold {name if unknown else f'this kind of {name}'}"
        )
        return TranscodedTrack(encoded, self._shift)

    def _read(self, source: InputContainer) -> Iterator[SoundPacket]:
        """Yield the packets that lie in the range, in the order of the file."""
        for stream in source.streams:
            if stream.index not in self._tracks:
                stream.discard = av.stream.Discard.all
        if not self._tracks:
            return
        first, last = self._times.first, self._times.last
        if first is not None and first > _SEEK_MARGIN:
            with suppress(av.FFmpegError):  # if seeking fails, the file is read from its beginning
                source.seek(int((first - _SEEK_MARGIN) * av.time_base))
        ended: set[int] = set()
        try:
            for packet in source.demux(*(source.streams[index] for index in self._tracks)):
                moment = _start(packet)
                if moment is None:
                    continue
                if last is not None and moment >= last:
                    ended.add(packet.stream.index)
                    if len(ended) == len(self._tracks):
                        return
                elif first is None or moment + (packet.duration or 0) * packet.time_base > first:
                    yield packet
        except av.FFmpegError:
            self._notes.append("the sound breaks off early, because the file is damaged")

    def mux_until(self, time: Fraction) -> None:
        """Write the sound up to a little after `time`, in seconds on the source's clock."""
        while self._next is not None and (_start(self._next) or 0) <= time + _LEAD:
            self._send(self._next)
            self._next = next(self._packets, None)

    def finish(self) -> None:
        """Write all the remaining sound, including that after the last frame."""
        while self._next is not None:
            self._send(self._next)
            self._next = next(self._packets, None)
        for track in self._tracks.values():
            self._container.mux(track.flush())
        if self._damaged:
            self._notes.append(f"damaged sound packets were left out: {self._damaged}")

    def close(self) -> None:
        """Close the source."""
        self._stack.close()

    def _send(self, packet: SoundPacket) -> None:
        try:
            self._container.mux(self._tracks[packet.stream.index].convert(packet))
        except (ValueError, av.FFmpegError) as error:
            if isinstance(error, OSError):  # a failure of the output, such as a full disk, and not of this packet
                raise
            self._damaged += 1


class _CopiedTrack:
    """A sound stream whose packets are copied unchanged, except for their times and their stream."""

    def __init__(self, stream: AudioStream, shift: Fraction, *, repeats: bool) -> None:
        self._stream, self._shift = stream, shift
        self._step = 0 if repeats else 1  # Matroska allows two packets with the same time, other containers do not
        self._last: int | None = None

    def convert(self, packet: SoundPacket) -> list[SoundPacket]:
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

    def flush(self) -> list[SoundPacket]:
        return []


def _start(packet: SoundPacket) -> Fraction | None:
    """Return a packet's time in seconds on the source's clock; None for the empty packet that ends a stream."""
    moment = packet.pts if packet.pts is not None else packet.dts
    return None if moment is None or packet.size == 0 else moment * Fraction(packet.time_base)


def _streams_that_fit(info: VideoInfo, container: OutputContainer) -> set[int]:
    """Return the indices of the sound streams that the container can hold without transcoding.

    FFmpeg's list of a container's codecs is not enough, because some combinations fail only when the header or the
    first packet is written. So the first packet of each stream is muxed into a trial file in memory. Failing in the
    real output would be too late: a stream cannot be removed once the header is written.
    """
    samples: dict[int, SoundPacket | None] = {}
    with open_container(info.path) as source:
        with suppress(av.FFmpegError):
            for count, packet in enumerate(source.demux(*source.streams.audio)):
                if packet.size:
                    samples.setdefault(packet.stream.index, packet)
                if len(samples) == len(source.streams.audio) or count > _SEARCHED_PACKETS:
                    break
        return {
            stream.index
            for stream in source.streams.audio
            if _fits(stream, samples.get(stream.index), container.format.name)
        }


def _fits(stream: AudioStream, sample: "SoundPacket | None", container_name: str) -> bool:
    """Return whether a stream and its first packet can be written into a container of this format."""
    trial: Any = av.open(BytesIO(), "w", format=container_name)
    try:
        copied = trial.add_stream_from_template(stream)
        if sample is not None:
            sample.stream = copied
            trial.mux(sample)
        trial.close()
    except (ValueError, av.FFmpegError):
        with suppress(ValueError, av.FFmpegError):
            trial.close()
        return False
    return True
