"""Write a video file with the times, colours, pixel aspect ratio and sound of the source."""

from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer

from refvid.errors import VideoError
from refvid.video.audio_copy import SoundTracks
from refvid.video.encoder import FrameEncoder
from refvid.video.encoder_choice import choose_encoder
from refvid.video.frame import Frame, Masks, VideoInfo
from refvid.video.output_format import VIDEO_CONTAINERS
from refvid.video.picture import loop_count
from refvid.video.probe import open_container, picture_stream
from refvid.video.render import Painter
from refvid.video.time_range import TimeRange, ticks

# Metadata about the container itself rather than its content.
_TECHNICAL_METADATA = frozenset({"major_brand", "minor_version", "compatible_brands", "encoder", "duration"})


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
        self._wants_sound = audio and info.kind == "video" and bool(info.audio)
        self._container: OutputContainer | None = None
        self._sound: SoundTracks | None = None
        self._shift = ticks(times.shift(info), info.time_base)
        self._last_pts: int | None = None

    def open(self, temporary: Path) -> None:
        """Open the container, the encoder and the sound of the source."""
        info, container_name = self._info, VIDEO_CONTAINERS[self._suffix]
        # By default the muxer shifts all streams if one starts below zero: early sound would move the picture.
        options = {"avoid_negative_ts": "disabled"}
        if container_name in ("mp4", "mov"):
            # Start times are stored in units of the movie; the default, a millisecond, is too coarse for them.
            options |= {"movflags": "faststart", "movie_timescale": str(_timescale(info.time_base))}
        if container_name == "gif" and (loops := loop_count(info.path, info.codec)) is not None:
            options["loop"] = str(loops)
        # An absolute path: FFmpeg would take "a:b.mp4" for a protocol.
        container = av.open(str(temporary.absolute()), "w", format=container_name, options=options)
        self._container = container
        pixel_aspect = None
        if info.kind == "video":
            pixel_aspect = self._inherit(container)
        self._encoder = FrameEncoder(container, self._settings, info, pixel_aspect, transparent=self._transparent)
        if self._wants_sound:
            self._sound = SoundTracks(info, container, self._suffix, self._times, self.notes)
        if info.start_time < 0 and self._times.first is None:
            self.notes.append(f"the output starts at 0 s instead of {float(info.start_time):.3f} s")

    def _inherit(self, container: OutputContainer) -> Fraction | None:
        """Copy the title and other metadata; return the pixel aspect ratio of the source if pixels are not square."""
        info = self._info
        with open_container(info.path) as source:
            texts = {key: text for key, text in source.metadata.items() if key.lower() not in _TECHNICAL_METADATA}
            container.metadata.update(texts)
            stream = picture_stream(info.path, source)
            aspect = stream.sample_aspect_ratio
            coded = stream.codec_context.width, stream.codec_context.height
        if not aspect or aspect == 1:
            return None
        turned = info.rotation in (90, 270)
        if (info.width, info.height) != (coded[::-1] if turned else coded):
            return None  # the reader scales frames of another size than coded to square pixels
        exact = Fraction(aspect.numerator, aspect.denominator)
        return 1 / exact if turned else exact

    def add(self, frame: Frame, masks: Masks) -> None:
        """Encode one frame, and write the sound up to it.

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
        if self._sound is not None:
            self._sound.mux_until(frame.time)
        time_base = self._info.time_base
        pts = ticks(frame.time, time_base) - self._shift
        if self._last_pts is not None:
            pts = max(pts, self._last_pts + 1)  # encoders need ascending times, which damaged sources do not have
        self._last_pts = pts
        for packet in self._encoder.encode(self._paint(frame, masks), pts, ticks(frame.duration, time_base)):
            self._container.mux(packet)

    def finish(self) -> None:
        """Write the encoder's remaining packets, the rest of the sound, and the index."""
        assert self._container is not None
        for packet in self._encoder.flush():
            self._container.mux(packet)
        if self._sound is not None:
            self._sound.finish()
            self._sound.close()
        self._container.close()

    def abandon(self) -> None:
        """Close everything; closing the container tries to complete the file, whose failure is ignored."""
        if self._sound is not None:
            self._sound.close()
        if self._container is not None:
            with suppress(OSError, ValueError, av.FFmpegError):
                self._container.close()


def _timescale(time_base: Fraction) -> int:
    """Return the units per second that FFmpeg's MP4 muxer gives the track: at least 10,000."""
    scale = time_base.denominator
    while scale < 10_000:
        scale *= 2
    return scale
