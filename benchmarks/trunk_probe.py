"""What the light trunk knows at each of its stages, and what its grid allows: two measurements on drawn scenes.

    python benchmarks/trunk_probe.py [--model refvid-tiny] [--scenes 400] [--seed 78]

Colours: features are averaged over each actor, a linear map is fitted to two thirds of the scenes, and the rest tell
the share of an actor's colour words among its highest answers. Grid: masks are averaged over cells, brought back
bilinearly and cut at one half: the mean IoU with themselves is what logits of that stride can reach at best.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from refvid.data.sample import Sample, collate
from refvid.model.config import ModelConfig
from refvid.model.interface import ReferringNetwork
from refvid.model.layers.backbone import LightBackbone
from refvid.model.registry import build_vocabulary
from refvid.weights import load_model
from refvid.world.palette import COLOURS
from refvid.world.scenes.sampler import draw_scene
from refvid.world.source import sample_of

WIDTH, HEIGHT = 256, 144
STAGES = ("stem", "Res2", "Res3", "Res4", "Res5")
KINDS = ("person", "ball", "bird", "car", "cat", "dog")
FITTING_STEPS = 400
MIN_CELLS = 1.0  # minimum area of an actor, in cells
MIN_PIXELS = 50  # minimum area of a mask

Floats = npt.NDArray[np.float64]


def draw(seed: int, scenes: int) -> Iterator[Sample]:
    """Yield still frames of mixed scenes."""
    for number in range(scenes):
        rng = np.random.default_rng((seed, number))
        yield sample_of(draw_scene(rng, frames=1, width=WIDTH, height=HEIGHT), rng, 1)


@torch.no_grad()
def stages(network: ReferringNetwork, images: Tensor) -> list[Tensor]:
    """Return the features of the stem and of Res2 to Res5 for pictures [B, 3, H, W]."""
    backbone = network.backbone
    assert isinstance(backbone, LightBackbone), "only the light trunk is probed"
    stem = backbone.stem((images - network.pixel_mean) / network.pixel_std)
    return [stem, backbone.res2(stem), *network.encode(images).levels]


def kind_of(words: frozenset[str]) -> str:
    """Return the one of `KINDS` that an actor belongs to."""
    return next((kind for kind in KINDS[1:] if kind in words), KINDS[0])


def collect(
    network: ReferringNetwork, config: ModelConfig, samples: Iterator[Sample]
) -> tuple[list[Floats], Floats, list[str]]:
    """Return mean features [actors, channels] of each stage, colour words bool [actors, colours], and the kinds."""
    features: list[list[Floats]] = [[] for _ in STAGES]
    colours, kinds = [], []
    for sample in samples:
        batch = collate([sample], build_vocabulary(config), config.canvas(HEIGHT, WIDTH))
        maps = batch.region_maps
        if maps is None or sample.region_words is None:
            continue
        levels = stages(network, batch.clips[:, 0].float() / 255)
        for region, words in enumerate(sample.region_words):
            share = maps[0, region]
            if share.sum() < MIN_CELLS:
                continue
            for kept, level in zip(features, levels, strict=True):
                pooled = F.adaptive_avg_pool2d(level, (share.shape[0], share.shape[1]))[0]
                kept.append(((pooled * share).sum((1, 2)) / share.sum()).double().numpy())
            colours.append([colour in words for colour in COLOURS])
            kinds.append(kind_of(words))
    return [np.stack(kept) for kept in features], np.array(colours, np.float64), kinds


def probe(features: Floats, colours: Floats, kinds: list[str]) -> dict[str, float]:
    """Return, for each kind, the fraction of colour words that a linear map of the features names."""
    scaled = (features - features.mean(0)) / (features.std(0) + 1e-6)
    inputs, wanted = torch.tensor(scaled, dtype=torch.float32), torch.tensor(colours, dtype=torch.float32)
    fitted = len(features) * 2 // 3
    found: dict[str, list[float]] = {}
    for people in (True, False):  # people wear several colours, the others have one or two
        rows = np.array([row for row, kind in enumerate(kinds) if (kind == KINDS[0]) == people])
        known, asked = rows[rows < fitted], rows[rows >= fitted]
        linear = nn.Linear(features.shape[1], len(COLOURS))
        optimiser = torch.optim.Adam(linear.parameters(), lr=0.02, weight_decay=3e-3)
        for _ in range(FITTING_STEPS):
            optimiser.zero_grad()
            F.binary_cross_entropy_with_logits(linear(inputs[known]), wanted[known]).backward()
            optimiser.step()
        answers = linear(inputs[asked]).detach().numpy()
        for row, answer in zip(asked, answers, strict=True):
            true = set(np.flatnonzero(colours[row]))
            if true:
                named = np.argsort(-answer)[: len(true)]
                found.setdefault(kinds[row], []).append(len(true & set(named)) / len(true))
    return {kind: float(np.mean(shares)) for kind, shares in found.items()}


def bound(samples: Iterator[Sample], config: ModelConfig, stride: int) -> float:
    """Return the mean IoU of masks with their own reconstruction from a grid of this stride."""
    height, width = config.canvas(HEIGHT, WIDTH)
    ious = []
    for sample in samples:
        for region in () if sample.regions is None else sample.regions:
            mask = torch.from_numpy(region).float()[None, None]
            if mask.sum() < MIN_PIXELS:
                continue
            cells = F.adaptive_avg_pool2d(mask, (height // stride, width // stride))
            back = F.interpolate(cells, mask.shape[-2:], mode="bilinear") > 0.5
            ious.append(float((back & (mask > 0)).sum() / (back | (mask > 0)).sum()))
    return float(np.mean(ious))


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-m", "--model", default="refvid-tiny", help="a model on the light trunk")
    parser.add_argument("--scenes", type=int, default=400)
    parser.add_argument("--seed", type=int, default=78)
    options = parser.parse_args()
    torch.manual_seed(0)
    model = load_model(options.model, device="cpu")
    features, colours, kinds = collect(model.network, model.config, draw(options.seed, options.scenes))
    print(f"colour words named by a linear map of {model.config.name}'s features, {len(kinds)} actors\n")
    print("| stage | " + " | ".join(KINDS) + " |\n|---|" + "---|" * len(KINDS))
    for stage, values in zip(STAGES, features, strict=True):
        shares = probe(values, colours, kinds)
        print(f"| {stage} | " + " | ".join(f"{shares[kind]:.2f}" if kind in shares else "–" for kind in KINDS) + " |")
    print("\nmean IoU that logits of a stride can reach\n\n| stride | |\n|---|---|")
    for stride in (8, 4, 2):
        print(f"| {stride} | {bound(draw(options.seed, options.scenes), model.config, stride):.3f} |")


if __name__ == "__main__":
    main()
