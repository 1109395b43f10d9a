"""Scenes: exact masks, facts that hold in the picture, expressions with one referent, and reproducible drawing."""

from dataclasses import replace

import numpy as np
import pytest

from refvid.world.figures import random_look
from refvid.world.scene import ACTIONS_OF, KINDS, Look, Scene
from refvid.world.scenes.render import Rendered, Track, render
from refvid.world.scenes.sampler import Mode, describe, direction_of, draw_scene, pace_of


def scenes(mode: Mode, count: int, frames: int = 1) -> list[Scene]:
    return [
        draw_scene(np.random.default_rng((41, number)), frames=frames, width=256, height=144, mode=mode)
        for number in range(count)
    ]


@pytest.fixture(scope="module")
def mixed() -> list[Scene]:
    return scenes("mixed", 60)


def test_the_same_generator_state_gives_the_same_scene() -> None:
    first, second = (draw_scene(np.random.default_rng(5), frames=3, width=160, height=96, stride=2) for _ in range(2))
    np.testing.assert_array_equal(first.frames, second.frames)
    np.testing.assert_array_equal(first.instances, second.instances)
    assert first.actors == second.actors
    assert first.references == second.references


def test_facts_describe_the_middle_frame(mixed: list[Scene]) -> None:
    for scene in mixed:
        middle = scene.instances[len(scene.instances) // 2]
        assert set(np.unique(middle)) <= set(range(len(scene.actors) + 1))
        for index, facts in enumerate(scene.actors):
            visible = scene.mask(index)[len(scene.frames) // 2]
            assert facts.area == visible.sum()
            if facts.area:
                left, top, right, bottom = facts.box
                assert visible[top:bottom, left:right].sum() == facts.area
                assert visible[:, left].any()
                assert visible[top].any()
            assert facts.action in ACTIONS_OF[facts.look.kind]
        assert sorted(facts.depth for facts in scene.actors) == list(range(len(scene.actors)))


def test_sentences_mean_actors_that_can_be_seen(mixed: list[Scene]) -> None:
    present = [(scene, r) for scene in mixed for r in scene.references if r.actor is not None]
    assert len(present) > 3 * len(mixed)
    for scene, reference in present:
        assert reference.actor is not None
        assert scene.actors[reference.actor].seen, reference.expression
        assert scene.mask(reference.actor)[0].any()
    assert sum(r.actor is None for scene in mixed for r in scene.references) > len(mixed)


def test_the_world_is_varied(mixed: list[Scene]) -> None:
    actors = [facts for scene in mixed for facts in scene.actors]
    assert {facts.look.kind for facts in actors} == set(KINDS)
    assert len({facts.action for facts in actors}) == 9
    assert len({facts.look.colour for facts in actors}) == 11
    assert {"left", "right", ""} <= {facts.direction for facts in actors}
    assert {len(scene.actors) for scene in mixed} == {1, 2, 3, 4, 5}


def test_look_alikes_look_alike_and_do_different_things() -> None:
    for scene in scenes("motion", 20):
        assert len({facts.look for facts in scene.actors}) == 1
        deeds = {(facts.action, facts.direction) for facts in scene.actors}
        assert len(deeds) > 1
        for reference in scene.references:
            if reference.actor is not None:
                assert reference.ways <= {"kind", "action", "direction", "pace", "negation"}, reference


def test_people_are_two_or_three_and_larger() -> None:
    drawn = scenes("people", 20)
    adults = [[facts for facts in scene.actors if facts.look.kind == "adult"] for scene in drawn]
    assert {len(people) for people in adults} == {2, 3}
    assert any(len(scene.actors) > len(people) for scene, people in zip(drawn, adults, strict=True))
    areas = [facts.area for people in adults for facts in people]
    usual = [facts.area for scene in scenes("mixed", 40) for facts in scene.actors if facts.look.kind == "adult"]
    assert np.mean(areas) > np.mean(usual)


def track(look: Look, **changes: object) -> Track:
    plain = Track(look, "running", 1, (60.0, 80.0), (2.0, 0.0), 40.0, 0.0, 0.0, 0.1, 80.0, False)
    return replace(plain, **changes)  # type: ignore[arg-type]


def flat(tracks: list[Track], frames: int = 5) -> Rendered:
    from PIL import Image

    backdrop = Image.new("RGB", (180, 140), (90, 120, 90))
    return render(backdrop, 10, np.zeros((frames, 2)), tracks, [])


def test_actors_move_as_their_tracks_say() -> None:
    look = random_look(np.random.default_rng(1), "ball")
    rendered = flat([track(look, action="rolling", velocity=(3.0, 0.0))])
    columns = [np.nonzero(frame)[1].mean() for frame in rendered.instances]
    np.testing.assert_allclose(np.diff(columns), 3.0, atol=0.8)
    still = flat([track(look, action="none", velocity=(0.0, 0.0), turn=0.0)])
    assert (still.instances == still.instances[0]).all()


def test_the_nearer_actor_hides_the_farther() -> None:
    look = random_look(np.random.default_rng(2), "car")
    far, near = track(look, near=10.0), track(look, near=20.0, place=(64.0, 82.0))
    rendered = flat([near, far])
    assert rendered.shown[0] == 1
    assert 0 < rendered.shown[1] < 0.6
    facts = describe([near, far], rendered)
    assert [actor.depth for actor in facts] == [0, 1]
    assert [actor.seen for actor in facts] == [True, rendered.shown[1] >= 0.4]


@pytest.mark.parametrize(
    ("velocity", "direction"), [((2.0, 0.1), "right"), ((-2.0, 0.0), "left"), ((0.0, -2.0), "up"), ((0.05, 0.0), "")]
)
def test_directions(velocity: tuple[float, float], direction: str) -> None:
    moving = track(random_look(np.random.default_rng(3), "bird"), action="flying", velocity=velocity)
    assert direction_of(moving) == direction
    assert (pace_of(moving) == "still") == (direction == "")


def test_a_stride_shows_every_nth_frame() -> None:
    dense = draw_scene(np.random.default_rng(8), frames=5, width=128, height=80)
    sparse = draw_scene(np.random.default_rng(8), frames=3, width=128, height=80, stride=2)
    np.testing.assert_array_equal(sparse.instances, dense.instances[::2])
    assert sparse.frames_per_second == dense.frames_per_second / 2


def test_sizes_that_are_too_small_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 of 32x32"):
        draw_scene(np.random.default_rng(0), frames=1, width=20, height=64)
