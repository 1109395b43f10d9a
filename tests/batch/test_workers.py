"""Several videos at a time, lost workers, and two runs into one folder; the model is a stand-in."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from refvid.batch.claims import Claims
from refvid.batch.plan import plan_folder
from refvid.batch.run import BatchResult, SegmentFunction, run_batch
from refvid.batch.worker import Worker, available_memory, end_workers, start_workers
from refvid.errors import RefvidError, WeightsError
from refvid.progress import Tell, tell_nobody
from tests.batch.stand_in import fail_to_load, prepare
from tests.batch.test_batch import Options

ROOT = Path(__file__).parents[2]


def _run(folder: Path, out: Path, workers: Sequence[SegmentFunction]) -> list[BatchResult]:
    jobs = plan_folder(folder, ["dog"], out, None)
    return list(
        run_batch(jobs, segment=workers, options=Options(), model="m", revision=None, output_folder=out)  # type: ignore[arg-type]
    )


def _videos(folder: Path, *names: str) -> Path:
    folder.mkdir()
    for name in names:
        (folder / name).write_text(name)
    return folder


def test_workers_share_the_jobs_and_survive_losses(tmp_path: Path) -> None:
    log, said = tmp_path / "log", list[str]()
    names = ("a.mp4", "b.mp4", "bad.mp4", "kill.mp4", "odd.mp4")
    videos, out = _videos(tmp_path / "videos", *names), tmp_path / "out"
    workers = start_workers(partial(prepare, log=log), 2, said.append)
    try:
        results = {Path(result.input).name: result for result in _run(videos, out, workers)}
        again = _run(videos, out, workers)
    finally:
        end_workers(workers)
    assert {name: result.status for name, result in results.items()} == {
        "a.mp4": "done",
        "b.mp4": "done",
        "bad.mp4": "failed",
        "kill.mp4": "done",
        "odd.mp4": "failed",
    }
    assert results["bad.mp4"].error == f"{videos / 'bad.mp4'} breaks off"
    assert results["odd.mp4"].error == "unexpected ZeroDivisionError: nothing"
    assert "a.mp4: a remark" in said
    lines = [line.split() for line in log.read_text().splitlines()]
    assert len({process for _, process in lines}) >= 2
    assert os.getpid() not in {int(process) for _, process in lines}
    assert [name for name, _ in lines].count("a.mp4") == 1
    assert sum(result.status == "skipped" for result in again) == 3


def test_worker_that_is_lost_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(worker: Worker) -> int:
        raise EOFError

    monkeypatch.setattr(Worker, "start", lose)
    monkeypatch.setattr(Worker, "_end", lambda worker: "killed by SIGKILL")
    worker = Worker(fail_to_load, 0, 2, tell_nobody)
    with pytest.raises(RefvidError, match=r"was lost 2 times \(killed by SIGKILL\); with fewer --workers"):
        worker(Path("a.mp4"), ["dog"], Path("b.mp4"), options=Options())  # type: ignore[arg-type]


@dataclass
class _Fitting:
    """Stands in for a worker that needs a gibibyte."""

    prepare: object
    number: int
    total: int
    tell: Tell

    def start(self) -> int:
        return 2**30

    def end(self) -> None:
        pass


def test_no_more_workers_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    free = iter([4 * 2**30, 2 * 2**30, 2**30])
    monkeypatch.setattr("refvid.batch.worker.Worker", _Fitting)
    monkeypatch.setattr("refvid.batch.worker.available_memory", lambda: next(free))
    said: list[str] = []
    assert len(start_workers(partial(prepare, log=Path()), 8, said.append)) == 3
    assert said == ["only 3 of 8 workers fit into memory: each needs about 1.5 GiB, and 1.0 GiB are free"]


def test_available_memory_heeds_the_container(tmp_path: Path) -> None:
    assert available_memory(tmp_path) is None
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    2048 kB\n")
    assert available_memory(tmp_path) == 2 * 2**20
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/memory.current").write_text("1000\n")
    (tmp_path / "sys/fs/cgroup/memory.max").write_text("max\n")
    assert available_memory(tmp_path) == 2 * 2**20
    (tmp_path / "sys/fs/cgroup/memory.max").write_text("5000\n")
    assert available_memory(tmp_path) == 4000


def test_model_that_cannot_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="the weights are damaged"):
        start_workers(fail_to_load, 2, tell_nobody)


RUN = """
import sys
from pathlib import Path
from refvid.batch.plan import plan_folder
from refvid.batch.run import run_batch
from tests.batch.test_batch import Options
from tests.batch.stand_in import prepare
base, seconds = Path(sys.argv[1]), float(sys.argv[2])
segment = prepare(0, 1, lambda sentence: None, log=base / "log", seconds=seconds)
jobs = plan_folder(base / "videos", ["dog"], base / "out", None)
print("ready", flush=True)
for result in run_batch(jobs, segment=segment, options=Options(), model="m", revision=None, output_folder=base / "out"):
    print(Path(result.input).name, result.status, flush=True)
"""


def _start(base: Path, seconds: float) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(base), str(seconds)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_two_runs_do_each_video_once(tmp_path: Path) -> None:
    names = [f"slow{number}.mp4" for number in range(6)]
    _videos(tmp_path / "videos", *names)
    runs = [_start(tmp_path, 0.15) for _ in range(2)]
    said = [run.communicate(timeout=60)[0].splitlines() for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    done = [line.split()[0] for line in (tmp_path / "log").read_text().splitlines()]
    assert sorted(done) == names
    assert all(len(lines) == 6 for lines in said), "each run accounts for every video"


def test_killed_run_leaves_the_rest_to_another(tmp_path: Path) -> None:
    _videos(tmp_path / "videos", "0.mp4", "slow1.mp4", "slow2.mp4")
    first = _start(tmp_path, 60)
    assert first.stdout is not None
    assert first.stdout.readline() == "0.mp4 done\n"
    while "slow1.mp4" not in (tmp_path / "log").read_text():
        time.sleep(0.02)
    other = _start(tmp_path, 0)  # leaves slow1.mp4 to the first run, until that is killed
    assert other.stdout is not None
    assert [other.stdout.readline() for _ in range(2)] == ["0.mp4 skipped\n", "slow2.mp4 done\n"]
    first.kill()
    first.communicate()
    assert other.communicate(timeout=60)[0] == "slow1.mp4 done\n"
    names = [line.split()[0] for line in (tmp_path / "log").read_text().splitlines()]
    assert sorted(names) == ["0.mp4", "slow1.mp4", "slow1.mp4", "slow2.mp4"]


def test_claims_of_one_process_do_not_bar_itself(tmp_path: Path) -> None:
    with Claims(tmp_path) as claims:
        assert claims.take(tmp_path / "a", wait=False)
        assert claims.take(tmp_path / "b", wait=False)
        claims.release(tmp_path / "a")
