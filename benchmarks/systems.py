"""Every system and every alternative of the paper, tiny, trained alike on the drawn world, beside the papers' figures.

    export OMP_NUM_THREADS=1 MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=68719476736 MALLOC_TOP_PAD_=536870912
    python benchmarks/systems.py [--cache FOLDER] [--seeds 0 1 2] [--only NAME ...]

(The three settings of malloc keep memory between steps: without them page faults take most of the time.)

Scenes are drawn once into the folder. Each network starts from the trunk and the word vectors of `refvid-tiny`, all
else at random by the seed; with one seed all see the same clips in the same order, those that look at single frames the
target frames alone. They are scored on clips of the validation's stream of random numbers, which training never draws
from. What is done is kept in the folder and not done again, and several processes may share it, each with its own
`--only`. The tables are printed and written to FOLDER/table.md and FOLDER/table.json, the networks to FOLDER/models.
"""

import argparse
import functools
import hashlib
import itertools
import json
import os
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.command_line import errors_in_one_line
from benchmarks.systems_cost import cost, full_cost
from benchmarks.systems_table import FULL, KINDS, ROWS, Results, Row, figures, report
from refvid.data.sample import Sample
from refvid.metrics.regions import iou, iou_counts
from refvid.model.config import ModelConfig
from refvid.model.interface import ReferringNetwork
from refvid.model.layers.language import FIRST_WORD_ID, UNKNOWN_ID, Vocabulary, WordEmbedding
from refvid.model.registry import CONFIGS, build_network, build_vocabulary
from refvid.train.augment import Augmentation
from refvid.train.backbone_weights import load_backbone
from refvid.train.distributed import join_team
from refvid.train.feed import TRAINING, Feed, draw, generator_of
from refvid.train.loop import Step, Trainer, run_steps
from refvid.train.objective import Objective, ObjectiveSettings
from refvid.train.settings import TrainSettings
from refvid.train.validate import kept_back, predict
from refvid.weights import WEIGHTS_FILE, load_model, locate_checkpoint, save_checkpoint
from refvid.world.source import SHARES, VOCABULARY, WorldSource

START = "refvid-tiny"  # the model whose trunk and word vectors all networks start from
DRAWN_SHARES = dict(zip(KINDS, (0.65, 0.35), strict=True))  # shares of the kinds of scenes without photos
SCENES = 2**62  # number of scenes to choose from, so large that no two clips are the same
DRAWN_BY = "refvid.world.cache"  # recorded with the recipe, since other code would draw other clips
DATA_SEED = 0  # seed of the clips, the same for all training seeds
RESULT, COST, RECIPE = "result-{}-{}.json", "cost-{}.json", "recipe.json"


@dataclass(frozen=True)
class Recipe:
    """Everything that a result depends on besides its row and seed; results of different recipes are never mixed.

    Attributes:
        clips: Number of training clips.
        held_back: Number of clips of each kind for scoring.
        frames: Number of frames per clip.
        stride: Step in video frames between the frames of a clip.
        size: Side in pixels of a square with the area of the input.
        steps: Number of training steps per row.
        batch: Number of clips per step.
        rate: Peak learning rate.
        word_loss: Weight of the loss on each word's attention, which not every row has; 0 disables it for all.
        photos: Folder of labelled photos for further training clips; "" for drawn clips only.
    """

    clips: int = 2400
    held_back: int = 200
    frames: int = 3
    stride: int = 5
    size: int = 128
    steps: int = 300
    batch: int = 16
    rate: float = 1e-3
    word_loss: float = ObjectiveSettings.words
    photos: str = ""

    def config(self, row: Row) -> ModelConfig:
        """Return a row's config with this input."""
        return CONFIGS[row.model](VOCABULARY).replace(**row.changes, input_size=self.size)

    def settings(self, seed: int) -> TrainSettings:
        """Return the training settings."""
        return TrainSettings(
            steps=self.steps, batch=self.batch, frames=self.frames, frame_stride=self.stride, learning_rate=self.rate,
            neighbour_gradients=False, warmup=min(50, self.steps // 5), average_decay=0.98, precision="bfloat16",
            flip=0.5, colour=0.0, crop=0.0, seed=seed, checkpoint_every=self.steps,
        )  # fmt: skip

    def world(self, shares: dict[str, float], folder: Path) -> WorldSource:
        """Return the source of clips, which keeps its scenes in the folder."""
        return WorldSource(
            frames=self.frames, frame_stride=self.stride, size=self.size, shares=shares, cache=folder / "scenes",
            cache_scenes=SCENES, photos=Path(self.photos) if self.photos else None,
        )  # fmt: skip

    def record(self) -> dict[str, Any]:
        """Return what identifies a folder of results, including the code that draws clips and the initial weights."""
        weights = (locate_checkpoint(START)[0] / WEIGHTS_FILE).read_bytes()
        return asdict(self) | {"drawn_by": DRAWN_BY, "start": hashlib.sha256(weights).hexdigest()}


def claim(folder: Path, recipe: Recipe) -> None:
    """Mark the folder as that of a recipe, or exit if it belongs to another recipe."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / RECIPE
    if not path.exists():
        write_whole(path, recipe.record())
    kept, asked = read(path), recipe.record()
    if kept != asked:
        other = ", ".join(name for name in sorted(kept | asked) if kept.get(name) != asked.get(name))
        raise SystemExit(f"{path} holds settings that differ from the given ones ({other}); give another --cache")


def write_whole(path: Path, content: object) -> None:
    """Write a file completely or not at all: text as it is, everything else as JSON."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    partial.write_text(content if isinstance(content, str) else json.dumps(content, indent=1) + "\n", encoding="utf-8")
    os.replace(partial, path)


def read(path: Path) -> dict[str, Any]:
    """Return the content of a JSON file; an empty dictionary if there is no such file."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


@dataclass(frozen=True)
class Pool:
    """A pool of clips to draw training samples from, grouped by size."""

    groups: list[list[Sample]]

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> "Pool":
        """Group samples by their size."""
        ordered = sorted(samples, key=lambda sample: sample.frames.shape)  # a stable sort
        return cls([list(group) for _, group in itertools.groupby(ordered, key=lambda sample: sample.frames.shape)])

    def stills(self) -> "Pool":
        """Return the same pool reduced to target frames."""
        return Pool([[still(sample) for sample in group] for group in self.groups])

    def draw(self, rng: np.random.Generator, proportions: float | None = None) -> Sample:
        """Return a sample; `proportions` selects its group, with a probability proportional to the group's size."""
        edges = np.cumsum([len(group) for group in self.groups])
        place = (rng.random() if proportions is None else proportions) * edges[-1]
        group = self.groups[int(np.searchsorted(edges, place, side="right"))]
        return group[int(rng.integers(len(group)))]


def still(sample: Sample) -> Sample:
    """Return a sample's target frame alone, for networks that look at single frames."""
    target = slice(len(sample.frames) // 2, len(sample.frames) // 2 + 1)
    return replace(sample, frames=sample.frames[target], frame_mask=sample.frame_mask[target])


@functools.cache
def training_clips(recipe: Recipe, folder: Path) -> Pool:
    """Return the training clips; their scenes are drawn, or read if they have been drawn before."""
    print(f"drawing {recipe.clips} clips", flush=True)
    world = recipe.world(SHARES if recipe.photos else DRAWN_SHARES, folder)
    numbers = range(recipe.clips)
    return Pool.of([draw(world, generator_of(DATA_SEED, TRAINING, 0, number)) for number in numbers])


@functools.cache
def held_back_clips(recipe: Recipe, folder: Path) -> dict[str, list[Sample]]:
    """Return the clips for scoring, by kind."""
    return {kind: kept_back(recipe.world({kind: 1.0}, folder), DATA_SEED, recipe.held_back) for kind in KINDS}


@functools.cache
def starting_words() -> tuple[dict[str, int], Tensor]:
    """Return the ids of the words that all networks start from, and their vectors by id."""
    model = load_model(START, device="cpu")
    assert isinstance(model.network.embedding, WordEmbedding)
    return Vocabulary(model.config.vocabulary).ids, model.network.embedding.table.weight.detach()


@torch.no_grad()
def take_over(network: ReferringNetwork, config: ModelConfig) -> None:
    """Copy trained weights into the trunk, and into word tables of the config if they have the same width."""
    load_backbone(network.backbone, START)
    known, vectors = starting_words()
    rows = FIRST_WORD_ID + len(config.vocabulary)
    for module in network.modules():
        if isinstance(module, WordEmbedding) and module.table.weight.shape == (rows, vectors.shape[1]):
            module.table.weight[UNKNOWN_ID] = vectors[UNKNOWN_ID]
            for word, place in Vocabulary(config.vocabulary).ids.items():
                if word in known:
                    module.table.weight[place] = vectors[known[word]]


def learn(recipe: Recipe, row: Row, seed: int, pool: Pool) -> tuple[ReferringNetwork, list[str]]:
    """Train a row's network; return it with its averaged parameters, ready to segment, and the parts of its loss."""
    torch.manual_seed(seed)
    config, settings = recipe.config(row), recipe.settings(seed)
    network = build_network(config)
    take_over(network, config)
    objective = Objective(network, build_vocabulary(config), ObjectiveSettings(words=recipe.word_loss))
    seen = pool if network.frame_radius else pool.stills()
    feed = Feed(seen, config, settings.batch, seed, Augmentation.of(settings))
    began, losses, parts = time.monotonic(), dict[str, list[float]](), set[str]()

    def tell(step: Step) -> None:
        for name, value in step.scalars.items():
            losses.setdefault(name, []).append(value)
        parts.update(step.scalars.keys() - {"loss", "rate", "gradient"})
        if (step.number + 1) % 50 == 0:
            means = ", ".join(f"{name} {np.mean(values):.4f}" for name, values in losses.items())
            print(f"  step {step.number + 1}, {time.monotonic() - began:.0f} s: {means}", flush=True)
            losses.clear()

    with join_team("cpu") as team, closing(feed.batches(0, settings.steps)) as batches:
        trainer = Trainer(network, objective, settings, team)
        run_steps(trainer, batches, report=tell, save=lambda: None)
    network.load_state_dict(trainer.average.values)
    return network.eval(), sorted(parts)


def score(network: ReferringNetwork, config: ModelConfig, samples: Sequence[Sample]) -> dict[str, Any]:
    """Return pixel counts of the expressions with a referent, and whether the right actor is selected.

    The selected actor is the one whose region the mask overlaps best; there is none if the mask overlaps no region.

    Args:
        network: Network ready to segment.
        config: Config of the network.
        samples: Samples with their actors as regions.

    Returns:
        Lists over scenes of lists over expressions: "intersection" and "union" in pixels; "right", 1 or 0, for scenes
        with several actors; and "chance", the probability that a random choice among the scene's actors is right.
    """
    found: dict[str, Any] = {"intersection": [], "union": [], "right": []}
    chances: list[float] = []
    for sample in samples:
        assert sample.regions is not None
        sought = np.flatnonzero(sample.masks.any((1, 2)))
        if not len(sought):
            continue
        masks = predict(network, config, sample if network.frame_radius else still(sample))[sought]
        counts = [iou_counts(mask, truth) for mask, truth in zip(masks, sample.masks[sought], strict=True)]
        found["intersection"].append([shared for shared, _ in counts])
        found["union"].append([joined for _, joined in counts])
        choices = sought if len(sample.regions) > 1 else sought[:0]
        pairs = zip(masks[: len(choices)], sample.masks[choices], strict=True)
        found["right"].append([int(is_right(mask, truth, sample.regions)) for mask, truth in pairs])
        chances += [1 / len(sample.regions)] * len(choices)
    return found | {"chance": float(np.mean(chances)) if chances else 1.0}


def is_right(mask: np.ndarray[Any, Any], truth: np.ndarray[Any, Any], regions: np.ndarray[Any, Any]) -> bool:
    """Return whether a mask and the ground truth, bool [H, W], overlap best the same region of bool [R, H, W]."""
    overlaps = [iou(mask, region) for region in regions]
    meant = int(np.argmax([iou(truth, region) for region in regions]))
    return overlaps[meant] > 0 and int(np.argmax(overlaps)) == meant


def finish(row: Row, seed: int, recipe: Recipe, folder: Path) -> None:
    """Measure, train and score a row with a seed, unless that has been done before."""
    if not (folder / COST.format(row.name)).exists():
        write_whole(folder / COST.format(row.name), cost(row))
    path = folder / RESULT.format(row.name, seed)
    if path.exists():
        return
    pool, samples = training_clips(recipe, folder), held_back_clips(recipe, folder)
    print(f"{row.title}, seed {seed}", flush=True)
    began = time.monotonic()
    network, parts = learn(recipe, row, seed, pool)
    seconds, config = time.monotonic() - began, recipe.config(row)
    scores = {kind: score(network, config, clips) for kind, clips in samples.items()}
    save_checkpoint(network, config, folder / "models" / f"{row.name}-{seed}", half=True)
    write_whole(path, {"seconds": round(seconds), "parts": parts, "scores": scores})


def results_in(folder: Path) -> Results:
    """Return the results of the finished rows and seeds."""
    results: Results = {}
    for row in ROWS:
        # The name of one row may be a prefix of another's, such as "cmsa-cfsa".
        paths = folder.glob(RESULT.format(row.name, "*"))
        numbers = {path.stem.removeprefix(f"result-{row.name}-"): path for path in paths}
        seeds = {int(number): path for number, path in numbers.items() if number.isdecimal()}
        if seeds:
            results[row.name] = {seed: read(seeds[seed]) for seed in sorted(seeds)}
    return results


def write_tables(folder: Path) -> dict[str, Any]:
    """Write the tables of the finished rows and return their figures."""
    recipe, full, results = read(folder / RECIPE), read(folder / "full.json"), results_in(folder)
    costs = {row.name: read(folder / COST.format(row.name)) for row in ROWS if row.name in results}
    told = ", ".join(f"{name} {recipe[name] or 'no'}" for name in recipe if name not in ("drawn_by", "start"))
    write_whole(folder / "table.md", report(results, costs, full, f"Recipe: {told}."))
    record = {"recipe": recipe, "rows": figures(results), "costs": costs, "full": full}
    write_whole(folder / "table.json", record)
    return record


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    default = Recipe()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path("runs/systems"), help="scratch folder, for one recipe")
    parser.add_argument("--photos", default="no", help="folder of labelled photos to learn from too; no: drawn alone")
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[0], help="training seeds; each row is run once per seed"
    )
    parser.add_argument("--only", nargs="+", choices=[row.name for row in ROWS], help="rows to do; by default all")
    parser.add_argument("--steps", type=int, default=default.steps, help="training steps of each row")
    parser.add_argument("--clips", type=int, default=default.clips, help="number of training clips")
    parser.add_argument("--held-back", type=int, default=default.held_back, help="clips of each kind to score on")
    parser.add_argument("--frames", type=int, default=default.frames, help="number of frames per clip")
    parser.add_argument("--stride", type=int, default=default.stride, help="video frames between those of a clip")
    parser.add_argument("--size", type=int, default=default.size, help="side of the input's area, pixels")
    parser.add_argument("--batch", type=int, default=default.batch)
    parser.add_argument("--rate", type=float, default=default.rate, help="highest learning rate")
    parser.add_argument(
        "--word-loss",
        type=float,
        default=default.word_loss,
        help="weight of the loss on words; 0 gives all rows the same loss",
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--table-only", action="store_true", help="only write the tables of the finished rows")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table's figures here too")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is missing and write the tables."""
    given = vars(parse(arguments))
    folder, seeds, only = given.pop("cache"), given.pop("seeds"), given.pop("only")
    table_only, copy = given.pop("table_only"), given.pop("json")
    torch.set_num_threads(given.pop("threads"))
    given["photos"] = "" if given["photos"] == "no" else str(Path(given["photos"]).resolve())
    with errors_in_one_line():
        if not table_only:
            run(Recipe(**given), folder, seeds, only or [row.name for row in ROWS])
    if not (folder / RECIPE).exists():
        raise SystemExit(f"'{folder}' holds no results; leave --table-only out, or give another --cache")
    record = write_tables(folder)
    if copy:
        write_whole(copy, record)
    print((folder / "table.md").read_text(encoding="utf-8"))


def run(recipe: Recipe, folder: Path, seeds: Sequence[int], names: Sequence[str]) -> None:
    """Finish the rows with these names, all of them with one seed before the next."""
    claim(folder, recipe)
    write_whole(folder / "full.json", {name: full_cost(name) for name in FULL})
    for seed, row in itertools.product(seeds, ROWS):
        if row.name in names:
            finish(row, seed, recipe, folder)
            write_tables(folder)


if __name__ == "__main__":
    main()
