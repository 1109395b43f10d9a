"""Learning works: a few minutes on one drawn sequence, then its masks through the command line from the checkpoint."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from examples.learn import main as learn
from examples.park import Scene, draw_scene
from refvid.cli.app import main


def draw_two_actors() -> tuple[Scene, list[int], list[str]]:
    """Find a drawn scene in which two large actors keep their place apart; return it, them and their expressions."""
    for seed in range(100):
        scene = draw_scene(np.random.default_rng(seed), frames=12, width=160, height=90)
        areas = scene.masks.mean((2, 3))
        large = [actor for actor in range(len(areas)) if areas[actor].min() > 0.045 and scene.expressions[actor]]
        if len(large) >= 2:
            return scene, large[:2], [min(scene.expressions[actor], key=len) for actor in large[:2]]
    raise AssertionError("no scene with two large actors in 100 seeds")


@pytest.mark.timeout(900)
def test_a_sequence_is_learnt_and_found_again(tmp_path: Path) -> None:
    scene, actors, expressions = draw_two_actors()
    frames, truth = tmp_path / "frames", tmp_path / "truth"
    frames.mkdir()
    truth.mkdir()
    for index, pixels in enumerate(scene.frames):
        Image.fromarray(pixels).save(frames / f"{index:05d}.png")
        objects = sum((scene.masks[actor, index] * np.uint8(number)) for number, actor in enumerate(actors, 1))
        picture = Image.fromarray(np.asarray(objects, dtype=np.uint8))
        picture.putpalette(bytes(768))
        picture.save(truth / f"{index:05d}.png")
    words = [argument for expression in expressions for argument in ("--expression", expression)]
    learn(["sequence", "--frames", str(frames), "--masks", str(truth), *words, "--steps", "300",
           "--out", str(tmp_path / "model")])  # fmt: skip
    out = tmp_path / "masks"
    assert main(["segment", str(frames), *expressions, "-m", str(tmp_path / "model"), "-f", "png", "-o", str(out)]) == 0
    found = np.stack([np.asarray(Image.open(path)) for path in sorted(out.iterdir())])
    for number, actor in enumerate(actors, 1):
        mask, target = found == number, scene.masks[actor]
        iou = (mask & target).sum((1, 2)) / (mask | target).sum((1, 2))
        assert iou.mean() > 0.85, f"{expressions[number - 1]}: {iou.mean():.3f}"
