"""Read a video into arrays, for callers from Python."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from refvid.video.frame import Pixels, Position
from refvid.video.position import to_position
from refvid.video.reader import ReaderName, open_reader


def read_video(
    path: Path | str,
    *,
    start: Position | str | float | None = None,
    end: Position | str | float | None = None,
    reader: ReaderName = "auto",
) -> Pixels:
    """Return the frames of a video, an image or a folder of frames, uint8 RGB [T, H, W, 3], upright as a player shows.

    All of them are in memory at once: a minute of 1080p takes 11 GB. Use `stream_video` for long videos.

    Args:
        path: Video, image or folder to read.
        start: Start of the range: seconds, or text such as "2.5", "00:00:02.500" or "75f"; None for the beginning.
        end: End of the range, exclusive; None for the end.
        reader: Decoder that reads the video.

    Raises:
        VideoError: The source cannot be read, or breaks off.
        UsageError: The range contains no frame, or a position cannot be read.
        UnavailableError: decord was chosen but is not installed.
    """
    return np.stack(list(stream_video(path, start=start, end=end, reader=reader)))


def stream_video(
    path: Path | str,
    *,
    start: Position | str | float | None = None,
    end: Position | str | float | None = None,
    reader: ReaderName = "auto",
) -> Iterator[Pixels]:
    """Yield the frames that `read_video` returns, uint8 RGB [H, W, 3], one at a time; the source is closed at the end.

    The arguments are those of `read_video`.
    """
    with open_reader(Path(path), reader=reader, start=to_position(start), end=to_position(end)) as opened:
        for frame in opened:
            yield frame.pixels
