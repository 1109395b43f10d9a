"""A2D Sentences as it is downloaded, and every world folder in its layout."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from refvid.data.a2d_files import Sentence, Split
from refvid.data.a2d_survey import survey_split
from refvid.data.a2d_video import A2DVideo
from refvid.data.referring import ReferringSet, Rules, Target
from refvid.data.sample import Sample
from refvid.data.sets import check_choice
from refvid.errors import RefvidError

Protocol = Literal["mttr", "refvos"]

TITLE = "A2D Sentences"
RULES = {
    "mttr": Rules(),  # IoU > K; two empty masks are equal
    "refvos": Rules(inclusive=True, empty="zero"),  # IoU >= K; nothing found where nothing is scores 0
}
PAPER_OFFSETS = tuple(range(-5, 6))  # five frames before and five after, section 3.4


def open_a2d(root: Path, split: str, protocol: str) -> ReferringSet:
    """Opens a split of A2D Sentences (Gavrilyuk et al., CVPR 2018); no mask and no video is read yet.

    Each part is looked for in the root, in `Release/` and in `text_annotations/`; videos are clips in `clips320H` or
    `CLIPS320`, or else folders of frames in `pngs320H`. "mttr" needs to know which instances each annotated frame
    has, and opens all the h5 files of the split for that: about 3,800 of the original's test split.

    Args:
        root: The folder that holds the data set.
        split: "train" or "test", by the ninth column of videoset.csv.
        protocol: "mttr" counts a sentence in the frames that its instance is in; "refvos" in all annotated frames of
            the video, where an absent instance is an empty mask.

    Raises:
        RefvidError: Parts of the data set are missing, or nothing is left of the split.
        UnavailableError: h5py is not installed.
        UsageError: The split or the protocol is not one of the data set's.
    """
    check_choice("a2d", split, protocol)
    survey = survey_split(root, split, protocol)
    return ReferringSet(TITLE, split, protocol, RULES[protocol], tuple(survey.videos), notes=survey.notes())


@dataclass(frozen=True)
class AnnotatedFrame:
    """One frame with masks, and the sentences that count for it.

    Attributes:
        video: Name of the video.
        number: Of the frame, from 1; decoded frame `number - 1`.
        sentences: At least one.
    """

    video: str
    number: int
    sentences: tuple[Sentence, ...]


class A2DSentences:
    """Annotated frames with their sentences, read when they are asked for.

    `dataset[i]` is the sample of the frame that pair `i` belongs to, so that going over all pairs meets a frame as
    often as it has sentences; `sample(f)` is that of `frames[f]`. Both carry all sentences of the frame. No file stays
    open, so that data loaders may fork.

    Attributes:
        frames: The annotated frames of the split, by the text's order of videos and by number.
        pairs: For each (sentence, frame) pair the index into `frames` and the one into the sample's expressions.
        skipped: Rows of the text that cannot be read; the original has one.
        without_masks: Videos of the split that have sentences but no masks.
    """

    def __init__(
        self, root: Path, split: Split, *, protocol: Protocol = "mttr", offsets: Sequence[int] = PAPER_OFFSETS
    ) -> None:
        """Reads what `open_a2d` reads.

        Args:
            root: The folder that holds the data set.
            split: By the ninth column of videoset.csv.
            protocol: As `open_a2d` takes it.
            offsets: Frames of the clip relative to the annotated one; the middle one is 0.

        Raises:
            RefvidError: Parts of the data set are missing, or nothing is left of the split.
            UnavailableError: h5py is not installed.
            ValueError: The middle offset is not 0.
        """
        self.offsets = _check_offsets(offsets)
        survey = survey_split(root, split, protocol)
        self.skipped = survey.bad_rows
        self.without_masks = tuple(survey.without_masks)
        self._places = tuple((video, target) for video in survey.videos for target in video.targets)
        self.frames = tuple(
            AnnotatedFrame(video.name, target.index + 1, _sentences(video, target)) for video, target in self._places
        )
        self.pairs = tuple((f, e) for f, frame in enumerate(self.frames) for e in range(len(frame.sentences)))

    def __len__(self) -> int:
        """Returns the number of (sentence, frame) pairs."""
        return len(self.pairs)

    def __getitem__(self, pair: int) -> Sample:
        """Returns the sample of the frame of a pair; `pairs[pair][1]` is its expression there."""
        return self.sample(self.pairs[pair][0])

    def sample(self, frame: int, offsets: Sequence[int] | None = None) -> Sample:
        """Reads the clip around an annotated frame, and the masks of all its sentences.

        Args:
            frame: Index into `frames`.
            offsets: Frames of the clip relative to the annotated one, instead of the data set's own.

        Returns:
            A sample of the masks' size, without regions.

        Raises:
            RefvidError: The video or the masks cannot be read.
            UnavailableError: h5py is not installed.
            ValueError: The middle offset is not 0.
        """
        video, target = self._places[frame]
        steps = self.offsets if offsets is None else _check_offsets(offsets)
        total = video.count_frames()
        wanted = np.array(steps) + min(target.index, total - 1)
        pixels, present = video.read(wanted.tolist())
        present &= wanted < total  # beyond the last frame there are only repetitions of it
        if not present[len(steps) // 2]:
            raise RefvidError(
                f"{video.footage}: annotated frame {target.name} cannot be decoded; download the video again"
            )
        expressions = tuple(video.expressions[e].text for e in target.counting)
        return Sample(frames=pixels, frame_mask=present, expressions=expressions, masks=video.truth(target))


def _check_offsets(offsets: Sequence[int]) -> tuple[int, ...]:
    if not offsets or offsets[len(offsets) // 2] != 0:
        raise ValueError(f"offsets must have 0 in the middle, got {list(offsets)}")
    return tuple(offsets)


def _sentences(video: A2DVideo, target: Target) -> tuple[Sentence, ...]:
    said = [video.expressions[e] for e in target.counting]
    return tuple(Sentence(video.name, int(e.instance or 0), e.text) for e in said)
