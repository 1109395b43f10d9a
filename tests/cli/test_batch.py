"""`refvid batch`: the exit code, the lines on stdout, the table on stderr, and one load of the model."""

import json
import sys
from pathlib import Path

import pytest

from refvid.errors import VideoError
from refvid.video.output_format import OutputFormat
from tests.cli.conftest import FakeSegmenting, Refvid


@pytest.fixture
def videos(segmenting: FakeSegmenting, tmp_path: Path) -> Path:
    """A folder `videos` with two of them in the working folder."""
    folder = Path("videos")
    folder.mkdir()
    (folder / "a.mp4").write_text("a")
    (folder / "b.mp4").write_text("b")
    return folder


def _fail_on_a(call: dict[str, object]) -> None:
    if call["input"] == Path("videos/a.mp4"):
        raise VideoError("a.mp4 breaks off")


def test_folder(refvid: Refvid, segmenting: FakeSegmenting, videos: Path) -> None:
    outcome = refvid("batch", videos, "dog", "cat", "-o", "out", "-f", "matte", "--threshold", "0.4", "--no-audio")
    assert (outcome.code, outcome.stdout) == (0, "")
    assert [call["input"].name for call in segmenting.calls] == ["a.mp4", "b.mp4"]
    assert segmenting.calls[0]["expressions"] == ["dog", "cat"]
    assert segmenting.options.format is OutputFormat.MATTE
    assert segmenting.options.threshold == 0.4
    assert segmenting.options.audio is False
    assert Path("out/a.mp4").exists()
    assert "[1/2] videos/a.mp4 done: out/a.mp4" in outcome.stderr
    assert "2 done, 0 skipped" in outcome.stderr


def test_model_is_loaded_once_and_handed_on(refvid: Refvid, segmenting: FakeSegmenting, videos: Path) -> None:
    assert refvid("batch", videos, "dog", "-o", "out", "-m", "owner/name", "--revision", "v1").code == 0
    assert sys.modules["refvid.weights"].__dict__["loads"] == ["owner/name"]
    assert {call["model"].revision for call in segmenting.calls} == {"v1"}


def test_second_run_skips(refvid: Refvid, segmenting: FakeSegmenting, videos: Path) -> None:
    refvid("batch", videos, "dog", "-o", "out")
    outcome = refvid("batch", videos, "dog", "-o", "out", "--json")
    assert outcome.code == 0
    lines = [json.loads(line) for line in outcome.stdout.splitlines()]
    assert [(line["input"], line["output"], line["status"], line["error"]) for line in lines] == [
        ("videos/a.mp4", "out/a.mp4", "skipped", None),
        ("videos/b.mp4", "out/b.mp4", "skipped", None),
    ]
    assert len(segmenting.calls) == 2


def test_weights_trained_again_in_the_same_folder_do_it_again(
    refvid: Refvid, segmenting: FakeSegmenting, videos: Path
) -> None:
    Path("run").mkdir()
    Path("run/config.json").write_text("{}")
    Path("run/model.safetensors").write_text("one")
    arguments = ["batch", videos, "dog", "-o", "out", "-m", "run"]
    refvid(*arguments)
    assert refvid(*arguments).code == 0
    assert len(segmenting.calls) == 2
    Path("run/model.safetensors").write_text("other")
    refused = refvid(*arguments)
    assert (refused.code, len(segmenting.calls)) == (7, 2)
    assert "out/a.mp4 already exists and was made by an earlier run with other options, another model" in refused.stderr
    assert refvid(*arguments, "-y").code == 0
    assert len(segmenting.calls) == 4


def test_other_expressions_replace_nothing_without_a_word(
    refvid: Refvid, segmenting: FakeSegmenting, videos: Path
) -> None:
    assert refvid("batch", videos, "dog", "-o", "out").code == 0
    kept = Path("out/a.mp4").stat().st_mtime_ns
    refused = refvid("batch", videos, "cat", "-o", "out")
    assert refused.code == 7
    assert "out/a.mp4 already exists and shows 'dog', from an earlier run; give -y to replace it" in refused.stderr
    assert Path("out/a.mp4").stat().st_mtime_ns == kept
    assert refvid("batch", videos, "cat", "-o", "out", "-y").code == 0
    assert [call["expressions"] for call in segmenting.calls[2:]] == [["cat"], ["cat"]]


def test_what_was_found_is_counted(refvid: Refvid, segmenting: FakeSegmenting, videos: Path) -> None:
    for status in ("done", "skipped"):
        outcome = refvid("batch", videos, "dog", "cat", "-o", "out", "--json")
        lines = [json.loads(line) for line in outcome.stdout.splitlines()]
        assert [line["status"] for line in lines] == [status] * 2
        for line in lines:
            found = [line[key] for key in ("expressions", "frames", "frames_with_object", "mean_probability")]
            assert found == [["dog", "cat"], 10, [7, 7], [0.5, 0.5]]
        assert outcome.stderr.count("7, 7 of 10") == 4, "in the lines and in the table"


def test_failure_is_7_and_the_rest_is_done(refvid: Refvid, segmenting: FakeSegmenting, videos: Path) -> None:
    segmenting.act = _fail_on_a
    outcome = refvid("batch", videos, "dog", "-o", "out", "--json")
    assert outcome.code == 7
    lines = [json.loads(line) for line in outcome.stdout.splitlines()]
    assert [(line["status"], line["error"]) for line in lines] == [("failed", "a.mp4 breaks off"), ("done", None)]
    assert Path("out/b.mp4").exists()
    assert not Path("out/a.mp4").exists()
    told = outcome.stderr.splitlines()
    assert told[-1] == "refvid: error: 1 of 2 videos failed; the first is videos/a.mp4: a.mp4 breaks off"
    assert any("videos/a.mp4" in line and "failed" in line and "│" in line for line in told)
    assert refvid("batch", videos, "dog", "-o", "out", "-q").stderr == told[-1] + "\n"


def test_interrupt_shows_what_was_finished(refvid: Refvid, segmenting: FakeSegmenting, videos: Path) -> None:
    def interrupt(call: dict[str, object]) -> None:
        if call["input"] == Path("videos/b.mp4"):
            raise KeyboardInterrupt

    segmenting.act = interrupt
    outcome = refvid("batch", videos, "dog", "-o", "out", "--json")
    assert outcome.code == 130
    assert [json.loads(line)["status"] for line in outcome.stdout.splitlines()] == ["done"]
    assert outcome.stderr.endswith("refvid: interrupted\n")
    assert "│ done" in outcome.stderr
    segmenting.act = lambda call: None
    assert refvid("batch", videos, "dog", "-o", "out").code == 0
    assert [call["input"].name for call in segmenting.calls] == ["a.mp4", "b.mp4", "b.mp4"]


def test_manifest(refvid: Refvid, segmenting: FakeSegmenting, videos: Path) -> None:
    Path("jobs.csv").write_text("input,expression,output\nvideos/a.mp4,dog,\nvideos/a.mp4,cat,cat.mp4\n")
    assert refvid("batch", "jobs.csv", "-o", "out").code == 0
    assert [call["expressions"] for call in segmenting.calls] == [["dog"], ["cat"]]
    assert Path("out/videos/a.mp4").exists()
    assert Path("out/cat.mp4").exists()


def test_what_is_passed_over_is_told(refvid: Refvid, segmenting: FakeSegmenting, videos: Path) -> None:
    for name in (*(f"note{number}.txt" for number in range(7)), ".DS_Store"):
        (videos / name).write_text("text")
    outcome = refvid("batch", videos, "dog", "-o", "out", "--json")
    assert outcome.code == 0
    assert (
        "refvid: passed over, no video or picture: 7 (videos/note0.txt, videos/note1.txt, videos/note2.txt, "
        "videos/note3.txt, videos/note4.txt and 2 more)\n"
    ) in outcome.stderr
    assert "refvid: passed over, hidden: 1 (videos/.DS_Store)\n" in outcome.stderr
    assert outcome.stderr.endswith("2 done, 0 skipped, 2 videos in total, 8 passed over\n")
    lines = [json.loads(line) for line in outcome.stdout.splitlines()]
    assert [line["status"] for line in lines].count("passed over") == 8
    assert {"input": "videos/.DS_Store", "output": None, "status": "passed over", "error": "hidden"} in lines
    assert refvid("batch", videos, "dog", "-o", "out", "-q").stderr == ""


def test_empty_folder_says_what_was_seen(refvid: Refvid, segmenting: FakeSegmenting) -> None:
    Path("notes").mkdir()
    Path("notes/a.txt").write_text("text")
    outcome = refvid("batch", "notes", "dog", "-o", "out")
    assert outcome.code == 1
    assert outcome.stderr == (
        "refvid: error: there is no video under notes; expected videos, pictures or folders of frames; "
        "passed over, no video or picture: 1 (notes/a.txt)\n"
    )


@pytest.mark.parametrize("name", ["jobs.xlsx", "jobs.ods", "jobs.csv"])
def test_spreadsheet_is_told_how_to_be_saved(refvid: Refvid, segmenting: FakeSegmenting, name: str) -> None:
    Path(name).write_bytes(b"PK\x03\x04 and so on")
    outcome = refvid("batch", name, "-o", "out")
    assert outcome.code in (1, 2)
    assert "is a spreadsheet" in outcome.stderr
    assert "'CSV UTF-8'" in outcome.stderr


def test_warnings_carry_the_name_of_the_video(refvid: Refvid, segmenting: FakeSegmenting, videos: Path) -> None:
    segmenting.act = lambda call: call["warn"]("it breaks off")
    assert "refvid: warning: videos/a.mp4: it breaks off" in refvid("batch", videos, "dog", "-o", "out").stderr


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["videos", "-o", "out"], 2, "a folder needs an expression that describes what to look for, such as 'the dog'"),
        (["videos/a.mp4", "dog", "-o", "out"], 2, "videos/a.mp4 is neither a folder nor a .csv file; use"),
        (["jobs.csv", "dog", "-o", "out"], 2, "the expressions are read from jobs.csv; leave them out"),
        (["videos", "dog"], 2, "Missing option '-o' / '--output'."),
        (["videos", "dog", "-o", "videos"], 2, "the output folder videos is the input folder"),
        (["videos", " ", "-o", "out"], 2, "an expression is empty"),
        (["gone", "dog", "-o", "out"], 1, "gone does not exist; give a folder of videos or a CSV file"),
        (["empty", "dog", "-o", "out"], 1, "there is no video under empty; expected videos, pictures or"),
    ],
)
def test_what_cannot_be_planned(
    refvid: Refvid, segmenting: FakeSegmenting, videos: Path, arguments: list[str], code: int, line: str
) -> None:
    Path("jobs.csv").write_text("input,expression\nvideos/a.mp4,dog\n")
    Path("empty").mkdir()
    outcome = refvid("batch", *arguments)
    assert (outcome.code, outcome.stdout) == (code, "")
    assert outcome.stderr.startswith(f"refvid: error: {line}")
    assert outcome.stderr.count("\n") == 1
    assert segmenting.calls == []
    assert not Path("out").exists()
