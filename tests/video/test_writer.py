"""The contract of every writer: complete output or none, nothing left behind, and no work lost to a mistyped name."""

import errno
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from refvid.errors import OutputExistsError, UnavailableError, UsageError, VideoError
from refvid.video import folder_writer, video_writer
from refvid.video.encoder import FrameEncoder
from refvid.video.encoder_choice import EncoderSettings
from refvid.video.frame import SourceKind
from refvid.video.output_format import OutputFormat
from refvid.video.rle_writer import RleSink
from refvid.video.writer import MaskWriter, WriterOptions, check_options_apply, open_writer
from tests.video.written import describe, frame, masks, write

FILES = [("out.mp4", "overlay"), ("out.webm", "alpha"), ("out.json", "rle"), ("out", "png"), ("out", "rgba")]


@pytest.mark.parametrize(("name", "format"), FILES)
def test_the_output_appears_only_when_the_block_is_left(tmp_path: Path, name: str, format: str) -> None:
    output = tmp_path / name
    with open_writer(output, OutputFormat(format), describe(tmp_path / "in"), ["a dog"], WriterOptions()) as writer:
        writer.write(frame(0), masks())
        assert not output.exists()
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
    assert writer.path == output


@pytest.mark.parametrize(
    ("format", "kind", "options", "sentence"),
    [
        (
            "overlay",
            "video",
            WriterOptions(background="red"),
            "behind a cutout, but the format of this output is overlay",
        ),
        (
            "matte",
            "image",
            WriterOptions(background="red"),
            "but the format of this output is matte; add --format cutout",
        ),
        ("png", "video", WriterOptions(background="red"), "but the format of this output is png"),
        ("cutout", "video", WriterOptions(background="gren"), "'gren' is no colour and no file; give a name"),
        ("overlay", "video", WriterOptions(background="transparent"), "add --format alpha or rgba"),
        ("cutout", "video", WriterOptions(effect="grey"), "--effect changes the picture .* of this output is cutout"),
        ("overlay", "video", WriterOptions(effect="gray scale"), "there is no effect 'gray scale'"),
        (
            "overlay",
            "video",
            WriterOptions(invert=True),
            "--invert swaps .* add --effect, or one of --format alpha",
        ),
        ("png", "video", WriterOptions(invert=True), "the format png does not show"),
        (
            "png",
            "video",
            WriterOptions(codec="libx264"),
            "--codec is the encoder of a video, but the format png needs none",
        ),
        ("rle", "video", WriterOptions(codec="libx264"), "--codec is the encoder"),
        ("overlay", "image", WriterOptions(codec="libx264"), "but an image in the format overlay needs none"),
        ("rgba", "frames", WriterOptions(quality=3), "the format rgba loses none; leave --quality out"),
        ("rle", "video", WriterOptions(quality=3), "the format rle loses none"),
        ("alpha", "image", WriterOptions(quality=3), "an image in the format alpha loses none"),
    ],
)
def test_an_option_without_effect_is_refused(
    tmp_path: Path, format: str, kind: SourceKind, options: WriterOptions, sentence: str
) -> None:
    info = replace(describe(tmp_path / "in"), kind=kind)
    with pytest.raises(UsageError, match=sentence):
        check_options_apply(OutputFormat(format), info, options)


def test_options_with_an_effect_are_taken(tmp_path: Path) -> None:
    video = describe(tmp_path / "in")
    image = replace(video, kind="image")
    for format in OutputFormat:
        check_options_apply(format, video, WriterOptions(audio=False, overwrite=True))
    check_options_apply(OutputFormat.CUTOUT, video, WriterOptions(background="red", codec="libx264", quality=3))
    check_options_apply(OutputFormat.ALPHA, video, WriterOptions(codec="prores_ks", quality=3))
    check_options_apply(OutputFormat.OVERLAY, image, WriterOptions(quality=90))
    check_options_apply(OutputFormat.OVERLAY, video, WriterOptions(effect="blur:7", invert=True))
    check_options_apply(OutputFormat.ALPHA, video, WriterOptions(background="transparent", invert=True))


def write_and_raise(writer: MaskWriter, error: type[BaseException]) -> None:
    writer.write(frame(0), masks())
    raise error


@pytest.mark.parametrize(("name", "format"), FILES)
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_exception_in_the_block_leaves_nothing(
    tmp_path: Path, name: str, format: str, error: type[BaseException]
) -> None:
    with (
        pytest.raises(error),
        open_writer(tmp_path / name, OutputFormat(format), describe(tmp_path / "in"), ["a"], WriterOptions()) as writer,
    ):
        write_and_raise(writer, error)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "format"), FILES)
def test_no_frame_at_all_is_an_error(tmp_path: Path, name: str, format: str) -> None:
    with pytest.raises(VideoError, match="there was no frame to write"):
        write(tmp_path / name, format, describe(tmp_path / "in"), total=0)
    assert list(tmp_path.iterdir()) == []


def raise_full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


FAULTS: list[tuple[str, str, Any, str]] = [
    ("out.mp4", "overlay", FrameEncoder, "encode"),
    ("out.mp4", "overlay", FrameEncoder, "flush"),
    ("out.json", "rle", RleSink, "add"),
    ("out.json", "rle", RleSink, "finish"),
    ("out", "png", folder_writer, "save_picture"),
    ("out", "png", os, "replace"),
    ("out.mp4", "overlay", os, "replace"),
    ("out.mp4", "overlay", video_writer, "FrameEncoder"),
]


@pytest.mark.parametrize(("name", "format", "owner", "function"), FAULTS)
def test_a_full_disk_is_a_sentence_and_leaves_the_old_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, format: str, owner: object, function: str
) -> None:
    output = tmp_path / name
    write(output, format, describe(tmp_path / "in"))
    before = sorted(path.stat().st_mtime_ns for path in tmp_path.rglob("*"))
    monkeypatch.setattr(owner, function, raise_full)
    with pytest.raises(VideoError, match=f"cannot write .*{name}: no space left on the disk"):
        write(output, format, describe(tmp_path / "in"), overwrite=True)
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
    assert sorted(path.stat().st_mtime_ns for path in tmp_path.rglob("*")) == before


@pytest.mark.parametrize(("name", "format", "owner", "function"), FAULTS)
def test_ctrl_c_anywhere_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, format: str, owner: object, function: str
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(owner, function, interrupt)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / name, format, describe(tmp_path / "in"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the device that is always full is Linux's")
@pytest.mark.parametrize(("name", "format"), [("out.mp4", "matte"), ("out.mkv", "matte"), ("out.json", "rle")])
def test_the_systems_own_error_is_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, format: str
) -> None:
    # FFmpeg and Python write to the device that is always full, and learn it from the system.
    make = video_writer.VideoSink.open if format != "rle" else RleSink.open
    owner = video_writer.VideoSink if format != "rle" else RleSink
    monkeypatch.setattr(owner, "open", lambda sink, temporary: make(sink, Path("/dev/full")))
    with pytest.raises(VideoError, match="no space left on the disk"):
        write(tmp_path / name, format, describe(tmp_path / "in"))
    assert list(tmp_path.iterdir()) == []


def test_existing_output_is_refused_at_once_and_replaced_on_demand(tmp_path: Path) -> None:
    output = tmp_path / "out.json"
    output.write_text("old")
    with pytest.raises(OutputExistsError, match="give --overwrite"):
        open_writer(output, OutputFormat.RLE, describe(tmp_path / "in"), ["a"], WriterOptions())
    assert output.read_text() == "old"
    write(output, "rle", describe(tmp_path / "in"), overwrite=True)
    assert output.read_text().startswith('{"schema"')


def test_a_folder_of_pngs_is_replaced_whole(tmp_path: Path) -> None:
    output = tmp_path / "masks"
    write(output, "png", describe(tmp_path / "in"))
    with pytest.raises(OutputExistsError):
        write(output, "png", describe(tmp_path / "in"))
    write(output, "png", describe(tmp_path / "in"), total=2, overwrite=True)
    assert sorted(path.name for path in output.iterdir()) == ["00000.png", "00001.png"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["masks"]


def test_an_empty_folder_needs_no_overwrite(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    write(tmp_path / "masks", "png", describe(tmp_path / "in"))
    assert len(list((tmp_path / "masks").iterdir())) == 4


def test_a_folder_with_other_files_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputExistsError, match=r"contains more than PNG files \(thesis\.tex\)"):
        write(tmp_path / "home", "png", describe(tmp_path / "in"), overwrite=True)
    assert (tmp_path / "home" / "thesis.tex").exists()


@pytest.mark.parametrize(("output", "format"), [("in.json", "rle"), ("frames", "png"), ("", "png")])
def test_the_input_is_never_replaced(tmp_path: Path, output: str, format: str) -> None:
    (tmp_path / "frames").mkdir()
    (tmp_path / "in.json").write_text("x")
    source = tmp_path / ("in.json" if format == "rle" else "frames")
    with pytest.raises(UsageError, match="would replace the input"):
        write(tmp_path / output, format, describe(source), overwrite=True)


def test_wrong_places_are_refused_with_a_sentence(tmp_path: Path) -> None:
    info = describe(tmp_path / "in")
    with pytest.raises(UsageError, match=r"there is no folder .*missing to write out\.mp4 into"):
        write(tmp_path / "missing" / "out.mp4", "matte", info)
    (tmp_path / "dir.mp4").mkdir()
    with pytest.raises(UsageError, match="already exists and is not a file"):
        write(tmp_path / "dir.mp4", "matte", info, overwrite=True)
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="already exists and is not a folder"):
        write(tmp_path / "file", "png", info, overwrite=True)


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    write(tmp_path / "link.json", "rle", describe(tmp_path / "in"), overwrite=True)
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "real.json").read_text().startswith("{")


def test_a_name_with_a_colon_is_no_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("take 1: dog.mp4"), "matte", describe(tmp_path / "in"))
    assert (tmp_path / "take 1: dog.mp4").stat().st_size > 500


def test_masks_of_the_wrong_shape_are_the_callers_mistake(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match=r"masks must be bool \(1, 48, 64\), got bool \(2, 48, 64\)"),
        open_writer(
            tmp_path / "a.mp4", OutputFormat.MATTE, describe(tmp_path / "in"), ["a"], WriterOptions()
        ) as writer,
    ):
        writer.write(frame(0), masks(2))


def test_frames_of_two_sizes_do_not_fit_a_video(tmp_path: Path) -> None:
    with (
        pytest.raises(VideoError, match=r"frame big is 80x60 pixels, but the video is 64x48"),
        open_writer(
            tmp_path / "a.mp4", OutputFormat.MATTE, describe(tmp_path / "in"), ["a"], WriterOptions()
        ) as writer,
    ):
        writer.write(frame(1, "big", (80, 60)), masks(size=(80, 60)))


@pytest.mark.parametrize(
    ("name", "format", "options", "error", "message"),
    [
        ("a.mp4", "overlay", {"codec": "nonesuch"}, UnavailableError, r"no video encoder 'nonesuch'.*libx264, libx265"),
        ("a.mp4", "overlay", {"codec": "aac"}, UsageError, "aac does not encode video"),
        (
            "a.webm",
            "overlay",
            {"codec": "libx264"},
            UsageError,
            r"\.webm files cannot hold the output of the encoder libx264",
        ),
        ("a.mp4", "overlay", {"codec": "prores_ks"}, UsageError, r"end the output's name in \.mov"),
        ("a.webm", "alpha", {"codec": "libsvtav1"}, UsageError, "libsvtav1 does not support transparency"),
        (
            "a.mp4",
            "overlay",
            {"quality": 52},
            UsageError,
            r"--quality 52 is out of range; libx264 accepts 0 \(best\) to 51",
        ),
        ("a.mkv", "overlay", {"codec": "ffv1", "quality": 3}, UsageError, "ffv1 has no quality number"),
        ("a.mp4", "cutout", {"background": "no"}, UsageError, "'no' is no colour and no file"),
    ],
)
def test_impossible_options(
    tmp_path: Path, name: str, format: str, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        write(tmp_path / name, format, describe(tmp_path / "in"), **options)
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_that_does_not_open_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_writer, "choose_encoder", lambda *_, **__: EncoderSettings("libx264", "yuv420p", {}))
    with pytest.raises(UnavailableError, match=r"libx264 does not work here for 63x48 pixels .*try another --codec"):
        write(tmp_path / "a.mp4", "matte", describe(tmp_path / "in", width=63))
    assert list(tmp_path.iterdir()) == []
