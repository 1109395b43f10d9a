"""A data set in a few lines: coloured squares on grey, with the sentences for them."""

from dataclasses import dataclass

import numpy as np

from refvid.data.sample import Sample
from refvid.model.refvid.config import RefvidConfig, refvid_tiny_config
from refvid.train import sources
from refvid.train.settings import TrainSettings
from refvid.train.sources import DataChoice, OpenData

COLOURS = {"red": (220, 40, 40), "green": (40, 180, 60), "blue": (50, 70, 220)}
WORDS = ("blue", "green", "left", "red", "right", "square", "the")


@dataclass(frozen=True)
class Squares:
    """Clips of 48 x 64 pixels with two squares of different colours, side by side."""

    frames: int = 1

    def draw(self, rng: np.random.Generator, proportions: float | None = None) -> Sample:
        picture = np.full((48, 64, 3), 128, dtype=np.uint8)
        masks = np.zeros((2, 48, 64), dtype=np.bool_)
        colours = [str(name) for name in rng.permutation(list(COLOURS))[:2]]
        for mask, colour, left in zip(masks, colours, (4, 36), strict=True):
            side, x, y = int(rng.integers(12, 20)), left + int(rng.integers(0, 4)), int(rng.integers(2, 20))
            mask[y : y + side, x : x + side] = True
            picture[mask] = COLOURS[colour]
        noise = rng.integers(-8, 9, (self.frames, 48, 64, 3))
        frames = np.clip(picture[None] + noise, 0, 255).astype(np.uint8)
        said = (f"the {colours[0]} square", f"the {colours[1]} square", "the left square")
        return Sample(
            frames=frames,
            frame_mask=np.ones(self.frames, dtype=np.bool_),
            expressions=said,
            masks=masks[[0, 1, 0]],
            regions=masks,
            region_words=tuple(frozenset({"square", colour}) for colour in colours),
        )


def small_config(**changes: object) -> RefvidConfig:
    """refvid-tiny in miniature."""
    return refvid_tiny_config(()).replace(
        name="small",
        backbone_channels=(8, 8, 8, 8, 8),
        input_size=64,
        input_shape="square",
        embedding_channels=8,
        attention_channels=8,
        fusion_channels=8,
        frame_radius=1,
        **changes,
    )


def open_squares(choice: DataChoice, settings: TrainSettings, size: int, split: str) -> OpenData:
    return OpenData(Squares(settings.frames), WORDS)


def register() -> None:
    """Make `--dataset squares` known to this process."""
    sources.DATASETS["squares"] = open_squares
