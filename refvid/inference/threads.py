"""Run the stages of a stream at the same time, each in a thread of its own, a bounded number of items ahead.

    with pipeline() as stages:
        frames = stages.start("read", decode(), size)  # to iterate over: a thread fills it
        answers = stages.channel(size)
        written = stages.start("write", write(answers), size, limit=None)
        for each in stages.carry(network(frames), answers, written):  # the network works in the calling thread
            ...

A stage is a generator. It runs and is closed in its own thread, and an exception that it raises reaches the caller
unchanged. However the block is left, all stages stop before their next item and no thread remains.

There is no lock in this module. Between two threads stand only `SimpleQueue`s and a flag that goes from False to True
once, so that a Ctrl-C at any point cannot leave a lock taken that another thread then waits for.
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

# Seconds between two looks of a waiting thread at the stop flag. Polling needs no signal that could get lost.
_POLL_SECONDS = 0.05
_JOIN_SECONDS = 10.0  # time for the threads to end, during which Ctrl-C is held back


@dataclass(frozen=True)
class Limit:
    """The most that may wait between two stages; a single item may always wait, however large it is.

    Attributes:
        items: Number of items; the default evens out an uneven pace, such as that of an encoder that works on groups of
            frames.
        bytes: Total size of the items; the default holds two or three 4K frames (25 MB each).
    """

    items: int = 8
    bytes: int = 64 * 2**20


LIMIT = Limit()


class Stopped(BaseException):
    """The exception that ends a stage, or the caller's block, after another stage has failed.

    It is a BaseException so that no `except Exception` in a stage can catch it.
    """


class _Mark(Enum):
    END = "nothing comes after this"


class Channel(Generic[Item]):
    """A bounded queue from one thread to one other thread.

    All waiting happens in `queue.SimpleQueue`, which is written in C: the KeyboardInterrupt of a Ctrl-C cannot leave
    one of its locks taken. In `queue.Queue` and `threading.Condition`, which are written in Python, it can, and every
    other thread would then wait for ever. `SimpleQueue` has no limit, so a second queue carries an acknowledgement
    back for each item taken, from which the putting side knows what still waits.

    Attributes:
        most_items: Largest number of items that ever waited.
        most_bytes: Largest total size of the items that ever waited.
    """

    def __init__(self, stopped: Callable[[], bool], limit: Limit | None, size: Callable[[Item], int]) -> None:
        """Make an empty channel.

        Args:
            stopped: Function that returns whether all stages are to stop.
            limit: The most that may wait; None for no limit.
            size: Function that returns the bytes of an item.
        """
        self.most_items = self.most_bytes = 0
        self._stopped, self._limit, self._size = stopped, limit, size
        self._items: SimpleQueue[Item | Literal[_Mark.END]] = SimpleQueue()
        self._taken: SimpleQueue[None] = SimpleQueue()  # an acknowledgement for each item that was taken
        # Sizes of the waiting items as far as the putting side knows; only that thread touches the deque.
        self._sizes: deque[int] = deque()

    def put(self, item: Item) -> None:
        """Hand on one item; wait while it would exceed the limit.

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
        """Mark the end of the items."""
        self._items.put(_Mark.END)

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        """Return the next item; wait for it if there is none yet.

        Raises:
            Stopped: A stage has failed.
        """
        item = self._wait(self._items)
        if item is _Mark.END:
            self.end()  # put the mark back, so that asking again does not wait for ever
            raise StopIteration
        self._taken.put(None)
        return item

    def ready(self) -> Iterator[Item]:
        """Return the items that can be taken without waiting."""
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
                return queue.get(timeout=_POLL_SECONDS)
            except Empty:
                continue


class Stages:
    """A group of running stages, which `pipeline` creates and ends."""

    def __init__(self) -> None:
        self._stopped = False
        self._failures: SimpleQueue[BaseException] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def channel(self, size: Callable[[Item], int], limit: Limit | None = LIMIT) -> Channel[Item]:
        """Return an empty channel; `size` returns the bytes of an item."""
        return Channel(lambda: self._stopped, limit, size)

    def start(
        self,
        name: str,
        stage: Generator[Item, None, None],
        size: Callable[[Item], int],
        limit: Limit | None = LIMIT,
    ) -> Channel[Item]:
        """Run a stage in a thread of its own.

        Args:
            name: Name of the thread.
            stage: Generator whose items go into the channel.
            size: Function that returns the bytes of an item.
            limit: The most that may wait in the channel. None, for no limit, suits tiny items that the caller collects
                only now and then: the stage never waits for the caller.

        Returns:
            The channel of the stage, for one thread to iterate over.
        """
        channel = self.channel(size, limit)
        # A daemon thread, so that a stage that hangs, as on a lost network disk, cannot keep the process alive.
        thread = threading.Thread(target=self._run, args=(stage, channel), name=f"refvid {name}", daemon=True)
        with interrupts_put_off():
            thread.start()
            self._threads.append(thread)
        return channel

    def carry(
        self, items: Generator[Item, None, None], first: Channel[Item], last: Channel[Result]
    ) -> Iterator[Result]:
        """Run a stage in the calling thread: put its items into one channel and yield the results from another.

        Args:
            items: The stage of the calling thread, which also closes it.
            first: Channel of the next stage; it ends when the items do.
            last: Channel of the last stage. It must have no limit: otherwise that stage could wait for the caller to
                take a result while the caller waits for room in `first`.
        """
        with closing(items):
            for item in items:
                first.put(item)
                yield from last.ready()
        first.end()
        yield from last

    def _run(self, stage: Generator[Item, None, None], channel: Channel[Item]) -> None:
        if hasattr(signal, "pthread_sigmask"):  # not on Windows
            # Ctrl-C belongs to the calling thread. Processes that a stage starts inherit the mask and ignore it too.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            with closing(stage):
                for item in stage:
                    channel.put(item)
            channel.end()
        except Stopped:
            pass
        except BaseException as error:  # `pipeline` raises it in the calling thread
            self._failures.put(error)  # before the flag, so that whoever sees the flag finds the error
            self._stopped = True

    def stop(self) -> None:
        """Stop all stages and wait for their threads to end.

        Ctrl-C is held back for some seconds meanwhile, so that no file is closed while a thread still uses it.
        """
        self._stopped = True
        alive = True
        while alive:
            with interrupts_put_off():
                for thread in self._threads:
                    thread.join(_JOIN_SECONDS)
                alive = any(thread.is_alive() for thread in self._threads)

    def failure(self) -> BaseException | None:
        """Return the exception of the first stage that failed; None if none did."""
        return None if self._failures.empty() else self._failures.get()


@contextmanager
def pipeline() -> Iterator[Stages]:
    """Yield a group of stages, and end them after the block.

    Raises:
        BaseException: The exception of the first stage that failed; `Stopped` has left the block then.
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
        assert error is not None, "before the block is left, only a failed stage stops the others"
        raise error


@contextmanager
def interrupts_put_off() -> Iterator[None]:
    """Hold back the exceptions of Ctrl-C and SIGTERM until the end of the block.

    Python's threads cannot handle an exception from a signal inside `start` and `join`
    (https://github.com/python/cpython/issues/90882). Only the main thread runs signal handlers; in other threads this
    does nothing.
    """
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)

    handlers: dict[signal.Signals, Callable[[int, FrameType | None], Any]] = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            if callable(handler):  # otherwise the signal has its default action or is ignored
                handlers[number] = handler
                signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    for late in came:
        signal.raise_signal(late)
