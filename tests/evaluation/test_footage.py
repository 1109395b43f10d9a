"""Peculiarities of footage are noted, with the name of the first video."""

from dataclasses import dataclass

import pytest

from refvid.evaluation.footage import footage_notes, inspect_footage, is_stretched
from tests.evaluation.small_set import HEIGHT, WIDTH, SmallVideo, small_video

Size = tuple[int, int]


@dataclass(frozen=True, eq=False)
class ScaledVideo(SmallVideo):
    """A video whose footage has another size than its masks."""

    footage: Size = (WIDTH, HEIGHT)

    def sizes(self) -> tuple[Size, Size]:
        return self.footage, (WIDTH, HEIGHT)


def scaled(name: str, footage: Size) -> ScaledVideo:
    return ScaledVideo(**vars(small_video(name)), footage=footage)


@pytest.mark.parametrize(
    ("footage", "masks", "stretched"),
    [
        ((320, 240), (320, 240), False),
        ((640, 480), (320, 240), False),
        ((568, 320), (569, 320), False),
        ((426, 320), (428, 320), False),
        ((176, 144), (391, 320), False),
        ((160, 120), (427, 320), False),
        ((573, 320), (569, 320), True),
        ((240, 320), (320, 240), True),
        ((480, 320), (569, 320), True),
    ],
)
def test_proportions_may_differ_by_rounding(footage: Size, masks: Size, stretched: bool) -> None:
    assert is_stretched(footage, masks) is stretched


def test_odd_videos_are_counted_and_the_first_is_named() -> None:
    videos = (
        small_video("good"),
        small_video("short", frames=5),
        scaled("half", (WIDTH // 2, HEIGHT // 2)),
        scaled("square", (46, 46)),
        scaled("turned", (HEIGHT, WIDTH)),
        small_video("shorter", frames=2),
    )
    assert footage_notes({video.name: inspect_footage(video) for video in videos}) == (
        "4 annotated frames after the end of the footage, in 2 videos (short the first): the last frame there is "
        "stands in.",
        "2 videos of other proportions than the masks, and stretched to them: square is 46x46 and its masks are 80x46.",
    )
    assert footage_notes({"good": inspect_footage(videos[0])}) == ()
