"""Literal against factorised CMSA, and clip-by-clip against streamed CFSA, side by side in one run.

    python benchmarks/attention.py [--threads N] [--device cpu]

CMSA is measured from a level's features and an expression's words to what gated fusion takes of that level, X^i: the
formulas as written and then the 1 x 1 convolution; the module as it is trained and then its map; and on the CPU the
folded module that `refvid segment` runs, whose products are oneDNN's. The formulas are timed with oneDNN's products
too, which tells what is gained by the factorisation, or by the stream, and what by the library. CFSA is measured from
the newest frame's features to the enhanced ones of the frame in the middle of the clip.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.run_measure import Sizes, in_turns, medians
from refvid.inference.memory import keep_freed_memory
from refvid.model.cmsa.cross_frame import CrossFrameSelfAttention
from refvid.model.cmsa.cross_frame_stream import CrossFrameStream
from refvid.model.cmsa.cross_modal import CrossModalSelfAttention
from refvid.model.fast.attention import FoldedCrossFrame, FoldedCrossModal
from refvid.model.layers.products import multiply
from refvid.model.layers.spatial import spatial_code

Product = Callable[[Tensor, Tensor], Tensor]  # of rows [..., K] and columns [N, K]
LITERAL_BYTES = 256 * 2**20  # size of the rows of the literal attention matrix held at a time
EMBEDDING, FUSION, RADIUS = 1000, 500, 5  # as in the paper's network
ROUNDS = 5


def literal_cross_modal(
    module: CrossModalSelfAttention,
    visual: Tensor,
    words: Tensor,
    spatial: Tensor,
    product: Product = F.linear,
) -> tuple[Tensor, Tensor]:
    """Compute Eq. 1 to 5 literally for one image [C, h, w] and L words [L, C_l], with the softmax rows in chunks.

    Args:
        module: Module whose weights are used.
        visual: Visual features.
        words: Word embeddings.
        spatial: Spatial code, [8, h, w].
        product: Function that returns rows columns^T.

    Returns:
        F^ [D, h, w] and the word attention [L].
    """
    length = words.shape[0]
    v = F.normalize(visual.flatten(1).T, dim=-1)
    s = spatial.flatten(1).T
    f = torch.cat([torch.cat([v, F.normalize(e, dim=0).expand(len(v), -1), s], -1) for e in words])  # [L P, D]
    q, k, value = (product(f, m.weight) for m in (module.query, module.key, module.value))
    turned = value.T.contiguous()
    rows = max(1, LITERAL_BYTES // (4 * len(f)))
    attended, mass = [], f.new_zeros(len(f))
    for chunk in q.split(rows):
        attention = product(chunk, k).softmax(-1)
        mass += attention.sum(0)
        attended.append(product(attention, turned))
    f_hat = product(torch.cat(attended), module.output.weight) + f
    received = (mass / len(f)).view(length, -1).sum(-1)
    a = (module.temperature * length * received).softmax(0)
    return torch.einsum("n,npd->pd", a, f_hat.view(length, len(v), -1)).T.unflatten(1, visual.shape[1:]), a


def difference(result: Tensor, expected: Tensor) -> float:
    """Return the largest difference relative to the largest expected value."""
    return float((result - expected).abs().max() / expected.abs().max())


@torch.inference_mode()
def compare_cross_modal(
    length: int, grid: int, channels: int, device: torch.device, *, rounds: int = ROUNDS, budget: float = 10.0
) -> dict[str, Any]:
    """Compare the ways to compute X^i of one expression of `length` words at grid x grid positions, float32.

    Returns:
        Median seconds of "literal", "literal, oneDNN" (on the CPU), "factorised" and "inference"; "error" and "ratio"
        of what `refvid segment` runs there against the literal formulas.
    """
    torch.manual_seed(0)
    keep_freed_memory()  # as a segmenter does
    module = CrossModalSelfAttention(channels, EMBEDDING, channels).eval().to(device)
    mapping = nn.Conv2d(module.channels, FUSION, 1).eval().to(device)
    weight, bias = mapping.weight.flatten(1), mapping.bias
    assert bias is not None
    visual = torch.randn(1, channels, grid, grid, device=device)
    spatial = spatial_code(grid, grid, dtype=torch.float32, device=device)
    mask = torch.ones(1, 1, length, dtype=torch.bool, device=device)
    # The folded module caches what depends on the words alone; alternating two expressions defeats that cache.
    both = [torch.randn(1, 1, length, EMBEDDING, device=device) for _ in range(2)]
    turn = count()

    def literal(words: Tensor, product: Product = F.linear) -> Tensor:
        return mapping(literal_cross_modal(module, visual[0], words[0, 0], spatial, product)[0][None])

    def factorised(words: Tensor) -> Tensor:
        return module(visual, words, mask, spatial)[0].project(weight, bias)

    ways: dict[str, Callable[[Tensor], Tensor]] = {"literal": literal, "factorised": factorised}
    if device.type == "cpu":
        folded = FoldedCrossModal(module, mapping)
        ways["inference"] = lambda words: folded(visual, words, mask, spatial)[0].project(weight, bias)
        ways["literal, oneDNN"] = lambda words: literal(words, multiply)
    else:
        ways["inference"] = factorised
    found = {name: way(both[0]) for name, way in ways.items()}
    works = {name: (lambda way=way: way(both[next(turn) % 2])) for name, way in ways.items()}
    slow = [name for name in ways if name.startswith("literal")]
    times = in_turns(works, rounds, device, budget=budget, cold=slow)
    # Few rounds of the literal form fit into the budget, so the quick forms are called more often in between.
    more = in_turns({name: works[name] for name in works if name not in slow}, rounds, device)
    taken = medians({name: calls + more.get(name, []) for name, calls in times.items()})
    error = max(difference(found[name], found["literal"]) for name in ("factorised", "inference"))
    return taken | {"words": length, "ratio": taken["literal"] / taken["inference"], "error": error}


@torch.inference_mode()
def compare_cross_frame(
    grid: int, channels: int, visual_channels: int, device: torch.device, *, rounds: int = ROUNDS, budget: float = 10.0
) -> dict[str, Any]:
    """Compare CFSA of every clip computed alone with the stream, a frame in the middle of a video, tau = 5, float32.

    Returns:
        Median seconds a frame of "clip by clip", "clip by clip, oneDNN" (on the CPU) and "streamed"; the "ratio" of
        the first to the last, and "error".
    """
    torch.manual_seed(0)
    keep_freed_memory()
    module = CrossFrameSelfAttention(visual_channels, channels).eval().to(device)
    window = 2 * RADIUS + 1
    video = torch.randn(window + 4, 1, visual_channels, grid, grid, device=device)

    def clip_by_clip(first: int = 1, product: Product = F.linear) -> Tensor:
        """Enhance the target frame of one clip, with its queries frame by frame so that the full model fits."""
        q, k, v = module.project(video[first : first + window, 0])
        keys, turned = k.flatten(0, 1), v.flatten(0, 1).T.contiguous()
        attended, mass = [], q.new_zeros(window)
        for queries in q:
            attention = product(queries, keys).softmax(-1)
            mass += attention.mean(0).view(window, -1).sum(-1) / window
            attended.append(product(attention, turned))
        weights = (module.temperature * window * mass).softmax(0)
        pooled = torch.einsum("t,tpa->pa", weights, torch.stack(attended))
        return module.update(video[first + RADIUS], pooled[None])

    stream = CrossFrameStream(FoldedCrossFrame(module) if device.type == "cpu" else module, RADIUS)
    result = [stream.push(frame) for frame in video[:window]][-1]
    assert result is not None
    error = difference(result, clip_by_clip(0))
    following = count(window)
    works = {"clip by clip": clip_by_clip, "streamed": lambda: stream.push(video[next(following) % len(video)])}
    if device.type == "cpu":
        works["clip by clip, oneDNN"] = lambda: clip_by_clip(product=multiply)
    slow = [name for name in works if name != "streamed"]
    times = in_turns(works, rounds, device, budget=budget, cold=slow)
    more = in_turns({"streamed": works["streamed"]}, rounds, device)
    taken = medians({name: calls + more.get(name, []) for name, calls in times.items()})
    return taken | {"ratio": taken["clip by clip"] / taken["streamed"], "error": error}


def show_cross_modal(rows: Sequence[dict[str, Any]]) -> None:
    """Print CMSA's table."""
    print("| words | literal s | literal by oneDNN s | factorised s | in inference s | ratio | relative error |")
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        library = f"{row['literal, oneDNN']:.3f}" if "literal, oneDNN" in row else ""
        print(
            f"| {row['words']} | {row['literal']:.3f} | {library} | {row['factorised']:.4f} | {row['inference']:.4f} "
            f"| {row['ratio']:.0f} | {row['error']:.1e} |"
        )


def main() -> None:
    """Run both comparisons."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    sizes, device = Sizes(), torch.device(options.device)
    print(f"CMSA, {sizes.grid} x {sizes.grid} positions, {sizes.channels}-D, float32, {options.threads} thread(s)\n")
    show_cross_modal([compare_cross_modal(length, sizes.grid, sizes.channels, device) for length in sizes.words])
    print(f"\nCFSA, tau = {RADIUS}, one level, float32, {options.threads} thread(s)\n")
    print("| positions | channels | clip by clip s | by oneDNN s | streamed s | ratio | relative error |")
    print("|---|---|---|---|---|---|---|")
    for grid, channels, visual_channels in sizes.cross_frame:
        row = compare_cross_frame(grid, channels, visual_channels, device)
        library = f"{row['clip by clip, oneDNN']:.3f}" if "clip by clip, oneDNN" in row else ""
        print(
            f"| {grid} x {grid} | {channels} | {row['clip by clip']:.3f} | {library} | {row['streamed']:.4f} "
            f"| {row['ratio']:.1f} | {row['error']:.1e} |"
        )


if __name__ == "__main__":
    main()
