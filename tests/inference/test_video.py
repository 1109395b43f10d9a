"""File to file: the output equals the input except for the pixels, and nothing is left behind after an error."""

import errno
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from refvid.cli.app import main
from refvid.errors import OutOfMemoryError, OutputExistsError, UsageError, VideoError
from refvid.inference.options import SegmentOptions
from refvid.inference.segmenter import Segmenter
from refvid.inference.video import segment_video
from refvid.video.frame import Position
from refvid.video.output_format import OutputFormat
from refvid.video.reader import open_reader
from refvid.video.writer import StagedWriter
from refvid.weights import LoadedModel
from tests.clips import corrupted, make_clip, variable_times

EXPRESSIONS = ["man in red shirt", "the dog"]


@pytest.fixture(autouse=True, params=["network"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which stages have threads, whatever the machine; a test may ask for more than one way."""
    monkeypatch.setattr("refvid.inference.schedule.where_stages_overlap", lambda device: request.param)


in_every_way = pytest.mark.parametrize("_way", ["network", "io", "none"], indirect=True)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve frames of unequal length, with sound."""
    return make_clip(
        tmp_path_factory.mktemp("clip") / "clip.mp4", frames=12, size=(80, 46), times=variable_times(12), audio="aac"
    )


def times(path: Path) -> list[Fraction]:
    with av.open(str(path)) as container:
        frames = container.decode(video=0)
        return [Fraction(frame.pts or 0) * Fraction(frame.time_base or 1) for frame in frames]


def sound(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


@in_every_way
def test_frames_times_and_sound_are_the_inputs(clip: Path, model: LoadedModel, tmp_path: Path) -> None:
    progress: list[tuple[int, int]] = []
    report = segment_video(
        clip, EXPRESSIONS, tmp_path / "out.mp4", model=model, progress=lambda *at: progress.append(at)
    )
    assert progress == [(count, 12) for count in range(1, 13)]
    tolerance = report.input.time_base
    assert all(abs(a - b) <= tolerance for a, b in zip(times(report.output), times(clip), strict=True))
    assert sound(report.output) == sound(clip)
    with av.open(str(report.output)) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (80, 46)


def test_masks_on_disk_are_the_segmenters(clip: Path, model: LoadedModel, tmp_path: Path) -> None:
    options = SegmentOptions(format=OutputFormat.PNG)
    segment_video(clip, EXPRESSIONS, tmp_path / "masks", model=model, options=options)
    with open_reader(clip) as reader:
        expected = list(Segmenter(model).stream((frame.pixels for frame in reader), EXPRESSIONS))
    written = [np.asarray(Image.open(path)) for path in sorted((tmp_path / "masks").iterdir())]
    assert len(written) == 12
    for index, masks in zip(written, expected, strict=True):
        np.testing.assert_array_equal(index == 1, masks[0])
        np.testing.assert_array_equal(index == 2, masks[1] & ~masks[0])
    assert any((index == 1).any() for index in written)


def test_a_range_sees_only_its_frames(clip: Path, model: LoadedModel, tmp_path: Path) -> None:
    options = SegmentOptions(start=Position(frame=3), end=Position(frame=7))
    report = segment_video(clip, ["dog"], tmp_path / "out.mp4", model=model, options=options)
    whole = times(clip)
    assert report.frames == 4
    moved = [time - whole[3] for time in whole[3:7]]
    assert all(abs(a - b) <= report.input.time_base for a, b in zip(times(report.output), moved, strict=True))


def test_report_tells_what_was_done(clip: Path, model: LoadedModel, tmp_path: Path) -> None:
    warnings: list[str] = []
    report = segment_video(clip, ["purple dog"], tmp_path / "out.mp4", model=model, warn=warnings.append)
    assert warnings == [
        "the model small has never seen 'purple' in \"purple dog\"; it ignores the meaning of unknown words"
    ]
    found = json.loads(json.dumps(report.as_json()))
    assert found["schema"] == 1
    assert (found["model"], found["device"], found["precision"]) == ("small", "cpu", "float32")
    assert found["input"] | {"frames": 12, "vfr": True, "rotation": 0, "audio": ["aac"]} == found["input"]
    numerator, denominator = found["input"]["fps"].split("/")
    assert int(numerator) > 0 < int(denominator)
    expression = found["expressions"][0]
    assert expression["unknown_words"] == ["purple"]
    assert 0 < expression["frames_with_object"] <= 12
    assert 0.5 < expression["mean_probability"] < 1
    assert {"load", "read", "resize", "network", "masks", "refine", "write"} == set(found["timings"])
    assert found["peak_memory_bytes"] > 2**24


def test_threshold_nobody_reaches_gives_empty_masks_and_success(
    clip: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = ["segment", str(clip), "dog", "-m", str(checkpoint), "--threshold", "0.999999", "-o"]
    assert main([*base, str(tmp_path / "a.mp4"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["expressions"][0]["frames_with_object"] == 0
    assert main([*base, str(tmp_path / "b.mp4"), "--fail-if-empty"]) == 5


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("format", list(OutputFormat))
@pytest.mark.parametrize("failure", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")])
def test_nothing_is_left_behind(
    clip: Path, model: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: OutputFormat,
    failure: BaseException,
) -> None:  # fmt: skip
    """Ctrl-C, and a disk that fills up, in the middle of the run, for every format."""
    suffix = {"alpha": ".webm", "png": "", "rgba": "", "rle": ".json"}.get(format.value, ".mp4")
    original = StagedWriter.write

    def write(self: StagedWriter, *arguments: Any) -> None:
        if self._written == 4:
            raise failure
        original(self, *arguments)

    monkeypatch.setattr(StagedWriter, "write", write)
    with pytest.raises(type(failure)):
        segment_video(clip, ["dog"], tmp_path / f"out{suffix}", model=model, options=SegmentOptions(format=format))
    assert left_in(tmp_path) == []


def test_existing_output_is_kept_unless_told_otherwise(clip: Path, model: LoadedModel, tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    output.write_text("precious")
    with pytest.raises(OutputExistsError, match="exists"):
        segment_video(clip, ["dog"], output, model=model)
    assert output.read_text() == "precious"
    segment_video(clip, ["dog"], output, model=model, options=SegmentOptions(overwrite=True))
    assert len(times(output)) == 12


def test_a_file_that_breaks_in_the_middle_says_where(model: LoadedModel, tmp_path: Path) -> None:
    whole = make_clip(
        tmp_path / "whole.mp4", frames=60, size=(128, 96), options={"preset": "medium"},
        container_options={"movflags": "faststart"},
    )  # fmt: skip
    broken = corrupted(whole, tmp_path / "broken.mp4")
    with pytest.raises(VideoError, match=r"frame \d+ \(\d+\.\d+ s\)"):
        segment_video(broken, ["dog"], tmp_path / "out.mp4", model=model)
    assert left_in(tmp_path) == ["broken.mp4", "whole.mp4"]


@in_every_way
def test_out_of_memory_is_said(clip: Path, model: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise MemoryError

    monkeypatch.setattr(model.folded, "encode", refuse)
    with pytest.raises(OutOfMemoryError, match="out of memory on cpu after 0 frames"):
        segment_video(clip, ["dog"], tmp_path / "out.mp4", model=model)
    assert left_in(tmp_path) == []


def test_options_may_be_given_by_their_names(clip: Path, model: LoadedModel, tmp_path: Path) -> None:
    report = segment_video(str(clip), "dog", str(tmp_path / "masks"), model=model, format="png", end="2f")
    assert report.frames == len(list((tmp_path / "masks").iterdir())) == 2
    assert (report.threshold, 0.5 < report.expressions[0].highest_probability <= 1) == (0.5, True)
    with pytest.raises(UsageError, match="there is no option 'fromat'"):
        segment_video(clip, "dog", model=model, fromat="png")  # type: ignore[call-arg]
    with pytest.raises(UsageError, match=r"--background lies behind a cutout, but .* is overlay"):
        segment_video(clip, "dog", tmp_path / "out.mp4", model=model, format="overlay", background="red")
    assert not (tmp_path / "out.mp4").exists()


def test_a_background_alone_asks_for_a_cutout(model: LoadedModel, tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 200, (46, 80, 3), np.uint8)
    Image.fromarray(picture).save(tmp_path / "in.png")
    segment_video(tmp_path / "in.png", "dog", tmp_path / "red.png", model=model, background="#ff0000")
    segment_video(tmp_path / "in.png", "dog", tmp_path / "clear.png", model=model, background="transparent")
    mask = Segmenter(model)([picture], "dog")[0]
    red, clear = (np.asarray(Image.open(tmp_path / f"{name}.png")) for name in ("red", "clear"))
    np.testing.assert_array_equal(red, np.where(mask[..., None], picture, (255, 0, 0)))
    np.testing.assert_array_equal(clear[..., 3] == 255, mask)
    assert 0 < mask.mean() < 1
    with pytest.raises(UsageError, match=r"cannot hold the format alpha"):
        segment_video(tmp_path / "in.png", "dog", tmp_path / "a.jpg", model=model, background="transparent")


def test_an_expression_that_names_nothing_is_said_and_its_masks_are_empty(
    clip: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = ["segment", str(clip), "el perro", "-m", str(checkpoint), "-o", str(tmp_path / "masks"), "-f", "png"]
    assert main([*base, "-e", "2f", "--json"]) == 0
    shown = capsys.readouterr()
    expected = (
        "refvid: warning: nothing is looked for by \"el perro\": the model small does not know 'el', 'perro', and the "
        "rest of it names no thing; its masks are empty"
    )
    assert shown.err.splitlines()[0] == expected
    (found,) = json.loads(shown.out)["expressions"]
    assert (found["frames_with_object"], found["highest_probability"]) == (0, 0)
    assert found["unknown_words"] == ["el", "perro"]
    assert not any(np.asarray(Image.open(path)).any() for path in (tmp_path / "masks").iterdir())
    assert main([*base, "-y", "--fail-if-empty", "-q"]) == 5
    assert "so no lower --threshold finds it: try other words" in capsys.readouterr().err


def test_no_expression_is_a_mistake(clip: Path, model: LoadedModel) -> None:
    with pytest.raises(UsageError, match="no expression given"):
        segment_video(clip, [], model=model)


def test_images_and_folders(model: LoadedModel, tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for index in range(3):
        Image.effect_noise((50, 30), 60).convert("RGB").save(folder / f"f{index + 9}.png")
    masks = segment_video(folder, ["dog"], tmp_path / "masks", model=model,
                          options=SegmentOptions(format=OutputFormat.PNG)).output  # fmt: skip
    assert sorted(path.name for path in masks.iterdir()) == ["f10.png", "f11.png", "f9.png"]
    single = segment_video(folder / "f9.png", ["dog"], tmp_path / "one.png", model=model).output
    with Image.open(single) as picture:
        assert picture.size == (50, 30)
