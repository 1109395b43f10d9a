"""The timeline of a source: when each frame is shown.

Probing fills the table once, from the packets alone, and every reader looks frames up in it. So both decoders agree on
a frame's index and time, although decord has no timestamps of its own and PyAV may seek into the middle. All times are
integers in units of the time base or exact fractions: sums of rounded floats would drift away from the sound.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from refvid.video.frame import VideoInfo


@dataclass(frozen=True)
class ProbedSource:
    """A probed source: its public description, and the details that only the readers need.

    Attributes:
        info: Public description of the source.
        pts: Presentation time of each frame in units of `info.time_base`, ascending.
        last_duration: Seconds for which the last frame is shown.
        stream_index: Index of the picture's stream, for a video.
        exact_times: Whether decoded frames carry the times in `pts`. Where they do not, because the times were counted
            out or repaired, frames are identified by their order alone.
        expected: Number of frames that the container promises, more than `len(pts)` if the file was cut off.
        damaged: Whether the demuxer found corrupt packets or stopped with an error.
        container: FFmpeg's names of the container format, for a video.
        entries: Indices of the frames at which decoding may begin, ascending; empty where it must be the first.
        fingerprints: For each of `entries`, the fingerprint of its packet.
        closed: Whether every key frame is such a frame, and none is shown after a frame that follows it in the file.
        interlaced: Whether the picture is interlaced.
        repairs: What was repaired of the times, as one line for the user; empty if nothing.
        matrix: H.273's code number of the matrix that the user gives for all frames; None for what each frame says.
    """

    info: VideoInfo
    pts: Sequence[int]
    last_duration: Fraction
    stream_index: int = 0
    exact_times: bool = True
    expected: int = 0
    damaged: bool = False
    container: str = ""
    entries: Sequence[int] = ()
    fingerprints: Sequence[int] = ()
    closed: bool = False
    interlaced: bool = False
    repairs: str = ""
    matrix: int | None = None

    def time(self, index: int) -> Fraction:
        """Return the presentation time of frame `index` in seconds, on the source's clock.

        Frames beyond the table, which only a file that contradicts itself has, follow at equal distances.
        """
        last = len(self.pts) - 1
        if index > last:
            return self.pts[last] * self.info.time_base + self.last_duration * (index - last)
        return self.pts[index] * self.info.time_base

    def duration(self, index: int) -> Fraction:
        """Return the seconds for which frame `index` is shown, that is, until the next one starts."""
        if index + 1 < len(self.pts):
            return (self.pts[index + 1] - self.pts[index]) * self.info.time_base
        return self.last_duration

    def span(self, start: int, stop: int) -> tuple[Fraction, Fraction]:
        """Return the start of frame `start` and the end of frame `stop - 1`, in seconds on the source's clock."""
        return self.time(start), self.time(stop - 1) + self.duration(stop - 1)

    def find(self, pts: int | None, after: int) -> int | None:
        """Return the index, at least `after`, of the frame whose presentation time is `pts`; None if there is none."""
        if pts is None:
            return None
        index = bisect_left(self.pts, pts, lo=min(after, len(self.pts)))
        return index if index < len(self.pts) and self.pts[index] == pts else None

    def entry_at(self, pts: int | None, fingerprint: int) -> int | None:
        """Return the index of the entry point that a packet with this time and fingerprint is; None if it is none."""
        index = self.find(pts, 0)
        if index is None:
            return None
        place = bisect_left(self.entries, index)
        known = place < len(self.entries) and self.entries[place] == index
        return index if known and self.fingerprints[place] == fingerprint else None

    def spoken(self, index: int) -> str:
        """Return a frame's name for messages, such as `frame 88 (3.520 s)`, in seconds after the first frame."""
        seconds = self.time(index) - self.time(0)
        return f"frame {index} ({float(seconds):.3f} s)"


def has_variable_rate(pts: Sequence[int]) -> bool:
    """Return whether the gaps between frames differ by more than rounding to the time base explains."""
    gaps = {after - before for before, after in pairwise(pts)}
    if len(gaps) < 2:
        return False
    # Rounding changes a gap by at most one unit. But if all gaps are one or two units long, the clock is so coarse that
    # one unit is a whole frame, and the longer gaps are missing frames.
    return max(gaps) - min(gaps) > 1 or max(gaps) <= 2


def average_rate(
    pts: Sequence[int], time_base: Fraction, last_duration: Fraction, nominal: Sequence[Fraction]
) -> Fraction:
    """Return the average frames per second: a rate stated by the container if it fits the times, else measured.

    Args:
        pts: Presentation times in units of `time_base`, ascending.
        time_base: Seconds per unit.
        last_duration: Seconds for which the last frame is shown, more than 0.
        nominal: Rates stated by the container, the most trusted first.
    """
    gaps = len(pts) - 1
    span = (pts[-1] - pts[0]) * time_base
    for rate in nominal:
        # A tolerance of 1 % allows for rounded times, but not for 25 instead of 24.
        if span == 0 or abs(rate * span - gaps) <= Fraction(gaps, 100) + rate * time_base:
            return rate
    if span <= 0:
        return 1 / last_duration
    measured = len(pts) / (span + last_duration) if has_variable_rate(pts) else gaps / span
    return Fraction(measured).limit_denominator(100_000)
