"""Compare an output video with its input: number of frames, presentation times, size, colour tags, sound packets.

    python benchmarks/compare_output.py in.mp4 out.mp4

Reads the files anew with PyAV; exits 1 when anything differs by more than the coarser time base's rounding.
"""

import argparse
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np


def describe(path: Path) -> dict[str, Any]:
    """Read times, size, colour tags and sound packets of a file, and decode every frame once."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        tags = tuple(int(x) for x in (context.color_primaries, context.color_trc, context.colorspace))
        base = _seconds(1, stream.time_base)
        shape, times, brightness = (0, 0), [], []
        for frame in container.decode(stream):
            turned = np.rot90(frame.to_ndarray(format="gray"), k=(frame.rotation // 90) % 4)
            shape = turned.shape[1], turned.shape[0]
            times.append(_seconds(frame.pts, base))
            brightness.append(float(turned.mean()))
    sounds = []
    with av.open(str(path)) as container:
        for index in range(len(container.streams.audio)):
            container.seek(0)
            packets = [packet for packet in container.demux(audio=index) if packet.size]
            sounds.append([(_seconds(packet.pts, packet.time_base), bytes(packet)) for packet in packets])
    return {"base": base, "times": times, "size": shape, "tags": tags, "sounds": sounds, "brightness": brightness}


def _seconds(ticks: int | None, base: Fraction | None) -> Fraction:
    """Return a time in seconds, given in ticks of a time base.

    Raises:
        ValueError: The file states no time or no time base.
    """
    if ticks is None or base is None:
        raise ValueError("a frame or a packet without a time: only files that state all their times can be compared")
    return ticks * base


def main() -> int:
    """Compare two files and print one line per property."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("input", type=Path)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    source, result = describe(arguments.input), describe(arguments.output)
    same = True

    def report(name: str, good: bool, text: str) -> None:
        nonlocal same
        same = same and good
        print(f"{'same  ' if good else 'DIFFER'}  {name}: {text}")

    report("size", source["size"] == result["size"], f"{source['size']} / {result['size']}")
    counts = len(source["times"]), len(result["times"])
    report("frames", counts[0] == counts[1], f"{counts[0]} / {counts[1]}")
    pairs = list(zip(source["times"], result["times"], strict=False))
    worst = max((abs(a - b) for a, b in pairs), default=Fraction(0))
    report("times", worst <= max(source["base"], result["base"]), f"largest difference {float(worst) * 1e6:.1f} us")
    untagged = source["tags"] == (2, 2, 2)
    report("colour tags", untagged or source["tags"] == result["tags"], f"{source['tags']} / {result['tags']}")
    report("sound streams", len(source["sounds"]) == len(result["sounds"]), f"{len(source['sounds'])}")
    for index, (before, after) in enumerate(zip(source["sounds"], result["sounds"], strict=False)):
        copied = [data for _, data in before] == [data for _, data in after]
        moved = max((abs(a[0] - b[0]) for a, b in zip(before, after, strict=False)), default=Fraction(0))
        report(f"sound {index}", copied and moved < Fraction(1, 1000),
               f"{len(before)} / {len(after)} packets, bytes {'equal' if copied else 'differ'}, "
               f"times within {float(moved) * 1e6:.1f} us")  # fmt: skip
    drift = np.abs(np.subtract(source["brightness"][: len(pairs)], result["brightness"][: len(pairs)]))
    print(f"info    mean brightness differs by at most {drift.max():.2f} of 255 (the overlay itself changes pixels)")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
