"""Peak memory of `refvid segment` against the length of the video.

    python benchmarks/memory.py [--frames 500 10000] [--size 320x180] [--reader pyav] [--model refvid-tiny]

Makes a clip of each length, segments it with the command line in a process of its own, and prints the peaks.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def write_clip(path: Path, frames: int, width: int, height: int) -> None:
    """Write a clip with a moving square, H.264, 25 frames a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 25)
        for index in range(frames):
            pixels = np.full((height, width, 3), 90, np.uint8)
            left = index * 3 % (width - 40)
            pixels[40:100, left : left + 40] = (220, 200, 40)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def main() -> None:
    """Print one row a length."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, nargs="+", default=[500, 10_000])
    parser.add_argument("--size", default="320x180")
    parser.add_argument("--reader", default="auto")
    parser.add_argument("--model", default="refvid-tiny")
    arguments = parser.parse_args()
    width, height = (int(side) for side in arguments.size.split("x"))
    print("| frames | peak MiB | frames a second | reader |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for frames in arguments.frames:
            clip = Path(folder) / f"{frames}.mp4"
            write_clip(clip, frames, width, height)
            command = [sys.executable, "-m", "refvid", "segment", str(clip), "man", "--json", "-q",
                       "--reader", arguments.reader, "-m", arguments.model,
                       "-o", str(Path(folder) / f"out{frames}.mp4")]  # fmt: skip
            report = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
            peak = report["peak_memory_bytes"] / 2**20
            speed = report["frames_per_second"]
            print(f"| {frames} | {peak:.0f} | {speed:.1f} | {report['input']['reader']} |", flush=True)


if __name__ == "__main__":
    main()
