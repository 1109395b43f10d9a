"""A small RefCOCO as people download it: COCO's annotations, references pickled by Python 2, and pictures."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from tests.data.python2_pickle import python2_pickle

WIDTH, HEIGHT = 64, 48
SQUARE = [[4.0, 6.0, 20.0, 6.0, 20.0, 30.0, 4.0, 30.0]]
TWO_PARTS = [[30.0, 10.0, 50.0, 10.0, 50.0, 20.0, 30.0, 20.0], [40.0, 15.0, 60.0, 15.0, 60.0, 40.0, 40.0, 40.0]]
NEAR = "images/mscoco/images/train2014"


def reference(split: str, image: int, annotation: int, sentences: Sequence[tuple[int, str]]) -> dict[str, object]:
    """A reference as refs(*).p holds it; its `file_name` is that of no file."""
    return {
        "sent_ids": [number for number, _ in sentences],
        "file_name": f"COCO_train2014_{image:012d}_{annotation}.jpg",
        "ann_id": annotation,
        "ref_id": annotation * 10,
        "image_id": image,
        "split": split,
        "category_id": 1,
        "sentences": [
            {"tokens": text.split(), "raw": f"{text.upper()} (raw)", "sent_id": number, "sent": text}
            for number, text in sentences
        ],
    }


REFERENCES = [
    reference("train", 9, 90, [(1, "square on  the left "), (2, "the square"), (3, " ")]),
    reference("train", 581857, 70, [(4, "dog")]),
    reference("val", 12, 120, [(5, "runs"), (6, "more runs")]),
    reference("train", 9, 91, [(7, "two parts")]),
    reference("testA", 12, 120, [(8, "person")]),
    reference("testB", 12, 120, [(9, "thing")]),
    reference("train", 9, 555, [(10, "an object that no annotation has")]),
]


def instances() -> dict[str, object]:
    """What instances.json holds."""
    images = [
        {"id": number, "file_name": f"COCO_train2014_{number:012d}.jpg", "height": HEIGHT, "width": WIDTH, "license": 1}
        for number in (12, 9, 581857, 99)
    ]
    runs = [5 * HEIGHT + 8, 16, HEIGHT * WIDTH - 5 * HEIGHT - 24]
    annotations = [
        {"id": 70, "image_id": 581857, "category_id": 1, "iscrowd": 0, "segmentation": SQUARE},
        {"id": 90, "image_id": 9, "category_id": 1, "iscrowd": 0, "segmentation": SQUARE},
        {"id": 91, "image_id": 9, "category_id": 1, "iscrowd": 0, "segmentation": TWO_PARTS},
        {"id": 92, "image_id": 9, "category_id": 1, "iscrowd": 0, "segmentation": "broken, but nobody speaks of it"},
        {"id": 120, "image_id": 12, "iscrowd": 1, "segmentation": {"size": [HEIGHT, WIDTH], "counts": runs}},
    ]
    return {"info": {}, "images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}]}


def pixels(number: int) -> npt.NDArray[np.uint8]:
    """A picture, uint8 [H, W, 3], smooth enough for JPEG."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([rows * 5, columns * 3, (rows + columns + number) % 200], axis=2).astype(np.uint8)


def write_pictures(
    folder: Path, numbers: Sequence[int] = (9, 12, 581857), name: str = "COCO_train2014_{:012d}"
) -> None:
    """Write pictures; that of number 12 is grey."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        image = Image.fromarray(pixels(number))
        (image.convert("L") if number == 12 else image).save(folder / f"{name.format(number)}.jpg", quality=95)


def write_annotations(
    folder: Path, pickle_name: str = "refs(unc).p", references: Sequence[dict[str, object]] = REFERENCES
) -> None:
    """Write instances.json and references."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "instances.json").write_text(json.dumps(instances()))
    (folder / pickle_name).write_bytes(python2_pickle(list(references)))
