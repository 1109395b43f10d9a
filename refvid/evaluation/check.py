"""Check that the footage and the masks of a split are complete before hours are spent on evaluating it."""

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
    """The findings of a check.

    Attributes:
        frames: Number of frames read together with their masks.
        faults: One sentence for each video that cannot be used.
        notes: Sentences on peculiarities of the remaining videos.
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
    """Read the first target of every video with its masks; of files that are read one by one, check all sizes.

    Args:
        referring_set: The split to check.
        thorough: Whether to read every target instead of the first one only.
        progress: Called with the number of targets read and the total.

    Raises:
        UnavailableError: A package needed to read the data set is not installed.
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
    """Return whether a file is missing or empty, as files are after an interrupted unpacking."""
    try:
        return not path.stat().st_size
    except OSError:
        return True


def _check_video(referring_set: ReferringSet, video: ReferringVideo, thorough: bool) -> None:
    """Read targets of a video together with their masks.

    Raises:
        RefvidError: A frame or a mask is missing or cannot be read.
    """
    count = video.count_frames()
    if not count:
        raise RefvidError(f"{video.name} has no frames; download it again")
    if isinstance(video, FileByFile) and (hollow := [path for path in video.files() if _is_hollow(path)]):
        raise RefvidError(
            f"{video.name}: {count_of(len(hollow), 'file')} missing or empty, first {hollow[0]}; unpack them again"
        )
    for target in video.targets[: None if thorough else 1]:
        index = min(target.index, count - 1)
        pixels, present = video.read([index])
        if not present[0]:
            raise RefvidError(f"{video.name}: frame {target.name} cannot be read; download the video again")
        truth = video.truth(target)
        if truth is None and referring_set.public:
            raise RefvidError(f"{video.name}: frame {target.name} has no masks; unpack the annotations again")
        if truth is not None and truth.shape != (len(target.counting), *pixels.shape[1:3]):
            raise RefvidError(
                f"{video.name}: frame {target.name} has {count_of(len(truth), 'mask')} of "
                f"{truth.shape[2]}x{truth.shape[1]} pixels, "
                f"expected {len(target.counting)} of {pixels.shape[2]}x{pixels.shape[1]}; unpack the data set again"
            )
