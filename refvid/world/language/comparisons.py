"""Claims that need the rest of the scene: place, order, relations to other actors, and negations."""

import numpy as np

from refvid.world.language import places
from refvid.world.language import predicates as ask
from refvid.world.language.claims import PEOPLE, Claim, Topic, claim, colour_word, pick, side_claim, weigh
from refvid.world.language.predicates import both, opposite
from refvid.world.language.words import CLOTHS, YES, verbs_of
from refvid.world.scene import ACTIONS_OF

_ORDINALS = ("first", "second", "third", "fourth", "fifth")


def claim_position(rng: np.random.Generator, topic: Topic) -> Claim | None:
    """Return a claim about the place in the picture: a side, corner, the middle, outermost, or nearest the camera."""
    manner = weigh(rng, {"side": 6, "middle": 3, "corner": 1.2, "outermost": 2, "upright": 1, "depth": 1.2})
    if manner == "outermost":
        return _outermost(rng, topic)
    if manner == "depth":
        return _depth(rng, topic)
    view, target, domain = topic.view, topic.target, topic.domain
    if manner == "middle":
        truths = places.in_middle(view, domain)
        if truths[target] == YES:
            text = weigh(rng, {"in the middle": 6, "in the center": 0.7, "in the centre": 0.7})
            return claim("position", "place", text, truths)
        manner = "side"
    across = "left" if view.spots[target].x < 0.5 else "right"
    along = "top" if view.spots[target].y < 0.5 else "bottom"
    if manner == "corner":
        corner = both(places.on_side(view, across, domain), places.on_side(view, along, domain))
        if corner[target] == YES:
            upper = "upper" if along == "top" else "lower"
            words: dict[str, float] = {f"in the {along} {across} corner": 2, f"on the {along} {across}": 1.5}
            words |= {f"on the {upper} {across}": 0.7, f"at the {along} {across}": 1}
            return claim("position", "place", weigh(rng, words), corner)
    found = side_claim(rng, view, along if manner == "upright" else across, domain)
    return found if found.truths[target] == YES else None


def _outermost(rng: np.random.Generator, topic: Topic) -> Claim | None:
    view, target = topic.view, topic.target
    side = "left" if view.spots[target].x < 0.5 else "right"
    truths = places.outermost(view, side, topic.domain)
    if truths[target] != YES:
        return None
    if len(topic.rivals) < 2 or rng.random() < 0.4:
        far = both(truths, places.on_side(view, side, topic.domain))
        if len(topic.rivals) >= 2 and far[target] == YES:
            return claim("position", "place", weigh(rng, {f"on the far {side}": 3, f"at the far {side}": 1}), far)
        if far[target] != YES or topic.facts.look.kind in PEOPLE:  # "the right man" would be ambiguous
            return None
        return claim("position", "rank", side, far)
    if rng.random() < 0.15:
        return claim("position", "place", f"farthest to the {side}", truths)
    return claim("position", "rank", f"{side}most", truths)


def _depth(rng: np.random.Generator, topic: Topic) -> Claim | None:
    for near in (True, False):
        truths = places.frontmost(topic.view, near, topic.domain)
        if truths[topic.target] == YES:
            words: dict[str, float] = {"in the front": 2, "in front": 1.5, "in the foreground": 1}
            if near and len(topic.rivals) > 1:
                words |= {"closest to the camera": 1, "nearest to the camera": 0.5}
            if not near:
                words = {"in the back": 2, "in the background": 1.5, "at the back": 0.5}
            return claim("position", "place", weigh(rng, words), truths)
    return None


_RELATION_WORDS: dict[str, dict[str, float]] = {
    "beside": {"next to": 5, "near": 2, "beside": 1.5, "close to": 0.7, "by": 0.5},
    "left": {"to the left of": 4, "on the left of": 1, "left of": 0.7},
    "right": {"to the right of": 4, "on the right of": 1, "right of": 0.7},
    "behind": {"behind": 1},
    "in front": {"in front of": 1},
    "above": {"above": 2, "over": 1},
    "below": {"below": 2, "under": 1},
}
_RELATION_SHARES = {"beside": 4, "left": 1.5, "right": 1.5, "behind": 4, "in front": 4, "above": 3, "below": 2}


def claim_relation(rng: np.random.Generator, topic: Topic) -> Claim | None:
    """Return a claim about the relation to another actor that can itself be named unambiguously."""
    view, target = topic.view, topic.target
    others = [index for index, fact in enumerate(view.facts) if index != target and fact.seen]
    if not others:
        return None
    landmark = pick(rng, others)
    options = dict(_RELATION_SHARES)
    while options:
        relation = weigh(rng, options)
        del options[relation]
        truths = places.related(view, relation, landmark)
        if truths[target] == YES:
            name = topic.speaker(landmark)
            words = weigh(rng, _RELATION_WORDS[relation])
            slot = "side relation" if relation in ("left", "right") else "relation"
            return None if name is None else claim("relation", slot, f"{words} {name}", truths)
    return None


def claim_ordinal(rng: np.random.Generator, topic: Topic) -> Claim | None:
    """Return a claim about the position counted from a side; its text "second|from the left" surrounds the noun."""
    if not topic.rivals or (len(topic.rivals) == 1 and rng.random() < 0.6):
        return None
    side = pick(rng, ("left", "right"))
    for place, word in enumerate(_ORDINALS):
        truths = places.counted(topic.view, side, place, topic.domain)
        if truths[topic.target] == YES:
            start = weigh(rng, {f"from the {side}": 5, f"from {side}": 1, f"on the {side}": 0 if place else 0.5})
            return claim("ordinal", "ordinal", f"{word}|{start}", truths)
    return None


def claim_negation(rng: np.random.Generator, topic: Topic) -> Claim | None:
    """Return a claim about what the actor is not, does not do or does not wear, but one of its rivals does."""
    manner = weigh(rng, {"moving": 2, "action": 2, "colour": 2, "hat": 2, "garment": 1})
    found = _denials(rng, topic, manner)
    if found is None:
        return None
    contrasted = any(found.truths[index] == 0 for index in topic.rivals)
    return found if contrasted and found.truths[topic.target] == YES else None


def _denials(rng: np.random.Generator, topic: Topic, manner: str) -> Claim | None:
    view, facts, rivals = topic.view, topic.facts, topic.rivals
    who = "who" if facts.look.kind in PEOPLE and rng.random() < 0.7 else "that"
    if not rivals:
        return None
    rival = view.facts[pick(rng, rivals)]
    people = facts.look.kind in PEOPLE
    if manner == "moving":
        words = {f"{who} is not moving": 3, "not moving": 2, f"{who} isn't moving": 0.7, f"{who} does not move": 0.5}
        return claim("negation action", "not doing", weigh(rng, words), opposite(ask.is_moving(view)))
    if manner == "action":
        if rival.action == "none" or rival.action not in ACTIONS_OF[facts.look.kind]:
            return None
        verb = pick(rng, verbs_of(rival.look.kind, rival.action))
        if verb not in verbs_of(facts.look.kind, rival.action):
            return None
        words = {
            f"{who} is not {verb.participle}": 3,
            f"not {verb.participle}": 2,
            f"{who} isn't {verb.participle}": 0.7,
        }
        return claim("negation action", "not doing", weigh(rng, words), opposite(ask.does(view, rival.action)))
    if manner == "colour":
        if not rival.look.colour:
            return None
        word = colour_word(rng, rival.look.colour)
        if people:
            words = {f"not in {word}": 3, f"{who} is not in {word}": 2, f"not wearing {word}": 1}
            return claim(
                "negation colour",
                "not clothes",
                weigh(rng, words),
                opposite(ask.is_dressed_in(view, rival.look.colour)),
            )
        words = {f"{who} is not {word}": 3, f"{who} isn't {word}": 1}
        return claim(
            "negation colour", "not colour", weigh(rng, words), opposite(ask.is_coloured(view, rival.look.colour))
        )
    return _not_wearing(rng, topic, manner, who)


def _not_wearing(rng: np.random.Generator, topic: Topic, manner: str, who: str) -> Claim | None:
    worn = [garment for index in topic.rivals for garment in topic.view.facts[index].look.garments]
    slots = ("hat", "bag") if manner == "hat" else ("top", "lower", "dress")
    worn = [garment for garment in worn if garment.slot in slots]
    if not worn:
        return None
    garment = pick(rng, worn)
    name = garment.name
    truths = ask.wears_any(topic.view, garment.slot) if garment.slot in ("hat", "bag") else ask.wears(topic.view, name)
    if garment.slot in ("hat", "bag"):
        name = garment.slot if rng.random() < 0.5 else name
    text = name if CLOTHS[name].plural else f"a {name}"
    words: dict[str, float] = {f"without {text}": 3}
    if garment.slot != "bag":
        words |= {f"not wearing {text}": 3, f"{who} is not wearing {text}": 1.5}
    return claim("negation garment", f"not worn {garment.slot}", weigh(rng, words), opposite(truths))
