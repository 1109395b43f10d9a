"""The windows of frames that a network needs around target frames."""

from collections.abc import Callable, Iterable, Iterator

from refvid.video.frame import Pixels

FRAMES_AT_ONCE = 32  # frames read in one call


def windows(targets: Iterable[int], radius: int, frames: int) -> list[range]:
    """Return the frames within a radius of the targets, as ascending ranges; overlapping ranges are merged.

    The window of each target lies within one range, except for the part beyond the ends of the video.

    Args:
        targets: Indices of frames.
        radius: Frames on either side of a target.
        frames: Number of frames in the video.
    """
    found: list[range] = []
    for target in sorted(targets):
        window = range(max(0, target - radius), min(frames, target + radius + 1))
        if found and window.start < found[-1].stop:
            window = range(found.pop().start, window.stop)
        found.append(window)
    return found


def read_window(read: Callable[[range], Pixels], window: range) -> Iterator[tuple[int, Pixels]]:
    """Yield the frames of a window with their indices; at most `FRAMES_AT_ONCE` are read at a time."""
    for start in window[::FRAMES_AT_ONCE]:
        part = range(start, min(start + FRAMES_AT_ONCE, window.stop))
        yield from zip(part, read(part), strict=True)
