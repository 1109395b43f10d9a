"""An evaluation from the first video to the scores."""

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
_NUMBERS = ("samples", "empty")  # scores that count


@dataclass(frozen=True)
class Origin:
    """Who made the masks that are scored.

    Attributes:
        model: Name of the model, or of the masks on disk.
        revision: Commit of a model from the Hub.
        device: That computes; None for masks on disk, as in all that follows but `folder`.
        precision: Of the network's arithmetic.
        threshold: Probability above which a pixel is the object.
        refine: Whether DenseCRF refines the masks.
        folder: Where masks on disk lie; None for a model.
        ranked: Whether the masks have confidences.
        missing: Masks without a file, which count as empty.
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
    """What was evaluated, with what, and the result.

    Attributes:
        dataset: Title of the data set.
        name: Of the data set, as `--dataset` takes it.
        split: Of the data set.
        protocol: Name of the protocol.
        model: Name of the model, or of the masks on disk.
        revision: Commit of a model from the Hub.
        version: Of refvid.
        device: That computed; None where masks on disk were scored, as in the next three.
        precision: Of the network's arithmetic.
        threshold: Probability above which a pixel is the object.
        refine: Whether DenseCRF refined the masks.
        seconds: The evaluation took, with the videos of earlier, interrupted runs of it.
        scores: Fractions by the keys of `--json`, and the numbers `samples` and `empty`; those of the protocol's
            measure alone, and none where the truth is not public. nan where nothing can be said.
        rows: One for each sample.
        notes: Sentences for people.
        rules: By which the scores were counted.
        counts: Numbers of videos, frames, expressions and samples.
        folder: Where masks on disk lie; None for a model.
        seed: As given; nothing is random.
        ranked: Whether the masks have confidences.
        missing: Masks without a file, which count as empty.
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

        Scores are fractions at its top level. Those that another measure has are not there; None is one of which
        nothing can be said, such as COCO's AP of masks without confidences.
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
        name: Of the data set, as `--dataset` takes it.
        referring_set: The split.
        source: Of the masks.
        origin: Who makes them.
        journal: Of what an interrupted run has finished; that is not done again. The caller removes it.
        submission: Takes the masks, too.
        notes: Sentences about the source; they follow those of the data set.
        seed: Written down.
        progress: Takes the frames done and the frames in all, of the videos that were still to do.

    Raises:
        RefvidError: Footage, truth or masks cannot be read, or something cannot be written.
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
    """Return the numbers of videos, of frames that masks are asked for, of expressions and of samples of a split."""
    counts = referring_set.counts()
    return {"frames": sum(len(video.targets) for video in referring_set.videos), **counts}


def first_videos(referring_set: ReferringSet, limit: int) -> ReferringSet:
    """Return a part of a split: its first videos, with a note that says so.

    Raises:
        UsageError: The number is not positive.
    """
    if limit < 1:
        raise UsageError(f"--limit is {limit}; give the number of videos, at least 1")
    total = len(referring_set.videos)
    if limit >= total:
        return referring_set
    note = f"Only the first {limit:,} of {count_of(total, 'video')} count: the scores are of a part of the split."
    return replace(referring_set, videos=referring_set.videos[:limit], notes=(*referring_set.notes, note))


def override_rules(referring_set: ReferringSet, inclusive: bool | None, empty: EmptyRule | None) -> ReferringSet:
    """Return a split that is counted otherwise than its protocol does, with notes that say so; None: as it does.

    Raises:
        UsageError: The protocol has no such rule.
    """
    if inclusive is None and empty is None:
        return referring_set
    rules = referring_set.rules
    if rules.measure != "region":
        raise UsageError(
            f"{referring_set.title} is measured by J and F; --inclusive, --strict and --empty are for IoU and precision"
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
    """Score one video; its masks are stored as they come. Masks on disk are scored without a look at the footage."""
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
    """Return what a journal says of the videos of a split.

    Raises:
        RefvidError: It is of other videos.
    """
    for index, finished in journal.finished.items():
        if index >= len(referring_set.videos) or referring_set.videos[index].name != finished.video:
            raise RefvidError(
                f"the journal of this evaluation names video {index} '{finished.video}', which is not in the data "
                "set; start over with --fresh"
            )
    return dict(journal.finished)


def _number(name: str, value: float) -> float | int | None:
    if math.isnan(value):
        return None
    return int(value) if name in _NUMBERS else value
