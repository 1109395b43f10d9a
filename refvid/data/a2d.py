"""A2D Sentences as it is downloaded, and every world folder in its layout."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from refvid.data.a2d_files import (
    CLIPS,
    MASKS,
    TEXT,
    VIDEO_SET,
    Sentence,
    Split,
    find_parts,
    parse_sentences,
    read_instances,
    read_masks,
    read_splits,
)
from refvid.data.packages import need_package
from refvid.data.sample import Sample
from refvid.errors import RefvidError
from refvid.video.random_access import count_frames, read_frames

Protocol = Literal["mttr", "refvos"]

PAPER_OFFSETS = tuple(range(-5, 6))  # five frames before and five after, section 3.4


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
        """Read the text and the instances of every annotated frame; no mask and no video yet.

        Args:
            root: The folder that holds the data set.
            split: By the ninth column of videoset.csv.
            protocol: "mttr" pairs a sentence with the frames that its instance is in; "refvos" with all annotated
                frames of the video, where an absent instance is an empty mask.
            offsets: Frames of the clip relative to the annotated one; the middle one is 0.

        Raises:
            RefvidError: Parts of the data set are missing, or nothing is left of the split.
            UnavailableError: h5py is not installed.
            ValueError: The middle offset is not 0.
        """
        need_package("h5py", "reading A2D Sentences")
        self.offsets = _check_offsets(offsets)
        self._clips, self._masks, text, video_set = find_parts(root, (CLIPS, MASKS, TEXT, VIDEO_SET))
        with text.open(encoding="utf-8", newline="") as lines:
            sentences, self.skipped = parse_sentences(lines)
        splits = read_splits(video_set)
        by_video: defaultdict[str, list[Sentence]] = defaultdict(list)
        for sentence in sentences:
            if splits.get(sentence.video) == split:
                by_video[sentence.video].append(sentence)
        files = {video: sorted((self._masks / video).glob("*.h5")) for video in by_video}
        self.without_masks = tuple(video for video in by_video if not files[video])
        self.frames = tuple(
            frame for video, spoken in by_video.items() for frame in _pair(spoken, files[video], protocol)
        )
        self.pairs = tuple((f, e) for f, frame in enumerate(self.frames) for e in range(len(frame.sentences)))
        if not self.pairs:
            raise RefvidError(
                f"{root} holds nothing of the split {split}: {len(by_video)} of its videos have sentences, "
                f"{len(self.without_masks)} of these have no masks in {self._masks}; unpack the masks, or give "
                "another split"
            )

    def __len__(self) -> int:
        """Return the number of (sentence, frame) pairs."""
        return len(self.pairs)

    def __getitem__(self, pair: int) -> Sample:
        """Return the sample of the frame of a pair; `pairs[pair][1]` is its expression there."""
        return self.sample(self.pairs[pair][0])

    def sample(self, frame: int, offsets: Sequence[int] | None = None) -> Sample:
        """Read the clip around an annotated frame, and the masks of all its sentences.

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
        annotated = self.frames[frame]
        steps = self.offsets if offsets is None else _check_offsets(offsets)
        path = self._clips / f"{annotated.video}.mp4"
        instances, masks = read_masks(_mask_file(self._masks, annotated))
        rows = {instance: row for row, instance in reversed(list(enumerate(instances)))}  # the first of two alike
        nothing = np.zeros(masks.shape[1:], np.bool_)
        chosen = [masks[rows[s.instance]] if s.instance in rows else nothing for s in annotated.sentences]
        # Decoders differ by a frame at the end of some clips: an annotated last frame must not be lost for that.
        target = min(annotated.number, count_frames(path)) - 1
        pixels, present = read_frames(path, [target + step for step in steps])
        if not present[len(steps) // 2]:
            raise RefvidError(f"{path}: annotated frame {annotated.number} cannot be decoded; download the video again")
        return Sample(
            frames=_scale(pixels, *masks.shape[1:]),
            frame_mask=present,
            expressions=tuple(sentence.query for sentence in annotated.sentences),
            masks=np.stack(chosen),
        )


def _check_offsets(offsets: Sequence[int]) -> tuple[int, ...]:
    if not offsets or offsets[len(offsets) // 2] != 0:
        raise ValueError(f"offsets must have 0 in the middle, got {list(offsets)}")
    return tuple(offsets)


def _mask_file(folder: Path, frame: AnnotatedFrame) -> Path:
    return folder / frame.video / f"{frame.number:05d}.h5"


def _pair(sentences: Sequence[Sentence], files: Sequence[Path], protocol: Protocol) -> list[AnnotatedFrame]:
    """Find the sentences that count for each frame of a video; frames without any are left out."""
    frames = []
    for path in files:
        counting = tuple(sentences)
        if protocol == "mttr":
            there = set(read_instances(path))
            counting = tuple(sentence for sentence in sentences if sentence.instance in there)
        if counting:
            frames.append(AnnotatedFrame(sentences[0].video, int(path.stem), counting))
    return frames


def _scale(pixels: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
    """Bring frames [T, h, w, 3] to the masks' size; encoders have rounded the width of some clips to even."""
    if pixels.shape[1:3] == (height, width):
        return pixels
    return np.stack([np.asarray(Image.fromarray(frame).resize((width, height))) for frame in pixels])
