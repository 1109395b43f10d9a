"""What the decoders and encoders of this machine can do, for `refvid doctor`."""

from importlib.metadata import version

# What each output format is written with, in the order of preference.
ENCODERS = {
    "libx264": "overlay, cutout and matte in .mp4, .mov and .mkv",
    "libvpx-vp9": "alpha in .webm",
    "prores_ks": "alpha in .mov",
    "aac": "sound in .mp4 and .mov that cannot be copied",
    "libopus": "sound in .webm that cannot be copied",
}


def describe_pyav() -> str:
    """Gives the versions of PyAV and of the FFmpeg libraries inside it; raises ImportError where it does not load."""
    import av

    libavcodec = ".".join(str(part) for part in av.library_versions["libavcodec"])
    return f"{av.__version__} (libavcodec {libavcodec})"


def describe_decord() -> str:
    """Gives the version of decord; raises ImportError or OSError where it does not load."""
    import decord

    return str(getattr(decord, "__version__", None) or version("decord"))


def missing_encoders() -> list[str]:
    """Names those of `ENCODERS` that the FFmpeg inside PyAV lacks."""
    import av

    return [name for name in ENCODERS if not _has_encoder(av.Codec, name)]


def _has_encoder(open_codec: type, name: str) -> bool:
    try:
        return bool(open_codec(name, "w").is_encoder)
    except ValueError:  # av.codec.codec.UnknownCodecError
        return False
