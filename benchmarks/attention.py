"""Literal against factorised CMSA, and clip-by-clip against streamed CFSA, side by side in one run.

    python benchmarks/attention.py [--threads N]

Prints one table each: seconds, their ratio, and the largest difference relative to the literal result's largest value.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from refvid.model.cross_frame import CrossFrameSelfAttention
from refvid.model.cross_frame_stream import CrossFrameStream
from refvid.model.cross_modal import CrossModalSelfAttention
from refvid.model.spatial import spatial_code

LITERAL_BYTES = 256 * 2**20  # rows of the literal attention matrix that are held at a time


def literal_cross_modal(
    module: CrossModalSelfAttention, visual: Tensor, words: Tensor, spatial: Tensor
) -> tuple[Tensor, Tensor]:
    """Eq. 1 to 5 for one image [C, h, w] and L words [L, C_l] as written, the rows of the softmax in chunks."""
    length = words.shape[0]
    v = F.normalize(visual.flatten(1).T, dim=-1)
    s = spatial.flatten(1).T
    f = torch.cat([torch.cat([v, F.normalize(e, dim=0).expand(len(v), -1), s], -1) for e in words])  # [L P, D]
    q, k, value = module.query(f), module.key(f), module.value(f)
    rows = max(1, LITERAL_BYTES // (4 * len(f)))
    attended, mass = [], torch.zeros(len(f))
    for chunk in q.split(rows):
        attention = (chunk @ k.T).softmax(-1)
        mass += attention.sum(0)
        attended.append(attention @ value)
    f_hat = module.output(torch.cat(attended)) + f
    received = (mass / len(f)).view(length, -1).sum(-1)
    a = (module.temperature * length * received).softmax(0)
    return torch.einsum("n,npd->pd", a, f_hat.view(length, len(v), -1)).T.unflatten(1, visual.shape[1:]), a


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Return the median time of a call, after one that does not count when there are several."""
    if repeats > 1:
        work()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def difference(result: Tensor, expected: Tensor) -> float:
    """Return the largest difference relative to the largest expected value."""
    return float((result - expected).abs().max() / expected.abs().max())


@torch.inference_mode()
def compare_cross_modal(grid: int, channels: int, visual_channels: int) -> None:
    """Print the table of CMSA at grid x grid positions."""
    print(f"CMSA, {grid} x {grid} positions, {channels}-D, float32")
    print("| words | literal s | factorised s | ratio | relative error |\n|---|---|---|---|---|")
    torch.manual_seed(0)
    module = CrossModalSelfAttention(visual_channels, 1000, channels).eval()
    visual = torch.randn(1, visual_channels, grid, grid)
    spatial = spatial_code(grid, grid, dtype=torch.float32, device=visual.device)
    for length in (1, 4, 7, 12, 20):
        words = torch.randn(1, 1, length, 1000)
        mask = torch.ones(1, 1, length, dtype=torch.bool)
        began = time.perf_counter()
        expected, _ = literal_cross_modal(module, visual[0], words[0, 0], spatial)
        slow = time.perf_counter() - began
        result = module(visual, words, mask, spatial)[0].dense()
        fast = seconds(lambda w=words, m=mask: module(visual, w, m, spatial)[0].dense(), 5)
        error = difference(result[0], expected)
        print(f"| {length} | {slow:.3f} | {fast:.4f} | {slow / fast:.0f} | {error:.1e} |", flush=True)


@torch.inference_mode()
def compare_cross_frame(grid: int, channels: int, visual_channels: int, radius: int = 5) -> None:
    """Print a row of CFSA: every clip computed alone against the stream, seconds a frame in the middle of a video."""
    torch.manual_seed(0)
    module = CrossFrameSelfAttention(visual_channels, channels).eval()
    video = torch.randn(2 * radius + 4, 1, visual_channels, grid, grid)
    window = 2 * radius + 1

    def clip_by_clip(first: int) -> Tensor:
        """The target frame of one clip, its queries frame by frame so that a clip of the full model fits."""
        q, k, v = module.project(video[first : first + window, 0])
        keys, values = k.flatten(0, 1), v.flatten(0, 1)
        attended, mass = [], torch.zeros(window)
        for queries in q:
            attention = (queries @ keys.T).softmax(-1)
            mass += attention.mean(0).view(window, -1).sum(-1) / window
            attended.append(attention @ values)
        weights = (module.temperature * window * mass).softmax(0)
        pooled = torch.einsum("t,tpa->pa", weights, torch.stack(attended))
        return module.update(video[first + radius], pooled[None])

    stream = CrossFrameStream(module, radius)
    results = [stream.push(frame) for frame in video[:window]]
    error = difference(results[-1], clip_by_clip(0)) if results[-1] is not None else float("nan")
    times = []
    for frame in video[window:]:
        began = time.perf_counter()
        stream.push(frame)
        times.append(time.perf_counter() - began)
    fast, slow = statistics.median(times), seconds(lambda: clip_by_clip(1), 1)
    print(f"| {grid} x {grid} | {channels} | {slow:.3f} | {fast:.4f} | {slow / fast:.1f} | {error:.1e} |", flush=True)


def main() -> None:
    """Run both comparisons."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    torch.set_num_threads(parser.parse_args().threads)
    compare_cross_modal(40, 512, 512)
    print(f"\nCFSA, tau = 5, one level, float32, {torch.get_num_threads()} threads")
    print("| positions | channels | clip by clip s/frame | streamed s/frame | ratio | relative error |")
    print("|---|---|---|---|---|---|")
    compare_cross_frame(20, 64, 96)
    compare_cross_frame(40, 512, 512)


if __name__ == "__main__":
    main()
