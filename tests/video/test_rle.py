"""COCO run lengths against a naive encoder and decoder, and the JSON that holds them."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from refvid.video.frame import Frame, VideoInfo
from refvid.video.output_format import OutputFormat
from refvid.video.rle_writer import encode_rle
from refvid.video.writer import WriterOptions, open_writer


def naive_counts(mask: NDArray[np.bool_]) -> list[int]:
    counts, current = [0], False
    for value in mask.T.ravel().tolist():
        if value != current:
            counts.append(0)
            current = value
        counts[-1] += 1
    return counts


def decode_counts(text: str) -> list[int]:
    """The other way round, written after COCO's description alone."""
    counts: list[int] = []
    position = 0
    while position < len(text):
        value, shift, more = 0, 0, True
        while more:
            code = ord(text[position]) - 48
            value |= (code & 31) << shift
            shift += 5
            more = bool(code & 32)
            position += 1
            if not more and code & 16:
                value |= -1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
    return counts


def some_masks() -> list[NDArray[np.bool_]]:
    random = np.random.default_rng(3)
    masks = [
        random.random((height, width)) < share for height, width, share in ((1, 1, 0.5), (7, 5, 0.5), (48, 64, 0.1))
    ]
    blob = np.zeros((360, 640), bool)
    blob[40:300, 100:500] = True
    return [*masks, blob, np.zeros((9, 4), bool), np.ones((9, 4), bool), np.zeros((4000, 3000), bool)]


@pytest.mark.parametrize("number", range(7))
def test_run_lengths_decode_to_the_naive_ones(number: int) -> None:
    mask = some_masks()[number]
    assert decode_counts(encode_rle(mask)) == naive_counts(mask)


def test_strings_written_by_pycocotools() -> None:
    # What pycocotools 2.0 made of these two masks, for machines without it.
    block = np.zeros((4, 5), bool)
    block[1:3, 2:4] = True
    rows, columns = np.mgrid[:60, :80]
    disc = (rows - 30) ** 2 + (columns - 40) ** 2 < 300
    assert encode_rle(block) == "92203"
    assert encode_rle(disc) == ("o[17b16K4L4M2N2N2N2O0O2O0O2O000O2O000000000001N10001N101N101N2N2N2N3L4L5J`X1")


@pytest.mark.parametrize("number", range(7))
def test_agrees_with_pycocotools(number: int) -> None:
    coco = pytest.importorskip("pycocotools.mask")
    mask = some_masks()[number]
    encoded = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert encoded["counts"].decode() == encode_rle(mask)


def test_json_holds_every_frame_and_expression(tmp_path: Path) -> None:
    info = VideoInfo(
        path=tmp_path / "in.mp4",
        kind="video",
        width=8,
        height=6,
        frame_count=3,
        frame_rate=Fraction(30000, 1001),
        time_base=Fraction(1, 30000),
        start_time=Fraction(0),
        duration=Fraction(3003, 30000),
    )
    output = tmp_path / "masks.json"
    masks = np.zeros((2, 6, 8), bool)
    masks[0, 2:4, 3:6] = True
    with open_writer(output, OutputFormat.RLE, info, ["a dog", "ein Bär"], WriterOptions()) as writer:
        for index in (4, 5):
            time = Fraction(1001 * index, 30000)
            writer.write(Frame(index, time, Fraction(1001, 30000), np.zeros((6, 8, 3), np.uint8)), masks)
    content = json.loads(output.read_text(encoding="utf-8"))
    assert {key: content[key] for key in ("schema", "size", "fps", "expressions")} == {
        "schema": 1,
        "size": [6, 8],
        "fps": "30000/1001",
        "expressions": ["a dog", "ein Bär"],
    }
    assert [frame["index"] for frame in content["frames"]] == [4, 5]
    assert content["frames"][1]["time"] == pytest.approx(5 * 1001 / 30000)
    for frame in content["frames"]:
        assert [decode_counts(mask["counts"]) for mask in frame["masks"]] == [naive_counts(mask) for mask in masks]
        assert frame["masks"][0]["size"] == [6, 8]
