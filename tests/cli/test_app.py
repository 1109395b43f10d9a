"""The program as a whole: help without torch, and every outcome as an exit code and one line."""

import fcntl
import io
import os
import re
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from refvid import errors
from refvid.cli.app import describe_error, main
from refvid.cli.printable import make_streams_printable
from tests.cli.conftest import FakeSegmenting, Refvid

ROOT = Path(__file__).parents[2]


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["segment", "--help"],
        ["batch", "-h"],
        ["models", "--help"],
        ["train", "-h"],
        ["world", "make", "-h"],
    ],
)
def test_help_loads_no_heavy_library(arguments: list[str]) -> None:
    script = (
        "import sys; from refvid.__main__ import main; code = main(sys.argv[1:]);"
        "heavy = {'torch', 'torchvision', 'av', 'decord', 'numpy', 'huggingface_hub', 'cv2', 'PIL', 'h5py', 'scipy'};"
        "heavy &= set(sys.modules);"
        "sys.exit(f'loaded {heavy}' if heavy else code)"
    )
    done = _python("-c", script, *arguments)
    assert done.returncode == 0, done.stderr
    assert "refvid" in done.stdout
    assert done.stderr == ""


def test_python_m_refvid_is_the_same_program() -> None:
    done = _python("-m", "refvid", "--version")
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"refvid \d\S*\n", done.stdout)


def test_importing_refvid_is_light_and_names_are_found() -> None:
    script = (
        "import sys, refvid; assert 'torch' not in sys.modules; "
        "assert set(refvid.__all__) <= set(dir(refvid)); print(refvid.__version__)"
    )
    done = _python("-W", "error", "-c", script)
    assert done.returncode == 0, done.stderr


def test_unknown_name_is_an_attribute_error() -> None:
    import refvid

    with pytest.raises(AttributeError, match="module 'refvid' has no attribute 'nonsense'"):
        refvid.nonsense  # noqa: B018


def test_help_documents_every_exit_code(refvid: Refvid) -> None:
    text = " ".join(refvid("segment", "--help").stdout.split())
    for code in (
        "0 done",
        "1 something",
        "2 usage",
        "3 a device",
        "4 out of memory",
        "5 --fail-if-empty",
        "6 the output",
    ):
        assert code in text
    assert "7 some of a batch failed" in text
    assert "130 interrupted" in text


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "refvid: error: Missing command. (see `refvid --help`)\n"),
        (["sgment"], "refvid: error: No such command 'sgment'. Did you mean 'segment'? (see `refvid --help`)\n"),
        (["segment"], "refvid: error: Missing argument 'INPUT'. (see `refvid segment --help`)\n"),
        (["segment", "a.mp4"], "refvid: error: Missing argument 'EXPRESSION'. (see `refvid segment --help`)\n"),
        (["models"], "refvid: error: Missing command. (see `refvid models --help`)\n"),
    ],
)
def test_usage_errors_are_one_line_and_exit_2(refvid: Refvid, arguments: list[str], line: str) -> None:
    outcome = refvid(*arguments)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert outcome.stderr == line


def test_unknown_option_and_choice_are_named(refvid: Refvid) -> None:
    outcome = refvid("segment", "a.mp4", "dog", "--nonsense")
    assert outcome.code == 2
    assert outcome.stderr.startswith("refvid: error: No such option: --nonsense")
    outcome = refvid("segment", "a.mp4", "dog", "-f", "oil")
    assert outcome.code == 2
    assert outcome.stderr.count("\n") == 1
    assert "'oil' is not one of overlay, cutout" in outcome.stderr


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["segment", "a.mp4", "dog", "-f", "overlays"], "'overlays' (did you mean 'overlay'?) is not one of overlay, "),
        (["batch", "videos", "dog", "-o", "out", "-f", "pgn"], "'pgn' (did you mean 'png'?) is not one of "),
        (["segment", "a.mp4", "dog", "--precision", "bf16"], "'bf16' is not one of auto, float32, "),
        (["segment", "a.mp4", "dog", "--reader", "PyAV"], "'PyAV' (did you mean 'pyav'?) is not one of "),
        (["world", "make", "--out", "w", "--videos", "1", "--layout", "a2dd"], "'a2dd' (did you mean 'a2d'?)"),
    ],
)
def test_the_closest_choice_is_suggested(refvid: Refvid, arguments: list[str], meant: str) -> None:
    outcome = refvid(*arguments)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert meant in outcome.stderr
    assert "Value error" not in outcome.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.VideoError("x"), 1),
        (errors.WeightsError("x"), 1),
        (errors.UsageError("x"), 2),
        (errors.UnavailableError("x"), 3),
        (errors.OutOfMemoryError("x"), 4),
        (errors.NothingFoundError("x"), 5),
        (errors.OutputExistsError("x"), 6),
        (errors.BatchError("x"), 7),
    ],
)
def test_every_refvid_error_keeps_its_sentence_and_code(error: errors.RefvidError, code: int) -> None:
    assert describe_error(error) == ("x", code)


class OutOfMemoryError(RuntimeError):
    """Called as torch's own, which is known by its name because torch is not imported to look at it."""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OutOfMemoryError("CUDA: tried to allocate 20 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("MPS backend out of memory"),
    ],
)
def test_running_out_of_memory_is_4(error: Exception) -> None:
    sentence, code = describe_error(error)
    assert code == 4
    assert sentence.startswith("out of memory (")


def test_other_runtime_errors_are_unexpected() -> None:
    sentence, code = describe_error(RuntimeError("shapes differ"))
    assert code == 1
    assert sentence == (
        "unexpected RuntimeError: shapes differ; run again with REFVID_DEBUG=1 to see where it comes from"
    )


def test_operating_system_errors_say_which_file() -> None:
    assert describe_error(OSError(28, "No space left on device", "out.mp4")) == ("No space left on device: out.mp4", 1)


def test_unexpected_errors_are_one_line(refvid: Refvid, segmenting: FakeSegmenting) -> None:
    def fail(call: object) -> None:
        raise ValueError("two\nlines")

    segmenting.act = fail
    outcome = refvid("segment", "a.mp4", "dog")
    assert outcome.code == 1
    assert outcome.stderr == (
        "refvid: error: unexpected ValueError: two lines; run again with REFVID_DEBUG=1 to see where it comes from\n"
    )


def test_debug_shows_the_traceback(refvid: Refvid, segmenting: FakeSegmenting, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(call: object) -> None:
        raise errors.VideoError("a.mp4 is no video")

    segmenting.act = fail
    monkeypatch.setenv("REFVID_DEBUG", "1")
    outcome = refvid("segment", "a.mp4", "dog")
    assert outcome.code == 1
    assert outcome.stderr.startswith("Traceback (most recent call last)")
    assert outcome.stderr.endswith("refvid: error: a.mp4 is no video\n")
    monkeypatch.setenv("REFVID_DEBUG", "0")
    assert refvid("segment", "a.mp4", "dog").stderr == "refvid: error: a.mp4 is no video\n"


def test_interrupt_is_130(refvid: Refvid, segmenting: FakeSegmenting) -> None:
    def interrupt(call: object) -> None:
        raise KeyboardInterrupt

    segmenting.act = interrupt
    outcome = refvid("segment", "a.mp4", "dog")
    assert (outcome.code, outcome.stdout, outcome.stderr) == (130, "", "refvid: interrupted\n")


# A test run that nohup or a shell's "&" began hands ignored signals on to its children.
RESET = "import signal; [signal.signal(n, signal.SIG_DFL) for n in (signal.SIGHUP, signal.SIGQUIT)]\n"
SLEEPER = """
import sys, time
from types import ModuleType
from refvid.__main__ import main
stub = ModuleType("refvid.inference.video")
def segment_video(*arguments, **settings):
    try:
        print("ready", file=sys.stderr, flush=True)
        time.sleep(30)
    finally:
        print("cleaned", file=sys.stderr, flush=True)
stub.segment_video, stub.SegmentOptions = segment_video, dict
sys.modules["refvid.inference.video"] = stub
sys.exit(main(["segment", "a.mp4", "dog"]))
"""


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGQUIT, 131), (signal.SIGXCPU, 152)],
)
def test_signals_unwind_so_that_temporary_files_go(number: signal.Signals, code: int) -> None:
    process = subprocess.Popen([sys.executable, "-c", RESET + SLEEPER], stderr=subprocess.PIPE, text=True, cwd=ROOT)
    with process:
        assert process.stderr is not None
        assert process.stderr.readline() == "ready\n"
        process.send_signal(number)
        said = process.stderr.read()
    assert process.returncode == code
    assert said.startswith("cleaned\n")
    assert "Traceback" not in said


def test_second_signal_does_not_interrupt_the_cleaning_up() -> None:
    script = RESET + SLEEPER.replace(
        'print("cleaned"', 'print("cleaning", file=sys.stderr, flush=True); time.sleep(0.5); print("cleaned"'
    )
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True, cwd=ROOT)
    with process:
        assert process.stderr is not None
        assert process.stderr.readline() == "ready\n"
        process.send_signal(signal.SIGHUP)
        assert process.stderr.readline() == "cleaning\n"
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGHUP)
        said = process.stderr.read()
    assert process.returncode == 129
    assert said == "cleaned\n"


def test_ignored_hangup_stays_ignored() -> None:
    script = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + SLEEPER.replace("sleep(30)", "sleep(1)")
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True, cwd=ROOT)
    with process:
        assert process.stderr is not None
        assert process.stderr.readline() == "ready\n"
        process.send_signal(signal.SIGHUP)
        assert process.stderr.readline() == "cleaned\n"
    assert process.returncode == 1  # the stand-in returns no report


def test_terminal_that_is_gone_does_not_stop_the_cleaning_up(tmp_path: Path) -> None:
    leader, terminal = os.openpty()
    mark = tmp_path / "cleaned"
    script = RESET + SLEEPER.replace(
        'print("cleaned", file=sys.stderr, flush=True)', f"open({str(mark)!r}, 'w').close()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdin=terminal, stdout=terminal, stderr=terminal, cwd=ROOT,
        start_new_session=True, preexec_fn=_take_terminal)  # fmt: skip
    os.close(terminal)
    while b"ready" not in os.read(leader, 4096):
        pass
    os.close(leader)
    assert process.wait(20) != 0
    assert mark.exists()


def _take_terminal() -> None:
    """Make stdin the controlling terminal, whose end is signalled to the process."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "koi8-r", "shift_jis", "utf-8"])
@pytest.mark.parametrize("columns", ["15", "60", "79", "200"])
def test_help_in_every_encoding_and_width(monkeypatch: pytest.MonkeyPatch, encoding: str, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    for command in ([], ["segment"], ["world", "make"]):
        stdout = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        monkeypatch.setattr(sys, "stdout", stdout)
        assert main([*command, "--help"]) == 0
        stdout.seek(0)
        written = stdout.read()
        assert "--help" in written
        assert "…" not in written, "something is cut off"


def test_missing_characters_are_spelled() -> None:
    make_streams_printable()
    text = "a… ×2 “b” caf\udce9 \u732b"
    assert text.encode("ascii", "refvid.spelled") == b'a... x2 "b" caf\\udce9 \\u732b'
    assert text.replace("\udce9", "").encode("cp1252", "refvid.spelled") == "a… ×2 “b” caf \\u732b".encode("cp1252")


def test_closed_stdout_is_quiet() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.run(
        [sys.executable, "-m", "refvid", "--version"],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        check=False,
    )
    os.close(writing)
    assert process.returncode == 1
    assert process.stderr == ""
