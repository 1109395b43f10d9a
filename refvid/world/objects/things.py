"""Facts about the objects in a picture, including those that may be there unlabelled."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import numpy.typing as npt

from refvid.world.language.words import COLOUR_WORDS, NEAR_COLOURS, words_in
from refvid.world.objects.folder import Listed
from refvid.world.objects.lexicon import ANIMALS, COLOUR_TERMS, DEEDS, LEXICON, doubtful_words
from refvid.world.photos.colour import Colour, measure_colour

MIN_SHARE = 0.003  # minimum share of the picture for an object that expressions may mean
_MIN_COLOUR_PIXELS = 40
_LIGHT_GREY = 45.0  # CIELAB lightness above which grey may be white in the shade
_DARK_PICTURE = 62.0  # mean pixel value below which a picture counts as dark
# Classes without colours: clothes are unknown, or people do not use the colour and photos often show it wrongly.
NEVER_COLOURED = frozenset({
    "person", "banana", "carrot", "orange", "broccoli", "zebra", "giraffe", "pizza", "sandwich", "hot dog",
    "potted plant", "dining table", "traffic light", "stop sign",
})  # fmt: skip

# Classes that photos of a source surely do not contain unlabelled.
_FAR_FROM_PETS = frozenset({
    "airplane", "train", "bus", "fire truck", "stop sign", "parking meter", "surfboard", "snowboard", "skis", "kite",
    "tennis racket", "baseball bat", "baseball glove", "pizza", "broccoli", "donut", "hot dog", "cake", "sandwich",
    "microwave", "toaster", "hair drier", "banana", "skateboard", "traffic light", "fire hydrant",
})  # fmt: skip
_FAR_FROM_FIRE_TRUCKS = frozenset({
    "couch", "bed", "toilet", "pizza", "laptop", "keyboard", "mouse", "microwave", "oven", "refrigerator", "teddy bear",
    "surfboard", "snowboard", "skis", "cake", "donut", "broccoli", "banana", "hot dog", "sandwich", "wine glass",
    "toothbrush", "hair drier", "toaster", "tennis racket", "train", "airplane", "boat", "fork", "spoon", "bowl",
})  # fmt: skip
_SURELY_ABSENT: dict[str, frozenset[str]] = {
    "pets": _FAR_FROM_PETS | ANIMALS,
    "feralcat": (_FAR_FROM_PETS | ANIMALS) - {"bird"},
    "firetruck_via": _FAR_FROM_FIRE_TRUCKS | (ANIMALS - {"dog", "bird"}),
}
_COMPLETE = frozenset(LEXICON) - {"fire truck"}  # the classes of COCO
# Classes of which COCO marks groups as crowds; our labels do not record the class of a crowd.
_IN_CROWDS = frozenset({
    "person", "car", "book", "chair", "bottle", "cup", "banana", "apple", "orange", "broccoli", "carrot", "donut",
    "sheep", "cow", "bird", "boat", "umbrella", "kite", "bicycle", "motorcycle", "wine glass", "bowl", "potted plant",
    "backpack", "handbag", "suitcase", "cake", "fork", "knife", "spoon", "vase", "elephant", "dining table",
})  # fmt: skip


@dataclass(frozen=True)
class Thing:
    """An object in a picture or, as a phantom, an object that may be there unlabelled.

    Attributes:
        kind: Class, a key of `LEXICON`.
        box: Left, top, right and bottom of the visible part as shares of the picture.
        area: Area of the visible part as a share of the picture.
        colour: Measured colour; None if expressions must not use its colour.
        motion: "left", "right" or "still" in a clip; empty if unknown.
        names: Names that are surely true of the object, besides those of its class.
        seen: Whether enough of it is visible for expressions to mean it.
        phantom: Whether it is only possible that such an object is there.
    """

    kind: str
    box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    area: float = 0.0
    colour: Colour | None = None
    motion: str = ""
    names: frozenset[str] = field(default_factory=frozenset)
    seen: bool = True
    phantom: bool = False

    @property
    def centre(self) -> tuple[float, float]:
        """Column and row of the centre of the box as shares of the picture."""
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2

    def words(self) -> frozenset[str]:
        """Return the words that are true of the object by itself."""
        words = set(LEXICON[self.kind].words) | self.names
        if self.colour is not None and self.colour.name:
            words.update(COLOUR_WORDS[self.colour.name])
        if self.motion in ("left", "right"):
            words.update(("moving", "moves", "going", self.motion))
        elif self.motion == "still":
            words.add("still")
        return frozenset(words)

    def doubtful(self) -> frozenset[str]:
        """Return the words of which it is unknown whether they are true of the object."""
        words = set(doubtful_words(self.kind))
        if self.kind != "person":  # for a person, the words of clothes and their colours are included already
            words |= COLOUR_TERMS if self.colour is None else _may_be(self.colour)
        if self.motion == "still":
            words -= {"moving", "moves", "going", "left", "right", "heading"}
        elif self.motion:
            words -= {"still", "left", "right"}
        return frozenset(words - self.words())


def _may_be(colour: Colour) -> set[str]:
    near = set(colour.near).union(*(NEAR_COLOURS[name] for name in colour.near))
    return {word for name in near for word in COLOUR_WORDS[name]}


def measure(
    image: npt.NDArray[np.uint8],
    mask: npt.NDArray[np.bool_],
    kind: str,
    *,
    whole: int = 0,
    motion: str = "",
    names: frozenset[str] = frozenset(),
) -> Thing | None:
    """Measure an object in a picture; return None if no part of it is visible.

    Args:
        image: Picture uint8 [H, W, 3], RGB.
        mask: Mask of the visible part, bool [H, W].
        kind: Class of the object.
        whole: Number of pixels it would have if nothing hid it, because expressions do not mean objects that are mostly
            hidden; 0 if unknown.
        motion: Motion, as in `Thing`.
        names: Names, as in `Thing`.
    """
    area = int(mask.sum())
    if not area:
        return None
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    height, width = mask.shape
    box = (columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height)
    colour = None
    if kind not in NEVER_COLOURED:
        inside = cv2.erode(mask.view(np.uint8), np.ones((3, 3), np.uint8)).view(np.bool_)
        if (pixels := image[inside if inside.sum() >= _MIN_COLOUR_PIXELS else mask]).shape[0] >= _MIN_COLOUR_PIXELS:
            colour = _settled(measure_colour(pixels), image)
            # These are the colours of its fittings rather than of the truck.
            if kind == "fire truck" and colour.name in ("grey", "black", "white", "brown"):
                colour = replace(colour, name=None)
    seen = area >= MIN_SHARE * mask.size and area >= 60 and area >= 0.45 * whole
    left, top, right, bottom = (float(side) for side in box)
    return Thing(kind, (left, top, right, bottom), area / mask.size, colour, motion, names, bool(seen))


def _settled(colour: Colour, image: npt.NDArray[np.uint8]) -> Colour:
    """Remove the name of a colour that may be due to shade: light grey may be white, and black may be merely dark."""
    light = float(cv2.cvtColor(np.array([[colour.paint]], np.uint8), cv2.COLOR_RGB2LAB)[0, 0, 0]) / 2.55
    if colour.name == "grey" and light > _LIGHT_GREY:
        return replace(colour, name=None, near=colour.near | {"white", "grey"})
    if colour.name in ("black", "brown", "grey") and float(image[::4, ::4].mean()) < _DARK_PICTURE:
        return replace(colour, name=None, near=colour.near | {"black", "brown", "grey", "white"})
    return colour


def phantoms(listed: Listed, crowded: bool) -> list[Thing]:
    """Return phantoms of the objects that may be in a photo unlabelled.

    Args:
        listed: Entry of the photo in the list.
        crowded: Whether parts of the photo are ignored because they show crowds.
    """
    present = frozenset(listed.kinds.values())
    if listed.source == "coco" and listed.complete:
        unsure = _IN_CROWDS if crowded else frozenset[str]()
    elif listed.source in _SURELY_ABSENT:
        unsure = _COMPLETE - _SURELY_ABSENT[listed.source] - present
    elif listed.complete:
        unsure = frozenset(LEXICON) - present  # all objects of the classes that are present are labelled
    else:
        unsure = frozenset(LEXICON)
    return [Thing(kind, phantom=True, seen=False) for kind in sorted(unsure)]


_SEX = {
    "man": "man guy gentleman boy he his him father groom dude", "woman": "woman lady girl she her mother bride",
}  # fmt: skip
_BOTH = frozenset(words_in("men women people boys girls couple group crowd two three several"))


def named_in(captions: tuple[str, ...], kind: str, alone: bool) -> frozenset[str]:
    """Return further names that the captions of a photo give to its only object of a class.

    A noun in a caption is taken as a name of the object if it is a possible name for the class, if no caption contains
    the plural of such a name, and, for a person, if no caption mentions the other sex.
    """
    if not alone or not captions:
        return frozenset()
    said = [word for caption in captions for word in re.findall(r"[a-z]+", caption.lower())]
    perhaps = {name for name in LEXICON[kind].perhaps if " " not in name}
    found = {word for word in perhaps if word in said} - {"people", "water", "fire", "hot", "animal", "stuffed"}
    if any(f"{word}s" in said for word in (*perhaps, *LEXICON[kind].names)):
        return frozenset()
    if kind == "person":
        sexes = [sex for sex, words in _SEX.items() if not set(words.split()).isdisjoint(said)]
        if not _BOTH.isdisjoint(said) or len(sexes) > 1:
            return frozenset()
        return frozenset(found & {"man", "woman", "guy", "lady", "boy", "girl", "gentleman", "surfer", "skier",
                                  "snowboarder", "skateboarder", "toddler", "baby", "child", "kid"})  # fmt: skip
    return frozenset(found) if found <= _NAMES_OF_CAPTIONS else frozenset(found & _NAMES_OF_CAPTIONS)


_NAMES_OF_CAPTIONS = frozenset(
    words_in("""
    puppy kitten jet airliner taxi van pickup ship sailboat canoe kayak duck goose pigeon seagull parrot owl swan pony
    calf lamb bull mug armchair stool monitor notebook scooter locomotive tram lorry sedan suv
""")
)


def rest_doubtful(unsure: Sequence[Thing]) -> frozenset[str]:
    """Return the words that may be true of the unlabelled part of a photo, given the phantoms in it."""
    words = {word for thing in unsure for word in (*LEXICON[thing.kind].words, *LEXICON[thing.kind].doubtful)}
    wider = {word for entry in LEXICON.values() for word in entry.doubtful}
    return frozenset(words | wider | COLOUR_TERMS | DEEDS | _OPEN)


# Wider words that are also true of many things outside the classes.
_OPEN = frozenset(
    words_in("""
    furniture food fruit vegetable container toy sign light signal seat bag board dish utensil computer screen appliance
    dessert disc vessel luggage table shirt hat shoes coat jacket hair glasses dress jeans pants shorts skirt scarf
""")
)
