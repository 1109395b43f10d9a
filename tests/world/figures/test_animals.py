"""Figures of animals and things: their looks, their motion, and planted feet that do not slide."""

import math

import numpy as np
import numpy.typing as npt
import pytest

from refvid.world.figures.animal import GAITS as ANIMAL_GAITS
from refvid.world.figures.animal import coat, draw_animal
from refvid.world.figures.quadruped_motion import Frame, stance_of
from refvid.world.figures.thing import GAITS as THING_GAITS
from refvid.world.figures.thing import draw_thing, paint_thing
from refvid.world.palette import COLOURS, name_of, to_lab
from refvid.world.scene import ACTIONS_OF, Look, Pose, Sprite

ANIMALS, THINGS = ("dog", "cat", "bird"), ("car", "ball")
GAITS = {**ANIMAL_GAITS, **THING_GAITS}
PAIRS = [(kind, action) for kind in (*ANIMALS, *THINGS) for action in ACTIONS_OF[kind]]
MOVING = [pair for pair in PAIRS if pair not in (("car", "none"), ("ball", "none"))]


def random_look(kind: str, seed: int) -> Look:
    rng = np.random.default_rng(seed)
    return coat(rng, kind) if kind in ANIMALS else paint_thing(rng, kind)


def draw(look: Look, action: str, phase: float = 0.7, facing: int = 1, stature: float = 60) -> Sprite:
    painter = draw_animal if look.kind in ANIMALS else draw_thing
    return painter(look, Pose(action, phase, facing), stature)


def placed(sprite: Sprite, half: int = 240) -> npt.NDArray[np.int16]:
    """Return the sprite on a black canvas, its anchor in the middle, int16 [2 * half, 2 * half, 4]."""
    canvas = np.zeros((2 * half, 2 * half, 4), np.int16)
    column, row = round(half - sprite.anchor[0]), round(half - sprite.anchor[1])
    pixels = np.asarray(sprite.image)
    canvas[row : row + pixels.shape[0], column : column + pixels.shape[1]] = pixels
    return canvas


def test_every_pair_of_actor_and_action_has_a_gait() -> None:
    assert set(GAITS) == set(PAIRS)
    for (_, action), gait in GAITS.items():
        assert gait.vertical == (action == "climbing")
        assert 0 <= gait.cadence <= 4
        assert (gait.stride > 0) == (action in ("walking", "running", "crawling", "climbing", "jumping", "flying")) or (
            action == "rolling"
        )
    # One turn of a ball takes it on by its circumference.
    assert GAITS["ball", "rolling"].stride == pytest.approx(math.pi)


@pytest.mark.parametrize("kind", [*ANIMALS, *THINGS])
def test_the_same_generator_gives_the_same_picture(kind: str) -> None:
    first, second = random_look(kind, 5), random_look(kind, 5)
    assert first == second
    for action in ACTIONS_OF[kind]:
        one, two = draw(first, action), draw(second, action)
        assert one.anchor == two.anchor
        assert one.image.tobytes() == two.image.tobytes()
    assert len({random_look(kind, seed) for seed in range(20)}) == 20


@pytest.mark.parametrize(("kind", "action"), MOVING)
def test_an_action_moves(kind: str, action: str) -> None:
    look = random_look(kind, 1)
    if kind == "ball":
        look = Look(kind, None, (), look.colour, look.paint, "checked", look.accent)
    pictures = [placed(draw(look, action, phase)) for phase in (0.3, 1.9, 3.4, 5.0)]
    for number in range(4):
        assert np.abs(pictures[number] - pictures[number - 1]).max() > 40


@pytest.mark.parametrize(("kind", "action"), PAIRS)
def test_a_cycle_closes(kind: str, action: str) -> None:
    look = random_look(kind, 2)
    first, last = (placed(draw(look, action, phase)) for phase in (0.4, 0.4 + 2 * math.pi))
    # A sprite may begin a sample earlier for rounding, so single edge pixels may differ.
    assert (np.abs(first - last).max(axis=-1) > 8).sum() <= 4


@pytest.mark.parametrize("kind", [*ANIMALS, *THINGS])
def test_actions_differ(kind: str) -> None:
    look = random_look(kind, 3)
    shapes = {}
    for action in ACTIONS_OF[kind]:
        if (kind, action) in (("car", "running"), ("ball", "rolling"), ("ball", "flying")):
            continue  # these differ from standing still by their motion alone
        shapes[action] = placed(draw(look, action, 2.6))[..., 3] > 127
    for action, shape in shapes.items():
        for other, its in shapes.items():
            if action < other:
                union = (shape | its).sum()
                assert (shape & its).sum() / union < 0.93, (action, other)


@pytest.mark.parametrize("kind", [*ANIMALS, *THINGS])
def test_the_body_has_the_colour_it_is_called_by(kind: str) -> None:
    for name in COLOURS:
        look = next(
            look
            for look in (random_look(kind, seed) for seed in range(2000))
            if (look.colour, look.pattern) == (name, "plain")
        )
        assert name_of(look.paint) == name
        pixels = np.asarray(draw(look, "none", stature=80).image)
        solid = pixels[pixels[..., 3] == 255][:, :3]
        near = np.linalg.norm(to_lab(solid) - to_lab(look.paint), axis=1) < 25
        assert near.mean() > 0.4, (name, near.mean())
        if kind != "bird":
            assert name_of(np.median(solid[near], axis=0)) == name


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [("dog", "spotted"), ("cat", "spotted"), ("cat", "striped"), ("dog", "striped"), ("car", "striped"),
     ("ball", "striped"), ("ball", "spotted"), ("ball", "checked")],
)  # fmt: skip
def test_marks_are_seen_and_leave_the_name_true(kind: str, pattern: str) -> None:
    plain = Look(kind, None, (), "orange", (246, 130, 20), "plain", (30, 28, 30), build=0.3)
    marked = Look(kind, None, (), "orange", (246, 130, 20), pattern, (30, 28, 30), build=0.3)
    one, two = (np.asarray(draw(look, "none").image).astype(int) for look in (plain, marked))
    changed = (np.abs(one - two).max(axis=-1) > 60)[one[..., 3] > 127].mean()
    assert 0.03 < changed < 0.45


@pytest.mark.parametrize(("kind", "action"), PAIRS)
def test_edges_are_soft_and_facing_mirrors(kind: str, action: str) -> None:
    look = random_look(kind, 4)
    right, left = draw(look, action), draw(look, action, facing=-1)
    alpha = np.asarray(right.image)[..., 3]
    assert ((alpha > 20) & (alpha < 235)).sum() > 20
    assert max(alpha[0].max(), alpha[-1].max(), alpha[:, 0].max(), alpha[:, -1].max()) < 128
    np.testing.assert_array_equal(np.asarray(right.image)[:, ::-1], np.asarray(left.image))
    assert left.anchor == pytest.approx((right.image.width - right.anchor[0], right.anchor[1]))


@pytest.mark.parametrize("kind", [*ANIMALS, *THINGS])
@pytest.mark.parametrize("stature", [40, 150])
def test_standing_it_is_as_high_as_its_stature(kind: str, stature: float) -> None:
    heights = []
    for seed in range(24):
        sprite = draw(random_look(kind, seed), "none", stature=stature)
        solid = np.asarray(sprite.image)[..., 3] > 127
        # A raised tail does not count: the front half has the head.
        rows = np.flatnonzero(solid[:, solid.shape[1] // 2 :].any(axis=1))
        assert abs(np.flatnonzero(solid.any(axis=1)).max() + 1 - sprite.anchor[1]) < max(1.6, 0.03 * stature)
        heights.append((sprite.anchor[1] - rows.min()) / stature)
    assert np.mean(heights) == pytest.approx(1, abs=0.07)
    assert max(np.abs(np.array(heights) - 1)) < 0.2


@pytest.mark.parametrize(("kind", "action"), [("dog", "walking"), ("dog", "running"), ("dog", "crawling"),
                                              ("cat", "walking"), ("cat", "running"), ("dog", "jumping")])  # fmt: skip
def test_standing_feet_do_not_slide(kind: str, action: str) -> None:
    frame = Frame(0.55, 0.7, (0.16, 0.22), (2.0, 0.0, 0.3), False)
    step, seen = 0.02, 0
    for start in np.arange(0, 2 * math.pi, 0.1):
        before, after = (stance_of(kind, action, phase, frame).feet for phase in (start, start + step))
        for one, two in zip(before, after, strict=True):
            if one[1] == two[1] == 0:
                seen += 1
                assert one[0] - two[0] == pytest.approx(GAITS[kind, action].stride * step / (2 * math.pi), rel=1e-6)
    assert seen > 20


@pytest.mark.parametrize(("kind", "action"), [("dog", "walking"), ("cat", "walking"), ("dog", "crawling"),
                                              ("car", "running"), ("ball", "rolling")])  # fmt: skip
def test_what_walks_or_drives_touches_the_ground(kind: str, action: str) -> None:
    look = random_look(kind, 6)
    for phase in np.arange(0, 2 * math.pi, 0.5):
        sprite = draw(look, action, float(phase), stature=100)
        lowest = np.flatnonzero((np.asarray(sprite.image)[..., 3] > 127).any(axis=1)).max() + 1
        assert abs(lowest - sprite.anchor[1]) < 3


@pytest.mark.parametrize("kind", ["bird", "car", "ball"])
def test_what_flies_hangs_on_its_middle(kind: str) -> None:
    sprite = draw(random_look(kind, 7), "flying", 0.0, stature=100)
    solid = np.asarray(sprite.image)[..., 3] > 127
    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    assert abs((rows.min() + rows.max()) / 2 - sprite.anchor[1]) < 15
    assert abs((columns.min() + columns.max()) / 2 - sprite.anchor[0]) < 25


def test_a_wrong_kind_or_action_is_said() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="expected 'dog', 'cat' or 'bird'"):
        coat(rng, "car")
    with pytest.raises(ValueError, match="expected one of car, ball"):
        paint_thing(rng, "dog")
    with pytest.raises(ValueError, match="'cat' cannot do 'flying'"):
        draw(random_look("cat", 0), "flying")
    with pytest.raises(ValueError, match="'ball' cannot do 'walking'"):
        draw(random_look("ball", 0), "walking")
