"""Whether a file ends before its own headers say, judged by the sizes in them alone."""

from pathlib import Path
from typing import BinaryIO

_UNKNOWN_SIZE = -1


def is_cut_off(path: Path, container: str) -> bool:
    """Return whether the last element of a file reaches beyond its end.

    Args:
        path: File to look at.
        container: FFmpeg's names of its format; only Matroska and AVI are known here.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        if "matroska" in container:
            return _last_element_end(file, size) > size
        return container == "avi" and _last_chunk_end(file, size) > size


def _last_element_end(file: BinaryIO, size: int) -> int:
    """Return where the last EBML element at the top of a file ends (RFC 8794); 0 if it does not say."""
    end = 0
    while end < size:
        file.seek(end)
        if _variable_number(file, keep_marker=True) == _UNKNOWN_SIZE:
            return 0
        length = _variable_number(file, keep_marker=False)
        if length == _UNKNOWN_SIZE:  # a live recording
            return 0
        end = file.tell() + length
    return end


def _variable_number(file: BinaryIO, *, keep_marker: bool) -> int:
    """Read a number of variable length; `_UNKNOWN_SIZE` at the end of the file or if all its bits are 1."""
    head = file.read(1)
    if not head or not head[0]:
        return _UNKNOWN_SIZE
    more = 8 - head[0].bit_length()
    number = int.from_bytes(head + file.read(more), "big")
    if keep_marker:
        return number
    bits = 7 * (more + 1)
    number &= (1 << bits) - 1
    return _UNKNOWN_SIZE if number == (1 << bits) - 1 else number


def _last_chunk_end(file: BinaryIO, size: int) -> int:
    """Return where the last RIFF chunk at the top of a file ends; 0 if it does not say."""
    end = 0
    while end + 8 <= size:
        file.seek(end)
        header = file.read(8)
        if header[:4] not in (b"RIFF", b"JUNK"):
            break  # bytes after the end
        length = int.from_bytes(header[4:], "little")
        if not length:  # a recording that was never finished
            return 0
        end += 8 + length + length % 2
    return end
