"""The batch: what it plans, what it skips, and that a failure stays alone; the segmenting itself is a stand-in."""

import dataclasses
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import pytest

from refvid.batch.plan import BatchJob, plan_folder, plan_manifest
from refvid.batch.record import RECORD_NAME, Findings
from refvid.batch.run import BatchResult, run_batch
from refvid.errors import RefvidError, UsageError, VideoError
from refvid.video.frame import VideoInfo
from refvid.video.output_format import OutputFormat, resolve_output


@dataclass(frozen=True)
class Options:
    threshold: float | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class Found:
    frames_with_object: int
    mean_probability: float


@dataclass(frozen=True)
class Report:
    frames: int
    expressions: tuple[Found, ...]


@dataclass
class Segmenting:
    """Writes the expressions as the output and records what it was called with."""

    calls: list[tuple[str, bool]] = field(default_factory=list)
    act: Callable[[Path], None] = lambda path: None

    def __call__(self, input: Path, expressions: Sequence[str], output: Path, *, options: Options) -> Report:
        self.calls.append((input.name, options.overwrite))
        self.act(input)
        if output.suffix:
            output.write_text(",".join(expressions))
        else:
            output.mkdir(exist_ok=True)
        return Report(24, tuple(Found(12 + number, 0.5) for number, _ in enumerate(expressions)))


def _make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of two videos."""
    _make(tmp_path / "videos", "a.mp4", "b.mp4")
    return tmp_path / "videos"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The output folder, not there yet."""
    return tmp_path / "out"


def _run(jobs: Sequence[BatchJob], out: Path, segment: Segmenting, **settings: object) -> list[BatchResult]:
    given = {"options": Options(), "model": "refvid-tiny", "revision": None} | settings
    return list(run_batch(jobs, segment=segment, output_folder=out, **given))  # type: ignore[arg-type]


def _statuses(results: Sequence[BatchResult]) -> list[str]:
    return [result.status for result in results]


def test_folder_in_natural_order_with_paths_kept(tmp_path: Path, out: Path) -> None:
    videos = tmp_path / "videos"
    _make(videos, "clip10.mp4", "clip2.MOV", "notes.txt", "sub/deep/x.avi", "._clip2.mp4", ".hidden/y.mp4", "clip.mkv")
    jobs = plan_folder(videos, ["dog", "cat"], out, None)
    assert [Path(job.input).relative_to(videos).as_posix() for job in jobs] == [
        "clip.mkv",
        "clip2.MOV",
        "clip10.mp4",
        "sub/deep/x.avi",
    ]
    assert [job.output.relative_to(out).as_posix() for job in jobs] == [
        "clip.mkv",
        "clip2.mov",
        "clip10.mp4",
        "sub/deep/x.mp4",
    ]
    assert all(job.expressions == ("dog", "cat") for job in jobs)


def test_output_folder_inside_the_folder_is_no_input(folder: Path) -> None:
    inside = folder / "out"
    _run(plan_folder(folder, ["dog"], inside, None), inside, Segmenting())
    assert (inside / "a.mp4").exists()
    assert len(plan_folder(folder, ["dog"], inside, None)) == 2


def test_output_folder_that_is_the_folder_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="is the input folder"):
        plan_folder(folder, ["dog"], folder / ".", None)


def test_empty_folder(tmp_path: Path, out: Path) -> None:
    with pytest.raises(RefvidError, match=f"there is no video under {re.escape(str(tmp_path))}") as caught:
        plan_folder(tmp_path, ["dog"], out, None)
    assert caught.value.exit_code == 1


@pytest.mark.parametrize(
    ("format", "names", "expected"),
    [
        ("png", ["a.mov", "a.mp4"], ["a_mov", "a_mp4"]),
        (None, ["a.avi", "a.mp4"], ["a_avi.mp4", "a_mp4.mp4"]),
        (None, ["a.mov", "a.mp4"], ["a.mov", "a.mp4"]),
        (None, ["A.mp4", "a.MP4"], ["A_mp4.mp4", "a_MP4_2.mp4"]),
        ("png", ["a.mp4", "a/b.mp4"], ["a/b", "a_2"]),
        ("png", ["a.mov", "a.mp4", "a_mov.avi"], ["a_mov", "a_mov_2", "a_mp4"]),
        ("rle", ["a.mp4"], ["a.json"]),
        ("alpha", ["a.mp4", "b.mov"], ["a.webm", "b.mov"]),
    ],
)
def test_outputs_have_names_of_their_own(
    tmp_path: Path, out: Path, format: str | None, names: list[str], expected: list[str]
) -> None:
    _make(tmp_path / "videos", *names)
    jobs = plan_folder(tmp_path / "videos", ["dog"], out, format)
    assert sorted(job.output.relative_to(out).as_posix() for job in jobs) == sorted(expected)


@pytest.mark.parametrize("format", list(OutputFormat))
@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.avi", "a.mkv", "a.webm", "a.png", "a.jpg"])
def test_suffixes_are_those_that_segment_chooses(tmp_path: Path, format: OutputFormat, name: str) -> None:
    manifest = tmp_path / "jobs.csv"
    manifest.write_text(f"input,expression\n{name},dog\n")
    job = plan_manifest(manifest, tmp_path / "out", format)[0]
    kind = "image" if name in ("a.png", "a.jpg") else "video"
    info = VideoInfo(job.input, kind, 4, 4, 1, Fraction(25), Fraction(1, 25), Fraction(0), Fraction(1, 25))  # type: ignore[arg-type]
    assert job.output.suffix == resolve_output(info, None, format)[0].suffix.replace(".refvid", "")
    resolve_output(info, job.output, format)  # and is not refused


def test_manifest(tmp_path: Path, out: Path) -> None:
    manifest = tmp_path / "lists" / "jobs.csv"
    _make(tmp_path, "lists/jobs.csv")
    manifest.write_text(
        "\ufeffinput, expression, output\n"
        'sub/a.mp4,"man, in yellow",\n'
        "sub/a.mp4,dog,named/dog.webm\n"
        "../b.avi,cat\n"
        f"{tmp_path}/c.mov,cow,\n",
        encoding="utf-8",
    )
    jobs = plan_manifest(manifest, out, None)
    assert [job.input for job in jobs] == [
        manifest.parent / "sub/a.mp4",
        manifest.parent / "sub/a.mp4",
        manifest.parent / "../b.avi",
        tmp_path / "c.mov",
    ]
    assert [job.expressions for job in jobs] == [("man, in yellow",), ("dog",), ("cat",), ("cow",)]
    assert [job.output.relative_to(out).as_posix() for job in jobs] == [
        "sub/a.mp4",
        "named/dog.webm",
        "b.mp4",
        "c.mov",
    ]
    assert [job.named for job in jobs] == [False, True, False, False]


def test_manifest_rows_of_one_input_do_not_share_an_output(tmp_path: Path, out: Path) -> None:
    manifest = tmp_path / "jobs.csv"
    manifest.write_text("input,expression\na.mp4,dog\na.mp4,cat\n")
    assert [job.output.name for job in plan_manifest(manifest, out, None)] == ["a_mp4.mp4", "a_mp4_2.mp4"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no column expression and input; it needs input,expression"),
        ("video,expression\na.mp4,dog\n", "has no column input"),
        ("input,expression\n", "has no rows"),
        ("input,expression\na.mp4,dog\n,cat\n", "line 3: the input or the expression is empty"),
        ("input,expression,output\na.mp4,dog,x.mp4\nb.mp4,dog,x.mp4\n", "named by more than one row, the first is"),
    ],
)
def test_bad_manifest(tmp_path: Path, out: Path, text: str, message: str) -> None:
    manifest = tmp_path / "jobs.csv"
    manifest.write_text(text)
    with pytest.raises(RefvidError, match=message):
        plan_manifest(manifest, out, None)


def test_manifest_that_is_no_text(tmp_path: Path, out: Path) -> None:
    manifest = tmp_path / "jobs.csv"
    manifest.write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(RefvidError, match="cannot be read as CSV"):
        plan_manifest(manifest, out, None)


def test_finished_work_is_skipped(folder: Path, out: Path) -> None:
    segment = Segmenting()
    jobs = plan_folder(folder, ["dog"], out, None)
    assert _statuses(_run(jobs, out, segment)) == ["done", "done"]
    assert (out / "a.mp4").read_text() == "dog"
    again = _run(jobs, out, segment)
    assert _statuses(again) == ["skipped", "skipped"]
    assert [result.output for result in again] == [out / "a.mp4", out / "b.mp4"]
    assert segment.calls == [("a.mp4", False), ("b.mp4", False)]


@pytest.mark.parametrize(
    "change",
    [
        {"options": Options(threshold=0.4)},
        {"model": "other"},
        {"revision": "abc"},
    ],
)
def test_changed_settings_replace_our_own_output_only_if_told(
    folder: Path, out: Path, change: dict[str, object]
) -> None:
    segment = Segmenting()
    jobs = plan_folder(folder, ["dog"], out, None)
    _run(jobs, out, segment)
    refused = _run(jobs, out, segment, **change)
    assert _statuses(refused) == ["failed", "failed"]
    assert refused[0].error == (
        f"{out / 'a.mp4'} already exists and was made by an earlier run with other options, another model or another "
        "state of the input; give -y to replace it, or another folder with -o"
    )
    options = change.get("options", Options())
    assert isinstance(options, Options)
    told = change | {"options": dataclasses.replace(options, overwrite=True)}
    assert _statuses(_run(jobs, out, segment, **told)) == ["done", "done"]
    assert segment.calls[2:] == [("a.mp4", True), ("b.mp4", True)]
    assert _statuses(_run(jobs, out, segment, **change)) == ["skipped", "skipped"]
    # The first settings' work was replaced, so it counts no longer.
    assert _statuses(_run(jobs, out, segment)) == ["failed", "failed"]


def test_other_expressions_replace_nothing_unless_told(folder: Path, out: Path) -> None:
    segment = Segmenting()
    _run(plan_folder(folder, ["dog"], out, "png"), out, segment)
    (out / "a" / "00000.png").write_text("mask")
    jobs = plan_folder(folder, ["cat", "hat"], out, "png")
    refused = _run(jobs, out, segment)
    assert _statuses(refused) == ["failed", "failed"]
    assert "shows 'dog', from an earlier run; give -y to replace it" in (refused[0].error or "")
    assert (out / "a" / "00000.png").exists()
    assert len(segment.calls) == 2
    assert _statuses(_run(jobs, out, segment, options=Options(overwrite=True))) == ["done", "done"]


def test_findings_are_remembered(folder: Path, out: Path) -> None:
    jobs = plan_folder(folder, ["dog", "cat"], out, None)
    first, again = (_run(jobs, out, Segmenting())[0] for _ in range(2))
    assert (first.status, again.status) == ("done", "skipped")
    assert first.findings == again.findings == Findings(24, (12, 13), (0.5, 0.5))
    assert Findings(24, (12, 0), (0.5, 0.0)).spoken() == "12, 0 of 24"


def test_a_record_of_an_earlier_version_is_read(folder: Path, out: Path) -> None:
    jobs = plan_folder(folder, ["dog"], out, None)
    _run(jobs, out, Segmenting())
    record = out / RECORD_NAME
    entries = [entry for line in record.read_text().splitlines() if "key" in (entry := json.loads(line))]
    assert all(entry.pop("findings") for entry in entries)
    record.write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))
    first, _ = _run(jobs, out, Segmenting())
    assert (first.status, first.findings) == ("skipped", None)
    assert first.as_json() | {"frames": None, "frames_with_object": None} == first.as_json()


def test_overwrite_is_no_reason_to_do_it_again(folder: Path, out: Path) -> None:
    segment = Segmenting()
    jobs = plan_folder(folder, ["dog"], out, None)
    _run(jobs, out, segment)
    assert _statuses(_run(jobs, out, segment, options=Options(overwrite=True))) == ["skipped", "skipped"]


def test_changed_input_and_deleted_output_are_done_again(folder: Path, out: Path) -> None:
    segment = Segmenting()
    jobs = plan_folder(folder, ["dog"], out, None)
    _run(jobs, out, segment)
    os.utime(folder / "a.mp4", ns=(1, 1))
    assert _statuses(_run(jobs, out, segment)) == ["failed", "skipped"]
    assert _statuses(_run(jobs, out, segment, options=Options(overwrite=True))) == ["done", "skipped"]
    (out / "b.mp4").unlink()
    assert _statuses(_run(jobs, out, segment)) == ["skipped", "done"]


def test_output_that_is_not_ours_is_kept_unless_overwrite(folder: Path, out: Path) -> None:
    _make(out, "a.mp4")
    segment = Segmenting()
    jobs = plan_folder(folder, ["dog"], out, None)
    first, second = _run(jobs, out, segment)
    assert (first.status, second.status) == ("failed", "done")
    assert first.error == (
        f"{out / 'a.mp4'} already exists and is not from this batch; give -y to replace it, or another folder with -o"
    )
    assert (out / "a.mp4").read_text() == "a.mp4"
    assert _statuses(_run(jobs, out, segment, options=Options(overwrite=True))) == ["done", "skipped"]
    assert (out / "a.mp4").read_text() == "dog"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (VideoError("a.mp4 is\nno video"), "a.mp4 is no video"),
        (ZeroDivisionError("nothing"), "unexpected ZeroDivisionError: nothing"),
        (MemoryError(), "unexpected MemoryError"),
    ],
)
def test_one_failure_does_not_stop_the_rest_and_is_tried_again(
    folder: Path, out: Path, error: Exception, sentence: str
) -> None:
    def fail(path: Path) -> None:
        if path.name == "a.mp4":
            raise error

    segment = Segmenting(act=fail)
    jobs = plan_folder(folder, ["dog"], out, None)
    first, second = _run(jobs, out, segment)
    assert (first.status, first.error) == ("failed", sentence)
    assert (second.status, second.error) == ("done", None)
    assert _statuses(_run(jobs, out, segment)) == ["failed", "skipped"]
    assert [name for name, _ in segment.calls] == ["a.mp4", "b.mp4", "a.mp4"]


def test_missing_input_and_input_as_output_fail(folder: Path, out: Path) -> None:
    jobs = [
        BatchJob(folder / "gone.mp4", ("dog",), out / "gone.mp4"),
        BatchJob(folder / "a.mp4", ("dog",), folder / "a.mp4", named=True),
    ]
    missing, itself = _run(jobs, out, Segmenting(), options=Options(overwrite=True))
    assert missing.error == f"{folder / 'gone.mp4'} cannot be opened (No such file or directory)"
    assert itself.error == f"the output {folder / 'a.mp4'} is the input itself; give another output"
    assert (folder / "a.mp4").read_text() == "a.mp4"


def test_interrupt_keeps_finished_work(folder: Path, out: Path) -> None:
    def interrupt(path: Path) -> None:
        if path.name == "b.mp4":
            raise KeyboardInterrupt

    jobs = plan_folder(folder, ["dog"], out, None)
    with pytest.raises(KeyboardInterrupt):
        _run(jobs, out, Segmenting(act=interrupt))
    assert _statuses(_run(jobs, out, Segmenting())) == ["skipped", "done"]


def test_cut_off_record_loses_its_last_line_only(folder: Path, out: Path) -> None:
    jobs = plan_folder(folder, ["dog"], out, None)
    _run(jobs, out, Segmenting())
    record = out / RECORD_NAME
    record.write_bytes(record.read_bytes()[:-20])
    # b.mp4 was begun and is there, whole, as outputs appear: the run was killed before it could record it.
    again = _run(jobs, out, Segmenting())
    assert _statuses(again) == ["skipped", "skipped"]
    assert again[1].findings is None


def test_output_older_than_its_beginning_is_not_taken_for_finished(folder: Path, out: Path) -> None:
    jobs = plan_folder(folder, ["dog"], out, None)
    _run(jobs, out, Segmenting())
    record = out / RECORD_NAME
    record.write_bytes(record.read_bytes()[:-20])
    os.utime(out / "b.mp4", ns=(1, 1))
    assert _statuses(_run(jobs, out, Segmenting(), options=Options(overwrite=True))) == ["skipped", "done"]


def test_output_that_appears_after_a_failure_is_not_ours(folder: Path, out: Path) -> None:
    def fail(path: Path) -> None:
        raise VideoError("no")

    jobs = plan_folder(folder, ["dog"], out, None)
    _run(jobs, out, Segmenting(act=fail))
    _make(out, "a.mp4")
    assert _statuses(_run(jobs, out, Segmenting())) == ["failed", "done"]


def test_leftovers_of_killed_runs_go_with_their_output(folder: Path, out: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    stale = f".a.refvid-{ended.pid}-0a1b2c.part.mp4"
    living = f".a.refvid-{os.getpid()}-0a1b2c.part.mp4"
    _make(out, stale, living, f".x.refvid-{ended.pid}-0a1b2c.part.mp4")
    _run(plan_folder(folder, ["dog"], out, None), out, Segmenting())
    left = {path.name for path in out.iterdir()}
    assert stale not in left
    assert {living, f".x.refvid-{ended.pid}-0a1b2c.part.mp4"} < left


def test_output_folder_can_be_moved_with_its_record(folder: Path, out: Path, tmp_path: Path) -> None:
    _run(plan_folder(folder, ["dog"], out, None), out, Segmenting())
    moved = out.rename(tmp_path / "moved")
    assert _statuses(_run(plan_folder(folder, ["dog"], moved, None), moved, Segmenting())) == ["skipped", "skipped"]


def test_new_neighbour_does_not_undo_finished_work(folder: Path, out: Path) -> None:
    _run(plan_folder(folder, ["dog"], out, "png"), out, Segmenting())
    _make(folder, "a.mov")
    results = _run(plan_folder(folder, ["dog"], out, "png"), out, Segmenting())
    assert [(Path(result.input).name, result.output.name, result.status) for result in results] == [
        ("a.mov", "a_mov", "done"),
        ("a.mp4", "a", "skipped"),
        ("b.mp4", "b", "skipped"),
    ]


def test_named_output_is_made_even_when_the_same_work_lies_elsewhere(folder: Path, out: Path) -> None:
    job = BatchJob(folder / "a.mp4", ("dog",), out / "one.mp4", named=True)
    other = dataclasses.replace(job, output=out / "two.mp4")
    assert _statuses(_run([job, other, job], out, Segmenting())) == ["done", "done", "skipped"]
    assert (out / "two.mp4").exists()


def test_result_as_json(folder: Path, out: Path) -> None:
    result = _run(plan_folder(folder, ["dog"], out, None), out, Segmenting())[0]
    given = result.as_json()
    assert given.pop("seconds") >= 0
    assert given == {
        "input": str(folder / "a.mp4"),
        "expressions": ("dog",),
        "output": str(out / "a.mp4"),
        "status": "done",
        "error": None,
        "frames": 24,
        "frames_with_object": (12,),
        "mean_probability": (0.5,),
    }
