"""The words of the referring expressions: names of things, clothes, colours and motions, and when they apply."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache

from refvid.world.palette import COLOURS, name_of
from refvid.world.scene import RGB, Facts, Look

NO, MAYBE, YES = 0, 1, 2


def role_of(look: Look) -> str:
    """Return "man" or "woman" for an adult whose sex is known, otherwise the kind."""
    return look.sex or look.kind


def _noun(true: str, doubtful: str = "") -> dict[str, int]:
    return {role: MAYBE for role in doubtful.split()} | {role: YES for role in true.split()}


# Noun -> role -> truth of the noun for that role. "Person" is used for adults only and "child" for babies only, but for
# the other role each is "perhaps" rather than "no", so that no expression relies on the difference.
NOUNS: dict[str, dict[str, int]] = {
    "man": _noun("man", "adult"),
    "guy": _noun("man", "adult"),
    "gentleman": _noun("man", "adult"),
    "boy": _noun("man", "adult baby"),
    "woman": _noun("woman", "adult"),
    "lady": _noun("woman", "adult"),
    "girl": _noun("woman", "adult baby"),
    "person": _noun("man woman adult", "baby"),
    "adult": _noun("man woman adult"),
    "baby": _noun("baby"),
    "toddler": _noun("baby"),
    "infant": _noun("baby"),
    "child": _noun("baby", "man woman adult"),
    "kid": _noun("baby", "man woman adult"),
    "ball": _noun("ball"),
    "bird": _noun("bird"),
    "car": _noun("car"),
    "vehicle": _noun("car"),
    "cat": _noun("cat"),
    "kitty": _noun("cat"),
    "kitten": _noun("cat"),
    "dog": _noun("dog"),
    "puppy": _noun("dog"),
    "animal": _noun("cat dog bird"),
}

# Role -> nouns with the weights by which they are drawn.
NOUNS_OF: dict[str, dict[str, float]] = {
    "man": {"man": 12, "guy": 4, "gentleman": 1, "person": 3, "adult": 0.6, "boy": 0.8},
    "woman": {"woman": 12, "lady": 3, "person": 3, "adult": 0.6, "girl": 1.5},
    "adult": {"person": 5, "adult": 1},
    "baby": {"baby": 10, "toddler": 2, "infant": 1, "child": 1, "kid": 1},
    "ball": {"ball": 1},
    "bird": {"bird": 12, "animal": 1},
    "car": {"car": 8, "vehicle": 1},
    "cat": {"cat": 12, "kitty": 1, "kitten": 0.7, "animal": 1.5},
    "dog": {"dog": 12, "puppy": 1.5, "animal": 1.5},
}


@dataclass(frozen=True)
class Cloth:
    """The vocabulary of a kind of garment.

    Attributes:
        slot: Slot as in `refvid.world.scene.Garment`.
        plural: Whether it takes no article, as jeans and shoes.
        names: Names that are true of it, its own first.
        families: Families it belongs to; garments of the same family are easily mistaken for each other.
    """

    slot: str
    plural: bool
    names: tuple[str, ...]
    families: frozenset[str]


def _cloths(slot: str, families: str, *rows: str, plural: bool = False) -> dict[str, Cloth]:
    """Return garments parsed from rows "name/another true name/..."."""
    made = (Cloth(slot, plural, tuple(row.split("/")), frozenset(families.split())) for row in rows)
    return {cloth.names[0]: cloth for cloth in made}


CLOTHS: dict[str, Cloth] = {
    **_cloths("top", "shirt", "shirt", "t-shirt/shirt", "blouse", "polo/shirt", "jersey", "top", "tank top/top"),
    **_cloths("top", "shirt knit", "sweater/jumper", "jumper/sweater", "sweatshirt/sweater"),
    **_cloths("top", "shirt knit jacket", "hoodie", "cardigan", "vest"),
    **_cloths("top", "jacket", "jacket", "coat", "blazer/jacket", "raincoat/coat", "suit", "uniform"),
    **_cloths("lower", "trousers", "pants/trousers", "trousers/pants", "jeans/pants", "leggings", plural=True),
    **_cloths("lower", "trousers", "sweatpants/pants", "tights", plural=True),
    **_cloths("lower", "shorts", "shorts", plural=True),
    **_cloths("lower", "skirt", "skirt"),
    **_cloths("lower", "shorts", "diaper", "nappy"),
    **_cloths("dress", "skirt jacket", "dress", "gown/dress", "robe"),
    **_cloths("dress", "suit", "romper", "onesie", "jumpsuit", "bodysuit", "swimsuit"),
    **_cloths("dress", "suit trousers", "overalls", "dungarees", "pajamas", "pyjamas", plural=True),
    **_cloths("shoes", "shoes", "shoes", "boots", "sneakers/shoes", "trainers/shoes", "heels/shoes", plural=True),
    **_cloths("shoes", "shoes", "sandals", "flats/shoes", "socks", plural=True),
    **_cloths("hat", "hat", "hat", "cap/hat", "beanie/hat", "helmet", "bonnet/hat", "sunhat/hat", "headband"),
    **_cloths("bag", "bag", "bag", "handbag/bag/purse", "purse/bag/handbag", "backpack/bag", "rucksack/backpack/bag"),
    **_cloths("bag", "bag", "suitcase", "satchel/bag"),
}

COLOUR_WORDS: dict[str, dict[str, float]] = {
    **{name: {name: 1} for name in COLOURS},
    "grey": {"grey": 1, "gray": 1},
    "purple": {"purple": 5, "violet": 1},
}
# Neighbouring colours, which people confuse for shades between them.
NEAR_COLOURS: dict[str, frozenset[str]] = {
    name: frozenset(near.split())
    for name, near in {
        "black": "grey blue brown purple green",
        "white": "grey yellow pink",
        "red": "pink orange brown purple",
        "green": "yellow blue grey black",
        "yellow": "orange green white brown",
        "blue": "purple green grey black",
        "brown": "orange red grey black yellow",
        "orange": "red yellow brown pink",
        "pink": "red purple white orange",
        "purple": "blue pink red black",
        "grey": "white black brown blue green",
    }.items()
}

PATTERN_WORDS: dict[str, dict[str, float]] = {
    "striped": {"striped": 1},
    "spotted": {"spotted": 4, "dotted": 1},
    "checked": {"checked": 3, "checkered": 1.5},
}


@dataclass(frozen=True)
class Verb:
    """A verb for an action, such as "walking", "walks"; `present` is empty if only the participle is used."""

    participle: str
    present: str
    weight: float = 1


_BASE_VERBS = {
    "climbing": Verb("climbing", "climbs", 4),
    "crawling": Verb("crawling", "crawls", 4),
    "eating": Verb("eating", "eats", 4),
    "flying": Verb("flying", "flies", 4),
    "jumping": Verb("jumping", "jumps", 4),
    "rolling": Verb("rolling", "rolls", 4),
    "running": Verb("running", "runs", 4),
    "walking": Verb("walking", "walks", 4),
}
_MORE_VERBS: dict[tuple[str, str], tuple[Verb, ...]] = {
    ("adult", "running"): (Verb("jogging", "jogs", 0.6),),
    ("car", "running"): (Verb("driving", "drives", 5),),
    ("ball", "jumping"): (Verb("bouncing", "bounces", 3),),
    ("bird", "jumping"): (Verb("hopping", "hops", 1.5),),
    ("bird", "eating"): (Verb("pecking", "pecks", 0.8),),
    ("adult", "none"): (Verb("standing", "stands", 4),),
    ("bird", "none"): (Verb("standing", "stands", 3),),
    ("baby", "none"): (Verb("standing", "stands", 2),),
    ("car", "none"): (Verb("parked", "", 3), Verb("standing", "stands", 1)),
    ("ball", "none"): (Verb("lying", "lies", 3),),
}


@cache
def verbs_of(kind: str, action: str) -> tuple[Verb, ...]:
    """Return the verbs for a kind's action; none for an idle cat or dog, which may stand or sit."""
    base = (_BASE_VERBS[action],) if action in _BASE_VERBS else ()
    return base + _MORE_VERBS.get((kind, action), ())


# Phrases that may follow a verb if nothing else does; they are true of every such motion.
VERB_TAILS: dict[str, tuple[str, ...]] = {
    "rolling": ("on the ground", "around"),
    "crawling": ("on the ground",),
    "eating": ("something", "food", "some food"),
    "flying": ("in the air", "through the air"),
}

_FUNCTION_WORDS = """
    a an the one some of on in at to from up down and with without not no that who which is isn't are does doesn't by
    or as than it its other another both nothing her his their she he they something food around air through ground
    next near beside close behind front above over below under side corner area picture
    left right middle center centre top bottom upper lower far back background foreground camera leftmost rightmost
    first second third fourth fifth farthest furthest closest nearest
    big bigger biggest large larger largest small smaller smallest little tall taller tallest short
    fast quickly slow slowly very still moving moves move moved going goes heading facing looking staying keeping
    wearing wears wear dressed carrying carries carry holding holds has have standing sitting dark light bright
    people boy girl kid child truck van puppy toward towards
"""
_PHOTO_WORDS = """
    bag bags belt blazer blouse boots bracelet cardigan coat dress flats glasses gloves hair hat heels hoodie jacket
    jeans jumper leggings loafers necklace pants pumps purse romper sandals scarf shirt shoes shorts skirt sneakers
    socks stockings suit sunglasses sweater sweatshirt swimwear t tie tights top vest wallet watch wedges
"""


def words_in(text: str) -> list[str]:
    """Split an expression of the grammar into words, as `refvid.model.layers.language.split_words` does."""
    return re.findall(r"\w+(?:'\w+)*", text.lower())


def _all_words() -> tuple[str, ...]:
    tables: list[Iterable[str]] = [NOUNS, CLOTHS, *COLOUR_WORDS.values(), *PATTERN_WORDS.values()]
    texts = [_FUNCTION_WORDS, _PHOTO_WORDS, *(word for table in tables for word in table)]
    texts += [name for cloth in CLOTHS.values() for name in cloth.names]
    for verb in (*_BASE_VERBS.values(), *(verb for verbs in _MORE_VERBS.values() for verb in verbs)):
        texts += [verb.participle, verb.present]
    return tuple(sorted({word for text in texts for word in words_in(text)}))


VOCABULARY: tuple[str, ...] = _all_words()


def _content_words() -> frozenset[str]:
    tables: list[Iterable[str]] = [NOUNS, *COLOUR_WORDS.values(), *PATTERN_WORDS.values()]
    words = {word for table in tables for word in table}
    words.update(word for cloth in CLOTHS.values() for name in cloth.names for word in words_in(name))
    verbs = [*_BASE_VERBS.values(), *(verb for verbs in _MORE_VERBS.values() for verb in verbs)]
    words.update(word for verb in verbs for word in words_in(f"{verb.participle} {verb.present}"))
    return frozenset(words.union(("still", "left", "right", "up", "down"), _MOVING, *_PACE_WORDS.values()))


_MOVING = ("moving", "moves", "going", "goes", "heading")
_PACE_WORDS = {"fast": ("fast", "quickly"), "slow": ("slow", "slowly")}

# Every word that `words_of` can return.
CONTENT_WORDS: frozenset[str] = _content_words()


@lru_cache(4096)
def colour_of(paint: RGB) -> str:
    """Return `palette.name_of` of a paint, cached."""
    return name_of(paint)


def _words_of_look(look: Look) -> set[str]:
    role = role_of(look)
    words = {noun for noun, roles in NOUNS.items() if roles.get(role) == YES}
    colours, patterns = {look.colour}, {look.pattern}
    if look.kind in ("adult", "baby"):
        colours = {garment.colour for garment in look.garments}
        patterns = {garment.pattern for garment in look.garments}
    elif look.pattern != "plain":
        colours.add(colour_of(look.accent))
        if look.kind == "ball":
            patterns.discard("checked")
    words.update(word for colour in colours for word in COLOUR_WORDS.get(colour, {}))
    words.update(word for pattern in patterns for word in PATTERN_WORDS.get(pattern, {}))
    for garment in look.garments:
        words.update(word for name in CLOTHS[garment.name].names for word in words_in(name))
    return words


def words_of(facts: Facts) -> frozenset[str]:
    """Return the content words of the grammar that are true of an actor on its own, in lower case.

    They are nouns, colours of fur or of every garment, names of garments, patterns, verbs, "moving", the direction
    ("left", "right", "up", "down"), pace ("fast", "slowly") and "still". Words of `DIRECTION_OR_POSITION_WORDS` stand
    for the direction here (or, for "top", a garment), although in an expression they may also stand for a place.

    Raises:
        KeyError: A garment has a name that `CLOTHS` lacks.
    """
    words = _words_of_look(facts.look)
    if facts.action != "none" or is_still(facts):
        for verb in verbs_of(facts.look.kind, facts.action):
            words.update(words_in(f"{verb.participle} {verb.present}"))
    if is_still(facts):
        words.add("still")
    if facts.direction:
        words.update((*_MOVING, facts.direction))
        words.update(_PACE_WORDS.get(facts.pace, ()))
    return frozenset(words)


def is_still(facts: Facts) -> bool:
    """Return whether an actor neither travels nor acts."""
    return facts.action == "none" and not facts.direction and facts.pace == "still"
