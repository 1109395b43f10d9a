"""Learning works: a short training on one drawn clip, then its masks through the command line from the checkpoint."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from refvid.cli.app import main
from refvid.data.sample import Sample
from refvid.model.cmsa.config import tiny_config
from refvid.model.layers.language import Vocabulary, split_words
from refvid.model.registry import build_network
from refvid.train.augment import Augmentation
from refvid.train.distributed import Team
from refvid.train.feed import Feed
from refvid.train.loop import Trainer
from refvid.train.objective import Objective, ObjectiveSettings
from refvid.train.settings import TrainSettings
from refvid.weights import save_checkpoint
from refvid.world.language.grammar import words_of
from refvid.world.scene import Look, Scene
from refvid.world.scenes.backdrop import draw_view
from refvid.world.scenes.render import Track, render
from refvid.world.scenes.sampler import describe

EXPRESSIONS = ("the red car", "the blue car")
SETTINGS = TrainSettings(
    steps=150, batch=2, frames=3, frame_stride=2, learning_rate=3e-3, warmup=20, average_decay=0.98, seed=0
)


def draw_two_cars() -> Scene:
    """Draw twelve frames of two cars that pass each other and can only be told apart by the word for their colour."""
    red = Look("car", None, (), "red", (206, 30, 36), build=0.05)
    blue = Look("car", None, (), "blue", (40, 104, 214), build=0.3)
    tracks = [
        Track(red, "running", 1, (58, 56), (2, 0), 30, 0, 0, 0.4, near=56, airborne=False),
        Track(blue, "running", -1, (100, 86), (-2, 0), 34, 0, 0, 0.4, near=86, airborne=False),
    ]
    backdrop = draw_view(np.random.default_rng(3), 160, 90, "street")
    rendered = render(backdrop.image, backdrop.margin, np.zeros((12, 2)), tracks, ())
    return Scene(rendered.frames, rendered.instances, describe(tracks, rendered), ())


@dataclass(frozen=True)
class OneClip:
    """A data set of a single clip: the frames around any of them."""

    scene: Scene

    def draw(self, rng: np.random.Generator, proportions: float | None = None) -> Sample:
        length = len(self.scene.frames)
        target = int(rng.integers(length))
        around = target + SETTINGS.frame_stride * np.arange(-(SETTINGS.frames // 2), SETTINGS.frames // 2 + 1)
        masks = np.stack([self.scene.mask(actor)[target] for actor in range(len(EXPRESSIONS))])
        return Sample(
            frames=self.scene.frames[around.clip(0, length - 1)],
            frame_mask=(around >= 0) & (around < length),
            expressions=EXPRESSIONS,
            masks=masks,
            regions=masks,
            region_words=tuple(words_of(facts) for facts in self.scene.actors),
            frame_stride=SETTINGS.frame_stride,
        )


def train_on(scene: Scene, folder: Path) -> None:
    """Train `cmsa-tiny`, slimmer and on smaller pictures, from random weights and write its checkpoint."""
    torch.manual_seed(0)
    words = tuple(sorted({word for expression in EXPRESSIONS for word in split_words(expression)}))
    config = tiny_config(words).replace(
        input_size=128,
        backbone_channels=(16, 24, 48, 64, 64),
        embedding_channels=32,
        attention_channels=32,
        fusion_channels=32,
    )
    network = build_network(config)
    objective = Objective(network, Vocabulary(words, 20), ObjectiveSettings())
    trainer = Trainer(network, objective, SETTINGS, Team(0, 1, torch.device("cpu")))
    feed = Feed(OneClip(scene), config, SETTINGS.batch, SETTINGS.seed, Augmentation())
    for batch in feed.batches(0, SETTINGS.steps):
        trainer.advance(batch)
    with trainer.averaged() as learnt:
        save_checkpoint(learnt, config, folder)


@pytest.mark.timeout(900)
def test_a_clip_is_learnt_and_found_again(tmp_path: Path) -> None:
    scene = draw_two_cars()
    train_on(scene, tmp_path / "model")
    frames, out = tmp_path / "frames", tmp_path / "masks"
    frames.mkdir()
    for index, pixels in enumerate(scene.frames):
        Image.fromarray(pixels).save(frames / f"{index:05d}.png")
    arguments = ["-m", str(tmp_path / "model"), "-f", "png", "-o", str(out)]
    assert main(["segment", str(frames), *EXPRESSIONS, *arguments]) == 0
    found = np.stack([np.asarray(Image.open(path)) for path in sorted(out.iterdir())])
    assert len(found) == len(scene.frames)
    for actor, expression in enumerate(EXPRESSIONS):
        mask, target = found == actor + 1, scene.mask(actor)
        iou = (mask & target).sum((1, 2)) / (mask | target).sum((1, 2))
        assert iou.mean() > 0.85, f"{expression}: {iou.mean():.3f}"
