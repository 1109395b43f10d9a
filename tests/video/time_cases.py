"""Clips whose times are broken on purpose: joined recordings, and FLV files with times of one's choice."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from tests.clips import make_clip

_FLV_HEADER, _FLV_TAG, _FLV_TRAILER = 13, 11, 4  # bytes
_FLV_VIDEO = 9
_TS_PACKET = 188  # bytes


def joined(paths: Sequence[Path], path: Path) -> Path:
    """Write files one after the other, as `cat` does."""
    path.write_bytes(b"".join(each.read_bytes() for each in paths))
    return path


def retimed(source: Path, path: Path, times: Callable[[int], int], late: Callable[[int], int] | None = None) -> Path:
    """Copy an FLV file without B frames, with other decoding times.

    Args:
        source: FLV file without sound.
        path: File to write.
        times: Decoding time of a picture in milliseconds, by its number.
        late: How long after that it is shown, in milliseconds; None for at once.
    """
    content = bytearray(source.read_bytes())
    at, number = _FLV_HEADER, 0
    while at + _FLV_TAG < len(content):
        size = int.from_bytes(content[at + 1 : at + 4], "big")
        is_picture = content[at] & 31 == _FLV_VIDEO and content[at + _FLV_TAG + 1] == 1  # not a header
        if is_picture:
            milliseconds = times(number) & 0xFFFFFFFF
            content[at + 4 : at + 7] = (milliseconds & 0xFFFFFF).to_bytes(3, "big")
            content[at + 7] = milliseconds >> 24
            if late is not None:
                content[at + _FLV_TAG + 2 : at + _FLV_TAG + 5] = late(number).to_bytes(3, "big")
            number += 1
        at += _FLV_TAG + size + _FLV_TRAILER
    path.write_bytes(content)
    return path


def without_times(source: Path, path: Path, keep: Callable[[int], bool]) -> Path:
    """Copy an MPEG-TS file; only the pictures whose number `keep` accepts keep their times."""
    content = bytearray(source.read_bytes())
    number = 0
    for at in range(0, len(content) - _TS_PACKET + 1, _TS_PACKET):
        begins = content[at + 1] & 0x40
        payload = at + 4 + (content[at + 4] + 1 if content[at + 3] & 0x20 else 0)
        if begins and content[payload : payload + 4] == b"\0\0\1\xe0":
            if not keep(number):
                content[payload + 7] &= 0x3F  # the flags that announce times; the bytes of the times become stuffing
                length = content[payload + 8]
                content[payload + 9 : payload + 9 + length] = b"\xff" * length
            number += 1
    path.write_bytes(content)
    return path


def without_packets(source: Path, path: Path, part: tuple[float, float]) -> Path:
    """Copy an MPEG-TS file; the packets in a part of it, told by fractions of the file, get lost."""
    content = source.read_bytes()
    begin, end = (int(len(content) * fraction) // _TS_PACKET * _TS_PACKET for fraction in part)
    path.write_bytes(content[:begin] + content[end:])
    return path


def make_part(path: Path, *, start: Fraction | int = 0, frames: int = 12, b_frames: bool = True, **more: Any) -> Path:
    """Write a recording of 12 frames with B frames, to be joined with others."""
    options = {"preset": "medium", "bf": "2", "x264-params": "b-adapt=0"} if b_frames else {}
    return make_clip(path, frames=frames, start=start, options=options, keyframe_every=6, **more)
