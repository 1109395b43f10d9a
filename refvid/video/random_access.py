"""Some frames of a short clip, in any order, as training asks for them.

Nothing stays open between two calls, so that data loaders may fork. PyAV reads: opening decord for eleven frames of a
clip of a hundred costs half as much again, and its threads compete with the loader's workers.
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

_KEPT_SCANS = 256  # a scan reads every packet: a fifth of the cost of a clip


def count_frames(path: Path) -> int:
    """Count the frames of a video.

    Raises:
        VideoError: It cannot be read.
    """
    return len(_scanned(path).pts)


def frame_size(path: Path) -> tuple[int, int]:
    """Return the width and height of a video's frames, pixels.

    Raises:
        VideoError: It cannot be read.
    """
    info = _scanned(path).info
    return info.width, info.height


def read_frames(path: Path, indices: Sequence[int]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Decode frames by their index.

    Args:
        path: A video.
        indices: From 0, in any order; at least one of them lies in the video.

    Returns:
        uint8 [len(indices), H, W, 3] RGB, and bool [len(indices)]: False for frames that the video does not have, or
        that are damaged; the nearest one it has stands in for them.

    Raises:
        VideoError: The file cannot be read, or has none of the frames.
    """
    source = _scanned(path)
    inside = [index for index in indices if 0 <= index < len(source.pts)]
    if not inside:
        raise VideoError(f"{path} has {len(source.pts)} frames, but frame {indices[0]} is asked for")
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
        return scan(path)  # it says what is wrong
    return _scan_once(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=_KEPT_SCANS)
def _scan_once(path: Path, modified: int, size: int) -> ProbedSource:
    """Scan a file; its state is part of the key, so that one that is written anew is scanned anew."""
    return scan(path)
