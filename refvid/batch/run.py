"""Run the jobs of a batch one after another, and yield the result of each."""

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from refvid.batch.plan import BatchJob
from refvid.batch.record import BatchRecord, Findings, Finished, VideoReport, make_key
from refvid.errors import OutputExistsError, RefvidError, UsageError

if TYPE_CHECKING:
    from refvid.inference.options import SegmentOptions

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
        findings: What was found, also for a skipped job; None for a failed one.
    """

    input: Path | str
    expressions: tuple[str, ...]
    output: Path
    status: Status
    seconds: float
    error: str | None = None
    findings: Findings | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the object that `refvid batch --json` prints."""
        values = asdict(self) | {"input": str(self.input), "output": str(self.output)}
        found = values.pop("findings") or dict.fromkeys(field.name for field in fields(Findings))
        return values | found


class SegmentFunction(Protocol):
    """A function that segments one video and raises an error if it cannot."""

    def __call__(
        self, input: Path | str, expressions: Sequence[str], output: Path, *, options: "SegmentOptions"
    ) -> VideoReport: ...


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

    A job that was finished earlier with the same input, expressions, options and model is skipped. Any other existing
    output is replaced only with `options.overwrite`, also one that an earlier run made of other expressions.

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
        output, error, findings = job.output, None, None
        status: Status = "done"
        try:
            key = make_key(job, options, model, revision)
            finished = record.find(key, job)
            if finished is not None:
                output, findings, status = finished.output, finished.findings, "skipped"
            else:
                findings = Findings.of(_do(job, segment, options, record.writer_of(job.output)))
                record.add(key, job, findings)
        except Exception as failure:  # whatever is wrong with one video must not stop the others
            LOGGER.debug("%s failed", job.input, exc_info=failure)
            status, error, findings = "failed", _as_sentence(failure), None
        seconds = round(time.monotonic() - began, 3)
        yield BatchResult(job.input, job.expressions, output, status, seconds, error, findings)


def _do(job: BatchJob, segment: SegmentFunction, options: "SegmentOptions", earlier: Finished | None) -> VideoReport:
    """Segment one video, unless its output exists and may not be replaced; `earlier` is the job that made it, if any.

    Raises:
        OutputExistsError: It exists.
        UsageError: It is the input.
    """
    if isinstance(job.input, Path) and job.output.resolve() == job.input.resolve():
        raise UsageError(f"the output {job.output} is the input itself; give another output")
    if job.output.exists() and not options.overwrite:
        raise OutputExistsError(
            f"{job.output} already exists and {_origin(job, earlier)}; give -y to replace it, or another folder with -o"
        )
    job.output.parent.mkdir(parents=True, exist_ok=True)
    return segment(job.input, job.expressions, job.output, options=options)


def _origin(job: BatchJob, earlier: Finished | None) -> str:
    """Return where an existing output comes from, as part of a message."""
    if earlier is None:
        return "is not from this batch"
    if earlier.expressions != job.expressions:
        return f"shows {' and '.join(repr(each) for each in earlier.expressions)}, from an earlier run"
    return "was made by an earlier run with other options, another model or another state of the input"


def _as_sentence(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, RefvidError) else f"unexpected {type(error).__name__}: {text}".rstrip(": ")
