"""Tell whether `refvid segment` can read a file, from its content rather than from its name."""

from pathlib import Path

from refvid.errors import VideoError
from refvid.video.frame import SourceKind
from refvid.video.image_folder import scan_folder
from refvid.video.output_format import VIDEO_CONTAINERS
from refvid.video.probe import open_container, picture_stream, probe
from refvid.video.still import IMAGE_NAMES

# Suffixes that promise a video. Such a file is an input even if it is damaged: the message then says so.
VIDEO_NAMES = frozenset(VIDEO_CONTAINERS) | frozenset(
    f".{suffix}"
    for suffix in (
        *("3g2", "3gp", "amv", "asf", "avi", "divx", "dv", "f4v", "flv", "gif", "ivf", "m1v", "m2t", "m2ts", "m2v"),
        *("mjpeg", "mjpg", "mpe", "mpeg", "mpg", "mts", "mxf", "nut", "ogm", "ogv", "qt", "rm", "rmvb", "vob", "wmv"),
        *("wtv", "xvid", "y4m"),
    )
)
_LEAST_FRAMES = 3  # fewer numbered pictures are not taken for a sequence


class NotReadable(Exception):
    """The reason why a file is no input, in a few words."""


def recognise(path: Path) -> SourceKind:
    """Return whether a file is a video or an image.

    A name that promises a video or a picture is believed; any other file is opened.

    Raises:
        NotReadable: The file has no picture that can be read.
    """
    suffix = path.suffix.lower()
    if suffix in VIDEO_NAMES:
        return "video"
    if suffix in IMAGE_NAMES:
        return "image"
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise NotReadable("empty")
        with open_container(path) as container:
            if not picture_stream(path, container).codec_context.width:
                raise NotReadable("no video or picture")
            still = container.format.name.endswith("_pipe")  # or a stream of stills, which is a video
        return probe(path).kind if still else "video"
    except OSError as error:
        raise NotReadable(f"cannot be opened ({(error.strerror or str(error)).lower()})") from error
    except VideoError as error:
        raise NotReadable("sound without a picture" if "sound" in str(error) else "no video or picture") from error


def numbered_frames(folder: Path, pictures: list[Path]) -> bool:
    """Return whether the pictures of a folder are the frames of one video.

    They are if their names differ only in a number that counts up without a gap, and they have one size.

    Args:
        folder: The folder.
        pictures: Files in it that are named like pictures.
    """
    if len(pictures) < _LEAST_FRAMES or len({path.suffix.lower() for path in pictures}) != 1:
        return False
    parts = [_split_number(path.stem) for path in pictures]
    if len({part[:1] for part in parts}) != 1 or None in (numbers := {part[1] for part in parts}):
        return False
    counted = sorted(number for number in numbers if number is not None)
    if len(counted) != len(pictures) or counted[-1] - counted[0] != len(pictures) - 1:
        return False
    try:
        scan_folder(folder)
    except (VideoError, OSError):
        return False
    return True


def _split_number(stem: str) -> tuple[str, int | None]:
    """Return the text before the last number of a name, and the number; None if the name does not end in one."""
    text = stem.rstrip("0123456789")
    digits = stem[len(text) :]
    return text, int(digits) if digits else None
