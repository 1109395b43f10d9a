"""People as drawn: they look as described, they move, and planted feet do not slide."""

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from refvid.world.figures.motion import posed
from refvid.world.figures.person import GAITS, draw_person, draw_regions, dress
from refvid.world.palette import name_of
from refvid.world.scene import ACTIONS_OF, Look, Pose, Sprite

PAIRS = [(kind, action) for kind in ("adult", "baby") for action in ACTIONS_OF[kind]]


def looks(count: int) -> list[Look]:
    rng = np.random.default_rng(7)
    sexes = ("man", "woman", None)
    return [dress(rng, "adult" if sexes[n % 3] else "baby", sexes[n % 3]) for n in range(count)]


def look_of(kind: str, seed: int = 0) -> Look:
    return dress(np.random.default_rng(seed), kind, None if kind == "baby" else ("man", "woman")[seed % 2])


def placed(sprite: Sprite, size: int = 320) -> npt.NDArray[np.uint8]:
    """Return the sprite on an empty picture with its anchor at a fixed place, uint8 [size, size, 4]."""
    picture = np.zeros((size, size, 4), np.uint8)
    x, y = round(size / 2 - sprite.anchor[0]), round(size * 0.8 - sprite.anchor[1])
    picture[y : y + sprite.image.height, x : x + sprite.image.width] = np.asarray(sprite.image)
    return picture


def overlap(first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8]) -> float:
    a, b = first[..., 3] > 127, second[..., 3] > 127
    return float((a & b).sum() / (a | b).sum())


def test_the_same_generator_state_gives_the_same_person() -> None:
    first, second = (look_of("adult", 3) for _ in range(2))
    assert first == second
    assert first != look_of("adult", 5)
    pose = Pose("walking", 1.0, 1)
    a, b = (draw_person(first, pose, 80) for _ in range(2))
    assert a.anchor == b.anchor
    assert a.image.tobytes() == b.image.tobytes()


def test_a_look_is_consistent() -> None:
    for look in looks(90):
        slots = [garment.slot for garment in look.garments]
        assert len(slots) == len(set(slots))
        assert ("dress" in slots) != ("top" in slots)
        top = next(garment for garment in look.garments if garment.slot in ("top", "dress"))
        assert (look.colour, look.paint, look.pattern, look.accent) == (top.colour, top.paint, top.pattern, top.accent)
        assert all(name_of(garment.paint) == garment.colour for garment in look.garments)
        assert "dress" not in slots or look.sex == "woman"


def test_people_differ() -> None:
    seen = looks(120)
    assert len({look.colour for look in seen}) >= 9
    assert {look.pattern for look in seen} == {"plain", "striped", "spotted", "checked"}
    assert len({garment.name for look in seen for garment in look.garments}) >= 14


@pytest.mark.parametrize("kind", ["adult", "baby"])
def test_every_action_has_a_gait(kind: str) -> None:
    assert {action for owner, action in GAITS if owner == kind} == set(ACTIONS_OF[kind])
    for action in ACTIONS_OF[kind]:
        gait = GAITS[kind, action]
        assert gait.cadence > 0
        assert (gait.stride == 0) == (action in ("eating", "none"))
        assert gait.vertical == (action == "climbing")


@pytest.mark.parametrize(("kind", "action"), PAIRS)
def test_an_action_moves_and_repeats(kind: str, action: str) -> None:
    look = look_of(kind)
    moments = [placed(draw_person(look, Pose(action, phase, 1), 100)) for phase in (0.0, 1.5, 3.1, math.tau)]
    still = 0.999 if action == "none" else 0.97
    assert overlap(moments[0], moments[1]) < still
    assert overlap(moments[0], moments[2]) < (1.0 if action == "none" else 0.97)
    assert np.array_equal(moments[0], moments[3])


@pytest.mark.parametrize("kind", ["adult", "baby"])
def test_actions_look_different(kind: str) -> None:
    phases = np.arange(4) * math.tau / 4
    for seed in range(3):
        look = look_of(kind, seed)
        films = [[placed(draw_person(look, Pose(a, p, 1), 80)) for p in phases] for a in ACTIONS_OF[kind]]
        for index, film in enumerate(films):
            for other in films[:index]:
                assert np.mean([overlap(a, b) for a, b in zip(film, other, strict=True)]) < 0.85


@pytest.mark.parametrize("stature", [60, 140])
def test_garments_have_the_colours_they_are_named_after(stature: int) -> None:
    for number, look in enumerate(looks(60)):
        pose = Pose(("none", "walking", "crawling")[number // 3 % 3], number * 0.7, 1)
        picture = np.asarray(draw_person(look, pose, stature).image)
        regions = draw_regions(look, pose, stature)
        for garment in look.garments:
            if garment.slot not in ("top", "dress", "lower"):
                continue
            inside = np.asarray(regions[garment.slot].image)[..., 3] > 250
            assert inside.shape == picture.shape[:2]
            if garment.slot == "lower" and (pose.action == "crawling" or inside.sum() < 0.02 * stature**2):
                continue  # below a coat or a crawling trunk a strip is seen, which may be all stripe
            assert inside.sum() > 0.02 * stature**2 * (garment.slot != "lower")
            if garment.pattern != "plain" and stature < 100:
                continue  # narrow stripes: most pixels are mixtures of paint and marks
            assert name_of(np.median(picture[inside][:, :3], axis=0)) == garment.colour, (garment, pose.action)


def test_a_pattern_shows_in_small_figures() -> None:
    for look in looks(60):
        region = draw_regions(look, Pose("none", 0.0, 1), 60)
        inside = np.asarray(region["dress" if "dress" in region else "top"].image)[..., 3] > 250
        colours = np.asarray(draw_person(look, Pose("none", 0.0, 1), 60).image)[inside][:, :3].astype(float)
        marked = (np.abs(colours - look.paint).max(1) > 40).mean()
        # Folds, and the darker arm of the far side, are no marks.
        assert marked > 0.15 if look.pattern != "plain" else marked < 0.3


def test_edges_are_antialiased_and_free_of_fringes() -> None:
    white = (240, 238, 236)
    look = look_of("adult")
    garments = tuple(replace(garment, paint=white, pattern="plain") for garment in look.garments)
    look = replace(look, garments=garments, skin=white, hair=white)
    pixels = np.asarray(draw_person(look, Pose("walking", 0.5, 1), 100).image)
    alpha = pixels[..., 3]
    between = (alpha > 30) & (alpha < 225)
    assert 0.03 < between.sum() / (alpha > 0).sum() < 0.5
    # Straight alpha: on the rim the colour is not mixed with the black of nothing.
    assert np.quantile(pixels[between][:, :3].min(1), 0.02) > 130


@pytest.mark.parametrize(("kind", "action"), PAIRS)
def test_the_anchor_is_on_the_ground_below_the_body(kind: str, action: str) -> None:
    for seed in range(4):
        for phase in (0.0, 1.0, 2.0, 3.5, 5.0):
            sprite = draw_person(look_of(kind, seed), Pose(action, phase, 1), 100)
            assert 0 <= sprite.anchor[0] <= sprite.image.width
            above = sprite.anchor[1] - sprite.image.height
            if action in ("walking", "none", "crawling", "eating", "rolling"):
                assert -4 <= above <= 2, "neither sinks into the ground nor floats"
            elif action == "climbing":
                assert -4 <= above <= 20
            else:
                assert -4 <= above <= 45


def test_a_leap_leaves_the_ground() -> None:
    look = look_of("adult")
    sprites = [draw_person(look, Pose("jumping", phase, 1), 100) for phase in np.linspace(0, math.tau, 24)]
    lifts = [sprite.anchor[1] - sprite.image.height for sprite in sprites]
    assert max(lifts) > 20
    assert sum(abs(lift) < 4 for lift in lifts) > 8


def test_facing_left_is_the_mirror_of_facing_right() -> None:
    for kind, action in PAIRS:
        right, left = (draw_person(look_of(kind, 1), Pose(action, 1.2, facing), 70) for facing in (1, -1))
        assert np.array_equal(np.asarray(right.image)[:, ::-1], np.asarray(left.image))
        assert left.anchor == (right.image.width - right.anchor[0], right.anchor[1])


@pytest.mark.parametrize("stature", [40.0, 90.0, 233.5])
def test_a_standing_person_is_as_tall_as_its_stature(stature: float) -> None:
    for look in looks(30):
        height = draw_person(look, Pose("none", 0.0, 1), stature).anchor[1]
        waves = 1.2  # a waving hand or a hat goes above the head
        assert 0.95 * stature - 1 <= height <= waves * stature


@pytest.mark.parametrize(("kind", "action"), [("adult", "walking"), ("adult", "running"), ("baby", "walking")])
def test_a_standing_foot_does_not_slide(kind: str, action: str) -> None:
    stride, places = GAITS[kind, action].stride, []
    for phase in np.linspace(0.0, math.pi, 60):
        leg = posed(kind, action, float(phase), 0.4).legs[1]
        if leg.pitch == 0:
            places.append((leg.end[0] + stride * phase / math.tau, leg.end[1]))
    assert len(places) > 5
    travelled = np.ptp(np.array(places), axis=0)
    assert travelled[0] < 0.012
    assert travelled[1] < 0.012


@pytest.mark.parametrize(("kind", "sex"), [("dog", None), ("adult", None), ("baby", "man")])
def test_nobody_else_is_dressed(kind: str, sex: str | None) -> None:
    with pytest.raises(ValueError, match="expected adult man, adult woman or baby None"):
        dress(np.random.default_rng(0), kind, sex)


def test_a_person_is_of_a_size_that_can_be_drawn() -> None:
    with pytest.raises(ValueError, match="at least 4 px"):
        draw_person(look_of("adult"), Pose("none", 0.0, 1), 2)
    assert draw_person(look_of("adult"), Pose("none", 0.0, 1), 4).image.height >= 4
