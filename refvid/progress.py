"""How long work tells whoever started it about its progress, in numbers and in sentences."""

from collections.abc import Callable

# Called with how much is done and how much there is in all.
OnProgress = Callable[[int, int], None]
# Called with a sentence that the user should read.
Tell = Callable[[str], None]


def ignore_progress(done: int, total: int) -> None:
    """Do nothing with the progress."""


def tell_nobody(sentence: str) -> None:
    """Do nothing with the sentence."""
