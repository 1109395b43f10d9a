"""What can be said of the person in a labelled photo: the garments with their measured colours, and nothing unsure."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from refvid.world.photos.colour import measure_colour
from refvid.world.scene import RGB, Garment, Look

# A part is known of from this share of the person on.
MIN_SHARE = 0.004

# Label of the photo set -> slot and name in the scene grammar. Other labels are worn besides what these tell.
SLOTS: dict[str, tuple[str, str]] = {
    "blazer": ("top", "blazer"),
    "blouse": ("top", "blouse"),
    "cardigan": ("top", "cardigan"),
    "coat": ("top", "coat"),
    "hoodie": ("top", "hoodie"),
    "jacket": ("top", "jacket"),
    "shirt": ("top", "shirt"),
    "sweater": ("top", "sweater"),
    "sweatshirt": ("top", "sweatshirt"),
    "t-shirt": ("top", "t-shirt"),
    "top": ("top", "top"),
    "vest": ("top", "vest"),
    "jeans": ("lower", "jeans"),
    "leggings": ("lower", "leggings"),
    "pants": ("lower", "pants"),
    "shorts": ("lower", "shorts"),
    "skirt": ("lower", "skirt"),
    "dress": ("dress", "dress"),
    "romper": ("dress", "romper"),
    "boots": ("shoes", "boots"),
    "clogs": ("shoes", "shoes"),
    "flats": ("shoes", "flats"),
    "heels": ("shoes", "heels"),
    "loafers": ("shoes", "shoes"),
    "pumps": ("shoes", "heels"),
    "sandals": ("shoes", "sandals"),
    "shoes": ("shoes", "shoes"),
    "sneakers": ("shoes", "sneakers"),
    "wedges": ("shoes", "shoes"),
    "hat": ("hat", "hat"),
    "bag": ("bag", "bag"),
    "purse": ("bag", "purse"),
}


@dataclass(frozen=True)
class LabelledPart:
    """One labelled part of the person: a garment, something carried, or the hair.

    Attributes:
        label: Name in the photo set: "coat", "bag", "hair", ...
        index: Its value in the label picture.
        share: Of the person's pixels.
        colour: Palette name; None where people would disagree or where the part has many colours.
        near: Every palette name that somebody might give it.
        paint: Median colour.
    """

    label: str
    index: int
    share: float
    colour: str | None
    near: frozenset[str]
    paint: RGB


@dataclass(frozen=True)
class PersonFacts:
    """What is known of the person in a photo.

    Attributes:
        parts: The largest first, without the skin.
        sex: "man" or "woman" where it is known, else None.
        skin: Median colour.
        hair: Median colour.
    """

    parts: tuple[LabelledPart, ...]
    sex: str | None
    skin: RGB
    hair: RGB


def measure(
    image: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8], names: Sequence[str], sex: str | None
) -> PersonFacts:
    """Measure the person of a photo.

    Args:
        image: uint8 [H, W, 3], RGB.
        labels: uint8 [H, W], indices into `names`, 0 for everything but the person.
        names: Of the labels.
        sex: "man", "woman" or None.
    """
    counts = np.bincount(labels.ravel(), minlength=len(names))
    person = max(int(counts[1:].sum()), 1)
    parts = [
        _part(image, labels == index, names[index], index, float(counts[index]) / person)
        for index in map(int, np.flatnonzero(counts))
        if index and counts[index] >= MIN_SHARE * person
    ]
    paints = {part.label: part.paint for part in parts}
    worn = sorted((part for part in parts if part.label != "skin"), key=lambda part: -part.share)
    return PersonFacts(tuple(worn), sex, paints.get("skin", (228, 180, 142)), paints.get("hair", (60, 40, 30)))


def _part(
    image: npt.NDArray[np.uint8], mask: npt.NDArray[np.bool_], label: str, index: int, share: float
) -> LabelledPart:
    inside = cv2.erode(mask.view(np.uint8), np.ones((3, 3), np.uint8)).view(np.bool_)
    colour = measure_colour(image[inside if inside.sum() >= 12 else mask])
    return LabelledPart(label, index, share, colour.name, colour.near, colour.paint)


def look_of(facts: PersonFacts) -> tuple[Look, tuple[LabelledPart, ...]]:
    """Return the look that a scene may speak of, and what is worn besides.

    Of each slot the look has the largest garment; its colour is empty if it is not certain. The other parts are those
    that no look tells and that an expression for somebody else must not be true of.
    """
    worn: dict[str, LabelledPart] = {}
    for part in facts.parts:
        slot = SLOTS.get(part.label, ("", ""))[0]
        if slot and slot not in worn:
            worn[slot] = part
    if "dress" in worn:
        others = [slot for slot in ("top", "lower") if slot in worn]
        hidden = any(worn[slot].share > worn["dress"].share for slot in others)
        for slot in ["dress"] if hidden else others:
            del worn[slot]
    garments = tuple(Garment(slot, SLOTS[part.label][1], part.colour or "", part.paint) for slot, part in worn.items())
    told = set(worn.values())
    main = next((worn[slot] for slot in ("dress", "top", "lower") if slot in worn), None)
    paint, colour = (facts.skin, "") if main is None else (main.paint, main.colour or "")
    look = Look("adult", facts.sex, garments, colour, paint, skin=facts.skin, hair=facts.hair)
    return look, tuple(part for part in facts.parts if part not in told and part.label != "hair")
