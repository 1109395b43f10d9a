"""Run the jobs of a batch one after another, and yield the result of each."""

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from refvid.batch.plan import BatchJob
from refvid.batch.record import BatchRecord, make_key
from refvid.errors import OutputExistsError, RefvidError, UsageError

if TYPE_CHECKING:
    from refvid.inference.video import SegmentOptions

LOGGER = logging.getLogger(__name__)
Status = Literal["done", "skipped", "failed"]


@dataclass(frozen=True)
class BatchResult:
    """The result of a job.

    Attributes:
        input: Video that was read.
        expressions: What was looked for.
        output: Path of the output, which for a skipped job may have another name than planned.
        status: "done", "skipped" or "failed".
        seconds: Duration of the job.
        error: Message of a failed job; None otherwise.
    """

    input: Path | str
    expressions: tuple[str, ...]
    output: Path
    status: Status
    seconds: float
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the object that `refvid batch --json` prints."""
        return asdict(self) | {"input": str(self.input), "output": str(self.output)}


class SegmentFunction(Protocol):
    """A function that segments one video and raises an error if it cannot."""

    def __call__(
        self, input: Path | str, expressions: Sequence[str], output: Path, *, options: "SegmentOptions"
    ) -> object: ...


def run_batch(
    jobs: Sequence[BatchJob],
    *,
    segment: SegmentFunction,
    options: "SegmentOptions",
    model: str,
    revision: str | None,
    output_folder: Path,
) -> Iterator[BatchResult]:
    """Run the jobs one after another and yield the result of each as soon as it is known.

    A job that was finished earlier with the same input, expressions, options and model is skipped. If any of these has
    changed, the output of the earlier run is replaced. An existing output that is not in the folder's record is
    replaced only with `options.overwrite`.

    Args:
        jobs: Jobs of the batch.
        segment: Function that segments one video.
        options: Options for every video.
        model: Name that identifies the weights.
        revision: Commit of a model from the Hub.
        output_folder: Folder of the record; created if necessary.
    """
    output_folder.mkdir(parents=True, exist_ok=True)
    record = BatchRecord(output_folder)
    for job in jobs:
        began = time.monotonic()
        output, error = job.output, None
        status: Status = "done"
        try:
            key = make_key(job, options, model, revision)
            finished = record.find(key, job)
            if finished is not None:
                output, status = finished, "skipped"
            else:
                _do(job, segment, options, ours=record.knows(job.output))
                record.add(key, job)
        except Exception as failure:  # whatever is wrong with one video must not stop the others
            LOGGER.debug("%s failed", job.input, exc_info=failure)
            status, error = "failed", _as_sentence(failure)
        yield BatchResult(job.input, job.expressions, output, status, round(time.monotonic() - began, 3), error)


def _do(job: BatchJob, segment: SegmentFunction, options: "SegmentOptions", *, ours: bool) -> None:
    if isinstance(job.input, Path) and job.output.resolve() == job.input.resolve():
        raise UsageError(f"the output {job.output} is the input itself; give another output")
    if job.output.exists() and not (ours or options.overwrite):
        raise OutputExistsError(f"{job.output} already exists and is not from this batch; give -y to replace it")
    job.output.parent.mkdir(parents=True, exist_ok=True)
    segment(job.input, job.expressions, job.output, options=replace(options, overwrite=ours or options.overwrite))


def _as_sentence(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, RefvidError) else f"unexpected {type(error).__name__}: {text}".rstrip(": ")
