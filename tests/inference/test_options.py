"""The options of `segment_video`: checked when they are given, and the same whether typed or given as values."""

from dataclasses import fields
from fractions import Fraction
from typing import Any, get_type_hints

import pytest

from refvid.errors import UsageError
from refvid.inference.options import SegmentOptions, SegmentSettings, choose_options
from refvid.video.frame import Position
from refvid.video.output_format import OutputFormat


def test_positions_may_be_text_or_seconds() -> None:
    assert SegmentOptions(end="2f").stop == Position(frame=2)
    assert SegmentOptions(start="00:00:02.5").first == Position(seconds=Fraction(5, 2))
    assert SegmentOptions(start=2.1, end=3) == SegmentOptions(start="2.1", end=Position(seconds=Fraction(3)))
    assert SegmentOptions().first is None


def test_a_format_may_be_its_name() -> None:
    assert SegmentOptions(format="rle").output_format is OutputFormat.RLE
    assert SegmentOptions(format="rle") == SegmentOptions(format=OutputFormat.RLE)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"end": "2x"}, "cannot read '2x' as a position"),
        ({"end": -1}, "-1 is no position in a video"),
        ({"start": float("nan")}, "nan is no position"),
        ({"start": True}, "True is no position"),
        ({"start": [1]}, r"\[1\] is no position"),
        ({"format": "overlays"}, r"there is no format 'overlays' \(did you mean 'overlay'\?\)"),
        ({"precision": "half"}, "there is no precision 'half'; expected one of auto, float32"),
        ({"reader": "PyAV"}, r"there is no reader 'PyAV' \(did you mean 'pyav'\?\)"),
        ({"colour_matrix": "bt610"}, "there is no colour matrix 'bt610'"),
        ({"threshold": 1.5}, "between 0 and 1, got 1.5"),
        ({"treshold": 0.5}, r"there is no option 'treshold' \(did you mean 'threshold'\?\)"),
    ],
)
def test_a_bad_option_is_a_sentence(settings: Any, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        choose_options(None, settings)


def test_settings_take_precedence_over_options() -> None:
    given = SegmentOptions(start="1f", overwrite=True)
    assert choose_options(given, {"start": "2f"}) == SegmentOptions(start="2f", overwrite=True)
    assert choose_options(given, {}) == given
    assert choose_options(None, {}) == SegmentOptions()


def test_settings_are_the_options() -> None:
    names = [field.name for field in fields(SegmentOptions)]
    assert list(get_type_hints(SegmentSettings)) == names
    declared = get_type_hints(SegmentOptions)
    assert get_type_hints(SegmentSettings) == {name: declared[name] for name in names}
