"""Kinds of words in expressions: colours, clothes, actions, positions and sizes, and kinds of actors."""

import re

from refvid.data.place_words import POSITION_WORDS

_ADULTS = (
    "man men woman women person people guy guys lady ladies boy boys girl girls player players soldier instructor "
    "goalkeeper runner dancer athlete archer golfer guitarist human male female gentleman adult adults kid kids someone"
)
_BABIES = "baby babies toddler toddlers infant infants child children"
_ANIMALS = (
    "dog dogs puppy puppies cat cats kitten kittens kitty bird birds parrot duck ducks pigeon seagull sparrow "
    "woodpecker chicken eagle owl poodle horse horses cow cows sheep elephant elephants bear bears zebra zebras "
    "giraffe giraffes camel goat pig swan fish tiger monkey rabbit animal animals"
)
_VEHICLES = (
    "car cars vehicle vehicles truck trucks van bus buses train trains bike bikes bicycle bicycles motorbike "
    "motorcycle motorcycles scooter boat boats plane airplane jeep taxi"
)
_COLOURS = (
    "black white red green blue yellow orange pink purple violet brown brownish grey gray silver gold golden beige tan "
    "maroon navy turquoise blonde dark light colored coloured colorful colourful striped spotted dotted checked plaid"
)
_CLOTHES = (
    "shirt shirts tshirt t-shirt jersey jacket coat suit suits dress skirt pants pant trousers jeans shorts sweater "
    "hoodie vest hat cap helmet shoes boots uniform clothes outfit costume tracksuit kimono diaper backpack bag tie "
    "scarf glasses sunglasses gloves topless shirtless blouse jumper cardigan leggings socks wearing dressed"
)
# In addition to every word in -ing.
_ACTIONS = (
    "walks runs jumps rolls eats flies climbs crawls sits stands drives swings shoots throws catches kicks "
    "walk run jump roll eat fly climb crawl sit stand catch pull pick shoot turn thrown dribbled parked passed"
)
# In addition to `POSITION_WORDS`.
_RELATIONS = "behind nearby next beside besides between above below under underneath furthest inside outside"
_SIZES = (
    "small smaller smallest big bigger biggest large larger largest little tiny huge tall taller tallest short shorter "
    "shortest long longer longest fat thin"
)


def _of(words: str) -> frozenset[str]:
    return frozenset(words.split())


_NO_ACTIONS = _of(
    "something anything nothing everything thing string wing ceiling building morning evening during wearing clothing"
)

WORD_KINDS: dict[str, frozenset[str]] = {
    "colour or pattern": _of(_COLOURS),
    "clothing": _of(_CLOTHES),
    "action": _of(_ACTIONS),
    "position or relation": _of(_RELATIONS) | POSITION_WORDS,
    "size": _of(_SIZES),
}
"""Words by which an expression distinguishes its object, by kind; words in -ing count as actions too (`kinds_of`)."""

ACTOR_KINDS: dict[str, frozenset[str]] = {
    "adult or youth": _of(_ADULTS),
    "baby or child": _of(_BABIES),
    "animal": _of(_ANIMALS),
    "vehicle": _of(_VEHICLES),
    "ball": _of("ball balls basketball football baseball"),
}
"""Nouns by kind of actor; an expression belongs to the kind of the first of its words listed here."""


def words_of(text: str) -> list[str]:
    """Return the words of an expression in lower case; "t-shirt" and "man's" are one word each."""
    return re.findall(r"[^\W\d_]+(?:['’-][^\W\d_]+)*", text.lower())


def kinds_of(text: str) -> frozenset[str]:
    """Return the keys of `WORD_KINDS` whose words an expression uses."""
    words = words_of(text)
    kinds = {kind for kind, known in WORD_KINDS.items() if not known.isdisjoint(words)}
    if any(len(word) > 4 and word.endswith("ing") and word not in _NO_ACTIONS for word in words):
        kinds.add("action")
    return frozenset(kinds)


def actor_of(text: str) -> str | None:
    """Return the key of `ACTOR_KINDS` that the first known noun of an expression belongs to, or None."""
    for word in words_of(text):
        for kind, known in ACTOR_KINDS.items():
            if word in known:
                return kind
    return None
