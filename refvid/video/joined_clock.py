"""Keep sound and subtitles in step with the picture where the clock of a file starts anew: in joined recordings."""

from collections.abc import Hashable, Sequence
from fractions import Fraction

from refvid.video.frame import ClockJoin

_OVERLAP = Fraction(1, 100)  # seconds that a track may go back without a new clock: times are rounded
_PAUSE = Fraction(1, 10)  # seconds above which a step forward may be another clock


class JoinedClock:
    """The clock of a file as the picture's times were repaired, for the tracks beside the picture."""

    def __init__(self, joins: Sequence[ClockJoin]) -> None:
        """Start every track in the first part."""
        self._joins = joins
        self._parts: dict[Hashable, int] = {}
        self._ends: dict[Hashable, Fraction] = {}

    def place(self, track: Hashable, start: Fraction, duration: Fraction) -> Fraction | None:
        """Return the seconds to add to the time of a packet; None if it lies behind the picture of its part.

        Packets of one track have to come in the order of the file: where their times leap, the track enters the next
        part whose clock continues them.

        Args:
            track: What tells the packet's track from others.
            start: Time of the packet in seconds, on the file's own clock.
            duration: Its duration in seconds, 0 if unknown.
        """
        part = self._parts.get(track, 0)
        end = self._ends.get(track)
        step = Fraction(0) if end is None else start + self._added(part) - end
        if end is not None and not -_OVERLAP <= step <= _PAUSE:
            nearest = min(range(part, len(self._joins) + 1), key=lambda other: abs(start + self._added(other) - end))
            part = self._parts[track] = nearest
        added = self._added(part)
        self._ends[track] = start + added + duration
        behind = part < len(self._joins) and start + added >= self._joins[part].start
        return None if behind else added

    def _added(self, part: int) -> Fraction:
        return self._joins[part - 1].added if part else Fraction(0)
