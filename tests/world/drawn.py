"""A small scene of rectangles, quick to make and with every case that the layouts must handle."""

import numpy as np

from refvid.world.scene import Facts, Look, Reference, Scene

WIDTH, HEIGHT, FRAMES = 96, 64, 12
COLOURS = ((230, 40, 40), (40, 60, 230), (240, 220, 40))


def facts(kind: str, action: str, area: int) -> Facts:
    look = Look(kind, "man" if kind == "adult" else None, (), "red", (200, 20, 20))
    return Facts(look, action, 1, "right", "slow", (0, 0, 1, 1), area, 0)


def draw(rng: np.random.Generator, test: bool = False) -> Scene:
    """Three rectangles that move to the right at random heights; the last one is seen in the second half only."""
    frames = np.full((FRAMES, HEIGHT, WIDTH, 3), 90, np.uint8)
    frames[..., 0] += np.linspace(0, 60, WIDTH, dtype=np.uint8)[None, None]
    instances = np.zeros((FRAMES, HEIGHT, WIDTH), np.uint8)
    tops = rng.integers(2, 30, 3)
    for time in range(FRAMES):
        for actor, colour in enumerate(COLOURS):
            if actor == 2 and time < FRAMES // 2:
                continue
            left = 4 + 30 * actor + time
            box = np.s_[time, tops[actor] : tops[actor] + 20 + 4 * actor, left : left + 14]
            frames[box], instances[box] = colour, actor + 1
    references = (
        Reference("Man in red, walking", 0, frozenset({"colour"})),
        Reference("the dog", 1, frozenset({"kind"})),
        Reference("a green cat", None, frozenset({"kind"})),
        Reference("ball on the right", 2, frozenset({"position"})),
        Reference("running dog", 1, frozenset({"action"})),
    )
    actors = (facts("adult", "none", 400), facts("dog", "running", 300), facts("ball", "rolling", 350))
    return Scene(frames, instances, actors, references)
