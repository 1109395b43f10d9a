"""The options, which are written once, agree with the modules that use them."""

import dataclasses
from typing import get_args

from refvid.cli import options
from refvid.video.output_format import OutputFormat
from tests.cli.conftest import FakeOptions, FakeReport, option_names


def test_formats_are_those_of_the_writer() -> None:
    assert list(get_args(options.FormatName)) == [str(format) for format in OutputFormat]


def test_readers_are_those_of_the_reader() -> None:
    from refvid.video.reader import ReaderName

    assert get_args(options.ReaderName) == get_args(ReaderName)


def test_matrices_are_those_of_the_reader() -> None:
    from refvid.video.colour import ColourMatrix

    assert get_args(options.MatrixName) == get_args(ColourMatrix)


def test_the_stand_ins_are_like_the_real_ones() -> None:
    from refvid.inference.options import SegmentOptions
    from refvid.inference.report import SegmentReport
    from refvid.weights import DEFAULT_MODEL

    assert [entry.name for entry in dataclasses.fields(SegmentOptions)] == option_names()
    assert dataclasses.asdict(SegmentOptions()) == dataclasses.asdict(FakeOptions())
    real = {entry.name for entry in dataclasses.fields(SegmentReport)}
    assert {entry.name for entry in dataclasses.fields(FakeReport)} <= real
    assert options.DEFAULT_MODEL == DEFAULT_MODEL
