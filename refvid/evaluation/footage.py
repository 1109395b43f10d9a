"""Peculiarities of footage that are worth a note but do not stop an evaluation."""

from collections.abc import Mapping
from dataclasses import dataclass

from refvid.data.referring import ReferringVideo, Scaled
from refvid.data.text import count_of

_ROUNDING = 2  # pixels by which encoders and annotators round a side


@dataclass(frozen=True)
class FootageIssue:
    """The peculiarities of a video's footage.

    Attributes:
        beyond: Number of targets after the last frame, for which the last frame is used instead.
        sizes: (width, height) of the footage and of the masks if their aspect ratios differ, otherwise None.
    """

    beyond: int = 0
    sizes: tuple[tuple[int, int], tuple[int, int]] | None = None


NO_ISSUE = FootageIssue()


def inspect_footage(video: ReferringVideo) -> FootageIssue:
    """Count the frames of a video and compare its size with that of the masks, without decoding anything.

    Raises:
        RefvidError: The footage or the size of the masks cannot be read.
    """
    count = video.count_frames()
    beyond = sum(target.index >= count for target in video.targets)
    sizes = video.sizes() if isinstance(video, Scaled) else None
    return FootageIssue(beyond, sizes if sizes is not None and is_stretched(*sizes) else None)


def is_stretched(footage: tuple[int, int], masks: tuple[int, int]) -> bool:
    """Return whether scaling footage to the size of the masks changes its aspect ratio by more than rounding does.

    Args:
        footage: Width and height of the footage in pixels.
        masks: Width and height of the masks in pixels.
    """
    (width, height), (wanted_width, wanted_height) = footage, masks
    by_height = abs(width * wanted_height / height - wanted_width)
    by_width = abs(height * wanted_width / width - wanted_height)
    return min(by_height, by_width) > _ROUNDING


def footage_notes(issues: Mapping[str, FootageIssue]) -> tuple[str, ...]:
    """Return sentences on the peculiarities of a split's footage.

    Args:
        issues: Issue of each video, by the name of the video.
    """
    notes = []
    beyond = {video: issue.beyond for video, issue in issues.items() if issue.beyond}
    if beyond:
        frames = count_of(sum(beyond.values()), "annotated frame")
        notes.append(
            f"{frames} after the end of the footage, in {count_of(len(beyond), 'video')} ({next(iter(beyond))} the "
            "first): the last frame there is stands in."
        )
    stretched = {video: issue.sizes for video, issue in issues.items() if issue.sizes is not None}
    if stretched:
        video, ((width, height), (wanted_width, wanted_height)) = next(iter(stretched.items()))
        notes.append(
            f"{count_of(len(stretched), 'video')} of other proportions than the masks, and stretched to them: {video} "
            f"is {width}x{height} and its masks are {wanted_width}x{wanted_height}."
        )
    return tuple(notes)
