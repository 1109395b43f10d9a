"""Write masks in COCO's compressed run-length encoding as one JSON file.

    {"schema": 1, "size": [H, W], "fps": "30000/1001", "expressions": ["a dog", ...], "frames": [
    {"index": 0, "time": 0.0, "masks": [{"size": [H, W], "counts": "..."}, ...]},
    ...]}

Each frame has one mask for each expression, in the order of the expressions. `index` and `time` (seconds) are those of
the source, so that the masks of a range can be laid over it. pycocotools reads `masks` as they are.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from refvid.video.frame import Frame, Masks, VideoInfo

SCHEMA = 1


class RleSink:
    """A sink that writes frame by frame, so that memory does not grow with the length of the video."""

    def __init__(self, info: VideoInfo, expressions: Sequence[str]) -> None:
        self.notes: list[str] = []
        self._header = {
            "schema": SCHEMA,
            "size": [info.height, info.width],
            "fps": f"{info.frame_rate.numerator}/{info.frame_rate.denominator}",
            "expressions": list(expressions),
        }
        self._file: TextIO | None = None
        self._separator = "\n"

    def open(self, temporary: Path) -> None:
        """Write the part before the frames."""
        self._file = temporary.open("w", encoding="utf-8", newline="\n")
        self._file.write(json.dumps(self._header, ensure_ascii=False)[:-1] + ', "frames": [')

    def add(self, frame: Frame, masks: Masks) -> None:
        """Write the line of one frame."""
        assert self._file is not None
        record = {
            "index": frame.index,
            "time": float(frame.time),
            "masks": [{"size": list(mask.shape), "counts": encode_rle(mask)} for mask in masks],
        }
        self._file.write(self._separator + json.dumps(record))
        self._separator = ",\n"

    def finish(self) -> None:
        """Complete the JSON and close the file."""
        assert self._file is not None
        self._file.write("\n]}\n")
        self._file.close()

    def abandon(self) -> None:
        """Close the file; flushing its buffer may fail again on a full disk, which is ignored."""
        if self._file is not None:
            try:
                self._file.close()
            except OSError:
                self._file = None


def encode_rle(mask: NDArray[np.bool_]) -> str:
    """Return COCO's compressed RLE string of a mask, bool [H, W].

    Runs go down the columns, starting with zeros. From the fourth run on, a length is stored as its difference from the
    length two runs before. Numbers are written in groups of five bits, lowest first; bit 32 marks that more follow, and
    adding 48 makes each group a printable character.
    """
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    borders = np.concatenate([[0], changes, [flat.size]])
    counts = np.diff(borders).tolist()
    if flat.size and flat[0]:
        counts.insert(0, 0)
    text = []
    for position, count in enumerate(counts):
        value = count - counts[position - 2] if position > 2 else count
        more = True
        while more:
            group = value & 31
            value >>= 5
            # The number is complete when only copies of the sign bit are left.
            more = value != (-1 if group & 16 else 0)
            text.append(chr(group + 48 + 32 * more))
    return "".join(text)
