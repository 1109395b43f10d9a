"""The stage on which a view is painted, and the record of what can be climbed on it."""

from dataclasses import dataclass, field

import numpy as np

from refvid.world.scenery.canvas import Canvas
from refvid.world.scenery.texture import Plane
from refvid.world.scenery.tint import Colour


@dataclass(frozen=True)
class Support:
    """A thing to climb, as drawn, in pixels of the frame seen by a still camera.

    Attributes:
        x: Column of its middle.
        top: Row up to which it can be climbed.
        bottom: Row of its foot, on the ground.
        name: Kind of thing: "tree", "ladder", "wall", "curtain", "pole", "fence", "rope" or "frame".
    """

    x: float
    top: float
    bottom: float
    name: str


@dataclass
class Stage:
    """A view being painted; columns and rows are those of the canvas, which is the frame with a margin around it.

    Attributes:
        canvas: Canvas to paint on.
        rng: Generator for all random choices.
        margin: Pixels on each side of the frame.
        width: Width of the frame in pixels.
        height: Height of the frame in pixels.
        horizon: Row of the canvas at which the ground begins.
        plane: The ground in perspective.
        light: Gain of each channel, applied to the finished picture.
        supports: Things to climb painted so far.
    """

    canvas: Canvas
    rng: np.random.Generator
    margin: int
    width: int
    height: int
    horizon: float
    plane: Plane
    light: Colour = (1.0, 1.0, 1.0)
    supports: list[Support] = field(default_factory=list)

    @property
    def unit(self) -> float:
        """A hundredth of the frame's smaller side in pixels."""
        return min(self.width, self.height) / 100

    @property
    def ground(self) -> float:
        """Number of rows from the horizon to the bottom of the frame."""
        return self.margin + self.height - self.horizon

    def row(self, share: float) -> float:
        """Return the row at a fraction of the way from the horizon (0) to the bottom of the frame (1)."""
        return self.horizon + share * self.ground

    def column(self, share: float) -> float:
        """Return the column at a fraction of the frame's width."""
        return self.margin + share * self.width

    def chance(self, probability: float) -> bool:
        """Return True with the given probability."""
        return bool(self.rng.uniform() < probability)

    def between(self, low: float, high: float) -> float:
        """Return a random number from `low` to `high`."""
        return float(self.rng.uniform(low, high))

    def climb(self, x: float, top: float, bottom: float, name: str) -> None:
        """Record something to climb, in pixels of the canvas; it is ignored if a still camera would not see it."""
        column, foot = x - self.margin, min(bottom - self.margin, self.height - 1.0)
        head = max(top - self.margin, 0.03 * self.height)
        if 0.04 * self.width <= column <= 0.96 * self.width and foot - head >= 0.15 * self.height:
            self.supports.append(Support(column, head, foot, name))
