"""When each frame of a source is shown: the table that probing fills and every reader indexes."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from refvid.video.frame import VideoInfo


@dataclass(frozen=True)
class ProbedSource:
    """A probed source: what `VideoInfo` tells the world, and what only the readers need.

    Attributes:
        info: What the source is.
        pts: Presentation time of each frame in units of `info.time_base`, ascending.
        last_duration: Seconds the last frame is shown.
        stream_index: The stream that holds the picture, for a video.
        exact_times: Whether the decoder's own times are those in `pts`; where the container has none (raw H.264,
            some AVI), `pts` is counted out and frames are told apart by their order alone.
        expected: Frames the container promises; more than `len(pts)` when the file was cut off.
        damaged: Whether the demuxer met packets that it calls corrupt, or broke off with an error.
        container: FFmpeg's names of the container's format, for a video.
    """

    info: VideoInfo
    pts: Sequence[int]
    last_duration: Fraction
    stream_index: int = 0
    exact_times: bool = True
    expected: int = 0
    damaged: bool = False
    container: str = ""

    def time(self, index: int) -> Fraction:
        """Presentation time of frame `index` in seconds, on the source's own clock."""
        return self.pts[index] * self.info.time_base

    def duration(self, index: int) -> Fraction:
        """Seconds frame `index` is shown: until the next one starts."""
        if index + 1 < len(self.pts):
            return (self.pts[index + 1] - self.pts[index]) * self.info.time_base
        return self.last_duration

    def span(self, start: int, stop: int) -> tuple[Fraction, Fraction]:
        """When frame `start` is first shown and frame `stop - 1` last, in seconds on the source's own clock."""
        return self.time(start), self.time(stop - 1) + self.duration(stop - 1)

    def find(self, pts: int | None, after: int) -> int | None:
        """Index of the frame shown at `pts`, not before `after`; None when no frame is."""
        if pts is None:
            return None
        index = bisect_left(self.pts, pts, lo=min(after, len(self.pts)))
        return index if index < len(self.pts) and self.pts[index] == pts else None

    def spoken(self, index: int) -> str:
        """`frame 88 (3.520 s)`: how messages name a frame; seconds count from the first frame."""
        known = min(index, len(self.pts) - 1)
        seconds = self.time(known) - self.time(0)
        if index > known:
            seconds += self.last_duration * (index - known)
        return f"frame {index} ({float(seconds):.3f} s)"


def has_variable_rate(pts: Sequence[int]) -> bool:
    """Whether the gaps between frames differ by more than rounding to the time base explains."""
    gaps = {after - before for before, after in pairwise(pts)}
    if len(gaps) < 2:
        return False
    # Rounding moves a gap by at most one unit. Gaps of one and two units are a coarse clock with frames left out.
    return max(gaps) - min(gaps) > 1 or max(gaps) <= 2


def average_rate(
    pts: Sequence[int], time_base: Fraction, last_duration: Fraction, nominal: Sequence[Fraction]
) -> Fraction:
    """Average frames a second: a rate that the container names, if it fits the times, else the measured one.

    Args:
        pts: Presentation times in units of `time_base`, ascending.
        time_base: Seconds per unit.
        last_duration: Seconds the last frame is shown, more than 0.
        nominal: The rates that the container names, the most trusted first.
    """
    gaps = len(pts) - 1
    span = (pts[-1] - pts[0]) * time_base
    for rate in nominal:
        # A hundredth leaves room for the rounding of times, not for 25 against 24.
        if span == 0 or abs(rate * span - gaps) <= Fraction(gaps, 100) + rate * time_base:
            return rate
    if span <= 0:
        return 1 / last_duration
    measured = len(pts) / (span + last_duration) if has_variable_rate(pts) else gaps / span
    return Fraction(measured).limit_denominator(100_000)
