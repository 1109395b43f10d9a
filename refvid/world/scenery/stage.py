"""What a painter of a view is given, and where it notes what can be climbed."""

from dataclasses import dataclass, field

import numpy as np

from refvid.world.scenery.canvas import Canvas
from refvid.world.scenery.texture import Plane
from refvid.world.scenery.tint import Colour


@dataclass(frozen=True)
class Support:
    """A thing to climb, where it is drawn; pixels of the frame that a still camera sees.

    Attributes:
        x: Column of its middle.
        top: Row up to which it can be climbed.
        bottom: Row of its foot, on the ground.
        name: What it is: "tree", "ladder", "wall", "curtain", "pole", "fence", "rope" or "frame".
    """

    x: float
    top: float
    bottom: float
    name: str


@dataclass
class Stage:
    """A view while it is painted; columns and rows are those of the canvas, which is the frame and a margin around it.

    Attributes:
        canvas: Painted on.
        rng: Decides everything.
        margin: Pixels on every side of the frame.
        width: Of the frame.
        height: Of the frame.
        horizon: Row of the canvas where the ground begins.
        plane: The ground in perspective.
        light: Gain of each channel over the whole picture at the end.
        supports: Found so far.
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
        """A hundredth of the frame's smaller side, pixels."""
        return min(self.width, self.height) / 100

    @property
    def ground(self) -> float:
        """Rows from the horizon to the bottom of the frame."""
        return self.margin + self.height - self.horizon

    def row(self, share: float) -> float:
        """Return the row that lies at a share of the way from the horizon (0) to the bottom of the frame (1)."""
        return self.horizon + share * self.ground

    def column(self, share: float) -> float:
        """Return the column at a share of the way across the frame."""
        return self.margin + share * self.width

    def chance(self, probability: float) -> bool:
        """Return True with the probability."""
        return bool(self.rng.uniform() < probability)

    def between(self, low: float, high: float) -> float:
        """Return a random number from `low` to `high`."""
        return float(self.rng.uniform(low, high))

    def climb(self, x: float, top: float, bottom: float, name: str) -> None:
        """Note something to climb, given in the canvas's pixels; what a still camera would not see is passed over."""
        column, foot = x - self.margin, min(bottom - self.margin, self.height - 1.0)
        head = max(top - self.margin, 0.03 * self.height)
        if 0.04 * self.width <= column <= 0.96 * self.width and foot - head >= 0.15 * self.height:
            self.supports.append(Support(column, head, foot, name))
