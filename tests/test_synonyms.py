"""Words that no training sentence said: the default model finds what their plainer word finds."""

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from refvid.inference.segmenter import Segmenter
from refvid.metrics.regions import iou
from refvid.video.reader import open_reader
from refvid.weights import load_model

EXAMPLES = Path(__file__).parent.parent / "examples"
MIDDLE, AROUND = 40, 3  # frame that is looked at, and frames on either side that it is segmented with
LEAST_IOU, LEAST_SHARE = 0.8, 0.001

# Clip: expression: the same in other words.
PAIRS = {
    "park": {
        "man in yellow shirt": (
            "guy in yellow shirt", "gentleman in yellow shirt", "bloke in yellow shirt", "fellow in yellow shirt",
            "male in yellow shirt", "dude in yellow shirt", "man in golden shirt", "man in yellow tee",
            "man in yellow t-shirt", "man with yellow shirt",
        ),
        "the woman": ("the lady", "the gal", "the female", "the dame"),
        "the man": ("the chap", "the fellow"),
        "the dog": ("the puppy", "the pup", "the doggy", "the pooch"),
    },
    "street": {
        "the red car": ("the red automobile", "the crimson car", "the scarlet car", "the red auto"),
        "the blue car": (
            "the blue automobile", "the navy car", "the azure car", "the blue sedan", "the blue auto",
        ),
        "the woman in a green jacket": (
            "the lady in a green jacket", "the woman in an emerald jacket", "the woman in a green coat",
            "the gal in a green jacket",
        ),
        "the man": ("the guy", "the gentleman"),
        "the woman": ("the lady", "the female"),
        "the car on the left": ("the automobile on the left", "the leftmost car"),
    },
    "yard": {
        "the dog": ("the puppy", "the pup", "the doggy"),
        "the jumping dog": ("the leaping dog",),
        "the boy": ("the lad",),
        "the girl": ("the lass",),
        "the child": ("the kid", "the youngster"),
    },
}  # fmt: skip
CASES = [(clip, plain, other) for clip, asked in PAIRS.items() for plain, others in asked.items() for other in others]


@cache
def masks_of(clip: str) -> dict[str, npt.NDArray[np.bool_]]:
    """Return the mask of each expression of a clip in its middle frame."""
    asked = PAIRS[clip]
    expressions = list(dict.fromkeys([*asked, *(other for others in asked.values() for other in others)]))
    with open_reader(EXAMPLES / f"{clip}.mp4") as reader:
        frames = [frame.pixels for index, frame in enumerate(reader) if abs(index - MIDDLE) <= AROUND]
    masks = list(Segmenter(load_model("refvid-small", device="cpu")).stream(frames, expressions))
    return dict(zip(expressions, masks[AROUND], strict=True))


def test_there_are_forty_pairs() -> None:
    assert len(CASES) >= 40


@pytest.mark.parametrize(("clip", "plain", "other"), CASES)
def test_other_words_find_the_same(clip: str, plain: str, other: str) -> None:
    found = masks_of(clip)
    assert found[plain].mean() > LEAST_SHARE, "nothing would agree with nothing"
    assert iou(found[plain], found[other]) > LEAST_IOU
