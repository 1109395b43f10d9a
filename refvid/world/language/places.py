"""Predicates of place, size, order and relation; for truth values see `refvid.world.language.predicates`.

Most compare an actor with the others that a noun and its adjectives could refer to: the `domain`, one truth per actor.
Margins are wide, so that every "yes" and "no" is obvious to a viewer.
"""

from collections.abc import Callable
from itertools import pairwise

from refvid.world.language.predicates import Spot, Truths, View
from refvid.world.language.words import MAYBE, NO, YES

SIZE_MARGIN = 1.35  # ratio of box heights
_FAR_MARGIN = 0.1  # gap between centres required for "leftmost", fraction of the picture
_ROW_MARGIN = 0.06  # gap required between neighbours for an ordinal
_AIRBORNE = frozenset({"flying", "jumping", "climbing"})
_UPRIGHT = frozenset({"walking", "running", "none"})


def _from_side(spot: Spot, side: str) -> tuple[float, float, float]:
    """Return the near edge, centre and far edge of a box, measured from a side of the picture, as fractions."""
    if side == "left":
        return spot.left, spot.x, spot.right
    if side == "right":
        return 1 - spot.right, 1 - spot.x, 1 - spot.left
    if side == "top":
        return spot.top, spot.y, spot.bottom
    return 1 - spot.bottom, 1 - spot.y, 1 - spot.top


def _rivals(domain: Truths, index: int) -> list[int]:
    return [other for other, truth in enumerate(domain) if truth and other != index]


def on_side(view: View, side: str, domain: Truths) -> Truths:
    """Return whether actors are "on the left" ("right", "top", "bottom") of the picture, or clearly of their kind.

    Args:
        view: The scene.
        side: One of the four sides.
        domain: Whether each actor is one that the words so far could refer to.
    """
    measures = [_from_side(spot, side) for spot in view.spots]

    def judge(index: int) -> int:
        if not view.spots[index].known:
            return MAYBE
        _, centre, far = measures[index]
        truth = YES if centre <= 0.36 and far <= 0.66 else NO if centre >= 0.55 else MAYBE
        if not domain[index] or side in ("top", "bottom"):
            return truth
        others = [measures[other][1] for other in _rivals(domain, index)]
        if others and min(others) >= centre + 0.25:
            truth = YES if centre <= 0.44 else max(truth, MAYBE)
        elif others and min(others) > centre and centre < 0.75:
            truth = max(truth, MAYBE)
        elif centre >= 0.46 and others and min(others) <= centre - 0.25:
            truth = NO
        return truth

    return tuple(map(judge, range(len(domain))))


def in_middle(view: View, domain: Truths) -> Truths:
    """Return whether actors are in the middle of the width and, among three or more of a kind, not at either end."""
    ranks = sorted((view.spots[index].x, index) for index, truth in enumerate(domain) if truth)
    order = [index for _, index in ranks]
    median = order[len(order) // 2] if len(order) >= 3 and len(order) % 2 else None

    def judge(index: int) -> int:
        spot = view.spots[index]
        if not spot.known:
            return MAYBE
        truth = YES if 0.4 <= spot.x <= 0.6 else NO if not 0.3 <= spot.x <= 0.7 else MAYBE
        if spot.right - spot.left > 0.7:
            truth = min(truth, MAYBE)
        if domain[index] and median is not None:
            truth = max(truth, MAYBE) if index == median else min(truth, MAYBE)
        return truth

    return tuple(map(judge, range(len(domain))))


def _best(view: View, domain: Truths, beats: Callable[[int, int], bool]) -> Truths:
    """Return whether actors beat every other one of the domain, which must have at least two members.

    The truth is "no" as soon as another actor certainly beats the actor.
    """
    hidden = any(truth and not (view.facts[i].seen and view.spots[i].known) for i, truth in enumerate(domain))

    def judge(index: int) -> int:
        if not domain[index]:
            return NO
        others = _rivals(domain, index)
        if hidden or not others:
            return MAYBE
        if all(beats(index, other) for other in others):
            return YES
        return NO if any(domain[other] == YES and beats(other, index) for other in others) else MAYBE

    return tuple(map(judge, range(len(domain))))


def outermost(view: View, side: str, domain: Truths) -> Truths:
    """Return whether actors are "leftmost" ("rightmost") in the domain, by a clear gap."""
    measures = [_from_side(spot, side) for spot in view.spots]

    def beats(one: int, other: int) -> bool:
        return measures[one][1] <= measures[other][1] - _FAR_MARGIN and measures[one][0] < measures[other][0]

    return _best(view, domain, beats)


def outsized(view: View, large: bool, domain: Truths) -> Truths:
    """Return whether actors are the largest (smallest) in the domain: by `SIZE_MARGIN` in box height, and by area."""

    def beats(one: int, other: int) -> bool:
        bigger, smaller = (one, other) if large else (other, one)
        heights = [view.facts[i].box[3] - view.facts[i].box[1] for i in (bigger, smaller)]
        areas = [view.facts[i].area for i in (bigger, smaller)]
        return heights[0] >= SIZE_MARGIN * heights[1] and areas[0] >= 1.1 * areas[1]

    return _best(view, domain, beats)


def all_upright(view: View, domain: Truths) -> bool:
    """Return whether everyone in the domain is upright, so that box heights compare like statures."""
    return all(fact.action in _UPRIGHT for fact, truth in zip(view.facts, domain, strict=True) if truth)


def frontmost(view: View, near: bool, domain: Truths) -> Truths:
    """Return whether actors of the domain are clearly in front of (behind) all others, as seen by the camera."""

    def beats(one: int, other: int) -> bool:
        front, back = (one, other) if near else (other, one)
        if view.facts[one].action in _AIRBORNE or view.facts[other].action in _AIRBORNE:
            return False
        closer = view.facts[front].depth < view.facts[back].depth
        return closer and view.spots[front].bottom >= view.spots[back].bottom + 0.08

    return _best(view, domain, beats)


def counted(view: View, side: str, place: int, domain: Truths) -> Truths:
    """Return whether actors are the first (place 0), second, ... in the domain from a side; perhaps if unclear."""
    members = [index for index, truth in enumerate(domain) if truth]
    clear = all(domain[index] == YES and view.facts[index].seen and view.spots[index].known for index in members)
    order = sorted(members, key=lambda index: _from_side(view.spots[index], side)[1])
    centres = [_from_side(view.spots[index], side)[1] for index in order]
    clear = clear and all(after - before >= _ROW_MARGIN for before, after in pairwise(centres))
    if not clear:
        return tuple(MAYBE if truth else NO for truth in domain)
    return tuple(YES if place < len(order) and order[place] == index else NO for index in range(len(domain)))


def _gaps(one: Spot, other: Spot) -> tuple[float, float, float, float]:
    """Return the gaps in x and y (negative if the boxes overlap) and the smaller width and height."""
    gap_x = max(one.left, other.left) - min(one.right, other.right)
    gap_y = max(one.top, other.top) - min(one.bottom, other.bottom)
    width = min(one.right - one.left, other.right - other.left)
    return gap_x, gap_y, width, min(one.bottom - one.top, other.bottom - other.top)


def _grounded(view: View, index: int) -> bool:
    fact = view.facts[index]
    return fact.action not in _AIRBORNE and fact.direction not in ("up", "down")


def _beside(view: View, one: int, other: int) -> int:
    gap_x, gap_y, width, height = _gaps(view.spots[one], view.spots[other])
    if gap_x > 0.2 or gap_y > 0.15:
        return NO
    level = abs(view.spots[one].bottom - view.spots[other].bottom) <= 0.15
    near = -0.5 * width < gap_x <= 0.08 and gap_y < -0.3 * height
    return YES if near and level and _grounded(view, one) == _grounded(view, other) else MAYBE


def _to_side(view: View, one: int, other: int, sign: int) -> int:
    """Return whether `one` is to the left (sign 1) or right (-1) of `other`."""
    here, there = view.spots[one], view.spots[other]
    gap_x, gap_y, width, _ = _gaps(here, there)
    ahead = sign * (there.x - here.x)
    if ahead <= -0.02:
        return NO
    return YES if ahead >= 0.08 and gap_x >= -0.25 * width and gap_y < 0.2 else MAYBE


def _in_depth(view: View, one: int, other: int, sign: int) -> int:
    """Return whether `one` is behind (sign 1) or in front of (-1) `other`; perhaps if it may follow or lead it."""
    here, there = view.spots[one], view.spots[other]
    gap_x, gap_y, width, _ = _gaps(here, there)
    along = {"left": 1, "right": -1}.get(view.facts[other].direction, 0)
    trails = along and sign * along * (here.x - there.x) > 0 and gap_x < 0.35
    if gap_x > 0.2 or sign * (view.facts[one].depth - view.facts[other].depth) <= 0:
        return MAYBE if trails else NO
    clear = gap_x <= -0.3 * width and gap_y <= 0.02 and sign * (there.bottom - here.bottom) >= 0.03
    return YES if clear and _grounded(view, one) and _grounded(view, other) else MAYBE


def _over(view: View, one: int, other: int, sign: int) -> int:
    """Return whether `one` is above (sign 1) or below (-1) `other`."""
    upper, lower = (one, other) if sign > 0 else (other, one)
    gap_x, _, width, _ = _gaps(view.spots[upper], view.spots[lower])
    if gap_x > 0.25 or view.spots[upper].y > view.spots[lower].y - 0.05:
        return NO
    clear = gap_x <= -0.2 * width and view.spots[upper].bottom <= view.spots[lower].top + 0.03
    return YES if clear and not _grounded(view, upper) else MAYBE


_RELATIONS: dict[str, Callable[[View, int, int], int]] = {
    "beside": _beside,
    "left": lambda view, one, other: _to_side(view, one, other, 1),
    "right": lambda view, one, other: _to_side(view, one, other, -1),
    "behind": lambda view, one, other: _in_depth(view, one, other, 1),
    "in front": lambda view, one, other: _in_depth(view, one, other, -1),
    "above": lambda view, one, other: _over(view, one, other, 1),
    "below": lambda view, one, other: _over(view, one, other, -1),
}
RELATIONS = tuple(_RELATIONS)


def related(view: View, relation: str, landmark: int) -> Truths:
    """Return whether actors are in one of `RELATIONS` to the actor `landmark`; no for the landmark itself."""

    def judge(index: int) -> int:
        if index == landmark:
            return NO
        if not (view.spots[index].known and view.spots[landmark].known):
            return MAYBE
        return _RELATIONS[relation](view, index, landmark)

    return tuple(map(judge, range(len(view.facts))))
