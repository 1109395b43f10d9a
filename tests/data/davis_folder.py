"""Small folders in DAVIS's layout, for the tests of its readers: plain functions, no fixtures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from refvid.data.referring import ReferringSet

WIDTH, HEIGHT, FRAMES = 40, 24, 4
REAL = Path(__file__).resolve().parents[3] / "shared" / "real"


def numbers(*objects: int, shift: int = 0) -> np.ndarray:
    """A mask [H, W]: object after object in vertical bars, the first of which is wider at the top."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    for place, number in enumerate(objects):
        mask[4:20, 6 * place + shift : 6 * place + shift + 4] = number
    mask[:4, : 8 + shift] = objects[0] if objects else 0
    return mask


def write_palette(path: Path, mask: np.ndarray) -> None:
    """Write a palette PNG whose colours say nothing of its indices."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(mask, "L").copy()
    image.putpalette([255 - value // 3 for value in range(768)])
    image.save(path)


def write_frames(folder: Path, count: int = FRAMES, size: tuple[int, int] = (WIDTH, HEIGHT)) -> None:
    """Write JPEGs of one grey each, 40 apart."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        Image.new("RGB", size, (40 * index, 40 * index, 200)).save(folder / f"{index:05d}.jpg")


def write_masks(folder: Path, objects: Sequence[int], count: int = FRAMES) -> None:
    """Write a palette a frame, in which all objects move."""
    for index in range(count):
        write_palette(folder / f"{index:05d}.png", numbers(*objects, shift=index))


def write_text(root: Path, year: str, ending: str, texts: dict[str, str]) -> None:
    """Write the phrases as they are published: annotator 2's in Latin-1."""
    folder = root / "davis_text_annotations"
    folder.mkdir(exist_ok=True)
    for run, encoding in (("annot1", "utf-8"), ("annot2", "latin-1")):
        (folder / f"Davis{year}_{run}{ending}.txt").write_bytes(texts[run].encode(encoding))


def told(opened: ReferringSet) -> list[tuple[str, str, str, str, int | None]]:
    """All that is said: video, run, key, text, instance."""
    return [(v.name, e.run, e.key, e.text, e.instance) for v in opened.videos for e in v.expressions]
