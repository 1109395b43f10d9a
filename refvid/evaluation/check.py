"""Whether the footage and the masks of a split are all there, before hours are spent on it."""

import logging
from dataclasses import dataclass
from pathlib import Path

from refvid.data.referring import FileByFile, ReferringSet, ReferringVideo
from refvid.data.text import count_of
from refvid.errors import RefvidError, UnavailableError
from refvid.evaluation.footage import FootageIssue, footage_notes, inspect_footage
from refvid.progress import OnProgress, ignore_progress

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checked:
    """What a check has found.

    Attributes:
        frames: How many were read, with their masks.
        faults: A sentence for each video that cannot be used.
        notes: Sentences on what is odd about the rest.
    """

    frames: int
    faults: tuple[str, ...]
    notes: tuple[str, ...]


def check_set(
    referring_set: ReferringSet,
    *,
    thorough: bool = False,
    progress: OnProgress = ignore_progress,
) -> Checked:
    """Read the first target of every video with its masks, or all of them; of single files it looks at the size.

    Args:
        referring_set: The split.
        thorough: Whether all targets are read.
        progress: Takes targets read and targets in all.

    Raises:
        UnavailableError: A package that reads the data set is not installed.
    """
    total = sum(_wanted(video, thorough) for video in referring_set.videos)
    frames = 0
    faults: list[str] = []
    issues: dict[str, FootageIssue] = {}
    for video in referring_set.videos:
        try:
            _check_video(referring_set, video, thorough)
            issues[video.name] = inspect_footage(video)
        except UnavailableError:
            raise
        except RefvidError as error:
            faults.append(str(error))
            LOGGER.debug("%s: %s", video.name, error)
        frames += _wanted(video, thorough)
        progress(frames, total)
    return Checked(frames, tuple(faults), footage_notes(issues))


def _wanted(video: ReferringVideo, thorough: bool) -> int:
    return len(video.targets) if thorough else 1


def _is_hollow(path: Path) -> bool:
    """Return whether a file is missing or holds nothing, as those do that were not unpacked to the end."""
    try:
        return not path.stat().st_size
    except OSError:
        return True


def _check_video(referring_set: ReferringSet, video: ReferringVideo, thorough: bool) -> None:
    """Read targets of a video.

    Raises:
        RefvidError: A frame or a mask is not there, or cannot be read.
    """
    count = video.count_frames()
    if not count:
        raise RefvidError(f"{video.name} has no frames; download it again")
    if isinstance(video, FileByFile) and (hollow := [path for path in video.files() if _is_hollow(path)]):
        raise RefvidError(f"{video.name}: {count_of(len(hollow), 'file')} empty, {hollow[0]} the first; unpack again")
    for target in video.targets[: None if thorough else 1]:
        index = min(target.index, count - 1)
        pixels, present = video.read([index])
        if not present[0]:
            raise RefvidError(f"{video.name}: frame {target.name} cannot be read; download the video again")
        truth = video.truth(target)
        if truth is None and referring_set.public:
            raise RefvidError(f"{video.name}: there are no masks for frame {target.name}; unpack them again")
        if truth is not None and truth.shape != (len(target.counting), *pixels.shape[1:3]):
            raise RefvidError(
                f"{video.name}: {count_of(len(truth), 'mask')} of frame {target.name}, "
                f"{truth.shape[2]}x{truth.shape[1]}, "
                f"expected {len(target.counting)} of {pixels.shape[2]}x{pixels.shape[1]}"
            )
