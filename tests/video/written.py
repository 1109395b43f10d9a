"""Frames, masks and sources that exist in memory only, for the tests of the writers."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from refvid.video.frame import Frame, Masks, SourceKind, VideoInfo
from refvid.video.output_format import OutputFormat
from refvid.video.writer import WriterOptions, open_writer

WIDTH, HEIGHT = 64, 48


def describe(path: Path, kind: SourceKind = "frames", **changes: Any) -> VideoInfo:
    values: dict[str, Any] = {
        "path": path,
        "kind": kind,
        "width": WIDTH,
        "height": HEIGHT,
        "frame_count": 4,
        "frame_rate": Fraction(25),
        "time_base": Fraction(1, 25),
        "start_time": Fraction(0),
        "duration": Fraction(4, 25),
    }
    return VideoInfo(**(values | changes))


def frame(index: int, name: str | None = None, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Frame:
    pixels = np.full((size[1], size[0], 3), 40 * (index % 6), np.uint8)
    return Frame(index, Fraction(index, 25), Fraction(1, 25), pixels, name)


def masks(expressions: int = 1, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Masks:
    found = np.zeros((expressions, size[1], size[0]), bool)
    found[:, 10:30, 10:40] = True
    return found


def write(output: Path, format: str, info: VideoInfo, total: int = 4, **options: Any) -> list[str]:
    with open_writer(output, OutputFormat(format), info, ["a dog"], WriterOptions(**options)) as writer:
        for index in range(total):
            writer.write(frame(index), masks())
    return writer.notes
