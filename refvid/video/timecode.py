"""The timecode of a video: the clock of the camera or the editor, counted in frames."""

import re
from fractions import Fraction

_TIMECODE = re.compile(r"(\d\d):(\d\d):(\d\d)([:;.])(\d\d)")
_DAY = 24 * 60 * 60  # seconds


def shifted_timecode(timecode: str, frames: int, rate: Fraction) -> str:
    """Return the timecode of a later frame; one that cannot be read is returned as it is.

    Drop-frame timecodes (with `;`) leave out the first two numbers of every minute but each tenth, or four at 60
    frames a second, so that they keep up with a clock at 29.97 frames a second (SMPTE ST 12-1).

    Args:
        timecode: `HH:MM:SS:FF`, or `HH:MM:SS;FF` for drop-frame.
        frames: Number of frames by which to go on, at least 0.
        rate: Frames per second of the video.
    """
    found = _TIMECODE.fullmatch(timecode.strip())
    nominal = round(rate)
    if found is None or nominal == 0 or frames == 0:
        return timecode
    hours, minutes, seconds, shown = (int(found[group]) for group in (1, 2, 3, 5))
    dropped = nominal // 30 * 2 if found[4] != ":" and nominal % 30 == 0 else 0
    all_minutes = hours * 60 + minutes
    number = (all_minutes * 60 + seconds) * nominal + shown - dropped * (all_minutes - all_minutes // 10)
    number = (number + frames) % (_DAY * nominal - dropped * (24 * 60 - 24 * 6))
    if dropped:
        minute = 60 * nominal - dropped
        tens, rest = divmod(number, 10 * minute + dropped)
        # The first minute of ten has all its numbers.
        number += dropped * (9 * tens + max(0, rest - dropped) // minute)
    parts = number // (3600 * nominal), number // (60 * nominal) % 60, number // nominal % 60, number % nominal
    return "{:02}:{:02}:{:02}".format(*parts[:3]) + f"{found[4]}{parts[3]:02}"
