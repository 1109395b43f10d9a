"""Messages while a command runs: a bar on a terminal, plain lines elsewhere."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from refvid.cli import console
from refvid.cli.console import Terminal

ROOT = Path(__file__).parents[2]
SCRIPT = """
from refvid.cli.console import Terminal
with Terminal() as terminal, terminal.progress("park.mp4") as progress:
    for done in range(1, 31):
        progress(done, 30)
    terminal.warn("half of it")
"""


def _run_in_terminal(environment: dict[str, str]) -> str:
    """Run SCRIPT with stderr on a terminal and return what was written to it."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stderr=theirs, cwd=ROOT, env={**os.environ, "TERM": "xterm", **environment}
    )
    os.close(theirs)
    written = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # how Linux says that the other side of a terminal was closed
            break
        if not part:
            break
        written += part
    os.close(ours)
    assert process.wait(30) == 0
    return written.decode()


def test_terminal_gets_a_bar_with_rate_and_remaining_time() -> None:
    written = _run_in_terminal({"COLUMNS": "100"})
    assert "park.mp4" in written
    assert "30/30" in written
    assert "frames/s" in written
    assert "0:00:00" in written
    assert "refvid: warning: half of it" in written
    assert "\x1b[3" in written  # a colour


def test_no_color_is_honoured() -> None:
    written = _run_in_terminal({"COLUMNS": "100", "NO_COLOR": "1"})
    assert "30/30" in written
    assert "\x1b[3" not in written


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_plain_lines_come_every_few_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with Terminal():
        progress = console._ProgressLines("park.mp4", clock)
        for done in range(1, 101):
            clock.now += 0.125
            progress(done, 200)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0] == "refvid: park.mp4: 40 of 200 frames (20 %), 8.0 frames/s, 20 s left"


def test_short_work_has_no_progress_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with Terminal() as terminal, terminal.progress("park.mp4") as progress:
        for done in range(10):
            progress(done, 10)
    assert capsys.readouterr().err == ""


def test_unknown_length(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with Terminal():
        progress = console._ProgressLines("park.mp4", clock)
        clock.now += 10
        progress(50, 0)
    assert capsys.readouterr().err == "refvid: park.mp4: 50 frames, 5.0 frames/s\n"


def test_verbose_shows_details_and_text_is_left_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with Terminal(verbose=True) as terminal:
        console.LOGGER.getChild("segment").debug("decord reads it")
        terminal.say("[bold]a :smile: " + "word " * 40)
    detail, said = capsys.readouterr().err.splitlines()
    assert detail == "refvid: decord reads it"
    assert said.startswith("refvid: [bold]a :smile: word")
    with Terminal():
        console.LOGGER.getChild("segment").debug("decord reads it")
    assert capsys.readouterr().err == ""


def test_handlers_are_gone_afterwards() -> None:
    before = list(console.LOGGER.handlers)
    with pytest.raises(KeyError), Terminal():
        raise KeyError("x")
    assert console.LOGGER.handlers == before
