"""Single claims about an actor, each with its words and its truth for every actor of the scene."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from refvid.world.language import places
from refvid.world.language import predicates as ask
from refvid.world.language.predicates import Truths, View
from refvid.world.language.words import (
    CLOTHS,
    COLOUR_WORDS,
    NOUNS_OF,
    PATTERN_WORDS,
    VERB_TAILS,
    YES,
    Verb,
    colour_of,
    is_still,
    role_of,
    verbs_of,
)
from refvid.world.scene import Facts, Garment

T = TypeVar("T")
PEOPLE = ("adult", "baby")
_MIN_PIXELS = 32  # minimum box side at which patterns, shoes, hats and bags are recognisable


@dataclass(frozen=True)
class Claim:
    """A claim about an actor.

    Attributes:
        ways: Ways of telling actors apart, as in `refvid.world.scene.Reference`.
        slot: Place in a sentence: "size", "gait", "rank", "pattern", "colour", "clothes", "worn top", ..., "action",
            "tail", "pace", "still", "direction", "facing", "place", "relation", "ordinal", "not ...".
        text: Words of the claim; for "action", the participle.
        truths: Truth of the claim for every actor.
        present: For "action", the third person ("walks"), if there is one.
    """

    ways: frozenset[str]
    slot: str
    text: str
    truths: Truths
    present: str = ""


@dataclass(frozen=True)
class Topic:
    """The context in which a claim is made.

    Attributes:
        view: The scene.
        target: Index of the actor that the claim is about.
        domain: Whether the noun and the preceding claims could refer to each actor.
        speaker: Function that names another actor; it returns None if there is no unambiguous name.
        claimed: Slots of the preceding claims.
    """

    view: View
    target: int
    domain: Truths
    speaker: Callable[[int], str | None]
    claimed: frozenset[str] = frozenset()

    @property
    def facts(self) -> Facts:
        """Facts about the target."""
        return self.view.facts[self.target]

    @property
    def rivals(self) -> list[int]:
        """The other actors that the words so far could refer to."""
        return [index for index, truth in enumerate(self.domain) if truth and index != self.target]


def pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    """Return one of the options with equal probability."""
    return options[int(rng.random() * len(options))]


def weigh(rng: np.random.Generator, options: dict[T, float]) -> T:
    """Return a key with probability proportional to its weight."""
    mark = rng.random() * sum(options.values())
    for key, weight in options.items():
        mark -= weight
        if mark < 0:
            return key
    return key


def colour_word(rng: np.random.Generator, colour: str) -> str:
    """Return a random word for a colour of the palette."""
    return weigh(rng, COLOUR_WORDS[colour])


def noun_of(rng: np.random.Generator, facts: Facts) -> str:
    """Return a random noun for an actor."""
    return weigh(rng, NOUNS_OF[role_of(facts.look)])


def claim(ways: str, slot: str, text: str, truths: Truths, present: str = "") -> Claim:
    """Return a claim; `ways` is separated by blanks."""
    return Claim(frozenset(ways.split()), slot, text, truths, present)


def colour_claim(rng: np.random.Generator, view: View, colour: str, people: bool) -> Claim:
    """Return a claim about the colour of fur or paint or, for people, of the clothes."""
    word = colour_word(rng, colour)
    if people:
        return claim("colour", "clothes", word, ask.is_dressed_in(view, colour))
    return claim("colour", "colour", word, ask.is_coloured(view, colour))


def garment_claim(rng: np.random.Generator, view: View, name: str, colour: str = "", pattern: str = "") -> Claim:
    """Return a claim about a garment; its slot is "worn" followed by the garment's slot."""
    words = [colour_word(rng, colour)] if colour else []
    if pattern:
        words.insert(0 if rng.random() < 0.5 else 1, weigh(rng, PATTERN_WORDS[pattern]))
    words.append(name)
    article = weigh(rng, {"a": 70, "": 26, "the": 4}) if colour or pattern else weigh(rng, {"a": 95, "the": 5})
    if CLOTHS[name].plural:
        article = "the" if article == "the" else ""
    text = with_article(article, " ".join(words))
    ways = "garment" + (" colour" if colour else "") + (" pattern" if pattern else "")
    return claim(ways, f"worn {CLOTHS[name].slot}", text, ask.wears(view, name, colour, pattern))


def with_article(article: str, text: str) -> str:
    """Return a text with "the", "a" (or "an") or nothing in front of it."""
    if article == "a" and text[0] in "aeiou" and not text.startswith("uni"):
        article = "an"
    return f"{article} {text}" if article else text


def action_claim(rng: np.random.Generator, view: View, kind: str, action: str) -> Claim | None:
    """Return a claim about an action, in one of the verbs for the kind; None if there is none."""
    verbs = verbs_of(kind, action)
    if not verbs:
        return None
    verb: Verb = weigh(rng, {verb: verb.weight for verb in verbs})
    return claim("action", "action", verb.participle, ask.does(view, action), verb.present)


def direction_claim(rng: np.random.Generator, view: View, direction: str) -> Claim:
    """Return a claim about the direction of travel; its words follow a verb."""
    if direction in ("up", "down"):
        text = direction
    else:
        other = "right" if direction == "left" else "left"
        text = weigh(
            rng,
            {
                f"to the {direction}": 6,
                direction: 1.5,
                f"towards the {direction}": 1,
                f"from {other} to {direction}": 1.5,
                f"from the {other} to the {direction}": 0.8,
                f"to the {direction} side": 0.5,
            },
        )
    return claim("direction", "direction", text, ask.travels(view, direction))


def pace_claim(rng: np.random.Generator, view: View, pace: str, kind: str = "", with_action: bool = False) -> Claim:
    """Return a claim about the pace; `kind` decides how "still" is worded, for `with_action` see `predicates.paces`."""
    if pace == "still":
        upright = "lying" if kind == "ball" else "standing"
        text = weigh(
            rng, {f"{upright} still": 0 if kind in ("cat", "dog") else 3, "staying still": 1, "keeping still": 0.5}
        )
        return claim("pace", "still", text, ask.paces(view, pace))
    words: dict[str, float] = (
        {"fast": 4, "quickly": 1.5, "very fast": 1} if pace == "fast" else {"slowly": 4, "very slowly": 0.8}
    )
    return claim("pace", "pace", weigh(rng, words), ask.paces(view, pace, with_action))


def side_claim(rng: np.random.Generator, view: View, side: str, domain: Truths) -> Claim:
    """Return a claim about a side of the picture."""
    if side in ("left", "right"):
        words: dict[str, float] = {f"on the {side}": 8, f"on the {side} side": 1.2, f"at the {side}": 0.5}
    else:
        words = {f"at the {side}": 3, f"on the {side}": 0.7, f"at the {side} of the picture": 0.5}
    return claim("position", "place", weigh(rng, words), places.on_side(view, side, domain))


def claim_colour(rng: np.random.Generator, topic: Topic) -> Claim | None:
    """Return a claim about the colour of the fur or paint, or of the clothes as a whole."""
    look = topic.facts.look
    if look.kind in PEOPLE:
        tops = [garment for garment in look.garments if garment.slot in ("top", "dress") and garment.colour]
        return colour_claim(rng, topic.view, tops[0].colour, people=True) if tops else None
    return colour_claim(rng, topic.view, look.colour, people=False) if look.colour else None


def _visible(topic: Topic, slot: str) -> bool:
    return slot in ("top", "dress", "lower") or topic.view.spots[topic.target].pixels >= _MIN_PIXELS


_GARMENT_SHARES = {"top": 5, "dress": 6, "lower": 3, "hat": 4, "bag": 3, "shoes": 1.2}


def claim_garment(rng: np.random.Generator, topic: Topic) -> Claim | None:
    """Return a claim about one garment, mostly with its colour; for hats and bags also without."""
    shares = {garment: _GARMENT_SHARES[garment.slot] for garment in topic.facts.look.garments}
    shares = {garment: share for garment, share in shares.items() if _visible(topic, garment.slot) and garment.colour}
    if not shares:
        return None
    garment: Garment = weigh(rng, shares)
    names = CLOTHS[garment.name].names
    name = names[0] if rng.random() < 0.7 else pick(rng, names)
    plain = rng.random() < {"hat": 0.5, "bag": 0.5, "shoes": 0}.get(garment.slot, 0.12)
    pattern = ""
    if not plain and garment.pattern != "plain" and rng.random() < 0.3 and _visible(topic, "pattern"):
        pattern = garment.pattern
    return garment_claim(rng, topic.view, name, "" if plain else garment.colour, pattern)


def claim_pattern(rng: np.random.Generator, topic: Topic) -> Claim | None:
    """Return a claim about the pattern of the fur or paint, or about a garment with its pattern."""
    look = topic.facts.look
    if not _visible(topic, "pattern"):
        return None
    if look.kind in PEOPLE:
        worn = [garment for garment in look.garments if garment.pattern != "plain"]
        if not worn:
            return None
        garment = pick(rng, worn)
        colour = garment.colour if rng.random() < 0.3 else ""
        return garment_claim(rng, topic.view, pick(rng, CLOTHS[garment.name].names), colour, garment.pattern)
    if look.pattern == "plain":
        return None
    accent = colour_of(look.accent)
    if look.colour and accent != look.colour and rng.random() < 0.35:
        first, second = (look.colour, accent) if rng.random() < 0.6 else (accent, look.colour)
        text = f"{colour_word(rng, first)} and {colour_word(rng, second)}"
        return claim("pattern colour", "colour", text, ask.is_two_coloured(topic.view, look.colour, accent))
    if look.kind == "ball" and look.pattern == "checked":  # a football; nobody calls its panels checked
        return None
    return claim(
        "pattern", "pattern", weigh(rng, PATTERN_WORDS[look.pattern]), ask.is_patterned(topic.view, look.pattern)
    )


def claim_size(rng: np.random.Generator, topic: Topic) -> Claim | None:
    """Return a claim about the size among others of the kind: "the biggest dog", "the smaller car", "the tall man"."""
    rivals = topic.rivals
    if not rivals:
        return None
    large = rng.random() < 0.5
    truths = places.outsized(topic.view, large, topic.domain)
    if truths[topic.target] != YES:
        large = not large
        truths = places.outsized(topic.view, large, topic.domain)
    if truths[topic.target] != YES:
        return None
    words: dict[str, float] = {"big": 3, "large": 1} if large else {"small": 3, "little": 1}
    words |= {"bigger": 2, "larger": 1} if large else {"smaller": 2.5}
    if len(rivals) > 1:
        words = {"biggest": 3, "largest": 3, "big": 1} if large else {"smallest": 5, "small": 1}
    if large and topic.facts.look.kind == "adult" and places.all_upright(topic.view, topic.domain):
        words = {"tallest": 3, "tall": 1} if len(rivals) > 1 else {"tall": 2, "taller": 3}
    return claim("size", "size", weigh(rng, words), truths)


def claim_action(rng: np.random.Generator, topic: Topic) -> Claim | None:
    """Return a claim about the action."""
    facts = topic.facts
    if facts.action == "none" and not is_still(facts):
        return None
    return action_claim(rng, topic.view, facts.look.kind, facts.action)


def claim_direction(rng: np.random.Generator, topic: Topic) -> Claim | None:
    """Return a claim about the direction of travel or, now and then, of the gaze."""
    facts = topic.facts
    if rng.random() < 0.15:
        truths = ask.faces(topic.view, facts.facing)
        side = "left" if facts.facing < 0 else "right"
        if truths[topic.target] == YES and not facts.direction:
            text = weigh(rng, {f"facing {side}": 2, f"facing to the {side}": 1, f"facing the {side}": 1})
            return claim("direction", "facing", text, truths)
    return direction_claim(rng, topic.view, facts.direction) if facts.direction else None


def claim_pace(rng: np.random.Generator, topic: Topic) -> Claim | None:
    """Return a claim about how fast the actor travels, or that it does not."""
    facts = topic.facts
    if is_still(facts):
        return pace_claim(rng, topic.view, "still", facts.look.kind)
    if facts.pace not in ("slow", "fast") or not facts.direction:
        return None
    if facts.look.kind not in PEOPLE and rng.random() < 0.15:
        return claim("pace", "gait", facts.pace, ask.paces(topic.view, facts.pace))
    return pace_claim(rng, topic.view, facts.pace, with_action="action" in topic.claimed)


def describe_tail(rng: np.random.Generator, facts: Facts) -> str:
    """Return words that may follow the verb of an action if nothing else does: "on the ground"."""
    if facts.action == "jumping" and not facts.direction:
        return "up and down"
    if facts.action == "climbing" and facts.direction:
        return facts.direction
    tails = VERB_TAILS.get(facts.action, ())
    if facts.look.kind == "ball" and facts.action == "rolling":
        tails = ("on the ground",)
    if facts.look.kind == "car":
        tails = tails if facts.action == "flying" else ()
    return pick(rng, tails) if tails else ""
