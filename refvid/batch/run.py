"""Run the jobs of a batch, one after another or several at a time, and yield the result of each."""

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from refvid.batch.claims import Claims
from refvid.batch.plan import BatchJob
from refvid.batch.record import BatchRecord, Findings, Finished, VideoReport, make_key
from refvid.errors import OutputExistsError, RefvidError, UsageError
from refvid.files import remove_stale

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
    segment: SegmentFunction | Sequence[SegmentFunction],
    options: "SegmentOptions",
    model: str,
    revision: str | None,
    output_folder: Path,
) -> Iterator[BatchResult]:
    """Run the jobs and yield the result of each as soon as it is known.

    A job that was finished earlier with the same input, expressions, options and model is skipped, also if the run
    ended before it could record it. Any other existing output is replaced only with `options.overwrite`, also one that
    an earlier run made of other expressions. A job that another run is doing is left to it, and done only if that run
    ends without it.

    Args:
        jobs: Jobs of the batch.
        segment: Function that segments one video; of several, each is called in a thread of its own.
        options: Options for every video.
        model: Name that identifies the weights.
        revision: Commit of a model from the Hub.
        output_folder: Folder of the record; created if necessary.
    """
    output_folder.mkdir(parents=True, exist_ok=True)
    with Claims(output_folder) as claims:
        batch = _Batch(BatchRecord(output_folder), claims, options, model, revision)
        if isinstance(segment, Sequence):
            yield from _in_threads(batch, jobs, segment)
            return
        for wait, some in ((False, jobs), (True, batch.left)):
            for job in some:
                if (result := batch.run(job, segment, wait=wait)) is not None:
                    yield result


class _Batch:
    """The parts that all jobs of a run share; threads may use it at the same time.

    Attributes:
        left: Jobs that another run was doing when their turn came.
    """

    def __init__(
        self, record: BatchRecord, claims: Claims, options: "SegmentOptions", model: str, revision: str | None
    ) -> None:
        self.left: list[BatchJob] = []
        self._record, self._claims = record, claims
        self._options, self._model, self._revision = options, model, revision
        self._lock = threading.Lock()  # of the record

    def run(self, job: BatchJob, segment: SegmentFunction, *, wait: bool) -> BatchResult | None:
        """Return the result of a job; None if another run is doing it and it is not to be waited for."""
        began = time.monotonic()
        output, error, findings = job.output, None, None
        status: Status = "done"
        try:
            key = make_key(job, self._options, self._model, self._revision)
            finished = self._find(key, job)
            if finished is None:
                if not self._claims.take(job.output, wait=wait):
                    self.left.append(job)
                    return None
                try:
                    finished = self._find(key, job)  # the other run may have done it in the meantime
                    if finished is None:
                        findings = self._do(key, job, segment)
                finally:
                    self._claims.release(job.output)
            if finished is not None:
                output, findings, status = finished.output, finished.findings, "skipped"
        except Exception as failure:  # whatever is wrong with one video must not stop the others
            LOGGER.debug("%s failed", job.input, exc_info=failure)
            status, error, findings = "failed", as_sentence(failure), None
        seconds = round(time.monotonic() - began, 3)
        return BatchResult(job.input, job.expressions, output, status, seconds, error, findings)

    def _find(self, key: str, job: BatchJob) -> Finished | None:
        with self._lock:
            self._record.refresh()
            return self._record.find(key, job)

    def _do(self, key: str, job: BatchJob, segment: SegmentFunction) -> Findings:
        if self._claims.work:  # else another machine may be writing them
            remove_stale(job.output)
        with self._lock:
            _check_output(job, self._options, self._record.writer_of(job.output))
            self._record.begin(key, job)
        job.output.parent.mkdir(parents=True, exist_ok=True)
        try:
            findings = Findings.of(segment(job.input, job.expressions, job.output, options=self._options))
        except BaseException:
            with self._lock:
                self._record.give_up(job)
            raise
        with self._lock:
            self._record.add(key, job, findings)
        return findings


def _in_threads(batch: _Batch, jobs: Sequence[BatchJob], segments: Sequence[SegmentFunction]) -> Iterator[BatchResult]:
    """Run the jobs in one thread for each function; jobs that another run is doing come last."""
    waiting: deque[BatchJob] = deque(jobs)
    results: queue.SimpleQueue[BatchResult] = queue.SimpleQueue()
    stopped = threading.Event()

    def work(segment: SegmentFunction) -> None:
        for wait, some in ((False, waiting), (True, batch.left)):
            while not stopped.is_set():
                try:
                    job = some.popleft() if isinstance(some, deque) else some.pop(0)
                except IndexError:
                    break
                if (result := batch.run(job, segment, wait=wait)) is not None:
                    results.put(result)

    threads = [threading.Thread(target=work, args=(segment,), daemon=True) for segment in segments]
    for thread in threads:
        thread.start()
    try:
        for _ in jobs:
            while True:  # with a limit, so that Ctrl-C is noticed on every system
                with suppress(queue.Empty):
                    yield results.get(timeout=1.0)
                    break
    finally:
        stopped.set()


def _check_output(job: BatchJob, options: "SegmentOptions", earlier: Finished | None) -> None:
    """Check that the output may be written; `earlier` is the job that made it, if any.

    Raises:
        OutputExistsError: It exists and may not be replaced.
        UsageError: It is the input.
    """
    if isinstance(job.input, Path) and job.output.resolve() == job.input.resolve():
        raise UsageError(f"the output {job.output} is the input itself; give another output")
    if job.output.exists() and not options.overwrite:
        raise OutputExistsError(
            f"{job.output} already exists and {_origin(job, earlier)}; give -y to replace it, or another folder with -o"
        )


def _origin(job: BatchJob, earlier: Finished | None) -> str:
    """Return where an existing output comes from, as part of a message."""
    if earlier is None:
        return "is not from this batch"
    if earlier.expressions != job.expressions:
        return f"shows {' and '.join(repr(each) for each in earlier.expressions)}, from an earlier run"
    return "was made by an earlier run with other options, another model or another state of the input"


def as_sentence(error: Exception) -> str:
    """Return the message of a failed job."""
    text = " ".join(str(error).split())
    return text if isinstance(error, RefvidError) else f"unexpected {type(error).__name__}: {text}".rstrip(": ")
