"""Read every file of the seek matrix from every start with both readers, and print the table of `docs/reading.md`.

Run `python -m benchmarks.seek_matrix`; it takes a few minutes. A start is right if its first three frames equal, pixel
for pixel, those of a plain decode from the beginning of the file.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np

from refvid.errors import VideoError
from refvid.video.decord_reader import DecordReader
from refvid.video.frame import Pixels
from refvid.video.probe import scan
from refvid.video.pyav_reader import PyAVReader
from refvid.video.timeline import ProbedSource
from tests.video.seek_cases import CASES, write_case
from tests.video.test_times import plain_decode

READ = 3  # frames read from each start
Reader = PyAVReader | DecordReader


def main() -> None:
    """Print one line for each file."""
    av.logging.set_level(None)
    print("| file | frames | entry points | PyAV | decord |\n|---|---:|---:|---|---|")
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, case in CASES.items():
            path = write_case(case, Path(folder) / "clip")
            expected = plain_decode(path, case.size)
            source = scan(path)
            results = [judge(opened, source, expected) for opened in (PyAVReader, DecordReader)]
            wrong += sum("wrong" in result for result in results)
            entries = len(source.entries) or "the first"
            print(f"| {name} | {len(expected)} | {entries} | {' | '.join(results)} |", flush=True)
            path.unlink()
    print(f"\n{len(CASES)} files, {wrong} results with a wrong frame.")


def judge(opened: Callable[[ProbedSource, int, int], Reader], source: ProbedSource, expected: list[Pixels]) -> str:
    """Return how many starts a reader gets right, how many it refuses, and how many it gets wrong."""
    right = refused = wrong = 0
    for start in range(len(expected)):
        stop = min(start + READ, len(expected))
        try:
            with opened(source, start, stop) as reader:
                frames = [frame.pixels for frame in reader]
        except VideoError:
            refused += 1
            continue
        if len(frames) == stop - start and all(map(np.array_equal, frames, expected[start:stop])):
            right += 1
        else:
            wrong += 1
    counted = ((right, "right"), (refused, "refused"), (wrong, "wrong"))
    return ", ".join(f"{count} {what}" for count, what in counted if count)


if __name__ == "__main__":
    main()
