"""Draw examples/photos.jpg: what the default model finds in validation photos of Clothing Co-Parsing (Apache-2.0).

    python examples/photo_sheet.py CCP_FOLDER [--output examples/photos.jpg]

Every fifth photo of the validation split is taken, none is chosen for its result.
"""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

import refvid
from refvid.world.photos.folder import open_library

EXPRESSIONS = (
    "the person", "the woman", "the shoes", "the bag", "the jacket", "the dress", "the jeans", "the person",
)  # fmt: skip
FIRST, STEP, LONGER = 3, 5, 480
TILE, CAPTION, COLUMNS = (240, 360), 25, 4
TINT = np.array([66, 160, 255])


def draw_tile(pixels: npt.NDArray[np.uint8], mask: npt.NDArray[np.bool_], expression: str) -> Image.Image:
    """Return a photo uint8 [H, W, 3] with its mask bool [H, W] tinted and the expression below."""
    tinted = pixels.astype(np.float64)
    tinted[mask] = 0.45 * tinted[mask] + 0.55 * TINT
    photo = Image.fromarray(tinted.astype(np.uint8))
    photo.thumbnail(TILE)
    tile = Image.new("RGB", (TILE[0], TILE[1] + CAPTION), "white")
    tile.paste(photo, ((TILE[0] - photo.width) // 2, 0))
    ImageDraw.Draw(tile).text((6, TILE[1] + 6), f'"{expression}"', fill="black")
    return tile


def main() -> None:
    """Segment the photos and write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "photos.jpg")
    options = parser.parse_args()
    photos = open_library(options.folder, "validation", LONGER).photos[FIRST::STEP]
    segmenter = refvid.Segmenter(refvid.load_model(device="cpu"))
    height = TILE[1] + CAPTION
    sheet = Image.new("RGB", (TILE[0] * COLUMNS, height * -(-len(EXPRESSIONS) // COLUMNS)), "white")
    for number, (photo, expression) in enumerate(zip(photos, EXPRESSIONS, strict=False)):
        tile = draw_tile(photo.image, segmenter(photo.image[None], expression)[0], expression)
        sheet.paste(tile, (number % COLUMNS * TILE[0], number // COLUMNS * height))
    sheet.save(options.output, quality=82)
    print(f"wrote {options.output}")


if __name__ == "__main__":
    main()
