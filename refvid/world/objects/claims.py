"""Claims about an object in a picture, each with its truth for every object."""

from collections.abc import Callable, Sequence

import numpy as np

from refvid.world.language.claims import pick, weigh
from refvid.world.language.predicates import Truths
from refvid.world.language.words import COLOUR_WORDS, MAYBE, NEAR_COLOURS, NO, YES
from refvid.world.objects.lexicon import LEXICON
from refvid.world.objects.places import distinct_places, lone_places
from refvid.world.objects.things import Thing
from refvid.world.objects.topics import Claim, Topic

LARGER = 1.7  # minimum ratio of the areas of two objects for one to be called bigger
_CLEARLY = 0.06  # distance of two centres, as a share of the picture, beyond which the opposite relation is false


def called(things: Sequence[Thing], noun: str) -> Truths:
    """Return for each object whether a noun is true of it."""
    truths = []
    for thing in things:
        entry = LEXICON[thing.kind]
        if noun in entry.sure or noun in thing.names:
            truths.append(MAYBE if thing.phantom else YES)
        elif (
            thing.phantom
            or noun not in entry.perhaps
            or any(noun in other and thing.names & own for own, other in _SEXES)
        ):
            truths.append(NO)
        else:
            truths.append(MAYBE)
    return tuple(truths)


_MALE, _FEMALE = frozenset({"man", "guy", "gentleman", "boy"}), frozenset({"woman", "lady", "girl"})
_SEXES = ((_MALE, _FEMALE), (_FEMALE, _MALE))


def nouns(thing: Thing) -> dict[str, float]:
    """Return the names of an object with their weights; names from its caption have the largest weight."""
    said = dict(LEXICON[thing.kind].names)
    return said | {name: 5.0 for name in thing.names}


def is_coloured(things: Sequence[Thing], colour: str) -> Truths:
    """Return for each object whether a palette colour is true of it."""
    truths = []
    for thing in things:
        known = None if thing.phantom else thing.colour
        if known is None:
            truths.append(MAYBE)
        elif known.name == colour:
            truths.append(YES)
        else:
            wide = known.near | (NEAR_COLOURS[known.name] if known.name else frozenset())
            truths.append(MAYBE if colour in wide else NO)
    return tuple(truths)


def colour_claim(rng: np.random.Generator, topic: Topic) -> Claim | None:
    """Claim the colour of the target, if it is certain."""
    measured = topic.things[topic.target].colour
    if measured is None or measured.name is None:
        return None
    word = weigh(rng, COLOUR_WORDS[measured.name])
    return Claim("colour", "colour", word, is_coloured(topic.things, measured.name))


_BIG = {"biggest": 3.0, "largest": 3.0, "big": 0.6}
_BIG_OF_TWO = {"big": 2.0, "bigger": 2.0, "larger": 2.0, "biggest": 1.0, "largest": 1.0, "large": 1.0}
_SMALL = {"smallest": 3.0, "small": 0.5}
_SMALL_OF_TWO = {"small": 2.0, "smaller": 3.0, "smallest": 1.0, "little": 1.0}


def size_claim(rng: np.random.Generator, topic: Topic) -> Claim | None:
    """Claim that the target is the biggest or the smallest of the objects in question."""
    if not topic.rivals or not topic.known:
        return None
    own = topic.things[topic.target].area
    others = [topic.things[index].area for index in topic.rivals]
    two = len(others) == 1
    if own >= LARGER * max(others):
        words = _BIG_OF_TWO if two else _BIG
    elif LARGER * own <= min(others):
        words = _SMALL_OF_TWO if two else _SMALL
    else:
        return None
    return Claim("size", "size", weigh(rng, words), topic.only_target())


def position_claim(rng: np.random.Generator, topic: Topic) -> Claim | None:
    """Claim the place of the target among the objects in question or, if it is the only one, in the picture."""
    if not topic.known:
        return None
    made = distinct_places(topic) if topic.rivals else lone_places(topic.things[topic.target])
    if not made:
        return None
    slot, text = pick(rng, pick(rng, made))
    return Claim("position", slot, text, topic.only_target())


# For each relation, its phrases and the relation that is false if it is true.
RELATIONS: dict[str, tuple[tuple[str, ...], str]] = {
    "left": (("to the left of", "left of", "on the left of"), "right"),
    "right": (("to the right of", "right of", "on the right of"), "left"),
    "above": (("above",), "below"),
    "below": (("below", "under"), "above"),
    "beside": (("next to", "beside", "near"), ""),
}


def related(thing: Thing, landmark: Thing, relation: str) -> int:
    """Return whether `relation` ("left", "right", "above", "below" or "beside") holds between an object and another."""
    if thing.phantom:
        return MAYBE
    across, down = thing.centre[0] - landmark.centre[0], thing.centre[1] - landmark.centre[1]
    box, other = thing.box, landmark.box
    level = min(box[3], other[3]) - max(box[1], other[1])
    upright = min(box[2], other[2]) - max(box[0], other[0])
    if relation == "beside":
        apart = max(-level, -upright, 0.0)
        if apart > 0.25:
            return NO
        low = min(box[3] - box[1], other[3] - other[1])
        return YES if level >= 0.5 * low and -0.06 <= upright <= 0.02 and upright < 0 else MAYBE
    if relation in ("left", "right"):
        way = across if relation == "right" else -across
        outer = box[0] > other[0] and box[2] > other[2] if relation == "right" else (
            box[0] < other[0] and box[2] < other[2])  # fmt: skip
        apart = upright < 0.3 * min(box[2] - box[0], other[2] - other[0])
        if way > 0.12 and outer and apart and level > -0.1:
            return YES
        return NO if way < -_CLEARLY else MAYBE
    way = down if relation == "below" else -down
    between = box[1] - other[3] if relation == "below" else other[1] - box[3]
    if between > -0.02 and upright > 0.3 * min(box[2] - box[0], other[2] - other[0]):
        return YES
    return NO if way < -_CLEARLY else MAYBE


def relation_claim(rng: np.random.Generator, topic: Topic) -> Claim | None:
    """Claim a relation of the target to an object with another name."""
    landmarks = [(name, index) for name, index in topic.landmarks() if index not in topic.domain]
    if not landmarks:
        return None
    name, index = pick(rng, landmarks)
    fitting = [key for key in RELATIONS if related(topic.things[topic.target], topic.things[index], key) == YES]
    if not fitting:
        return None
    chosen = pick(rng, fitting)
    truths = tuple(
        MAYBE if number == index else related(thing, topic.things[index], chosen)
        for number, thing in enumerate(topic.things)
    )
    return Claim("relation", "after", f"{pick(rng, RELATIONS[chosen][0])} the {name}", truths)


MOTIONS: dict[str, tuple[str, ...]] = {
    "left": ("moving left", "moving to the left", "going left", "going to the left", "heading left"),
    "right": ("moving right", "moving to the right", "going right", "going to the right", "heading right"),
    "moving": ("moving", "that moves", "in motion"),
    "still": ("not moving", "staying still", "keeping still", "that does not move"),
}


def moves(things: Sequence[Thing], motion: str) -> Truths:
    """Return for each object whether a motion, "left", "right", "moving" or "still", is true of it."""
    wanted = {"moving": ("left", "right")}.get(motion, (motion,))
    return tuple(MAYBE if thing.phantom or not thing.motion else YES if thing.motion in wanted else NO
                 for thing in things)  # fmt: skip


def motion_claim(rng: np.random.Generator, topic: Topic) -> Claim | None:
    """Claim the motion of the target, if it is known."""
    motion = topic.things[topic.target].motion
    if not motion:
        return None
    if motion != "still" and rng.random() < 0.3:
        motion = "moving"
    return Claim("direction" if motion in ("left", "right") else "pace", "after", pick(rng, MOTIONS[motion]),
                 moves(topic.things, motion))  # fmt: skip


Maker = Callable[[np.random.Generator, Topic], Claim | None]
MAKERS: dict[str, tuple[Maker, float]] = {
    "position": (position_claim, 4.0),
    "colour": (colour_claim, 3.0),
    "size": (size_claim, 1.5),
    "relation": (relation_claim, 2.0),
    "motion": (motion_claim, 4.0),
}
