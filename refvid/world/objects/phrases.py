"""Expressions for the objects in a picture, each of which is true of exactly one object, or surely of none."""

from collections.abc import Mapping, Sequence

import numpy as np

from refvid.world.language.claims import pick, weigh
from refvid.world.language.predicates import Truths, both
from refvid.world.language.words import COLOUR_WORDS, NEAR_COLOURS, NO, YES, words_in
from refvid.world.objects.claims import (
    MAKERS,
    MOTIONS,
    RELATIONS,
    called,
    is_coloured,
    moves,
    nouns,
    related,
)
from refvid.world.objects.lexicon import COLOUR_TERMS, LEXICON, WITHOUT_ARTICLE
from refvid.world.objects.lexicon import WORDS as NAME_WORDS
from refvid.world.objects.places import side_of
from refvid.world.objects.things import Thing
from refvid.world.objects.topics import Claim, Topic
from refvid.world.palette import COLOURS
from refvid.world.scene import Reference

_ATTEMPTS = 6  # maximum number of attempts for each expression
_MAX_CLAIMS = 3
_OF_COMMON = 0.25  # share of the absent classes that are among those that people ask for most
_MORE = 0.3  # probability of a further claim when the expression is already unambiguous

_GRAMMAR = """
    a an the on in at to of from with near next beside above below under left right leftmost rightmost far farthest
    furthest most all way side picture top upper up bottom lower middle center centre closest nearest front us camera
    foreground back background farther away first second third fourth big bigger biggest large larger largest small
    smaller smallest little moving going heading moves motion not keeping staying still that does move is which it
"""
WORDS: tuple[str, ...] = tuple(sorted({*words_in(_GRAMMAR), *NAME_WORDS, *COLOUR_TERMS}))


def refer(rng: np.random.Generator, things: Sequence[Thing], count: int) -> list[Reference]:
    """Make different expressions, each true of exactly one object even if all unknown facts are against it.

    Args:
        rng: Generator of all random choices.
        things: Objects in the picture, including phantoms.
        count: Number of expressions; fewer are returned if no more are found.
    """
    askable = [index for index, thing in enumerate(things) if thing.seen and not thing.phantom]
    found: dict[str, Reference] = {}
    if not askable:
        return []
    # Like people, expressions mean large objects more often than small ones.
    weights = np.array([things[index].area for index in askable]) ** 0.35
    for _ in range(_ATTEMPTS * count):
        if len(found) >= count:
            break
        target = int(rng.choice(askable, p=weights / weights.sum()))
        made = _say(rng, things, target)
        if made is not None and made.expression.lower() not in found:
            found[made.expression.lower()] = made
    return list(found.values())


def _say(rng: np.random.Generator, things: Sequence[Thing], target: int) -> Reference | None:
    noun = weigh(rng, nouns(things[target]))
    truths = called(things, noun)
    claims: list[Claim] = []
    left = {name: weight for name, (_, weight) in MAKERS.items()}
    while left and len(claims) < _MAX_CLAIMS:
        domain = tuple(index for index, truth in enumerate(truths) if truth != NO)
        if domain == (target,) and rng.random() >= _MORE:
            break
        name = weigh(rng, left)
        del left[name]
        topic = Topic(things, target, domain, lambda: landmarks(rng, things))
        claim = MAKERS[name][0](rng, topic)
        if claim is None or (
            claim.slot in ("after", "ordinal") and any(c.slot in ("after", "ordinal") for c in claims)
        ):
            continue
        if claim.slot in ("rank", "ordinal") and any(c.slot in ("rank", "size", "ordinal") for c in claims):
            continue
        narrowed = both(truths, claim.truths)
        if narrowed[target] != YES:
            continue
        truths = narrowed
        claims.append(claim)
    if truths[target] != YES or any(truth != NO for index, truth in enumerate(truths) if index != target):
        return None
    ways = frozenset({"kind", *(claim.way for claim in claims)})
    return Reference(phrase(rng, noun, claims), target, ways)


def landmarks(rng: np.random.Generator, things: Sequence[Thing]) -> list[tuple[str, int]]:
    """Return the large objects whose name is true of no other object, each with its name and index."""
    found = []
    for index, thing in enumerate(things):
        if not thing.phantom and thing.seen and thing.area > 0.01:
            name = next(iter(LEXICON[thing.kind].names))
            if all((truth == NO) != (other == index) for other, truth in enumerate(called(things, name))):
                found.append((name, index))
    return found


def phrase(rng: np.random.Generator, noun: str, claims: Sequence[Claim]) -> str:
    """Phrase a noun and claims in one of the ways people do, from "left dog" to "The dog that is on the left"."""
    said = {claim.slot: claim.text for claim in claims}
    ordinal, _, counted = said.get("ordinal", "").partition("|")
    front = [text for text in (ordinal, said.get("rank", ""), said.get("size", ""), said.get("colour", "")) if text]
    unique = any(slot in said for slot in ("rank", "ordinal", "size"))
    after = counted or said.get("after", "")
    article = weigh(rng, {"the": 50, "": 38, "a": 0 if unique or noun in WITHOUT_ARTICLE else 12})
    words = [*front, noun]
    if article == "a" and words[0][0] in "aeiou":
        article = "an"
    if after and not counted:
        link = weigh(rng, {"": 80, "that is": 9, "is": 7, "which is": 2})
        bare = after in ("left", "right") or after.startswith(("that ", "at left", "at right", "on left", "on right"))
        if link and not bare and not after.startswith("farther"):
            after = f"{link} {after}"
    text = " ".join(part for part in (article, *words, after) if part)
    return text[0].upper() + text[1:] if rng.random() < 0.12 else text


def deny(
    rng: np.random.Generator, things: Sequence[Thing], count: int, kinds: Mapping[str, float] | None = None
) -> list[Reference]:
    """Make different expressions that are surely true of nothing in a picture.

    Args:
        rng: Generator of all random choices.
        things: Objects in the picture, including phantoms.
        count: Number of expressions; fewer are returned if no more are found.
        kinds: Weight of each class that is said to be there; it should be as common in such expressions as in true
            ones, because a network soon takes a word that is mostly wrong for one that is always wrong. None for equal
            weights.
    """
    found: dict[str, Reference] = {}
    for _ in range(_ATTEMPTS * count):
        if len(found) >= count:
            break
        made = _miss(rng, things, kinds or dict.fromkeys(LEXICON, 1.0))
        if made is not None and made.expression.lower() not in found:
            found[made.expression.lower()] = made
    return list(found.values())


def _miss(rng: np.random.Generator, things: Sequence[Thing], kinds: Mapping[str, float]) -> Reference | None:
    real = [index for index, thing in enumerate(things) if not thing.phantom]
    way = weigh(rng, {"kind": 5, "colour": 3, "position": 1.2, "relation": 1.0, "motion": 1.5})
    if way == "kind" or not real:
        return _other_kind(rng, things, kinds)
    target = pick(rng, real)
    noun = weigh(rng, nouns(things[target]))
    named = called(things, noun)
    claim = _wrong(rng, things, target, way, named)
    if claim is None or any(both(named, claim.truths)):
        return None
    return Reference(phrase(rng, noun, [claim]), None, frozenset({"kind", claim.way}))


def _other_kind(rng: np.random.Generator, things: Sequence[Thing], kinds: Mapping[str, float]) -> Reference | None:
    """Name a class that is not in the picture, often with a place or a colour."""
    kind = pick(rng, _COMMON) if rng.random() < _OF_COMMON else weigh(rng, dict(kinds))
    # Wide names like "animal" may be true of things that belong to no class.
    noun = weigh(rng, {name: weight for name, weight in LEXICON[kind].names.items() if weight > 1})
    truths = called(things, noun)
    if any(truths):
        return None
    claims: list[Claim] = []
    if rng.random() < 0.4:
        text = pick(rng, ("on the left", "on the right", "in the middle", "on left", "on right", "in the front"))
        claims.append(Claim("position", "after", text, truths))
    if kind != "person" and rng.random() < 0.3:
        claims.append(Claim("colour", "colour", weigh(rng, COLOUR_WORDS[pick(rng, COLOURS)]), truths))
    return Reference(phrase(rng, noun, claims), None, frozenset({"kind", *(claim.way for claim in claims)}))


_COMMON = (
    "person", "car", "dog", "cat", "bird", "horse", "chair", "bottle", "cup", "truck", "bus", "bicycle", "boat",
    "couch", "bed", "cow", "motorcycle", "airplane", "train", "laptop", "tv", "umbrella", "backpack",
)  # fmt: skip


def _wrong(rng: np.random.Generator, things: Sequence[Thing], target: int, way: str, named: Truths) -> Claim | None:
    thing = things[target]
    if way == "colour":
        if thing.colour is None:
            return None
        own = thing.colour.near | frozenset().union(*(NEAR_COLOURS[name] for name in thing.colour.near))
        others = [o.colour.name for o in things if o.colour is not None and o.colour.name and o.colour.name not in own]
        colour = pick(rng, others) if others and rng.random() < 0.6 else pick(rng, COLOURS)
        if colour in own:
            return None
        return Claim("colour", "colour", weigh(rng, COLOUR_WORDS[colour]), is_coloured(things, colour))
    if way == "position":
        alone = all((truth == NO) != (index == target) for index, truth in enumerate(named))
        side = {"left": "right", "right": "left"}.get(side_of(thing), "")
        if not alone or not side:
            return None
        text = pick(rng, (f"on the {side}", f"on {side}", f"on the {side} side", f"to the {side}"))
        slot, text = ("rank", side) if rng.random() < 0.3 else ("after", text)
        return Claim("position", slot, text, tuple(NO if index == target else 1 for index in range(len(things))))
    if way == "relation":
        known = [(name, index) for name, index in landmarks(rng, things) if index != target]
        if not known:
            return None
        name, index = pick(rng, known)
        if name in nouns(thing):
            return None
        chosen = pick(rng, ("left", "right", "above", "below"))
        truths = tuple(related(other, things[index], chosen) for other in things)
        return Claim("relation", "after", f"{pick(rng, RELATIONS[chosen][0])} the {name}", truths)
    motion = pick(rng, tuple(MOTIONS))
    how = "direction" if motion in ("left", "right") else "pace"
    return Claim(how, "after", pick(rng, MOTIONS[motion]), moves(things, motion))
