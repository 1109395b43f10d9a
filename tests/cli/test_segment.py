"""`refvid segment`: every option reaches segment_video, and messages go to the right stream."""

import json
from fractions import Fraction
from pathlib import Path

import pytest

from refvid.errors import OutputExistsError, UnavailableError, VideoError
from refvid.video.frame import Position
from refvid.video.output_format import OutputFormat
from tests.cli.conftest import FakeOptions, FakeSegmenting, Refvid


def test_defaults(refvid: Refvid, segmenting: FakeSegmenting) -> None:
    outcome = refvid("segment", "park.mp4", "man in yellow shirt")
    assert (outcome.code, outcome.stdout) == (0, "")
    call = segmenting.calls[0]
    assert call["input"] == Path("park.mp4")
    assert call["expressions"] == ["man in yellow shirt"]
    assert call["output"] is None
    assert (call["model"], call["revision"], call["device"]) == ("refvid-small", None, "auto")
    assert call["options"] == FakeOptions()


def test_every_option_reaches_segment_video(refvid: Refvid, segmenting: FakeSegmenting) -> None:
    long = (
        "segment in.mov --output out.webm --format alpha --start 2.5 --end 75f --model owner/name --revision v1 "
        "--device cuda:1 --precision bfloat16 --refine --threshold 0.3 --quality 20 --codec libvpx-vp9 "
        "--background #112233 --effect blur:9 --invert --no-audio --overwrite --reader pyav --colour-matrix bt709"
    )
    short = (
        "segment in.mov -o out.webm -f alpha -s 2.5 -e 75f -m owner/name --revision v1 --device cuda:1 "
        "--precision bfloat16 --refine --threshold 0.3 --quality 20 --codec libvpx-vp9 "
        "--background #112233 --effect blur:9 --invert "
        "--no-audio -y --reader pyav --color-matrix bt709"
    )
    for line in (long, short):
        assert refvid(*line.split(), "a dog", "a cat").code == 0
        call = segmenting.calls[-1]
        assert call["expressions"] == ["a dog", "a cat"]
        assert call["output"] == Path("out.webm")
        assert (call["model"], call["revision"], call["device"]) == ("owner/name", "v1", "cuda:1")
        assert segmenting.options == FakeOptions(
            format=OutputFormat.ALPHA,
            start=Position(seconds=Fraction(5, 2)),
            end=Position(frame=75),
            precision="bfloat16",
            refine=True,
            threshold=0.3,
            quality=20,
            codec="libvpx-vp9",
            audio=False,
            background="#112233",
            effect="blur:9",
            invert=True,
            overwrite=True,
            reader="pyav",
            colour_matrix="bt709",
        )


def test_streams_stay_text(refvid: Refvid, segmenting: FakeSegmenting) -> None:
    segmenting.act = lambda call: call.update(output=Path("file.mp4"))
    for input, output in (("-", None), ("https://host/a.mp4", "out.mp4"), ("./-", "./out.mp4")):
        refvid("segment", input, "dog", *(() if output is None else ("-o", output)), "--timeout", "7")
        assert segmenting.calls[-1]["input"] == (Path("-") if input == "./-" else input)
        assert segmenting.options.timeout == 7


def test_json_and_video_do_not_share_standard_output(refvid: Refvid, segmenting: FakeSegmenting) -> None:
    outcome = refvid("segment", "a.mp4", "dog", "-o", "-", "--json")
    assert (outcome.code, outcome.stdout) == (2, "")
    assert "both write to standard output" in outcome.stderr


def test_no_refine_is_not_the_models_default(refvid: Refvid, segmenting: FakeSegmenting) -> None:
    refvid("segment", "a.mp4", "dog", "--no-refine")
    assert segmenting.options.refine is False


def test_options_may_stand_between_and_dashes_after_a_double_dash(refvid: Refvid, segmenting: FakeSegmenting) -> None:
    assert refvid("segment", "a.mp4", "-y", "--", "-1 on the back", "dog").code == 0
    assert segmenting.calls[0]["expressions"] == ["-1 on the back", "dog"]


@pytest.mark.parametrize("threshold", ["0", "1", "-0.5", "1.5", "nan"])
def test_threshold_must_be_a_probability(refvid: Refvid, segmenting: FakeSegmenting, threshold: str) -> None:
    outcome = refvid("segment", "a.mp4", "dog", "--threshold", threshold)
    assert outcome.code == 2
    assert outcome.stderr == (
        f"refvid: error: --threshold is {threshold}; it is a probability and must lie between 0 and 1\n"
    )
    assert segmenting.calls == []


@pytest.mark.parametrize("expression", ["", "  "])
def test_empty_expression_is_refused(refvid: Refvid, segmenting: FakeSegmenting, expression: str) -> None:
    outcome = refvid("segment", "a.mp4", "dog", expression)
    assert outcome.code == 2
    assert outcome.stderr == (
        "refvid: error: an expression is empty; describe what to look for, such as 'man in yellow shirt'\n"
    )
    assert segmenting.calls == []


def test_nonsense_position_and_contradicting_talk_are_refused(refvid: Refvid, segmenting: FakeSegmenting) -> None:
    outcome = refvid("segment", "a.mp4", "dog", "-s", "soon")
    assert outcome.code == 2
    assert "'soon'" in outcome.stderr
    outcome = refvid("segment", "a.mp4", "dog", "-q", "-v")
    assert (outcome.code, outcome.stderr) == (2, "refvid: error: -q and -v contradict each other; give one of them\n")
    assert segmenting.calls == []


@pytest.mark.parametrize(
    ("error", "code"), [(VideoError("bad"), 1), (UnavailableError("bad"), 3), (OutputExistsError("bad"), 6)]
)
def test_errors_of_segment_video(refvid: Refvid, segmenting: FakeSegmenting, error: Exception, code: int) -> None:
    def fail(call: object) -> None:
        raise error

    segmenting.act = fail
    outcome = refvid("segment", "a.mp4", "dog", "--json")
    assert (outcome.code, outcome.stdout, outcome.stderr) == (code, "", "refvid: error: bad\n")


def test_json_is_one_object_and_alone_on_stdout(refvid: Refvid, segmenting: FakeSegmenting) -> None:
    outcome = refvid("segment", "a.mp4", "dög", "--json")
    assert json.loads(outcome.stdout) == {"schema": 1, "expressions": ["dög"]}
    assert outcome.stdout.count("\n") == 1
    assert "wrote a.refvid.mp4" in outcome.stderr


def test_fail_if_empty(refvid: Refvid, segmenting: FakeSegmenting) -> None:
    assert refvid("segment", "a.mp4", "dog", "--fail-if-empty").code == 0
    segmenting.found = 0
    assert refvid("segment", "a.mp4", "dog").code == 0
    outcome = refvid("segment", "a.mp4", "dog", "cat", "--fail-if-empty", "--json", "-q")
    assert outcome.code == 5
    assert json.loads(outcome.stdout)["schema"] == 1
    assert outcome.stderr == ("refvid: error: no frame of a.mp4 contains 'dog' or 'cat'; try other words\n")


@pytest.mark.parametrize(
    ("highest", "advice"),
    [
        (0.0, "the highest probability is 0.00, so no lower --threshold finds it: try other words"),
        (0.021, "the highest probability is 0.02 and the threshold 0.45: try --threshold 0.02 or other words"),
        (0.3, "the highest probability is 0.30 and the threshold 0.45: try --threshold 0.29 or other words"),
        (0.404, "the highest probability is 0.40 and the threshold 0.45: try --threshold 0.4 or other words"),
    ],
)
def test_a_lower_threshold_is_advised_only_where_it_finds_more(
    refvid: Refvid, segmenting: FakeSegmenting, highest: float, advice: str
) -> None:
    segmenting.found, segmenting.highest = 0, highest
    outcome = refvid("segment", "a.mp4", "dog", "--fail-if-empty")
    assert outcome.code == 5
    found, _, error = outcome.stderr.splitlines()
    assert found == f"refvid: 'dog' is in 0 of 10 frames, highest probability {highest:.2f}, threshold 0.45"
    assert error == f"refvid: error: no frame of a.mp4 contains 'dog'; {advice}"


def test_summary_warnings_and_quiet(refvid: Refvid, segmenting: FakeSegmenting) -> None:
    segmenting.act = lambda call: call["warn"]("the model has never seen 'zyzzyva'")
    segmenting.notes = ("the model has never seen 'zyzzyva'", "the sound was transcoded")
    outcome = refvid("segment", "a.mp4", "zyzzyva")
    assert outcome.stderr.splitlines() == [
        "refvid: warning: the model has never seen 'zyzzyva'",
        "refvid: warning: the sound was transcoded",
        "refvid: 'zyzzyva' is in 7 of 10 frames, mean probability 0.50",
        "refvid: wrote a.refvid.mp4: 10 frames in 2.0 s (5.0 frames/s, refvid-small on cpu, float32)",
    ]
    assert refvid("segment", "a.mp4", "zyzzyva", "-q").stderr == ""


def test_log_file_has_what_quiet_keeps_back_and_the_error(
    refvid: Refvid, segmenting: FakeSegmenting, tmp_path: Path
) -> None:
    refvid("segment", "a.mp4", "dog", "-q", "--log-file", "run.log")
    assert "INFO wrote a.refvid.mp4" in Path("run.log").read_text()

    def fail(call: object) -> None:
        raise VideoError("a.mp4 is no video")

    segmenting.act = fail
    outcome = refvid("segment", "a.mp4", "dog", "--log-file", "run.log")
    assert outcome.stderr == "refvid: error: a.mp4 is no video\n"
    logged = Path("run.log").read_text()
    assert "ERROR a.mp4 is no video" in logged
    assert "Traceback" in logged
    outcome = refvid("segment", "a.mp4", "dog", "--log-file", "missing/run.log")
    assert outcome.code == 2
    assert outcome.stderr.startswith("refvid: error: cannot write the log file missing/run.log")
