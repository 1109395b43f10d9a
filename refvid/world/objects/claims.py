"""Single statements about an object of a picture, each with its truth for every object."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from refvid.world.language.claims import pick, weigh
from refvid.world.language.predicates import Truths
from refvid.world.language.words import COLOUR_WORDS, MAYBE, NEAR_COLOURS, NO, YES
from refvid.world.objects.lexicon import LEXICON
from refvid.world.objects.things import Thing

# Shares of the picture's width or height.
APART = 0.12  # of two centres, from which on one is left of, or above, the other
IN_A_ROW = 0.06  # likewise where several are counted
LARGER = 1.7  # times the area from which on one is bigger
_CLEARLY = 0.06  # of two centres, from which on it is false that one is on the other side of the other
_SIDE = 0.36  # what has its centre within this from an edge is on that side


@dataclass(frozen=True)
class Claim:
    """A statement.

    Attributes:
        way: What it tells apart by, as in `refvid.world.scene.Reference`.
        slot: Where in a sentence it goes: "rank", "size", "colour", before the noun, or "after".
        text: Words.
        truths: For every object.
    """

    way: str
    slot: str
    text: str
    truths: Truths


@dataclass(frozen=True)
class Topic:
    """What a claim is made about.

    Attributes:
        things: Of the picture.
        target: Index of the object meant.
        domain: Indices of the objects that the noun and what was said before may mean, the target among them.
        landmarks: Names, without article, by which other objects are known, with their indices.
    """

    things: Sequence[Thing]
    target: int
    domain: tuple[int, ...]
    landmarks: Callable[[], list[tuple[str, int]]]

    @property
    def rivals(self) -> tuple[int, ...]:
        """The domain without the target."""
        return tuple(index for index in self.domain if index != self.target)

    @property
    def known(self) -> bool:
        """Whether nothing without a label may be meant."""
        return not any(self.things[index].phantom for index in self.domain)

    def only_target(self) -> Truths:
        """Return that a claim is true of the target, false of its rivals, and unknown of what is not in question."""
        return tuple(
            YES if index == self.target else NO if index in self.domain else MAYBE for index in range(len(self.things))
        )


def called(things: Sequence[Thing], noun: str) -> Truths:
    """Return of which objects a noun is true."""
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
    """Return what an object is called, with how often; what its caption calls it is the most usual."""
    said = dict(LEXICON[thing.kind].names)
    return said | {name: 5.0 for name in thing.names}


def is_coloured(things: Sequence[Thing], colour: str) -> Truths:
    """Return of which objects a palette colour is true."""
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
    """Claim the colour, where it is certain."""
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
    """Claim that it is the bigger or the smaller of those in question."""
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
    """Claim a place, among those in question or, of a lone object, in the picture."""
    if not topic.known:
        return None
    made = _places(topic) if topic.rivals else _lone_places(topic.things[topic.target])
    if not made:
        return None
    slot, text = pick(rng, pick(rng, made))
    return Claim("position", slot, text, topic.only_target())


Phrases = tuple[tuple[str, str], ...]  # slot and text


def _side(word: str) -> Phrases:
    near = (f"on the {word}", f"on the {word}", f"to the {word}", f"on {word}", f"on the {word} side", f"at {word}")
    places = (*near, word, f"on the {word} side of the picture")
    return (("rank", word), ("rank", word), ("rank", word), *(("after", place) for place in places))


def _far_side(word: str) -> Phrases:
    places = (f"on the far {word}", f"farthest to the {word}", f"furthest {word}", f"all the way to the {word}")
    ranks = (f"{word}most", f"{word}most", f"far {word}")
    return (*(("rank", rank) for rank in ranks), *(("after", place) for place in places))


_TOP: Phrases = (("rank", "top"), ("rank", "upper"), ("after", "at the top"), ("after", "at top"), ("after", "up top"))
_BOTTOM: Phrases = (("rank", "bottom"), ("rank", "lower"), ("after", "at the bottom"), ("after", "on the bottom"))
_MIDDLE: Phrases = (("rank", "middle"), ("rank", "center"), ("after", "in the middle"), ("after", "in the center"),
                    ("after", "in the centre"), ("after", "in middle"))  # fmt: skip
_FRONT: Phrases = (("rank", "closest"), ("rank", "nearest"), ("rank", "front"), ("after", "in front"),
                   ("after", "in the front"), ("after", "closest to us"), ("after", "closest to the camera"),
                   ("after", "in the foreground"))  # fmt: skip
_BACK: Phrases = (("rank", "back"), ("after", "in the back"), ("after", "in the background"), ("rank", "farthest"),
                  ("after", "farther away"))  # fmt: skip
_ORDINALS = ("first", "second", "third", "fourth")


def _places(topic: Topic) -> list[Phrases]:
    """Return the places that only the target has among those in question."""
    boxes = {index: topic.things[index].box for index in topic.domain}
    made: list[Phrases] = []
    made += _along(topic, 0, "left", "right")
    target, others = boxes[topic.target], [boxes[index] for index in topic.rivals]
    row = (target[1] + target[3]) / 2
    rows = [(box[1] + box[3]) / 2 for box in others]
    gap = 0.2 if len(others) == 1 else 0.15
    if row < min(rows) - gap and all(target[3] < box[3] and target[1] < box[1] for box in others):
        made.append(_TOP)
    if row > max(rows) + gap and all(target[3] > box[3] and target[1] > box[1] for box in others):
        made.append(_BOTTOM)
    area = topic.things[topic.target].area
    areas = [topic.things[index].area for index in topic.rivals]
    if all(area > 2 * other and target[3] > box[3] + 0.06 for other, box in zip(areas, others, strict=True)):
        made.append(_FRONT)
    if all(2 * area < other and target[3] < box[3] - 0.1 for other, box in zip(areas, others, strict=True)):
        made.append(_BACK)
    return made


def _along(topic: Topic, axis: int, first: str, last: str) -> list[Phrases]:
    """Return the places of the target in the row from left to right, if it has a clear one."""
    order = sorted(topic.domain, key=lambda index: topic.things[index].centre[axis])
    at = [topic.things[index].centre[axis] for index in order]
    place, count = order.index(topic.target), len(order)
    gaps = np.diff(at)
    made: list[Phrases] = []
    for word, rank, free, near in (
        (first, place, gaps, at), (last, count - 1 - place, gaps[::-1], [1 - value for value in at[::-1]]),
    ):  # fmt: skip
        if rank == 0 and free[0] >= (APART if count == 2 else IN_A_ROW) and _ends_apart(topic, axis, word == first):
            if count == 2 or (near[0] < 0.4 < 0.5 < near[1] and free[0] >= 0.15):
                made.append(_side(word))
            if count > 2 or free[0] > 0.25:
                made.append(_far_side(word))
        if count > 2 and rank < min(4, count) and bool((free[: rank + 1] >= IN_A_ROW).all()):
            ordinal = _ORDINALS[rank]
            made.append((("ordinal", f"{ordinal}|from the {word}"), ("ordinal", f"{ordinal}|from {word}")))
    if count == 3 and place == 1 and bool((gaps >= 0.08).all()):
        made.append(_MIDDLE)
    return made


def _ends_apart(topic: Topic, axis: int, low: bool) -> bool:
    """Return whether the target reaches farther to a side than all others, and less far to the other side."""
    target = topic.things[topic.target].box
    others = [topic.things[index].box for index in topic.rivals]
    if low:
        return all(target[axis] < box[axis] and target[axis + 2] < box[axis + 2] for box in others)
    return all(target[axis] > box[axis] and target[axis + 2] > box[axis + 2] for box in others)


def side_of(thing: Thing) -> str:
    """Return "left" or "right" for an object that is clearly on that side of the picture, else an empty text."""
    if thing.centre[0] < _SIDE and thing.box[2] < 0.62:
        return "left"
    return "right" if thing.centre[0] > 1 - _SIDE and thing.box[0] > 0.38 else ""


def _lone_places(thing: Thing) -> list[Phrases]:
    """Return the places of an object that has no rival; ranks before the noun would sound as if it had."""
    made: list[Phrases] = []
    if side := side_of(thing):
        made.append(_side(side)[2:])  # "left dog" is said of a lone one, too, but seldom
    elif abs(thing.centre[0] - 0.5) < 0.1 and thing.area < 0.25:
        made.append(_after(_MIDDLE))
    if thing.centre[1] < 0.3 and thing.box[3] < 0.55:
        made.append(_after(_TOP))
    if thing.centre[1] > 0.7 and thing.box[1] > 0.45:
        made.append(_after(_BOTTOM))
    return made


def _after(phrases: Phrases) -> Phrases:
    return tuple((slot, text) for slot, text in phrases if slot == "after")


# Relation: phrases, and the relation that is false when it is true.
RELATIONS: dict[str, tuple[tuple[str, ...], str]] = {
    "left": (("to the left of", "left of", "on the left of"), "right"),
    "right": (("to the right of", "right of", "on the right of"), "left"),
    "above": (("above",), "below"),
    "below": (("below", "under"), "above"),
    "beside": (("next to", "beside", "near"), ""),
}


def related(thing: Thing, landmark: Thing, relation: str) -> int:
    """Return whether an object is left of, right of, above, below or beside another."""
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
    """Claim a relation to an object of another name."""
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
    """Return of which objects it is true that they move so: "left", "right", "moving" or "still"."""
    wanted = {"moving": ("left", "right")}.get(motion, (motion,))
    return tuple(MAYBE if thing.phantom or not thing.motion else YES if thing.motion in wanted else NO
                 for thing in things)  # fmt: skip


def motion_claim(rng: np.random.Generator, topic: Topic) -> Claim | None:
    """Claim how it moves, where that is known."""
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
