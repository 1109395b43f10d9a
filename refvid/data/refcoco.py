"""RefCOCO, RefCOCO+ and RefCOCOg: expressions about objects in COCO's pictures, each picture a video of one frame.

The data sets are those of Yu et al., "Modeling Context in Referring Expressions" (RefCOCO and RefCOCO+, UNC), and of
Mao et al., "Generation and Comprehension of Unambiguous Object Descriptions" (RefCOCOg); the split "umd" of the latter
is by Nagaraja et al. A sample is an object with one of its expressions.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from refvid.data.catalogue import check_choice
from refvid.data.coco_masks import CocoMask, parse_segmentation
from refvid.data.numbered_pictures import picture_size
from refvid.data.refcoco_files import Reference, find_parts, find_pictures, read_instances, read_references
from refvid.data.referring import Expression, ReferringSet, Rules, Target
from refvid.data.still import Still, read_still
from refvid.data.text import count_of
from refvid.errors import RefvidError, UsageError


@dataclass(frozen=True, eq=False)
class CocoPicture(Still):
    """A picture with all its expressions in a split.

    Attributes:
        name: Name of the picture's file without its suffix.
        path: File of the picture.
        height: Height of the annotations in pixels.
        width: Width of the annotations in pixels.
        expressions: Expressions, with sentence numbers as keys and COCO's annotation numbers as instances.
        objects: Segmentation of the object that each expression refers to.
    """

    name: str
    path: Path
    height: int
    width: int
    expressions: tuple[Expression, ...]
    objects: tuple[CocoMask, ...]

    def read(self, indices: Sequence[int]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Read the picture; see `read_still`.

        Raises:
            VideoError: The picture cannot be read.
        """
        return read_still(self.path, indices, self.height, self.width)

    def sizes(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return (width, height) of the picture and of the annotations.

        Raises:
            VideoError: The picture cannot be read.
        """
        return picture_size(self.path), (self.width, self.height)

    def truth(self, target: Target) -> npt.NDArray[np.bool_]:
        """Draw the objects of the expressions evaluated, bool [len(target.counting), H, W].

        Raises:
            RefvidError: A segmentation is malformed.
        """
        drawn: dict[CocoMask, npt.NDArray[np.bool_]] = {}
        for index in target.counting:
            if self.objects[index] not in drawn:  # several sentences may refer to the same object
                drawn[self.objects[index]] = self._draw(index)
        return np.stack([drawn[self.objects[index]] for index in target.counting])

    def _draw(self, index: int) -> npt.NDArray[np.bool_]:
        try:
            return self.objects[index].draw()
        except ValueError as error:
            raise RefvidError(
                f"annotation {self.expressions[index].instance} of {self.path.name} is broken: {error}; download "
                "instances.json again"
            ) from error


def open_refcoco(root: Path, split: str, protocol: str) -> ReferringSet:
    """Open RefCOCO under its only protocol, "unc"; see `refvid.data.referring.SetOpener`."""
    return _open(root, split, protocol, "refcoco")


def open_refcoco_plus(root: Path, split: str, protocol: str) -> ReferringSet:
    """Open RefCOCO+ under its only protocol, "unc"; see `refvid.data.referring.SetOpener`."""
    return _open(root, split, protocol, "refcoco+")


def open_refcocog(root: Path, split: str, protocol: str) -> ReferringSet:
    """Open RefCOCOg under the protocol "umd" or "google"; see `refvid.data.referring.SetOpener`.

    Raises:
        UsageError: The split "test" was requested under "google", whose test part was never published.
    """
    if (split, protocol) == ("test", "google"):
        raise UsageError(
            "RefCOCOg's protocol 'google' has no split 'test', because its test part was never published; "
            "give its split 'val', or the protocol 'umd'"
        )
    return _open(root, split, protocol, "refcocog")


def _open(root: Path, split: str, protocol: str, name: str) -> ReferringSet:
    info = check_choice(name, split, protocol)
    parts = find_parts(root, info.name, f"refs({protocol}).p", info.title)
    references = read_references(parts.references, split)
    images, annotations = read_instances(
        parts.instances,
        {reference.image for reference in references},
        {reference.annotation for reference in references},
    )
    usable, notes = _select(references, images, annotations)
    if not usable:
        raise RefvidError(
            f"nothing is left of split {split}: {parts.references} has {len(references)} references for it, but "
            f"{parts.instances} has none of their objects; download both from the same place"
        )
    files = find_pictures(parts.pictures, {number: images[number] for number in usable})
    try:
        videos = [
            _picture(files[number], images[number], references, annotations) for number, references in usable.items()
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise RefvidError(f"{parts.instances} is broken: {error}; download it again") from error
    return ReferringSet(info.title, split, protocol, Rules(), videos, notes=notes)


def _select(
    references: Sequence[Reference], images: Mapping[int, object], annotations: Mapping[int, Mapping[str, Any]]
) -> tuple[dict[int, list[Reference]], tuple[str, ...]]:
    """Group the usable references by picture, in their order, and return notes that count the others."""
    by_image: defaultdict[int, list[Reference]] = defaultdict(list)
    lost = empty = 0
    for reference in references:
        known = reference.image in images and annotations.get(reference.annotation, {}).get("segmentation")
        sentences = tuple(sentence for sentence in reference.sentences if sentence[1])
        if not known:
            lost += 1
            continue
        empty += len(reference.sentences) - len(sentences)
        if sentences:
            by_image[reference.image].append(Reference(reference.image, reference.annotation, sentences))
    notes = []
    if lost:
        notes.append(f"{count_of(lost, 'reference')} skipped: instances.json has no picture or no segmentation.")
    if empty:
        notes.append(f"{count_of(empty, 'sentence')} skipped: the cleaned text is empty.")
    return dict(by_image), tuple(notes)


def _picture(
    path: Path, image: Mapping[str, Any], references: Sequence[Reference], annotations: Mapping[int, Mapping[str, Any]]
) -> CocoPicture:
    height, width = int(image["height"]), int(image["width"])
    objects = {}
    for number in {reference.annotation for reference in references}:
        try:
            objects[number] = parse_segmentation(annotations[number]["segmentation"], height, width)
        except ValueError as error:
            raise ValueError(f"annotation {number}: {error}") from None
    expressions = tuple(
        Expression(str(number), text, reference.annotation)
        for reference in references
        for number, text in reference.sentences
    )
    meant = tuple(objects[reference.annotation] for reference in references for _ in reference.sentences)
    return CocoPicture(path.stem, path, height, width, expressions, meant)
