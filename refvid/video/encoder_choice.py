"""Choose the encoder of a video file and its settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO

import av
from av.codec.codec import Codec

from refvid.errors import UnavailableError, UsageError
from refvid.video.frame import VideoInfo
from refvid.video.output_format import VIDEO_CONTAINERS

_USUAL = {".webm": "libvpx-vp9", ".gif": "gif"}
_USUAL_TRANSPARENT = {".webm": "libvpx-vp9", ".mov": "prores_ks", ".gif": "gif"}
_SUGGESTED = ("libx264", "libx265", "libvpx-vp9", "libsvtav1", "prores_ks", "ffv1")

# Encoder -> pixel format with transparency. libx265 lists one too, but drops the transparency.
_TRANSPARENT_PIXELS = {
    "libvpx-vp9": "yuva420p",
    "libvpx": "yuva420p",
    "prores_ks": "yuva444p10le",
    "prores": "yuva444p10le",
    "qtrle": "argb",
    "png": "rgba",
    "gif": "pal8",
}
_OPAQUE_PIXELS = ("yuv420p", "yuvj420p", "yuv422p", "yuv422p10le", "yuv444p", "rgb24", "bgr0", "gbrp", "pal8")

_SPEED: Mapping[str, Mapping[str, str]] = {
    "libx264": {"preset": "veryfast"},
    "libx265": {"preset": "fast", "x265-params": "log-level=none"},
    "libvpx-vp9": {"b": "0", "row-mt": "1", "cpu-used": "4"},
    "libvpx": {"b": "100M", "cpu-used": "4"},  # VP8 heeds its quality number only under a bit rate limit
    "libsvtav1": {"preset": "8"},
    "h264_nvenc": {"rc": "vbr", "b": "0"},
    "hevc_nvenc": {"rc": "vbr", "b": "0"},
    "av1_nvenc": {"rc": "vbr", "b": "0"},
}


@dataclass(frozen=True)
class _Quality:
    """The quality number of an encoder.

    Attributes:
        option: FFmpeg's option for it.
        usual: Visually lossless value.
        worst: Largest value, which gives the worst quality.
    """

    option: str
    usual: int
    worst: int


_QUALITY = {
    "libx264": _Quality("crf", 16, 51),
    "libx265": _Quality("crf", 17, 51),
    "libvpx-vp9": _Quality("crf", 15, 63),
    "libvpx": _Quality("crf", 6, 63),
    "libsvtav1": _Quality("crf", 18, 63),
    "h264_nvenc": _Quality("cq", 18, 51),
    "hevc_nvenc": _Quality("cq", 18, 51),
    "av1_nvenc": _Quality("cq", 18, 63),
    "mpeg4": _Quality("qscale", 2, 31),
    "mjpeg": _Quality("qscale", 2, 31),
    "mpeg2video": _Quality("qscale", 2, 31),
}


@dataclass(frozen=True)
class EncoderSettings:
    """The choice of an encoder, in FFmpeg's names.

    Attributes:
        codec: Name of the encoder.
        pixel_format: Name of the pixel format.
        options: Options of the encoder.
    """

    codec: str
    pixel_format: str
    options: dict[str, str]


def choose_encoder(
    info: VideoInfo, suffix: str, *, codec: str | None, quality: int | None, transparent: bool
) -> EncoderSettings:
    """Return the encoder for a video file and its settings.

    Args:
        info: Description of the source.
        suffix: Suffix of the output, such as ".mp4".
        codec: FFmpeg's name of the encoder; None for the usual one of the container.
        quality: Quality number of the encoder; None for visually lossless.
        transparent: Whether the pictures have transparency.

    Raises:
        UnavailableError: FFmpeg has no such encoder here.
        UsageError: The encoder does not fit the container or transparency, or the quality is out of range.
    """
    usual = _USUAL_TRANSPARENT[suffix] if transparent else _USUAL.get(suffix, "libx264")
    encoder = _find(codec or usual)
    name = encoder.name
    _check_container(name, suffix)
    if transparent and name not in _TRANSPARENT_PIXELS:
        raise UsageError(f"the encoder {name} does not support transparency; leave out --codec to use {usual}")
    pixels = _TRANSPARENT_PIXELS[name] if transparent else _opaque_pixels(encoder, info)
    options = dict(_SPEED.get(name, {})) | _quality_options(name, quality)
    if transparent and name.startswith("libvpx"):
        options["auto-alt-ref"] = "0"  # the encoder does not allow hidden frames beside an alpha plane
    if transparent and name.startswith("prores"):
        options |= {"profile": "4444", "alpha_bits": "16"} if name == "prores_ks" else {"profile": "4444"}
    if name == "libx264" and info.variable_frame_rate:
        options["bf"] = "0"  # MP4 stores times in decoding order: with reordering the last duration would be lost
    return EncoderSettings(name, pixels, options)


def _find(name: str) -> Codec:
    try:
        encoder = Codec(name, "w")
    except ValueError as error:  # UnknownCodecError
        raise UnavailableError(
            f"this FFmpeg has no video encoder {name!r}; use one such as {', '.join(_existing())}"
        ) from error
    if encoder.type != "video":
        raise UsageError(f"{name} does not encode video; use an encoder such as {', '.join(_existing())}")
    return encoder


def _existing() -> list[str]:
    return [name for name in _SUGGESTED if _exists(name)]


def _exists(name: str) -> bool:
    try:
        return Codec(name, "w").is_encoder
    except ValueError:
        return False


def _check_container(name: str, suffix: str) -> None:
    with av.open(BytesIO(), "w", format=VIDEO_CONTAINERS[suffix]) as container:
        if name in container.supported_codecs:
            return
    others = [other for other, usual in (*_USUAL.items(), (".mkv", "libx264"), (".mov", "prores_ks")) if usual == name]
    hint = f"; end the output's name in {others[0]}" if others else "; .mkv and .mov files allow more encoders"
    raise UsageError(f"{suffix} files cannot hold the output of the encoder {name}{hint}")


def _opaque_pixels(encoder: Codec, info: VideoInfo) -> str:
    offered = [format.name for format in encoder.video_formats or []]
    odd = info.width % 2 or info.height % 2
    if odd and encoder.canonical_name in ("h264", "hevc") and "yuv444p" in offered:
        return "yuv444p"  # the others share colour samples between pairs of pixels, which needs even sizes
    return next((name for name in _OPAQUE_PIXELS if name in offered), offered[0] if offered else "yuv420p")


def _quality_options(name: str, quality: int | None) -> dict[str, str]:
    scale = _QUALITY.get(name)
    if scale is None:
        if quality is not None:
            raise UsageError(f"the encoder {name} has no quality number; leave out --quality")
        return {}
    value = scale.usual if quality is None else quality
    if not 0 <= value <= scale.worst:
        raise UsageError(f"--quality {value} is out of range; {name} accepts 0 (best) to {scale.worst}")
    if scale.option == "qscale":  # FFmpeg measures global_quality in lambda units, 118 per step
        return {"flags": "+qscale", "global_quality": str(max(1, value) * 118)}
    return {scale.option: str(value)}
