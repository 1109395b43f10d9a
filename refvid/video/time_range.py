"""Convert times from the source's clock to the output's."""

from dataclasses import dataclass
from fractions import Fraction
from math import floor

from refvid.video.frame import VideoInfo


@dataclass(frozen=True)
class TimeRange:
    """A range of the source.

    Attributes:
        first: Start in seconds on the source's clock; None for the whole source.
        last: End in seconds, exclusive; None for the whole source.
    """

    first: Fraction | None = None
    last: Fraction | None = None

    def shift(self, info: VideoInfo) -> Fraction:
        """Return the seconds to subtract from the source's times.

        The output of a range starts at zero. Otherwise times stay as they are, unless they start below zero, where no
        container shows frames.
        """
        return self.first if self.first is not None else min(info.start_time, Fraction(0))


def ticks(seconds: Fraction, time_base: Fraction) -> int:
    """Return seconds as the nearest multiple of `time_base`; halves are rounded up, so that equal gaps stay equal."""
    return floor(seconds / time_base + Fraction(1, 2))
