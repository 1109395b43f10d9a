"""The small language of the park world: the expressions that mean exactly one actor, and some that mean none."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from examples.park_figures import PEOPLE, Actor

COLOURS = ("black", "white", "red", "green", "yellow", "blue", "brown", "orange", "pink", "purple", "grey")
NOUNS: dict[str, tuple[str, ...]] = {
    "man": ("man",),
    "guy": ("man",),
    "woman": ("woman",),
    "lady": ("woman",),
    "boy": ("boy",),
    "girl": ("girl",),
    "child": ("boy", "girl"),
    "kid": ("boy", "girl"),
    "person": PEOPLE,
    "dog": ("dog",),
    "ball": ("ball",),
    "car": ("car",),
    "bird": ("bird",),
    "animal": ("dog", "bird"),
}
_SIDES = {-1: "left", 1: "right"}
_WEAR = {
    "shirt": (
        "{n} in {c} shirt",
        "{n} in the {c} shirt",
        "{n} in a {c} shirt",
        "{n} wearing a {c} shirt",
        "{n} with a {c} shirt",
        "{c} shirt {n}",
    ),
    "dress": (
        "{n} in {c} dress",
        "{n} in the {c} dress",
        "{n} in a {c} dress",
        "{n} wearing a {c} dress",
        "{n} with a {c} dress",
    ),
    "trousers": ("{n} in {c} trousers", "{n} with {c} trousers", "{n} wearing {c} pants", "{n} in the {c} trousers"),
    "clothes": ("{n} in {c}", "{n} dressed in {c}", "{n} wearing {c}"),
    "both": ("{n} in {c} shirt and {d} trousers", "{n} in a {c} shirt and {d} pants"),
    "paint": ("{c} {n}",),
}
_ACTIONS = {
    "walking": ("walking", "who is walking"),
    "running": ("running",),
    "standing": ("standing", "standing still"),
}
_HEADINGS = ("{a} to the {h}", "{a} {h}", "{a} towards the {h}")
_PLACES = ("on the {s}", "on the {s} side", "at the {s}")
_ARTICLES = ("", "the ", "a ")


@dataclass(frozen=True)
class Claim:
    """What an expression says; None says nothing about it. `extreme` is leftmost (-1) or rightmost (1)."""

    noun: str
    wear: str | None = None
    colour: str | None = None
    second: str | None = None
    action: str | None = None
    heading: int | None = None
    side: int | None = None
    extreme: int | None = None


def _wears(claim: Claim, actor: Actor) -> bool:
    if claim.wear is None:
        return True
    person = actor.kind in PEOPLE
    shirt = person and not actor.gown and actor.colour == claim.colour
    lower = person and actor.lower is not None
    return {
        "shirt": shirt,
        "dress": actor.gown and actor.colour == claim.colour,
        "trousers": lower and actor.lower == claim.colour,
        "clothes": person and claim.colour in (actor.colour, actor.lower),
        "both": shirt and actor.lower == claim.second,
        "paint": not person and actor.colour == claim.colour,
    }[claim.wear]


def _fits(claim: Claim, actor: Actor) -> bool:
    """Tell whether everything but the place is true of the actor."""
    if actor.kind not in NOUNS[claim.noun] or not _wears(claim, actor):
        return False
    if claim.action == "moving":
        return actor.motion != "standing" and actor.heading == claim.heading
    if claim.action is not None and actor.motion != claim.action:
        return False
    return claim.heading is None or actor.heading == claim.heading


def referents(claim: Claim, actors: Sequence[Actor], width: int) -> list[int] | None:
    """Return the numbers of the actors the claim is true of; None where its place words are a matter of opinion."""
    found = [number for number, actor in enumerate(actors) if _fits(claim, actor)]
    way = claim.side or claim.extreme
    if way is None or not found:
        return found
    places = sorted((-way * actors[number].x / width, number) for number in found)
    if claim.extreme is not None:
        return [places[0][1]] if len(places) > 1 and places[1][0] - places[0][0] > 0.1 else None
    # 0 is the edge that is named, 1 the other; the middle tenth belongs to neither side.
    gaps = [(place if way < 0 else place + 1, number) for place, number in places]
    if gaps[0][0] > 0.55:
        return []
    if gaps[0][0] > 0.43:
        return None
    return [gaps[0][1]] if len(gaps) == 1 or gaps[1][0] > max(0.5, gaps[0][0] + 0.15) else None


def phrases(claim: Claim) -> list[str]:
    """Return every wording of the claim."""
    bodies = _WEAR[claim.wear] if claim.wear else ("{n}",)
    tails = list(_tails(claim))
    # Long expressions are said in fewer ways, or they would crowd out the short ones.
    if claim.wear and tails != [""]:
        bodies = bodies[:2]
    prefix = "" if claim.extreme is None else f"{_SIDES[claim.extreme]}most "
    articles = _ARTICLES[:2] if claim.extreme is not None or claim.side is not None else _ARTICLES
    result = []
    for body, tail, article in itertools.product(bodies, tails, articles):
        text = prefix + body.format(n=claim.noun, c=claim.colour, d=claim.second) + tail
        result.append(_with_article(article, text))
    return result


def _with_article(article: str, text: str) -> str:
    text = text.replace(" a orange", " an orange")
    return ("an " if article == "a " and text[0] in "aeiou" else article) + text


def _tails(claim: Claim) -> Iterator[str]:
    if claim.side is not None:
        yield from (" " + place.format(s=_SIDES[claim.side]) for place in _PLACES)
    elif claim.action is not None and claim.heading is not None:
        yield from (" " + way.format(a=claim.action, h=_SIDES[claim.heading]) for way in _HEADINGS)
    elif claim.action is not None:
        yield from (" " + way for way in _ACTIONS[claim.action])
    else:
        yield ""


def _looks(actor: Actor) -> Iterator[tuple[str | None, str | None, str | None]]:
    yield None, None, None
    if actor.kind not in PEOPLE:
        yield "paint", actor.colour, None
        return
    yield "dress" if actor.gown else "shirt", actor.colour, None
    yield "clothes", actor.colour, None
    if actor.lower is not None:
        yield "trousers", actor.lower, None
        yield "clothes", actor.lower, None
        yield "both", actor.colour, actor.lower


def _claims(actor: Actor) -> Iterator[Claim]:
    for noun, kinds in NOUNS.items():
        if actor.kind not in kinds:
            continue
        for wear, colour, second in dict.fromkeys(_looks(actor)):
            base = Claim(noun, wear, colour, second)
            yield base
            if wear in ("both", "trousers"):
                continue
            for way in (-1, 1):
                yield replace(base, side=way)
                yield replace(base, extreme=way)
            if actor.motion in _ACTIONS and actor.kind not in ("ball", "car"):
                yield replace(base, action=actor.motion)
            if actor.motion in ("walking", "running"):
                yield replace(base, action=actor.motion, heading=actor.heading)
            if actor.motion != "standing":
                yield replace(base, action="moving", heading=actor.heading)


def expressions_of(actors: Sequence[Actor], width: int) -> tuple[tuple[str, ...], ...]:
    """Return, for each actor, every expression that means it and nothing else.

    Args:
        actors: all actors of the scene.
        width: of the frame, in pixels.
    """
    result = []
    for number, actor in enumerate(actors):
        said = (phrases(claim) for claim in _claims(actor) if referents(claim, actors, width) == [number])
        result.append(tuple(dict.fromkeys(itertools.chain.from_iterable(said))))
    return tuple(result)


def absent_expressions(
    actors: Sequence[Actor], width: int, rng: np.random.Generator, tries: int = 40
) -> tuple[str, ...]:
    """Return expressions that mean nothing in the scene; half of them differ from a real actor in one respect only.

    Args:
        actors: all actors of the scene.
        width: of the frame, in pixels.
        rng: decides what is tried.
        tries: how many claims are tried; those that are true of something are left out.
    """
    nouns = list(NOUNS)
    result: list[str] = []
    for turn in range(tries):
        colour, way = COLOURS[rng.integers(len(COLOURS))], int(rng.choice((-1, 1)))
        if turn % 2 and actors:
            kind = actors[int(rng.integers(len(actors)))].kind
            noun = next(word for word in nouns if kind in NOUNS[word])
        else:
            noun = nouns[rng.integers(len(nouns))]
        claim = _imagined(noun, colour, way, int(rng.integers(5)), rng)
        if referents(claim, actors, width) == []:
            said = phrases(claim)
            result.append(said[rng.integers(len(said))])
    return tuple(dict.fromkeys(result))


def _imagined(noun: str, colour: str, way: int, what: int, rng: np.random.Generator) -> Claim:
    person = NOUNS[noun][0] in PEOPLE
    garments = ["shirt", "clothes", "trousers"] + (["dress"] if noun in ("woman", "lady", "girl", "person") else [])
    wear = garments[rng.integers(len(garments))] if person else "paint"
    action = ("walking", "running")[rng.integers(2)] if person or noun == "dog" else "moving"
    if what == 0:
        return Claim(noun)
    if what == 1:
        return Claim(noun, action=action, heading=way)
    if what == 2:
        return Claim(noun, side=way)
    return Claim(noun, wear, colour)


def _vocabulary() -> tuple[str, ...]:
    templates = [*itertools.chain.from_iterable(_WEAR.values()), *itertools.chain.from_iterable(_ACTIONS.values())]
    templates += [*_HEADINGS, *_PLACES, *_ARTICLES, *NOUNS, *COLOURS, *_ACTIONS]
    words = {word for template in templates for word in template.split() if "{" not in word}
    return tuple(sorted(words | {"an", "moving", "left", "right", "leftmost", "rightmost"}))


VOCABULARY: tuple[str, ...] = _vocabulary()
