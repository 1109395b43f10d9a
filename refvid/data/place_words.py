"""Words of expressions that refer to places in the picture, and how they change when the picture does."""

_TO_THE_RIGHT = {
    "left": "right",
    "leftmost": "rightmost",
    "lefthand": "righthand",
    "leftward": "rightward",
    "leftwards": "rightwards",
    "leftside": "rightside",
}
# For each word, the one that replaces it when the picture is mirrored.
MIRRORED_WORDS = _TO_THE_RIGHT | {right: left for left, right in _TO_THE_RIGHT.items()}

# fmt: off
# Words that name a place in the picture or a position in a row of objects. Cropping can make them false: it moves the
# middle and the edges, and may cut off some of the objects that an ordinal counts.
POSITION_WORDS = frozenset({
    "back", "background", "bottom", "bottommost", "center", "central", "centre", "closest", "corner", "edge", "far",
    "farthest", "fifth", "first", "foreground", "fourth", "front", "furthest", "last", "left", "lefthand",
    "leftmost", "lower", "middle", "near", "nearest", "right", "righthand", "rightmost", "second", "side", "third",
    "top", "topmost", "upper",
})
# fmt: on

# Words that can name a direction of motion or a place ("on the left", "at the top"): the word alone does not tell
# which one is meant.
DIRECTION_OR_POSITION_WORDS = frozenset({"left", "right", "top", "up", "down"})
