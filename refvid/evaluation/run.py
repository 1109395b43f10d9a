"""The evaluation of a split, from the first video to the scores."""

import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from typing import Any

from refvid.data.referring import EmptyRule, ReferringSet, Rules, Target
from refvid.data.text import count_of
from refvid.errors import RefvidError, UsageError
from refvid.evaluation.footage import NO_ISSUE, footage_notes, inspect_footage
from refvid.evaluation.journal import Finished, Journal
from refvid.evaluation.scoring import SampleRow, score_video, summarise
from refvid.evaluation.sources import FrameMasks, MaskSource
from refvid.evaluation.submissions import Submission, confidences_of
from refvid.progress import OnProgress, ignore_progress

SCHEMA = 1
_NUMBERS = ("samples", "empty")  # entries of the scores that are integers


@dataclass(frozen=True)
class Origin:
    """The source of the masks that are scored. The fields about the model are None for masks on disk.

    Attributes:
        model: Name of the model, or of the masks on disk.
        revision: Commit of a model from the Hub.
        device: Device that runs the model.
        precision: Precision of the network's arithmetic.
        threshold: Probability above which a pixel belongs to the object.
        refine: Whether DenseCRF refines the masks.
        folder: Folder of masks on disk; None for a model.
        ranked: Whether the masks have confidences.
        missing: Number of mask files that are missing and count as empty.
    """

    model: str
    revision: str | None = None
    device: str | None = None
    precision: str | None = None
    threshold: float | None = None
    refine: bool | None = None
    folder: str | None = None
    ranked: bool = True
    missing: int = 0


@dataclass(frozen=True)
class Evaluation:
    """A finished evaluation: data set, source of the masks, settings and scores.

    The fields about the model are None if masks on disk were scored.

    Attributes:
        dataset: Title of the data set.
        name: Name of the data set, as `--dataset` takes it.
        split: Name of the split.
        protocol: Name of the protocol.
        model: Name of the model, or of the masks on disk.
        revision: Commit of a model from the Hub.
        version: Version of refvid.
        device: Device that ran the model.
        precision: Precision of the network's arithmetic.
        threshold: Probability above which a pixel belongs to the object.
        refine: Whether DenseCRF refined the masks.
        seconds: Duration in seconds, including the videos finished by earlier, interrupted runs.
        scores: Fractions under the keys of `--json`, and the counts `samples` and `empty`. Only scores of the
            protocol's measure are present, and none if the ground truth is not public. Undefined scores are nan.
        rows: One row for each sample.
        notes: Sentences for the reader of the results.
        rules: Rules by which the scores were computed.
        counts: Numbers of videos, frames, expressions and samples.
        folder: Folder of masks on disk; None for a model.
        seed: Seed as given by the user; evaluation draws no random numbers.
        ranked: Whether the masks have confidences.
        missing: Number of mask files that were missing and counted as empty.
    """

    dataset: str
    name: str
    split: str
    protocol: str
    model: str
    revision: str | None
    version: str
    device: str | None
    precision: str | None
    threshold: float | None
    refine: bool | None
    seconds: float
    scores: dict[str, float]
    rows: tuple[SampleRow, ...]
    notes: tuple[str, ...]
    rules: Rules = field(default_factory=Rules)
    counts: dict[str, int] = field(default_factory=dict)
    folder: str | None = None
    seed: int = 0
    ranked: bool = True
    missing: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the object that `refvid eval --json` prints.

        Scores are fractions at the top level. Scores of other measures are absent; an undefined score is None, for
        example COCO's AP of masks without confidences.
        """
        return {
            "schema": SCHEMA,
            "version": self.version,
            "model": None if self.folder else self.model,
            "masks": self.folder,
            "revision": self.revision,
            "device": self.device,
            "precision": self.precision,
            "threshold": self.threshold,
            "refine": self.refine,
            "dataset": self.name,
            "title": self.dataset,
            "split": self.split,
            "protocol": self.protocol,
            "rules": asdict(self.rules),
            "seed": self.seed,
            "counts": self.counts,
            "frames": self.counts.get("frames"),
            **{name: _number(name, value) for name, value in self.scores.items()},
            "seconds": self.seconds,
            "notes": list(self.notes),
        }


def evaluate(
    name: str,
    referring_set: ReferringSet,
    source: MaskSource,
    origin: Origin,
    *,
    journal: Journal | None = None,
    submission: Submission | None = None,
    notes: tuple[str, ...] = (),
    seed: int = 0,
    progress: OnProgress = ignore_progress,
) -> Evaluation:
    """Score the masks of every video of a split.

    Args:
        name: Name of the data set, as `--dataset` takes it.
        referring_set: The split.
        source: Source of the masks.
        origin: Description of the source, copied into the result.
        journal: Record of the videos that an interrupted run has finished; they are not evaluated again. Removing it is
            up to the caller.
        submission: Writer that stores the masks as well.
        notes: Sentences about the source, placed after those about the data set.
        seed: Seed to record in the result.
        progress: Called with the number of frames done and the total, both without videos finished earlier.

    Raises:
        RefvidError: Footage, ground truth or masks cannot be read, or an output cannot be written.
    """
    started = time.perf_counter()
    done: dict[int, Finished] = {} if journal is None else _trusted(journal, referring_set)
    earlier = math.fsum(finished.seconds for finished in done.values())
    total = sum(len(video.targets) for index, video in enumerate(referring_set.videos) if index not in done)
    frames = 0
    for index, video in enumerate(referring_set.videos):
        if index in done:
            continue
        done[index] = _evaluate_video(referring_set, index, source, submission, footage=origin.folder is None)
        if journal is not None:
            journal.add(index, done[index])
        frames += len(video.targets)
        progress(frames, total)
    finished = [done[index] for index in range(len(referring_set.videos))]
    if submission is not None:
        submission.finish({mask: value for one in finished for mask, value in one.confidences.items()})
    rows = tuple(row for one in finished for row in one.rows)
    return Evaluation(
        dataset=referring_set.title,
        name=name,
        split=referring_set.split,
        protocol=referring_set.protocol,
        model=origin.model,
        revision=origin.revision,
        version=version("refvid"),
        device=origin.device,
        precision=origin.precision,
        threshold=origin.threshold,
        refine=origin.refine,
        seconds=earlier + time.perf_counter() - started,
        scores=summarise(rows, referring_set.rules) if referring_set.public else {},
        rows=rows,
        notes=(*referring_set.notes, *notes, *footage_notes({one.video: one.issue for one in finished})),
        rules=referring_set.rules,
        counts=count(referring_set),
        folder=origin.folder,
        seed=seed,
        ranked=origin.ranked,
        missing=origin.missing,
    )


def count(referring_set: ReferringSet) -> dict[str, int]:
    """Return the numbers of videos, frames to segment, expressions and samples of a split."""
    counts = referring_set.counts()
    return {"frames": sum(len(video.targets) for video in referring_set.videos), **counts}


def first_videos(referring_set: ReferringSet, limit: int) -> ReferringSet:
    """Return the first videos of a split, with a note that says so.

    Raises:
        UsageError: The limit is not positive.
    """
    if limit < 1:
        raise UsageError(f"--limit is {limit}; give a number of videos of at least 1")
    total = len(referring_set.videos)
    if limit >= total:
        return referring_set
    note = f"Only the first {limit:,} of {count_of(total, 'video')} count: the scores are of a part of the split."
    return replace(referring_set, videos=referring_set.videos[:limit], notes=(*referring_set.notes, note))


def override_rules(referring_set: ReferringSet, inclusive: bool | None, empty: EmptyRule | None) -> ReferringSet:
    """Return a split with the given rules in place of its protocol's, and notes that say so.

    Args:
        referring_set: The split.
        inclusive: Whether an IoU of exactly K counts for P@K; None keeps the protocol's rule.
        empty: Treatment of samples in which both masks are empty; None keeps the protocol's rule.

    Raises:
        UsageError: The protocol is not measured by IoU and precision, so these rules do not apply.
    """
    if inclusive is None and empty is None:
        return referring_set
    rules = referring_set.rules
    if rules.measure != "region":
        raise UsageError(
            f"{referring_set.title} is measured by J and F; leave out --inclusive, --strict and --empty, "
            "which apply to IoU and precision"
        )
    notes = list(referring_set.notes)
    if inclusive is not None and inclusive != rules.inclusive:
        says = "counts" if inclusive else "does not count"
        notes.append(f"An IoU of exactly K {says} for P@K, other than in the protocol {referring_set.protocol}.")
        rules = replace(rules, inclusive=inclusive)
    if empty is not None and empty != rules.empty:
        says = {"one": "has an IoU of 1", "zero": "has an IoU of 0", "skip": "is left out"}[empty]
        notes.append(
            f"A sample where both masks are empty {says}, other than in the protocol {referring_set.protocol}."
        )
        rules = replace(rules, empty=empty)
    return replace(referring_set, rules=rules, notes=tuple(notes))


def _evaluate_video(
    referring_set: ReferringSet, index: int, source: MaskSource, submission: Submission | None, *, footage: bool
) -> Finished:
    """Score one video, and store its masks as they are produced.

    The footage is inspected only if `footage` is set: scoring masks on disk does not need it.
    """
    started = time.perf_counter()
    video = referring_set.videos[index]
    confidences: dict[str, float] = {}

    def found() -> Iterator[tuple[Target, FrameMasks]]:
        for target, one in source.masks(video):
            if submission is not None:
                submission.add(video, target, one)
                confidences.update(confidences_of(video, target, one))
            yield target, one

    rows: list[SampleRow] = []
    if referring_set.public:
        rows = score_video(video, referring_set.rules, found())
    else:
        for _ in found():
            pass
    issue = inspect_footage(video) if footage else NO_ISSUE
    return Finished(video.name, tuple(rows), confidences, time.perf_counter() - started, issue)


def _trusted(journal: Journal, referring_set: ReferringSet) -> dict[int, Finished]:
    """Return the finished videos of a journal after checking that they belong to the split.

    Raises:
        RefvidError: The journal names other videos.
    """
    for index, finished in journal.finished.items():
        if index >= len(referring_set.videos) or referring_set.videos[index].name != finished.video:
            raise RefvidError(
                f"the journal of this evaluation lists '{finished.video}' as video {index}, which the data set does "
                "not; start over with --fresh"
            )
    return dict(journal.finished)


def _number(name: str, value: float) -> float | int | None:
    if math.isnan(value):
        return None
    return int(value) if name in _NUMBERS else value
