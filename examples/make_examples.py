"""Draw the example clips, or turn a result into a small animation for a web page.

    python examples/make_examples.py --out examples
    python examples/make_examples.py --gif out.mp4 examples/park.gif

The clips are staged by hand with the figures and places of `refvid.world`, so that random training scenes never equal
them, and every call draws the same frames. The object of each expression is known exactly in every frame:
`EXAMPLES["park"]()` is a `Scene`.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

if not __package__:
    # As a script, this file has only its own folder on the module path, not the root of the repository.
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from examples.clip import write_clip
from examples.scenes import EXAMPLES
from refvid.video.reader import open_reader
from refvid.world.language.words import role_of
from refvid.world.scene import Scene

__all__ = ["EXAMPLES", "WITH_SOUND", "main", "write_examples", "write_gif"]

WITH_SOUND = frozenset({"park"})
_COLOURS = 160  # size of the animation's palette


def write_examples(folder: Path, names: Iterable[str] = tuple(EXAMPLES)) -> dict[str, Scene]:
    """Write example clips as H.264, "park" with a sound track; existing files are replaced.

    Args:
        folder: Existing folder to write into.
        names: Keys of `EXAMPLES`, each of which is written as NAME.mp4.

    Returns:
        The scenes as drawn, before compression, by name.
    """
    scenes = {name: EXAMPLES[name]() for name in names}
    for name, scene in scenes.items():
        write_clip(folder / f"{name}.mp4", scene.frames, scene.frames_per_second, sound=name in WITH_SOUND)
    return scenes


def write_gif(video: Path, out: Path, *, width: int = 480, every: int = 3) -> None:
    """Write a video as a GIF animation, which web pages play by themselves.

    Args:
        video: Any video that refvid reads.
        out: File to write, whose name ends in .gif; an existing one is replaced.
        width: Width of the animation in pixels; the height keeps the proportions.
        every: Step between the frames that are kept; the speed of the animation stays the same.
    """
    with open_reader(video) as reader:
        size = (width, round(width * reader.info.height / reader.info.width))
        duration = round(1000 * every * float(1 / (reader.info.frame_rate or 25)))
        kept = [frame.pixels for index, frame in enumerate(reader) if index % every == 0]
    pictures = [Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS) for pixels in kept]
    # All frames share one palette, so that still parts of the picture do not change and take no space.
    some = [np.asarray(picture) for picture in pictures[:: max(1, len(pictures) // 6)]]
    palette = Image.fromarray(np.concatenate(some)).quantize(_COLOURS, dither=Image.Dither.NONE)
    first, *rest = (picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures)
    first.save(out, save_all=True, append_images=rest, duration=duration, loop=0, optimize=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the clips and print the object of each expression, or write an animation."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", type=Path, metavar="FOLDER", help="write the example clips into FOLDER")
    what.add_argument("--gif", type=Path, nargs=2, metavar=("VIDEO", "GIF"), help="write VIDEO as an animation")
    parser.add_argument("--only", nargs="+", choices=tuple(EXAMPLES), metavar="NAME", help="write only these clips")
    chosen = parser.parse_args(arguments)
    if chosen.gif is not None:
        write_gif(*chosen.gif)
        return
    for name, scene in write_examples(chosen.out, chosen.only or tuple(EXAMPLES)).items():
        length, height, width = scene.instances.shape
        print(f"{name}.mp4: {width} x {height}, {length} frames")
        for reference in scene.references:
            meant = "nothing" if reference.actor is None else role_of(scene.actors[reference.actor].look)
            print(f"  {reference.expression!r}: {meant}")


if __name__ == "__main__":
    main()
