"""J-HMDB Sentences as it is downloaded, and every world folder in its layout."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

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
from refvid.data.sets import check_choice
from refvid.data.text import count_of, name_some, read_lines
from refvid.errors import RefvidError, VideoError

RULES = {
    "mttr": Rules(),  # IoU > K
    "uniform3": Rules(inclusive=True),  # ACGA's code: IoU >= K
    "all": Rules(),
}
_PUPPET = 1  # each video has masks of one person


@dataclass(frozen=True)
class JHMDBVideo:
    """A video with what is said about its actor; a `ReferringVideo`.

    Attributes:
        name: Without its action; may hold ( ) ! and @.
        expressions: One in the original; the keys are "0", "1" and on.
        targets: Frames that the protocol asks for; frame "00015" has the index 14.
        pictures: Folder of the frames.
        masks: The MATLAB file.
        frames: Number of frames, cut where the masks or the pictures end.
        size: Height and width of the masks, pixels.
    """

    name: str
    expressions: tuple[Expression, ...]
    targets: tuple[Target, ...]
    pictures: Path
    masks: Path
    frames: int
    size: tuple[int, int]

    def count_frames(self) -> int:
        """Return the number of frames up to the last one that has a mask."""
        return self.frames

    def read(self, indices: Sequence[int]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Read frames in the size of the masks.

        Args:
            indices: In any order, at least one of them inside the video.

        Returns:
            uint8 [len(indices), H, W, 3] RGB, and bool [len(indices)]: False for frames that the video does not have;
            the nearest one stands in for them.

        Raises:
            VideoError: The pictures cannot be read.
        """
        return read_pictures(self._files(), indices, self.size)

    def sizes(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Read width and height of the first picture; those of the masks are known.

        Raises:
            VideoError: There is no picture, or it cannot be read.
        """
        height, width = self.size
        return picture_size(next(iter(self._files().values()))), (width, height)

    def truth(self, target: Target) -> npt.NDArray[np.bool_]:
        """Read the masks of the sentences that count in a frame, bool [len(target.counting), H, W]; all the actor's.

        Raises:
            RefvidError: The masks cannot be read, or end before the frame.
            UnavailableError: SciPy is not installed.
        """
        masks = read_masks(self.masks)
        if target.index >= len(masks):
            raise RefvidError(f"{self.masks} has {len(masks)} masks and none of frame {target.name}; unpack it again")
        return np.repeat(masks[target.index][None], len(target.counting), axis=0)

    def void(self, target: Target) -> None:
        """Return None: all pixels count."""

    def _files(self) -> dict[int, Path]:
        files = {index: path for index, path in find_pictures(self.pictures).items() if index < self.frames}
        if not files:
            raise VideoError(f"{self.pictures} holds no frame such as 00001.png; unpack the frames again")
        return files


def open_jhmdb(root: Path, split: str, protocol: str) -> ReferringSet:
    """Open J-HMDB Sentences (Gavrilyuk et al., CVPR 2018); no mask and no picture is read yet.

    Each part is looked for in the root and in `jhmdb_sentences/`. The header of every video's masks is read, because
    some end before the pictures do; frames count up to there.

    Args:
        root: The folder that holds the data set.
        split: "test", all there is.
        protocol: "mttr" takes the three frames a video of MTTR's list, which was drawn at random once and published;
            "uniform3" the middles of three equal thirds, frames floor(n (2 k + 1) / 6) of n for k = 0, 1, 2 from 0,
            where ACGA only says that its three are sampled uniformly; "all" every frame with a mask.

    Raises:
        RefvidError: Parts of the data set are missing, or no frame is left.
        UnavailableError: SciPy is not installed.
        UsageError: The split or the protocol is not one of the data set's.
    """
    info = check_choice("jhmdb", split, protocol)
    need_package("scipy.io", "reading J-HMDB Sentences")
    parts = find_parts(root, sampled=protocol == "mttr")
    spoken, bad = parse_sentences(read_lines(parts.text))
    draw = read_draw(parts.sampled) if protocol == "mttr" and parts.sampled else None
    survey = _Survey(bad_rows=bad)
    if draw is not None:
        survey.compare(draw, spoken)
        spoken = {video: said for video, said in spoken.items() if video in draw.numbers}
    pictures, masks = video_folders(parts.pictures), video_folders(parts.masks)
    _check_whole(root, parts, spoken, pictures, masks)
    videos = []
    for name, said in spoken.items():
        listed = None if draw is None else draw.numbers[name]
        video = _open_video(name, said, pictures[name], masks[name] / MASK_FILE, protocol, listed, survey)
        if video.targets:
            videos.append(video)
    if not videos:
        raise RefvidError(
            f"{root} holds no frame of {info.title} with a mask that the protocol {protocol} asks for; unpack the "
            "archives again, or give another --protocol"
        )
    survey.empty = len(spoken) - len(videos)
    return ReferringSet(info.title, split, protocol, RULES[protocol], tuple(videos), notes=survey.notes())


@dataclass
class _Survey:
    """What is odd about the data set or was left out.

    Attributes:
        bad_rows: Rows of the text that cannot be read.
        draw_note: What is odd about the list of frames.
        unlisted: Videos of the text that the list does not have.
        unspoken: Videos of the list that the text does not have.
        lost: Frames of the list without a picture or a mask.
        uncovered: Pictures behind the last mask, of each video that has some.
        gaps: Videos where pictures are missing before the last one.
        empty: Videos without a frame that counts.
    """

    bad_rows: int = 0
    draw_note: str = ""
    unlisted: int = 0
    unspoken: int = 0
    lost: int = 0
    uncovered: list[int] = field(default_factory=list)
    gaps: int = 0
    empty: int = 0

    def compare(self, draw: Draw, spoken: Mapping[str, object]) -> None:
        """Compare a list with MTTR's own and with the text."""
        self.unlisted = len(spoken.keys() - draw.numbers.keys())
        self.unspoken = len(draw.numbers.keys() - spoken.keys())
        if (digest := draw.digest) != MTTR_DRAW:
            whose = "SOC's" if digest == SOC_DRAW else "an unknown one"
            self.draw_note = f"{LIST} is not MTTR's draw of frames but {whose}: results are not those of MTTR's frames"

    def notes(self) -> tuple[str, ...]:
        """Return what a person should know, one sentence for each kind of fault there is."""
        behind = f"{count_of(sum(self.uncovered), 'picture')} of {count_of(len(self.uncovered), 'video')}"
        counted = {
            self.draw_note: len(self.draw_note),
            f"{count_of(self.bad_rows, 'row')} of {TEXT} cannot be read: left out": self.bad_rows,
            f"{count_of(self.unlisted, 'video')} of {TEXT} not in {LIST}: left out": self.unlisted,
            f"{count_of(self.unspoken, 'video')} of {LIST} not in {TEXT}: left out": self.unspoken,
            f"{count_of(self.lost, 'frame')} of {LIST} without a picture or a mask: left out": self.lost,
            f"{behind} behind the last mask: left out": len(self.uncovered),
            f"{count_of(self.gaps, 'video')} with pictures missing: the nearest ones stand in": self.gaps,
            f"{count_of(self.empty, 'video')} without a frame that counts: left out": self.empty,
        }
        return tuple(note for note, number in counted.items() if number)


def _check_whole(
    root: Path, parts: Parts, spoken: Mapping[str, object], pictures: Mapping[str, Path], masks: Mapping[str, Path]
) -> None:
    """Miss every video's pictures and masks in one sentence."""
    without = {
        f"pictures in {parts.pictures}/<action>/": [video for video in spoken if video not in pictures],
        f"{MASK_FILE} in {parts.masks}/<action>/": [
            video for video in spoken if video not in masks or not (masks[video] / MASK_FILE).is_file()
        ],
    }
    faults = [f"no {what} of {count_of(len(v), 'video')} ({name_some(v)})" for what, v in without.items() if v]
    if faults:
        raise RefvidError(f"{root} is not whole: {' and '.join(faults)}; unpack the archives again")


def _open_video(
    name: str,
    said: Sequence[str],
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
    expressions = tuple(Expression(str(key), text, _PUPPET) for key, text in enumerate(said))
    counting = tuple(range(len(expressions)))
    targets = tuple(Target(found[index].stem, index, counting) for index in chosen)
    frames = there[-1] + 1 if there else 0
    return JHMDBVideo(name, expressions, targets, pictures, masks, frames, (height, width))


def _spread(indices: Sequence[int], number: int) -> list[int]:
    """Return the middles of equal parts of a sequence; fewer where it is shorter than their number."""
    total = len(indices)
    places = {total * (2 * k + 1) // (2 * number) for k in range(number)} if total else set()
    return [indices[place] for place in sorted(places)]
