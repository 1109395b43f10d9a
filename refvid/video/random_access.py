"""Read some frames of a short clip, in any order, as training needs them.

Nothing stays open between two calls, so that data loaders may fork. PyAV is used because reading eleven
frames of a hundred takes 1.5 times as long with decord, and because decord's threads compete with the loader's workers.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from refvid.errors import VideoError
from refvid.video.frame import Pixels
from refvid.video.probe import scan
from refvid.video.pyav_reader import PyAVReader
from refvid.video.timeline import ProbedSource

_KEPT_SCANS = 256  # cache size; a scan reads every packet, a fifth of the cost of reading a clip


def count_frames(path: Path) -> int:
    """Return the number of frames in a video.

    Raises:
        VideoError: The video cannot be read.
    """
    return len(_scanned(path).pts)


def frame_size(path: Path) -> tuple[int, int]:
    """Return the width and height of a video's frames, in pixels.

    Raises:
        VideoError: The video cannot be read.
    """
    info = _scanned(path).info
    return info.width, info.height


def read_frames(path: Path, indices: Sequence[int]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Decode frames by their index.

    Args:
        path: Video file.
        indices: Indices of frames, from 0, in any order; at least one of them lies in the video.

    Returns:
        The frames, uint8 RGB [len(indices), H, W, 3]; and whether each was read, bool [len(indices)]. A frame that is
        damaged or lies outside the video is replaced by the nearest one that was read.

    Raises:
        VideoError: The file cannot be read, or has none of the frames.
    """
    source = _scanned(path)
    inside = [index for index in indices if 0 <= index < len(source.pts)]
    if not inside:
        raise VideoError(f"{path} has only {len(source.pts)} frames, so frame {indices[0]} cannot be read")
    found = _decode(source, min(inside), max(inside) + 1)
    present = np.array([index in found for index in indices])
    known = np.array(sorted(found))
    nearest = [int(known[np.abs(known - index).argmin()]) for index in indices]
    return np.stack([found[index] for index in nearest]), present


def _decode(source: ProbedSource, start: int, stop: int) -> dict[int, Pixels]:
    """Return the frames of a range that can be decoded, by index."""
    found: dict[int, Pixels] = {}
    with PyAVReader(source, start, stop) as reader:
        try:
            for frame in reader:
                found[frame.index] = frame.pixels
        except VideoError:
            if not found:
                raise
    if not found:
        raise VideoError(f"{source.info.path}: {source.spoken(start)} cannot be decoded")
    return found


def _scanned(path: Path) -> ProbedSource:
    try:
        state = path.stat()
    except OSError:
        return scan(path)  # raises an error that says what is wrong
    return _scan_once(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=_KEPT_SCANS)
def _scan_once(path: Path, modified: int, size: int) -> ProbedSource:
    """Scan a file; its time and size are part of the cache's key, so that a rewritten file is scanned again."""
    return scan(path)
