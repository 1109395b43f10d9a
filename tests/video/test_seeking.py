"""Starting in the middle: the frames of `--start` are those of a run from the beginning, for every start."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest

from refvid.errors import VideoError
from refvid.video.decord_reader import DecordReader, decord_installed
from refvid.video.entry_points import entry_test
from refvid.video.frame import Pixels, Position
from refvid.video.probe import open_container, picture_stream, scan
from refvid.video.pyav_reader import PyAVReader
from refvid.video.reader import open_reader
from refvid.video.timeline import ProbedSource
from tests.video.seek_cases import CASES, write_case
from tests.video.test_times import plain_decode

READ = 3  # frames read from each start
QUICK = [
    "H.264, B frames, mp4",
    "H.264, open groups, mkv",
    "H.264, intra refresh, mp4",
    "H.264, intra refresh, ts",
    "H.264, B frames, mkv without index",
    "H.264, false table of key frames, mp4",
    "H.264, edit list, mp4",
    "HEVC, open groups, mp4",
    "VP9, hidden frames, webm",
    "AV1, mp4",
    "MPEG-2, B frames, vob",
    "MPEG-4, B frames, avi",
    "GIF",
]


def differing_starts(source: ProbedSource, expected: list[Pixels], reader: str) -> list[int]:
    """Return every start from which a reader gives other frames than a plain decode; decord may refuse a file."""
    wrong = []
    for start in range(len(expected)):
        stop = min(start + READ, len(expected))
        try:
            with (DecordReader if reader == "decord" else PyAVReader)(source, start, stop) as opened:
                frames = [frame.pixels for frame in opened]
        except VideoError as refusal:
            if reader != "decord" or "--reader pyav" not in str(refusal):
                raise
            continue
        same = len(frames) == stop - start and all(map(np.array_equal, frames, expected[start:stop]))
        if not same:
            wrong.append(start)
    return wrong


def assert_every_start(name: str, folder: Path) -> None:
    path = write_case(CASES[name], folder / "clip")
    expected = plain_decode(path, CASES[name].size)
    source = scan(path)
    assert len(source.pts) == len(expected) > 12
    assert differing_starts(source, expected, "pyav") == []
    if decord_installed():
        assert differing_starts(source, expected, "decord") == []


@pytest.mark.parametrize("name", QUICK)
def test_every_start(tmp_path: Path, name: str) -> None:
    assert_every_start(name, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CASES if name not in QUICK])
def test_every_start_of_the_whole_matrix(tmp_path: Path, name: str) -> None:
    assert_every_start(name, tmp_path)


def test_the_matrix_is_large() -> None:
    assert len(CASES) >= 60
    assert set(QUICK) <= set(CASES)


@pytest.mark.parametrize(
    ("name", "entries"),
    [
        ("H.264, B frames, mp4", [0, 8, 16]),
        ("H.264, B frames, ts", [0, 8, 16]),
        ("H.264, open groups, mp4", [0, 8, 16]),
        ("H.264, intra refresh, mp4", [0]),
        ("H.264, no table of key frames, mp4", [0, 8, 16]),
        ("H.264, false table of key frames, mp4", [0, 8, 16]),
        ("HEVC, open groups, mkv", [0, 8, 16]),
        ("VP8, webm", [0, 8, 16]),
        ("VP9, webm", [0, 8, 16]),
        ("AV1, webm", [0, 8, 16]),
        ("MPEG-2, B frames, mkv", [0, 9, 15, 21]),
        ("MPEG-4, mp4", [0, 8, 16]),
        ("Motion JPEG, mov", list(range(24))),
        ("GIF", []),
    ],
)
def test_entry_points(tmp_path: Path, name: str, entries: list[int]) -> None:
    assert list(scan(write_case(CASES[name], tmp_path / "clip")).entries) == entries


@pytest.mark.parametrize(
    "name", ["H.264, B frames, mp4", "HEVC, B frames, ts", "AV1, ivf", "VP9, mp4", "MPEG-2, B frames, ts"]
)
def test_damaged_packets_are_no_reason_to_crash(tmp_path: Path, name: str) -> None:
    """Every prefix of a key packet, and the packet with single bytes changed, gets an answer."""
    path = write_case(CASES[name], tmp_path / "clip")
    with open_container(path) as container:
        stream = picture_stream(path, container)
        is_entry = entry_test(stream.codec_context)
        packet = bytes(next(iter(container.demux(stream))))
    assert is_entry is not None
    assert is_entry(packet)
    for length in range(1, min(len(packet), 200)):
        assert is_entry(packet[:length]) in (False, True)
        changed = packet[: length - 1] + b"\xff" + packet[length:]
        assert is_entry(changed) in (False, True)


@pytest.mark.skipif(not decord_installed(), reason="decord has no wheel for this machine")
@pytest.mark.parametrize(
    ("name", "from_zero", "from_one"),
    [
        ("H.264, B frames, mp4", "decord", "decord"),
        ("H.264, open groups, mp4", "decord", "pyav"),
        ("H.264, intra refresh, mkv", "decord", "pyav"),
        ("H.264, interlaced, mp4", "pyav", "pyav"),
        ("H.264, edit list of two parts, mp4", "pyav", "pyav"),
        ("MPEG-4, B frames, mp4", "decord", "pyav"),
    ],
)
def test_decord_gets_only_what_it_can_be_trusted_with(tmp_path: Path, name: str, from_zero: str, from_one: str) -> None:
    path = write_case(CASES[name], tmp_path / "clip")
    for start, expected in ((0, from_zero), (1, from_one)):
        with open_reader(path, start=Position(frame=start)) as reader:
            assert reader.name == expected


def test_where_decoding_breaks_off_after_a_seek_it_starts_from_the_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_case(CASES["H.264, B frames, mp4"], tmp_path / "clip")
    sought = PyAVReader._sought

    def breaks_off(self: PyAVReader) -> Iterator[tuple[int | None, av.VideoFrame]]:
        return islice(sought(self), 2)

    monkeypatch.setattr(PyAVReader, "_sought", breaks_off)
    assert differing_starts(scan(path), plain_decode(path), "pyav") == []


def test_a_seek_that_lands_on_another_frame_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_case(CASES["H.264, B frames, mp4"], tmp_path / "clip")
    sought = PyAVReader._sought

    def lands_late(self: PyAVReader) -> Iterator[tuple[int | None, av.VideoFrame]]:
        return islice(sought(self), 1, None)

    monkeypatch.setattr(PyAVReader, "_sought", lands_late)
    assert differing_starts(scan(path), plain_decode(path), "pyav") == []
