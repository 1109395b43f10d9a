"""Suffix rules: the output format that follows from a path and a source."""

from fractions import Fraction
from pathlib import Path

import pytest

from refvid.errors import UsageError
from refvid.video.frame import SourceKind, VideoInfo
from refvid.video.output_format import OutputFormat, is_folder_output, resolve_output


def source(path: str, kind: SourceKind = "video") -> VideoInfo:
    return VideoInfo(
        path=Path(path),
        kind=kind,
        width=64,
        height=48,
        frame_count=1,
        frame_rate=Fraction(25),
        time_base=Fraction(1, 25),
        start_time=Fraction(0),
        duration=Fraction(1),
    )


@pytest.mark.parametrize(
    ("path", "kind", "format", "expected"),
    [
        ("in/park.mp4", "video", None, "park.refvid.mp4"),
        ("in/park.webm", "video", None, "park.refvid.webm"),
        ("in/park.avi", "video", "matte", "park.refvid.mp4"),
        ("in/park.mp4", "video", "alpha", "park.refvid.webm"),
        ("in/park.mov", "video", "alpha", "park.refvid.mov"),
        ("in/park.mp4", "video", "png", "park.refvid"),
        ("in/park.mp4", "video", "rgba", "park.refvid"),
        ("in/park.mp4", "video", "rle", "park.refvid.json"),
        ("in/cat.JPG", "image", None, "cat.refvid.jpg"),
        ("in/cat.heic", "image", None, "cat.refvid.png"),
        ("in/cat.jpg", "image", "alpha", "cat.refvid.png"),
        ("in/cat.jpg", "image", "png", "cat.refvid.png"),
        ("in/cat.jpg", "image", "rle", "cat.refvid.json"),
        ("in/bear.v1", "frames", None, "bear.v1.refvid.mp4"),
        ("in/bear", "frames", "png", "bear.refvid"),
    ],
)
def test_default_name_lies_in_the_working_folder(
    path: str, kind: SourceKind, format: str | None, expected: str
) -> None:
    chosen = OutputFormat(format) if format else None
    output, settled = resolve_output(source(path, kind), None, chosen)
    assert str(output) == expected
    assert settled == (format or "overlay")


def test_folder_of_frames_named_dot_has_a_real_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    output, _ = resolve_output(source(".", "frames"), None, None)
    assert output.name == f"{tmp_path.name}.refvid.mp4"


@pytest.mark.parametrize(
    ("output", "kind", "expected"),
    [
        ("a.mp4", "video", "overlay"),
        ("a.MKV", "video", "overlay"),
        ("a.gif", "video", "overlay"),
        ("a.json", "video", "rle"),
        ("masks", "video", "png"),
        ("a.webp", "image", "overlay"),
    ],
)
def test_suffix_decides_without_a_format(output: str, kind: SourceKind, expected: str) -> None:
    assert resolve_output(source("x", kind), Path(output), None) == (Path(output), OutputFormat(expected))


@pytest.mark.parametrize(
    ("output", "kind", "format", "message"),
    [
        ("a.mp4", "video", "alpha", r"must end in \.webm or \.mov; players do not agree on transparency in .mp4 files"),
        ("a.gif", "video", "alpha", r"\.webm or \.mov"),
        ("a.json", "video", "overlay", r"a\.json cannot hold the format overlay"),
        ("a.mp4", "video", "rle", r"must end in \.json"),
        ("a.mp4", "video", "png", r"is a folder of PNG files, not one \.mp4 file"),
        ("a.png", "video", "png", r"leave out the suffix of a\.png"),
        ("a.png", "video", None, r"give --format png or rgba and the name of a folder"),
        ("a.avi", "video", None, r"must end in \.mp4, \.m4v, \.mov, \.mkv, \.webm, \.gif or \.y4m"),
        ("a.xyz", "video", None, r"does not determine a format"),
        ("a.mp4", "image", None, r"must end in \.png"),
        ("a.jpg", "image", "rgba", r"cannot hold the format rgba of this image"),
        ("a", "image", None, r"does not determine a format"),
        ("out", "video", "overlay", r"out cannot hold the format overlay"),
    ],
)
def test_contradictions_are_usage_errors(output: str, kind: SourceKind, format: str | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolve_output(source("x", kind), Path(output), OutputFormat(format) if format else None)


def test_a_dot_in_a_folders_name_is_no_suffix() -> None:
    output, format = resolve_output(source("x"), Path("masks.v2"), OutputFormat.PNG)
    assert is_folder_output(output, format)
    assert not is_folder_output(Path("mask.png"), OutputFormat.PNG)
