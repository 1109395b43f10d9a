"""The versions of the decoders and the encoders available on this machine, for `refvid doctor`."""

from importlib.metadata import version

# Encoder -> the outputs that it writes.
ENCODERS = {
    "libx264": "overlay, cutout and matte in .mp4, .mov and .mkv",
    "libvpx-vp9": "alpha in .webm",
    "prores_ks": "alpha in .mov",
    "aac": "sound in .mp4 and .mov that cannot be copied",
    "libopus": "sound in .webm that cannot be copied",
}


def describe_pyav() -> str:
    """Return the versions of PyAV and of its FFmpeg; raise ImportError if PyAV cannot be loaded."""
    import av

    libavcodec = ".".join(str(part) for part in av.library_versions["libavcodec"])
    return f"{av.__version__} (libavcodec {libavcodec})"


def describe_decord() -> str:
    """Return the version of decord; raise ImportError or OSError if decord cannot be loaded."""
    import decord

    return str(getattr(decord, "__version__", None) or version("decord"))


def missing_encoders() -> list[str]:
    """Return the names of those `ENCODERS` that PyAV's FFmpeg lacks."""
    import av

    return [name for name in ENCODERS if not _has_encoder(av.Codec, name)]


def _has_encoder(open_codec: type, name: str) -> bool:
    try:
        return bool(open_codec(name, "w").is_encoder)
    except ValueError:  # av.codec.codec.UnknownCodecError
        return False
