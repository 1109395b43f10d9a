"""Frames through stages in threads: the same bytes, no thread and no file left, and PyTorch as it was before."""

import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import pytest
import torch

from refvid.inference.options import SegmentOptions
from refvid.inference.schedule import Overlap, share_cores, usable_cores, where_stages_overlap
from refvid.inference.segmenter import Segmenter
from refvid.inference.video import open_output, segment_video
from refvid.video.output_format import OutputFormat, resolve_output
from refvid.video.reader import open_reader
from refvid.weights import LoadedModel
from tests.clips import make_clip, variable_times
from tests.inference.seams import SEAMS, intercepted

EXPRESSIONS = ["man in red shirt", "the dog"]


@pytest.fixture(autouse=True, params=["network"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Overlap:
    """Which stages have threads, whatever the machine."""
    chosen: Overlap = request.param
    monkeypatch.setattr("refvid.inference.schedule.where_stages_overlap", lambda device: chosen)
    return chosen


in_threads = pytest.mark.parametrize("way", ["network", "io"], indirect=True)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve frames of unequal length, with sound."""
    return make_clip(
        tmp_path_factory.mktemp("clip") / "clip.mp4", frames=12, size=(80, 46), times=variable_times(12), audio="aac"
    )


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def one_after_another(clip: Path, output: Path, model: LoadedModel, options: SegmentOptions) -> Path:
    """Segment in one thread, frame by frame."""
    with open_reader(clip, reader=options.reader) as reader:
        path, format = resolve_output(reader.info, output, options.output_format)
        with open_output(reader, EXPRESSIONS, path, format, options) as writer:
            frames = ((frame, frame.pixels) for frame in reader)
            for each in Segmenter(model, refine=options.refine).run(frames, EXPRESSIONS):
                writer.write(each.item, each.masks)
    return output


def content(path: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in (path.iterdir() if path.is_dir() else [path])}


@in_threads
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("out.mp4", SegmentOptions(reader="pyav")),
        ("out.mp4", SegmentOptions(reader="auto")),
        ("out.mov", SegmentOptions(format=OutputFormat.ALPHA)),
        ("out", SegmentOptions(format=OutputFormat.PNG)),
        ("out.json", SegmentOptions()),
        pytest.param(
            "out.json", SegmentOptions(refine=True),
            marks=pytest.mark.skipif(not importlib.util.find_spec("pydensecrf"), reason="needs refvid[crf]"),
        ),
    ],
)  # fmt: skip
def test_stages_at_the_same_time_write_the_same_bytes(
    clip: Path, model: LoadedModel, tmp_path: Path, name: str, options: SegmentOptions
) -> None:
    for folder in ("alone", "together"):
        (tmp_path / folder).mkdir()
    alone = one_after_another(clip, tmp_path / "alone" / name, model, options)
    segment_video(clip, EXPRESSIONS, tmp_path / "together" / name, model=model, options=options)
    assert content(tmp_path / "together" / name) == content(alone)


def intercept(monkeypatch: pytest.MonkeyPatch, place: str, act: Callable[[], object]) -> None:
    """Have `act` called before each call of the method at one of `SEAMS`."""
    owner, name = SEAMS[place]
    monkeypatch.setattr(owner, name, intercepted(place, act))


@in_threads
@pytest.mark.parametrize("place", ["read", "encode", "enhance", "network", "masks", "write", "finish"])
@pytest.mark.parametrize("error", [RuntimeError("no"), KeyboardInterrupt()])
def test_an_error_of_any_stage_leaves_no_thread_and_no_file(
    clip: Path, model: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, error: BaseException
) -> None:
    calls = []

    def fail() -> None:
        calls.append(place)
        if len(calls) == (1 if place == "finish" else 3):
            raise error

    intercept(monkeypatch, place, fail)
    with pytest.raises(type(error)) as caught:
        segment_video(clip, ["dog"], tmp_path / "out.mp4", model=model, options=SegmentOptions(reader="pyav"))
    assert caught.value is error
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("refvid")] == []
    assert left_in(tmp_path) == []


@in_threads
def test_each_stage_has_its_thread(
    clip: Path, model: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: Overlap
) -> None:
    """Containers are not made for two threads; the user's own function is called in the user's thread."""
    seen: dict[str, set[str]] = {"progress": set()}

    def note_thread(place: str) -> None:
        seen[place].add(threading.current_thread().name)

    for place in ("read", "encode", "enhance", "network", "masks", "write", "finish"):
        seen[place] = set()
        intercept(monkeypatch, place, partial(note_thread, place))
    segment_video(
        clip, ["dog"], tmp_path / "out.mp4", model=model, options=SegmentOptions(reader="pyav"),
        progress=lambda done, total: seen["progress"].add(threading.current_thread().name),
    )  # fmt: skip
    own = threading.current_thread().name
    threads = {"read": "read", "encode": own, "enhance": own, "network": own, "masks": "masks", "write": "write"}
    if way == "network":
        threads = {"read": "encode", "encode": "encode", "enhance": "enhance", "network": "decode"}
        threads |= {"masks": "write", "write": "write"}
    names = {place: {name if name == own else f"refvid {name}"} for place, name in threads.items()}
    assert seen == {**names, "finish": {own}, "progress": {own}}


def in_a_new_thread() -> int:
    """How many threads PyTorch takes in a thread that has not computed yet."""
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return found[0]


@pytest.mark.parametrize("fails", [None, "encode", "enhance", "network", "write"])
def test_pytorch_takes_as_many_threads_as_before(
    clip: Path, model: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str | None
) -> None:
    """In the caller's thread and in any new one: meanwhile and afterwards, also when a stage has failed."""
    seen: dict[str, set[int]] = {"encode": set(), "enhance": set(), "network": set(), "write": set()}

    def note(place: str) -> None:
        seen[place].add(torch.get_num_threads())
        if place == fails:
            raise ArithmeticError

    for place in seen:
        intercept(monkeypatch, place, partial(note, place))
    monkeypatch.setattr("refvid.inference.schedule.usable_cores", lambda: 11)
    before = torch.get_num_threads()
    meanwhile: set[int] = set()
    torch.set_num_threads(5)
    try:
        with nullcontext() if fails is None else pytest.raises(ArithmeticError):
            segment_video(
                clip, ["dog"], tmp_path / "out.mp4", model=model,
                progress=lambda done, total: meanwhile.update((torch.get_num_threads(), in_a_new_thread())),
            )  # fmt: skip
        assert (torch.get_num_threads(), in_a_new_thread()) == (5, 5)
    finally:
        torch.set_num_threads(before)
    expected = {"encode": {4}, "enhance": {3}, "network": {3}, "write": {1}}
    if fails is None:
        assert seen == expected
        assert meanwhile == {5}
    else:
        assert seen[fails] == expected[fails]


def test_cores_are_shared_out_between_the_parts_of_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has one thread at least; where there are enough, a core is left to the other stages."""
    shares = {cores: share_cores(cores) for cores in range(2, 17)}
    assert (shares[2], shares[4], shares[5]) == ((1, 1, 1), (1, 1, 1), (2, 1, 1))
    assert (shares[8], shares[16]) == ((3, 2, 2), (5, 5, 5))
    assert all(min(share) >= 1 and sum(share) <= max(3, cores - 1) for cores, share in shares.items())
    monkeypatch.setattr("refvid.inference.schedule.usable_cores", lambda: 1)
    assert where_stages_overlap(torch.device("cpu")) == "none"
    monkeypatch.setattr("refvid.inference.schedule.usable_cores", lambda: 2)
    assert where_stages_overlap(torch.device("cpu")) == "network"
    assert where_stages_overlap(torch.device("cuda")) == "io"


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="needs the cores a process may run on")
def test_a_core_that_the_process_or_pytorch_may_not_use_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    try:
        for allowed, threads, usable in ((4, 6, 4), (4, 2, 2), (4, 1, 1), (1, 4, 1)):
            monkeypatch.setattr(os, "sched_getaffinity", lambda process, allowed=allowed: set(range(allowed)))
            torch.set_num_threads(threads)
            assert usable_cores() == usable
    finally:
        torch.set_num_threads(before)


@in_threads
def test_a_slow_writer_holds_the_reader_back(
    model: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: Overlap
) -> None:
    """However long the video, memory holds the frames of the channels and of the network's window."""
    long = make_clip(tmp_path / "long.mp4", frames=80, size=(80, 46))
    counts, leads = {"read": 0, "write": 0}, []

    def count(place: str) -> None:
        time.sleep(0.01 if place == "write" else 0)
        counts[place] += 1
        leads.append(counts["read"] - counts["write"])

    for place in counts:
        intercept(monkeypatch, place, partial(count, place))
    segment_video(long, ["dog"], tmp_path / "out.mp4", model=model, options=SegmentOptions(reader="pyav"))
    window = model.network.frame_radius + 1
    channels = 3 + 3 + 3 if way == "network" else 8 + 8 + 8
    assert channels / 3 < max(leads) <= channels + window + 4
    assert counts == {"read": 80, "write": 80}


INTERRUPTED = """
import sys, threading, time
from pathlib import Path
from refvid.inference import schedule
from refvid.__main__ import main
from tests.inference.seams import SEAMS, intercepted

way, clip, checkpoint, folder, *places = sys.argv[1:]
schedule.where_stages_overlap = lambda device: way

def run(place):
    owner, name = SEAMS[place]
    original, calls = getattr(owner, name), []
    def linger():
        calls.append(place)
        if len(calls) == (1 if place == "finish" else 3):
            print("ready", flush=True)
            time.sleep(0.5)
    setattr(owner, name, intercepted(place, linger))
    code = main(["segment", clip, "dog", "-m", checkpoint, "-o", folder + "/out.mp4", "--reader", "pyav",
                 "--refine" if place == "refine" else "--no-refine"])
    setattr(owner, name, original)
    return code

for place in places:
    code = run(place)
    threads = [thread.name for thread in threading.enumerate()]
    print(code, threads, [path.name for path in Path(folder).iterdir()], flush=True)
sys.exit(code)
"""


def start(*arguments: object) -> "subprocess.Popen[str]":
    """Start `INTERRUPTED` in a group of its own, which a signal can be sent to as a terminal does."""
    return subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to another process")
@pytest.mark.timeout(120)
@in_threads
def test_ctrl_c_stops_every_stage(clip: Path, checkpoint: Path, tmp_path: Path, way: Overlap) -> None:
    """In one process, run after run; the processes that refine get it too."""
    places = [place for place in SEAMS if place != "refine" or importlib.util.find_spec("pydensecrf")]
    with start(way, clip, checkpoint, tmp_path, *places) as process:
        try:
            assert process.stdout is not None
            for place in places:
                assert process.stdout.readline() == "ready\n", place
                os.killpg(process.pid, signal.SIGINT)
                assert process.stdout.readline() == "130 ['MainThread'] []\n", place
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()  # if it hangs
    assert process.returncode == 130
    assert said == len(places) * "refvid: interrupted\n"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
def test_a_kill_ends_the_program_and_leaves_nothing(clip: Path, checkpoint: Path, tmp_path: Path, way: Overlap) -> None:
    with start(way, clip, checkpoint, tmp_path, "write") as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            os.killpg(process.pid, signal.SIGTERM)
            out, said = process.communicate(timeout=60)
        finally:
            process.kill()  # if it hangs
    assert (process.returncode, said) == (143, "")
    assert out == "143 ['MainThread'] []\n"
    assert left_in(tmp_path) == []
