"""The ablations of the paper on the drawn world: variants of a small network, trained and scored alike.

    export OMP_NUM_THREADS=1 MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=68719476736 MALLOC_TOP_PAD_=536870912
    python benchmarks/ablations.py --cache FOLDER [--clips 3000] [--start-steps 1200] [--steps 350]

(The three settings of malloc keep memory between steps: without them page faults take most of the time.)

Scenes are drawn once into the folder. One network is warmed up on them with the words that are true of each position
alone (no masks); every variant starts from its weights, as far as it has them, sees the same clips in the same order,
and is scored on clips of the validation's stream of random numbers, which training never draws from. What is done is
kept in the folder and not done again. The table is printed and written to FOLDER/table.md and FOLDER/table.json.
"""

import argparse
import functools
import itertools
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.ablation_table import BASE, KINDS, VARIANTS, Result, Variant, report
from refvid.data.sample import Batch, Sample
from refvid.metrics import THRESHOLDS, iou, mean_iou, overall_iou, precision_at
from refvid.model.cmsa_config import CmsaConfig, tiny_config
from refvid.model.network import build_network
from refvid.train.augment import Augmentation
from refvid.train.distributed import join_team
from refvid.train.feed import TRAINING, Feed, draw, generator_of
from refvid.train.loop import Step, Trainer, run_steps
from refvid.train.objective import Objective, ObjectiveSettings
from refvid.train.settings import TrainSettings
from refvid.train.validate import kept_back, predict
from refvid.world.grammar import VOCABULARY
from refvid.world.source import WorldSource

SHARES = dict(zip(KINDS, (0.65, 0.35), strict=True))
SCENES = 2**62  # to choose each clip's from, so many that no two will be the same
DRAWN_BY = "refvid.world.cache"  # kept with the recipe: drawn otherwise, clips are others
RESULT = "result-{}.json"
START_OBJECTIVE = ObjectiveSettings(entropy=0, dice=0)
Weights = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Pool:
    """Clips to draw training samples from, by their proportions."""

    groups: list[list[Sample]]

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> "Pool":
        """Groups samples by their size."""
        ordered = sorted(samples, key=lambda sample: sample.frames.shape)  # a stable sort
        return cls([list(group) for _, group in itertools.groupby(ordered, key=lambda sample: sample.frames.shape)])

    def draw(self, rng: np.random.Generator, proportions: float | None = None) -> Sample:
        """Returns a sample; `proportions` chooses the group, each as likely as it is large."""
        edges = np.cumsum([len(group) for group in self.groups])
        place = (rng.random() if proportions is None else proportions) * edges[-1]
        group = self.groups[int(np.searchsorted(edges, place, side="right"))]
        return group[int(rng.integers(len(group)))]


@dataclass(frozen=True)
class Recipe:
    """All that a result depends on; results of another recipe are not mixed with these."""

    clips: int
    frames: int
    stride: int
    size: int
    width: float
    steps: int
    start_steps: int
    batch: int
    rate: float
    held_back: int
    seed: int

    def config(self, changes: dict[str, Any]) -> CmsaConfig:
        """Returns cmsa-tiny without CFSA, with fewer channels and a smaller input."""
        tiny = tiny_config(VOCABULARY)
        widths = tuple(max(8, round(channels * self.width / 8) * 8) for channels in tiny.backbone_channels)
        names = ("embedding_channels", "attention_channels", "fusion_channels")
        narrow: dict[str, Any] = {name: round(getattr(tiny, name) * self.width) for name in names}
        narrow |= {"backbone_channels": widths, "input_size": self.size}
        clip = {"frame_radius": max(1, self.frames // 2 * self.stride), "cross_frame": False}
        return tiny.renamed(**({"name": "ablation"} | narrow | clip | changes))

    def settings(self, steps: int) -> TrainSettings:
        """Returns how to train."""
        return TrainSettings(
            steps=steps, batch=self.batch, frames=self.frames, frame_stride=self.stride, learning_rate=self.rate,
            warmup=min(100, steps // 5), average_decay=0.99, precision="bfloat16", flip=0.5, colour=0.0, crop=0.0,
            seed=self.seed, checkpoint_every=steps,
        )  # fmt: skip

    def world(self, shares: dict[str, float], folder: Path) -> WorldSource:
        """Returns the source of clips, which keeps its scenes in the folder."""
        return WorldSource(
            frames=self.frames, frame_stride=self.stride, size=self.size, shares=shares,
            cache=folder / "scenes", cache_scenes=SCENES,
        )  # fmt: skip


def claim(folder: Path, recipe: Recipe) -> None:
    """Makes the folder that of a recipe, or ends the program where it is that of another."""
    folder.mkdir(parents=True, exist_ok=True)
    path, record = folder / "recipe.json", asdict(recipe) | {"drawn_by": DRAWN_BY}
    if not path.exists():
        write_whole(path, json.dumps(record).encode())
    if json.loads(path.read_text()) != record:
        raise SystemExit(f"{path} holds other settings than were given; give another --cache")


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file, whole or not at all."""
    partial = path.with_name(f".{path.name}.part")
    partial.write_bytes(content)
    os.replace(partial, path)


@functools.cache
def training_clips(recipe: Recipe, folder: Path) -> Pool:
    """Returns the clips to learn from; their scenes are drawn, or read where they were drawn before."""
    print(f"drawing {recipe.clips} clips", flush=True)
    world = recipe.world(SHARES, folder)
    return Pool.of([draw(world, generator_of(recipe.seed, TRAINING, 0, number)) for number in range(recipe.clips)])


@functools.cache
def held_back_clips(recipe: Recipe, folder: Path) -> dict[str, list[Sample]]:
    """Returns the clips to score on, by their kind."""
    return {kind: kept_back(recipe.world({kind: 1.0}, folder), recipe.seed, recipe.held_back) for kind in SHARES}


def stills(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Yields batches with the target frames alone: all that a network without CFSA looks at."""
    for batch in batches:
        target = batch.clips.shape[1] // 2
        chosen = slice(target, target + 1)
        yield replace(batch, clips=batch.clips[:, chosen], frame_mask=batch.frame_mask[:, chosen])


def learn(
    recipe: Recipe, pool: Pool, config: CmsaConfig, steps: int, loss: ObjectiveSettings, start: Weights
) -> Weights:
    """Trains a network from some weights and returns those it ends with: learnt ("network:", "objective:"), averaged.

    Args:
        recipe: Of the ablation.
        pool: Clips to learn from.
        config: Of the network.
        steps: To take.
        loss: Weights of its parts.
        start: Weights to begin with, where the network has such parameters.
    """
    torch.manual_seed(recipe.seed)
    network = build_network(config)
    objective = Objective(network, len(config.vocabulary), loss)
    for part, module in (("network", network), ("objective", objective)):
        own = module.state_dict()
        given = {name: start[f"{part}:{name}"] for name in own if f"{part}:{name}" in start}
        module.load_state_dict(own | {name: value for name, value in given.items() if value.shape == own[name].shape})
    settings = recipe.settings(steps)
    feed = Feed(pool, config, settings.batch, recipe.seed, Augmentation.of(settings))
    began, losses = time.monotonic(), dict[str, list[float]]()

    def tell(step: Step) -> None:
        for name, value in step.scalars.items():
            losses.setdefault(name, []).append(value)
        if (step.number + 1) % 50 == 0:
            parts = ", ".join(f"{name} {np.mean(values):.4f}" for name, values in losses.items())
            print(f"  step {step.number + 1}, {time.monotonic() - began:.0f} s: {parts}", flush=True)
            losses.clear()

    with join_team("cpu") as team, closing(feed.batches(0, steps)) as batches:
        trainer = Trainer(network, objective, settings, team)
        seen = batches if config.cross_frame else stills(batches)
        run_steps(trainer, seen, report=tell, save=lambda: None)
    ended = {"network": network.state_dict(), "objective": objective.state_dict(), "average": trainer.average.values}
    return {f"{part}:{name}": value.clone() for part, values in ended.items() for name, value in values.items()}


def warmed_up(recipe: Recipe, pool: Pool, folder: Path) -> Weights:
    """Returns the weights that all variants start from."""
    path = folder / "start.pt"
    if not path.exists():
        print(f"warming up for {recipe.start_steps} steps", flush=True)
        config = recipe.config({})
        weights = learn(recipe, pool, config, recipe.start_steps, START_OBJECTIVE, {})
        partial = path.with_suffix(".part")
        torch.save(weights, partial)
        os.replace(partial, path)
    return dict(torch.load(path, weights_only=True))


def score(config: CmsaConfig, weights: Weights, samples: Sequence[Sample]) -> dict[str, Any]:
    """Returns measures over the expressions that mean something, and the mean IoU of each clip that has one."""
    network = build_network(config)
    network.load_state_dict({name: weights[f"average:{name}"] for name in network.state_dict()})
    network.eval().to(memory_format=torch.channels_last)
    found, truth, scenes = [], [], []
    for sample in samples:
        sought = np.flatnonzero(sample.masks.any((1, 2)))
        if not len(sought):
            continue
        masks = predict(network, config, sample)[sought]
        found += list(masks)
        truth += list(sample.masks[sought])
        scenes.append(mean_iou([iou(one, other) for one, other in zip(masks, sample.masks[sought], strict=True)]))
    ious = [iou(one, other) for one, other in zip(found, truth, strict=True)]
    measures = {"mean_iou": mean_iou(ious), "overall_iou": overall_iou(found, truth)}
    measures |= {f"p@{threshold}": precision_at(ious, threshold) for threshold in THRESHOLDS}
    return measures | {"expressions": len(ious), "scenes": scenes}


def results_in(folder: Path) -> dict[str, Result]:
    """Returns the results of the variants that are done."""
    paths = {variant.name: folder / RESULT.format(variant.name) for variant in VARIANTS}
    return {name: json.loads(path.read_text()) for name, path in paths.items() if path.exists()}


def finish(variant: Variant, recipe: Recipe, folder: Path) -> None:
    """Trains and scores a variant, unless that was done before."""
    path = folder / RESULT.format(variant.name)
    if not path.exists():
        print(variant.title, flush=True)
        pool = training_clips(recipe, folder)
        start, config, began = warmed_up(recipe, pool, folder), recipe.config(variant.changes), time.monotonic()
        weights = learn(recipe, pool, config, recipe.steps, ObjectiveSettings(), start)
        seconds = time.monotonic() - began
        scores = {kind: score(config, weights, samples) for kind, samples in held_back_clips(recipe, folder).items()}
        count = sum(value.numel() for value in build_network(config).parameters())
        result = {"seconds": round(seconds), "parameters": count, "scores": scores}
        write_whole(path, json.dumps(result).encode())


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="scratch folder, for one recipe")
    parser.add_argument("--clips", type=int, default=3000, help="to learn from")
    parser.add_argument("--held-back", type=int, default=250, help="clips of each kind to score on")
    parser.add_argument("--frames", type=int, default=3, help="of a clip; 1 for stills, where CFSA has nothing to do")
    parser.add_argument("--stride", type=int, default=4, help="frames of the video from one of a clip to the next")
    parser.add_argument("--size", type=int, default=96, help="side of the input, pixels")
    parser.add_argument("--width", type=float, default=0.5, help="channels as a share of cmsa-tiny's")
    parser.add_argument("--steps", type=int, default=350, help="of each variant")
    parser.add_argument("--start-steps", type=int, default=1200, help="of the warm-up that all share")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=2e-3, help="highest learning rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    names = [variant.name for variant in VARIANTS if variant is not BASE]
    parser.add_argument("--only", nargs="+", choices=names, help="variants to compare with the base; by default all")
    return parser.parse_args()


def main() -> None:
    """Trains what is missing and writes the table."""
    given = vars(parse())
    folder, only = given.pop("cache"), given.pop("only")
    torch.set_num_threads(given.pop("threads"))
    recipe = Recipe(**given)
    claim(folder, recipe)
    for variant in VARIANTS:
        if variant is BASE or not only or variant.name in only:
            finish(variant, recipe, folder)
            results = results_in(folder)
            write_whole(folder / "table.md", report(results).encode())
            write_whole(folder / "table.json", (json.dumps(results, indent=1) + "\n").encode())
    print((folder / "table.md").read_text())


if __name__ == "__main__":
    main()
