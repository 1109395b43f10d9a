"""Say in an MP4 or MOV file which tracks are not shown by default.

FFmpeg's muxer enables the first track of each kind if none is marked as default. Subtitles that a viewer would have to
choose would then be shown to everybody.
"""

from collections.abc import Iterator, Set
from pathlib import Path
from typing import BinaryIO

_HEADER = 8  # bytes of a box's size and type
_LARGE_HEADER = 16  # with a 64-bit size
_ENABLED = 1  # in the flags of `tkhd` (ISO/IEC 14496-12, 8.3.2)


def disable_tracks(path: Path, indices: Set[int]) -> None:
    """Mark tracks as not enabled, in place.

    Args:
        path: A complete MP4 or MOV file.
        indices: Indices of the tracks, from 0, in the order of the file.
    """
    if not indices:
        return
    with path.open("r+b") as file:
        end = path.stat().st_size
        for movie in _boxes(file, 0, end, b"moov"):
            for index, track in enumerate(_boxes(file, *movie, b"trak")):
                if index in indices:
                    _disable(file, track)


def _disable(file: BinaryIO, track: tuple[int, int]) -> None:
    for start, _ in _boxes(file, *track, b"tkhd"):
        place = start + 3  # the version takes one byte, the flags three
        file.seek(place)
        flags = file.read(1)[0]
        file.seek(place)
        file.write(bytes([flags & ~_ENABLED]))


def _boxes(file: BinaryIO, start: int, end: int, wanted: bytes) -> Iterator[tuple[int, int]]:
    """Yield the start and end of the content of each box of a type between two positions in a file."""
    while start + _HEADER <= end:
        file.seek(start)
        header = file.read(_LARGE_HEADER)
        size, kind, length = int.from_bytes(header[:4], "big"), header[4:8], _HEADER
        if size == 1:
            size, length = int.from_bytes(header[8:16], "big"), _LARGE_HEADER
        elif size == 0:
            size = end - start  # up to the end of the file
        if size < length:
            return
        if kind == wanted:
            yield start + length, start + size
        start += size
