"""Masks written as run lengths come back."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from refvid.data.rle_file import decode_rle, read_rle
from refvid.errors import RefvidError
from refvid.video.frame import Frame, VideoInfo
from refvid.video.output_format import OutputFormat
from refvid.video.rle_writer import encode_rle
from refvid.video.writer import WriterOptions, open_writer


def test_a_file_comes_back(tmp_path: Path) -> None:
    info = VideoInfo(
        tmp_path / "a.mp4", "video", 7, 5, 9, Fraction(30000, 1001), Fraction(1, 1000), Fraction(0), Fraction(1)
    )
    masks = np.random.default_rng(0).random((4, 2, 5, 7)) > 0.6
    masks[1, 0] = False
    with open_writer(tmp_path / "m.json", OutputFormat.RLE, info, ["a dög", "cat"], WriterOptions()) as writer:
        for number, of_frame in enumerate(masks, 3):
            pixels = np.zeros((5, 7, 3), np.uint8)
            writer.write(Frame(number, Fraction(number, 25), Fraction(1, 25), pixels), of_frame)
    read = read_rle(tmp_path / "m.json")
    assert read.expressions == ("a dög", "cat")
    np.testing.assert_array_equal(read.masks, masks.swapaxes(0, 1))
    assert read.indices.tolist() == [3, 4, 5, 6]
    assert read.times.tolist() == pytest.approx([0.12, 0.16, 0.2, 0.24])
    assert read.frame_rate == Fraction(30000, 1001)


def test_one_mask_in_every_notation() -> None:
    mask = np.zeros((4, 5), np.bool_)
    mask[1:3, 2:4] = True
    for counts in (encode_rle(mask), encode_rle(mask).encode(), [9, 2, 2, 2, 5]):
        np.testing.assert_array_equal(decode_rle({"size": [4, 5], "counts": counts}), mask)
    assert decode_rle({"size": (4, 5), "counts": "92203"}).sum() == 4


@pytest.mark.parametrize(
    "rle",
    [{}, {"size": [4, 5]}, {"size": [4], "counts": "92203"}, {"size": [4, 6], "counts": "92203"},
     {"size": [4, 5], "counts": 7}, {"size": [4, 5], "counts": "9220\n"}, [], None],
)  # fmt: skip
def test_a_malformed_one_is_a_sentence(rle: object) -> None:
    with pytest.raises(RefvidError, match=r"the run lengths cannot be read .* expected a dictionary of size"):
        decode_rle(rle)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"size": [4, 5], "frames": [{}], "expressions": ["a"]})])
def test_another_file_is_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(RefvidError, match="is not a file of masks as --format rle writes it"):
        read_rle(tmp_path / "m.json")
    with pytest.raises(RefvidError, match="cannot be read"):
        read_rle(tmp_path / "gone.json")
