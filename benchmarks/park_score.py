"""Score a model on drawn park scenes it was never taught, and on examples/park.mp4.

    python benchmarks/park_score.py [--model cmsa-tiny] [--scenes 60] [--seed 900000]

Prints mean IoU and P@0.5 over (expression, clip) pairs, each clip 11 frames of 320x180 scored whole, the share of
expressions without a referent whose masks cover under 0.5 % of the frames, and the IoU of each actor of the example.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from examples.park import draw_scene, write_example
from refvid.segmenter import Segmenter
from refvid.video.reader import open_reader
from refvid.weights import load_model

EXAMPLE = ["man in yellow shirt", "woman in red dress", "boy in blue shirt", "the brown dog", "the ball"]


def iou(found: np.ndarray, truth: np.ndarray) -> float:
    """Return intersection over union of two stacks of masks; 1 when both are empty."""
    union = int((found | truth).sum())
    return int((found & truth).sum()) / union if union else 1.0


def score_scenes(segmenter: Segmenter, scenes: int, seed: int) -> None:
    """Print the figures over random scenes."""
    values, quiet = [], []
    for index in range(scenes):
        rng = np.random.default_rng(seed + index)
        scene = draw_scene(rng, frames=11, width=320, height=180)
        named = [actor for actor, told in enumerate(scene.expressions) if told]
        spoken = [str(rng.choice(scene.expressions[actor])) for actor in named]
        absent = [str(rng.choice(scene.absent))] if scene.absent else []
        if not spoken + absent:
            continue
        masks = np.stack(list(segmenter.stream(scene.frames, spoken + absent)), axis=1)  # [E, T, H, W]
        values += [iou(masks[row], scene.masks[actor]) for row, actor in enumerate(named)]
        quiet += [masks[row].mean() < 0.005 for row in range(len(named), len(masks))]
    over_half = np.mean(np.array(values) > 0.5)
    print(f"{scenes} scenes from seed {seed}, {len(values)} expressions")
    print(f"mean IoU {np.mean(values):.3f}, P@0.5 {over_half:.3f}")
    print(f"empty where nothing is meant: {np.mean(quiet):.3f} of {len(quiet)} expressions")


def score_example(segmenter: Segmenter) -> None:
    """Print the IoU of each expression on the example clip."""
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "park.mp4"
        scene = write_example(clip, audio=False)
        with open_reader(clip) as reader:
            frames = [frame.pixels for frame in reader]
    spoken = [expression for expression in EXAMPLE if any(expression in told for told in scene.expressions)]
    masks = np.stack(list(segmenter.stream(frames, spoken)), axis=1)
    for row, expression in enumerate(spoken):
        actor = next(index for index, told in enumerate(scene.expressions) if expression in told)
        frame_ious = [iou(a, b) for a, b in zip(masks[row], scene.masks[actor], strict=True)]
        print(f"park.mp4 '{expression}': IoU {iou(masks[row], scene.masks[actor]):.3f}, "
              f"frames above 0.5: {np.mean(np.array(frame_ious) > 0.5):.2f}")  # fmt: skip


def main() -> None:
    """Load the model and print both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="cmsa-tiny")
    parser.add_argument("--scenes", type=int, default=60)
    parser.add_argument("--seed", type=int, default=900_000)
    parser.add_argument("--refine", action="store_true")
    parser.add_argument("--threshold", type=float)
    arguments = parser.parse_args()
    segmenter = Segmenter(load_model(arguments.model), refine=arguments.refine, threshold=arguments.threshold)
    score_scenes(segmenter, arguments.scenes, arguments.seed)
    score_example(segmenter)


if __name__ == "__main__":
    main()
