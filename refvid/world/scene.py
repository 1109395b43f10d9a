"""What the world is made of: plain values that every module of `refvid.world` passes to the next.

Coordinates are pixels of the picture, x to the right and y downwards. Figures are drawn in units of the actor's stature
(the height at which it stands upright), x forwards and y upwards from the ground under its middle.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

RGB = tuple[int, int, int]

KINDS = ("adult", "baby", "ball", "bird", "car", "cat", "dog")
ACTIONS = ("climbing", "crawling", "eating", "flying", "jumping", "rolling", "running", "walking", "none")

# The pairs of actor and action that A2D has (its `videoset.csv` numbers both from 1, in these orders).
ACTIONS_OF: dict[str, tuple[str, ...]] = {
    "adult": ("climbing", "crawling", "eating", "jumping", "rolling", "running", "walking", "none"),
    "baby": ("climbing", "crawling", "rolling", "walking", "none"),
    "ball": ("flying", "jumping", "rolling", "none"),
    "bird": ("climbing", "eating", "flying", "jumping", "rolling", "walking", "none"),
    "car": ("flying", "jumping", "rolling", "running", "none"),
    "cat": ("climbing", "eating", "jumping", "rolling", "running", "walking", "none"),
    "dog": ("crawling", "eating", "jumping", "rolling", "running", "walking", "none"),
}


@dataclass(frozen=True)
class Garment:
    """One piece of clothing.

    Attributes:
        slot: "top", "lower", "dress" (instead of both), "shoes", "hat" or "bag".
        name: As an expression calls it: "shirt", "coat", "jeans", "skirt", "dress", "cap", ...
        colour: One of the eleven names of `refvid.world.palette.COLOURS`.
        paint: As drawn; `palette.name_of(paint) == colour`.
        pattern: "plain", "striped", "spotted" or "checked".
        accent: Colour of the pattern's marks, close enough to white, black or the paint to leave the name true.
    """

    slot: str
    name: str
    colour: str
    paint: RGB
    pattern: str = "plain"
    accent: RGB = (255, 255, 255)


@dataclass(frozen=True)
class Look:
    """What an actor looks like, whatever it does.

    Attributes:
        kind: One of `KINDS`.
        sex: "man" or "woman" for adults, else None.
        garments: Of people, at most one a slot; empty for everything else.
        colour: Name of the fur, feathers, paint or leather; for people that of the top or dress.
        paint: The colour as drawn.
        pattern: Of fur, ball or car: "plain", "striped", "spotted" or "checked"; for people that of the top or dress.
        accent: Colour of the pattern's marks.
        skin: Of people.
        hair: Of people.
        build: Random number in [0, 1) that settles everything that has no name: hair style, breed, car body, width.
    """

    kind: str
    sex: str | None
    garments: tuple[Garment, ...]
    colour: str
    paint: RGB
    pattern: str = "plain"
    accent: RGB = (255, 255, 255)
    skin: RGB = (228, 180, 142)
    hair: RGB = (60, 40, 30)
    build: float = 0.5


@dataclass(frozen=True)
class Pose:
    """The moment of a motion.

    Attributes:
        action: One of `ACTIONS`.
        phase: Of the motion's cycle, radians; any real number, one cycle is 2 pi.
        facing: -1 towards the left edge, 1 towards the right.
    """

    action: str
    phase: float
    facing: int


@dataclass(frozen=True)
class Gait:
    """How a motion's cycle follows from the way travelled, so that feet do not slide.

    Attributes:
        stride: Statures travelled in one cycle; 0 for motions in place.
        cadence: Cycles a second, at an ordinary pace.
        vertical: Whether the way travelled is upwards (climbing).
    """

    stride: float
    cadence: float
    vertical: bool = False


@dataclass(frozen=True)
class Sprite:
    """A small picture and where it goes.

    Attributes:
        image: RGBA, straight alpha, antialiased.
        anchor: Column and row in the image of the ground under the actor's middle (of its centre, while it flies).
    """

    image: Image.Image
    anchor: tuple[float, float]


@dataclass(frozen=True)
class Facts:
    """What is true of one actor in the middle frame of a clip: everything an expression may say.

    Attributes:
        look: What it looks like.
        action: One of `ACTIONS`.
        facing: -1 or 1, the side it looks to.
        direction: Where it travels: "left", "right", "up", "down" or "" when it stays where it is.
        pace: "still", "slow" or "fast", against what is usual for its kind.
        box: Left, top, right, bottom of what is visible, pixels; right and bottom exclusive.
        area: Pixels visible.
        depth: Rank from the camera, 0 the nearest; of the actors of a scene.
        seen: Whether enough of it is visible to be asked for.
    """

    look: Look
    action: str
    facing: int
    direction: str
    pace: str
    box: tuple[int, int, int, int]
    area: int
    depth: int
    seen: bool = True


@dataclass(frozen=True)
class Reference:
    """An expression and what it means.

    Attributes:
        expression: In English, at most 20 words.
        actor: Index of the one actor it means, None when it means nothing in the scene.
        ways: What it tells the actor apart by: "kind", "colour", "garment", "pattern", "size", "position", "action",
            "direction", "pace", "relation", "ordinal", "negation".
    """

    expression: str
    actor: int | None
    ways: frozenset[str]


@dataclass(frozen=True)
class Scene:
    """A clip and the truth about it.

    Attributes:
        frames: uint8 [T, H, W, 3], RGB.
        instances: uint8 [T, H, W]: 0 for no actor, n + 1 where actor n is the nearest thing and visible.
        actors: Facts of the middle frame, T // 2.
        references: Expressions, verified to mean exactly one actor, and some that mean nothing.
        frames_per_second: Of the clip.
    """

    frames: npt.NDArray[np.uint8]
    instances: npt.NDArray[np.uint8]
    actors: tuple[Facts, ...]
    references: tuple[Reference, ...]
    frames_per_second: float = 25.0

    def mask(self, actor: int | None) -> npt.NDArray[np.bool_]:
        """Return where an actor is visible, bool [T, H, W]; nowhere for None."""
        if actor is None:
            return np.zeros(self.instances.shape, np.bool_)
        visible: npt.NDArray[np.bool_] = self.instances == actor + 1
        return visible
