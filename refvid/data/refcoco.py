"""RefCOCO, RefCOCO+ and RefCOCOg: sentences about objects of COCO's pictures, each picture a video of one frame.

The data sets are those of Yu et al., "Modeling Context in Referring Expressions" (RefCOCO and RefCOCO+, UNC), and of
Mao et al., "Generation and Comprehension of Unambiguous Object Descriptions" (RefCOCOg); the second's split "umd" is
by Nagaraja et al. A sample is an object with one of its sentences.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from refvid.data.coco_masks import CocoMask, parse_segmentation
from refvid.data.numbered_pictures import picture_size
from refvid.data.refcoco_files import Reference, find_parts, find_pictures, read_instances, read_references
from refvid.data.referring import Expression, ReferringSet, Rules, Target
from refvid.data.sets import check_choice
from refvid.data.still import Still, read_still
from refvid.data.text import count_of
from refvid.errors import RefvidError, UsageError


@dataclass(frozen=True, eq=False)
class CocoPicture(Still):
    """A picture with all that a split says of it.

    Attributes:
        name: Of the picture's file, without its suffix.
        path: Of the picture.
        height: Of the annotations, pixels.
        width: Of the annotations, pixels.
        expressions: Their keys are the sentences' numbers, their instances COCO's annotations.
        objects: What each expression means.
    """

    name: str
    path: Path
    height: int
    width: int
    expressions: tuple[Expression, ...]
    objects: tuple[CocoMask, ...]

    def read(self, indices: Sequence[int]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Read the picture, see `read_still`.

        Raises:
            VideoError: It cannot be read.
        """
        return read_still(self.path, indices, self.height, self.width)

    def sizes(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Read width and height of the picture; those of the annotations are known.

        Raises:
            VideoError: It cannot be read.
        """
        return picture_size(self.path), (self.width, self.height)

    def truth(self, target: Target) -> npt.NDArray[np.bool_]:
        """Draw the objects of the expressions that count, bool [len(target.counting), H, W].

        Raises:
            RefvidError: A segmentation is broken.
        """
        drawn: dict[CocoMask, npt.NDArray[np.bool_]] = {}
        for index in target.counting:
            if self.objects[index] not in drawn:  # several sentences mean one object
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
    """Open RefCOCO; protocol "unc". See `refvid.data.referring.SetOpener`."""
    return _open(root, split, protocol, "refcoco")


def open_refcoco_plus(root: Path, split: str, protocol: str) -> ReferringSet:
    """Open RefCOCO+; protocol "unc". See `refvid.data.referring.SetOpener`."""
    return _open(root, split, protocol, "refcoco+")


def open_refcocog(root: Path, split: str, protocol: str) -> ReferringSet:
    """Open RefCOCOg; protocol "umd" or "google". See `refvid.data.referring.SetOpener`.

    Raises:
        UsageError: Also where Google's split is asked for its test part, which was never published.
    """
    if (split, protocol) == ("test", "google"):
        raise UsageError(
            "RefCOCOg's protocol 'google' has no split 'test', its test part was never published; "
            "take its split 'val', or the protocol 'umd'"
        )
    return _open(root, split, protocol, "refcocog")


def _open(root: Path, split: str, protocol: str, name: str) -> ReferringSet:
    info = check_choice(name, split, protocol)
    parts = find_parts(root, info.name, f"refs({protocol}).p", info.title)
    references = read_references(parts.references, split)
    images, annotations = read_instances(
        parts.instances, {said.image for said in references}, {said.annotation for said in references}
    )
    usable, notes = _select(references, images, annotations)
    if not usable:
        raise RefvidError(
            f"nothing is left of split {split}: {parts.references} has {len(references)} references of it, and "
            f"{parts.instances} has the objects of none; download both from one place"
        )
    files = find_pictures(parts.pictures, {number: images[number] for number in usable})
    try:
        videos = [_picture(files[number], images[number], said, annotations) for number, said in usable.items()]
    except (KeyError, TypeError, ValueError) as error:
        raise RefvidError(f"{parts.instances} is broken: {error}; download it again") from error
    return ReferringSet(info.title, split, protocol, Rules(), videos, notes=notes)


def _select(
    references: Sequence[Reference], images: Mapping[int, object], annotations: Mapping[int, Mapping[str, Any]]
) -> tuple[dict[int, list[Reference]], tuple[str, ...]]:
    """Group the references by picture, in their order, without those that cannot be used; these are counted."""
    by_image: defaultdict[int, list[Reference]] = defaultdict(list)
    lost = empty = 0
    for reference in references:
        known = reference.image in images and annotations.get(reference.annotation, {}).get("segmentation")
        spoken = tuple(said for said in reference.sentences if said[1])
        if not known:
            lost += 1
            continue
        empty += len(reference.sentences) - len(spoken)
        if spoken:
            by_image[reference.image].append(Reference(reference.image, reference.annotation, spoken))
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
