"""Predicates on the actors of a scene, each evaluated for all actors at once to no, perhaps or yes.

"Perhaps" stands for everything that two viewers could judge differently: a shade between two colours, a place between
left and middle, a margin too small to see. An expression refers to an actor only if it is certainly true of that actor
and certainly false of every other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from refvid.world.language.words import CLOTHS, MAYBE, NEAR_COLOURS, NO, NOUNS, YES, colour_of, is_still, role_of
from refvid.world.palette import certainty
from refvid.world.scene import RGB, Facts, Garment, Look

Truths = tuple[int, ...]

# Slots that adults always cover -> slots of which one must be among the known garments for the cover to be known.
_COVERED_BY = {
    "top": frozenset({"top", "dress"}),
    "dress": frozenset({"top", "dress"}),
    "lower": frozenset({"lower", "dress"}),
    "shoes": frozenset({"shoes"}),
}
_DOUBTFUL_SHADE = 10.0  # certainty, in CIELAB units, below which a neighbouring colour's name is possible
_QUICK, _SLUGGISH = frozenset({"running", "flying"}), frozenset({"crawling", "climbing"})
_AIRBORNE = frozenset({"flying", "jumping", "climbing"})
# Kind and action -> actions that it could be mistaken for.
_MISTAKEN: dict[tuple[str, str], tuple[str, ...]] = {
    ("ball", "flying"): ("jumping",),
    ("ball", "jumping"): ("flying",),
    ("bird", "jumping"): ("flying",),
    ("car", "flying"): ("jumping",),
    ("car", "jumping"): ("flying", "running"),
    ("car", "rolling"): ("running",),
    ("car", "running"): ("rolling",),
}


class Spot(NamedTuple):
    """An actor's box as fractions of the picture, and its longer side in pixels."""

    left: float
    top: float
    right: float
    bottom: float
    pixels: int

    @property
    def x(self) -> float:
        """Horizontal centre as a fraction of the width."""
        return (self.left + self.right) / 2

    @property
    def y(self) -> float:
        """Vertical centre as a fraction of the height."""
        return (self.top + self.bottom) / 2

    @property
    def known(self) -> bool:
        """Return whether anything of the actor is visible."""
        return self.right > self.left and self.bottom > self.top


@dataclass(frozen=True)
class View:
    """The actors of a scene together with their positions in the picture."""

    facts: tuple[Facts, ...]
    spots: tuple[Spot, ...]

    @classmethod
    def of(cls, facts: Sequence[Facts], width: int, height: int) -> "View":
        """Return the view of actors in a picture of width x height pixels."""
        spots = []
        for fact in facts:
            left, top, right, bottom = fact.box
            pixels = max(right - left, bottom - top)
            spots.append(Spot(left / width, top / height, right / width, bottom / height, pixels))
        return cls(tuple(facts), tuple(spots))


def both(first: Truths, second: Truths) -> Truths:
    """Return the truth of "first and second"."""
    return tuple(map(min, first, second))


def opposite(truths: Truths) -> Truths:
    """Return the truth of "not"."""
    return tuple(YES - truth for truth in truths)


def sole_referent(view: View, truths: Truths) -> int | None:
    """Return the visible actor of which alone something is certainly true; None if there is no such actor."""
    if sum(truths) != YES or YES not in truths:
        return None
    index = truths.index(YES)
    return index if view.facts[index].seen else None


def called(view: View, noun: str) -> Truths:
    """Return whether each actor may be called by a noun of `words.NOUNS`."""
    roles = NOUNS[noun]
    return tuple(roles.get(role_of(fact.look), NO) for fact in view.facts)


@lru_cache(4096)
def _is_doubtful(paint: RGB) -> bool:
    return certainty(paint) < _DOUBTFUL_SHADE


def _coloured(colour: str, paint: RGB, wanted: str) -> int:
    if colour == wanted:
        return YES
    if not colour:  # the colour has no certain name
        return MAYBE
    return MAYBE if wanted in NEAR_COLOURS[colour] and _is_doubtful(paint) else NO


def _marked(pattern: str, accent: RGB, wanted: str) -> int:
    return MAYBE if pattern != "plain" and colour_of(accent) == wanted else NO


def is_coloured(view: View, colour: str) -> Truths:
    """Return whether fur, feathers, paint or leather have a colour; no for people."""

    def judge(fact: Facts) -> int:
        look = fact.look
        if look.kind in ("adult", "baby"):
            return NO
        return max(_coloured(look.colour, look.paint, colour), _marked(look.pattern, look.accent, colour))

    return tuple(map(judge, view.facts))


def is_two_coloured(view: View, colour: str, accent: str) -> Truths:
    """Return whether an animal or thing has both colours, one as its pattern; perhaps if it has only one of them."""

    def judge(fact: Facts) -> int:
        look = fact.look
        if look.kind in ("adult", "baby"):
            return NO
        if look.pattern != "plain" and {look.colour, colour_of(look.accent)} == {colour, accent}:
            return YES
        return MAYBE if look.pattern != "plain" and look.colour in (colour, accent) else NO

    return tuple(map(judge, view.facts))


def is_dressed_in(view: View, colour: str) -> Truths:
    """Return whether people are "in red": yes for top or dress, perhaps for another garment or marks of a pattern."""

    def judge(garment: Garment) -> int:
        truth = _coloured(garment.colour, garment.paint, colour)
        if garment.slot not in ("top", "dress"):
            truth = min(truth, MAYBE)
        return max(truth, _marked(garment.pattern, garment.accent, colour))

    return tuple(max(map(judge, fact.look.garments), default=NO) or _unstated(fact.look, "top") for fact in view.facts)


def _unstated(look: Look, slot: str) -> int:
    """Return perhaps if an adult must wear something in a slot but the facts do not include it, otherwise no."""
    slots = _COVERED_BY.get(slot)
    if look.kind != "adult" or slots is None or any(garment.slot in slots for garment in look.garments):
        return NO
    return MAYBE


def _share_place(slot: str, other: str) -> bool:
    return slot == other or (slot in _COVERED_BY.get(other, ()) or other in _COVERED_BY.get(slot, ()))


def _is_garment(garment: Garment, name: str, colour: str, pattern: str) -> int:
    worn, wanted = CLOTHS[garment.name], CLOTHS[name]
    truth = NO
    if name in worn.names:
        truth = YES
    elif worn.families & wanted.families or (colour and _share_place(worn.slot, wanted.slot)):
        truth = MAYBE
    if colour and truth:
        hue = max(_coloured(garment.colour, garment.paint, colour), _marked(garment.pattern, garment.accent, colour))
        truth = min(truth, hue)
    if pattern and truth:
        truth = min(truth, YES if garment.pattern == pattern else NO)
    return truth


def wears(view: View, name: str, colour: str = "", pattern: str = "") -> Truths:
    """Return whether people wear a garment of this name, optionally of a colour and with a pattern."""

    def judge(fact: Facts) -> int:
        truth = max((_is_garment(garment, name, colour, pattern) for garment in fact.look.garments), default=NO)
        return truth or _unstated(fact.look, CLOTHS[name].slot)

    return tuple(map(judge, view.facts))


def wears_any(view: View, slot: str) -> Truths:
    """Return whether people wear anything in a slot ("hat", "bag")."""
    return tuple(YES if any(garment.slot == slot for garment in fact.look.garments) else NO for fact in view.facts)


def is_patterned(view: View, pattern: str) -> Truths:
    """Return whether fur, feathers, paint or leather have a pattern; no for people."""
    return tuple(
        YES if fact.look.pattern == pattern and fact.look.kind not in ("adult", "baby") else NO for fact in view.facts
    )


def does(view: View, action: str) -> Truths:
    """Return whether actors do an action of `scene.ACTIONS`; "none" means standing still."""

    def judge(fact: Facts) -> int:
        if action == "none":
            if fact.action == "none":
                return YES if is_still(fact) else MAYBE
            return MAYBE if fact.action == "eating" and not fact.direction else NO
        if fact.action == action:
            return YES
        return MAYBE if action in _MISTAKEN.get((fact.look.kind, fact.action), ()) else NO

    return tuple(map(judge, view.facts))


def is_moving(view: View) -> Truths:
    """Return whether actors travel: yes if they do, no if they are idle, perhaps if they act in place."""
    return tuple(YES if fact.direction else NO if is_still(fact) else MAYBE for fact in view.facts)


def travels(view: View, direction: str) -> Truths:
    """Return whether actors move "left", "right", "up" or "down"."""

    def judge(fact: Facts) -> int:
        if fact.direction == direction:
            return YES
        sideways = direction in ("left", "right")
        if fact.direction in ("up", "down") and sideways:
            return MAYBE if fact.facing == (1 if direction == "right" else -1) else NO
        if fact.direction in ("left", "right") and not sideways:
            return MAYBE if fact.action in _AIRBORNE else NO
        return NO

    return tuple(map(judge, view.facts))


def faces(view: View, facing: int) -> Truths:
    """Return whether actors look to the left (-1) or right (1); perhaps if they have no recognisable front."""

    def judge(fact: Facts) -> int:
        if fact.look.kind not in ("bird", "car", "cat", "dog") or fact.action in ("climbing", "rolling"):
            return MAYBE
        return YES if fact.facing == facing else NO

    return tuple(map(judge, view.facts))


def paces(view: View, pace: str, with_action: bool = False) -> Truths:
    """Return whether actors are "fast", "slow" or "still".

    Args:
        view: The scene.
        pace: One of the three.
        with_action: Whether the action is mentioned too, so that the pace is relative to it: "running slowly".
            Otherwise, whether a slow runner is slow is uncertain, and so it is for somebody who crawls at the usual
            pace.
    """
    if pace == "still":
        return does(view, "none")

    def judge(fact: Facts) -> int:
        if not fact.direction:
            return NO
        if fact.pace == pace:
            contrary = _QUICK if pace == "slow" else _SLUGGISH
            return YES if with_action or (fact.look.kind == "car" or fact.action not in contrary) else MAYBE
        if fact.pace in ("slow", "fast"):
            likely = _SLUGGISH if pace == "slow" else _QUICK
            return NO if with_action or fact.action not in likely else MAYBE
        return MAYBE

    return tuple(map(judge, view.facts))
