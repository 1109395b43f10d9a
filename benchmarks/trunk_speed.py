"""Time EfficientNet-Lite on one CPU thread: plain, channels last, as `fold` packs it, and frozen TorchScript.

    OMP_NUM_THREADS=1 python benchmarks/trunk_speed.py [--trunk efficientnet-lite0] [--side 256] [--rounds 30]

Norms are folded in all of them. The clock is that of the thread, which does not count the time that other jobs have
the core. Weights are random, which is as fast as trained ones.
"""

import argparse
import copy
import time
import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from refvid.inference.memory import keep_freed_memory
from refvid.model.fast.efficientnet import pack_efficientnet
from refvid.model.fast.folding import fold_norms
from refvid.model.interface import lay_channels_last
from refvid.model.layers.efficientnet import SCALES, EfficientNetLite


@torch.inference_mode()
def measure(runs: Sequence[tuple[Callable[[Tensor], object], Tensor]], rounds: int) -> list[list[float]]:
    """Return the times that each of several takes for its picture, ms, sorted; they take turns."""
    times: list[list[float]] = [[] for _ in runs]
    for number in range(rounds + 3):
        for (run, images), taken in zip(runs, times, strict=True):
            began = time.thread_time()
            run(images)
            if number >= 3:
                taken.append(1e3 * (time.thread_time() - began))
    return [sorted(taken) for taken in times]


@torch.no_grad()
def freeze(trunk: EfficientNetLite, images: Tensor) -> Callable[[Tensor], object]:
    """Return a trunk as frozen TorchScript."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch calls it deprecated
        frozen: Callable[[Tensor], object] = torch.jit.freeze(torch.jit.trace(trunk, images))
    return frozen


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trunk", choices=list(SCALES), default="efficientnet-lite0")
    parser.add_argument("--side", type=int, default=256, help="of the square picture, a multiple of 32 (default: 256)")
    parser.add_argument("--rounds", type=int, default=30, help="frames that are timed (default: 30)")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    plain = EfficientNetLite(chosen.trunk).eval().requires_grad_(False)
    fold_norms(plain)
    last = copy.deepcopy(plain)
    lay_channels_last(last)
    fast = copy.deepcopy(last)
    pack_efficientnet(fast)
    images = torch.rand(1, 3, chosen.side, chosen.side)
    ordered = images.contiguous(memory_format=torch.channels_last)
    keep_freed_memory()  # as a segmenter does

    def classify(given: Tensor) -> Tensor:
        return fast.classify(fast(given)[-1])

    ways: dict[str, tuple[Callable[[Tensor], object], Tensor]] = {
        "plain": (plain, images),
        "channels last": (last, ordered),
        "packed by fold": (fast, ordered),
        "packed, and classified at each position": (classify, ordered),
        "frozen TorchScript, channels last": (freeze(last, ordered), ordered),
    }
    print(f"{chosen.trunk}, 1 x 3 x {chosen.side} x {chosen.side}, one thread, {torch.__version__}; ms: least, median")
    for name, taken in zip(ways, measure(list(ways.values()), chosen.rounds), strict=True):
        print(f"{name:42} {taken[0]:7.1f} {taken[len(taken) // 2]:7.1f}")


if __name__ == "__main__":
    main()
