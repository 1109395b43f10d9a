"""Stages in threads: what passes through them, how far they run ahead, and that none remains whatever happens."""

import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator

import pytest

from refvid.inference.threads import Channel, Limit, Stages, interrupts_put_off, pipeline

pytestmark = pytest.mark.timeout(60)  # what hangs is to fail soon
STAGES = ("read", "caller", "masks", "write")


@pytest.fixture(autouse=True)
def _no_thread_outlives_the_call() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.fixture(autouse=True, params=["works", "waits"])
def caller(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the caller does meanwhile: a stage of its own, or nothing but wait for the last one's results."""
    monkeypatch.setattr(Line, "caller_works", request.param == "works")
    return str(request.param)


class Line:
    """Four stages as `segment_video` has them, on numbers; `act` is called by each of them with each number."""

    caller_works = True

    def __init__(self, items: Iterable[int], act: Callable[[str, int], object], limit: Limit | None = None) -> None:
        self.items, self.act, self.limit = items, act, limit or Limit()
        self.closed: list[tuple[str, str]] = []  # stage, and the thread that closed it
        self.channels: dict[str, Channel[int]] = {}

    def run(self) -> Iterator[int]:
        """Give what comes out of the last stage."""
        with pipeline() as stages:
            yield from self.carry(stages)

    def carry(self, stages: Stages) -> Iterator[int]:
        """Start the stages and give what comes out of the last one."""
        read = stages.start("read", self.stage("read", self.items), self.size, self.limit)
        working = self.stage("caller", read)
        if self.caller_works:
            answers = stages.channel(self.size, self.limit)
        else:
            answers = stages.start("caller", working, self.size, self.limit)
        masks = stages.start("masks", self.stage("masks", answers), self.size, self.limit)
        written = stages.start("write", self.stage("write", masks), self.size, limit=None)
        self.channels = {"read": read, "answers": answers, "masks": masks}
        return stages.carry(working, answers, written) if self.caller_works else written

    def stage(self, name: str, items: Iterable[int]) -> Generator[int, None, None]:
        try:
            for item in items:
                self.act(name, item)
                yield item
        finally:
            self.closed.append((name, threading.current_thread().name))

    @staticmethod
    def size(item: int) -> int:
        return 10


def endless() -> Iterator[int]:
    number = 0
    while True:
        yield number
        number += 1


def do_nothing(stage: str, item: int) -> None:
    """A stage without work."""


@pytest.mark.parametrize("count", [0, 1, 3, 100])
def test_everything_comes_out_in_order(count: int, caller: str) -> None:
    line = Line(range(count), do_nothing)
    assert list(line.run()) == list(range(count))
    assert dict(line.closed) == {
        "read": "refvid read",
        "caller": threading.current_thread().name if caller == "works" else "refvid caller",
        "masks": "refvid masks",
        "write": "refvid write",
    }


def test_all_stages_work_at_the_same_time() -> None:
    """Each waits in its third item for all the others, which one thread could never do."""
    meeting = threading.Barrier(len(STAGES))
    met: list[str] = []

    def act(stage: str, item: int) -> None:
        if item == {"read": 8, "caller": 6, "masks": 4, "write": 2}[stage]:
            meeting.wait(timeout=20)
            met.append(stage)

    assert list(Line(range(12), act).run()) == list(range(12))
    assert sorted(met) == sorted(STAGES)


def test_the_whole_takes_as_long_as_its_slowest_stage() -> None:
    seconds = {"read": 0.02, "caller": 0.05, "masks": 0.01, "write": 0.04}

    def act(stage: str, item: int) -> None:
        time.sleep(seconds[stage])

    began = time.perf_counter()
    for _ in Line(range(40), act).stage("caller", range(40)):
        pass
    alone = time.perf_counter() - began
    began = time.perf_counter()
    assert len(list(Line(range(40), act).run())) == 40
    together = time.perf_counter() - began
    assert together < 1.15 * alone, "one after another takes 2.4 times as long"


@pytest.mark.parametrize("slow", STAGES)
@pytest.mark.parametrize(
    ("limit", "items"), [(Limit(items=3), 3), (Limit(items=8, bytes=25), 2), (Limit(items=8, bytes=1), 1)]
)
def test_no_stage_runs_far_ahead(slow: str, limit: Limit, items: int) -> None:
    """A slow stage holds back those before it; an item larger than the limit goes through alone."""
    done = dict.fromkeys(STAGES, 0)
    lead = 0

    def act(stage: str, item: int) -> None:
        nonlocal lead
        if stage == slow:
            time.sleep(0.005)
        done[stage] += 1
        lead = max(lead, done["read"] - done["write"])

    line = Line(range(60), act, limit)
    assert list(line.run()) == list(range(60))
    before = {"read": [], "caller": ["read"], "masks": ["read", "answers"], "write": ["read", "answers", "masks"]}[slow]
    for name, channel in line.channels.items():
        assert channel.most_items <= items
        assert channel.most_bytes == 10 * channel.most_items
        if name in before:
            assert channel.most_items == items, "the slow stage always has something to do"
    assert lead <= 3 * items + len(STAGES), "waiting in the channels, and one in the hands of each stage"


@pytest.mark.parametrize("failing", STAGES)
@pytest.mark.parametrize("at", [0, 5])
@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), MemoryError()])
def test_an_error_reaches_the_caller_as_it_is(failing: str, at: int, error: BaseException) -> None:
    """Whichever stage it comes from, though the others would go on for ever."""

    def act(stage: str, item: int) -> None:
        if stage == failing and item == at:
            raise error

    line = Line(endless(), act)
    with pytest.raises(type(error)) as caught:
        list(line.run())
    assert caught.value is error
    assert {stage for stage, _ in line.closed} == set(STAGES)


def test_an_error_keeps_its_cause() -> None:
    def act(stage: str, item: int) -> None:
        if stage == "masks":
            raise ValueError("a sentence") from OSError("the reason")

    with pytest.raises(ValueError, match="a sentence") as caught:
        list(Line(endless(), act).run())
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.parametrize("waiting", ["for room", "for an item"])
def test_an_error_wakes_those_who_wait(waiting: str) -> None:
    """All others sit in full or in empty channels when it comes."""

    def act(stage: str, item: int) -> None:
        if waiting == "for room" and stage == "write":
            time.sleep(0.2)  # until all is full
            raise ValueError("no room")
        if waiting == "for an item" and stage == "read" and item == 3:
            time.sleep(0.2)  # until all is empty
            raise ValueError("no item")

    began = time.perf_counter()
    with pytest.raises(ValueError, match="no "):
        list(Line(endless(), act).run())
    assert time.perf_counter() - began < 5


def test_an_error_while_a_stage_is_closed_counts_too() -> None:
    def read() -> Generator[int, None, None]:
        try:
            yield 1
        finally:
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"), pipeline() as stages:  # noqa: PT012
        answers = stages.channel(Line.size)
        line = Line([], do_nothing)
        written = stages.start("write", line.stage("write", answers), Line.size, limit=None)
        list(stages.carry(line.stage("caller", stages.start("read", read(), Line.size)), answers, written))


def test_a_caller_who_leaves_early_stops_all() -> None:
    line = Line(endless(), do_nothing)
    with pytest.raises(LookupError), pipeline() as stages:  # noqa: PT012
        for item in line.carry(stages):
            if item == 7:
                raise LookupError
    assert {stage for stage, _ in line.closed} == set(STAGES)


def test_it_works_outside_the_main_thread_too() -> None:
    results: list[list[int]] = []
    thread = threading.Thread(target=lambda: results.append(list(Line(range(30), do_nothing).run())))
    thread.start()
    thread.join(20)
    assert results == [list(range(30))]


def interrupt_after(seconds: float) -> threading.Thread:
    """Send this process a Ctrl-C from another thread."""

    def send() -> None:
        time.sleep(seconds)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=send)
    thread.start()
    return thread


@pytest.mark.parametrize("busy", STAGES)
def test_ctrl_c_ends_a_wait(busy: str) -> None:
    """Whatever the caller waits for: room, an item, the last results, or its own work."""
    started = threading.Event()

    def act(stage: str, item: int) -> None:
        if stage == busy and item == 3:
            started.set()
            time.sleep(1 if stage == "caller" else 0.5)

    line = Line(range(12), act)
    sender = interrupt_after(0.3)
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012
        for _ in line.run():
            if started.is_set():
                time.sleep(0.5)
    sender.join()
    assert {stage for stage, _ in line.closed} == set(STAGES)


def test_a_second_ctrl_c_waits_until_the_threads_have_ended() -> None:
    """While the writer is in the middle of a frame, nobody may close its file."""
    ended: list[str] = []

    def act(stage: str, item: int) -> None:
        if stage == "write" and item == 2:
            time.sleep(1)
            ended.append(stage)

    senders = [interrupt_after(0.3), interrupt_after(0.6)]
    with pytest.raises(KeyboardInterrupt):
        list(Line(endless(), act).run())
    assert ended == ["write"]
    for sender in senders:
        sender.join()


def test_interrupts_are_put_off_to_the_end_of_the_block() -> None:
    handler = signal.getsignal(signal.SIGINT)
    reached = False
    with pytest.raises(KeyboardInterrupt), interrupts_put_off():  # noqa: PT012
        signal.raise_signal(signal.SIGINT)
        reached = True
    assert reached
    assert signal.getsignal(signal.SIGINT) is handler


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="Windows has no signal masks")
def test_ctrl_c_is_not_for_the_stages() -> None:
    """Nor for the processes that they start, which take the mask over."""
    masks: list[set[int]] = []

    def act(stage: str, item: int) -> None:
        of_a_stage = threading.current_thread() is not threading.main_thread()
        masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, ()) if of_a_stage else {signal.SIGINT})

    list(Line(range(2), act).run())
    assert len(masks) == 8
    assert all(signal.SIGINT in mask and signal.SIGTERM not in mask for mask in masks)
