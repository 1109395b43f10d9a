"""Phrases for the place of an object in a picture, alone or among other objects that might be meant."""

import numpy as np

from refvid.world.objects.things import Thing
from refvid.world.objects.topics import Topic

# Distances as shares of the picture's width or height.
APART = 0.12  # minimum distance of two centres for one object to be left of or above the other
IN_A_ROW = 0.06  # minimum distance of neighbouring centres in a row in which objects are counted
_SIDE = 0.36  # maximum distance of a centre from an edge for an object to be on that side

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


def distinct_places(topic: Topic) -> list[Phrases]:
    """Return phrases for the places that only the target has among the objects in question."""
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
    """Return phrases for the place of the target in the order of the objects along an axis, if it has a clear one."""
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
    """Return whether both edges of the target along an axis are lower, or higher, than those of all others."""
    target = topic.things[topic.target].box
    others = [topic.things[index].box for index in topic.rivals]
    if low:
        return all(target[axis] < box[axis] and target[axis + 2] < box[axis + 2] for box in others)
    return all(target[axis] > box[axis] and target[axis + 2] > box[axis + 2] for box in others)


def side_of(thing: Thing) -> str:
    """Return "left" or "right" for an object that is clearly on that side of the picture, else an empty string."""
    if thing.centre[0] < _SIDE and thing.box[2] < 0.62:
        return "left"
    return "right" if thing.centre[0] > 1 - _SIDE and thing.box[0] > 0.38 else ""


def lone_places(thing: Thing) -> list[Phrases]:
    """Return phrases for the places of an object without rivals, mostly after the noun.

    A phrase before the noun would suggest that there are rivals.
    """
    made: list[Phrases] = []
    if side := side_of(thing):
        made.append(_side(side)[2:])  # "left dog" is used for a single dog too, but rarely
    elif abs(thing.centre[0] - 0.5) < 0.1 and thing.area < 0.25:
        made.append(_after(_MIDDLE))
    if thing.centre[1] < 0.3 and thing.box[3] < 0.55:
        made.append(_after(_TOP))
    if thing.centre[1] > 0.7 and thing.box[1] > 0.45:
        made.append(_after(_BOTTOM))
    return made


def _after(phrases: Phrases) -> Phrases:
    return tuple((slot, text) for slot, text in phrases if slot == "after")
