"""The videos, sentences and frames of A2D Sentences that are evaluated, and the faults of the others."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from refvid.data.a2d_files import (
    MISSED,
    TEXT,
    VIDEO_SET,
    Held,
    Parts,
    Sentence,
    find_parts,
    mask_files,
    parse_sentences,
    read_held,
    read_splits,
)
from refvid.data.a2d_video import A2DVideo
from refvid.data.packages import need_package
from refvid.data.referring import Expression, Target
from refvid.data.text import count_of, name_some, read_lines
from refvid.errors import RefvidError


@dataclass
class Survey:
    """The usable part of a split, and the faults found in the rest.

    Attributes:
        split: Name of the split.
        videos: Videos that have a sentence, masks and a frame to evaluate, in the order of the text.
        bad_rows: Number of unreadable rows in the text, of either split; the original has one.
        unlisted: Number of sentences of each video that videoset.csv does not list.
        silent: Number of videos in the split without a sentence.
        unexplained: Number of those that a2d_missed_videos.txt does not list; None if that file is missing.
        without_masks: Number of sentences of each video in the split that has no masks.
        unseen: Number of sentences about an instance that no annotated frame shows.
        surplus: Number of files with more masks than instances.
        lacking: Number of files with fewer masks than instances.
        doubled: Number of files that name an instance twice.
    """

    split: str
    videos: list[A2DVideo] = field(default_factory=list)
    bad_rows: int = 0
    unlisted: Counter[str] = field(default_factory=Counter)
    silent: int = 0
    unexplained: int | None = None
    without_masks: Counter[str] = field(default_factory=Counter)
    unseen: int = 0
    surplus: int = 0
    lacking: int = 0
    doubled: int = 0

    def count_faults(self, held: Held) -> None:
        """Count the faults of a mask file."""
        self.surplus += held.surplus > 0
        self.lacking += held.surplus < 0
        self.doubled += len(set(held.instances)) < len(held.instances)

    def notes(self) -> tuple[str, ...]:
        """Return one sentence for each kind of fault found."""
        listed = "" if self.unexplained is None else f", {self.unexplained} of them not in {MISSED}"
        counted = {
            f"{count_of(self.bad_rows, 'row')} of {TEXT} cannot be read: left out": self.bad_rows,
            f"{_count_sentences(self.unlisted)} not in {VIDEO_SET}: left out": len(self.unlisted),
            f"{count_of(self.silent, 'video')} of the split {self.split} without a sentence{listed}": self.silent,
            f"{_count_sentences(self.without_masks)} without masks: left out": len(self.without_masks),
            f"{count_of(self.unseen, 'sentence')} about what no annotated frame shows: never counted": self.unseen,
            f"{count_of(self.surplus, 'mask file')} with more masks than instances: the first taken": self.surplus,
            f"{count_of(self.lacking, 'mask file')} with fewer masks than instances: the first taken": self.lacking,
            f"{count_of(self.doubled, 'mask file')} with an instance twice: its first mask taken": self.doubled,
        }
        return tuple(note for note, number in counted.items() if number)


def survey_split(root: Path, split: str, protocol: str) -> Survey:
    """Read the text and, for "mttr", the instances in each annotated frame.

    Args:
        root: Folder that holds the data set.
        split: "train" or "test".
        protocol: "mttr" or "refvos", see `refvid.data.a2d.open_a2d`.

    Raises:
        RefvidError: Parts of the data set are missing, or nothing is left of the split.
        UnavailableError: h5py is not installed.
    """
    need_package("h5py", "reading A2D Sentences")
    parts = find_parts(root)
    survey = Survey(split)
    by_video = _read_text(parts, survey)
    files = {video: mask_files(parts.masks / video) for video in by_video}
    survey.without_masks = Counter({video: len(sentences) for video, sentences in by_video.items() if not files[video]})
    footage = parts.footage()
    _check_footage(root, parts, split, [video for video in by_video if files[video] and video not in footage])
    for video, sentences in by_video.items():
        if not files[video]:
            continue
        expressions = _express(sentences)
        targets = _find_targets(expressions, files[video], protocol, survey)
        survey.unseen += len(expressions) - len({e for target in targets for e in target.counting})
        if targets:
            survey.videos.append(A2DVideo(video, expressions, targets, footage[video], parts.masks / video))
    if not survey.videos:
        raise RefvidError(
            f"{root} has no video to evaluate in the split {split}: {len(by_video)} of its videos have sentences, and "
            f"{len(survey.without_masks)} of those have no masks in {parts.masks}; unpack the masks, or give "
            "another split"
        )
    return survey


def _read_text(parts: Parts, survey: Survey) -> dict[str, list[Sentence]]:
    """Return the sentences of the split by video, in the order of the text."""
    sentences, survey.bad_rows = parse_sentences(read_lines(parts.text))
    splits = read_splits(parts.video_set)
    survey.unlisted = Counter(sentence.video for sentence in sentences if sentence.video not in splits)
    by_video: defaultdict[str, list[Sentence]] = defaultdict(list)
    for sentence in sentences:
        if splits.get(sentence.video) == survey.split:
            by_video[sentence.video].append(sentence)
    silent = {video for video, part in splits.items() if part == survey.split and video not in by_video}
    survey.silent = len(silent)
    if parts.missed is not None:
        survey.unexplained = len(silent - {line.strip() for line in read_lines(parts.missed)})
    return by_video


def _check_footage(root: Path, parts: Parts, split: str, missing: Sequence[str]) -> None:
    if missing:
        places = ", ".join(str(folder) for folder in (*parts.clips, *parts.pictures))
        raise RefvidError(
            f"{root} is incomplete: {count_of(len(missing), 'video')} of the split {split} without footage "
            f"({name_some(missing)}), searched in {places}; unpack the videos again"
        )


def _express(sentences: Sequence[Sentence]) -> tuple[Expression, ...]:
    """Return expressions with unique keys: a world has several sentences per instance, the original data set one."""
    seen: Counter[int] = Counter()
    expressions = []
    for sentence in sentences:
        seen[sentence.instance] += 1
        nth = seen[sentence.instance]
        key = str(sentence.instance) if nth == 1 else f"{sentence.instance}-{nth}"
        expressions.append(Expression(key, sentence.query, sentence.instance))
    return tuple(expressions)


def _find_targets(
    expressions: Sequence[Expression], files: Sequence[Path], protocol: str, survey: Survey
) -> tuple[Target, ...]:
    """Return the frames of a video with the sentences evaluated in each; frames without any are left out."""
    targets = []
    for path in files:
        counting = tuple(range(len(expressions)))
        if protocol == "mttr":
            held = read_held(path)
            survey.count_faults(held)
            counting = tuple(e for e in counting if expressions[e].instance in held.instances)
        if counting:
            targets.append(Target(path.stem, int(path.stem) - 1, counting))
    return tuple(targets)


def _count_sentences(videos: Counter[str]) -> str:
    return f"{count_of(videos.total(), 'sentence')} of {count_of(len(videos), 'video')}"
