"""The report of one segmented video, as `refvid segment --json` prints it."""

import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from refvid.video.frame import VideoInfo


@dataclass(frozen=True)
class ExpressionReport:
    """The result for one expression.

    Attributes:
        expression: The expression.
        frames_with_object: Number of frames in which its mask is not empty.
        mean_probability: Mean probability inside the masks, averaged over these frames; 0 if there are none.
        unknown_words: Words of the expression that the model has never seen.
        highest_probability: Highest probability of any pixel in any frame; 0 if nothing was looked for.
    """

    expression: str
    frames_with_object: int
    mean_probability: float
    unknown_words: tuple[str, ...]
    highest_probability: float


@dataclass(frozen=True)
class SegmentReport:
    """The result of one call of `segment_video`.

    Attributes:
        input: Description of the input.
        frames: Number of frames written.
        output: File or folder written.
        reader: Name of the reader, "decord", "pyav" or "images".
        model: Name of the model.
        revision: Commit of a model from the Hub.
        device: Device that the network ran on.
        precision: dtype of the network's arithmetic.
        threshold: Probability above which a pixel belongs to the object.
        expressions: Result for each expression, in the order given.
        timings: Seconds that each stage was busy: load, read (decoding), resize, network, masks (up to the frames'
            size), refine (waiting for the workers), write (drawing, encoding, sound, and completing the file). All
            stages but load overlap, so their sum exceeds `seconds`.
        seconds: Duration of the whole call.
        frames_per_second: Frames written per second, not counting the time to load the model.
        peak_memory_bytes: Peak memory of the process, plus that of the GPU where one is used.
        notes: Messages for the user, for example that the sound had to be transcoded.
        source: The input as the user names it: a path, a URL, or "standard input"; empty for the path of `input`.
    """

    input: VideoInfo
    frames: int
    output: Path
    reader: str
    model: str
    revision: str | None
    device: str
    precision: str
    threshold: float
    expressions: tuple[ExpressionReport, ...]
    timings: dict[str, float]
    seconds: float
    frames_per_second: float
    peak_memory_bytes: int
    notes: tuple[str, ...]
    source: str = ""

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
            "threshold": self.threshold,
            "input": {
                "path": self.source or str(info.path),
                "width": info.width,
                "height": info.height,
                "frames": info.frame_count,
                "fps": f"{info.frame_rate.numerator}/{info.frame_rate.denominator}",
                "duration": float(info.duration),
                "rotation": info.rotation,
                "mirrored": info.mirrored,
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
                    "highest_probability": each.highest_probability,
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
    """Return the peak memory of this process plus that of its GPU, in bytes; 0 where it is not measured."""
    on_device = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    return peak_resident() + on_device


def peak_resident() -> int:
    """Return the peak resident memory of this process, in bytes; 0 where it is not measured.

    On Linux this reads VmHWM, because `ru_maxrss` starts at the resident memory of the process that launched this one.
    """
    if sys.platform == "win32":
        return 0
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.is_file() else ():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    import resource  # missing on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
