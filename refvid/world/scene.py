"""The data types of the world: plain values that the modules of `refvid.world` exchange.

Coordinates are pixels of the picture, x to the right and y downwards. Figures are drawn in units of the actor's stature
(its height when it stands upright), x forwards and y upwards from the ground under its middle.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

RGB = tuple[int, int, int]

KINDS = ("adult", "baby", "ball", "bird", "car", "cat", "dog")
ACTIONS = ("climbing", "crawling", "eating", "flying", "jumping", "rolling", "running", "walking", "none")

# The pairs of actor and action in A2D, whose `videoset.csv` numbers both from 1, in this order.
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
    """A piece of clothing.

    Attributes:
        slot: "top", "lower", "dress" (instead of both), "shoes", "hat" or "bag".
        name: Noun used by expressions: "shirt", "coat", "jeans", "skirt", "dress", "cap", ...
        colour: One of the eleven names of `refvid.world.palette.COLOURS`.
        paint: Colour as drawn; `palette.name_of(paint) == colour`.
        pattern: "plain", "striped", "spotted" or "checked".
        accent: Colour of the pattern's marks; white, black or close enough to the paint for the name to stay true.
    """

    slot: str
    name: str
    colour: str
    paint: RGB
    pattern: str = "plain"
    accent: RGB = (255, 255, 255)


@dataclass(frozen=True)
class Look:
    """The appearance of an actor, independent of its action.

    Attributes:
        kind: One of `KINDS`.
        sex: "man" or "woman" for adults, otherwise None.
        garments: Garments of a person, at most one per slot; empty for all other kinds.
        colour: Colour name of the fur, feathers, paint or leather; for people, of the top or dress.
        paint: Colour as drawn.
        pattern: "plain", "striped", "spotted" or "checked", the pattern of the fur, ball or car; for people, of the top
            or dress.
        accent: Colour of the pattern's marks.
        skin: Skin colour of people.
        hair: Hair colour of people.
        build: Random number in [0, 1) that decides all unnamed traits: hair style, breed, car body, width.
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
    """A moment in a motion.

    Attributes:
        action: One of `ACTIONS`.
        phase: Position in the motion's cycle in radians; any real number, a cycle is 2 pi.
        facing: -1 for facing the left edge, 1 for facing the right edge.
    """

    action: str
    phase: float
    facing: int


@dataclass(frozen=True)
class Gait:
    """The relation between a motion's cycle and the distance travelled, which keeps feet from sliding.

    Attributes:
        stride: Distance travelled in one cycle, in statures; 0 for motions in place.
        cadence: Cycles per second at an ordinary pace.
        vertical: Whether the motion is upwards (climbing).
    """

    stride: float
    cadence: float
    vertical: bool = False


@dataclass(frozen=True)
class Sprite:
    """A small picture with its anchor.

    Attributes:
        image: RGBA picture with straight alpha, antialiased.
        anchor: Column and row in the image of the ground under the actor's middle (for a flying actor, of its centre).
    """

    image: Image.Image
    anchor: tuple[float, float]


@dataclass(frozen=True)
class Facts:
    """The facts about one actor in the middle frame of a clip on which expressions are based.

    Attributes:
        look: Appearance.
        action: One of `ACTIONS`.
        facing: -1 for facing left, 1 for facing right.
        direction: Direction of travel: "left", "right", "up", "down", or "" for an actor that stays in place.
        pace: "still", "slow" or "fast" compared with what is usual for the kind; "" for the usual pace.
        box: Left, top, right and bottom of the visible part in pixels; right and bottom are exclusive.
        area: Number of visible pixels.
        depth: Rank by distance from the camera among the actors of the scene; 0 is the nearest.
        seen: Whether enough of it is visible to be referred to.
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
    """An expression with its referent.

    Attributes:
        expression: Text in English, at most 20 words.
        actor: Index of the only actor it refers to; None if it refers to nothing in the scene.
        ways: Ways in which it tells the actor apart: "kind", "colour", "garment", "pattern", "size", "position",
            "action", "direction", "pace", "relation", "ordinal", "negation".
    """

    expression: str
    actor: int | None
    ways: frozenset[str]


@dataclass(frozen=True)
class Scene:
    """A clip with its ground truth.

    Attributes:
        frames: RGB frames, uint8 [T, H, W, 3].
        instances: Instance maps, uint8 [T, H, W]: n + 1 where actor n is visible, 0 for no actor.
        actors: Facts about every actor in the middle frame, T // 2.
        references: Expressions verified to refer to exactly one actor, and some that refer to nothing.
        frames_per_second: Frame rate of the clip.
    """

    frames: npt.NDArray[np.uint8]
    instances: npt.NDArray[np.uint8]
    actors: tuple[Facts, ...]
    references: tuple[Reference, ...]
    frames_per_second: float = 25.0

    def mask(self, actor: int | None) -> npt.NDArray[np.bool_]:
        """Return where an actor is visible, bool [T, H, W]; an empty mask for None."""
        if actor is None:
            return np.zeros(self.instances.shape, np.bool_)
        visible: npt.NDArray[np.bool_] = self.instances == actor + 1
        return visible
