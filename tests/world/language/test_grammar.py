"""Expressions are true of one actor, natural, varied and within the vocabulary."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from refvid.data.place_words import DIRECTION_OR_POSITION_WORDS
from refvid.model.layers.language import split_words
from refvid.world.language.grammar import VOCABULARY, absent, refer, refer_motion, words_of
from refvid.world.language.words import CONTENT_WORDS, words_in
from refvid.world.scene import Facts, Reference
from tests.world.language.grammar_scenes import HEIGHT, WIDTH, Reader, actor, person, random_scene, random_scenes, thing


def draws(facts: Sequence[Facts], rounds: int = 200, make: object = refer) -> list[Reference]:
    rng = np.random.default_rng(0)
    return [found for _ in range(rounds) for found in make(rng, facts, WIDTH, HEIGHT, 4)]  # type: ignore[operator]


def bare(expression: str) -> str:
    """The expression without words that could as well be left out, and with the plainest noun."""
    text = re.sub(r"\b(the|an?|is|who|that)\b ?", "", expression.lower())
    for noun, plain in {"guy": "man", "lady": "woman", "vehicle": "car", "puppy": "dog"}.items():
        text = re.sub(rf"\b{noun}\b", plain, text)
    return text.strip()


def test_literal_reading_finds_exactly_the_meant_actor() -> None:
    read = 0
    for rng, facts in random_scenes(200):
        for found in refer(rng, facts, WIDTH, HEIGHT, 6):
            truths = [Reader(found.expression).understood(fact) for fact in facts]
            if None in truths:
                continue
            read += 1
            assert truths.index(True) == found.actor, (found, facts)
            assert sum(map(bool, truths)) == 1, (found, facts)
            assert facts[found.actor].seen
    assert read > 300


def test_literal_reading_of_absent_expressions_finds_nobody() -> None:
    read = 0
    for rng, facts in random_scenes(200):
        found = absent(rng, facts, WIDTH, HEIGHT, 4)
        assert len(found) == 4
        for reference in found:
            assert reference.actor is None
            truths = [Reader(reference.expression).understood(fact) for fact in facts]
            read += None not in truths
            assert True not in truths, (reference, facts)
    assert read > 300


def test_every_word_is_in_the_vocabulary_and_none_is_the_twenty_first() -> None:
    known = set(VOCABULARY)
    assert list(VOCABULARY) == sorted(known)
    lengths = []
    for rng, facts in random_scenes(150):
        moving = refer_motion(rng, random_scene(rng, alike=True), WIDTH, HEIGHT, 4)
        for found in (
            *refer(rng, facts, WIDTH, HEIGHT, 6),
            *absent(rng, facts, WIDTH, HEIGHT, 4),
            *moving,
        ):
            words = split_words(found.expression)
            assert words == words_in(found.expression)
            assert set(words) <= known, found.expression
            if found.actor is not None and found not in moving:
                lengths.append(len(words))
    assert max(lengths) <= 20
    assert min(lengths) == 1
    assert 5 < np.mean(lengths) < 8


def test_vocabulary_holds_the_words_of_photos() -> None:
    assert set(split_words("her his their t-shirt sunglasses romper girl truck holding dark no people")) <= set(
        VOCABULARY
    )


def test_words_of_an_actor_cover_what_is_said_of_it() -> None:
    for rng, facts in random_scenes(150):
        for fact in facts:
            assert words_of(fact) <= CONTENT_WORDS
        for found in refer(rng, facts, WIDTH, HEIGHT, 6):
            if found.ways & {"relation", "negation", "direction"}:
                continue
            assert found.actor is not None
            said = set(words_in(found.expression)) & CONTENT_WORDS - DIRECTION_OR_POSITION_WORDS
            assert said <= words_of(facts[found.actor]), (found, facts[found.actor])


def test_words_of_one_actor() -> None:
    look = person("man", "top yellow t-shirt", "lower blue jeans", "hat red cap")
    words = words_of(actor(look, 50, "running", "left", "fast"))
    assert words >= {"man", "guy", "person", "yellow", "blue", "red", "t", "shirt", "jeans", "pants", "cap", "hat"}
    assert words >= {"running", "runs", "moving", "left", "fast", "quickly"}
    assert not words & {"woman", "baby", "walking", "green", "skirt", "right", "slowly", "still", "striped"}
    assert "still" in words_of(actor(thing("dog", "brown"), 50))


def test_every_way_occurs_and_actors_share() -> None:
    ways: Counter[str] = Counter()
    shares: list[float] = []
    for rng, facts in random_scenes(200):
        found = refer(rng, facts, WIDTH, HEIGHT, 4)
        ways.update(way for reference in found for way in reference.ways)
        seen = sum(fact.seen for fact in facts)
        if seen:
            shares.append(len({reference.actor for reference in found}) / min(seen, 4))
    expected = "kind colour garment pattern size position action direction pace relation ordinal negation"
    assert set(ways) == set(expected.split())
    assert min(ways.values()) > 10
    assert np.mean(shares) > 0.75


def test_same_state_same_expressions() -> None:
    facts = random_scene(np.random.default_rng(4))
    for make in (refer, absent, refer_motion):
        first, again = (make(np.random.default_rng(9), facts, WIDTH, HEIGHT, 5) for _ in range(2))
        assert first == again


def test_expressions_of_a_call_differ() -> None:
    for rng, facts in random_scenes(50):
        texts = [found.expression.lower() for found in refer(rng, facts, WIDTH, HEIGHT, 6)]
        assert len(set(texts)) == len(texts)


def test_two_that_look_the_same_are_not_told_apart_by_looks() -> None:
    look = person("man", "top red shirt", "lower blue jeans", "shoes black shoes")
    twins = [actor(look, 30, "walking", "right"), actor(look, 170, "walking", "left")]
    found = draws(twins)
    assert found
    telling = {"position", "direction", "ordinal", "relation"}
    assert all(reference.ways & telling for reference in found)


def test_identical_twins_in_one_place_have_no_expression() -> None:
    twin = actor(person("woman", "dress green dress"), 100, "walking", "left")
    assert draws([twin, replace(twin, depth=1)], rounds=40) == []


def test_who_is_not_seen_is_never_meant_but_may_be() -> None:
    dogs = [actor(thing("dog", "brown"), 30), actor(thing("dog", "brown"), 170, seen=False)]
    found = draws(dogs)
    assert found
    assert {reference.actor for reference in found} == {0}
    assert not {"dog", "the dog", "a dog", "brown dog"} & {reference.expression.lower() for reference in found}
    assert draws([replace(fact, seen=False) for fact in dogs], rounds=5) == []


def test_in_yellow_is_not_said_while_another_wears_any_yellow() -> None:
    yellow = person("man", "top yellow shirt", "lower blue jeans")
    shoes = person("man", "top green shirt", "lower blue jeans", "shoes yellow shoes")
    hidden = {reference.expression.lower() for reference in draws([actor(yellow, 40), actor(shoes, 160)])}
    assert not [text for text in hidden if re.search(r"(man|guy) (dressed )?in yellow$", text)]
    assert any("in a yellow shirt" in text for text in hidden)
    plain = person("man", "top green shirt", "lower blue jeans", "shoes black shoes")
    open_texts = {reference.expression.lower() for reference in draws([actor(yellow, 40), actor(plain, 160)])}
    assert "the man in yellow" in open_texts


def test_a_shirt_is_not_told_from_a_jacket_of_its_colour() -> None:
    scene = [
        actor(person("man", "top red shirt", "lower blue jeans"), 40),
        actor(person("man", "top red jacket", "lower blue jeans"), 160),
    ]
    texts = {reference.expression.lower() for reference in draws(scene)}
    assert not [text for text in texts if re.search(r"in an? red (shirt|jacket)$", text)]


SCENES: dict[str, tuple[list[Facts], set[str]]] = {
    "people": (
        [
            actor(person("man", "top yellow shirt", "lower blue jeans", "hat black hat"), 30, "walking", "left"),
            actor(person("man", "top green t-shirt", "lower black shorts"), 100, "none", feet=142),
            actor(person("woman", "dress red dress", "bag brown handbag"), 170, "running", "right", "fast"),
        ],
        {
            "man in yellow", "man in a yellow shirt", "man in blue jeans", "man with a hat", "man standing",
            "the woman", "the man on the left", "person in the middle", "man walking to the left", "woman in red",
            "the lady is running", "the man not wearing a hat", "the second person from the left",
            "the man that is not moving",
        },
    ),
    "animals": (
        [
            actor(thing("dog", "brown"), 30, "walking", "right", "slow", tall=60),
            actor(thing("dog", "white", "spotted"), 75, "none", tall=36),
            actor(thing("bird", "yellow"), 165, "flying", "left", "fast", tall=30, feet=60),
            actor(thing("ball", "red", "striped"), 115, "rolling", "right", tall=34),
        ],
        {
            "the brown dog", "the spotted dog", "the bigger dog", "small dog", "the dog that is not moving",
            "the dog moving slowly", "the bird that is flying", "bird flying", "flying bird", "bird at the top",
            "the animal on the right", "dog next to the ball", "the left dog", "the ball to the right of the white dog"
        },
    ),
    "cars": (
        [
            actor(thing("car", "red"), 30, "running", "right", tall=30),
            actor(thing("car", "blue"), 85, "none", tall=30),
            actor(thing("car", "red"), 135, "none", tall=30),
            actor(person("woman", "dress green dress"), 132, "none", tall=60, feet=128, depth=3),
        ],
        {
            "the car driving", "the blue car", "second car from the right", "leftmost car", "the red car on the left",
            "the woman", "first car from the left", "rightmost vehicle",
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SCENES)
def test_expected_sentences_appear(name: str) -> None:
    facts, expected = SCENES[name]
    texts = {bare(reference.expression) for reference in draws(facts, rounds=900)}
    wanted = set(map(bare, expected))
    assert wanted <= texts, sorted(wanted - texts)


def test_one_word_is_enough_for_the_only_dog() -> None:
    texts = {found.expression for found in draws([actor(thing("dog", "brown"), 50), actor(thing("ball", "red"), 150)])}
    assert {"dog", "Dog", "the dog", "a dog", "ball"} <= texts
    cased = Counter((text[0].isupper(), text.istitle()) for text in texts if " " in text)
    assert cased[True, False] > cased[True, True] > 0
    assert cased[False, False] > 3 * (cased[True, False] + cased[True, True])


def test_motion_speaks_of_motion_alone() -> None:
    look = thing("car", "red")
    scene = [actor(look, 30, "running", "left"), actor(look, 100, "jumping"), actor(look, 170, "none")]
    found = draws(scene, make=refer_motion)
    assert {reference.actor for reference in found} == {0, 1, 2}
    assert all(reference.ways <= {"action", "direction", "pace"} for reference in found)
    assert not [text for text in (reference.expression for reference in found) if "red" in text]
    mixed = [scene[0], actor(thing("dog", "brown"), 120, "running", "right")]
    assert draws(mixed, rounds=5, make=refer_motion) == []


def test_a_slow_runner_is_not_simply_slow() -> None:
    look = person("man", "top red shirt", "lower blue jeans")
    scene = [actor(look, 40, "running", "left", "slow"), actor(look, 160, "walking", "left", "fast")]
    texts = {bare(found.expression) for found in draws(scene)}
    assert not texts & {"man moving slowly", "man moving fast", "person moving fast"}
    assert texts & {"man running slowly", "man slowly running", "man running fast", "man walking fast"}


def test_close_sizes_and_close_neighbours_are_not_compared() -> None:
    dogs = [actor(thing("dog", "brown"), 92, tall=50), actor(thing("dog", "white"), 100, tall=40)]
    assert not [found for found in draws(dogs) if found.ways <= {"size", "ordinal", "position", "kind"}]
    clear = [actor(thing("dog", "brown"), 40, tall=60), actor(thing("dog", "white"), 160, tall=40)]
    assert {"size", "ordinal", "position"} <= {way for found in draws(clear) for way in found.ways}


def test_colours_that_nobody_is_certain_of_are_neither_said_nor_denied() -> None:
    unsure = person("woman", "top black coat")
    unsure = replace(unsure, colour="", garments=(replace(unsure.garments[0], colour=""),))
    scene = [actor(unsure, 40), actor(person("woman", "top black coat", "lower blue jeans"), 160)]
    texts = [found.expression.lower() for found in draws(scene)]
    assert not [text for text in texts if text.endswith(("in black", "black coat"))]
    missed = draws([actor(unsure, 40)], make=absent)
    assert missed
    assert not [found for found in missed if re.search(r"(woman|lady|girl|person) .*in \w+$", found.expression)
                and "colour" in found.ways and "action" not in found.ways]  # fmt: skip


def test_near_misses_are_the_rule() -> None:
    scene = SCENES["people"][0]
    kinds = Counter(found.ways == {"kind"} for found in draws(scene, make=absent))
    assert kinds[True] < 0.25 * sum(kinds.values())
    texts = {bare(found.expression) for found in draws(scene, rounds=400, make=absent)}
    assert {"man in red", "woman in yellow", "dog", "woman with hat", "man running"} <= texts


def test_nobody_there_still_leaves_something_to_miss() -> None:
    assert refer(np.random.default_rng(0), [], WIDTH, HEIGHT, 3) == []
    assert len(absent(np.random.default_rng(0), [], WIDTH, HEIGHT, 3)) == 3
