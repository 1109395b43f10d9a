"""The stages of a stream at work at the same time, each in a thread of its own, a bounded way ahead of the next.

    with pipeline() as stages:
        frames = stages.start("read", decode(), size)  # to iterate over: a thread fills it
        answers = stages.channel(size)
        written = stages.start("write", write(answers), size, limit=None)
        for each in stages.carry(network(frames), answers, written):  # the network works in the calling thread
            ...

A stage is a generator. It is run and closed in its thread, and what it raises reaches the caller as it is. When the
block is left, however that comes about, the other stages stop before their next item, and no thread is left.
"""

import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Any, Generic, Literal, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_LOOK_UP = 0.05  # seconds after which whoever waits looks whether all is to stop: no wake-up can be lost
_PATIENCE = 10.0  # seconds of waiting for the threads to end that Ctrl-C cannot cut short


@dataclass(frozen=True)
class Limit:
    """How much may wait between two stages; one item may always, however large.

    Attributes:
        items: Enough to bridge a stage's uneven pace, such as that of an encoder that works on groups of frames.
        bytes: As `size` counts them; of 4K frames (25 MB) two or three.
    """

    items: int = 8
    bytes: int = 64 * 2**20


LIMIT = Limit()


class Stopped(BaseException):
    """Tells a stage, or the caller, that another one has failed; no `except Exception` on the way shall stop it."""


class _Mark(Enum):
    END = "nothing comes after this"


class Channel(Generic[Item]):
    """A queue from one thread to one other, with a limit.

    The waiting is done in `queue.SimpleQueue`, which is written in C: the exception of a Ctrl-C leaves no lock of it
    taken, as it may with `queue.Queue` and `threading.Condition`, where everybody else would then wait for ever.

    Attributes:
        most_items: That ever waited at once.
        most_bytes: Of them.
    """

    def __init__(self, stopped: Callable[[], bool], limit: Limit | None, size: Callable[[Item], int]) -> None:
        """Takes what `Stages.channel` gives; a `limit` of None is none."""
        self.most_items = self.most_bytes = 0
        self._stopped, self._limit, self._size = stopped, limit, size
        self._items: SimpleQueue[Item | Literal[_Mark.END]] = SimpleQueue()
        self._taken: SimpleQueue[None] = SimpleQueue()  # one for each item that the other side has taken
        self._sizes: deque[int] = deque()  # of the items that wait, as far as the putting side knows

    def put(self, item: Item) -> None:
        """Hands one item on; waits while that would be more than the limit.

        Raises:
            Stopped: A stage has failed.
        """
        size = self._size(item)
        while not self._taken.empty() or not self._has_room(size):
            self._wait(self._taken)
            self._sizes.popleft()
        if self._stopped():
            raise Stopped
        self._sizes.append(size)
        self.most_items = max(self.most_items, len(self._sizes))
        self.most_bytes = max(self.most_bytes, sum(self._sizes))
        self._items.put(item)

    def end(self) -> None:
        """Says that no more items come."""
        self._items.put(_Mark.END)

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        """Takes one item; waits for it.

        Raises:
            Stopped: A stage has failed.
        """
        item = self._wait(self._items)
        if item is _Mark.END:
            self.end()  # for whoever asks again
            raise StopIteration
        self._taken.put(None)
        return item

    def ready(self) -> Iterator[Item]:
        """Takes the items that are there already."""
        return islice(self, self._items.qsize())

    def _has_room(self, size: int) -> bool:
        limit = self._limit
        if limit is None or not self._sizes:
            return True
        return len(self._sizes) < limit.items and sum(self._sizes) + size <= limit.bytes

    def _wait(self, queue: "SimpleQueue[Result]") -> Result:
        while True:
            if self._stopped():
                raise Stopped
            try:
                return queue.get(timeout=_LOOK_UP)
            except Empty:
                continue


class Stages:
    """The running stages; `pipeline` makes and ends them."""

    def __init__(self) -> None:
        self._stopped = False
        self._failures: SimpleQueue[BaseException] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def channel(self, size: Callable[[Item], int], limit: Limit | None = LIMIT) -> Channel[Item]:
        """Returns an empty channel; `size` tells an item's bytes."""
        return Channel(lambda: self._stopped, limit, size)

    def start(
        self,
        name: str,
        stage: Generator[Item, None, None],
        size: Callable[[Item], int],
        limit: Limit | None = LIMIT,
    ) -> Channel[Item]:
        """Runs a stage in a thread.

        Args:
            name: Of the thread.
            stage: What it yields goes into the channel.
            size: Tells an item's bytes.
            limit: Of what may wait in the channel; None for items of next to no size that the caller collects now and
                then, so that nobody waits for that.

        Returns:
            The stage's channel, for one thread to iterate over.
        """
        channel = self.channel(size, limit)
        # A daemon, so that one that hangs, on a disk that is gone, does not keep the process alive.
        thread = threading.Thread(target=self._run, args=(stage, channel), name=f"refvid {name}", daemon=True)
        with interrupts_put_off():
            thread.start()
            self._threads.append(thread)
        return channel

    def carry(
        self, items: Generator[Item, None, None], first: Channel[Item], last: Channel[Result]
    ) -> Iterator[Result]:
        """Puts items into the channel that the first of some stages reads, and yields what the last one gives.

        Args:
            items: The stage of the calling thread; it is closed there.
            first: Ends with them.
            last: Without a limit, or its stage would wait for the caller while the caller waits for the stages.
        """
        with closing(items):
            for item in items:
                first.put(item)
                yield from last.ready()
        first.end()
        yield from last

    def _run(self, stage: Generator[Item, None, None], channel: Channel[Item]) -> None:
        if hasattr(signal, "pthread_sigmask"):  # not on Windows
            # Ctrl-C is the caller's; the processes that a stage starts inherit this.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            with closing(stage):
                for item in stage:
                    channel.put(item)
            channel.end()
        except Stopped:
            pass
        except BaseException as error:  # the caller raises it
            self._failures.put(error)
            self._stopped = True

    def stop(self) -> None:
        """Stops all stages and waits for their threads.

        Ctrl-C is put off meanwhile, for some seconds: files are not to be closed under the hands of a thread.
        """
        self._stopped = True
        alive = True
        while alive:
            with interrupts_put_off():
                for thread in self._threads:
                    thread.join(_PATIENCE)
                alive = any(thread.is_alive() for thread in self._threads)

    def failure(self) -> BaseException | None:
        """Returns what the first stage that failed has raised."""
        return None if self._failures.empty() else self._failures.get()


@contextmanager
def pipeline() -> Iterator[Stages]:
    """Gives stages, and ends them after the block.

    Raises:
        BaseException: What a stage has raised, if one has; the block is left by `Stopped` then.
    """
    stages = Stages()
    failed = False
    try:
        yield stages
    except Stopped:
        failed = True
    finally:
        stages.stop()
    if failed:
        error = stages.failure()
        assert error is not None, "nobody stops before the block is left but a stage that failed"
        raise error


@contextmanager
def interrupts_put_off() -> Iterator[None]:
    """Lets what Ctrl-C and a kill raise wait for the end of the block; other threads than the main one never see it.

    Python's threads do not bear it in `start` and `join`: https://github.com/python/cpython/issues/90882.
    """
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)

    handlers: dict[signal.Signals, Callable[[int, FrameType | None], Any]] = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            if callable(handler):  # else it is the system's, or ignored
                handlers[number] = handler
                signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    for late in came:
        signal.raise_signal(late)
