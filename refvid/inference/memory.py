"""How the C library deals with the memory that one frame frees and the next one asks for again."""

import torch

LARGEST_KEPT = 31 << 20  # bytes; glibc learns from blocks below 32 MiB


def keep_freed_memory() -> None:
    """Let the C library keep what a frame frees for the next one, where it is glibc.

    By default glibc takes blocks above a threshold of 128 KiB from the system and gives them back when they are freed,
    so that zeroed pages have to be fetched for every frame: a fifth of the time of a small network. The threshold
    follows the largest block that was ever freed, and one of 31 MiB raises it here. That holds for the whole process
    and for the rest of its life: it may keep up to twice as much memory that nobody uses. Whoever sets
    MALLOC_MMAP_THRESHOLD_ or MALLOC_TRIM_THRESHOLD_ in the environment decides instead. No other C library minds.
    """
    torch.empty(LARGEST_KEPT, dtype=torch.uint8, device="cpu")
