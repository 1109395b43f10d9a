"""Encode pictures into packets, including the colour conversion."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, TypeAlias

import av
import numpy as np
from av.container import OutputContainer
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from refvid.errors import UnavailableError
from refvid.video.colour import RGB_PIXELS, UNSPECIFIED, shown_matrix, swscale_matrix
from refvid.video.encoder_choice import EncoderSettings
from refvid.video.frame import ColourTags, VideoInfo

PicturePacket: TypeAlias = "av.Packet[VideoStream]"

_BT709 = ColourTags(primaries=1, transfer=1, matrix=1, full_range=False)
# The exceptions of encoding and muxing; not all of PyAV's errors are subclasses of OSError.
WRITE_FAILURES: tuple[type[Exception], ...] = (OSError, av.FFmpegError)


class FrameEncoder:
    """An encoder of pictures with exact presentation times, as a stream of an output container.

    Attributes:
        stream: The stream.
    """

    def __init__(
        self,
        container: OutputContainer,
        settings: EncoderSettings,
        info: VideoInfo,
        pixel_aspect: Fraction | None,
        *,
        transparent: bool = False,
    ) -> None:
        """Add the stream to the container and open its encoder.

        Args:
            container: The output.
            settings: Encoder with its options.
            info: Description of the source.
            pixel_aspect: Width of a pixel divided by its height; None for square pixels.
            transparent: Whether the pictures are RGBA.

        Raises:
            UnavailableError: The encoder does not work on this machine or with this size.
        """
        rate = info.frame_rate.limit_denominator(1_000_000)
        stream = container.add_stream(settings.codec, rate=rate, options=settings.options)
        assert isinstance(stream, VideoStream)
        self.stream, self._time_base = stream, info.time_base
        self._durations: dict[int, int] = {}
        context: Any = stream.codec_context  # PyAV's stubs lack the setters of the colour attributes
        context.width, context.height, context.pix_fmt = info.width, info.height, settings.pixel_format
        context.time_base = info.time_base
        if pixel_aspect is not None:
            context.sample_aspect_ratio = pixel_aspect
        if settings.codec == "libx265" and container.format.name in ("mp4", "mov"):
            context.codec_tag = "hvc1"  # Apple's players refuse the default tag
        tags = output_colour(info, settings.pixel_format)
        context.colorspace, context.color_primaries = tags.matrix, tags.primaries
        context.color_trc, context.color_range = tags.transfer, _range_tag(tags)
        try:
            context.open()
        except (av.FFmpegError, OSError) as error:
            log = getattr(error, "log", None)
            raise UnavailableError(
                f"the encoder {settings.codec} does not work here for {info.width}x{info.height} pixels "
                f"({log[2] if log else (error.strerror or str(error)).lower()}); try another --codec"
            ) from error
        self._palette = _PaletteGraph(info, transparent=transparent) if settings.pixel_format == "pal8" else None
        self._conversion = Conversion(settings.pixel_format, tags, info)

    def encode(self, pixels: NDArray[np.uint8], pts: int, duration: int) -> Iterator[PicturePacket]:
        """Encode one picture, uint8 RGB [H, W, 3] or RGBA [H, W, 4]; yield the packets that are ready."""
        self._durations[pts] = duration
        frame = av.VideoFrame.from_ndarray(
            np.ascontiguousarray(pixels), format="rgba" if pixels.shape[2] == 4 else "rgb24"
        )
        frame.pts, frame.time_base = pts, self._time_base
        frames = [self._conversion.convert(frame)] if self._palette is None else self._palette.convert(frame)
        for converted in frames:
            yield from self._timed(self.stream.encode(converted))

    def flush(self) -> Iterator[PicturePacket]:
        """Yield the packets that the encoder still holds."""
        for frame in self._palette.convert(None) if self._palette else []:
            yield from self._timed(self.stream.encode(frame))
        yield from self._timed(self.stream.encode(None))

    def _timed(self, packets: list[PicturePacket]) -> Iterator[PicturePacket]:
        # Encoders drop the durations of frames, but a container needs that of the last frame.
        for packet in packets:
            duration = self._durations.pop(packet.pts, None) if packet.pts is not None else None
            if duration is not None:
                packet.duration = duration
            yield packet


def output_colour(info: VideoInfo, pixel_format: str) -> ColourTags:
    """Return the colour description to write: the source's own, so that a player shows both alike.

    Images have none; they become BT.709, which players assume.
    """
    if pixel_format.startswith(RGB_PIXELS):
        return ColourTags()
    tags = info.colour if info.kind == "video" else _BT709
    if tags.matrix == 0:  # RGB video has no matrix, but the YUV video to be written needs one
        tags = ColourTags(tags.primaries, tags.transfer, _BT709.matrix, False)
    if pixel_format.startswith("yuvj"):
        tags = ColourTags(tags.primaries, tags.transfer, tags.matrix, True)
    return tags


def _range_tag(tags: ColourTags) -> int:
    return {None: 0, False: 1, True: 2}[tags.full_range]


class Conversion:
    """The conversion from RGB to the encoder's pixel format, with the tagged matrix and range, or as players assume."""

    def __init__(self, pixel_format: str, tags: ColourTags, info: VideoInfo) -> None:
        self._reformatter = VideoReformatter()  # shared by all frames: creating one costs more than a conversion
        # By default swscale rounds down, which would darken the picture by one level.
        rounding = Interpolation.BICUBIC | Interpolation.ACCURATE_RND
        self._arguments: dict[str, Any] = {"format": pixel_format, "interpolation": rounding}
        if not pixel_format.startswith(RGB_PIXELS):
            matrix = shown_matrix(info) if tags.matrix == UNSPECIFIED else tags.matrix
            self._arguments |= {
                "dst_colorspace": swscale_matrix(matrix),
                "dst_color_range": 2 if tags.full_range else 1,
            }
        self._tags = tags

    def convert(self, frame: av.VideoFrame) -> av.VideoFrame:
        converted = self._reformatter.reformat(frame, **self._arguments)
        converted.pts, converted.time_base = frame.pts, frame.time_base
        # ProRes reads these tags from the frame, not from the encoder. As arguments, they would change the pixels.
        converted.color_trc, converted.color_primaries = self._tags.transfer, self._tags.primaries
        return converted


class _PaletteGraph:
    """The conversion from RGB to the 256 colours of a GIF.

    Each frame gets its own palette: for a common one, the whole video would have to be held in memory.
    """

    def __init__(self, info: VideoInfo, *, transparent: bool) -> None:
        pixels = "rgba" if transparent else "rgb24"
        graph = av.filter.Graph()
        source = graph.add(
            "buffer",
            f"video_size={info.width}x{info.height}:pix_fmt={pixels}:time_base={info.time_base}:pixel_aspect=1/1",
        )
        split = graph.add("split")
        choose = graph.add("palettegen", f"stats_mode=single:reserve_transparent={int(transparent)}")
        use = graph.add("paletteuse", "new=1")
        source.link_to(split)
        split.link_to(use, 0, 0)
        split.link_to(choose, 1, 0)
        choose.link_to(use, 0, 1)
        use.link_to(graph.add("buffersink"))
        graph.configure()
        self._graph = graph

    def convert(self, frame: av.VideoFrame | None) -> Iterator[av.VideoFrame]:
        """Convert a frame, or flush at the end if it is None; yield the frames that are ready."""
        self._graph.push(frame)
        while True:
            try:
                ready = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            assert isinstance(ready, av.VideoFrame)
            yield ready
