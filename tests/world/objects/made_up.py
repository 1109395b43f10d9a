"""A small folder of photos of objects, of plain shapes on noise, in the layout that `ObjectLibrary` reads."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

PAINTS = {"red": (205, 30, 36), "blue": (30, 70, 190), "yellow": (246, 220, 40), "green": (30, 130, 50)}
WIDTH, HEIGHT = 160, 120

# Each object: class, paint, left, top, width, height.
Shape = tuple[str, str, int, int, int, int]
_DOGS: tuple[Shape, ...] = (
    ("dog", "red", 10, 60, 30, 40), ("dog", "blue", 110, 55, 30, 45), ("cat", "yellow", 65, 10, 28, 28),
)  # fmt: skip
_CUPS: tuple[Shape, ...] = (
    ("cup", "green", 8, 40, 24, 30), ("cup", "green", 66, 42, 24, 30), ("cup", "green", 126, 41, 24, 30),
)  # fmt: skip
_BUSES: tuple[Shape, ...] = (
    ("bus", "red", 20, 20, 80, 60), ("bus", "red", 116, 70, 30, 24), ("person", "blue", 4, 70, 12, 40),
)  # fmt: skip
_SCENES: tuple[tuple[str, bool, tuple[Shape, ...]], ...] = (
    ("coco", True, _DOGS),
    ("coco", True, _CUPS),
    ("coco", True, _BUSES),
    ("pets", True, (("cat", "yellow", 40, 30, 70, 70),)),
    ("firetruck_via", False, (("fire truck", "red", 20, 30, 110, 70),)),
    ("vehicle_via", False, (("truck", "red", 20, 30, 110, 70),)),
)  # fmt: skip


def write_objects(folder: Path, copies: int = 2) -> Path:
    """Write the photos, each several times over, three training photos to one for validation."""
    rng = np.random.default_rng(3)
    rows = []
    for number in range(copies * len(_SCENES)):
        source, complete, shapes = _SCENES[number % len(_SCENES)]
        picture = np.repeat(rng.integers(90, 160, (HEIGHT, WIDTH, 1), dtype=np.uint8), 3, axis=2)
        labels = np.zeros((HEIGHT, WIDTH), np.uint8)
        instances = []
        for index, (kind, paint, left, top, width, height) in enumerate(shapes, 1):
            box = np.s_[top : top + height, left : left + width]
            picture[box], labels[box] = PAINTS[paint], index
            area = width * height
            instances.append({"id": index, "class": kind, "area": area, "box": [left, top, left + width, top + height]})
        if source == "pets":
            labels[(labels == 0) & (np.pad(labels, 6)[12:, 6:-6] + np.pad(labels, 6)[:-12, 6:-6] > 0)] = 255
        name = f"{number:03}"
        for place, shown in (("images", picture), ("masks", labels)):
            (folder / place / source).mkdir(parents=True, exist_ok=True)
            Image.fromarray(shown).save(folder / place / source / f"{name}.png")
        rows.append({
            "source": source, "id": name, "image": f"images/{source}/{name}.png", "mask": f"masks/{source}/{name}.png",
            "width": WIDTH, "height": HEIGHT, "instances": instances, "complete": complete,
            "split": "val" if number >= (copies - 1) * len(_SCENES) else "train",
        })  # fmt: skip
    (folder / "index.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder
