"""Expressions for objects: judged by a second, independent reading of their words against the boxes."""

from dataclasses import replace

import numpy as np
import pytest

from refvid.model.layers.language import split_words
from refvid.world.objects.claims import related
from refvid.world.objects.lexicon import LEXICON, doubtful_words
from refvid.world.objects.phrases import WORDS, deny, refer
from refvid.world.objects.things import Thing, named_in
from refvid.world.palette import COLOURS
from refvid.world.photos.colour import Colour
from refvid.world.scene import Reference

PLAIN = tuple(kind for kind in ("dog", "cat", "cup", "bus", "horse", "chair"))


def _things(rng: np.random.Generator) -> list[Thing]:
    """Return objects of few classes at random places, of plain colours."""
    made = []
    for kind in rng.choice(PLAIN, int(rng.integers(1, 6))):
        left, top, wide, tall = (*rng.uniform(0, 0.8, 2), *rng.uniform(0.05, 0.35, 2))
        name = str(rng.choice(("red", "blue", "green", "yellow")))
        colour = Colour((0, 0, 0), name, frozenset({name}))
        box = (float(left), float(top), float(min(left + wide, 1)), float(min(top + tall, 1)))
        area = 0.7 * (box[2] - box[0]) * (box[3] - box[1])
        motion = str(rng.choice(("left", "right", "still")))
        made.append(Thing(str(kind), box, area, colour, motion))
    return made


@pytest.fixture(scope="module")
def told() -> list[tuple[list[Thing], Reference]]:
    pairs = []
    for number in range(250):
        rng = np.random.default_rng((5, number))
        things = _things(rng)
        pairs += [(things, reference) for reference in (*refer(rng, things, 6), *deny(rng, things, 3))]
    return pairs


_GOING = ("moving", "going", "heading")
_STILL = ("not moving", "staying still", "keeping still", "not move")


def _fitting(things: list[Thing], words: list[str]) -> list[int]:
    """Return the objects that the noun, the colours and the motion of an expression fit, whatever it says of places."""
    colours = {"gray": "grey", "violet": "purple"}
    said = {colours.get(word, word) for word in words} & set(COLOURS)
    text = f" {' '.join(words)} ".split(" of the ")[0]
    for cut in (" next to the ", " beside the ", " near the ", " above the ", " below the ", " under the "):
        text = text.split(cut)[0]
    names = {name for entry in LEXICON.values() for name in entry.sure if f" {name} " in f"{text} "}
    fitting = []
    for index, thing in enumerate(things):
        assert thing.colour is not None
        moves = {"left": "left", "right": "right"}.get(thing.motion)
        headed = next((s for s in ("left", "right") for v in _GOING
                       if f" {v} {s} " in f"{text} " or f" {v} to the {s} " in f"{text} "), None)  # fmt: skip
        still = any(f" {phrase} " in f"{text} " for phrase in _STILL)
        moving = not still and not {"moving", "moves", "motion"}.isdisjoint(text.split())
        if not names & LEXICON[thing.kind].sure or (said and thing.colour.name not in said):
            continue
        if (headed and moves != headed) or (still and moves) or (moving and not moves):
            continue
        fitting.append(index)
    return fitting


def test_what_is_said_fits_the_object_that_is_meant(told: list[tuple[list[Thing], Reference]]) -> None:
    assert len(told) > 1200
    for things, reference in told:
        if reference.actor is not None:
            assert reference.actor in _fitting(things, split_words(reference.expression)), reference


def test_without_places_and_sizes_nothing_else_fits(told: list[tuple[list[Thing], Reference]]) -> None:
    plain = [(t, r) for t, r in told if not r.ways & {"position", "size", "relation"}]
    plain = [(t, r) for t, r in plain if "hot dog" not in r.expression.lower()]  # it is no dog that is hot
    assert sum(reference.actor is None for _, reference in plain) > 100
    for things, reference in plain:
        assert _fitting(things, split_words(reference.expression)) == (
            [] if reference.actor is None else [reference.actor]
        ), reference


def test_left_means_the_leftmost_of_its_class(told: list[tuple[list[Thing], Reference]]) -> None:
    judged = 0
    for things, reference in told:
        words = split_words(reference.expression)
        ways = reference.ways
        if reference.actor is None or "position" not in ways or ways & {"relation", "direction", "pace"}:
            continue
        sides = {"left", "leftmost", "right", "rightmost"} & set(words)
        if not sides or set(words) & {"second", "third", "fourth"}:
            continue
        rivals = [things[index] for index in _fitting(things, words)]
        own, sign = things[reference.actor], -1 if sides & {"left", "leftmost"} else 1
        # "First from the left" too; of a lone one the side of the picture counts.
        assert all(sign * own.centre[0] >= sign * rival.centre[0] for rival in rivals)
        # With a colour, it may be the leftmost of all rather than of those of the colour.
        assert len(rivals) > 1 or "colour" in ways or sign * (own.centre[0] - 0.5) > 0.1
        judged += 1
    assert judged > 100


def test_bigger_is_bigger_and_smaller_is_smaller(told: list[tuple[list[Thing], Reference]]) -> None:
    judged = 0
    for things, reference in told:
        words = set(split_words(reference.expression))
        big, small = words & {"big", "bigger", "biggest", "larger", "largest"}, words & {"small", "smaller", "smallest"}
        if reference.actor is None or reference.ways != {"kind", "size"} or not big | small:
            continue
        areas = [things[i].area for i in _fitting(things, split_words(reference.expression)) if i != reference.actor]
        own = things[reference.actor].area
        assert areas
        assert own > 1.5 * max(areas) if big else 1.5 * own < min(areas)
        judged += 1
    assert judged > 20


def test_counted_objects_have_their_number(told: list[tuple[list[Thing], Reference]]) -> None:
    judged = 0
    for things, reference in told:
        words = split_words(reference.expression)
        ordinal = next((n for n, word in enumerate(("first", "second", "third", "fourth")) if word in words), None)
        if reference.actor is None or ordinal is None or reference.ways != {"kind", "position"}:
            continue
        row = sorted(_fitting(things, words), key=lambda index: things[index].centre[0])
        assert (row if words[-1] == "left" else row[::-1])[ordinal] == reference.actor, reference
        judged += 1
    assert judged > 10


def test_a_mirrored_picture_has_mirrored_relations() -> None:
    for number in range(60):
        things = _things(np.random.default_rng((9, number)))
        mirrored = [replace(t, box=(1 - t.box[2], t.box[1], 1 - t.box[0], t.box[3])) for t in things]
        for one, other in zip(things, mirrored, strict=True):
            for relation, twin in (("left", "right"), ("right", "left"), ("above", "above"), ("beside", "beside")):
                assert related(one, things[0], relation) == related(other, mirrored[0], twin)


def test_what_may_be_there_is_neither_named_nor_denied() -> None:
    dog = Thing("dog", (0.1, 0.2, 0.4, 0.6), 0.1)
    unsure = [Thing(kind, phantom=True, seen=False) for kind in ("dog", "car")]
    rng = np.random.default_rng(0)
    assert refer(rng, [dog, *unsure], 5) == []
    said = [reference.expression.lower() for _ in range(60) for reference in deny(rng, [dog, *unsure], 4)]
    assert len(said) > 100
    assert not [text for text in said if {"dog", "car"} & set(split_words(text)) and "hot dog" not in text]


def test_a_person_of_unknown_sex_is_no_woman_and_no_man() -> None:
    unknown, woman = Thing("person", (0.1, 0.2, 0.3, 0.8), 0.1), Thing(
        "person", (0.6, 0.2, 0.8, 0.8), 0.1, names=frozenset({"woman"}))  # fmt: skip
    said = [r for n in range(40) for r in refer(np.random.default_rng(n), [unknown, woman], 4)]
    assert not [r for r in said if r.expression.lower() in ("woman", "the woman", "a woman")]
    alone = [r.expression for n in range(40) for r in refer(np.random.default_rng(n), [woman], 4)]
    assert "the woman" in alone


def test_captions_name_the_only_one_of_a_class() -> None:
    assert named_in(("A puppy lies on a bed.", "the dog"), "dog", True) == {"puppy"}
    assert named_in(("Two puppies", "some puppys"), "dog", True) == frozenset()
    assert named_in(("A puppy",), "dog", False) == frozenset()
    assert named_in(("A man with his dog",), "person", True) == {"man"}
    assert named_in(("A man and a woman",), "person", True) == frozenset()


def test_every_word_is_listed_and_no_word_is_both_true_and_doubtful(
    told: list[tuple[list[Thing], Reference]],
) -> None:
    assert {word for _, reference in told for word in split_words(reference.expression)} <= set(WORDS)
    for kind, entry in LEXICON.items():
        assert entry.words, kind
        assert not entry.words & doubtful_words(kind), kind
        assert not entry.sure & entry.perhaps, kind
    assert "dog" in LEXICON["dog"].words
    assert "dog" not in LEXICON["hot dog"].words
    assert "truck" in LEXICON["fire truck"].words


def test_absent_classes_are_as_common_as_they_are_weighted() -> None:
    dog = Thing("dog", (0.1, 0.2, 0.4, 0.6), 0.1)
    rng = np.random.default_rng(3)
    said = [r.expression.lower() for _ in range(150) for r in deny(rng, [dog], 4, {"zebra": 9.0, "kite": 1.0})]
    zebras, kites = (sum(kind in split_words(text) for text in said) for kind in ("zebra", "kite"))
    assert zebras > 3 * kites > 0
    assert not [text for text in said if "toaster" in text]
