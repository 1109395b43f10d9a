"""The photos of `real_score.py`, and what is asked of each: a class, a side, a size, a colour, or what is not there.

Two layouts are read: one line of `index.jsonl` a photo with a picture of instance numbers, and `photos/NAME.jpg` with
`labels/NAME.png` of one person each. Only the validation split of either is ever looked at.
"""

import hashlib
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.score_tests import Masks
from refvid.errors import UsageError
from refvid.world.photos.colour import Colour, measure_colour
from refvid.world.photos.folder import split_of

COMMON = ("person", "dog", "cat", "bird", "car")

CROWDED = "coco"  # the set whose photos have many things, and whose crowds are void; in others void is an edge
VOID = 255  # instance number of pixels that count in no score
LEAST_SHARE = 0.01  # of the picture, of what is asked for
MOST_OF_A_CLASS = 4  # beyond that people do not say "the one on the left"
MOST_COLOURED = 12
LEAST_GAP = 0.15  # of the width, between the centre of the one on the left and that of the next
LEAST_OF_LARGEST = 0.2  # area of the one on the left, as a share of the largest of the class: no stray leg
LEAST_RATIO = 1.8  # of the areas of the biggest and the next
_LEAST_COLOURED = 64  # pixels of an instance whose colour can be seen
_EDGE = 4  # pixels
_MANY_CLASSES = 10  # a set that labels fewer has no say on what else is there
_MOST_CROWD = 0.002  # share of void pixels above which there is a crowd of nobody knows what
_ABSENT_OF_EACH = 1  # expressions a photo, of the common classes and of all the others

# Where one class of a line is in the picture, the others are not asked for: people, or the labels, may mix them up.
_ALIKE = (
    ("car", "truck", "bus", "train"),
    ("bicycle", "motorcycle"),
    ("cup", "wine glass", "bottle", "vase", "bowl", "potted plant", "sink"),
    ("chair", "couch", "bench", "bed", "dining table"),
    ("toilet", "sink", "bowl"),
    ("horse", "cow", "sheep", "zebra", "giraffe", "elephant"),
    ("dog", "cat", "bear", "teddy bear", "sheep", "cow"),
    ("bird", "kite", "airplane"),
    ("handbag", "backpack", "suitcase", "umbrella"),
    ("tv", "laptop", "cell phone", "remote", "keyboard", "mouse", "book"),
    ("microwave", "oven", "toaster", "refrigerator"),
    ("fork", "knife", "spoon", "scissors", "toothbrush"),
    ("apple", "orange", "banana", "carrot", "broccoli", "sports ball"),
    ("sandwich", "hot dog", "pizza", "donut", "cake"),
    ("skis", "snowboard", "skateboard", "surfboard"),
    ("frisbee", "sports ball", "kite"),
    ("baseball bat", "tennis racket", "baseball glove", "sports ball"),
    ("traffic light", "stop sign", "parking meter", "fire hydrant"),
    ("person", "tie", "handbag", "backpack", "cell phone"),
)

Numbers = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Photo:
    """A photo of the validation split.

    Attributes:
        source: The set it comes from.
        name: Unique in the set.
        image: Path of the photo.
        mask: Path of the picture of its instances, or of the parts of its one person.
        labels: Class by instance number; a part of the person where there is one `person` alone.
        classes: All classes that the set labels, where all objects of these are labelled; empty where they are not.
        of_parts: Whether `mask` holds the parts of one person.
    """

    source: str
    name: str
    image: Path
    mask: Path
    labels: dict[int, str]
    classes: frozenset[str]
    of_parts: bool = False

    def read(self) -> tuple[npt.NDArray[np.uint8], Numbers]:
        """Return the pixels uint8 [H, W, 3] and the instance numbers uint8 [H, W], 0 for none and 255 for void.

        Raises:
            UsageError: A file cannot be read, or the two do not fit.
        """
        try:
            with Image.open(self.image) as opened:
                pixels = np.array(opened.convert("RGB"))  # a copy, as PyTorch wants to be able to write
            with Image.open(self.mask) as opened:
                numbers = np.asarray(opened)
        except (OSError, ValueError, SyntaxError) as error:
            raise UsageError(f"the photo {self.image} cannot be read ({error}); mend it or take it out") from error
        if numbers.shape != pixels.shape[:2] or numbers.dtype != np.uint8:
            raise UsageError(f"{self.mask} is no 8-bit picture of the size of {self.image}; mend it or take it out")
        return pixels, (numbers > 0).astype(np.uint8) if self.of_parts else numbers


def find_photos(folder: Path) -> list[Photo]:
    """Return the photos of a folder's validation split.

    Raises:
        UsageError: The folder is of neither layout, or the split is empty.
    """
    if (folder / "index.jsonl").is_file():
        photos = _indexed(folder)
    elif (folder / "labels.json").is_file():
        photos = [
            Photo(folder.resolve().name, path.stem, path, folder / "labels" / f"{path.stem}.png", {1: "person"},
                  frozenset(), True)
            for path in sorted((folder / "photos").glob("*.jpg"))
            if split_of(path.stem) == "validation"
        ]  # fmt: skip
    else:
        raise UsageError(f"{folder} has neither index.jsonl nor labels.json; give a folder of labelled photos")
    if not photos:
        raise UsageError(f"{folder} has no photo of the validation split; give another folder of labelled photos")
    return photos


def _indexed(folder: Path) -> list[Photo]:
    path = folder / "index.jsonl"
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        classes: dict[str, set[str]] = {}
        for line in lines:
            classes.setdefault(line["source"], set()).update(one["class"] for one in line["instances"] if one["class"])
        return [
            Photo(
                line["source"], line["id"], folder / line["image"], folder / line["mask"],
                # A thing without a class could be any; it shares its name with nothing.
                {one["id"]: one["class"] or "" for one in line["instances"]},
                frozenset(classes[line["source"]]) if line.get("complete") else frozenset(),
            )
            for line in lines
            if line["split"] == "val"
        ]  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is no index of photos ({error!r}); expected one JSON object a line") from error


@dataclass(frozen=True)
class Question:
    """An expression, and what it means in a photo.

    Attributes:
        rows: Of the table.
        expression: What is asked.
        instance: Its number; None where the expression means nothing.
    """

    rows: frozenset[str]
    expression: str
    instance: int | None = None

    def truth(self, numbers: Numbers) -> Masks:
        """Return what is meant, bool [H, W]."""
        if self.instance is None:
            return np.zeros(numbers.shape, np.bool_)
        return np.asarray(numbers == self.instance)


@dataclass(frozen=True)
class _Shape:
    number: int
    area: int
    centre: float  # column


def ask(
    photo: Photo, pixels: npt.NDArray[np.uint8], numbers: Numbers, seed: int = 0, held_out: Sequence[str] = ()
) -> list[Question]:
    """Return everything that is asked of a photo, always the same of the same seed.

    Args:
        photo: Whose labels count.
        pixels: uint8 [H, W, 3], RGB; colours are measured there.
        numbers: Instance numbers, uint8 [H, W].
        seed: Decides what is asked of all that is not there.
        held_out: Classes whose lone objects are a row of their own, too.
    """
    if photo.source == CROWDED and np.mean(numbers == VOID) > _MOST_CROWD:
        return []
    shapes: dict[str, list[_Shape]] = {}
    for number, label in photo.labels.items():
        mask = numbers == number
        if area := int(mask.sum()):
            shapes.setdefault(label, []).append(_Shape(number, area, float(np.nonzero(mask)[1].mean())))
    questions: list[Question] = []
    for label, found in shapes.items():
        if "" in shapes or not label:
            continue
        if len(found) == 1:
            questions += _lone(photo.source, label, found[0], numbers.size, held_out)
            continue
        if len(found) <= MOST_OF_A_CLASS:
            questions += _side(label, found, numbers.shape)
            questions += _bigger(label, found, numbers.size)
        if len(found) <= MOST_COLOURED:
            questions += _coloured(label, found, pixels, numbers)
    return questions + _absent(photo, set(shapes), seed)


def _lone(source: str, label: str, shape: _Shape, pixels: int, held_out: Sequence[str]) -> list[Question]:
    if shape.area < LEAST_SHARE * pixels:
        return []
    rows = {"lone", "lone_coco"} if source == CROWDED else {"lone"}
    if label in COMMON:
        rows |= {"common", label}
    if label in held_out:
        rows |= {"held_out"}
    return [Question(frozenset(rows), f"the {label}", shape.number)]


def _side(label: str, shapes: Sequence[_Shape], size: tuple[int, ...]) -> list[Question]:
    ordered = sorted(shapes, key=lambda shape: shape.centre)
    least = max(LEAST_SHARE * size[0] * size[1], LEAST_OF_LARGEST * max(shape.area for shape in shapes))
    questions = []
    for side, outer, inner in (("left", ordered[0], ordered[1]), ("right", ordered[-1], ordered[-2])):
        if abs(outer.centre - inner.centre) >= LEAST_GAP * size[1] and outer.area >= least:
            questions.append(Question(frozenset({"side", "two"}), f"the {label} on the {side}", outer.number))
    return questions


def _bigger(label: str, shapes: Sequence[_Shape], pixels: int) -> list[Question]:
    first, second, *_ = sorted(shapes, key=lambda shape: -shape.area)
    if first.area < LEAST_RATIO * second.area or first.area < LEAST_SHARE * pixels:
        return []
    how = "bigger" if len(shapes) == 2 else "biggest"
    return [Question(frozenset({"bigger", "two"}), f"the {how} {label}", first.number)]


def _coloured(label: str, shapes: Sequence[_Shape], pixels: npt.NDArray[np.uint8], numbers: Numbers) -> list[Question]:
    seen = [shape for shape in shapes if shape.area >= _LEAST_COLOURED]
    colours = [_colour(pixels, numbers == shape.number) for shape in seen]
    questions = []
    for shape, colour in zip(seen, colours, strict=True):
        others = [other for other in colours if other is not colour]
        # Another whose colour everybody gives another name is told apart even if some of its pixels have this colour.
        if colour.name is None or any(colour.name in other.near for other in others if other.name is None):
            continue
        if any(colour.name == other.name for other in others):
            continue
        # Of a person whom the edge cuts off there may be but an arm, whose colour is no garment's.
        whole = label != "person" or not _touches_edge(numbers == shape.number)
        if shape.area >= LEAST_SHARE * numbers.size and whole:
            said = f"the person in {colour.name}" if label == "person" else f"the {colour.name} {label}"
            questions.append(Question(frozenset({"colour", "two"}), said, shape.number))
    return questions


def _touches_edge(mask: Masks) -> bool:
    """Return whether a mask reaches the picture's left, right or upper edge; outlines may end some pixels before it."""
    return bool(mask[:, :_EDGE].any() or mask[:, -_EDGE:].any() or mask[:_EDGE].any())


def _colour(pixels: npt.NDArray[np.uint8], mask: Masks) -> Colour:
    inside = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(np.bool_)
    return measure_colour(pixels[inside if inside.sum() >= _LEAST_COLOURED // 2 else mask])


def _absent(photo: Photo, there: set[str], seed: int) -> list[Question]:
    if len(photo.classes) < 2 or "" in there:
        return []
    alike = set(itertools.chain(there, *(line for line in _ALIKE if there & set(line))))
    many = len(photo.classes) >= _MANY_CLASSES
    # A set of two classes of one thing each asks for the other, which is a look-alike.
    absent = sorted(photo.classes - (alike if many else there))
    digest = hashlib.sha256(f"{photo.source}/{photo.name}".encode()).digest()
    rng = np.random.default_rng((seed, int.from_bytes(digest[:8], "big")))
    is_common: Callable[[str], bool] = COMMON.__contains__
    row = "absent" if many else "look_alike"
    return [
        Question(frozenset({row}), f"the {label}")
        for group in (list(filter(is_common, absent)), list(itertools.filterfalse(is_common, absent)))
        for label in rng.permutation(group)[:_ABSENT_OF_EACH]
    ]
