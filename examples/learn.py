"""Teach `cmsa-tiny` from drawn park scenes, or to follow one real sequence.

    python examples/learn.py park --minutes 40 --out weights/cmsa-tiny
    python examples/learn.py sequence --frames FRAMES --masks MASKS --expression "black swan" --out runs/swan

A small trainer, to show that the network learns and to give the embedded weights a start. Scenes are drawn as they
are needed. Adam, polynomial decay 0.9, binary cross-entropy (Eq. 8) plus a Dice term, which keeps small objects from
being ignored. Still pictures first, then clips, so that cross-frame attention learns too.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from examples.park import VOCABULARY, draw_scene, write_example
from refvid.model.config import ModelConfig, tiny_config
from refvid.model.language import Vocabulary, split_words
from refvid.model.letterbox import Letterbox
from refvid.model.network import ReferringNetwork, build_network
from refvid.video.reader import open_reader
from refvid.weights import read_checkpoint, save_checkpoint

EXPRESSIONS_PER_SCENE = 4


@dataclass(frozen=True)
class Batch:
    """Clips uint8 [B, T, 3, S, S], word ids [B, E, L], masks of the middle frame float [B, E, S, S]."""

    clips: Tensor
    word_ids: Tensor
    masks: Tensor


def place(frames: np.ndarray, masks: np.ndarray, size: int) -> tuple[Tensor, Tensor]:
    """Letterbox frames [T, H, W, 3] and masks [E, H, W] to the network's input: [T, 3, S, S] and [E, S, S]."""
    box = Letterbox.square(frames[0], size)
    clip = box.pad(box.resize(torch.from_numpy(frames).permute(0, 3, 1, 2).contiguous()))
    targets = F.interpolate(torch.from_numpy(masks).float()[None], box.scaled, mode="area")[0]
    return clip, box.pad(targets)


def place_sequence(frames: np.ndarray, masks: np.ndarray, size: int) -> tuple[Tensor, Tensor]:
    """Letterbox a whole sequence with masks [E, T, H, W]: frames [T, 3, S, S] and targets [T, E, S, S]."""
    targets = [place(frames[:1], masks[:, index], size)[1] for index in range(len(frames))]
    return place(frames, masks[:, 0], size)[0], torch.stack(targets)


def park_batches(seed: int, size: int, vocabulary: Vocabulary, batch: int, frames: int) -> Iterator[Batch]:
    """Yield batches of drawn scenes for ever; one expression in eight means nothing in its scene."""
    rng = np.random.default_rng(seed)
    while True:
        clips, expressions, targets = [], [], []
        for _ in range(batch):
            aspect = rng.choice([9 / 16, 9 / 16, 3 / 4, 1.0, 16 / 9])
            height, width = (round(size * aspect), size) if aspect <= 1 else (size, round(size / aspect))
            scene = draw_scene(rng, frames=frames, width=width, height=height)
            named = [actor for actor, told in enumerate(scene.expressions) if told]
            rows = np.zeros((EXPRESSIONS_PER_SCENE, height, width), dtype=np.bool_)
            for row in range(EXPRESSIONS_PER_SCENE):
                if not named or (scene.absent and rng.random() < 0.125):
                    expressions.append(str(rng.choice(scene.absent or ("the purple bird",))))
                    continue
                actor = int(rng.choice(named))
                expressions.append(str(rng.choice(scene.expressions[actor])))
                rows[row] = scene.masks[actor, frames // 2]
            if rng.random() < 0.3:  # a picture taken from further away or softly focused
                blurred = torch.from_numpy(scene.frames).permute(0, 3, 1, 2).contiguous()
                small = F.interpolate(blurred, (height * 2 // 3, width * 2 // 3), mode="bilinear", antialias=True)
                back = F.interpolate(small, (height, width), mode="bilinear")
                clip, target = place(back.permute(0, 2, 3, 1).contiguous().numpy(), rows, size)
            else:
                clip, target = place(scene.frames, rows, size)
            clips.append(clip)
            targets.append(target)
        ids = vocabulary.encode(expressions).view(batch, EXPRESSIONS_PER_SCENE, -1)
        yield Batch(torch.stack(clips), ids, torch.stack(targets))


def example_batches(seed: int, size: int, vocabulary: Vocabulary) -> Iterator[Batch]:
    """Yield, in turn, batches of random scenes and of clips of examples/park.mp4 itself, for ever."""
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "park.mp4"
        scene = write_example(path, audio=False)
        with open_reader(path) as reader:
            frames = np.stack([frame.pixels for frame in reader])
    clip, targets = place_sequence(frames, scene.masks, size)
    scenes = park_batches(seed, size, vocabulary, 6, 1)
    while True:
        yield next(scenes)
        centres = rng.integers(1, len(frames) - 1, 4)
        actors = rng.integers(0, len(scene.masks), (4, EXPRESSIONS_PER_SCENE))
        spoken = [str(rng.choice(scene.expressions[actor])) for actor in actors.flat]
        around = centres[:, None] + np.array([-1, 0, 1])
        ids = vocabulary.encode(spoken).view(4, EXPRESSIONS_PER_SCENE, -1)
        yield Batch(clip[around], ids, torch.stack([targets[c][a] for c, a in zip(centres, actors, strict=True)]))


def sequence_batches(
    frames: np.ndarray, masks: np.ndarray, expressions: Sequence[str], size: int, vocabulary: Vocabulary
) -> Iterator[Batch]:
    """Yield batches of four clips of three frames around random frames of one sequence, for ever.

    Args:
        frames: uint8 [T, H, W, 3].
        masks: bool [E, T, H, W], one object an expression.
        expressions: E of them.
        size: Side of the network's input.
        vocabulary: Of the network.
    """
    rng = np.random.default_rng(0)
    clip, targets = place_sequence(frames, masks, size)
    word_ids = vocabulary.encode(expressions).expand(4, -1, -1)
    while True:
        centres = rng.integers(0, len(frames), 4)
        around = np.clip(centres[:, None] + np.array([-2, 0, 2]), 0, len(frames) - 1)
        yield Batch(clip[around], word_ids, targets[centres])


def segmentation_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Return binary cross-entropy (Eq. 8) plus a Dice term, over logits and masks [B, E, S, S]."""
    entropy = F.binary_cross_entropy_with_logits(logits, masks)
    probability = logits.sigmoid()
    overlap = (probability * masks).sum((2, 3))
    dice = 1 - (2 * overlap + 20) / (probability.sum((2, 3)) + masks.sum((2, 3)) + 20)
    return 4 * entropy + dice.mean()


class Average:
    """Exponential moving average of a network's parameters; buffers are taken as they are."""

    def __init__(self, network: ReferringNetwork, decay: float) -> None:
        self.decay = decay
        self.values = {name: value.detach().clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: ReferringNetwork, step: int) -> None:
        """Move the average towards the network, faster at the start."""
        weight = 1 - min(self.decay, (step + 1) / (step + 10))
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                self.values[name].lerp_(value, weight)
            else:
                self.values[name].copy_(value)


def train(
    network: ReferringNetwork,
    batches: Iterator[Batch],
    *,
    learning_rate: float,
    seconds: float = float("inf"),
    steps: float = float("inf"),
    report_every: int = 100,
) -> tuple[ReferringNetwork, int]:
    """Train for a time or a number of steps; return the averaged network and the number of steps."""
    optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
    average, start, running, step = Average(network, 0.995), time.monotonic(), 0.0, 0
    network.train()
    while (done := max((time.monotonic() - start) / seconds, step / steps)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * min(1.0, (step + 1) / 100) * (1 - done) ** 0.9
        batch = next(batches)
        logits = network(batch.clips.float() / 255, batch.word_ids, target=batch.clips.shape[1] // 2)
        loss = segmentation_loss(logits, batch.masks)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        average.update(network, step)
        running += loss.item()
        step += 1
        if step % report_every == 0:
            minutes = (time.monotonic() - start) / 60
            print(f"{minutes:6.1f} min  step {step:6d}  loss {running / report_every:.4f}", flush=True)
            running = 0.0
    network.load_state_dict(average.values)
    return network.eval(), step


def read_sequence(frames: Path, masks: Path, objects: int) -> tuple[np.ndarray, np.ndarray]:
    """Read frames [T, H, W, 3] and masks bool [E, T, H, W] of two folders with the same number of pictures.

    Palette masks hold the number of the object, from 1; in grey ones everything that is not black is object 1.
    """
    pictures = [np.asarray(Image.open(path).convert("RGB")) for path in sorted(frames.iterdir())]
    indices = []
    for path in sorted(masks.iterdir()):
        with Image.open(path) as picture:
            indices.append(np.asarray(picture) if picture.mode == "P" else np.asarray(picture.convert("L")) > 0)
    return np.stack(pictures), np.stack([np.stack(indices) == index for index in range(1, objects + 1)])


def learn_sequence(arguments: argparse.Namespace) -> None:
    """Train from random weights on one sequence and write a checkpoint."""
    torch.manual_seed(0)
    words = tuple(sorted({word for expression in arguments.expression for word in split_words(expression)}))
    config = tiny_config(words)
    frames, masks = read_sequence(arguments.frames, arguments.masks, len(arguments.expression))
    vocabulary = Vocabulary(config.vocabulary, config.max_words)
    batches = sequence_batches(frames, masks, arguments.expression, config.input_size, vocabulary)
    network, steps = train(build_network(config), batches, steps=arguments.steps, learning_rate=2e-3)
    record = {"data": "one sequence", "expressions": list(arguments.expression), "steps": steps, "seed": 0}
    save_checkpoint(network, config.renamed(training=record), arguments.out)


def learn_park(arguments: argparse.Namespace) -> None:
    """Train on drawn scenes, stills then clips, and write a checkpoint after each part."""
    torch.manual_seed(arguments.seed)
    if arguments.start:
        network, config = read_checkpoint(arguments.start)
    else:
        config = tiny_config(VOCABULARY)
        network = build_network(config)
    vocabulary = Vocabulary(config.vocabulary, config.max_words)
    history: list[dict[str, object]] = list(config.training.get("parts", []))
    parts = [(1, 12, 0.75 * arguments.minutes, 1.5e-3), (3, 6, 0.25 * arguments.minutes, 5e-4)]
    for frames, batch, minutes, rate in parts:
        batches = park_batches(arguments.seed * 1000 + frames, config.input_size, vocabulary, batch, frames)
        network, steps = train(network, batches, seconds=minutes * 60, learning_rate=rate)
        history.append(
            {
                "clip": frames,
                "batch": batch,
                "steps": steps,
                "minutes": minutes,
                "learning_rate": rate,
                "seed": arguments.seed,
            }
        )
        save_checkpoint(network, _recorded(config, history), arguments.out)


def learn_example(arguments: argparse.Namespace) -> None:
    """Go on from a checkpoint, half on random scenes and half on the example clip, and write a checkpoint."""
    torch.manual_seed(arguments.seed)
    network, config = read_checkpoint(arguments.start)
    vocabulary = Vocabulary(config.vocabulary, config.max_words)
    batches = example_batches(arguments.seed, config.input_size, vocabulary)
    network, steps = train(network, batches, seconds=arguments.minutes * 60, learning_rate=1e-3)
    part = {"data": "half drawn scenes, half examples/park.mp4 itself", "steps": steps, "minutes": arguments.minutes,
            "learning_rate": 1e-3, "seed": arguments.seed}  # fmt: skip
    save_checkpoint(network, _recorded(config, [*config.training["parts"], part]), arguments.out)


def _recorded(config: ModelConfig, history: list[dict[str, object]]) -> ModelConfig:
    return config.renamed(training={"data": "drawn park scenes, examples/park.py", "parts": history})


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    park = commands.add_parser("park", help="train on drawn park scenes")
    park.add_argument("--seed", type=int, default=1)
    park.add_argument("--start", type=Path, help="checkpoint to go on from")
    park.set_defaults(run=learn_park)
    example = commands.add_parser("example", help="go on with drawn scenes and the example clip itself")
    example.add_argument("--seed", type=int, default=2)
    example.add_argument("--start", type=Path, required=True, help="checkpoint to go on from")
    example.add_argument("--minutes", type=float, required=True)
    example.set_defaults(run=learn_example)
    sequence = commands.add_parser("sequence", help="train on one sequence")
    sequence.add_argument("--frames", type=Path, required=True)
    sequence.add_argument("--masks", type=Path, required=True)
    sequence.add_argument("--expression", action="append", required=True, help="of object 1, then of object 2, ...")
    sequence.add_argument("--steps", type=int, default=300)
    sequence.set_defaults(run=learn_sequence)
    park.add_argument("--minutes", type=float, required=True)
    for command in (park, example, sequence):
        command.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args(arguments)
    chosen.run(chosen)


if __name__ == "__main__":
    main()
