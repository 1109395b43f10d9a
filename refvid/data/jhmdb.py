"""J-HMDB Sentences as downloaded, and world folders in its layout."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from refvid.data.catalogue import check_choice
from refvid.data.jhmdb_files import (
    LIST,
    MASK_FILE,
    MTTR_DRAW,
    SOC_DRAW,
    TEXT,
    Draw,
    Parts,
    find_parts,
    parse_sentences,
    read_draw,
    read_mask_shape,
    read_masks,
    video_folders,
)
from refvid.data.numbered_pictures import find_pictures, picture_size, read_pictures
from refvid.data.packages import need_package
from refvid.data.referring import Expression, ReferringSet, Rules, Target
from refvid.data.text import count_of, name_some, read_lines
from refvid.errors import RefvidError, VideoError

RULES = {
    "mttr": Rules(),  # IoU > K
    "uniform3": Rules(inclusive=True),  # ACGA's code: IoU >= K
    "all": Rules(),
}
_PUPPET = 1  # the instance number: every video has masks of a single person


@dataclass(frozen=True)
class JHMDBVideo:
    """A video with the sentences about its actor, a `ReferringVideo`.

    Attributes:
        name: Name of the video without its action; may contain ( ) ! and @.
        expressions: Sentences, one per video in the original data set; the keys are "0", "1" and so on.
        targets: Frames that the protocol evaluates; frame "00015" has index 14.
        pictures: Folder of the frames.
        masks: MATLAB file of the masks.
        frames: Number of frames that have both a picture and a mask.
        size: Height and width of the masks in pixels.
    """

    name: str
    expressions: tuple[Expression, ...]
    targets: tuple[Target, ...]
    pictures: Path
    masks: Path
    frames: int
    size: tuple[int, int]

    def count_frames(self) -> int:
        """Return the number of frames up to the last one with a mask."""
        return self.frames

    def read(self, indices: Sequence[int]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Read frames, scaled to the size of the masks.

        Args:
            indices: Frame indices in any order, at least one of them inside the video.

        Returns:
            RGB frames, uint8 [len(indices), H, W, 3], and whether the video contains each frame, bool [len(indices)]; a
            missing frame is replaced by the nearest one.

        Raises:
            VideoError: The pictures cannot be read.
        """
        return read_pictures(self._files(), indices, self.size)

    def sizes(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return (width, height) of the first picture and of the masks.

        Raises:
            VideoError: There is no picture, or it cannot be read.
        """
        height, width = self.size
        return picture_size(next(iter(self._files().values()))), (width, height)

    def truth(self, target: Target) -> npt.NDArray[np.bool_]:
        """Read the mask of the actor, once for each sentence evaluated in a frame, bool [len(target.counting), H, W].

        Raises:
            RefvidError: The masks cannot be read, or end before the frame.
            UnavailableError: SciPy is not installed.
        """
        masks = read_masks(self.masks)
        if target.index >= len(masks):
            raise RefvidError(f"{self.masks} has {len(masks)} masks but none for frame {target.name}; unpack it again")
        return np.repeat(masks[target.index][None], len(target.counting), axis=0)

    def void(self, target: Target) -> None:
        """Return None: no pixel is ignored."""

    def _files(self) -> dict[int, Path]:
        files = {index: path for index, path in find_pictures(self.pictures).items() if index < self.frames}
        if not files:
            raise VideoError(f"{self.pictures} contains no frame such as 00001.png; unpack the frames again")
        return files


def open_jhmdb(root: Path, split: str, protocol: str) -> ReferringSet:
    """Open J-HMDB Sentences (Gavrilyuk et al., CVPR 2018) without reading any mask or picture.

    Each part is searched for in the root and in `jhmdb_sentences/`. The header of every video's mask file is read,
    because some masks end before the pictures do; frames count up to the last mask.

    Args:
        root: Folder that holds the data set.
        split: "test", the only split.
        protocol: "mttr" evaluates the three frames per video in MTTR's list, which was drawn at random once and then
            published. "uniform3" evaluates the centres of three equal thirds, frames floor(n (2 k + 1) / 6) of n for
            k = 0, 1, 2, counted from 0; ACGA only says that it samples three frames uniformly. "all" evaluates every
            frame with a mask.

    Raises:
        RefvidError: Parts of the data set are missing, or no frame is left.
        UnavailableError: SciPy is not installed.
        UsageError: The data set has no such split or protocol.
    """
    info = check_choice("jhmdb", split, protocol)
    need_package("scipy.io", "reading J-HMDB Sentences")
    parts = find_parts(root, sampled=protocol == "mttr")
    sentences, bad = parse_sentences(read_lines(parts.text))
    draw = read_draw(parts.sampled) if protocol == "mttr" and parts.sampled else None
    survey = _Survey(bad_rows=bad)
    if draw is not None:
        survey.compare(draw, sentences)
        sentences = {video: queries for video, queries in sentences.items() if video in draw.numbers}
    pictures, masks = video_folders(parts.pictures), video_folders(parts.masks)
    _check_whole(root, parts, sentences, pictures, masks)
    videos = []
    for name, queries in sentences.items():
        listed = None if draw is None else draw.numbers[name]
        video = _open_video(name, queries, pictures[name], masks[name] / MASK_FILE, protocol, listed, survey)
        if video.targets:
            videos.append(video)
    if not videos:
        raise RefvidError(
            f"{root} contains no frame of {info.title} that has a mask and belongs to the protocol {protocol}; unpack "
            "the archives again, or give another --protocol"
        )
    survey.empty = len(sentences) - len(videos)
    return ReferringSet(info.title, split, protocol, RULES[protocol], tuple(videos), notes=survey.notes())


@dataclass
class _Survey:
    """Faults found in the data set, and what was left out because of them.

    Attributes:
        bad_rows: Number of unreadable rows in the text.
        draw_note: Remark on the list of frames.
        unlisted: Number of videos in the text that the list lacks.
        without_text: Number of videos in the list that the text lacks.
        lost: Number of frames in the list without a picture or a mask.
        uncovered: Numbers of pictures after the last mask, one for each video that has any.
        gaps: Number of videos with pictures missing before the last one.
        empty: Number of videos without a frame to evaluate.
    """

    bad_rows: int = 0
    draw_note: str = ""
    unlisted: int = 0
    without_text: int = 0
    lost: int = 0
    uncovered: list[int] = field(default_factory=list)
    gaps: int = 0
    empty: int = 0

    def compare(self, draw: Draw, sentences: Mapping[str, object]) -> None:
        """Compare a list of frames with MTTR's own and with the text."""
        self.unlisted = len(sentences.keys() - draw.numbers.keys())
        self.without_text = len(draw.numbers.keys() - sentences.keys())
        if (digest := draw.digest) != MTTR_DRAW:
            whose = "SOC's" if digest == SOC_DRAW else "an unknown one"
            self.draw_note = f"{LIST} is not MTTR's draw of frames but {whose}: results are not those of MTTR's frames"

    def notes(self) -> tuple[str, ...]:
        """Return one sentence for each kind of fault found."""
        behind = f"{count_of(sum(self.uncovered), 'picture')} of {count_of(len(self.uncovered), 'video')}"
        counted = {
            self.draw_note: len(self.draw_note),
            f"{count_of(self.bad_rows, 'row')} of {TEXT} cannot be read: left out": self.bad_rows,
            f"{count_of(self.unlisted, 'video')} of {TEXT} not in {LIST}: left out": self.unlisted,
            f"{count_of(self.without_text, 'video')} of {LIST} not in {TEXT}: left out": self.without_text,
            f"{count_of(self.lost, 'frame')} of {LIST} without a picture or a mask: left out": self.lost,
            f"{behind} behind the last mask: left out": len(self.uncovered),
            f"{count_of(self.gaps, 'video')} with pictures missing: the nearest ones stand in": self.gaps,
            f"{count_of(self.empty, 'video')} without a frame that counts: left out": self.empty,
        }
        return tuple(note for note, number in counted.items() if number)


def _check_whole(
    root: Path, parts: Parts, sentences: Mapping[str, object], pictures: Mapping[str, Path], masks: Mapping[str, Path]
) -> None:
    """Raise an error that names every video without pictures or masks."""
    without = {
        f"pictures in {parts.pictures}/<action>/": [video for video in sentences if video not in pictures],
        f"{MASK_FILE} in {parts.masks}/<action>/": [
            video for video in sentences if video not in masks or not (masks[video] / MASK_FILE).is_file()
        ],
    }
    faults = [f"no {what} for {count_of(len(v), 'video')} ({name_some(v)})" for what, v in without.items() if v]
    if faults:
        raise RefvidError(f"{root} is incomplete: {' and '.join(faults)}; unpack the archives again")


def _open_video(
    name: str,
    queries: Sequence[str],
    pictures: Path,
    masks: Path,
    protocol: str,
    listed: frozenset[int] | None,
    survey: _Survey,
) -> JHMDBVideo:
    total, height, width = read_mask_shape(masks)
    found = find_pictures(pictures)
    there = [index for index in found if index < total]
    if listed is not None:
        chosen = sorted({number - 1 for number in listed}.intersection(there))
        survey.lost += len(listed) - len(chosen)
    else:
        chosen = _spread(there, 3) if protocol == "uniform3" else there
    if len(found) > len(there):
        survey.uncovered.append(len(found) - len(there))
    survey.gaps += bool(found) and len(found) <= max(found)
    expressions = tuple(Expression(str(key), text, _PUPPET) for key, text in enumerate(queries))
    counting = tuple(range(len(expressions)))
    targets = tuple(Target(found[index].stem, index, counting) for index in chosen)
    frames = there[-1] + 1 if there else 0
    return JHMDBVideo(name, expressions, targets, pictures, masks, frames, (height, width))


def _spread(indices: Sequence[int], number: int) -> list[int]:
    """Return the centres of `number` equal parts of a sequence; fewer if the sequence is shorter than that."""
    total = len(indices)
    places = {total * (2 * k + 1) // (2 * number) for k in range(number)} if total else set()
    return [indices[place] for place in sorted(places)]
