"""A model's stand-in for worker processes, which import only this module."""

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from refvid.errors import VideoError, WeightsError
from refvid.progress import Tell


@dataclass(frozen=True)
class Found:
    frames_with_object: int
    mean_probability: float


@dataclass(frozen=True)
class Report:
    frames: int
    expressions: tuple[Found, ...]


@dataclass(frozen=True)
class Segmenting:
    """Notes in a file who segments what, and does what the name of the video says."""

    log: Path
    seconds: float
    tell: Tell

    def __call__(self, input: Path | str, expressions: Sequence[str], output: Path, *, options: object) -> Report:
        name = Path(input).name
        with self.log.open("a") as file:
            file.write(f"{name} {os.getpid()}\n")
        if "kill" in name and self.log.read_text().count(name) == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if "bad" in name:
            raise VideoError(f"{input} breaks off")
        if "odd" in name:
            raise ZeroDivisionError("nothing")
        self.tell(f"{name}: a remark")
        time.sleep(self.seconds if "slow" in name else 0)
        output.write_text(",".join(expressions))
        return Report(24, tuple(Found(12, 0.5) for _ in expressions))


def prepare(number: int, total: int, tell: Tell, *, log: Path, seconds: float = 0.0) -> Segmenting:
    """Return the stand-in."""
    return Segmenting(log, seconds, tell)


def fail_to_load(number: int, total: int, tell: Tell) -> Segmenting:
    """Fail as damaged weights do."""
    raise WeightsError("the weights are damaged")
