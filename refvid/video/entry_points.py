"""Entry points: packets from which a decoder may begin, and then gives this frame and all later ones as they are.

A container's mark for key frames is no proof. It may be missing or wrong, and H.264 also marks recovery points, from
which the picture only becomes right after a while (periodic intra refresh). So the payload of the packet decides.
"""

from collections.abc import Callable, Iterator

from av.video.codeccontext import VideoCodecContext

EntryTest = Callable[[bytes], bool]

_H264_SLICE, _H264_IDR, _H264_SEI = 1, 5, 6  # ITU-T H.264, table 7-1
_RECOVERY_POINT = 6  # H.264, D.1: type of the SEI message
_I_SLICES = (2, 7)  # H.264, table 7-6
_HEVC_RANDOM_ACCESS = range(16, 22)  # ITU-T H.265, table 7-1: BLA, IDR and CRA pictures
_HEVC_VIDEO = range(32)
_AV1_FRAME_HEADER, _AV1_FRAME = 3, 6  # AV1 bitstream specification, 6.2.2
_MARKED_RIGHT = frozenset({"ffv1", "png"})  # decoders that refuse or do not know frames that are no key frames


def entry_test(context: VideoCodecContext) -> EntryTest | None:
    """Return the test of a key packet's payload; None where this codec must be decoded from the beginning.

    Args:
        context: Codec context of the stream, with the extradata of its container.
    """
    name, extradata = context.codec.canonical_name, context.extradata or b""
    if context.codec.intra_only or name in _MARKED_RIGHT:
        return lambda payload: True
    if name == "h264":
        return lambda payload: _is_h264_entry(_units(payload, _length_bytes(extradata, 4, 5)))
    if name == "hevc":
        return lambda payload: _is_hevc_entry(_units(payload, _length_bytes(extradata, 21, 23)))
    return {
        "vp8": _is_vp8_entry,
        "vp9": _is_vp9_entry,
        "av1": _is_av1_entry,
        "mpeg1video": _is_mpeg2_entry,
        "mpeg2video": _is_mpeg2_entry,
        "mpeg4": _is_mpeg4_entry,
    }.get(name)


def _length_bytes(extradata: bytes, at: int, least: int) -> int:
    """Return how many bytes before each unit hold its length (ISO/IEC 14496-15); 0 for start codes instead."""
    return (extradata[at] & 3) + 1 if len(extradata) >= least and extradata[0] == 1 else 0


def _units(payload: bytes, length_bytes: int) -> Iterator[bytes]:
    """Yield the NAL units of a packet."""
    if length_bytes:
        at = 0
        while at + length_bytes < len(payload):
            size = int.from_bytes(payload[at : at + length_bytes], "big")
            at += length_bytes
            yield payload[at : at + size]
            at += size
        return
    begin = payload.find(b"\0\0\1")
    while begin >= 0:
        following = payload.find(b"\0\0\1", begin + 3)
        yield payload[begin + 3 : following if following >= 0 else len(payload)]
        begin = following


def _is_h264_entry(units: Iterator[bytes]) -> bool:
    """Return whether an access unit is an IDR picture, or an I picture from which all that follows is exact."""
    recovers = False
    slices = 0
    for unit in units:
        kind = unit[0] & 31 if unit else 0
        if kind == _H264_IDR:
            return True
        if kind == _H264_SEI:
            recovers |= _recovers_at_once(unit)
        elif kind == _H264_SLICE:
            slices += 1
            _, at = _exponential_golomb(unit, 8)
            if not recovers or _exponential_golomb(unit, at)[0] not in _I_SLICES:
                return False
    return recovers and slices > 0


def _recovers_at_once(unit: bytes) -> bool:
    """Return whether an SEI unit says that its picture is a recovery point with no frames to wait for."""
    message = unit.replace(b"\0\0\3", b"\0\0")  # emulation prevention, H.264, 7.3.1
    at = 1
    while at + 2 < len(message):
        kind = size = 0
        while at < len(message) and message[at] == 255:
            kind, at = kind + 255, at + 1
        kind, at = kind + message[at], at + 1
        while at < len(message) and message[at] == 255:
            size, at = size + 255, at + 1
        if at >= len(message):
            return False
        size, at = size + message[at], at + 1
        if kind == _RECOVERY_POINT and at < len(message):
            return _exponential_golomb(message, at * 8)[0] == 0
        at += size
    return False


def _exponential_golomb(data: bytes, at: int) -> tuple[int, int]:
    """Return the number ue(v) that begins at bit `at` (H.264, 9.1), and the bit after it; -1 if the data end."""

    def bit(index: int) -> int:
        return data[index >> 3] >> (7 - (index & 7)) & 1

    zeros, end = 0, len(data) * 8
    while at + zeros < end and not bit(at + zeros):
        zeros += 1
    stop = at + 2 * zeros + 1
    if stop > end:
        return -1, end
    value = 0
    for index in range(at + zeros, stop):
        value = value << 1 | bit(index)
    return value - 1, stop


def _is_hevc_entry(units: Iterator[bytes]) -> bool:
    kinds = [unit[0] >> 1 & 63 for unit in units if len(unit) > 1 and not (unit[0] & 1 or unit[1] >> 3)]  # base layer
    pictures = [kind for kind in kinds if kind in _HEVC_VIDEO]
    return bool(pictures) and all(kind in _HEVC_RANDOM_ACCESS for kind in pictures)


def _is_vp8_entry(payload: bytes) -> bool:
    return payload[0] & 1 == 0  # RFC 6386, 9.1


def _is_vp9_entry(payload: bytes) -> bool:
    """Return whether the first frame is a key frame (VP9 bitstream specification, 6.2)."""
    bits = payload[0] if payload[0] & 0x30 != 0x30 else payload[0] << 1  # profile 3 has a reserved bit more
    return payload[0] >> 6 == 2 and bits & 0x0C == 0  # neither a repeated frame nor one that needs others


def _is_av1_entry(payload: bytes) -> bool:
    """Return whether the first frame of a temporal unit is a key frame that is shown (AV1 specification, 5.9.2)."""
    at = 0
    while at < len(payload):
        kind, extended, sized = payload[at] >> 3 & 15, payload[at] >> 2 & 1, payload[at] >> 1 & 1
        at += 1 + extended
        size, shift = 0, 0
        while sized and at < len(payload):
            size |= (payload[at] & 127) << shift
            at, shift = at + 1, shift + 7
            if payload[at - 1] < 128:
                break
        if kind in (_AV1_FRAME_HEADER, _AV1_FRAME):
            return at < len(payload) and payload[at] >> 4 == 1  # not repeated, type "key", shown
        if not sized:
            return False
        at += size
    return False


def _is_mpeg2_entry(payload: bytes) -> bool:
    at = payload.find(b"\0\0\1\0")  # ISO/IEC 13818-2, 6.2.3: the header of a picture
    return 0 <= at < len(payload) - 5 and payload[at + 5] >> 3 & 7 == 1


def _is_mpeg4_entry(payload: bytes) -> bool:
    at = payload.find(b"\0\0\1\xb6")  # ISO/IEC 14496-2, 6.2.5: the header of a video object plane
    return 0 <= at < len(payload) - 4 and payload[at + 4] >> 6 == 0
