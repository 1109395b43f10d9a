"""From the source's clock to the output's."""

from dataclasses import dataclass
from fractions import Fraction
from math import floor

from refvid.video.frame import VideoInfo


@dataclass(frozen=True)
class TimeRange:
    """A stretch of the source in seconds on its own clock; None is its beginning or end."""

    first: Fraction | None = None
    last: Fraction | None = None

    def shift(self, info: VideoInfo) -> Fraction:
        """Seconds to take off the source's times.

        A range starts at zero. Otherwise times stay as they are, unless they begin below zero: no container shows
        those frames.
        """
        return self.first if self.first is not None else min(info.start_time, Fraction(0))


def ticks(seconds: Fraction, time_base: Fraction) -> int:
    """The nearest multiple of `time_base`; halves always go up, so equal gaps stay equal."""
    return floor(seconds / time_base + Fraction(1, 2))
