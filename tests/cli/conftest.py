"""Stand-ins for refvid.inference.video, its options and refvid.weights: the command line is tested without torch."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from refvid.cli.app import main
from refvid.video.frame import VideoInfo
from refvid.video.output_format import OutputFormat


@dataclass(frozen=True)
class FakeOptions:
    """The fields of SegmentOptions; test_options compares them with the real ones."""

    format: OutputFormat | None = None
    start: object = None
    end: object = None
    precision: str = "auto"
    refine: bool | None = None
    threshold: float | None = None
    quality: int | None = None
    codec: str | None = None
    audio: bool = True
    background: str | None = None
    effect: str | None = None
    invert: bool = False
    overwrite: bool = False
    reader: str = "auto"
    colour_matrix: str = "auto"
    timeout: float = 30.0


@dataclass(frozen=True)
class FakeExpressionReport:
    expression: str
    frames_with_object: int
    mean_probability: float = 0.5
    unknown_words: tuple[str, ...] = ()
    highest_probability: float = 0.9


@dataclass(frozen=True)
class FakeReport:
    """The part of SegmentReport that the command line reads."""

    input: VideoInfo
    output: Path
    expressions: tuple[FakeExpressionReport, ...]
    frames: int = 10
    model: str = "refvid-small"
    device: str = "cpu"
    precision: str = "float32"
    threshold: float = 0.45
    seconds: float = 2.0
    frames_per_second: float = 5.0
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {"schema": 1, "expressions": [found.expression for found in self.expressions]}


@dataclass
class FakeSegmenting:
    """Records the calls of segment_video, writes a file as its output, and does what `act` says before that."""

    calls: list[dict[str, Any]] = field(default_factory=list)
    found: int = 7
    highest: float = 0.9
    notes: tuple[str, ...] = ()
    act: Callable[[dict[str, Any]], None] = lambda call: None

    def __call__(
        self, input: Path | str, expressions: list[str], output: Path | None = None, **settings: Any
    ) -> FakeReport:
        call = {"input": input, "expressions": list(expressions), "output": output, **settings}
        self.calls.append(call)
        self.act(call)
        info = VideoInfo(Path(input), "video", 4, 4, 10, Fraction(25), Fraction(1, 25), Fraction(0), Fraction(10, 25))
        output = output or Path(f"{Path(input).stem}.refvid.mp4")
        output.write_text("masks")
        found = tuple(
            FakeExpressionReport(expression, self.found, highest_probability=self.highest) for expression in expressions
        )
        return FakeReport(info, output, found, notes=self.notes)

    @property
    def options(self) -> FakeOptions:
        """The options of the last call."""
        options = self.calls[-1]["options"]
        assert isinstance(options, FakeOptions)
        return options


@pytest.fixture
def segmenting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeSegmenting:
    """Put the stand-ins where the command line imports them from, and change to an empty folder."""
    fake = FakeSegmenting()
    segment = ModuleType("refvid.inference.video")
    segment.__dict__.update(segment_video=fake)
    options = ModuleType("refvid.inference.options")
    options.__dict__.update(SegmentOptions=FakeOptions)
    weights = ModuleType("refvid.weights")

    @dataclass
    class Loaded:
        name: str
        revision: str | None = None

    loads: list[str] = []

    def load_model(name: str, *, device: str = "auto", revision: str | None = None) -> Loaded:
        loads.append(name)
        return Loaded(name, revision)

    weights.__dict__.update(
        load_model=load_model,
        loads=loads,
    )
    monkeypatch.setitem(sys.modules, "refvid.inference.video", segment)
    monkeypatch.setitem(sys.modules, "refvid.inference.options", options)
    monkeypatch.setitem(sys.modules, "refvid.weights", weights)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REFVID_DEBUG", raising=False)
    return fake


@dataclass(frozen=True)
class Outcome:
    code: int
    stdout: str
    stderr: str


Refvid = Callable[..., Outcome]  # the fixture `refvid`: runs the command line with these arguments


@pytest.fixture
def refvid(capsys: pytest.CaptureFixture[str]) -> Refvid:
    """Run the command line in this process."""

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


def option_names() -> list[str]:
    """The names of the fields of FakeOptions."""
    return [entry.name for entry in fields(FakeOptions)]
