"""What is done to glibc's allocator, and when: in a process of its own, as it cannot be undone."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

# Prints how many tensors of 24 MiB got a block of their own, which goes back to the system when it is freed: of one
# made after folding, and of one made after there is a segmenter.
PROGRAM = """
import ctypes, sys
import torch
from refvid.inference.segmenter import Segmenter
from refvid.weights import load_model

class Mallinfo(ctypes.Structure):
    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]

look = ctypes.CDLL(None).mallinfo2
look.restype = Mallinfo

def own_blocks():
    before = look().hblks
    kept = torch.empty(24 << 20, dtype=torch.uint8)
    found.append((look().hblks - before, kept))  # kept, as to free it would raise the threshold too

found = []
model = load_model(sys.argv[1], device="cpu")
model.folded
own_blocks()
Segmenter(model)
own_blocks()
print(*(count for count, _ in found))
"""


def has_mallinfo2() -> bool:
    name, version = platform.libc_ver()
    return name == "glibc" and tuple(map(int, version.split("."))) >= (2, 33)


@pytest.mark.skipif(not has_mallinfo2(), reason="the allocator is glibc's, and mallinfo2 came with its version 2.33")
def test_a_segmenter_keeps_freed_memory_and_folding_alone_does_not(checkpoint: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(checkpoint)], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.split() == ["1", "0"]
