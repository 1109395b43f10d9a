"""The matrix of codecs, containers and group structures on which every start in the middle is tried.

Every clip has 24 pictures of 64x48 pixels, made with PyAV alone. `write_case` makes the file of a name in `CASES`.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.video.stream import VideoStream

from tests.clips import QUIET_ENCODERS, frame_pixels

FRAMES = 24
SIZE = (64, 48)


@dataclass(frozen=True)
class Case:
    """How one file of the matrix is made.

    Attributes:
        codec: FFmpeg's encoder name.
        suffix: Suffix of the file, which chooses the container unless `container` does.
        options: Options of the encoder.
        container: FFmpeg's name of the container; empty to follow the suffix.
        muxer: Options of the muxer.
        pixel_format: FFmpeg's name of the pixel format.
        group: Greatest distance between key frames.
        b_frames: Number of B frames in a row.
        patch: Change of the bytes of the finished file.
        skip: Number of packets left out at the beginning of the file.
        size: (width, height) in pixels.
    """

    codec: str
    suffix: str
    options: dict[str, str] = field(default_factory=dict)
    container: str = ""
    muxer: dict[str, str] = field(default_factory=dict)
    pixel_format: str = "yuv420p"
    group: int = 8
    b_frames: int = 0
    patch: Callable[[bytes], bytes] | None = None
    skip: int = 0
    size: tuple[int, int] = SIZE


def _x264(parameters: str = "", **more: str) -> dict[str, str]:
    fixed = "b-adapt=0:scenecut=0:log=-1"
    return {"preset": "fast", "x264-params": f"{fixed}:{parameters}" if parameters else fixed, **more}


def _x265(parameters: str = "") -> dict[str, str]:
    quiet = QUIET_ENCODERS["libx265"]["x265-params"]
    return {"preset": "ultrafast", "x265-params": f"{quiet}:scenecut=0:b-adapt=0:{parameters}"}


_H264: dict[str, dict[str, Any]] = {
    "no B frames": {"options": _x264()},
    "B frames": {"options": _x264(), "b_frames": 2},
    "B pyramid": {"options": _x264("b-pyramid=normal:ref=4"), "b_frames": 3},
    "open groups": {"options": _x264("open-gop=1:keyint=8:min-keyint=8"), "b_frames": 2},
    "intra refresh": {"options": _x264("intra-refresh=1:keyint=8:min-keyint=8")},
    "one group": {"options": _x264(), "group": 250, "b_frames": 2},
}
_FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}
_LIVE = {"live": "1"}


def without_sync_table(content: bytes) -> bytes:
    """Hide an MP4's table of key frames, so that every sample passes for one."""
    return content.replace(b"stss", b"free")


def with_false_sync_table(content: bytes) -> bytes:
    """Move every key frame that an MP4's table names, except the first, two frames on."""
    at = content.index(b"stss") + 8
    (count,) = struct.unpack(">I", content[at : at + 4])
    numbers = struct.unpack(f">{count}I", content[at + 4 : at + 4 + 4 * count])
    moved = [numbers[0], *(number + 2 for number in numbers[1:])]
    return content[: at + 4] + struct.pack(f">{count}I", *moved) + content[at + 4 + 4 * count :]


def with_edits(*edits: tuple[int, int]) -> Callable[[bytes], bytes]:
    """Return a change that gives an MP4 whose `moov` comes last an edit list.

    Args:
        edits: First frame and number of frames of each part that is shown; first frame -1 for a pause.
    """

    def change(content: bytes) -> bytes:
        scale = struct.unpack(">I", content[content.index(b"mdhd") + 16 :][:4])[0]
        movie = struct.unpack(">I", content[content.index(b"mvhd") + 16 :][:4])[0]
        first = _first_composition(content)
        entries = b"".join(
            struct.pack(">iiI", length * movie // 25, -1 if start < 0 else first + start * scale // 25, 0x10000)
            for start, length in edits
        )
        body = struct.pack(">II", 0, len(edits)) + entries
        elst = struct.pack(">I4s", len(body) + 8, b"elst") + body
        edts = struct.pack(">I4s", len(elst) + 8, b"edts") + elst
        if b"edts" in content:
            at = content.index(b"edts") - 4
            old = struct.unpack(">I", content[at : at + 4])[0]
        else:
            at, old = content.index(b"mdia") - 4, 0
        grown = len(edts) - old
        for name in (b"moov", b"trak"):
            where = content.index(name) - 4
            size = struct.unpack(">I", content[where : where + 4])[0] + grown
            content = content[:where] + struct.pack(">I", size) + content[where + 4 :]
        return content[:at] + edts + content[at + old :]

    return change


def _first_composition(content: bytes) -> int:
    """Return the composition offset of the first sample of an MP4, 0 if it has no such table."""
    at = content.find(b"ctts")
    return struct.unpack(">i", content[at + 16 : at + 20])[0] if at >= 0 else 0


def _cases() -> dict[str, Case]:
    cases: dict[str, Case] = {}
    for structure, made in _H264.items():
        for suffix in ("mp4", "mkv", "ts", "avi", "flv"):
            cases[f"H.264, {structure}, {suffix}"] = Case("libx264", suffix, **made)
    for structure in ("B frames", "open groups", "intra refresh"):
        made = _H264[structure]
        cases[f"H.264, {structure}, mp4 in fragments"] = Case("libx264", "mp4", muxer=_FRAGMENTS, **made)
        cases[f"H.264, {structure}, mkv without index"] = Case("libx264", "mkv", muxer=_LIVE, **made)
        cases[f"H.264, {structure}, bare stream"] = Case("libx264", "h264", **made)
        cases[f"H.264, {structure}, program stream"] = Case("libx264", "vob", **made)
        cases[f"H.264, {structure}, ts from the middle of a group"] = Case("libx264", "ts", skip=3, **made)
    b_frames = _H264["B frames"]
    cases["H.264, B frames, mov"] = Case("libx264", "mov", **b_frames)
    cases["H.264, B frames, nut"] = Case("libx264", "nut", **b_frames)
    cases["H.264, interlaced, ts"] = Case("libx264", "ts", options=_x264("tff=1"), b_frames=2)
    cases["H.264, interlaced, mp4"] = Case("libx264", "mp4", options=_x264("tff=1"), b_frames=2)
    cases["H.264, every frame a key frame, mp4"] = Case("libx264", "mp4", options=_x264(), group=1)
    cases["H.264, no table of key frames, mp4"] = Case("libx264", "mp4", patch=without_sync_table, **b_frames)
    cases["H.264, false table of key frames, mp4"] = Case("libx264", "mp4", patch=with_false_sync_table, **b_frames)
    cases["H.264, edit list, mp4"] = Case("libx264", "mp4", patch=with_edits((3, 20)), **b_frames)
    cases["H.264, late edit list, mp4"] = Case("libx264", "mp4", patch=with_edits((-1, 5), (0, 24)), **b_frames)
    cases["H.264, edit list of two parts, mp4"] = Case("libx264", "mp4", patch=with_edits((2, 9), (13, 9)), **b_frames)
    cases["H.264, edit list that repeats, mp4"] = Case("libx264", "mp4", patch=with_edits((4, 9), (4, 9)), **b_frames)
    cases["H.264, edit list backwards, mp4"] = Case("libx264", "mp4", patch=with_edits((13, 9), (2, 9)), **b_frames)
    hevc: dict[str, dict[str, Any]] = {
        "no B frames": {"options": _x265("bframes=0:open-gop=0")},
        "B frames": {"options": _x265("bframes=3:open-gop=0")},
        "open groups": {"options": _x265("bframes=3:open-gop=1:keyint=8:min-keyint=8")},
        "intra refresh": {"options": _x265("bframes=0:intra-refresh=1:keyint=8:min-keyint=8")},
    }
    for structure, options in hevc.items():
        for suffix in ("mp4", "mkv", "ts", "hevc") if structure != "no B frames" else ("mp4", "mkv"):
            cases[f"HEVC, {structure}, {suffix}"] = Case("libx265", suffix, **options)
    vpx = {"deadline": "realtime", "cpu-used": "8"}
    hidden = {"deadline": "good", "cpu-used": "5", "auto-alt-ref": "1", "lag-in-frames": "12", "b": "100k"}
    for suffix in ("webm", "ivf", "avi"):
        cases[f"VP8, {suffix}"] = Case("libvpx", suffix, vpx)
        cases[f"VP8, hidden frames, {suffix}"] = Case("libvpx", suffix, hidden)
    for suffix in ("webm", "mp4", "ivf"):
        cases[f"VP9, {suffix}"] = Case("libvpx-vp9", suffix, vpx)
        cases[f"VP9, hidden frames, {suffix}"] = Case("libvpx-vp9", suffix, hidden)
    for suffix in ("mp4", "webm", "ivf", "obu"):
        cases[f"AV1, {suffix}"] = Case("libsvtav1", suffix, {"preset": "12", "crf": "40"})
    for suffix in ("ts", "vob", "mkv", "mp4", "m2v", "avi"):
        cases[f"MPEG-2, B frames, {suffix}"] = Case("mpeg2video", suffix, b_frames=2)
    cases["MPEG-2, ts from the middle of a group"] = Case("mpeg2video", "ts", b_frames=2, skip=3)
    cases["MPEG-2, closed groups, ts"] = Case("mpeg2video", "ts", {"flags": "+cgop", "sc_threshold": "1000000000"})
    cases["MPEG-1, B frames, mpg"] = Case("mpeg1video", "mpg", b_frames=2)
    for suffix in ("avi", "mp4", "mkv", "ts"):
        cases[f"MPEG-4, {suffix}"] = Case("mpeg4", suffix)
        cases[f"MPEG-4, B frames, {suffix}"] = Case("mpeg4", suffix, b_frames=2)
    for codec, name in (("msmpeg4", "MS MPEG-4"), ("wmv2", "WMV 8"), ("flv", "Sorenson"), ("h263", "H.263")):
        suffix = {"msmpeg4": "avi", "wmv2": "wmv", "flv": "flv", "h263": "3gp"}[codec]
        size = (176, 144) if codec == "h263" else SIZE
        cases[f"{name}, {suffix}"] = Case(codec, suffix, size=size)
    cases |= {
        "Motion JPEG, avi": Case("mjpeg", "avi", pixel_format="yuvj420p"),
        "Motion JPEG, mov": Case("mjpeg", "mov", pixel_format="yuvj420p"),
        "Motion JPEG, mkv": Case("mjpeg", "mkv", pixel_format="yuvj420p"),
        "ProRes, mov": Case("prores_ks", "mov", pixel_format="yuv422p10le"),
        "FFV1, mkv": Case("ffv1", "mkv"),
        "FFV1, groups, avi": Case("ffv1", "avi", {"level": "1", "coder": "ac"}),
        "HuffYUV, avi": Case("huffyuv", "avi", pixel_format="yuv422p"),
        "PNG, mov": Case("png", "mov", pixel_format="rgb24"),
        "QuickTime Animation, mov": Case("qtrle", "mov", pixel_format="rgb24"),
        "GIF": Case("gif", "gif", pixel_format="rgb8"),
        "Animated PNG": Case("apng", "apng", pixel_format="rgb24"),
        "Raw, y4m": Case("wrapped_avframe", "y4m"),
        "Raw, nut": Case("rawvideo", "nut"),
        "Snow, avi": Case("snow", "avi", {"strict": "-2"}),
        "Cinepak, avi": Case("cinepak", "avi", pixel_format="rgb24"),
    }
    return cases


CASES = _cases()


def write_case(case: Case, path: Path) -> Path:
    """Write the file of a case; its suffix is added to `path`, whose new value is returned."""
    path = path.with_suffix(f".{case.suffix}")
    with av.open(str(path), "w", format=case.container or None, options=case.muxer) as container:
        stream = container.add_stream(case.codec, rate=25, options=case.options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = case.size
        stream.pix_fmt = case.pixel_format
        context = stream.codec_context
        context.time_base = Fraction(1, 25)
        context.gop_size, context.max_b_frames = case.group, case.b_frames
        packets = []
        for index in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(frame_pixels(index, case.size), format="rgb24")
            frame = frame.reformat(format=case.pixel_format)
            frame.pts, frame.time_base = index, Fraction(1, 25)
            packets.extend(stream.encode(frame))
        packets.extend(stream.encode(None))
        for packet in packets[case.skip :]:
            container.mux(packet)
    if case.patch is not None:
        path.write_bytes(case.patch(path.read_bytes()))
    return path
