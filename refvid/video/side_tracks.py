"""Add the tracks beside the picture to an output: sound, subtitles, data, cover pictures and attached files."""

from contextlib import ExitStack
from fractions import Fraction
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.stream import AttachmentStream, Stream

from refvid.video.audio_transcode import TranscodedTrack, transcode_stream
from refvid.video.container_trial import AnyPacket, first_packets, is_held, keeps_gaps
from refvid.video.frame import VideoInfo
from refvid.video.inherited import describe_track
from refvid.video.pcm_track import PcmTrack, silent_sample
from refvid.video.probe import open_container, picture_stream
from refvid.video.subtitle_tracks import CopiedSubtitles, add_converted
from refvid.video.time_range import TimeRange
from refvid.video.track_copy import CopiedTrack, Track, TrackFeed

_COVER = av.stream.Disposition.attached_pic
_COVER_TYPES = {"mjpeg": ("cover.jpg", "image/jpeg"), "png": ("cover.png", "image/png")}


class SideTracks:
    """All tracks of a source beside its picture, written into the output's container as the picture proceeds.

    Attributes:
        left_out: Names of what the container does not hold.
    """

    def __init__(
        self,
        info: VideoInfo,
        container: OutputContainer,
        suffix: str,
        times: TimeRange,
        notes: list[str],
        *,
        sound: bool,
    ) -> None:
        """Open the source and add streams to the container for each of its tracks.

        Args:
            info: Description of the source.
            container: The output, to which the encoder's stream has been added already.
            suffix: Suffix of the output, for messages.
            times: Range of the source to carry.
            notes: List to which messages about sound are added.
            sound: Whether to keep the sound.
        """
        self.left_out: list[str] = []
        self._container, self._suffix, self._times, self._notes = container, suffix, times, notes
        self._shift = times.shift(info)
        self._from_zero = times.first is not None
        self._covers: list[AnyPacket] = []
        self._feeds: dict[str, TrackFeed] = {}  # by the name of what they carry
        self._stack = ExitStack()
        try:
            with open_container(info.path) as source:
                picture = picture_stream(info.path, source).index
                others = [stream for stream in source.streams if stream.index != picture]
                samples = first_packets(source, [each for each in others if each.type != "attachment"])
                sounds = [each.index for each in others if each.type == "audio"]
                rest = [each.index for each in others if each.type != "audio"]
            if sound and sounds:
                self._feed("sound", info, sounds, samples)
            if rest:
                self._feed("subtitles or data", info, rest, samples)
        except BaseException:
            self._stack.close()
            raise

    def _feed(self, name: str, info: VideoInfo, indices: list[int], samples: dict[int, AnyPacket]) -> None:
        source = self._stack.enter_context(open_container(info.path))
        tracks: dict[int, Track] = {}
        for index in indices:
            track = self._add(source.streams[index], samples.get(index))
            if track is not None:
                tracks[index] = track
        if tracks:
            self._feeds[name] = TrackFeed(source, tracks, self._container, self._times, info.joins)

    def _add(self, stream: Any, sample: "AnyPacket | None") -> Track | None:
        """Add a stream of the source to the output; return its track if its packets lie along the time."""
        match stream.type:
            case "audio":
                return self._add_sound(stream, sample)
            case "subtitle":
                return self._add_subtitles(stream, sample)
            case "attachment":
                self._add_attachment(stream)
            case "video" if stream.disposition & _COVER:
                self._add_cover(stream, sample)
            case "data":
                return self._add_data(stream, sample)
            case "video":
                self._notes.append(f"the other picture, track {stream.index}, was left out: refvid segments one")
            case _:
                self.left_out.append(f"track {stream.index} of an unknown kind")
        return None

    def _add_sound(self, stream: AudioStream, sample: "AnyPacket | None") -> Track | None:
        codec = stream.codec_context.codec.canonical_name if stream.codec_context is not None else "an unknown format"
        format = self._container.format.name
        if is_held(stream, sample, format):
            silence = silent_sample(codec)
            # Sound that begins so late that there is no packet to try is filled up where that is possible.
            gaps = sample is not None and keeps_gaps(stream, sample, format)
            if gaps or silence is not None or sample is None:
                copied = self._container.add_stream_from_template(stream)
                describe_track(stream, copied, format)
                if gaps or silence is None:
                    return CopiedTrack(copied, self._shift, repeats="matroska" in format)
                return PcmTrack(copied, silence, self._shift, from_zero=self._from_zero)
        encoded = transcode_stream(stream, self._container)
        if encoded is None:
            self._note(f"the sound in {codec} was left out, because {self._suffix} files do not hold it")
            return None
        describe_track(stream, encoded, format)
        known = codec in self._container.supported_codecs
        self._note(
            f"the sound was transcoded from {codec} to {encoded.codec_context.codec.canonical_name}, "
            f"because {self._suffix} files do not hold {f'this kind of {codec}' if known else codec}"
        )
        return TranscodedTrack(encoded, self._shift)

    def _add_subtitles(self, stream: Any, sample: "AnyPacket | None") -> Track | None:
        format = self._container.format.name
        if stream.codec_context is not None and is_held(stream, sample, format):
            copied = self._container.add_stream_from_template(stream)
            describe_track(stream, copied, format)
            return CopiedSubtitles(copied, self._shift, repeats=True)
        converted = add_converted(stream, self._container, self._shift)
        codec = stream.codec_context.codec.canonical_name if stream.codec_context is not None else "an unknown format"
        if converted is None:
            self.left_out.append(f"subtitles in {codec}")
            return None
        describe_track(stream, converted.stream, format)
        self._note(
            f"the subtitles were converted from {codec} to {converted.stream.codec_context.codec.canonical_name}, "
            f"because {self._suffix} files do not hold {codec}"
        )
        return converted

    def _note(self, sentence: str) -> None:
        if sentence not in self._notes:  # several tracks of one kind need it only once
            self._notes.append(sentence)

    def _add_data(self, stream: Stream, sample: "AnyPacket | None") -> Track | None:
        # A timecode is written anew, for the range; a chapter's title has its own place.
        if "timecode" in stream.metadata or stream.discard == av.stream.Discard.all:
            return None
        if sample is None:
            return None  # a track without a packet within reach says nothing
        if not is_held(stream, sample, self._container.format.name):
            self.left_out.append(f"data track {stream.index} ({getattr(stream, 'name', None) or 'unknown kind'})")
            return None
        copied = self._container.add_stream_from_template(stream)
        describe_track(stream, copied, self._container.format.name)
        return CopiedTrack(copied, self._shift, repeats=True)

    def _add_attachment(self, stream: AttachmentStream) -> None:
        name = stream.metadata.get("filename", "attachment")
        if self._container.format.name == "matroska":
            mimetype = stream.metadata.get("mimetype", "application/octet-stream")
            self._container.add_attachment(name, mimetype, stream.data)
        else:
            self.left_out.append(f"attached file {name}")

    def _add_cover(self, stream: Any, sample: "AnyPacket | None") -> None:
        codec, format = stream.codec_context.codec.canonical_name, self._container.format.name
        if sample is not None and format == "matroska" and codec in _COVER_TYPES:
            name, mimetype = _COVER_TYPES[codec]
            self._container.add_attachment(stream.metadata.get("filename", name), mimetype, bytes(sample))
        elif sample is not None and format == "mp4" and is_held(stream, sample, format):
            copied = self._container.add_stream_from_template(stream, opaque=True)
            copied.disposition = _COVER
            cover: AnyPacket = av.Packet(bytes(sample))
            cover.pts = cover.dts = 0
            cover.time_base, cover.is_keyframe, cover.stream = Fraction(1, 90_000), True, copied
            self._covers.append(cover)
        else:
            self.left_out.append("cover picture")

    def begin(self) -> None:
        """Write the covers, and with them the header of the file: no stream can be added any more."""
        for cover in self._covers:
            self._container.mux_one(cover)

    def mux_until(self, time: Fraction) -> None:
        """Write the tracks up to a little after `time`, in seconds on the source's clock."""
        for feed in self._feeds.values():
            feed.mux_until(time)

    def finish(self) -> None:
        """Write all that remains of the tracks, including what comes after the last frame."""
        for feed in self._feeds.values():
            feed.finish()
        for name, feed in self._feeds.items():
            if feed.breaks_off:
                self._notes.append(f"the reading of {name} breaks off early, because the file is damaged")
            if feed.damaged:
                self._notes.append(f"damaged packets of {name} were left out: {feed.damaged}")

    def close(self) -> None:
        """Close the source."""
        self._stack.close()
