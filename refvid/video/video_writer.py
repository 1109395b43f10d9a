"""Write a video file with the times, colours, pixel aspect ratio, tracks and metadata of the source."""

from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from refvid.errors import VideoError
from refvid.video.encoder import FrameEncoder
from refvid.video.encoder_choice import choose_encoder
from refvid.video.frame import Frame, Masks, VideoInfo
from refvid.video.inherited import Inheritance, container_options, inherit, missing, set_texts, tracks_of
from refvid.video.mov_flags import disable_tracks
from refvid.video.output_format import VIDEO_CONTAINERS
from refvid.video.picture import loop_count
from refvid.video.probe import open_container, picture_stream
from refvid.video.render import Painter
from refvid.video.side_tracks import SideTracks
from refvid.video.time_range import TimeRange, ticks


class VideoSink:
    """A sink that encodes the pictures of a painter; presentation times are the source's, to the tick."""

    def __init__(
        self,
        info: VideoInfo,
        paint: Painter,
        suffix: str,
        *,
        transparent: bool,
        codec: str | None,
        quality: int | None,
        audio: bool,
        times: TimeRange,
    ) -> None:
        """Choose the encoder; no file is opened yet.

        Raises:
            UnavailableError: There is no such encoder.
            UsageError: The codec, quality and container contradict each other.
        """
        self.notes: list[str] = []
        self._info, self._paint, self._suffix, self._times = info, paint, suffix, times
        self._transparent = transparent
        self._settings = choose_encoder(info, suffix, codec=codec, quality=quality, transparent=transparent)
        self._wants_sound = audio
        self._container: OutputContainer | None = None
        self._side: SideTracks | None = None
        self._inherited, self._temporary = Inheritance(), Path()
        self._shift = ticks(times.shift(info), info.time_base)
        self._last_pts: int | None = None

    def open(self, temporary: Path) -> None:
        """Open the container, the encoder and the other tracks of the source."""
        info, container_name = self._info, VIDEO_CONTAINERS[self._suffix]
        self._temporary, pixel_aspect = temporary, None
        if info.kind == "video":
            self._inherited, pixel_aspect = self._inherit()
        # By default the muxer shifts all streams if one starts below zero: early sound would move the picture.
        options = {"avoid_negative_ts": "disabled"}
        if container_name in ("mp4", "mov"):
            # Start times are stored in units of the movie; the default, a millisecond, is too coarse for them.
            options |= {"movflags": "faststart", "movie_timescale": str(_timescale(info.time_base))}
        if container_name == "gif" and (loops := loop_count(info.path, info.codec)) is not None:
            options["loop"] = str(loops)
        options |= container_options(self._inherited, container_name)
        # An absolute path: FFmpeg would take "a:b.mp4" for a protocol.
        container = av.open(str(temporary.absolute()), "w", format=container_name, options=options)
        self._container = container
        container.metadata.update(self._inherited.texts)
        container.set_chapters(list(self._inherited.chapters))
        self._encoder = FrameEncoder(container, self._settings, info, pixel_aspect, transparent=self._transparent)
        if info.kind == "video":
            self._describe_picture(container_name)
            self._side = SideTracks(info, container, self._suffix, self._times, self.notes, sound=self._wants_sound)
            self._side.begin()
        if info.start_time < 0 and self._times.first is None:
            self.notes.append(f"the output starts at 0 s instead of {float(info.start_time):.3f} s")

    def _describe_picture(self, container_name: str) -> None:
        stream = self._encoder.stream
        set_texts(stream, self._inherited.picture, container_name)
        stream.disposition = Disposition(self._inherited.flags)
        if self._inherited.timecode is not None:
            stream.metadata["timecode"] = self._inherited.timecode

    def _inherit(self) -> tuple[Inheritance, Fraction | None]:
        """Return what the output inherits, and the pixel aspect ratio of the source if pixels are not square."""
        info = self._info
        with open_container(info.path) as source:
            stream = picture_stream(info.path, source)
            return inherit(source, stream, info, self._times), pixel_aspect(info, stream)

    def add(self, frame: Frame, masks: Masks) -> None:
        """Encode one frame, and write the other tracks up to it.

        Raises:
            VideoError: The frame's size is not that of the video.
        """
        assert self._container is not None
        height, width = frame.pixels.shape[:2]
        if (width, height) != (self._info.width, self._info.height):
            raise VideoError(
                f"frame {frame.name or frame.index} is {width}x{height} pixels, but the video is "
                f"{self._info.width}x{self._info.height}; a video has one size, use --format png or rle for several"
            )
        if self._side is not None:
            self._side.mux_until(frame.time)
        time_base = self._info.time_base
        pts = ticks(frame.time, time_base) - self._shift
        if self._last_pts is not None:
            pts = max(pts, self._last_pts + 1)  # encoders need ascending times, which damaged sources do not have
        self._last_pts = pts
        for packet in self._encoder.encode(self._paint(frame, masks), pts, ticks(frame.duration, time_base)):
            self._container.mux(packet)

    def finish(self) -> None:
        """Write the encoder's remaining packets, the rest of the other tracks, and the index; say what is missing."""
        assert self._container is not None
        for packet in self._encoder.flush():
            self._container.mux(packet)
        left_out: list[str] = []
        if self._side is not None:
            self._side.finish()
            self._side.close()
            left_out += self._side.left_out
        streams = tracks_of(self._container)
        tracks = [dict(stream.metadata) for stream in streams]
        hidden = {
            number
            for number, each in enumerate(streams)
            if each.type == "subtitle" and not each.disposition & Disposition.default
        }
        self._container.close()
        if VIDEO_CONTAINERS[self._suffix] in ("mp4", "mov"):
            disable_tracks(self._temporary, hidden)
        left_out += missing(self._inherited, tracks, self._temporary, VIDEO_CONTAINERS[self._suffix])
        if left_out:
            self.notes.append(f"left out, because {self._suffix} files do not hold it: {', '.join(left_out)}")

    def abandon(self) -> None:
        """Close everything; closing the container tries to complete the file, whose failure is ignored."""
        if self._side is not None:
            self._side.close()
        if self._container is not None:
            with suppress(OSError, ValueError, av.FFmpegError):
                self._container.close()


def pixel_aspect(info: VideoInfo, stream: VideoStream) -> Fraction | None:
    """Return the width of a source's pixel divided by its height, upright; None if pixels are square.

    Args:
        info: Description of the source.
        stream: Its picture.
    """
    aspect = stream.sample_aspect_ratio
    coded = stream.codec_context.width, stream.codec_context.height
    if not aspect or aspect == 1:
        return None
    turned = info.rotation in (90, 270)
    if (info.width, info.height) != (coded[::-1] if turned else coded):
        return None  # the reader scales frames of another size than coded to square pixels
    exact = Fraction(aspect.numerator, aspect.denominator)
    return 1 / exact if turned else exact


def _timescale(time_base: Fraction) -> int:
    """Return the units per second that FFmpeg's MP4 muxer gives the track: at least 10,000."""
    scale = time_base.denominator
    while scale < 10_000:
        scale *= 2
    return scale
