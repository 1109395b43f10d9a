"""What `refvid segment` says of its work."""

import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from refvid.video.frame import VideoInfo


@dataclass(frozen=True)
class ExpressionReport:
    """What became of one expression.

    Attributes:
        mean_probability: Over the pixels of its masks, each frame with the object counting once; 0 when there is none.
        unknown_words: Words that the model has never seen.
    """

    expression: str
    frames_with_object: int
    mean_probability: float
    unknown_words: tuple[str, ...]


@dataclass(frozen=True)
class SegmentReport:
    """What was done, with what, and how long it took.

    Attributes:
        frames: Frames written.
        timings: Seconds that each stage was busy: load, read (decoding), resize, network, masks (to the frames' size),
            refine (waiting for the workers), write (drawing, encoding, sound, and completing the file). All but load
            overlap, so that their sum is more than `seconds`.
        peak_memory_bytes: Of the process, and of the GPU on top where one is used.
        notes: Sentences for the user, for example that the sound had to be transcoded.
    """

    input: VideoInfo
    frames: int
    output: Path
    reader: str
    model: str
    revision: str | None
    device: str
    precision: str
    expressions: tuple[ExpressionReport, ...]
    timings: dict[str, float]
    seconds: float
    frames_per_second: float
    peak_memory_bytes: int
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the object that `refvid segment --json` prints."""
        info = self.input
        return {
            "schema": 1,
            "version": version("refvid"),
            "model": self.model,
            "revision": self.revision,
            "device": self.device,
            "precision": self.precision,
            "input": {
                "path": str(info.path),
                "width": info.width,
                "height": info.height,
                "frames": info.frame_count,
                "fps": f"{info.frame_rate.numerator}/{info.frame_rate.denominator}",
                "duration": float(info.duration),
                "rotation": info.rotation,
                "vfr": info.variable_frame_rate,
                "audio": list(info.audio),
                "reader": self.reader,
            },
            "output": str(self.output),
            "frames": self.frames,
            "expressions": [
                {
                    "expression": each.expression,
                    "frames_with_object": each.frames_with_object,
                    "mean_probability": each.mean_probability,
                    "unknown_words": list(each.unknown_words),
                }
                for each in self.expressions
            ],
            "timings": {stage: round(seconds, 4) for stage, seconds in self.timings.items()},
            "seconds": round(self.seconds, 4),
            "frames_per_second": round(self.frames_per_second, 3),
            "peak_memory_bytes": self.peak_memory_bytes,
            "notes": list(self.notes),
        }


def peak_memory(device: torch.device) -> int:
    """Return the most memory this process has held, in bytes, and the GPU's on top; 0 where nobody counts it."""
    on_device = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    return peak_resident() + on_device


def peak_resident() -> int:
    """Return the most main memory this process has held, in bytes; 0 where nobody counts it.

    Linux begins `ru_maxrss` with what the process had before it became this program, that is, with its parent's.
    """
    if sys.platform == "win32":
        return 0
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.is_file() else ():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
