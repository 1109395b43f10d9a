"""Draw short park scenes with exact masks: the example clip, and endless material to train and test with.

Run `python examples/park.py --out examples/park.mp4` for the clip, `--preview sheet.png --seed 1` for a contact sheet.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

if not __package__:
    # Run as a script: Python then looks for modules beside this file, not in the root of the repository.
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from examples.park_backdrop import draw_backdrop, park
from examples.park_cast import draw_actor, draw_cast, lay_out
from examples.park_figures import Actor
from examples.park_words import VOCABULARY, absent_expressions, expressions_of

__all__ = ["VOCABULARY", "Scene", "draw_scene", "main", "write_example"]


@dataclass(frozen=True)
class Scene:
    """A drawn clip and the truth about it.

    Attributes:
        frames: uint8, shape (T, H, W, 3), RGB.
        masks: bool, shape (N, T, H, W): what is visible of each actor; disjoint.
        expressions: for each actor, every expression of the grammar that means it and nothing else; empty where the
            actor can hardly be seen.
        absent: expressions that mean nothing in the scene.
        actors: the attributes behind the expressions, in the order of the masks.
    """

    frames: npt.NDArray[np.uint8]
    masks: npt.NDArray[np.bool_]
    expressions: tuple[tuple[str, ...], ...]
    absent: tuple[str, ...]
    actors: tuple[Actor, ...]


def draw_scene(rng: np.random.Generator, *, frames: int, width: int, height: int) -> Scene:
    """Draw a random scene of one to five actors; the same generator state gives the same scene.

    Args:
        rng: decides everything.
        frames: number of frames, at least 1.
        width: in pixels, at least 16.
        height: in pixels, at least 16.

    Raises:
        ValueError: when a size is too small.
    """
    if frames < 1 or width < 16 or height < 16:
        raise ValueError(f"a scene of {frames} frames of {width}x{height}: at least 1 frame of 16x16 is needed")
    horizon = height * rng.uniform(0.3, 0.6)
    cast = draw_cast(rng, width, height, horizon)
    margin = max(2, round(width * 0.06))
    backdrop = draw_backdrop(rng, (width + 2 * margin, height), horizon)
    pan = rng.uniform(-1, 1) * min(margin / max(1, frames / 2), 0.006 * width) * (rng.uniform() < 0.5)
    pictures, masks = _animate(backdrop, cast, frames, (width, height), pan)
    _expose(pictures, rng)
    return _describe(pictures, masks, cast, rng)


def _animate(
    backdrop: Image.Image, cast: Sequence[Actor], frames: int, size: tuple[int, int], pan: float
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Draw every frame; the cast is given from far to near and a pan in pixels a frame.

    Returns:
        Frames, uint8 (T, H, W, 3), and masks, bool (len(cast), T, H, W).
    """
    width, height = size
    pictures = np.empty((frames, height, width, 3), np.uint8)
    masks = np.zeros((len(cast), frames, height, width), np.bool_)
    margin = (backdrop.width - width) / 2
    for number in range(frames):
        step = number - frames // 2
        left = round(margin + pan * step)
        canvas = backdrop.crop((left, 0, left + width, height))
        for index, actor in enumerate(cast):
            # The actors are placed in whole frames like the backdrop, or they would slide over it while it pans.
            place = draw_actor(canvas, actor, step, margin - left)
            if place is None:
                continue
            covered, rows, columns = place
            masks[:index, number, rows, columns] &= ~covered
            masks[index, number, rows, columns] = covered
        pictures[number] = np.asarray(canvas)
    return pictures, masks


def _expose(pictures: npt.NDArray[np.uint8], rng: np.random.Generator) -> None:
    """Vary light, contrast and colour cast, and add grain, in place."""
    gain, lift = rng.uniform(0.75, 1.15) * rng.uniform(0.96, 1.04, 3), rng.uniform(-12, 18)
    table = (np.arange(256)[:, None] * gain + lift).clip(0, 255).astype(np.uint8)
    for channel in range(3):
        pictures[..., channel] = table[:, channel][pictures[..., channel]]
    strength = rng.uniform(0, 6)
    length = pictures[0].size
    grain = (rng.standard_normal(length + 4096, np.float32) * strength).astype(np.int16)
    for picture in pictures:
        # One sheet of grain, read from another place in each frame: a fresh one would cost more than the drawing.
        start = int(rng.integers(4096))
        noisy = picture.astype(np.int16)
        noisy += grain[start : start + length].reshape(picture.shape)
        np.clip(noisy, 0, 255, out=noisy)
        picture[:] = noisy


def _describe(
    pictures: npt.NDArray[np.uint8], masks: npt.NDArray[np.bool_], cast: Sequence[Actor], rng: np.random.Generator
) -> Scene:
    """Keep the actors one can ask for and find the words for them."""
    kept = [index for index, actor in enumerate(cast) if actor.kind != "tree"]
    actors = tuple(cast[index] for index in kept)
    masks = masks[kept]
    least = max(6, round(3e-4 * masks.shape[2] * masks.shape[3]))
    middle = masks[:, masks.shape[1] // 2].sum(axis=(1, 2)) if kept else np.zeros(0)
    said = expressions_of(actors, pictures.shape[2])
    seen = tuple(words if area >= least else () for words, area in zip(said, middle, strict=True))
    return Scene(pictures, masks, seen, absent_expressions(actors, pictures.shape[2], rng), actors)


def write_example(path: Path, audio: bool = True) -> Scene:
    """Write the example clip: 640x360, 25 frames a second, 4 seconds, H.264 and, where asked for, AAC.

    Args:
        path: the file to write; an existing one is replaced.
        audio: whether it has a sound track.

    Returns:
        The scene as drawn, before it was compressed.
    """
    from examples.park_clip import write_clip

    rng = np.random.default_rng(20)
    cast = lay_out()
    wide = park(rng, (1280, 720), 300)
    wide = wide.filter(ImageFilter.GaussianBlur(0.8)).resize((640, 360), Image.Resampling.LANCZOS)
    pictures, masks = _animate(wide, cast, 100, (640, 360), 0.0)
    write_clip(path, pictures, 25, audio)
    return _describe(pictures, masks, cast, rng)


def _preview(path: Path, seed: int) -> None:
    """Write a contact sheet of twelve scenes with outlined masks and one expression beneath each."""
    sheet = Image.new("RGB", (4 * 330, 3 * 210), (24, 24, 28))
    text = ImageDraw.Draw(sheet)
    for number in range(12):
        rng = np.random.default_rng((seed, number))
        scene = draw_scene(rng, frames=5, width=320, height=180)
        named = [index for index, words in enumerate(scene.expressions) if words]
        picture = scene.frames[2].copy()
        for index in range(len(scene.actors)):
            mask = Image.fromarray(scene.masks[index, 2])
            thick = np.asarray(mask.convert("L").filter(ImageFilter.MaxFilter(3))) > 0
            picture[thick & ~scene.masks[index, 2]] = (0, 255, 255) if named[:1] == [index] else (255, 255, 255)
        x, y = number % 4 * 330 + 5, number // 4 * 210 + 5
        sheet.paste(Image.fromarray(picture), (x, y))
        words = scene.expressions[named[0]] if named else ("(nobody to ask for)",)
        text.text((x, y + 184), words[rng.integers(len(words))], fill=(230, 230, 230))
    sheet.save(path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the example clip, a contact sheet, or both."""
    parser = argparse.ArgumentParser(description="Draw the park scenes of the examples.")
    parser.add_argument("--out", type=Path, help="write the example clip here")
    parser.add_argument("--silent", action="store_true", help="leave the sound out of the clip")
    parser.add_argument("--preview", type=Path, help="write a contact sheet of random scenes here")
    parser.add_argument("--seed", type=int, default=0, help="of the contact sheet")
    chosen = parser.parse_args(arguments)
    if chosen.out is None and chosen.preview is None:
        parser.error("nothing to write: give --out, --preview or both")
    if chosen.out is not None:
        scene = write_example(chosen.out, audio=not chosen.silent)
        for actor, words in zip(scene.actors, scene.expressions, strict=True):
            print(f"{actor.colour} {actor.kind}: {', '.join(words[:4])}")
    if chosen.preview is not None:
        _preview(chosen.preview, chosen.seed)


if __name__ == "__main__":
    main()
