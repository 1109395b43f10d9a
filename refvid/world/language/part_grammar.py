"""Expressions for a photo of one person: about the person, about each garment, and about absent things."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from refvid.world.palette import COLOURS
from refvid.world.photos.facts import LabelledPart, PersonFacts

# Label in the photo set -> common names for it, the plainest first.
NAMES: dict[str, tuple[str, ...]] = {
    "bag": ("bag", "handbag"),
    "belt": ("belt",),
    "blazer": ("blazer", "jacket"),
    "blouse": ("blouse", "top", "shirt"),
    "boots": ("boots", "shoes"),
    "cape": ("cape",),
    "cardigan": ("cardigan", "sweater"),
    "clogs": ("clogs", "shoes"),
    "coat": ("coat",),
    "dress": ("dress",),
    "flats": ("shoes", "flats"),
    "glasses": ("glasses",),
    "gloves": ("gloves",),
    "hair": ("hair",),
    "hat": ("hat",),
    "heels": ("heels", "shoes"),
    "hoodie": ("hoodie",),
    "jacket": ("jacket",),
    "jeans": ("jeans", "trousers", "pants"),
    "leggings": ("leggings",),
    "loafers": ("loafers", "shoes"),
    "pants": ("pants", "trousers"),
    "pumps": ("pumps", "shoes", "heels"),
    "purse": ("purse", "handbag", "bag"),
    "romper": ("romper",),
    "sandals": ("sandals", "shoes"),
    "scarf": ("scarf",),
    "shirt": ("shirt",),
    "shoes": ("shoes",),
    "shorts": ("shorts",),
    "skirt": ("skirt",),
    "sneakers": ("sneakers", "shoes", "trainers"),
    "socks": ("socks",),
    "stockings": ("stockings", "tights"),
    "suit": ("suit",),
    "sunglasses": ("sunglasses", "glasses"),
    "sweater": ("sweater", "jumper"),
    "sweatshirt": ("sweatshirt", "sweater"),
    "t-shirt": ("t-shirt", "shirt"),
    "tie": ("tie",),
    "tights": ("tights", "stockings"),
    "top": ("top",),
    "vest": ("vest",),
    "wedges": ("shoes", "wedges"),
}

# Further names that a part might go by. The grammar never uses them, but because somebody might, it does not use them
# for another part either, nor does it claim that there is no such thing.
_ALSO: dict[str, frozenset[str]] = {
    "accessories": frozenset({"hat", "belt", "scarf", "bag", "tie", "glasses"}),
    "blazer": frozenset({"coat", "suit", "top"}),
    "blouse": frozenset({"sweater", "dress"}),
    "bodysuit": frozenset({"suit", "romper", "dress", "top", "shirt", "pants", "trousers"}),
    "boots": frozenset({"heels", "trainers", "sneakers"}),
    "bra": frozenset({"top"}),
    "cape": frozenset({"coat", "jacket", "scarf", "top"}),
    "cardigan": frozenset({"jacket", "top", "jumper", "coat"}),
    "coat": frozenset({"jacket", "top", "blazer", "dress"}),
    "dress": frozenset({"skirt", "top", "shirt"}),
    "flats": frozenset({"loafers", "sandals"}),
    "hoodie": frozenset({"sweatshirt", "sweater", "top", "jumper"}),
    "intimate": frozenset({"top", "dress", "shorts"}),
    "jacket": frozenset({"coat", "blazer", "top", "cardigan"}),
    "jumper": frozenset({"dress", "romper", "sweater", "pants", "trousers", "suit", "skirt", "top"}),
    "leggings": frozenset({"pants", "trousers", "tights", "stockings"}),
    "pants": frozenset({"jeans", "leggings", "shorts"}),
    "jeans": frozenset({"leggings"}),
    "purse": frozenset({"wallet"}),
    "romper": frozenset({"dress", "suit", "shorts", "pants", "trousers", "top"}),
    "sandals": frozenset({"heels", "flats", "wedges", "clogs"}),
    "shirt": frozenset({"top", "blouse", "t-shirt", "sweater", "jacket"}),
    "shoes": frozenset({
        "boots", "clogs", "flats", "heels", "loafers", "pumps", "sandals", "sneakers", "trainers", "wedges",
    }),
    "shorts": frozenset({"pants", "trousers", "skirt"}),
    "skirt": frozenset({"dress", "shorts"}),
    "socks": frozenset({"stockings", "tights", "leggings"}),
    "stockings": frozenset({"leggings", "socks", "pants", "trousers"}),
    "suit": frozenset({"jacket", "blazer", "coat", "pants", "trousers", "dress", "top", "romper"}),
    "sweater": frozenset({"top", "cardigan", "sweatshirt", "shirt", "hoodie"}),
    "sweatshirt": frozenset({"top", "hoodie", "jumper", "shirt", "jacket"}),
    "swimwear": frozenset({"top", "dress", "shorts"}),
    "t-shirt": frozenset({"top", "sweater", "blouse"}),
    "tights": frozenset({"leggings", "pants", "trousers"}),
    "top": frozenset({"shirt", "blouse", "t-shirt", "sweater", "dress", "vest", "jumper", "cardigan", "jacket"}),
    "vest": frozenset({"top", "shirt", "jacket", "sweater"}),
    "wallet": frozenset({"purse", "bag", "handbag"}),
    "wedges": frozenset({"heels", "sandals"}),
}  # fmt: skip

# Names in the plural, which take no article.
_PLURAL = frozenset({
    "boots", "clogs", "flats", "glasses", "gloves", "hair", "heels", "jeans", "leggings", "loafers", "pants", "pumps",
    "sandals", "shoes", "shorts", "sneakers", "socks", "stockings", "sunglasses", "tights", "trainers", "trousers",
    "wedges",
})  # fmt: skip
_CARRIED = frozenset({"bag", "handbag", "purse"})
_WORN_ON_TOP = frozenset({"sunglasses", "glasses", "tie", "belt", "scarf", "hat"})

SEX_WORDS: dict[str | None, tuple[str, ...]] = {
    "woman": ("woman", "person", "lady", "girl", "adult"),
    "man": ("man", "person", "guy", "adult"),
    None: ("person", "adult"),
}
_OTHER_SEX = {"woman": ("man", "guy", "boy"), "man": ("woman", "lady", "girl")}
_NEVER_THERE = ("dog", "cat", "baby", "bird", "ball")
_OF_PARTS = tuple(sorted({name for names in NAMES.values() for name in names}))

WORDS: tuple[str, ...] = tuple(
    sorted(
        {word for name in _OF_PARTS for word in name.split("-")}
        | {word for words in SEX_WORDS.values() for word in words}
        | {word for words in _OTHER_SEX.values() for word in words}
        | {word + "'s" for words in (*SEX_WORDS.values(), *_OTHER_SEX.values()) for word in words}
        | set(COLOURS)
        | set(_NEVER_THERE)
        | {
            "a",
            "an",
            "and",
            "carrying",
            "dressed",
            "her",
            "his",
            "holding",
            "in",
            "is",
            "of",
            "the",
            "their",
            "wearing",
        }
        | {"who", "with"}
    )
)


@dataclass(frozen=True)
class Saying:
    """An expression for a photo and its referent.

    Attributes:
        expression: Text of the expression, in English.
        part: Index of the part in `PersonFacts.parts`; -1 for the whole person, None for nothing in the photo.
    """

    expression: str
    part: int | None


def words_of_part(part: LabelledPart) -> frozenset[str]:
    """Return the words that are true of a garment: its names and its colour."""
    names = {word for name in NAMES.get(part.label, ()) for word in name.split("-")}
    return frozenset(names | ({part.colour} if part.colour else set()))


def words_of_person(facts: PersonFacts) -> frozenset[str]:
    """Return the words that are true of a person, including what the person wears."""
    worn = (words_of_part(part) for part in facts.parts)
    return frozenset(SEX_WORDS[facts.sex]).union(*worn)


def describe(rng: np.random.Generator, facts: PersonFacts, count: int, absent: int) -> list[Saying]:
    """Return distinct expressions for a photo; the last ones refer to nothing, each of the others to exactly one thing.

    Args:
        rng: Generator for all random choices.
        facts: Facts about the person.
        count: Maximum number of expressions that refer to the person or a part.
        absent: Maximum number of expressions that refer to nothing.
    """
    askable = [index for index, part in enumerate(facts.parts) if part.label in NAMES]
    targets = [-1, *(int(index) for index in rng.permutation(askable))]
    chosen = [targets[k % len(targets)] if rng.random() < 0.75 else -1 for k in range(count)]
    makers: list[Callable[[], Saying | None]] = [partial(_compose, rng, facts, target) for target in chosen]
    makers += [partial(_deny, rng, facts)] * absent
    found: dict[str, Saying] = {}
    for make in makers:
        for _ in range(4):
            saying = make()
            if saying is not None and saying.expression not in found:
                found[saying.expression] = saying
                break
    return list(found.values())


def _compose(rng: np.random.Generator, facts: PersonFacts, target: int) -> Saying | None:
    expression = _person(rng, facts) if target == -1 else _part(rng, facts, target)
    return None if expression is None else Saying(expression, target)


def may_be_called(part: LabelledPart, name: str) -> bool:
    """Return whether somebody might call the part by this name."""
    return name in NAMES.get(part.label, ()) or name in _ALSO.get(part.label, ())


def _coloured(part: LabelledPart, colour: str) -> bool:
    """Return whether somebody might say that the part has this colour."""
    return colour in part.near


def _pick(rng: np.random.Generator, values: Sequence[str]) -> str:
    return values[int(rng.integers(len(values)))]


def _with_article(rng: np.random.Generator, words: str, name: str) -> str:
    if name in _PLURAL or rng.random() < 0.2:
        return words
    article = "the" if rng.random() < 0.2 else "an" if words[0] in "aeiou" else "a"
    return f"{article} {words}"


def _person(rng: np.random.Generator, facts: PersonFacts) -> str:
    noun = _pick(rng, SEX_WORDS[facts.sex])
    start = ("the " if rng.random() < 0.5 else "") + noun
    worn = [part for part in facts.parts if part.label in NAMES and (part.label != "hair" or part.colour)]
    if not worn or rng.random() < 0.12:
        return start
    first, *others = (worn[int(index)] for index in rng.permutation(len(worn))[:2])
    link, thing = _worn(rng, first)
    expression = f"{start} {link} {thing}"
    if not others or rng.random() < 0.75:
        return expression
    link, thing = _worn(rng, others[0])
    return expression if thing in expression else f"{expression} and {link} {thing}"


def _worn(rng: np.random.Generator, part: LabelledPart) -> tuple[str, str]:
    """Return a preposition or verb for wearing a part, and the part: "in", "a red coat"."""
    name = _pick(rng, NAMES[part.label])
    words = f"{part.colour} {name}" if part.colour and rng.random() < 0.85 else name
    if name == "hair":
        return "with", words
    if name in _CARRIED:
        link = _pick(rng, ("with", "carrying", "holding"))
    elif name in _WORN_ON_TOP:
        link = _pick(rng, ("with", "wearing", "in"))
    else:
        link = _pick(rng, ("in", "wearing", "in", "dressed in", "with", "who is wearing"))
    return link, _with_article(rng, words, name)


def _part(rng: np.random.Generator, facts: PersonFacts, target: int) -> str | None:
    part = facts.parts[target]
    name = _pick(rng, NAMES[part.label])
    rivals = [other for index, other in enumerate(facts.parts) if index != target and may_be_called(other, name)]
    colour = part.colour if part.colour and (rivals or rng.random() < 0.75) else None
    if any(colour is None or _coloured(other, colour) for other in rivals):
        return None
    words = f"{colour} {name}" if colour else name
    noun = _pick(rng, SEX_WORDS[facts.sex])
    owner = {"woman": "her", "man": "his", None: "their"}[facts.sex]
    owned = (f"{owner} {words}", f"the {noun}'s {words}", f"the {words} of the {noun}")
    return _pick(rng, (words, words, f"the {words}", f"the {words}", *owned))


def _deny(rng: np.random.Generator, facts: PersonFacts) -> Saying | None:
    """Return an expression that is false of the person and of every part, preferably by a narrow miss."""
    way = rng.random()
    name, colour = _pick(rng, _OF_PARTS), _pick(rng, COLOURS)
    worn = [part for part in facts.parts if part.label in NAMES and part.label != "hair"]
    if worn and rng.random() < 0.6:
        name = _pick(rng, NAMES[worn[int(rng.integers(len(worn)))].label])
    false = not any(may_be_called(part, name) and _coloured(part, colour) for part in facts.parts)
    bare = not any(may_be_called(part, name) for part in facts.parts)
    if way < 0.08:
        animal = _pick(rng, _NEVER_THERE)
        return Saying(_pick(rng, (f"the {animal}", f"{colour} {animal}", animal)), None)
    if way < 0.3 and facts.sex in _OTHER_SEX and worn:
        part = worn[int(rng.integers(len(worn)))]
        link, thing = _worn(rng, part)
        return Saying(f"the {_pick(rng, _OTHER_SEX[facts.sex])} {link} {thing}", None)
    if not false or name == "hair":
        return None
    words = name if bare and rng.random() < 0.3 else f"{colour} {name}"
    if way < 0.6:
        noun = _pick(rng, SEX_WORDS[facts.sex])
        link = "with" if name in _CARRIED else _pick(rng, ("in", "wearing"))
        return Saying(f"{noun} {link} {_with_article(rng, words, name)}", None)
    return Saying(_pick(rng, (words, f"the {words}")), None)
