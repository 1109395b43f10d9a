"""Expressions that refer to nothing in a scene, though most come close: the right kind in the wrong colour."""

from collections.abc import Callable, Sequence

import numpy as np

from refvid.world.language.claims import (
    PEOPLE,
    Claim,
    Topic,
    action_claim,
    claim_action,
    claim_colour,
    claim_direction,
    claim_garment,
    colour_claim,
    direction_claim,
    garment_claim,
    noun_of,
    pick,
    side_claim,
    weigh,
)
from refvid.world.language.predicates import View, both, called
from refvid.world.language.sentence import sentence
from refvid.world.language.words import CLOTHS, NOUNS_OF, verbs_of, words_in
from refvid.world.palette import COLOURS
from refvid.world.scene import ACTIONS_OF, Facts, Reference

_MAX_WORDS = 20
_ATTEMPTS = 12  # per requested expression
_SHARES = {"colour": 4.0, "action": 3.0, "garment": 2.0, "kind": 2.0, "direction": 1.0, "position": 1.0}
_COATS = ("black", "white", "brown", "grey", "orange", "yellow")  # plausible colours of cats and dogs
_GARMENTS = {
    "man": ("shirt", "t-shirt", "jacket", "coat", "sweater", "jeans", "shorts", "trousers", "hat", "cap", "backpack"),
    "woman": ("shirt", "blouse", "jacket", "coat", "dress", "skirt", "jeans", "hat", "handbag", "backpack"),
    "baby": ("romper", "shirt", "t-shirt", "sweater", "hat", "shorts", "diaper"),
}
_BARE = frozenset({"hat", "bag", "dress"})  # slots whose garments are also mentioned without a colour


def absent(rng: np.random.Generator, facts: Sequence[Facts], width: int, height: int, count: int) -> list[Reference]:
    """Return expressions that are certainly false of every actor of a scene, whether seen or not.

    Args:
        rng: Generator for all random choices.
        facts: Facts about every actor of the scene.
        width: Width of the picture in pixels.
        height: Height of the picture in pixels.
        count: Number of expressions requested; fewer are returned if the scene does not allow more.

    Returns:
        Distinct expressions of at most 20 words whose actor is None. Most combine the kind of an actor in the scene
        with a colour, garment or action that only other actors have, or none.
    """
    view = View.of(facts, width, height)
    found: dict[str, Reference] = {}
    left = dict(_SHARES)
    for _ in range(_ATTEMPTS * count):
        if len(found) >= count:
            break
        way = weigh(rng, left)
        reference = _miss(rng, view, way)
        if reference is not None and reference.expression.lower() not in found:
            found[reference.expression.lower()] = reference
            left[way] /= 3
    return list(found.values())


def _miss(rng: np.random.Generator, view: View, way: str) -> Reference | None:
    """Try to make an expression that is false in the given way.

    It may include a second claim, which is true of the actor it starts from.
    """
    if way == "kind" or not view.facts:
        return _other_kind(rng, view)
    index = pick(rng, range(len(view.facts)))
    facts = view.facts[index]
    noun = noun_of(rng, facts)
    topic = Topic(view, index, called(view, noun), lambda other: None)
    made = _WRONG[way](rng, topic)
    if made is None:
        return None
    claims = {made.slot: made}
    if rng.random() < 0.4:
        extra = _TRUE[pick(rng, tuple(_TRUE))](rng, topic)
        deeds = {"action", "direction", "still", "facing"}
        body = {"clothes", "worn top", "worn dress", "worn lower"}
        if extra is not None and not any({made.slot, extra.slot} <= group for group in (deeds, body)):
            claims.setdefault(extra.slot, extra)
    return _checked(rng, view, noun, facts.look.kind, claims)


def _checked(rng: np.random.Generator, view: View, noun: str, kind: str, claims: dict[str, Claim]) -> Reference | None:
    truths = called(view, noun)
    for one in claims.values():
        truths = both(truths, one.truths)
    if any(truths):
        return None
    expression = sentence(rng, noun, kind, claims)
    ways = {way for one in claims.values() for way in one.ways} | {"kind"}
    return Reference(expression, None, frozenset(ways)) if len(words_in(expression)) <= _MAX_WORDS else None


def _other_kind(rng: np.random.Generator, view: View) -> Reference | None:
    """Return an expression for a kind that is not in the scene, perhaps with an action or garment of an actor."""
    role = pick(rng, tuple(role for role in NOUNS_OF if role != "adult"))
    noun = weigh(rng, NOUNS_OF[role])
    kind = "adult" if role in ("man", "woman") else role
    if any(called(view, noun)):
        return None
    claims: dict[str, Claim] = {}
    nobody = tuple(0 for _ in view.facts)
    if view.facts and rng.random() < 0.65:
        topic = Topic(view, pick(rng, range(len(view.facts))), nobody, lambda other: None)
        if rng.random() < 0.5:
            action = topic.facts.action if topic.facts.action in ACTIONS_OF[kind] else pick(rng, ACTIONS_OF[kind])
            made = action_claim(rng, view, kind, action)
        else:
            colour = topic.facts.look.colour or pick(rng, COLOURS)
            made = colour_claim(rng, view, colour, people=kind in PEOPLE)
        if made is not None:
            claims[made.slot] = made
    return _checked(rng, view, noun, kind, claims)


def _wrong_colour(rng: np.random.Generator, topic: Topic) -> Claim | None:
    """Return a claim about the colour of another actor, or about any colour."""
    look = topic.facts.look
    others = [fact.look.colour for fact in topic.view.facts if fact.look.colour]
    colours = _COATS if look.kind in ("cat", "dog") else COLOURS
    colour = pick(rng, others) if others and rng.random() < 0.6 else pick(rng, colours)
    return colour_claim(rng, topic.view, colour, people=look.kind in PEOPLE)


def _wrong_garment(rng: np.random.Generator, topic: Topic) -> Claim | None:
    """Return a claim about a garment of another actor, any garment, or one of the actor's own in another colour."""
    look = topic.facts.look
    if look.kind not in PEOPLE:
        return None
    names = _GARMENTS[look.sex or ("baby" if look.kind == "baby" else "woman")]
    name = pick(rng, look.garments).name if look.garments and rng.random() < 0.4 else pick(rng, names)
    plain = CLOTHS[name].slot in _BARE and rng.random() < 0.6
    others = [garment.colour for fact in topic.view.facts for garment in fact.look.garments if garment.colour]
    colour = pick(rng, others) if others and rng.random() < 0.5 else pick(rng, COLOURS)
    return garment_claim(rng, topic.view, name, "" if plain else colour)


def _wrong_action(rng: np.random.Generator, topic: Topic) -> Claim | None:
    kind = topic.facts.look.kind
    deeds = [fact.action for fact in topic.view.facts if verbs_of(kind, fact.action)]
    deeds = [action for action in deeds if action in ACTIONS_OF[kind]]
    action = pick(rng, deeds) if deeds and rng.random() < 0.4 else pick(rng, ACTIONS_OF[kind])
    return action_claim(rng, topic.view, kind, action)


def _wrong_direction(rng: np.random.Generator, topic: Topic) -> Claim | None:
    return direction_claim(rng, topic.view, pick(rng, ("left", "right")))


def _wrong_position(rng: np.random.Generator, topic: Topic) -> Claim | None:
    return side_claim(rng, topic.view, pick(rng, ("left", "right")), topic.domain)


_Maker = Callable[[np.random.Generator, Topic], Claim | None]
_WRONG: dict[str, _Maker] = {
    "colour": _wrong_colour,
    "action": _wrong_action,
    "garment": _wrong_garment,
    "direction": _wrong_direction,
    "position": _wrong_position,
}
_TRUE: dict[str, _Maker] = {
    "colour": claim_colour,
    "action": claim_action,
    "direction": claim_direction,
    "garment": claim_garment,
}
