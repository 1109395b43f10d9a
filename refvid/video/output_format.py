"""The seven output formats, and the choice among them by the output's path and the source."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from refvid.errors import UsageError
from refvid.video.frame import SourceKind, VideoInfo


class OutputFormat(StrEnum):
    """The values of `--format`."""

    OVERLAY = "overlay"
    CUTOUT = "cutout"
    MATTE = "matte"
    ALPHA = "alpha"
    PNG = "png"
    RGBA = "rgba"
    RLE = "rle"


# Suffix of a video file -> FFmpeg's name of the container. FFmpeg's own choice for .m4v, `ipod`, allows few codecs.
VIDEO_CONTAINERS: Mapping[str, str] = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
    ".gif": "gif",
}
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")
Y4M = ".y4m"  # frames one after the other, with neither times nor sound
RAW_SUFFIXES = (".rgb", ".rgba")  # bare frames, on standard output only
TRANSPARENT_VIDEOS = (".webm", ".mov")
TRANSPARENT_IMAGES = (".png", ".webp", ".tif", ".tiff")
_TRANSPARENT_OVERLAYS = (*TRANSPARENT_IMAGES, ".gif")  # whose viewers show transparency without being asked to

OPAQUE = frozenset({OutputFormat.OVERLAY, OutputFormat.CUTOUT, OutputFormat.MATTE})
FOLDER_FORMATS = frozenset({OutputFormat.PNG, OutputFormat.RGBA})
_FILE_SUFFIXES = frozenset({*VIDEO_CONTAINERS, *IMAGE_SUFFIXES, ".json", Y4M, ".avi", ".ts", ".wmv", ".flv", ".mpg"})


def resolve_output(info: VideoInfo, output: Path | None, format: OutputFormat | None) -> tuple[Path, OutputFormat]:
    """Return the path and format of the output.

    Without a format, the suffix of `output` decides: a video or image is an overlay, `.json` is rle, and a name without
    a suffix is a folder of png masks. Without an output, the path is `<stem>.refvid.<ext>` in the working folder.

    Args:
        info: Description of the source.
        output: Path as typed, if any.
        format: Format as typed, if any.

    Raises:
        UsageError: The format does not fit the suffix, or refvid does not write files with this suffix.
    """
    if output is None:
        chosen = format or OutputFormat.OVERLAY
        ending = info.path.suffix.lower() if info.kind != "frames" else ""
        return Path(f"{_stem(info)}.refvid{default_suffix(info.kind, ending, chosen)}"), chosen
    chosen = format or _format_of(info, output)
    _check_suffix(info, output, chosen)
    return output, chosen


def implied_format(format: OutputFormat | None, background: str | None) -> OutputFormat | None:
    """Return the format that `--format` and `--background` ask for together; None if the output's suffix decides.

    A cutout on a transparent background has the format alpha. Any other background without a format asks for a cutout,
    unless the name of the output asks for masks (`resolve_output`).
    """
    if background is not None and background.strip().lower() == "transparent":
        return OutputFormat.ALPHA if format in (None, OutputFormat.CUTOUT) else format
    return format


def keeps_transparency(info: VideoInfo, output: Path, format: OutputFormat) -> bool:
    """Return whether an overlay keeps the transparency of its source; where it does not, it lies on black."""
    return format is OutputFormat.OVERLAY and info.alpha and output.suffix.lower() in _TRANSPARENT_OVERLAYS


def is_folder_output(output: Path, format: OutputFormat) -> bool:
    """Return whether `output` is a folder of PNGs rather than a single file."""
    return format in FOLDER_FORMATS and output.suffix.lower() not in _FILE_SUFFIXES


def _stem(info: VideoInfo) -> str:
    path = info.path.resolve()
    return path.name if info.kind == "frames" else path.stem


def default_suffix(kind: SourceKind, ending: str, format: OutputFormat) -> str:
    """Return the suffix of the output where none is typed.

    Args:
        kind: What the source is.
        ending: Suffix of the source in lower case; empty for a folder of frames.
        format: Format of the output.
    """
    if format is OutputFormat.RLE:
        return ".json"
    if kind == "image":
        fitting = IMAGE_SUFFIXES if format in OPAQUE else (".png",)
        return ending if ending in fitting else ".png"
    if format in FOLDER_FORMATS:
        return ""
    if format is OutputFormat.ALPHA:
        return ".mov" if ending == ".mov" else ".webm"
    return ending if ending in VIDEO_CONTAINERS else ".mp4"


def _format_of(info: VideoInfo, output: Path) -> OutputFormat:
    suffix = output.suffix.lower()
    if suffix == ".json":
        return OutputFormat.RLE
    if suffix in _FILE_SUFFIXES:
        return OutputFormat.OVERLAY
    if suffix == "" and info.kind != "image":
        return OutputFormat.PNG
    raise UsageError(
        f"the name {output} does not determine a format; end it in {_listed(_fitting(info, OutputFormat.OVERLAY))} "
        "or .json, or give --format"
    )


def _check_suffix(info: VideoInfo, output: Path, format: OutputFormat) -> None:
    suffix = output.suffix.lower()
    fitting = _fitting(info, format)
    if suffix in fitting or is_folder_output(output, format):
        return
    if format in FOLDER_FORMATS and info.kind != "image":
        raise UsageError(
            f"the format {format} is a folder of PNG files, not one {suffix} file; leave out the suffix of {output}"
        )
    hint = ""
    if format is OutputFormat.ALPHA and suffix in VIDEO_CONTAINERS:
        hint = f"; players do not agree on transparency in {suffix} files"
    elif info.kind != "image" and suffix in IMAGE_SUFFIXES:
        hint = "; for one picture per frame give --format png or rgba and the name of a folder"
    raise UsageError(
        f"{output} cannot hold the format {format} of this {_kind(info)}: its name must end in {_listed(fitting)}{hint}"
    )


def _fitting(info: VideoInfo, format: OutputFormat) -> tuple[str, ...]:
    if format is OutputFormat.RLE:
        return (".json",)
    if info.kind == "image":
        if format is OutputFormat.PNG:
            return (".png",)
        return IMAGE_SUFFIXES if format in OPAQUE else TRANSPARENT_IMAGES
    if format in FOLDER_FORMATS:
        return ()
    return TRANSPARENT_VIDEOS if format is OutputFormat.ALPHA else (*VIDEO_CONTAINERS, Y4M)


def _kind(info: VideoInfo) -> str:
    return "folder of frames" if info.kind == "frames" else info.kind


def _listed(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
