"""Referring expressions: sentences that are true of exactly one actor of a scene.

A sentence is a noun with up to three claims (`refvid.world.language.claims`). It is used only if, taken as a whole, it
is certainly true of one visible actor and certainly false of all others, including barely visible ones.
"""

from collections.abc import Callable, Sequence

import numpy as np

from refvid.world.language.absent import absent
from refvid.world.language.claims import (
    Claim,
    Topic,
    claim,
    claim_action,
    claim_colour,
    claim_direction,
    claim_garment,
    claim_pace,
    claim_pattern,
    claim_size,
    describe_tail,
    noun_of,
    weigh,
)
from refvid.world.language.comparisons import claim_negation, claim_ordinal, claim_position, claim_relation
from refvid.world.language.predicates import View, both, called, sole_referent
from refvid.world.language.sentence import sentence
from refvid.world.language.words import NO, VOCABULARY, YES, words_in, words_of
from refvid.world.scene import Facts, Reference

__all__ = ["VOCABULARY", "absent", "refer", "refer_motion", "words_of"]

MAX_WORDS = 20
_MAKERS: dict[str, Callable[[np.random.Generator, Topic], Claim | None]] = {
    "colour": claim_colour,
    "garment": claim_garment,
    "pattern": claim_pattern,
    "size": claim_size,
    "action": claim_action,
    "direction": claim_direction,
    "pace": claim_pace,
    "position": claim_position,
    "relation": claim_relation,
    "ordinal": claim_ordinal,
    "negation": claim_negation,
}
# Weight of each way of telling actors apart. Claims are made in this order, so that comparisons come after the claims
# that narrow down what is compared.
_SHARES = {
    "colour": 3.2,
    "garment": 3.6,
    "pattern": 1.6,
    "size": 1.5,
    "action": 4.2,
    "direction": 1.6,
    "pace": 1.0,
    "position": 3.4,
    "relation": 2.7,
    "ordinal": 2.0,
    "negation": 1.2,
}
_RANK = {way: rank for rank, way in enumerate(_MAKERS)}
_MOTIONS = ("action", "direction", "pace")
_LENGTHS = {0: 0.08, 1: 0.36, 2: 0.4, 3: 0.16}
_SLOTS = ("top", "dress", "lower", "hat", "bag")
_ATTEMPTS = 14  # per requested expression
_TAILLESS = frozenset({"direction", "pace", "gait", "place", "relation"})
_DEEDS = frozenset({"action", "direction", "pace", "still", "facing", "gait", "not doing"})
# Slots that must not be combined in one sentence.
_CLASHES: dict[str, frozenset[str]] = {
    "size": frozenset({"rank", "ordinal"}),
    "rank": frozenset({"place", "relation", "side relation", "ordinal"}),
    "place": frozenset({"relation", "side relation", "ordinal"}),
    "side relation": _DEEDS | {"ordinal"},  # "walking to the left of" could be read as a direction
    "ordinal": _DEEDS | {"relation", "not clothes", "not colour", *(f"not worn {slot}" for slot in _SLOTS)},
    "still": _DEEDS,
    "facing": _DEEDS,
    "gait": frozenset({"pace", "action"}),
    "not doing": _DEEDS,
    "clothes": frozenset({"worn top", "worn dress", "not clothes", "not worn top", "not worn dress"}),
    "not clothes": frozenset({"worn top", "worn dress"}),
    "colour": frozenset({"not colour"}),
}


def refer(rng: np.random.Generator, facts: Sequence[Facts], width: int, height: int, count: int) -> list[Reference]:
    """Return expressions that refer to one visible actor each, spread over the actors and the ways to tell them apart.

    Args:
        rng: Generator for all random choices.
        facts: Facts about every actor of the scene. No expression refers, or could refer, to an actor that is not seen.
        width: Width of the picture in pixels.
        height: Height of the picture in pixels.
        count: Number of expressions requested; fewer are returned if the scene does not allow more.

    Returns:
        Distinct expressions of at most 20 words.
    """
    return _refer(rng, View.of(facts, width, height), count, _SHARES)


def refer_motion(
    rng: np.random.Generator, facts: Sequence[Facts], width: int, height: int, count: int
) -> list[Reference]:
    """Return expressions that tell actors apart by action, direction and pace alone; otherwise as `refer`.

    They refer only to actors with others of their kind in the scene, so that the noun alone does not give them away.
    """
    view = View.of(facts, width, height)
    return _refer(rng, view, count, {way: _SHARES[way] for way in _MOTIONS})


def _refer(rng: np.random.Generator, view: View, count: int, shares: dict[str, float]) -> list[Reference]:
    rivals = [sum(other.look.kind == fact.look.kind for other in view.facts) - 1 for fact in view.facts]
    by_motion = shares is not _SHARES
    likely = {
        index: 1.6 if rivals[index] else 1.0
        for index, fact in enumerate(view.facts)
        if fact.seen and (rivals[index] or not by_motion)
    }
    found: dict[str, Reference] = {}
    left = dict(shares)
    for _ in range(_ATTEMPTS * count if likely else 0):
        if len(found) >= count:
            break
        target = weigh(rng, likely)
        wanted = weigh(rng, _LENGTHS)
        reference = _describe(rng, view, target, left, max(wanted, 1) if by_motion else wanted)
        if reference is None or reference.expression.lower() in found:
            continue
        found[reference.expression.lower()] = reference
        likely[target] /= 4
        for way in reference.ways & left.keys():
            left[way] /= 2.5
    return list(found.values())


def _describe(
    rng: np.random.Generator, view: View, target: int, shares: dict[str, float], wanted: int
) -> Reference | None:
    """Try to make a sentence with the wanted number of claims, or more if the target cannot be told apart otherwise."""
    facts = view.facts[target]
    noun = noun_of(rng, facts)
    order = _shuffled(rng, shares)
    for number in range(wanted, min(wanted + 2, 3) + 1):
        claims = _claims(rng, view, target, noun, order, number)
        if len(claims) < min(wanted, 1):
            return None
        truths = called(view, noun)
        for one in claims.values():
            truths = both(truths, one.truths)
        if sole_referent(view, truths) == target:
            return _compose(rng, view, target, noun, claims)
        if len(claims) < number:
            return None
    return None


def _shuffled(rng: np.random.Generator, shares: dict[str, float]) -> list[str]:
    """Return the ways in random order, those with larger weights tending to come first."""
    waits = rng.standard_exponential(len(shares)).tolist()
    order = sorted((wait / share, way) for wait, (way, share) in zip(waits, shares.items(), strict=True))
    return [way for _, way in order]


def _claims(
    rng: np.random.Generator, view: View, target: int, noun: str, order: Sequence[str], number: int
) -> dict[str, Claim]:
    """Return up to `number` claims, by slot, using the first ways in `order` that have something true to claim.

    Comparisons are made among the actors that the noun and its adjectives could refer to: "the biggest white dog" is
    compared with white dogs, "the biggest dog that is running" with all dogs.
    """
    chosen = sorted(order[:number], key=_RANK.__getitem__)
    spare = [way for way in order[number:] if _RANK[way] > _RANK["pattern"]][:2]
    if "garment" in chosen and rng.random() < 0.3:
        chosen.insert(chosen.index("garment"), "garment")
        number += 1
    claims: dict[str, Claim] = {}
    domain = dressed = called(view, noun)
    for way in chosen + spare:
        if len(claims) >= number:
            break
        # In "the second man in red from the left", only the men in red are counted.
        comparable = dressed if way == "ordinal" else domain
        topic = Topic(view, target, comparable, lambda index: name_actor(rng, view, index), frozenset(claims))
        made = _MAKERS[way](rng, topic)
        if made is None or made.truths[target] != YES or not _fits(claims, made.slot):
            continue
        claims[made.slot] = made
        if made.slot in ("colour", "pattern"):
            domain = both(domain, made.truths)
        if way in ("colour", "garment", "pattern"):
            dressed = both(dressed, made.truths)
    return claims


def _fits(claims: dict[str, Claim], slot: str) -> bool:
    """Return whether a slot can be combined with the claims so far."""
    denials = [other for other in claims if other.startswith("not ")]
    if slot in claims or (slot.startswith("not ") and denials):
        return False
    clashes = _CLASHES.get(slot, frozenset())
    return not any(other in clashes or slot in _CLASHES.get(other, ()) for other in claims)


def name_actor(rng: np.random.Generator, view: View, index: int) -> str | None:
    """Return a name for an actor from its kind and at most one claim about its looks; None if that is ambiguous."""
    noun = noun_of(rng, view.facts[index])
    claims: dict[str, Claim] = {}
    truths = called(view, noun)
    if sole_referent(view, truths) != index or rng.random() < 0.25:
        way = weigh(rng, {"colour": 3, "garment": 2, "pattern": 1})
        made = _MAKERS[way](rng, Topic(view, index, truths, lambda other: None))
        if made is not None:
            claims[made.slot] = made
            truths = both(truths, made.truths)
    if sole_referent(view, truths) != index:
        return None
    return sentence(rng, noun, view.facts[index].look.kind, claims, landmark=True)


def _compose(
    rng: np.random.Generator, view: View, target: int, noun: str, claims: dict[str, Claim]
) -> Reference | None:
    """Return the finished expression; None if it is too long."""
    facts = view.facts[target]
    ways = {way for one in claims.values() for way in one.ways}
    nouns = called(view, noun)
    if not claims or NO in nouns:
        ways.add("kind")
    spoken = dict(claims)
    if "action" in claims and not _TAILLESS & claims.keys() and rng.random() < 0.3:
        tail = describe_tail(rng, facts)
        if tail:
            spoken["tail"] = claim("action", "tail", tail, claims["action"].truths)
    expression = sentence(rng, noun, facts.look.kind, spoken)
    if len(words_in(expression)) > MAX_WORDS:
        return None
    return Reference(expression, target, frozenset(ways))
