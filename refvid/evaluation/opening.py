"""What an evaluation needs before it can begin: a source of masks, its journal, a place for the predictions."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from refvid.data.referring import ReferringSet
from refvid.data.text import count_of
from refvid.evaluation.journal import Journal, evaluation_key, journal_path, model_digest
from refvid.evaluation.model_masks import ModelMasks
from refvid.evaluation.run import Origin
from refvid.evaluation.sources import MaskSource
from refvid.evaluation.stored_masks import MissingRule, StoredMasks
from refvid.evaluation.submissions import Submission

if TYPE_CHECKING:  # masks on disk are scored without PyTorch
    from refvid.model.config import Precision
    from refvid.weights import LoadedModel


@dataclass(frozen=True)
class Plan:
    """What was asked for; None is the model's own.

    Attributes:
        dataset: Name of the data set.
        root: Its folder.
        model: Name, folder or Hub id.
        revision: Of a model on the Hub.
        device: For the model.
        precision: Of its arithmetic.
        threshold: Probability above which a pixel is the object.
        refine: Whether DenseCRF refines the masks.
        predictions: Folder for the masks; None keeps none.
        stored: Folder of masks to score instead of a model's.
        missing: What becomes of stored masks without a file.
        limit: How many videos; part of what tells evaluations apart.
        fresh: Whether what an interrupted evaluation has finished is done again.
        overwrite: Whether predictions of another evaluation are replaced.
    """

    dataset: str
    root: Path
    model: str
    revision: str | None = None
    device: str = "auto"
    precision: "Precision" = "auto"
    threshold: float | None = None
    refine: bool | None = None
    predictions: Path | None = None
    stored: Path | None = None
    missing: MissingRule = "error"
    limit: int | None = None
    fresh: bool = False
    overwrite: bool = False


@dataclass(frozen=True)
class Opened:
    """What is ready to be evaluated.

    Attributes:
        source: Of the masks.
        origin: Who makes them.
        notes: Sentences on what is odd about them.
        journal: With what an interrupted evaluation has finished; None for masks on disk, which are scored quickly and
            may have changed.
        submission: Takes the masks; None keeps none.
    """

    source: MaskSource
    origin: Origin
    notes: tuple[str, ...]
    journal: Journal | None = None
    submission: Submission | None = None


@contextmanager
def open_plan(plan: Plan, referring_set: ReferringSet, say: Callable[[str], None]) -> Iterator[Opened]:
    """Open the masks on disk, or loads the model and what an interrupted evaluation has left.

    Args:
        plan: What was asked for.
        referring_set: The split to evaluate.
        say: Takes a sentence on what is continued.

    Raises:
        RefvidError: Masks are missing or unfinished.
        OutputExistsError: There is something in the folder for the predictions.
        UnavailableError: The model, the device, the precision or pydensecrf is not to be had.
        UsageError: The threshold is no probability, or the predictions have no folder to be in.
        WeightsError: The checkpoint is damaged.
    """
    if plan.stored is not None:
        stored = StoredMasks(plan.stored, referring_set, missing=plan.missing)
        name = plan.stored.resolve().name or str(plan.stored)
        origin = Origin(name, folder=str(plan.stored), ranked=stored.ranked, missing=stored.missing)
        yield Opened(stored, origin, stored.notes)
        return
    from refvid.inference.segmenter import Segmenter
    from refvid.weights import load_model

    loaded = load_model(plan.model, device=plan.device, revision=plan.revision)
    segmenter = Segmenter(loaded, threshold=plan.threshold, refine=plan.refine, precision=plan.precision)
    precision = str(segmenter.precision).removeprefix("torch.")
    origin = Origin(
        loaded.name, loaded.revision, str(loaded.device), precision, segmenter.threshold, segmenter.refine)  # fmt: skip
    with ModelMasks(segmenter, exclusive=referring_set.rules.exclusive) as source:
        key = evaluation_key(referring_set, _settings(plan, origin, loaded))
        journal, submission = _resume(plan, referring_set, key, say)
        yield Opened(source, origin, source.notes(referring_set), journal, submission)


def _settings(plan: Plan, origin: Origin, loaded: "LoadedModel") -> dict[str, Any]:
    """Collect what the rows of an evaluation depend on besides its data set."""
    return {
        "version": version("refvid"),
        "dataset": plan.dataset,
        "root": str(plan.root.resolve()),
        "limit": plan.limit,
        "model": model_digest(loaded),
        "revision": origin.revision,
        "device": loaded.device.type,
        "precision": origin.precision,
        "threshold": origin.threshold,
        "refine": origin.refine,
        "predictions": None if plan.predictions is None else str(plan.predictions.resolve()),
    }


def _resume(
    plan: Plan, referring_set: ReferringSet, key: str, say: Callable[[str], None]
) -> tuple[Journal, Submission | None]:
    """Open the journal and the folder of predictions; one without the other is begun anew."""
    journal, submission = Journal(journal_path(key), fresh=plan.fresh), None
    if plan.predictions is not None:
        submission = Submission(plan.predictions, referring_set)
        if not submission.begin(key, going_on=bool(journal.finished), overwrite=plan.overwrite):
            if journal.finished:
                journal = Journal(journal_path(key), fresh=True)
        else:
            videos = enumerate(referring_set.videos)
            lost = [index for index, video in videos if index in journal.finished and not submission.holds(video)]
            if lost:
                journal.forget(lost)
                say(f"predictions of {count_of(len(lost), 'finished video')} are gone: made again")
    if journal.finished:
        of_all = f"{len(journal.finished):,} of {count_of(len(referring_set.videos), 'video')}"
        say(f"going on after {of_all}; --fresh starts over")
    return journal, submission
