"""Whether an expression names anything that a model could look for, judged by the words that the model knows.

A vocabulary does not say which of its words are nouns. Here are the words of descriptions that are none: words without
content, and words that say where, which, how or what something does. A known word that is not among them counts as a
name. This is only asked of expressions with words that the model does not know, so that a mistake does little harm.
"""

from refvid.model.layers.language import Words
from refvid.model.layers.spelling import inflections


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# fmt: off
_EMPTY = _words("""
a an the this that these those some any each every all both either of in on at by to from with without for and or but
not no nor than then as so if up out off is are was were be been being am has have had having do does did can could will
would may might must should who whom whose which what where when how why there here it its i we you my your our their
his s t isn't aren't doesn't don't can't
""")
# The commonest words of other languages. Beside one of them, a word that looks like a misspelt English one is not.
_FOREIGN = _words("""
el la le les los las lo il gli un une una uno der die das den dem ein eine einen einem du de des del della di da do dos
con mit avec com en im am auf dans sur sous et und y e o os um uma na het een met op och det
""") - _EMPTY
_WHERE_AND_WHICH = _words("""
left right top bottom middle center centre upper lower corner side edge end front back behind above below under beneath
beside between among around across along near nearest nearer close closest closer far farthest furthest farther next
inside outside over against toward towards into onto through leftmost rightmost foreground background first second third
fourth fifth last other another same only one two three four five six seven eight nine ten many few several most more
less very too just also still down photo picture image video frame scene shot screen camera visible
""")
_HOW = _words("""
red orange yellow green blue purple violet pink brown black white grey gray beige gold golden silver tan maroon navy
teal turquoise khaki colored coloured colorful colourful dark darker darkest light lighter lightest bright brightest
pale big bigger biggest large larger largest small smaller smallest little tiny huge giant tall taller tallest short
shorter shortest long longer longest high higher highest low lowest wide thin thick fat old older oldest young younger
youngest new striped stripy checked checkered plaid plain spotted dotted patterned solid wooden plastic leather metal
wet dry dirty clean empty full open closed broken round square flat hot cold good bad best beautiful pretty cute funny
blond blonde bald naked half blurry whole single double fast slow quick happy sad
""")
_WHAT_IT_DOES = _words("""
walk run stand sit ride hold wear carry jump climb roll eat drink fly crawl look face lie lay move go come play throw
catch hit kick swim drive lead stop turn bend lean hang point read talk speak smile laugh sleep cross follow pass push
pull enter leave wait work use make take get give put dance sing cook skate ski surf bounce spin swing dive slide fall
lift raise touch reach park show see wave shoot bark chase graze gallop hop float sail travel approach cover fill stay
jog peck dress goes flies does
""")
# fmt: on
_NAMES_IN_ING = _words(
    "building painting clothing ceiling wing ring king string thing swing railing earring drawing sibling"
)
_NAMES_IN_LY = _words("family belly butterfly dragonfly jelly bully lily")


def doubtful_words(words: Words, expression: str) -> tuple[str, ...]:
    """Return the words of an expression that a vocabulary does not know, or only guesses, each once and in order.

    Guesses are doubtful in an expression with other words that it does not know, or with words of another language.
    """
    unknown, guessed = words.unknown_words(expression), words.guessed_words(expression)
    spoken = [word for word, _ in words.read(expression)]
    if not unknown and not _FOREIGN.intersection(spoken):
        return ()
    return tuple(dict.fromkeys(word for word in spoken if word in unknown or word in guessed))


def names_nothing(words: Words, expression: str) -> bool:
    """Return whether an expression names nothing that a model with this vocabulary could look for.

    That is so if it has no word with content ("of the"), or if it has doubtful words and none of the others names a
    thing ("xyzzy", "the red xyzzy on the left"). An expression of known words ("the left one", "red") is looked for.
    """
    doubtful = set(doubtful_words(words, expression))
    read = words.read(expression)
    if not doubtful:
        return all(word in _EMPTY for word, _ in read)
    return not any(is_name(listed) for word, known in read if word not in doubtful for listed in known)


def is_name(word: str) -> bool:
    """Return whether a known word may name a thing: it is none of the words above and no form of a verb among them."""
    if word in _EMPTY | _FOREIGN | _WHERE_AND_WHICH | _HOW | _WHAT_IT_DOES or word.isdecimal() or len(word) < 2:
        return False
    if word in _NAMES_IN_ING | _NAMES_IN_LY:
        return True
    if word.endswith(("ing", "ly")):
        return False
    return not word.endswith(("s", "ed")) or _WHAT_IT_DOES.isdisjoint(inflections(word))
