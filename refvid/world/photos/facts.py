"""Certain facts about the person in a labelled photo: garments with their measured colours."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from refvid.world.photos.colour import measure_colour
from refvid.world.scene import RGB, Garment, Look

# Minimum share of the person's pixels for a part to be recorded.
MIN_SHARE = 0.004

# For labels of the photo set, the slot and the name in the scene grammar. Parts with other labels have no slot.
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
        index: Value of the label in the label picture.
        share: Share of the person's pixels.
        colour: Palette name; None if people would disagree or the part has many colours.
        near: All palette names that somebody might use.
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
    """Everything that is known about the person in a photo.

    Attributes:
        parts: Labelled parts except for the skin, the largest first.
        sex: "man" or "woman"; None if unknown.
        skin: Median colour of the skin.
        hair: Median colour of the hair.
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
        image: Photo uint8 [H, W, 3], RGB.
        labels: Indices into `names`, uint8 [H, W], 0 for everything but the person.
        names: Names of the labels.
        sex: "man" or "woman"; None if unknown.
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
    """Return the look that expressions may describe, and the other parts that the person wears.

    For each slot, the look contains the largest garment, whose colour is empty if it is uncertain. The other parts are
    needed because an expression for somebody else must not be true of them.
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
    described = set(worn.values())
    main = next((worn[slot] for slot in ("dress", "top", "lower") if slot in worn), None)
    paint, colour = (facts.skin, "") if main is None else (main.paint, main.colour or "")
    look = Look("adult", facts.sex, garments, colour, paint, skin=facts.skin, hair=facts.hair)
    return look, tuple(part for part in facts.parts if part not in described and part.label != "hair")
