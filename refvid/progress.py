"""Callbacks by which long work reports its progress and its messages."""

from collections.abc import Callable

# Called with the amount of work done and the total amount.
OnProgress = Callable[[int, int], None]
# Called with a message for the user.
Tell = Callable[[str], None]


def ignore_progress(done: int, total: int) -> None:
    """Ignore the progress."""


def tell_nobody(sentence: str) -> None:
    """Ignore the message."""
