"""DAVIS-16 and DAVIS-17 with Khoreva's phrases, as they are unpacked.

Own matching compares an object with the mask of its phrase. The hungarian protocols are how ReferFormer's numbers are
made: DAVIS's unsupervised task with its own annotation, `Annotations_unsupervised`, whose objects need not be those
with phrases, and whose value 255 does not count.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from refvid.data.davis_files import HUNGARIAN, RESOLUTIONS, SEMI_SUPERVISED, DavisParts, find_parts, read_sequences
from refvid.data.davis_text import RUNS, Kind, Phrases, Year, read_meta_phrases, read_phrases
from refvid.data.frame_folder import FolderVideo, FrameFolder, list_names, read_mode, read_numbers
from refvid.data.referring import Expression, ReferringSet, Rules, Target
from refvid.data.sets import check_choice
from refvid.data.text import count_of, name_some
from refvid.errors import RefvidError

VOID = 255
_MAX_OBJECTS = 20  # the benchmark takes no more; a grey picture of a palette has larger values


@dataclass(frozen=True)
class DavisVideo(FolderVideo):
    """A sequence; every frame counts, for all expressions.

    Attributes:
        name: Of the sequence.
        expressions: Their keys are the objects' numbers. A text is empty where nobody described the object: nothing
            can be found by it. An instance is None where the annotation has no such object.
        targets: All frames.
        frames: The footage.
        masks: The folder with a PNG a frame.
        single: Whether all that is annotated is one object (DAVIS-16).
    """

    name: str
    expressions: tuple[Expression, ...]
    targets: tuple[Target, ...]
    frames: FrameFolder
    masks: Path
    single: bool

    def truth(self, target: Target) -> npt.NDArray[np.bool_]:
        """Read the masks of the counting expressions, bool [len(target.counting), H, W], in their order.

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
        """Read which pixels do not count, bool [H, W]; None where all do.

        Raises:
            RefvidError: As `truth`.
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
        """Read which object each pixel of a frame belongs to, uint8 [H, W]; `VOID` in DAVIS-17 is none of them.

        Raises:
            RefvidError: As `truth`.
        """
        # A few of DAVIS-16's masks are stored in colours, white on black.
        return read_numbers(self.mask(target), self.frames.size(target.index), colours=self.single)


def open_davis16(root: Path, split: str, protocol: str) -> ReferringSet:
    """Open DAVIS-16: one object a sequence, all that is not 0 in its masks.

    Args:
        root: DAVIS/ or the folder that holds it.
        split: "train" or "val".
        protocol: One of the data set's; "semi-supervised" needs no phrases.

    Raises:
        RefvidError: Parts of the data set are missing, or masks make no sense.
        UsageError: The split or the protocol is not one of the data set's.
    """
    return _open("2016", root, split, protocol)


def open_davis17(root: Path, split: str, protocol: str) -> ReferringSet:
    """Open DAVIS-17: as many objects a sequence as the first mask numbers.

    Args:
        root: DAVIS/ or the folder that holds it.
        split: "train" or "val".
        protocol: One of the data set's; "semi-supervised" needs no phrases.

    Raises:
        RefvidError: Parts of the data set are missing, or masks make no sense.
        UsageError: The split or the protocol is not one of the data set's.
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
        raise RefvidError(f"the phrases in {parts.text} say nothing of the sequences in {parts.sequences}; give others")
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
    """List the sequences with all their frames and an expression without text for each object of the first mask."""
    names = read_sequences(parts.sequences)
    frames = {name: list_names(parts.frames / name, ".jpg") for name in names}
    empty = [name for name in names if not frames[name]]
    short = [name for name in names if set(frames[name]) - set(list_names(parts.masks / name, ".png"))]
    torn = [name for name in names if _has_gaps(frames[name])]
    if empty or short or torn or not names:
        gaps = [f"{parts.frames} has no frames of {name_some(empty)}"] if empty else []
        gaps += [f"{parts.masks} has not all masks of {name_some(short)}"] if short else []
        gaps += [f"{parts.frames} lacks frames between others of {name_some(torn)}"] if torn else []
        gaps += [] if names else ["it names no sequence"]
        raise RefvidError(f"of {parts.sequences}: {' and '.join(gaps)}; unpack the archives again")
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
    """Return whether frames are missing before the last one; DAVIS numbers them from 0, one after the other."""
    return all(name.isdecimal() for name in names) and [int(name) for name in names] != list(range(len(names)))


def _count_objects(video: DavisVideo) -> int:
    """Return the largest number in the first mask, which is how the benchmark counts objects."""
    if video.single:
        return 1
    numbers = video.read_mask(video.targets[0])
    most = int(numbers[numbers != VOID].max(initial=0))
    if not 0 < most <= _MAX_OBJECTS:
        raise RefvidError(
            f"the first mask in {video.masks} numbers {most} objects, expected 1 to {_MAX_OBJECTS}; give DAVIS-17's "
            "palette PNGs as downloaded, not DAVIS-16's and no pictures of them"
        )
    return most


def _describe(video: DavisVideo, phrases: Phrases | None, hungarian: bool, odd: Counter[str]) -> DavisVideo:
    """Give the objects of a sequence their phrases; one of which nothing is said is left without expressions."""
    expressions = video.expressions
    if phrases is not None:
        spoken = {run: phrases.said[run].get(video.name, {}) for run in RUNS}
        expressions = ()
        for run, texts in spoken.items() if any(spoken.values()) else ():
            expressions += _say(run, texts, {int(expression.key) for expression in video.expressions}, hungarian, odd)
    counting = tuple(range(len(expressions)))
    return replace(
        video, expressions=expressions, targets=tuple(replace(target, counting=counting) for target in video.targets)
    )


def _say(
    run: str, texts: Mapping[int, str], objects: set[int], hungarian: bool, odd: Counter[str]
) -> tuple[Expression, ...]:
    """Return the expressions of a run; the benchmark matches every proposal, and misses every object without one."""
    odd["unknown"] += len(texts.keys() - objects)
    odd["silent"] += len(objects - texts.keys())
    numbers = texts.keys() | objects if hungarian else texts.keys() & objects
    return tuple(
        Expression(str(number), texts.get(number, ""), number if number in objects else None, run)
        for number in sorted(numbers)
    )


def _notes(parts: DavisParts, phrases: Phrases | None, hungarian: bool, odd: Counter[str]) -> tuple[str, ...]:
    """Return what is odd; the hungarian protocols keep what the others leave out."""
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
    told = (
        ("phrase", phrases.mended, "of a misspelt sequence: mended"),
        ("row", phrases.bad, "of the phrases unreadable, empty or a second one of its object: left out"),
        ("phrase", odd["unknown"], f"of an object that the first mask does not have: {unknown}"),
        ("object", odd["silent"], f"without the phrase of an annotator, counted in each run: {silent}"),
        ("sequence", odd["mute"], "without a phrase: left out"),
    )
    return (*notes, *(f"{count_of(count, noun)} {rest}." for noun, count, rest in told if count))
