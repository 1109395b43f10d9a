"""Words of expressions that speak of places in the picture, and what becomes of them when the picture changes."""

_TO_THE_RIGHT = {
    "left": "right",
    "leftmost": "rightmost",
    "lefthand": "righthand",
    "leftward": "rightward",
    "leftwards": "rightwards",
    "leftside": "rightside",
}
# The word that is true of a mirrored picture where the other was true before.
MIRRORED_WORDS = _TO_THE_RIGHT | {right: left for left, right in _TO_THE_RIGHT.items()}

# fmt: off
# Words that name a place in the picture or count along it. They are no longer true when its border is cut off: that
# moves the middle and the edges, and hides some of those whom an ordinal counts.
POSITION_WORDS = frozenset({
    "back", "background", "bottom", "bottommost", "center", "central", "centre", "closest", "corner", "edge", "far",
    "farthest", "fifth", "first", "foreground", "fourth", "front", "furthest", "last", "left", "lefthand",
    "leftmost", "lower", "middle", "near", "nearest", "right", "righthand", "rightmost", "second", "side", "third",
    "top", "topmost", "upper",
})
# fmt: on

# Words of a direction of motion that are also said of a place ("on the left", "at the top"): the word alone does not
# tell which of the two is meant.
DIRECTION_OR_POSITION_WORDS = frozenset({"left", "right", "top", "up", "down"})
