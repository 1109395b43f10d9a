"""Preparation of an evaluation: open the source of masks, the journal and the folder for predictions."""

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
    """The user's request for an evaluation; None stands for the default of the model.

    Attributes:
        dataset: Name of the data set.
        root: Folder of the data set.
        model: Name, folder or Hub id of the model.
        revision: Revision of a model on the Hub.
        device: Device to run the model on.
        precision: Precision of the model's arithmetic.
        threshold: Probability above which a pixel belongs to the object.
        refine: Whether to refine the masks with DenseCRF.
        predictions: Folder to write the masks to; None to keep none.
        stored: Folder of masks to score instead of running a model.
        missing: How to treat a stored mask whose file is missing.
        limit: Maximum number of videos. Evaluations that differ in it do not share a journal.
        fresh: Whether to redo what an interrupted evaluation has finished.
        overwrite: Whether to replace the predictions of another evaluation.
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
    """Everything needed to start scoring.

    Attributes:
        source: Source of the masks.
        origin: Description of the source, for the results.
        notes: Sentences on peculiarities of the masks.
        journal: Record of what an interrupted evaluation has finished; None for masks on disk, which are quick to score
            and may have changed in the meantime.
        submission: Writer of the masks; None to keep none.
    """

    source: MaskSource
    origin: Origin
    notes: tuple[str, ...]
    journal: Journal | None = None
    submission: Submission | None = None


@contextmanager
def open_plan(plan: Plan, referring_set: ReferringSet, say: Callable[[str], None]) -> Iterator[Opened]:
    """Open stored masks, or load the model together with the state of an interrupted evaluation.

    Args:
        plan: The request.
        referring_set: The split to evaluate.
        say: Called with a sentence for the user when an earlier evaluation is continued.

    Raises:
        RefvidError: Stored masks are missing or incomplete.
        OutputExistsError: The folder for the predictions is not empty.
        UnavailableError: The model, the device, the precision or pydensecrf is not available.
        UsageError: The threshold is not a probability, or the parent folder of the predictions does not exist.
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
    """Return everything besides the data set that the rows of an evaluation depend on."""
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
    """Open the journal and the folder for predictions; if only one of them exists, start afresh."""
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
