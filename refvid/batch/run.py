"""The batch itself: one job after another, each with its result."""

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
    """What became of a job; `error` is a sentence when it failed, and `output` the place where its output is."""

    input: Path
    expressions: tuple[str, ...]
    output: Path
    status: Status
    seconds: float
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Gives the object that `refvid batch --json` prints."""
        return asdict(self) | {"input": str(self.input), "output": str(self.output)}


class SegmentFunction(Protocol):
    """Segments one video; raises an error when it cannot."""

    def __call__(
        self, input: Path, expressions: Sequence[str], output: Path, *, options: "SegmentOptions"
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
    """Does the jobs one after another and yields what became of each as soon as it is known.

    A job that was finished before with the same input, expressions, options and model is skipped. Outputs of earlier
    runs are replaced when anything of that changed; one that this folder's record does not know is not, unless
    `options.overwrite`.
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
        except Exception as failure:  # one bad video, whatever is wrong with it, must not stop the others
            LOGGER.debug("%s failed", job.input, exc_info=failure)
            status, error = "failed", _as_sentence(failure)
        yield BatchResult(job.input, job.expressions, output, status, round(time.monotonic() - began, 3), error)


def _do(job: BatchJob, segment: SegmentFunction, options: "SegmentOptions", *, ours: bool) -> None:
    if job.output.resolve() == job.input.resolve():
        raise UsageError(f"{job.output} is the input itself; give another output")
    if job.output.exists() and not (ours or options.overwrite):
        raise OutputExistsError(f"{job.output} exists and is not from this batch; add -y to replace it")
    job.output.parent.mkdir(parents=True, exist_ok=True)
    segment(job.input, job.expressions, job.output, options=replace(options, overwrite=ours or options.overwrite))


def _as_sentence(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, RefvidError) else f"unexpected {type(error).__name__}: {text}".rstrip(": ")
