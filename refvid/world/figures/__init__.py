"""The seven actors of A2D as articulated figures, each drawn as a small sprite."""

import numpy as np

from refvid.world.figures.animal import GAITS as ANIMAL_GAITS
from refvid.world.figures.animal import coat, draw_animal
from refvid.world.figures.person import GAITS as PERSON_GAITS
from refvid.world.figures.person import draw_person, dress
from refvid.world.figures.thing import GAITS as THING_GAITS
from refvid.world.figures.thing import draw_thing, paint_thing
from refvid.world.scene import Gait, Look, Pose, Sprite

GAITS: dict[tuple[str, str], Gait] = {**PERSON_GAITS, **ANIMAL_GAITS, **THING_GAITS}


def random_look(rng: np.random.Generator, kind: str) -> Look:
    """Return a random look for an actor; adults are men and women with equal probability."""
    if kind == "adult":
        return dress(rng, kind, "man" if rng.random() < 0.5 else "woman")
    if kind == "baby":
        return dress(rng, kind, None)
    return paint_thing(rng, kind) if kind in ("ball", "car") else coat(rng, kind)


def draw(look: Look, pose: Pose, stature: float) -> Sprite:
    """Draw an actor.

    Args:
        look: Appearance of the actor.
        pose: Action and moment.
        stature: Height of the actor in pixels when it stands upright.
    """
    if look.kind in ("adult", "baby"):
        return draw_person(look, pose, stature)
    return draw_thing(look, pose, stature) if look.kind in ("ball", "car") else draw_animal(look, pose, stature)
