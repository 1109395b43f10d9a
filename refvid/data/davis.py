"""DAVIS-16 and DAVIS-17 with Khoreva's phrases, as unpacked.

Own matching compares an object with the mask predicted for its phrase. The hungarian protocols reproduce ReferFormer's
evaluation: DAVIS's unsupervised task with its own annotation, `Annotations_unsupervised`, whose objects are not always
those with phrases, and in which pixels of value 255 are void.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from refvid.data.catalogue import check_choice
from refvid.data.davis_files import HUNGARIAN, RESOLUTIONS, SEMI_SUPERVISED, DavisParts, find_parts, read_sequences
from refvid.data.davis_text import RUNS, Kind, Phrases, Year, read_meta_phrases, read_phrases
from refvid.data.frame_folder import FolderVideo, FrameFolder, list_names, read_mode, read_numbers
from refvid.data.referring import Expression, ReferringSet, Rules, Target
from refvid.data.text import count_of, name_some
from refvid.errors import RefvidError

VOID = 255
_MAX_OBJECTS = 20  # the benchmark's limit; larger values mean a palette image converted to grey


@dataclass(frozen=True)
class DavisVideo(FolderVideo):
    """A sequence; every frame is evaluated for all expressions.

    Attributes:
        name: Name of the sequence.
        expressions: Expressions whose keys are object numbers. The text is empty if nobody described the object, which
            then cannot be found. The instance is None if the annotation has no such object.
        targets: All frames.
        frames: Frames of the footage.
        masks: Folder with one PNG per frame.
        single: Whether everything annotated is a single object (DAVIS-16).
    """

    name: str
    expressions: tuple[Expression, ...]
    targets: tuple[Target, ...]
    frames: FrameFolder
    masks: Path
    single: bool

    def truth(self, target: Target) -> npt.NDArray[np.bool_]:
        """Read the masks of the expressions evaluated, bool [len(target.counting), H, W], in their order.

        Raises:
            RefvidError: The mask or the header of the frame cannot be read, or they differ in size.
        """
        numbers = self.read_mask(target)
        wanted = [self.expressions[index].instance for index in target.counting]
        if self.single:
            return np.stack([(numbers > 0) & (instance == 1) for instance in wanted])
        nothing = np.zeros(numbers.shape, np.bool_)
        return np.stack([nothing if instance is None else numbers == instance for instance in wanted])

    def void(self, target: Target) -> npt.NDArray[np.bool_] | None:
        """Read the void pixels, bool [H, W]; return None if there are none.

        Raises:
            RefvidError: The mask or the header of the frame cannot be read, or they differ in size.
        """
        if self.single:
            return None
        left_out = self.read_mask(target) == VOID
        return left_out if left_out.any() else None

    def files(self) -> Iterator[Path]:
        """Yield the files of all frames and masks."""
        for target in self.targets:
            yield self.frames.path(target.index)
            yield self.mask(target)

    def mask(self, target: Target) -> Path:
        """Return the file of a frame's mask."""
        return self.masks / f"{target.name}.png"

    def read_mask(self, target: Target) -> npt.NDArray[np.uint8]:
        """Read the object number of each pixel of a frame, uint8 [H, W]; in DAVIS-17, `VOID` marks void pixels.

        Raises:
            RefvidError: The mask or the header of the frame cannot be read, or they differ in size.
        """
        # A few of DAVIS-16's masks are stored as colour images, white on black.
        return read_numbers(self.mask(target), self.frames.size(target.index), colours=self.single)


def open_davis16(root: Path, split: str, protocol: str) -> ReferringSet:
    """Open DAVIS-16: one object per sequence, comprising all nonzero pixels of its masks.

    Args:
        root: DAVIS/ or the folder that holds it.
        split: "train" or "val".
        protocol: Protocol of the data set; "semi-supervised" needs no phrases.

    Raises:
        RefvidError: Parts of the data set are missing, or its masks are malformed.
        UsageError: The data set has no such split or protocol.
    """
    return _open("2016", root, split, protocol)


def open_davis17(root: Path, split: str, protocol: str) -> ReferringSet:
    """Open DAVIS-17: each sequence has as many objects as the highest number in its first mask.

    Args:
        root: DAVIS/ or the folder that holds it.
        split: "train" or "val".
        protocol: Protocol of the data set; "semi-supervised" needs no phrases.

    Raises:
        RefvidError: Parts of the data set are missing, or its masks are malformed.
        UsageError: The data set has no such split or protocol.
    """
    return _open("2017", root, split, protocol)


def _open(year: Year, root: Path, split: str, protocol: str) -> ReferringSet:
    info = check_choice(f"davis{year[2:]}", split, protocol)
    hungarian = protocol.endswith(HUNGARIAN)
    parts = find_parts(root, year, split, protocol, info.title)
    kind = cast(Kind, protocol.removesuffix(HUNGARIAN))
    phrases = None
    if isinstance(parts.text, Path):
        phrases = read_meta_phrases(parts.text, kind)
    elif parts.text is not None:
        phrases = read_phrases(parts.text, year)
    bare = _list_videos(parts, single=year == "2016")
    odd: Counter[str] = Counter()
    videos = [video for one in bare if (video := _describe(one, phrases, hungarian, odd)).expressions]
    odd["mute"] = len(bare) - len(videos)
    odd["palettes"] = sum(one.single and read_mode(one.mask(one.targets[0])) == "P" for one in videos)
    if not videos:
        raise RefvidError(
            f"the phrases in {parts.text} describe none of the sequences in {parts.sequences}; download both again"
        )
    return ReferringSet(
        title=info.title,
        split=split,
        protocol=protocol,
        rules=Rules(
            measure="contour",
            matching="hungarian" if hungarian else "own",
            exclusive=year == "2017",
            inner=protocol == SEMI_SUPERVISED,
        ),
        videos=videos,
        layout="palette",
        notes=_notes(parts, phrases, hungarian, odd),
    )


def _list_videos(parts: DavisParts, *, single: bool) -> list[DavisVideo]:
    """Return the sequences with all their frames and an expression without text for each object in the first mask."""
    names = read_sequences(parts.sequences)
    frames = {name: list_names(parts.frames / name, ".jpg") for name in names}
    empty = [name for name in names if not frames[name]]
    short = [name for name in names if set(frames[name]) - set(list_names(parts.masks / name, ".png"))]
    torn = [name for name in names if _has_gaps(frames[name])]
    if empty or short or torn or not names:
        gaps = [f"{parts.frames} has no frames of {name_some(empty)}"] if empty else []
        gaps += [f"{parts.masks} lacks masks of {name_some(short)}"] if short else []
        gaps += [f"{parts.frames} has gaps between the frames of {name_some(torn)}"] if torn else []
        gaps += [] if names else ["it names no sequence"]
        raise RefvidError(f"{parts.sequences}: {' and '.join(gaps)}; unpack the archives again")
    videos = []
    for name in names:
        targets = tuple(Target(frame, index, (0,)) for index, frame in enumerate(frames[name]))
        video = DavisVideo(
            name, (), targets, FrameFolder(parts.frames / name, frames[name]), parts.masks / name, single
        )
        objects = tuple(Expression(str(number), "", number) for number in range(1, _count_objects(video) + 1))
        videos.append(replace(video, expressions=objects))
    return videos


def _has_gaps(names: Sequence[str]) -> bool:
    """Return whether frames are missing before the last one; DAVIS numbers them consecutively from 0."""
    return all(name.isdecimal() for name in names) and [int(name) for name in names] != list(range(len(names)))


def _count_objects(video: DavisVideo) -> int:
    """Return the highest number in the first mask, which the benchmark takes as the number of objects."""
    if video.single:
        return 1
    numbers = video.read_mask(video.targets[0])
    most = int(numbers[numbers != VOID].max(initial=0))
    if not 0 < most <= _MAX_OBJECTS:
        raise RefvidError(
            f"the first mask in {video.masks} numbers {most} objects, expected 1 to {_MAX_OBJECTS}; give DAVIS-17's "
            "palette PNGs as downloaded, not DAVIS-16's and not converted to grey or colour"
        )
    return most


def _describe(video: DavisVideo, phrases: Phrases | None, hungarian: bool, odd: Counter[str]) -> DavisVideo:
    """Assign phrases to the objects of a sequence; a sequence without any phrase is left without expressions."""
    expressions = video.expressions
    if phrases is not None:
        texts_by_run = {run: phrases.texts[run].get(video.name, {}) for run in RUNS}
        expressions = ()
        for run, texts in texts_by_run.items() if any(texts_by_run.values()) else ():
            objects = {int(expression.key) for expression in video.expressions}
            expressions += _run_expressions(run, texts, objects, hungarian, odd)
    counting = tuple(range(len(expressions)))
    return replace(
        video, expressions=expressions, targets=tuple(replace(target, counting=counting) for target in video.targets)
    )


def _run_expressions(
    run: str, texts: Mapping[int, str], objects: set[int], hungarian: bool, odd: Counter[str]
) -> tuple[Expression, ...]:
    """Return the expressions of a run.

    Own matching needs both a phrase and its object. The hungarian protocols keep the rest as well: a phrase without an
    object is a proposal for the matching, and an object without a phrase counts as missed.
    """
    odd["unknown"] += len(texts.keys() - objects)
    odd["silent"] += len(objects - texts.keys())
    numbers = texts.keys() | objects if hungarian else texts.keys() & objects
    return tuple(
        Expression(str(number), texts.get(number, ""), number if number in objects else None, run)
        for number in sorted(numbers)
    )


def _notes(parts: DavisParts, phrases: Phrases | None, hungarian: bool, odd: Counter[str]) -> tuple[str, ...]:
    """Return sentences on faults of the data set; the hungarian protocols keep expressions that others leave out."""
    notes = []
    if parts.frames.name != RESOLUTIONS[0]:
        notes.append(f"Frames and masks are those of {parts.frames.name}; published numbers are made with 480p.")
    if odd["palettes"]:
        notes.append(
            f"{count_of(odd['palettes'], 'sequence')} with palettes as masks, as DAVIS-17's: all objects are one."
        )
    if phrases is None:
        return tuple(notes)
    if isinstance(parts.text, Path):
        notes.append(f"The phrases are those of {parts.text}.")
    unknown = "predictions all the same" if hungarian else "left out"
    silent = "count as missed" if hungarian else "left out"
    faults = (
        ("phrase", phrases.mended, "of a misspelt sequence: mended"),
        ("row", phrases.bad, "of the phrases unreadable, empty or a second one of its object: left out"),
        ("phrase", odd["unknown"], f"of an object that the first mask does not have: {unknown}"),
        ("object", odd["silent"], f"without the phrase of an annotator, counted in each run: {silent}"),
        ("sequence", odd["mute"], "without a phrase: left out"),
    )
    return (*notes, *(f"{count_of(count, noun)} {rest}." for noun, count, rest in faults if count))
